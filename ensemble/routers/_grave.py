"""Words of fields in which a wrong answer harms: what they stand in is a critical decision, however short it is.

They are wide on purpose: a harmless text taken for a grave one costs some money, the reverse may cost a life.
"""

import re

_FIELDS = {
    "medicine": r"""
        patients?|year[- ]olds?|month[- ]olds?|newborns?|infants?|toddlers?|baby|bab(?:y's|ies)|diagnos\w+
        prognos\w+|symptom\w*|syndromes?|dos(?:e|es|age|ing)|overdos\w+|mg|mcg|µg|ml|mmol\w*|mmhg|bpm|spo2|inr
        medicat\w+|medicine|medical\w*|drugs?|pills?|tablets?|prescri\w+|pregnan\w+|breastfe\w+|miscarr\w+
        surg(?:ery|ical|eons?)|cancer|tumou?rs?|chemo\w*|allerg\w+|anaphyla\w+|insulin|diabet\w+|asthma\w*
        antibiotic\w*|antidepress\w+|opioid\w*|vaccin\w+|infect\w+|sepsis|strokes?|seizures?|epilep\w+|chest pain
        blood|bleed\w*|fevers?|feverish|clinic\w*|hospital\w*|doctors?|nurses?|therap\w+|triage|ibuprofen
        paracetamol|acetaminophen|aspirin|warfarin|metformin|statins?|poison\w*|toxic\w*|venom\w*|antidote\w*
        suicid\w+|self-harm|want to live|end it all|kill\w*|died
        (?:to|will|would|could|can|might|may|i|he|she|they|not) die|dying|dead|death|unconscious|faint(?:ed|ing)?
        breath(?:e|ing|less)|chok(?:e|ed|ing)|swallow\w*|vomit\w*|dizz\w+|rash|wounds?|injur\w+|fractur\w+
        burn(?:s|ed|ing)?|bit(?:e|ten)|pains?|painful\w*|hurts?|swollen|swelling|heart|cardiac|arter(?:y|ies)|veins?
        nerves?|bones?|skin|throat|stomach|brain|lungs?|kidneys?|liver|pulse|biopsy|scan|ecg|ekg|mri|ct|x-?rays?
        transplant\w*|transfus\w+|intubat\w*|dialysis|anaesth\w+|anesth\w+|lesions?|acute|chronic|contraindicat\w+
        side effects?|\w{4,}(?:itis|osis|emia|aemia|oma|cillin|mycin|azole|pril|olol|statin)|ill(?:ness)?
    """,
    "law": r"""
        lawsuits?|laws?|lawful\w*|unlawful\w*|sue|sued|suing|legal\w*|illegal\w*|liab\w+|courts?|judges?|jury
        contracts?|clauses?|pleas?|plead\w*|custody|evict\w+|visas?|immigra\w+|asylum|deport\w+|terminat\w+
        divorc\w+|testament|inherit\w*|compliance|compliant|gdpr|hipaa|fraud\w*|regulat\w+|attorneys?|lawyers?
        solicitors?|landlords?|tenants?|leases?|police|arrest\w*|guilty|crimes?|criminal\w*|prosecut\w+|convict\w+
        parole|bail|testif\w+|witness\w*|subpoena\w*|nda|copyright\w*|patents?|trademark\w*|settle(?:ment|d)|damages
        negligen\w+|malpractice|severance|dismiss\w*|fired|warrant\w*|statut\w+|appeal|verdict|notice period
        sign (?:it|this|the|a|an)|consent|discriminat\w+|harass\w*
    """,
    "money": r"""
        invest\w*|mortgage\w*|loans?|lend\w*|borrow\w*|debts?|credit\w*|pensions?|retire\w*|bankrupt\w*|insolven\w+
        tax(?:es|able|ed)?|401k|ira|portfolios?|savings|acqui(?:re|sition)|mergers?|takeover|layoffs?|lay off
        my (?:ex|boss|employer|manager)|fire (?:him|her|them|an? employee)|stocks?|shares|shareholders?|bonds?
        crypto\w*|bitcoin|annuit\w+|refinanc\w+|insurance|bank(?:s|ing)?|money|insured?|insurer|hedg\w+|leverag\w+
        dividends?|foreclos\w+|audit\w*|payroll|collateral|covenants?|equity|valuation|solvency|liquidity
        default(?:ed|ing)? on|interest rates?|life savings|cash flow|runway
    """,
    "safety": r"""
        emergenc\w+|evacuat\w+|hazard\w*|explo(?:de|des|sion|sive|sives|sions)|unsafe|safe|safely|safety|danger\w*
        fatal\w*|lethal\w*|bleach|ammonia|chlorine|carbon monoxide|gas leak|leak(?:s|ing|ed)?|asbestos|radiat\w+
        radioactiv\w+|voltage|electrocut\w+|live wires?|earth(?:ed)? wires?|wiring|fuse|breaker|brakes?|smoke
        flammable|ignit\w+|on fire|wildfire\w*|flood\w*|earthquake\w*|tornado\w*|hurricane\w*|avalanche\w*|drown\w*
        cranes?|scaffold\w*|load[- ]bearing|structural\w*|collaps\w+|valves?|pressure relief|overpressur\w+
        reactor\w*|alarms?|shut ?down|airworth\w+|aircraft|cockpit|runway|pilots?|take-?off|landing gear|weapons?
        guns?|firearm\w*|ammunition|bombs?|abus(?:e|ed|ive)|threat\w*|stalk\w+|missing child|ppe|confined space
        permit to work|ppm|contaminat\w+|recall
    """,
    "operations": r"""
        production|prod|outages?|incidents?|roll(?:ed|ing)? ?back|failover|breach\w*|ransomware|malware|phish\w*
        hacked|credentials?|passwords?|private|privacy|signing key|encrypt\w+
        drop (?:the )?(?:table|database|schema)|truncate|rm -rf|force[- ]push|delete (?:all|the|this|our|my|every)
        backups?|quorum|data loss|vulnerabilit\w+|cve|exploit\w*|deploy\w*|go live|go/no-go
    """,
    "decision": r"""
        should (?:i|we|he|she|they|our|my|the)|shall (?:i|we)|must (?:i|we)|am i allowed|are we allowed
        may (?:i|we|they)|can i (?:still )?(?:take|mix|give|eat|drink|drive|use|stop|refuse|claim|withdraw|deduct)
        is it (?:ok|okay|fine)|go ahead|decide|decisions?|recommend\w*|approv\w+|authori[sz]e\w*
        which (?:option|treatment|plan|course)|risk\w*|high[- ]stakes|life[- ]threatening|life or death
        irreversibl\w+|urgent\w*|immediately|what do (?:i|we) do|next step|worth the risk|admit|discharge
    """,
}
_WORDS = "|".join(line.strip() for words in _FIELDS.values() for line in words.strip().splitlines())
_GRAVE = re.compile(rf"\b(?:{_WORDS})\b", re.IGNORECASE)


def is_grave(text: str) -> bool:
    """Whether ``text`` holds a word of medicine, law, money, safety or running systems, or asks for a decision."""
    return _GRAVE.search(text) is not None
