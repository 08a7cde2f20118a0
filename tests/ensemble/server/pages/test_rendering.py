import pytest

from ensemble.audit.shapes import Cell, Kind
from ensemble.server.pages.rendering import cell, environment, prose


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (None, "usd", "–"),
        (0, "usd", "$0.00"),
        (1_234_567_890_000, "usd", "$1,234.57"),
        (12_345_678, "usd", "$0.0123"),
        (7, "usd", "$0.000000007"),
        (-2_500_000_000, "usd", "$-2.50"),
        (0.5, "share", "50 %"),
        (0.0123, "share", "1.2 %"),
        (0.9996, "share", "100.0 %"),
        (1.0, "share", "100 %"),
        (float("nan"), "share", "–"),
        (1_234_567, "count", "1,234,567"),
        (400.0, "count", "400"),
        (2.5, "count", "2.5"),
        (float("nan"), "count", "–"),
        (1234.5, "number", "1,234"),
        (0.12345, "number", "0.123"),
        (0.00001234, "number", "1.2e-05"),
        (0.0, "number", "0"),
        (-3.7e-17, "number", "0"),
        (0.0421, "seconds", "42 ms"),
        (12.345, "seconds", "12.3 s"),
        (3600, "seconds", "60 min"),
        ("2026-11-23T14:00:01.5+02:00", "time", "2026-11-23 12:00:01"),
        ("never", "time", "never"),
        (True, "truth", "yes"),
        (False, "count", "no"),
        ("<b>", "text", "<b>"),
    ],
)
def test_values_are_told_as_people_read_them(value: Cell, kind: Kind, told: str) -> None:
    assert cell(value, kind) == told


def test_a_template_escapes_names_the_unseen_and_leaves_no_none() -> None:
    made = environment().from_string("<p title='{{ a }}'>{{ a }}|{{ b }}|{{ c }}</p>")
    told = made.render(a="'<\u202e\ud800", b=None, c=0)
    assert told == "<p title='&#39;&lt;⟨U+202E⟩⟨U+D800⟩'>&#39;&lt;⟨U+202E⟩⟨U+D800⟩|–|0</p>"


def test_our_own_sentences_may_hold_code_and_nothing_else() -> None:
    assert prose("Run `ensemble <x>` & see `") == "Run <code>ensemble &lt;x&gt;</code> &amp; see `"
    assert prose("\u202e") == "⟨U+202E⟩"


def test_a_misspelt_name_is_an_error() -> None:
    with pytest.raises(Exception, match="'b' is undefined"):
        environment().from_string("{{ b }}").render(a=1)


@pytest.mark.parametrize("name", [one for one in environment().list_templates() if not one.startswith("report/")])
def test_no_template_has_inline_scripts_styles_or_unescaped_values(name: str) -> None:
    """The policy forbids the first two to browsers; this tells before. A report is a file of its own."""
    source = (environment().loader.get_source(environment(), name)[0]) if environment().loader else ""  # type: ignore[union-attr] # there is one
    for bad in (
        " style=",
        "<style",
        " onclick=",
        " onchange=",
        " onsubmit=",
        "| safe",
        "|safe",
        "autoescape false",
        "http://",
        "hx-on",
        "js:",
    ):
        assert bad not in source, bad
    assert source.count("<script") == source.count("<script src=")
