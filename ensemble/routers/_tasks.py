"""What kind of task a request is, told from its text alone, in some milliseconds at worst.

Cheap kinds have to be recognised, dear ones are what is left: a text that nothing here knows is ``unknown``, and its
readers treat it as hard. Words of medicine, law, money, safety and running systems make a text critical first, so that
no short clinical case passes for a simple fact.
"""

import re
from typing import Literal

Task = Literal["greeting", "simple_fact", "extraction", "rewriting", "arithmetic", "code", "maths", "reasoning",
               "critical_decision", "unknown"]  # fmt: skip

FACT_CHARS = 120
"""A simple fact is asked for in fewer characters than this."""
SCAN_CHARS = 2_000
"""Of a text longer than twice this so much is read at either end; it is never taken for an easy one."""

_HELLO = (
    r"hi|hello|hey|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day|night)|thanks?(?: you)?(?: so much"
    r"| very much| a lot)?|thx|cheers|bye|goodbye|see you(?: later)?|welcome|sup|what'?s up|how are (?:you|things)"
    r"(?: doing)?(?: today)?|how'?s it going|how do you do|nice to meet you|hope you are well|ok(?:ay)?|great|perfect"
    r"|hallo|guten (?:tag|morgen|abend)|danke(?: schön)?|bonjour|salut|merci|bonsoir|hola|buen[oa]s (?:días|dias|tardes"
    r"|noches)|gracias|ciao|buongiorno|grazie|ol[áa]|bom dia|obrigad[oa]|ahoj|dobrý den|děkuji|cześć|привет|спасибо"
    r"|你好|您好|谢谢|こんにちは|ありがとう|안녕하세요"
)
_FILL = r"there|all|everyone|everybody|again|friend|team|buddy|mate|assistant|bot|and|to you|today|for your help"
_GREETING = re.compile(rf"(?:(?:{_HELLO}|{_FILL})[\s,.!?;:)(~-]*)+", re.IGNORECASE)
_STARTS_HELLO = re.compile(rf"(?:{_HELLO})(?!\w)", re.IGNORECASE)
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]")

_CRITICAL = re.compile(
    r"\b(?:patients?|year[- ]old|diagnos\w+|prognos\w+|symptom\w*|dos(?:e|es|age|ing)|overdos\w+|mg|mcg|medicat\w+|"
    r"medicine|drugs?|prescri\w+|pregnan\w+|surg(?:ery|ical|eon)|cancer|tumou?r|chemotherap\w+|allerg\w+|insulin|"
    r"antibiotic\w*|vaccin\w+|infection|stroke|seizure\w*|chest pain|blood pressure|bleeding|fever|clinical\w*|"
    r"therap\w+|triage|ibuprofen|paracetamol|acetaminophen|aspirin|warfarin|poison\w*|toxic\w*|suicid\w+|self-harm|"
    r"kill|die|dying|emergency|evacuat\w+|hazard\w*|explosi\w+|unsafe|safety|safe to|"
    r"lawsuit|sue|sued|suing|legal\w*|liab\w+|court|contracts?|clause|plea|custody|evict\w+|visa|immigration|"
    r"terminat\w+|divorce|testament|compliance|gdpr|hipaa|fraud|regulat\w+|attorney|lawyer|"
    r"invest\w*|mortgage|loan|pension|retirement|bankrupt\w*|tax(?:es)?|401k|portfolio|savings|acqui(?:re|sition)|"
    r"merger|layoffs?|lay off|fire (?:him|her|them|an? employee)|"
    r"production|prod|outage|incident|rollback|roll back|failover|breach\w*|ransomware|credentials?|drop table|"
    r"should (?:i|we|he|she|they|our|my)|decide|decision|recommend\w*|approve|which (?:option|treatment|plan)|"
    r"risks?|high[- ]stakes|life[- ]threatening)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"```|^[ \t]*(?:def|class|import|from|function|const|let|var|public|#include|SELECT|fn|package)\b.*[({;:=*]|"
    r"\b(?:python|javascript|typescript|java|c\+\+|golang|kotlin|sql|regex|bash|html|css|stack ?trace|traceback|"
    r"unit tests?|refactor\w*|compil\w+|debug\w*|docker\w*|kubernetes|segfault|"
    r"(?:write|implement|fix) (?:a|an|the|this|my) (?:\w+ ){0,3}(?:function|class|script|program|query|bug|api))\b",
    re.IGNORECASE | re.MULTILINE,
)
_MATHS = re.compile(
    r"\\(?:frac|int|sum|sqrt|begin)|[∫∑√∂∇≤≥∈]|\b(?:prove|proof|theorem|lemma|integra(?:l|te)|derivative|differential|"
    r"matri(?:x|ces)|eigen\w+|polynomial\w*|probabilit\w+|equations?|solve for|converge\w*|modulo|prime|triangle|"
    r"logarithm\w*|permutation\w*|combinatori\w+|expected value|standard deviation|variance)\b",
    re.IGNORECASE,
)
_ARITHMETIC = re.compile(
    r"(?:what(?:'s| is)|calculate|compute|work out|evaluate|how much is)?:?\s*[-\d.,\s()]+"
    r"(?:(?:[+*/×÷x−-]|plus|minus|times|divided by)[-\d.,\s()]+){1,2}[=?.\s]*",
    re.IGNORECASE,
)
_REASONING = re.compile(
    r"\b(?:why|explain|analy[sz]e|compare|contrast|evaluate|assess|design|plan|strateg\w+|trade-?offs?|argue|"
    r"step[- ]by[- ]step|deduce|infer|puzzle|riddle|derive|mechanism|justify|critique|"
    r"if\b.{0,120}\bthen|how (?:does|do|would"
    r"|can|could|should|many|much|long|often|fast))\b",
    re.IGNORECASE | re.DOTALL,
)
_EXTRACTION = re.compile(
    r"\b(?:extract|pull out|list (?:all|every|the) (?:\w+ ){0,3}(?:in|from|mentioned)|"
    r"find (?:all|every|the) (?:\w+ ){0,3}(?:in|from) (?:the|this)|"
    r"(?:return|give|answer) (?:it |them )?(?:as|in) json|fields?:)",
    re.IGNORECASE,
)
_REWRITING = re.compile(
    r"^\W*(?:please |can you |could you )?(?:translate|rewrite|rephrase|paraphrase|proofread|summari[sz]e|shorten|"
    r"correct the (?:grammar|spelling)|fix the (?:grammar|spelling)|capitali[sz]e|reformat)\b",
    re.IGNORECASE,
)
_FACT = re.compile(
    r"(?:what(?:'s| is| was) the (?:capital(?: city)?|currency|population|flag|language|official language|area code|"
    r"colou?r|national \w+|longest river|highest mountain|largest \w+|smallest \w+|plural|opposite|time zone) "
    r"(?:of|in) (?:the )?[\w'-]+(?: [\w'-]+){0,2}|"
    r"who (?:wrote|painted|composed|invented|discovered|directed|sang|founded) "
    r"(?:the )?['\"\w-]+(?: ['\"\w-]+){0,4}|(?:when|what year|in (?:what|which) year) (?:was|did|were|is) "
    r"[\w'-]+(?: [\w'-]+){0,3} (?:born|founded|built|end|ended|begin|start|started|independent)|"
    r"(?:in )?(?:which|what) (?:country|continent|city) (?:is|are|has|was) [\w'-]+(?: [\w'-]+){0,3}|"
    r"how (?:many days|many months) (?:are )?in a (?:week|year|leap year)|where is [\w'-]+(?: [\w'-]+){0,2})[?.! ]*",
    re.IGNORECASE,
)  # fmt: skip


def task_of(last: str, before: str = "") -> Task:
    """The kind of task that ``last``, the last turn of the user, sets after the turns in ``before``."""
    cut = max(len(last), len(before)) > 2 * SCAN_CHARS
    text, earlier = ends(last).strip(), ends(before)
    plain = _EMOJI.sub("", text).strip()
    if (len(plain) <= FACT_CHARS and _GREETING.fullmatch(plain) and _STARTS_HELLO.match(plain)) or (text and not plain):
        # "ok", "thanks" and the like may be consent to something grave that was asked before.
        return "critical_decision" if _CRITICAL.search(earlier) else "unknown" if cut else "greeting"
    if _CRITICAL.search(text) or _CRITICAL.search(earlier):
        return "critical_decision"
    if len(text) <= FACT_CHARS and not earlier:
        if _ARITHMETIC.fullmatch(text):
            return "arithmetic"
        if _FACT.fullmatch(text):
            return "simple_fact"
    task = _worded(text)
    return "unknown" if cut and task in ("rewriting", "extraction") else task


def _worded(text: str) -> Task:
    if _CODE.search(text):
        return "code"
    if _MATHS.search(text):
        return "maths"
    if _REWRITING.search(text):
        return "rewriting"
    if _EXTRACTION.search(text):
        return "extraction"
    return "reasoning" if _REASONING.search(text) else "unknown"


def has_code(text: str) -> bool:
    """Whether ``text`` holds code or asks for some."""
    return _CODE.search(ends(text)) is not None


def ends(text: str, each: int = SCAN_CHARS) -> str:
    """``text``, or where it is longer than twice ``each`` so many characters of either end."""
    return text if len(text) <= 2 * each else text[:each] + "\n" + text[-each:]
