"""What models wrote, as Markdown through an allow-list: no image, no script, no style, no address but of the web.

Source: CommonMark 0.31 by markdown-it-py, with tables and strikethrough; the allow-list is kept by nh3 (ammonia).
"""

from collections.abc import Sequence
from functools import cache
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from ensemble.plurals import counted
from ensemble.server.pages.visible import visible

MOST = 12_000
"""Characters of a text that are rendered; what is longer is cut, and can be seen as plain text.

Nested brackets take the parser time by the square of the length: some 0.4 s for so many.
"""
SCHEMES = frozenset({"http", "https", "mailto"})
TAGS = frozenset(
    "a blockquote br code em hr li ol p pre s span strong table tbody td th thead tr ul".split()  # noqa: SIM905
)
"""No heading either: those of an answer would stand among those of the page."""


def rendered(text: str, *, more: str = "") -> Markup:
    """``text`` as HTML, cut after ``MOST`` characters; ``more`` is the address of the whole, "" for none."""
    html = _parser().render(visible(text[:MOST]))
    safe = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        allowed_classes={"p": {"heading"}, "span": {"image"}},
        url_schemes=set(SCHEMES),
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )
    return Markup(f'<div class="markdown">{safe}</div>{_cut(text, more)}')  # nosec B704 # noqa: S704 - by the allow-list


def plain(text: str, *, more: str = "", most: int | None = MOST) -> Markup:
    """``text`` as it is, escaped, cut after ``most`` characters (None: never); ``more`` as for ``rendered``."""
    shown = text if most is None else text[:most]
    cut = _cut(text, more) if most is not None else ""
    return Markup('<div class="plain">{}</div>{}').format(visible(shown), cut)


def _cut(text: str, more: str) -> Markup:
    if len(text) <= MOST:
        return Markup("")
    link = Markup(' <a href="{}">Show all of it</a>').format(more) if more else ""
    return Markup('<p class="cut note">{} not shown here.{}</p>').format(
        counted(len(text) - MOST, "more character is", "more characters are"), link
    )


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    made.validateLink = _allowed  # type: ignore[method-assign] # how markdown-it-py is told
    made.add_render_rule("image", _image)
    made.add_render_rule("heading_open", _heading)
    made.add_render_rule("heading_close", _heading)
    return made


def _allowed(url: str) -> bool:
    """Whether a link may lead to ``url``: elsewhere only, since a relative one would press buttons of ours."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in SCHEMES and (parts.scheme.lower() == "mailto" or bool(parts.netloc))


def _image(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    alt = renderer.renderInlineAsText(tokens[at].children or [], options, env)
    return f'<span class="image">{escape(f"[image: {alt}]" if alt else "[image]")}</span>'


def _heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    return '<p class="heading">' if tokens[at].nesting == 1 else "</p>\n"
