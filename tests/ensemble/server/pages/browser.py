"""What a browser does with pages, over real HTTP: cookies, links, forms; it runs no script."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

import aiohttp

VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})


@dataclass
class Element:
    """An element of a page with what is in it."""

    tag: str
    attrs: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text inside, white space as single blanks."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()

    def all(self, tag: str = "", **attrs: str) -> list["Element"]:
        """Every element inside with that tag and those attributes (``class_`` for one of its classes)."""
        return [one for one in self._below() if one._fits(tag, attrs)]

    def one(self, tag: str = "", **attrs: str) -> "Element":
        """The only such element."""
        found = self.all(tag, **attrs)
        assert len(found) == 1, f"{len(found)} of {tag} {attrs} in: {self.text[:500]}"
        return found[0]

    def _below(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._below()

    def _fits(self, tag: str, attrs: Mapping[str, str]) -> bool:
        if tag and self.tag != tag:
            return False
        for name, value in attrs.items():
            if name == "class_":
                if value not in self.attrs.get("class", "").split():
                    return False
            elif self.attrs.get(name) != value:
                return False
        return True


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(made)
        if tag not in VOID:
            self._open.append(made)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"</{tag}> ends <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def parsed(html: str) -> Element:
    """The page as a tree; a tag that is not closed where it should be is an error."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert len(parser._open) == 1, f"not closed: {[one.tag for one in parser._open[1:]]}"
    return parser.root


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def page(self) -> Element:
        """The body as a tree."""
        return parsed(self.body)

    @property
    def csrf(self) -> str:
        """The token in the forms of this page."""
        return self.page.all("input", name="csrf")[0].attrs["value"]


@dataclass(frozen=True, slots=True)
class Browser:
    """A client with a cookie jar; redirects are not followed, since a test wants to see them."""

    http: aiohttp.ClientSession
    root: str

    async def get(self, path: str, **headers: str) -> Reply:
        """GET a page."""
        async with self.http.get(self.root + path, headers=headers, allow_redirects=False) as reply:
            return Reply(reply.status, reply.headers, await reply.text())

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Reply:
        """Send a form."""
        async with self.http.post(self.root + path, data=fields, headers=headers, allow_redirects=False) as reply:
            return Reply(reply.status, reply.headers, await reply.text())
