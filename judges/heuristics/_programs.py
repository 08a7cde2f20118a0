"""The Python program in a candidate's text, and how to call what it defines."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from judges.heuristics import _syntax
from judges.heuristics._examples import Call, Check, Task

_MOST_CODE = 100_000  # characters
_FENCED = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_PYTHON = frozenset({"", "python", "python3", "py"})
_OF_THE_SITE = re.compile(r"\b(?:TreeNode|ListNode)\b")  # classes that only the site knows to build from a list
_READS = re.compile(r"\binput\s*\(|\bstdin\b|\bopen\s*\(\s*(?:0|[\"']/dev/stdin)|\bfileinput\b|=\s*input\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A program that parses."""

    code: str
    tree: ast.Module

    @property
    def reads_input(self) -> bool:
        """Whether it looks as if it read standard input."""
        return _READS.search(self.code) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Function:
    """Something that can be called: its expression, its parameters without ``self``, and how many have no default."""

    target: str
    name: str
    parameters: tuple[str, ...]
    required: int

    def takes(self, call: Call) -> bool:
        """Whether it can be called so, by the names that the task uses."""
        names = [name for name, _ in call.arguments if name is not None]
        return bool(names) and set(self.parameters[: self.required]) <= set(names) <= set(self.parameters)

    def counts(self, call: Call) -> bool:
        """Whether it can be called so by position."""
        return self.required <= len(call.arguments) <= len(self.parameters)


def sources(text: str) -> tuple[Source, ...]:
    """The programs in ``text``, in order: its fenced blocks of Python, or all of it where it has no fence."""
    if len(text) > _MOST_CODE:
        return ()
    blocks = _FENCED.findall(text)
    codes = [code for language, code in blocks if language.lower() in _PYTHON] if blocks else [text]
    parsed = ((code, _parsed(code)) for code in codes)
    return tuple(Source(code=code, tree=tree) for code, tree in parsed if tree is not None)


def program(text: str) -> Source | None:
    """The last program in ``text`` that reads standard input; None where there is none."""
    return next((source for source in reversed(sources(text)) if source.reads_input), None)


def module(text: str, task: Task) -> tuple[Source, tuple[str, ...]] | None:
    """The last program in ``text`` that defines what ``task`` calls, with an expression for each example.

    None where nothing is defined that could be meant, or several things are.
    """
    for source in reversed(sources(text)):
        if _OF_THE_SITE.search(source.code):
            return None
        expressions = _checked(source, task.checks) or _called(source, task.calls, task.function)
        if expressions:
            return source, expressions
    return None


def _parsed(code: str) -> ast.Module | None:
    try:
        tree = _syntax.module(code)
    except ValueError:
        return None
    # A word of prose is an expression too.
    works = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.For, ast.While)
    calls = any(isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) for one in tree.body)
    return tree if calls or any(isinstance(one, works) for one in tree.body) else None


def _checked(source: Source, checks: Sequence[Check]) -> tuple[str, ...]:
    defined = {one.name for one in source.tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    wanted = frozenset[str]().union(*(check.names for check in checks))
    # Names that nobody defines here are builtins, or the task's own.
    return tuple(check.expression for check in checks) if wanted & defined else ()


def _called(source: Source, calls: Sequence[Call], name: str | None) -> tuple[str, ...]:
    if not calls:
        return ()
    functions = list(_functions(source.tree))
    for fits in (
        [one for one in functions if one.name == name and all(one.counts(call) for call in calls)],
        [one for one in functions if all(one.takes(call) for call in calls)],
        [one for one in functions if all(one.counts(call) for call in calls)],
    ):
        if len(fits) == 1:
            return tuple(_expression(fits[0], call) for call in calls)
        if fits:
            return ()
    return ()


def _functions(tree: ast.Module) -> Iterator[_Function]:
    """The public methods of ``Solution`` where there is such a class, else the functions at the top."""
    classes = [one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == "Solution"]
    for one in classes[-1].body if classes else tree.body:
        if isinstance(one, ast.FunctionDef) and not one.name.startswith("_") and not one.args.kwonlyargs:
            static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in one.decorator_list)
            names = [argument.arg for argument in (*one.args.posonlyargs, *one.args.args)]
            own = names[1:] if classes and not static else names
            yield _Function(
                target=f"Solution().{one.name}" if classes else one.name,
                name=one.name,
                parameters=tuple(own),
                required=len(own) - min(len(own), len(one.args.defaults)),
            )


def _expression(function: _Function, call: Call) -> str:
    if function.takes(call):
        return f"{function.target}(**{dict(call.arguments)!r})"
    return f"{function.target}(*{[value for _, value in call.arguments]!r})"
