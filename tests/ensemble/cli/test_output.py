"""What a model says is shown and never obeyed."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ensemble.cli._output import columns, dollars, put
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


TABLE = [
    ("router", "quality ratio", "id", "of its limits"),
    ("always the largest", "0.950 [0.932, 0.970]", "k-0123456789", "0.50 of usd=5.00/day, 2 of requests=60/minute"),
]


def test_a_table_gives_way_between_words_and_keeps_ids_whole() -> None:
    out = io.StringIO()
    columns(Console(file=out, force_terminal=True, color_system=None, width=60), TABLE, {}, fold=True)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert [line for line in lines if "k-0123456789" in line and "0.950 " in line]
    assert [line for line in lines if "[0.932, 0.970]" in line]  # below its figure
    words = " ".join(lines).split()
    assert sorted(words) == sorted(" ".join(cell for row in TABLE for cell in row).split())


def test_where_words_do_not_fit_each_row_is_a_list() -> None:
    out = io.StringIO()
    row = ("ada", "-", "k-0123456789-0123456789", "usd=5.00/day")
    columns(Console(file=out, force_terminal=True, color_system=None, width=44), [TABLE[0], row], {}, fold=True)
    lines = [line.rstrip().split(maxsplit=1) for line in out.getvalue().splitlines()]
    assert lines == [["router", "ada"], ["id", "k-0123456789-0123456789"], ["of", "its limits  usd=5.00/day"]]


@pytest.mark.parametrize(("width", "terminal"), [(200, True), (60, False)])
def test_a_table_stays_as_it_is_where_it_fits_or_nobody_looks(width: int, terminal: bool) -> None:
    out = io.StringIO()
    columns(Console(file=out, force_terminal=terminal, color_system=None, width=width), TABLE, {}, fold=True)
    assert len(out.getvalue().splitlines()) == 2


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
