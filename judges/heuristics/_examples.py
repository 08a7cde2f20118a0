"""The worked examples that a programming task gives in its own words."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from judges.heuristics._syntax import expression

_MOST_TEXT = 100_000  # characters of a task; a longer one is data, not a task
_HEADING = re.compile(
    r"(?:^|[.!?)\]:$])[#*\s]{0,9}(?:sample|example)\s{1,4}(?P<kind>input|output)[\s*]{0,4}(?:#|no\.?)?\s{0,4}\d*[\s*:]{0,9}$",
    re.IGNORECASE,
)
_HEADING_END = 80  # characters; a heading may follow a paragraph on its last line, by the copying of a page
_BARE = re.compile(r"^[#*\s]*(?:standard )?(?P<kind>input|output)[\s*:]*$", re.IGNORECASE)
_EXAMPLE = re.compile(r"^[#*\s]*(?:sample|example)s?[\s*]*(?:#|no\.?)?\s*\d*[\s*:]*$", re.IGNORECASE)
_END = re.compile(
    r"^[#*\s]*(?:notes?|explanation|constraints?|scoring|hints?|subtasks?|limits|"
    r"(?:test|hidden|public|private) (?:samples?|tests?|cases?))\b[\s*:]*.{0,20}$",
    re.IGNORECASE,
)
_FENCE = re.compile(r"^\s*```")
_INPUT_LINE = re.compile(r"^[\s*#>-]*Input[\s*]*:(?P<said>.*)$", re.IGNORECASE)
_OUTPUT_LINE = re.compile(r"^[\s*#>-]*Output[\s*]*:(?P<said>.*)$", re.IGNORECASE)
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_MOST_LINES = 40  # of one example's input


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a program reads, and what it then writes: any of ``outputs``, since an explanation may follow unmarked."""

    stdin: str
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a function is given, by name where the task names it, and what it then returns."""

    arguments: tuple[tuple[str | None, object], ...]
    result: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An expression over the functions ``names`` that the task wants defined, and its value."""

    expression: str
    names: frozenset[str]
    result: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The examples of one task; at most one of the three kinds is filled.

    Attributes:
        any_answer: the task accepts more than one output, so a different one proves nothing.
        any_case: upper and lower case do not count.
        in_place: the function changes its argument and returns nothing.
        function: the name that the task itself gives the function.
    """

    programs: tuple[Program, ...] = ()
    calls: tuple[Call, ...] = ()
    checks: tuple[Check, ...] = ()
    any_answer: bool = False
    any_case: bool = False
    in_place: bool = False
    function: str | None = None


_ANY_ANSWER = re.compile(
    r"\b(?:in|by|with) any order\b|\bany (?:one )?of (?:them|these|the)\b|"
    r"\bany (?:valid|such|correct|possible|optimal)\b|"
    r"\b(?:multiple|several|many|more than one) (?:\w+ ){0,3}(?:answers?|solutions?|outputs?|ways|arrays|strings)\b"
    r"[^.\n]{0,60}\b(?:print|output|return|find|accept)|\bif there (?:are|exist) (?:multiple|several|many|more)\b|"
    r"\bprint any\b|\boutput any\b|\breturn any\b|\bmay (?:print|output|return)\b[^.\n]{0,40}\bany\b|\brandom",
    re.IGNORECASE,
)
_ANY_CASE = re.compile(r"\bin any (?:letter )?case\b|\bcase[- ]insensitive|\bupper or lower case\b", re.IGNORECASE)
_IN_PLACE = re.compile(r"\bin[- ]place\b|\bdo not return anything\b", re.IGNORECASE)
_STARTER = re.compile(r"^[ \t]*(?:async )?def (\w+)\(", re.MULTILINE)


def task_of(text: str) -> Task:
    """The examples in ``text``; a task without any where none can be read for sure."""
    if len(text) > _MOST_TEXT:
        return Task()
    text = text.replace("\r\n", "\n").replace("\u00a0", " ")
    lines = text.split("\n")
    checks = tuple(_checks(lines))
    calls = () if checks else tuple(_calls(lines))
    starters = [name for name in _STARTER.findall(text) if not name.startswith("__")]
    return Task(
        checks=checks,
        calls=calls,
        programs=() if checks or calls else tuple(_programs(lines)),
        any_answer=_ANY_ANSWER.search(text) is not None,
        any_case=_ANY_CASE.search(text) is not None,
        in_place=_IN_PLACE.search(text) is not None,
        function=starters[0] if len(set(starters)) == 1 else None,
    )


def literal(text: str) -> object:
    """The value that ``text`` writes in Python's or JSON's way.

    Raises:
        ValueError: it writes none.
    """
    return _value(expression(text))


def _value(node: ast.expr) -> object:
    class Words(ast.NodeTransformer):
        def visit_Name(self, name: ast.Name) -> ast.expr:
            return ast.Constant(_WORDS[name.id]) if name.id in _WORDS else name

    try:
        return ast.literal_eval(Words().visit(node))
    except (TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("no literal") from error


def _checks(lines: Sequence[str]) -> Iterator[Check]:
    """``assert f(1) == 2``, and ``>>> f(1)`` with its result on the next line."""
    for place, line in enumerate(lines):
        said = line.strip().strip("`").strip()
        try:
            if said.startswith("assert "):
                yield _assertion(expression(_without_message(said.removeprefix("assert "))))
            elif said.startswith(">>> ") and place + 1 < len(lines):
                asked, answer = expression(said.removeprefix(">>> ")), lines[place + 1].strip()
                if answer and not answer.startswith(">>>"):
                    yield _check(asked, literal(answer))
        except ValueError:
            continue


def _without_message(said: str) -> str:
    try:
        expression(said)
    except ValueError:
        return said
    node = expression(said)
    return ast.unparse(node.elts[0]) if isinstance(node, ast.Tuple) and not said.startswith("(") else said


def _assertion(node: ast.expr) -> Check:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq | ast.Is):
        try:
            return _check(node.left, _value(node.comparators[0]))
        except ValueError:
            pass
    return _check(node, True)


def _check(node: ast.expr, result: object) -> Check:
    called = {one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    if not called:
        raise ValueError("nothing is called")
    return Check(expression=ast.unparse(node), names=frozenset(called), result=result)


def _calls(lines: Sequence[str]) -> Iterator[Call]:
    """``Input: nums = [1, 2], k = 3`` and ``Output: 4``, each perhaps on the lines below its word."""
    for place, line in enumerate(lines):
        given = _INPUT_LINE.match(line)
        if given is None or _BARE.match(line):
            continue
        said = [given.group("said").strip("*` \t")]
        for below in lines[place + 1 : place + _MOST_LINES]:
            if wanted := _OUTPUT_LINE.match(below):
                with suppress(ValueError):
                    yield Call(
                        arguments=_arguments("\n".join(said)), result=literal(wanted.group("said").strip("*` \t"))
                    )
                break
            if _INPUT_LINE.match(below) or _EXAMPLE.match(below):
                break
            said.append(below)


def _arguments(said: str) -> tuple[tuple[str | None, object], ...]:
    call = expression(f"f({said.strip().rstrip(',;.')}\n)")
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or not (call.args or call.keywords):
        raise ValueError("no arguments")
    plain = tuple((None, _value(node)) for node in call.args)
    named = tuple((keyword.arg, _value(keyword.value)) for keyword in call.keywords)
    if (plain and named) or any(name is None for name, _ in named):
        raise ValueError("arguments of two kinds")
    return plain or named


def _programs(lines: Sequence[str]) -> Iterator[Program]:
    """Blocks under ``Sample Input 1`` and ``Sample Output 1``, or within an ``Example`` under ``Input``, ``Output``."""
    blocks: list[tuple[str, list[str]]] = []
    in_example = fenced = False
    for line in lines:
        heading = None if fenced else _HEADING.search(line[-_HEADING_END:])
        if heading is None and in_example and not fenced:
            heading = _BARE.match(line)
        if heading is not None:
            blocks.append((heading.group("kind").lower(), []))
        elif not fenced and (_EXAMPLE.match(line) or _END.match(line)):
            in_example = _EXAMPLE.match(line) is not None
            blocks.append(("", []))
        elif blocks:
            blocks[-1][1].append(line)
        fenced ^= _FENCE.match(line) is not None
    for (kind, given), (other, wanted) in pairwise(blocks):
        if (kind, other) == ("input", "output") and _body(wanted):
            yield Program(stdin=_single_spaced(_body(given)) + "\n", outputs=tuple(_prefixes(_body(wanted))))


def _body(lines: Sequence[str]) -> str:
    """A block without its fence; where it has one, what stands outside is an explanation."""
    fences = [place for place, line in enumerate(lines) if _FENCE.match(line)]
    inner = lines[fences[0] + 1 : fences[1]] if len(fences) > 1 else lines
    return "\n".join(line.rstrip() for line in inner).strip("\n")


def _single_spaced(text: str) -> str:
    """Lines that are all set apart by an empty one were so by whoever copied the page."""
    lines = text.split("\n")
    return "\n".join(lines[::2]) if len(lines) > 2 and not any(lines[1::2]) and all(lines[::2]) else text


def _prefixes(text: str) -> Iterator[str]:
    paragraphs = re.split(r"\n\s*\n", text)
    for end in range(1, len(paragraphs) + 1):
        yield "\n\n".join(paragraphs[:end])
