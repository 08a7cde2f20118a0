"""What models wrote is inert, whatever it is."""

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from ensemble.server.pages._markdown import MOST, TAGS, plain, rendered
from ensemble.server.pages.visible import visible
from tests import hostile
from tests.ensemble.server.pages.browser import parsed

UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


def check(html: Markup) -> None:
    """Only what is allowed is there, as a browser would see it."""
    page = parsed(str(html))
    for one in page.all():
        assert one.tag in TAGS | {"div"}, one
        allowed = {"a": {"href", "title", "rel"}, "ol": {"start"}, "p": {"class"}, "span": {"class"}, "div": {"class"}}
        assert set(one.attrs) <= allowed.get(one.tag, set()), one
        if one.tag == "a":
            assert re.match(r"https?://.|mailto:.", one.attrs.get("href", "mailto:x"), re.IGNORECASE), one
            assert one.attrs["rel"] == "noopener noreferrer nofollow"
        assert one.attrs.get("class", "markdown") in ("markdown", "heading", "image", "cut note"), one
    assert not UNSEEN.search(str(html))


@pytest.mark.parametrize("text", hostile.TEXTS, ids=lambda text: ascii(text)[:40])
def test_hostile_texts_are_inert(text: str) -> None:
    check(rendered(text))
    check(rendered(f"> 1. **{text}**\n\n{text}"))
    shown = parsed(str(plain(text)))
    assert [one.tag for one in shown.all()] == ["div"]


@given(st.text() | st.text(alphabet="[]()<>!`*_~|#&\\\"'=:/ \n-1ajp\u202e"))
@example("[x](https://[)")
def test_any_text_is_inert(text: str) -> None:
    check(rendered(text))


@pytest.mark.parametrize("text", [*hostile.SLOW, hostile.LONG], ids=lambda text: text[:12])
def test_no_text_takes_long(text: str) -> None:
    begin = time.process_time()
    html = rendered(text, more="/ui/x")
    assert time.process_time() - begin < 2
    assert len(html) < 20 * MOST
    if len(text) > MOST:
        assert "Show all of it" in html


@given(st.text())
def test_a_plain_text_is_shown_whole(text: str) -> None:
    page = parsed(str(plain(text, most=None)))
    assert "".join(child for child in page.one("div").children if isinstance(child, str)) == visible(text)


def test_what_markdown_is_for() -> None:
    page = parsed(
        str(
            rendered(
                "# Head\n\n**bold** [here](https://example.org 'why') ![a cat](https://x.example/x.png)\n\n|a|b|\n|-|-|\n|1|2|"
            )
        )
    )
    assert page.one("p", class_="heading").text == "Head"
    assert page.one("strong").text == "bold"
    assert page.one("a").attrs == {"href": "https://example.org", "title": "why", "rel": "noopener noreferrer nofollow"}
    assert page.one("span", class_="image").text == "[image: a cat]"
    assert [cell.text for cell in page.all("td")] == ["1", "2"]


def test_what_cannot_be_seen_is_named() -> None:
    assert visible("safe\u202egnp.exe\x00") == "safe⟨U+202E⟩gnp.exe⟨U+0000⟩"
    assert visible("tab\tand\r\nlines\n") == "tab\tand\nlines\n"


def test_long_texts_say_how_much_is_missing() -> None:
    html = rendered("a" * (MOST + 1_234), more="/ui/requests/1/texts/2?x=1&y=2")
    page = parsed(str(html))
    assert page.one("p", class_="cut").text == "1,234 more characters are not shown here. Show all of it"
    assert page.one("a").attrs["href"] == "/ui/requests/1/texts/2?x=1&y=2"
    assert "Show all" not in rendered("a" * (MOST + 1))
    assert "more characters" not in rendered("a" * MOST)
