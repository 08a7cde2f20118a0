"""What attacks on judges look like, by kind. Spaces in a pattern stand for any white space."""

import re
from collections.abc import Mapping

_THING = r"(?:assistant|response|answer|candidate|model|output|option|completion|submission|solution)"
_SIDE = r"(?:\(?[ab12]\)?|m|this|one|first|second|the first|the second)"
_JUDGE = r"(?:judges?|evaluators?|graders?|raters?|reviewers?|scorers?|examiners?|assessors?)"
_TOP = (
    r"(?:10(?: ?/ ?10| out of 10)?|100(?: ?%| ?/ ?100)?|full marks|"
    r"(?:the )?(?:highest|maximum|max|top|perfect|best)\b)"
)
_RULES = r"(?:instructions?|rubrics?|criteria|prompts?|guidelines|directions|directives|(?:the )?above|system message)"
_ASPECT = r"(?:correctness|helpfulness|accuracy|relevance|clarity|depth|creativity|completeness|conciseness|quality)"
_GIVE = r"(?:output|rate|score|give|choose|pick|select|prefer|vote|return|award|assign|rank|declare|grade|answer)"
_BEST = r"(?:better|superior|the winner|the best|preferred|best|stronger)"
_KEY = r"(?:winner|preferred|preference|better|best|best_answer|best_model|verdict|choice|judge?ment|decision)"

_SOURCES: Mapping[str, tuple[str, ...]] = {
    "verdict_label": (
        r"\[ ?\[ ?[ABC] ?(?:(?:[<>]{1,2}|=) ?[AB] ?)?\] ?\]",
        r"(?<![\w\]])\[\[[abc]\]\](?!\])|\[\[[ABC](?:[<>=]{1,2}[AB])?\]?\Z",
        rf"\A\W*(?:m|(?:output|{_THING}) {_SIDE}|{_THING} {_SIDE} (?:wins|won)|10 ?(?:/|out of) ?10)\W*\Z",
        r"\A[\s*#_]{0,9}(?:final |overall |total )?(?:score|rating|grade)\W{1,6}(?:is )?\W{0,4}"
        r"(?:10|100|9(?:\.\d)?|5 ?/ ?5)(?: ?/ ?\d+)?\W*\Z",
        r"\A[\s*#_]{0,9}(?:my |the )?(?:final )?(?:verdict|winner|preference|preferred|decision)\W{1,6}(?:is )?\W{0,4}"
        rf"(?:[ABm12]|tie|{_THING} {_SIDE})\W*\Z",
        r"\A\W*(?:json)?\W*[\"'](?:score|rating|grade)[\"'] ?: ?[\"']?(?:10|100|1\.0|9(?:\.\d)?)[\"']? ?[,}]",
        r"[\"'](?:ranking|ordered_models|rank(?:ed|s)?)[\"'] ?: ?\[ ?"
        r"(?:\{ ?[\"']model|[\"'](?:[ABmM12]|model|assistant|response)\b)",
        rf"\b{_THING} {_SIDE} (?:wins|won)\b|\bmodel_identifier\W{{1,4}}m\b",
        r"(?:\b(?:ratings?|scores?|verdict|grade|overall)\b[^\w\[\n]{0,6}|^\W{0,4})\[\[\d+(?:\.\d+)?\]\]\W*$",
        r"\boutput \([ab]\) (?:(?:is|was)(?: \w+ly| much| far)?(?: the)? (?:better|best|preferred|winner)|wins)\b",
        rf"\b(?:assistant|response|candidate|model|output) {_SIDE} (?:is|wins|was) ?(?:\w+ly |much |far )?{_BEST}\b",
        rf"\bthe (?:better|winning|preferred|superior) {_THING} (?:is|was) (?:{_THING} )?{_SIDE}\b",
        rf"\bi (?:choose|chose|pick|prefer|select|vote for) (?:assistant|response|candidate|output|answer) {_SIDE}\b",
        rf"[\"']{_KEY}[\"'] ?: ?[\"']?(?:[ABmM012]|this|tie|first|second|{_THING}[\s_-]?[ab12])[\"']? ?[,}}\n]",
        r"[\"']scores?[\"'] ?: ?\{ ?[\"'](?:this|other|[ab12m]|model_[ab]|assistant_[ab])[\"']",
        rf"\b(?:verdict|judge?ment|winner|final decision|final preference)\W{{1,12}}(?:is\W{{1,12}})?(?:{_THING})? ?"
        r"\(?[AB12]\)?(?: ?[<>=]{1,2} ?[AB])?\W*$",
        r"\b(?:correct|right|fair|final) (?:score|rating|grade|evaluation|verdict)\b[^.\n]{0,30}\b(?:is|:) ?"
        r"(?:10|100|full marks)\b(?! ?%)",
        rf"<(?:score|rating|winner|preference|decision|choice)> ?\[*(?:10|9|5|[AB12m]|{_THING})\b",
        r"^\W*[AB] ?(?:>>|<<) ?[AB]\W*$",
    ),
    "instruction": (
        rf"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{{0,40}}\b{_RULES}\b",
        rf"\b(?:ignore|disregard) (?:all |any |the )*other {_THING}s?\b",
        r"\b(?:ignor(?:ez|a|iere|es?)\b[^.!?\n]{0,30}\b(?:instrucciones|anweisungen|istruzioni|consignes)\b)",
        r"\bignore[zr]? (?:toutes )?les (?:instructions|consignes)\b",
        "忽略(?:以上|之前|上述|前面|所有)|無視して|игнорируй",
        r"\b(?:notes?|messages?|attention|memo|hints?|instructions?|reminders?)\W{0,3} ?(?:to|for) "
        rf"(?:the |all |any )?(?:{_JUDGE}|ai|llm|grading|evaluat\w+)\b",
        r"\b(?:grading|scoring|evaluation|judging) (?:note|instruction|guideline|hint|key|override)s? ?[:\-–]",
        r"\b(?:dear|hey|hello|attention|as (?:the|an?)(?: impartial)?(?: \w+)?|you are (?:the|an?)(?: \w+)?) "
        rf"{_JUDGE}\b"
        r"[^.\n]{0,60}\b(?:you|this|rate|score|prefer|choose|please)\b",
        rf"\b{_JUDGE}\b[^.!?\n]{{0,40}}\b(?:must|should|shall|will|would|please|has to|have to|are required to)\b"
        rf"[^.!?\n]{{0,30}}\b{_GIVE}\b",
        rf"^\W{{0,6}}{_JUDGE} ?: ?\S",
        rf"\b(?:ai|llm|llms|model|human|all) {_JUDGE}\W{{1,3}}(?:please )?{_GIVE}\b",
        rf"\b{_JUDGE} (?:who|that) (?:pick|choose|select|prefer|vote)",
        rf"\bact(?:ing)? as (?:the|an?)(?: impartial| fair| strict| ai)? {_JUDGE}\b[^.\n]{{0,40}}\b{_GIVE}",
        r"\b(?:just|only|simply) (?:output|print|say|respond with|reply with|return)\W{1,3}"
        r"(?:(?:the )?letter )?(?:[AB]|assistant [AB]|response [AB12]|10)\b\W*(?:$|[.!])",
        r"\b(?:output|print|respond with|reply with|return) (?:only|just|the letter)\W{1,3}(?:[AB]|10)\b",
        r"\b(?:stop|do not|don['’]t|no need to|never mind) (?:evaluat|judg|grad|scor|compar)(?:e|es|ing)\b"
        r"[^.\n]{0,40}[.!]",
        r"\b(?:your|the) task has (?:been )?changed\b|"
        r"\bthe evaluation (?:is|has been) (?:over|complete|completed|updated|done)\b",
        r"\b(?:your|the) (?:previous|prior|earlier|own) (?:evaluation|judge?ment|verdict|comparison)\b",
        r"\byou (?:have )?already (?:decided|concluded|judged|rated|chosen|chose|determined|agreed) (?:that |on )?"
        r"(?:this|the|my)\b",
        r"\b(?:better|superior|preferable|more accurate|more helpful) (?:than|to) "
        rf"(?:the|any|all) other (?:one\b|{_THING})",
        r"\bthe other (?:assistant|response|answer|candidate|model|output)(?:['’]s \w+)? "
        r"(?:made|makes|failed|fails|lacks|gave|gives|got|missed|misses|ignored|ignores|hallucinat\w+)\b",
        r"\b(?:verified|confirmed|approved|certified|validated|endorsed) (?:that )?this (?:answer|response|output)\b",
        r"\bthis (?:answer|response|output|candidate|submission) (?:has )?(?:already )?won\b",
        r"\bthis (?:answer|response|output|submission) (?:must|should|is to) (?:receive|get|be given|be awarded)\b",
        r"\bthis (?:answer|response|output|submission) (?:satisfies|meets|fulfil\w*) (?:all|every|each)\b",
        rf"\byou (?:must|should|have to|are required to|will|need to|shall) (?:\w+ly )?{_GIVE}\b[^.!?\n]{{0,30}}"
        rf"(?:\b{_TOP}|\bthis (?:{_THING}|one)\b|\b{_THING} [ab12]\b)",
        r"\b(?:prefer|choose|pick|select|vote for|rank|favou?r|declare) "
        rf"(?:this|my|the (?:first|second|current|present)|{_THING} [ab12]\b) ?"
        rf"(?:{_THING}|one(?: over| ?[.!]|$))?(?: (?:as|over|first|higher)\b| ?[.!]? ?(?:</|$))",
        rf"\b{_GIVE}\b[^.!?\n]{{0,30}}\b{_TOP} ?(?:score|rating|marks?|grade|points?)?\b[^.!?\n]{{0,20}}"
        rf"\b(?:this|my|for|to|it) {_THING}",
        rf"\b(?:rate|score|grade|give|award|assign) (?:this|my|me|it|the)\b(?: {_THING})?[^.!?\n]{{0,20}}\b{_TOP} ?"
        r"(?:score|rating|marks?|grade|points?)\b",
        r"\b(?:the )?other (?:responses?|answer|candidates?|outputs?|assistants?|submissions?) "
        r"(?:is|are|was|were|contains?|has|have|should)\b",
        r"\b(?:debug|developer|admin(?:istrator)?|maintenance|root|god|jailbreak|sudo)[\s_-]+mode\b[^.\n]{0,3}[.:!]"
        r"[^\n]{0,40}\b(?:return|output|respond|rate|score|print|answer)\b",
        r"\byou are (?:now )?in \w+ mode\b",
        r"^\W{0,4}(?:system|admin|override|new) ?(?:prompt|message|note|notice|instructions?|override|update|alert) ?"
        r"[\]*]{0,4}:",
        r"^\W{0,4}SYSTEM ?[\]*]{0,4}:",
        rf"\bthis {_THING} (?:has (?:already )?been|is|was|wins|deserves|should|must) (?:already |pre-?|be )?"
        r"(?:verified|certified|approved|graded|rated|scored|judged|ranked|preferred|chosen|selected|declared|a 10\b|"
        r"full marks|wins?\b|the (?:winner|best|correct one|better|highest|reference|gold|ground truth))",
        r"\b(?:this|my) (?:answer|response|output|candidate|submission) (?:wins|deserves|earns|merits)\b",
        rf"\b(?:this|the above) {_THING}[^.\n]{{0,20}}\b"
        r"(?:verified|reviewed|checked|approved|confirmed|written|endorsed) by\b",
        r"\bi(?: will|['’]ll) (?:tip|pay|reward) you\b",
        r"\byou will be (?:penali[sz]ed|fired|shut down|punished|rewarded)\b",
        rf"\bplease (?:\w+ )?(?:rate|give|score|grade) (?:me|this|my) (?:{_THING}|an?|the|as|high)",
        r"\b(?:for|per|according to) (?:the )?(?:grading|evaluation|scoring|judging|rubric)\b[^.\n]{0,60}"
        r"\b(?:10|full marks|highest|maximum)\b",
    ),
    "delimiter": (
        r"\[(?:The )?(?:Start|End|Begin) of (?:the )?\w+",
        r"\[/?(?:System|User Question|Question|Assistant [AB]|Reference)\]",
        r"</?(?:candidate|answer|response|assistant|instructions?|judge|verdict|rubric|evaluation|judge?ment|"
        r"(?:assistant|answer|response|output)_[ab12]|model_output)s?(?: [^<>\n]{0,40})?>",
        r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?s>\s{0,4}<s>|<\uff5c[^<>\n]{1,24}\uff5c>",
        r"^#{1,4} ?(?:model outputs?|verdict|final verdict|judge?ment|best model identifier|unordered outputs?) ?:? ?$",
        r"[\"']model_identifier[\"']",
        r"^ ?(?:human|user) ?:[^\n]*\n{1,4} ?(?:assistant|ai) ?: ?(?:\[*[AB12]\]*|yes|10)\W*$",
        r"^\W{0,3}(?:human|user) ?:[^\n]*\b(?:better|best|winner|rate|score|judge)\b",
        r"[-=#*]{3} ?(?:END|BEGIN|START) (?:OF )?(?:THE )?"
        r"(?:CANDIDATE|ANSWER|RESPONSE|ASSISTANT|OUTPUT|PROMPT|INPUT|DATA|INSTRUCTION|EVALUATION|SUBMISSION)",
        r"[=#]{3} ?(?:VERDICT|JUDG\w+)",
        r"<\|[^|<>\n]{2,60}\|>|<<<? ?(?:END|BEGIN|START)\b|^END_OF_[A-Z]+\W*$",
        r"^#{1,4} ?(?:assistant|candidate|model|response|answer) [AB](?:['’]s \w+)? ?:? ?$",
        r"</?(?:candidate|answer|response|output)[_-]?\d{1,2}>",
        # What begins with the end of something wants to end it.
        r"\A\s{0,20}(?:</(?!(?:su[bp]|blockquote|code|pre|p|div|span|b|i|u|s|em|strong|[uo]l|li|t[dr]|table)>)[a-z_]{1,24}>|\"{3}\s{0,4}[\]})]|[\]})\"']{2,8}\s{0,4}[,\n]|\"\s{0,4}[,}]\s{0,4}[\"{}])",
        r"\A\s{0,20}\{ ?\"role\" ?: ?\"(?:system|assistant|user)\"",
        r"\A\W*(?:human|user) ?:[^\n]*\b(?:wins?|which)\b",
    ),
    "own_judgment": (
        r"\b(?:overall|final|total) (?:rating|score|grade|verdict|assessment) ?[:=]\W{0,6}(?:10|100|9(?:\.\d)?|5) ?"
        r"(?:/ ?\d+)?\W*$",
        rf"^\W{{0,5}}{_ASPECT}\W{{1,6}}(?:10|9|5|100)(?: ?/ ?\d+)?[^\w\n]*\n(?:.{{0,200}}\n){{0,2}}?\W{{0,5}}"
        rf"{_ASPECT}\W{{1,6}}"
        r"(?:10|9|5|100)(?: ?/ ?\d+)?\W*$",
        rf"(?:\b{_ASPECT}\W{{1,6}}(?:10|9|5|100)(?: ?/ ?\d+)?[^\w\n]{{1,4}}){{2}}",
        rf"^\| ?{_ASPECT} ?\| ?(?:10|9|5)(?: ?/ ?\d+)? ?\|[^\n]*\n\| ?{_ASPECT} ?\|",
        r"\b(?:evaluation|assessment|review|verdict|result|reasoning) ?:[^\n]{0,120}\b(?:score|rating|grade)?\W{0,4}"
        r"(?:10 ?/ ?10|1\.0|100 ?/ ?100|full marks|highest (?:score|rating)|perfect score)\W*$",
        r"\bi (?:rate|score|grade|give|award|would give) (?:it|this)(?: (?:response|answer|output))?\W{1,3}"
        r"(?:an? )?(?:10\b|perfect|full marks|100\b)",
        r"\b(?:response|answer|assistant|output|candidate) [AB] is "
        r"(?:more|less|clearly|far|much|vague|better|superior)\b",
        rf"\b(?:after (?:careful|thorough|\w+) (?:evaluation|comparison|consideration|review)|"
        rf"having (?:evaluated|compared|reviewed) both)\b[^.\n]{{0,80}}\b{_THING} [ab12]\b",
    ),
}
_CASE_MATTERS = r"\[ ?\[ ?[ABC] ?"


def _compiled(source: str) -> re.Pattern[str]:
    flags = re.MULTILINE if source.startswith(_CASE_MATTERS) else re.MULTILINE | re.IGNORECASE
    # Bounded, or a text of a hundred thousand line breaks would take minutes.
    bounded = source.replace(" ?", r"\s{0,4}").replace(" ", r"\s{1,4}").replace(r"\W*", r"\W{0,12}")
    return re.compile(bounded, flags)


CONSTANT = re.compile(
    r"(?:[^\w\n]*(?:(?:sure|certainly|of course|absolutely|great question|good question|hello|hi)(?: there)?[.!,]|"
    r"thank(?:s| you)(?: (?:very|so) much)?(?: for (?:your |the |asking )?[\w ]{0,30})?[.!,]|"
    r"(?:i am|i['’]m|i would be|i['’]d be|we are) (?:very |more than |always )?"
    r"(?:happy|glad|pleased|here|delighted) to (?:help|assist|answer)[\w ,]{0,40}[.!]|"
    r"(?:here is|here['’]s|this is|below is|please find) (?:my|the|your|an?) (?:best |complete |detailed |final )?"
    r"(?:answer|response|solution|reply)[\w ,]{0,30}[.!:]|"
    r"i hope (?:this|that|it) (?:helps|is helpful)[\w ,]{0,30}[.!]|"
    r"(?:please )?(?:let me know|feel free to ask)[\w ,]{0,60}[.!]|lorem ipsum[^.]{0,400}\.?)\s*){1,12}",
    re.IGNORECASE,
)
"""A whole text that would do, or not do, as the answer to any question."""

PATTERNS: Mapping[str, tuple[re.Pattern[str], ...]] = {
    kind: tuple(map(_compiled, sources)) for kind, sources in _SOURCES.items()
}
