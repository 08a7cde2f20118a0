"""What kind of task a request is, told from its text alone, in some milliseconds at worst.

Cheap kinds have to be recognised, dear ones are what is left: a text that nothing here knows is ``unknown``, and its
readers treat it as hard. Words of medicine, law, money, safety and running systems make a text critical first, so that
no short clinical case passes for a simple fact.
"""

import re
from typing import Literal

from ensemble.routers._grave import is_grave
from ensemble.routers._greetings import is_greeting, without_courtesies

Task = Literal["greeting", "simple_fact", "extraction", "rewriting", "arithmetic", "mechanical", "everyday", "code",
               "maths", "reasoning", "critical_decision", "unknown"]  # fmt: skip

FACT_CHARS = 120
"""A simple fact is asked for in fewer characters than this."""
EVERYDAY_CHARS = 200
"""So is, in fewer than this, what anyone may ask anyone."""
SCAN_CHARS = 2_000
"""Of a text longer than twice this so much is read at either end; it is never taken for an easy one."""

_CONSENT = re.compile(
    r"\W*(?:ok(?:ay)?|great|perfect|cool|nice|got it|sounds good|awesome|lovely|wonderful)\b", re.IGNORECASE
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
    r"(?:(?:what(?:'s| is)|calculate|compute|work out|evaluate|how much is):?\s*+)?+(?=[^=]*\d[^=]*\d)"
    r"(?:[-+*/×÷x−%().,\s\d]|\b(?:plus|minus|times|divided by|of|percent)\b)++[=?.\s]*+",
    re.IGNORECASE,
)
_MECHANICAL = re.compile(
    r"\b(?:(?:convert|express|change) \S{1,20} (?:\w+ ){0,3}(?:to|into|in)\b|"
    r"how (?:many|much) (?:\w+ ){1,2}(?:is|are)(?: there)?(?: in)? [-\d]|(?:what is|how much is) [-\d.]+ \w+ in \w+|"
    r"-?\d+ ?(?:°|degrees) ?(?:c|f|celsius|fahrenheit)|"
    r"(?:sort|order|arrange|rank|put|list|write) .{1,400}\b(?:(?:ascending|descending|alphabetical|numerical|reverse"
    r"|increasing|decreasing) order|alphabetically)|(?:sort|alphabeti[sz]e|reverse) (?:these|this|the)\b|"
    r"(?:how often|how many times) (?:does|do|is) .{1,60}\b(?:occur|appear|used?|contain\w*)\b|"
    r"(?:count|number of|how many) (?:the |all )?(?:letters?|words?|vowels?|characters?|syllables?|digits)\b|"
    r"(?:what|which) (?:day of the week|weekday|day|date) (?:is|was|will|does|falls?|comes?)\b|is \d{3,4} a leap year|"
    r"how many days (?:are|is|lie|pass) (?:there )?(?:from|between|until)|"
    r"classify|sentiment|(?:is|are) (?:this|these|the following) (?:\w+ ){1,3}(?:positive|negative|spam)|"
    r"(?:which|what) (?:category|label|language is this))",
    re.IGNORECASE | re.DOTALL,
)
_HARD = re.compile(
    r"\b(?:analy[sz]\w+|contrast|evaluate|assess\w*|design|strateg\w+|trade-?offs?|argu(?:e|ment)|step[- ]by[- ]step|"
    r"deduc\w+|infer\w*|puzzle|riddle|deriv\w+|mechanism|justif\w+|critiqu\w+|suppose|assum(?:e|ing)|given that|"
    r"implications?|essay|thesis|research|report|if\b.{0,120}\bthen)\b",
    re.IGNORECASE | re.DOTALL,
)
_REASONING = re.compile(
    r"\b(?:why|explain|compare|plan|how (?:does|do|would|can|could|should|many|much|long|often|fast))\b", re.IGNORECASE
)
_EVERYDAY = re.compile(
    # What the world is like, or something to be made. Whether somebody may or must do a thing is no everyday question,
    # nor is what befell a person: both may turn on what only an expert sees.
    r"(?:how (?:do|can) i\b|(?:what|which|who|whose|where|when|why|how)\b(?!.*\b(?:i|i'm|my|me|our|we|us|he|she"
    r"|him|her"
    r"|they|them|his|their)\b)|(?:(?:can|could|would|will) you )?(?:please )?(?:tell|give|name|suggest|write|make|list"
    r"|think|find|describe|provide|help|create|come|ideas|show|recite|sing|invent)\b)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_PASTIME = re.compile(
    # An unknown danger has no word here, so the topic must be a known harmless one.
    r"\b(?:recipes?|cook\w*|bak(?:e|es|ing)|cakes?|pancakes?|cookies|dinner|breakfast|lunch|picnic|soup|pasta"
    r"|pizza|salad"
    r"|bread|cheese|coffee|tea|wine|fruit|dessert|movies?|films?|songs?|music|bands?|albums?|singers?|actors?|books?"
    r"|novels?|authors?|poets?|poems?|haikus?|limericks?|stor(?:y|ies)|fairy tales?|jokes?|puns?"
    r"|tongue twisters?|games?"
    r"|trivia|chess|football|soccer|tennis|basketball|olympic\w*|birthdays?|weddings?|part(?:y|ies)|gifts?|presents?"
    r"|holidays?|christmas|halloween|vacation|trips?|travel\w*|hotels?|beach\w*|hik(?:e|es|ing)|camping|museums?"
    r"|countr(?:y|ies)|continents?|cit(?:y|ies)|rivers?|mountains?|lakes?|islands?|flags?|anthem|languages?"
    r"|(?:another|the) words?"
    r"|synonyms?|antonyms?|rhymes?|spell(?:ing)?|nicknames?|names?|titles?|slogans?|taglines?|captions?|tweets?|toast"
    r"|e-?mail|letter|invitation|greeting card|thank[- ]you note|speech|compliments?|quotes?|proverbs?|hobb(?:y|ies)"
    r"|ideas|rain(?:y|bow)|snow|weather|seasons?|summer|winter|sky|moon|stars?|planets?|sunset|colou?rs?"
    r"|flowers?|trees?"
    r"|garden|cats?|kittens?|dogs?|pupp(?:y|ies)|pets?|birds?|penguins?|elephants?|tigers?|lions?|horses?|fish"
    r"|animals?"
    r"|clothes|outfits?|shoes|paint(?:ings?|ed|ers?)|artists?|dances?|guitar|piano|knit\w*|origami|photos?|taste)\b",
    re.IGNORECASE,
)
_UNCOMMON = re.compile(
    # Formulas and codes, long lower-case words, endings of the sciences: an expert's words make no everyday question.
    r"\d|[=<>^_{}\[\]\\|@#$%&*+/→⇌]|\b[a-z]+[A-Z]|\b[A-Z]{2,}\b|\b[A-Z]\w+[-–][A-Z]|\b[a-z]\w{11,}|"
    r"\b(?!(?:provid|insid|outsid|besid|asid|guid|divid|rid|worldwid|releas|increas|decreas|purchas|phras"
    r"|databas|airplan"
    r"|premi|medi|stadi|websit|favou?rit|invit|polit|opposit|definit|topic|comic|music|clothe)(?:e|es|ed|um|ums|s)\b)"
    r"\w{3,}(?:ase|yl|ane|ene|yne|oid|ium|ide|ite|ism|ics|amine|idine|urine|osine|anine|ology|onomy|metry|genic|lysis"
    r"|phage|cyte|trophy|uous|atrial|aneous|ular|ergic|etic)s?\b"
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
    # What is asked about is a name in capitals, where small letters might name a nerve or a salt.
    r"(?:(?:what(?:'s| is| was)|which city is|name|tell me) the (?:capital(?: city)?|currency|population|flag|language"
    r"|official language|area code|national \w+|longest river|highest mountain|largest \w+|smallest \w+|time zone) "
    r"(?:of|in) (?:the )?(?-i:[A-Z])[\w'-]*(?: [\w'-]+){0,2}|what(?:'s| is) the (?:plural|opposite) of [\w'-]+|"
    r"who (?:wrote|painted|composed|directed|sang|founded) (?:the )?['\"\w-]+(?: ['\"\w-]+){0,4}|"
    r"(?:when|what year|in (?:what|which) year) (?:was|did|were|is) "
    r"(?:the )?(?-i:[A-Z])[\w'-]*(?: [\w'-]+){0,3} (?:born|founded|built|end|ended|begin|start|started|independent)|"
    r"(?:in|on )?(?:which|what) (?:country|continent|city) (?:is|are|has|was) (?-i:[A-Z])[\w'-]*(?: [\w'-]+){0,3}|"
    r"how many (?:days|months|weeks) (?:are )?(?:there )?in (?:a (?:week|year|leap year)|(?-i:[A-Z])[a-z]+)|"
    r"where is (?:the )?(?-i:[A-Z])[\w'-]*(?: [\w'-]+){0,2}|"
    r"(?-i:[A-Z])[\w'-]*(?: [\w'-]+){0,2}'s (?:capital|currency) is(?: called)? what)[?.! ]*",
    re.IGNORECASE,
)  # fmt: skip


def task_of(last: str, before: str = "") -> Task:
    """The kind of task that ``last``, the last turn of the user, sets after the turns in ``before``."""
    cut = max(len(last), len(before)) > 2 * SCAN_CHARS
    text, earlier = ends(last).strip(), ends(before)
    if is_grave(text) or is_grave(earlier):
        return "critical_decision"
    if is_greeting(text):
        # "ok" and the like may be consent to something grave that was asked in words nobody here knows.
        return "unknown" if cut or (earlier and _CONSENT.match(text)) else "greeting"
    task = _worded(without_courtesies(text), bool(earlier))
    return "unknown" if cut and task in _EASY else task


_EASY: frozenset[Task] = frozenset({"simple_fact", "arithmetic", "rewriting", "extraction", "mechanical", "everyday"})


def _worded(text: str, in_talk: bool) -> Task:
    if len(text) <= FACT_CHARS and not in_talk:
        if _ARITHMETIC.fullmatch(text):
            return "arithmetic"
        if _FACT.fullmatch(text):
            return "simple_fact"
    kinds: tuple[tuple[Task, re.Pattern[str]], ...] = (
        ("code", _CODE),
        ("maths", _MATHS),
        ("rewriting", _REWRITING),
        ("extraction", _EXTRACTION),
        ("reasoning", _HARD),
        ("mechanical", _MECHANICAL),
    )
    for task, words in kinds:
        if words.search(text):
            return task
    plain = len(text) <= EVERYDAY_CHARS and text.isascii() and not _UNCOMMON.search(text)
    asked = _EVERYDAY.match(text) if plain else None
    if asked and _PASTIME.search(asked["rest"]):
        return "everyday"
    return "reasoning" if _REASONING.search(text) else "unknown"


def has_code(text: str) -> bool:
    """Whether ``text`` holds code or asks for some."""
    return _CODE.search(ends(text)) is not None


def ends(text: str, each: int = SCAN_CHARS) -> str:
    """``text``, or where it is longer than twice ``each`` so many characters of either end."""
    return text if len(text) <= 2 * each else text[:each] + "\n" + text[-each:]
