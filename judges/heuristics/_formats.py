"""The form that a prompt demands of its answer, where a program can tell; after IFEval (Zhou et al. 2023).

Read are sentences that speak of the answer, outside code and quotations, at the beginning and the end of the prompt:
what stands between is material more often than instruction. Silence is better than a demand that nobody made.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from judges.heuristics._counts import NUMBER, number, spans


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Something that an answer's text must be like; ``name`` says it in words."""

    name: str
    holds: Callable[[str], bool]


_EDGE = 1200  # characters at either end of a prompt in which instructions stand
_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?;])[\"'”)]*\s+|\n+")
_VERB = (
    r"answer|respond|reply|write|generate|give|explain|describe|summari[sz]e|keep|limit|use|list|make|create|compose|"
    r"provide|output|return|produce|tell|say|state|name|define|draft|include|ensure|finish|end|start|begin|wrap|put|do|"
    r"don['’]t|format|present|avoid|never|always|translate|rewrite|paraphrase|rephrase|classify|duplicate|repeat|"
    r"highlight|tweet|add"
)
_TEXT = (
    r"(?:response|answer|reply|output|essay|story|summary|poem|text|letter|email|post|paragraph|article|blog post|"
    r"description|explanation|report|song|tweet|speech|review)"
)
_OPENING = (
    r"please|also|then|and|but|finally|now|first|next|just|only|try to|be sure to|make sure(?: to| that)?|"
    r"think step by step,? and then|once you have your answer,?|can you|could you|would you|you (?:must|should)"
)
_ADDRESSED = re.compile(
    rf"^\W*(?:(?:{_OPENING})[ ,]*)*(?:{_VERB})\b|"
    rf"\byour (?:entire |whole |full |final )?{_TEXT}\b|\bthe (?:entire |whole )?{_TEXT} (?:must|should)\b|"
    rf"^\W*(?:there (?:must|should) be|in (?:exactly |at most |at least |only |just |under )?{NUMBER}\b|"
    r"(?:word|length) limit|no more than|at (?:most|least)|exactly|maximum|minimum|max)\b|"
    r"\bgenerate a response\b",
    re.IGNORECASE,
)
# A part of the answer is no limit of the whole.
_OF_A_PART = re.compile(
    r"\b(?:each|every|per|apiece|either|description|title|introduction|conclusion|section|stanza|verse|chapter|"
    r"paragraphs? (?:must|should|of)|the (?:first|second|last)|function|code|password|line of|player|user|if)\b",
    re.IGNORECASE,
)
_MANNER = r"(?:only |just |simply )?(?:with |in |using )?(?:only |just |exactly )?"
_QUOTED = r"[\"“'‘`](?P<said>[^\"“”'‘’`\n]{1,120}?)[,.]?[\"”'’`]"
_SAYS = r"(?:answer|respond|reply)"

_ONE_WORD = re.compile(rf"\b{_SAYS} {_MANNER}(?:one|a single|1) word\b", re.IGNORECASE)
_YES_NO = re.compile(
    rf"\b{_SAYS} (?:only|just|simply|strictly) (?:with )?[\"“']?yes[\"”']? or [\"“']?no\b|"
    rf"\b{_SAYS} (?:with )?[\"“']?yes[\"”']? or [\"“']?no[\"”']?,? (?:only|and nothing else)\b",
    re.IGNORECASE,
)
_JSON = re.compile(
    r"\b(?:answer|respond|reply|output|return|format|wrap|present|provide)\b[^.!?\n]{0,60}?\b(?:in|as|with|into|using)\b"
    r"[^.!?\n]{0,25}?\bjson\b",
    re.IGNORECASE,
)
_JSON_ONLY = re.compile(
    r"\b(?:only|nothing (?:else|but)|entire|whole|solely|strictly|no other text)\b[^.!?\n]{0,50}\bjson\b|"
    r"\bjson\b[^.!?\n]{0,40}\b(?:only|nothing else|no other text|without any (?:other|additional) text)\b",
    re.IGNORECASE,
)
_REPEATED = re.compile(
    rf"\b(?:duplicate|repeat) (?:that|the|your) (?:letter|digit|character) (?P<n>{NUMBER}) times\b", re.IGNORECASE
)
_BOXED = re.compile(r"\b(?:in|inside|within|using|into)\b[^.!?\n]{0,30}\\+boxed\b", re.IGNORECASE)
_BOLD = re.compile(r"\banswer (?:in|as) \*{0,2}bold\*{0,2}(?!\w)", re.IGNORECASE)
_STARS = re.compile(r"\bin the following format: ?\*\*\*\w+\*\*\*", re.IGNORECASE)
_ENDS = re.compile(
    rf"\b(?:end|finish|conclude) (?:your |the |it |with )?(?:entire |whole )?(?:{_TEXT} )?(?:with )?"
    rf"(?:this |the )?(?:exact )?(?:phrase|words?|sentence|line)?:? ?{_QUOTED}",
    re.IGNORECASE,
)
_STARTS = re.compile(
    rf"\b(?:start|begin) (?:your |the )(?:entire |whole )?{_TEXT} with "
    rf"(?:this |the )?(?:exact )?(?:phrase|words?|sentence)?:? ?{_QUOTED}",
    re.IGNORECASE,
)
_CONTAINS = re.compile(
    rf"\b(?:must|should|be sure to|make sure to|please)? ?(?:include|contain|use|mention) (?:the )?(?:exact )?"
    rf"(?:phrase|words?|keywords?|term|string) {_QUOTED}",
    re.IGNORECASE,
)
_LACKS = re.compile(
    rf"\b(?:do not|don['’]t|never|without|avoid|must not|should not) (?:us(?:e|ing)|includ(?:e|ing)|mention(?:ing)?|"
    rf"say(?:ing)?|contain(?:ing)?)? ?(?:the )?(?:exact )?(?:phrase|words?|keywords?|term) {_QUOTED}",
    re.IGNORECASE,
)
_COMMAS = re.compile(
    r"\b(?:do not|don['’]t|without|avoid|refrain from|no) (?:us(?:e|ing) )?(?:of )?(?:any )?commas?\b", re.IGNORECASE
)
_UPPER = re.compile(
    r"\b(?:in|be) (?:english and in )?(?:all |only )?(?:capital letters|upper ?case(?: letters)?|caps)\b[^,;\n]{0,12}$|"
    rf"\b(?:entire|whole) {_TEXT}\b[^.\n]{{0,30}}\b(?:all caps|capital letters|uppercase)\b",
    re.IGNORECASE,
)
_LOWER = re.compile(
    rf"\b(?:entire|whole|your|the) {_TEXT}\b[^.\n]{{0,30}}\b(?:all |only )?lower ?case\b|"
    r"\b(?:write|answer|respond|reply) (?:only )?in (?:all )?lower ?case\b",
    re.IGNORECASE,
)
_WRAPPED = re.compile(
    rf"\bwrap (?:your |the )?(?:entire |whole )?{_TEXT} (?:with|in) (?:double )?quot(?:ation|e) marks", re.IGNORECASE
)


def demands(prompt: str) -> tuple[Demand, ...]:
    """What ``prompt`` demands of the form of its answer; nothing where it demands nothing that can be checked."""
    found = [demand for sentence in _sentences(prompt) for demand in _of(sentence)]
    return tuple({demand.name: demand for demand in found}.values())


def _sentences(prompt: str) -> Iterator[str]:
    plain = _FENCED.sub("\n", prompt)
    edges = [plain]
    if len(plain) > 2 * _EDGE:
        edges = [plain[:_EDGE].rpartition("\n")[0], plain[-_EDGE:].partition("\n")[2]]
    for edge in edges:
        yield from (one.strip() for one in _SENTENCE.split(edge) if 0 < len(one.strip()) <= 400)


def _of(sentence: str) -> Iterator[Demand]:
    if not _ADDRESSED.search(sentence):
        return
    if not _OF_A_PART.search(sentence):
        for span in spans(sentence):
            told = f"from {span.low or 0} to {'any number of' if span.high is None else span.high} {span.unit}s"
            yield Demand(name=told, holds=span.holds)
    yield from _said(sentence)
    for pattern, name, holds in _PLAIN:
        if pattern.search(sentence):
            yield Demand(name=name, holds=holds)
    if _JSON_ONLY.search(sentence) and _JSON.search(sentence):
        yield Demand(name="JSON and nothing else", holds=_is_json)
    elif _JSON.search(sentence):
        yield Demand(name="some JSON", holds=_holds_json)


def _said(sentence: str) -> Iterator[Demand]:
    """Demands that name what to say."""
    if found := _REPEATED.search(sentence):
        n = number(found["n"])
        if 2 <= n <= 20:
            run = re.compile(rf"(?<![^\W_])([^\W_])\1{{{n - 1}}}(?![^\W_])")
            yield Demand(name=f"one letter {n} times", holds=lambda text: run.search(text) is not None)
    if found := _ENDS.search(sentence):
        yield Demand(name=f"ends with {found['said']!r}", holds=_ending(found["said"]))
    if found := _STARTS.search(sentence):
        yield Demand(name=f"starts with {found['said']!r}", holds=_starting(found["said"]))
    lacks = _LACKS.search(sentence)
    if lacks:
        yield Demand(name=f"without {lacks['said']!r}", holds=_lacking(lacks["said"]))
    elif found := _CONTAINS.search(sentence):
        yield Demand(name=f"contains {found['said']!r}", holds=_containing(found["said"]))


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[*_`\"“”'‘’]", "", text).casefold().split()).rstrip(" .!?")


def _ending(said: str) -> Callable[[str], bool]:
    return lambda text: _plain(text).endswith(_plain(said))


def _starting(said: str) -> Callable[[str], bool]:
    return lambda text: _plain(text).startswith(_plain(said))


def _containing(said: str) -> Callable[[str], bool]:
    return lambda text: _plain(said) in _plain(text)


def _lacking(said: str) -> Callable[[str], bool]:
    whole = re.compile(rf"(?<!\w){re.escape(_plain(said))}(?!\w)")
    return lambda text: whole.search(_plain(text)) is None


def _is_json(text: str) -> bool:
    bare = re.sub(r"\A\s*```(?:json)?\s*\n(.*?)\n\s*```\s*\Z", r"\1", text.strip(), flags=re.DOTALL)
    return _parses(bare)


def _holds_json(text: str) -> bool:
    if _is_json(text) or "```" in text:  # a fence may hold a template, or code that writes it
        return True
    decoder = json.JSONDecoder()
    for start in [found.start() for found in re.finditer(r"[\[{]", text)][:200]:
        try:
            decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return True
    return False


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _cased(text: str) -> str:
    return "".join(one for one in text if one.isalpha())


_PLAIN: tuple[tuple[re.Pattern[str], str, Callable[[str], bool]], ...] = (
    (_ONE_WORD, "one word", lambda text: len(text.strip().split()) == 1),
    (_YES_NO, "yes or no", lambda text: _plain(text) in ("yes", "no")),
    (_BOXED, r"a \boxed{} answer", lambda text: "\\boxed" in text or "\\fbox" in text),
    (_BOLD, "an answer in bold", lambda text: re.search(r"\*\*[^*\n]+\*\*", text) is not None),
    (_STARS, "an answer between ***", lambda text: re.search(r"\*\*\*[^*\n]+\*\*\*", text) is not None),
    (_COMMAS, "no comma", lambda text: "," not in text),
    (_UPPER, "capital letters", lambda text: _cased(text) == _cased(text).upper()),
    (_LOWER, "lower case", lambda text: _cased(text) == _cased(text).lower()),
    (_WRAPPED, "in quotation marks", lambda text: text.strip()[:1] in '"“' and text.strip()[-1:] in '"”'),
)
