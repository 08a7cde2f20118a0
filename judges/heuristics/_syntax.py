"""Parsing Python that others wrote: it may be anything."""

import ast
import threading
import warnings

_QUIET = threading.Lock()  # how warnings are filtered is a setting of the whole process


def module(code: str) -> ast.Module:
    """The tree of a program.

    Raises:
        ValueError: it is no Python, or nested beyond any use.
    """
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is its author's affair
            return ast.parse(code)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("no Python") from error


def expression(text: str) -> ast.expr:
    """The tree of one expression.

    Raises:
        ValueError: it is none.
    """
    body = module(f"({text.strip()}\n)").body
    if len(body) != 1 or not isinstance(body[0], ast.Expr):
        raise ValueError("no expression")
    return body[0].value
