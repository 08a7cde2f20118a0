"""What a model says is shown and never obeyed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ensemble.cli._output import dollars, put
from ensemble.cli._safe import brief, safe

ATTACKS = {
    "colour": ("\x1b[31mred\x1b[0m", "red"),
    "clear screen": ("\x1b[2J\x1b[Hgone", "gone"),
    "one byte control": ("\x9b31mred", "red"),
    "title": ("\x1b]0;evil\x07text", "text"),
    "link": ("\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\", "click"),
    "clipboard": ("\x1b]52;c;ZXZpbA==\x07text", "text"),
    "device string": ("\x1bPevil\x1b\\text", "text"),
    "unfinished": ("text\x1b[", "text"),
    "lone escape": ("a\x1b", "a"),
    "reset": ("\x1bctext", "text"),
    "overwrite": ("good\rbad", "good\nbad"),
    "backspace": ("good\x08\x08bad", "goodbad"),
    "bell and nul": ("a\x07\x00b", "ab"),
    "turned text": ("a\u202eb\u2066c", "abc"),
    "half a character": ("a\ud800b", "ab"),
    "windows lines": ("a\r\nb", "a\nb"),
}


@pytest.mark.parametrize(("text", "shown"), ATTACKS.values(), ids=ATTACKS)
def test_a_terminal_is_told_nothing_but_text(text: str, shown: str) -> None:
    assert safe(text) == shown


@given(st.text())
def test_whatever_is_said_is_harmless_and_can_be_encoded(text: str) -> None:
    shown = safe(text)
    assert not any((char < " " and char not in "\n\t") or "\x7f" <= char <= "\x9f" for char in shown)
    assert safe(shown) == shown
    shown.encode("utf-8")


@given(st.text(), st.integers(1, 50))
def test_a_preview_is_one_short_line(text: str, most: int) -> None:
    shown = brief(text, most)
    assert len(shown) <= most
    assert len(shown.splitlines()) <= 1


def test_ordinary_text_of_any_script_is_left_alone() -> None:
    text = "naïve Größe 日本語 🙂 العربية\n\tdone"
    assert safe(text) == text


def test_markup_of_rich_is_shown_as_it_is() -> None:
    out = io.StringIO()
    put(Console(file=out, force_terminal=True, width=60), "[red]not red[/red] :smile:")
    assert "[red]not red[/red] :smile:" in out.getvalue()


def test_a_terminal_gets_its_empty_lines_and_no_padding_to_the_right() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, color_system=None, width=20)
    for piece in ("one", "", "two"):
        put(console, piece, indent=2 if piece == "two" else 0)
    assert out.getvalue() == "one\n\n  two\n"


def test_a_pipe_gets_whole_lines() -> None:
    out = io.StringIO()
    put(Console(file=out, width=20), "word " * 20 + "\nend", indent=2)
    assert out.getvalue() == "  " + "word " * 20 + "\n  end\n"


@pytest.mark.parametrize(
    ("nano_usd", "shown"),
    [(None, "unknown cost"), (0, "$0.00"), (7, "$0.000000007"), (1_234_567, "$0.001235"), (2_500_000_000, "$2.50")],
)
def test_costs_are_readable(nano_usd: int | None, shown: str) -> None:
    assert dollars(nano_usd) == shown
