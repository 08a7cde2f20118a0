"""Templates: what they can use beside the values that they are given, and how any value becomes text that is safe.

Nothing here knows of requests, so that a report renders the same templates without a server.
"""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ensemble.audit.shapes import Cell, Column, Kind
from ensemble.money import NANO
from ensemble.plurals import counted
from ensemble.server.pages import charts
from ensemble.server.pages.visible import visible

HOME = Path(__file__).parent
UNKNOWN = "–"
_CODE = re.compile("`([^`]+)`")


def shown(value: object) -> object:
    """What stands on the page for any value of a template: markup as it is, texts ``visible``, a dash for None."""
    if value is None:
        return UNKNOWN
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def cell(value: Cell, kind: Kind = "text") -> str:
    """``value`` as people read it in a column of this kind."""
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _moment(value) if kind == "time" else value
    match kind:
        case "share":
            return share(float(value))
        case "usd":
            return usd(value)
        case "seconds":
            return seconds(float(value))
        case "count":
            return f"{value:,.0f}" if float(value).is_integer() else number(value)
        case _:
            return f"{value:,}" if isinstance(value, int) else number(value)


def number(value: float) -> str:
    """Three digits that count; large ones as whole numbers, and what only rounding leaves as 0."""
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) < 1e-12:
        return "0"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"


def share(value: float) -> str:
    """Per cent, with one decimal where it is small or nearly all."""
    if not math.isfinite(value):
        return UNKNOWN
    percent = value * 100
    return f"{percent:.1f} %" if (0 < abs(percent) < 10 or 99 < percent < 100) else f"{percent:.0f} %"


def usd(nano: float) -> str:
    """Dollars, to the cent or to three digits where that would hide them."""
    dollars = nano / NANO
    if not dollars or abs(dollars) >= 1:
        return f"${dollars:,.2f}"
    return f"${dollars:.{min(9, 2 - math.floor(math.log10(abs(dollars))))}f}"


def seconds(value: float) -> str:
    """A length of time in the unit that suits it."""
    if not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if abs(value) < 120 else f"{value / 60:,.0f} min"


def prose(text: str) -> Markup:
    """A sentence of ours, in which `this` is set as code; escaped, since names of members and the like stand in it."""
    parts = _CODE.split(visible(text))
    return Markup("").join(Markup("<code>{}</code>").format(one) if n % 2 else one for n, one in enumerate(parts))


def step(text: str) -> str:
    """``text`` as one step of a path; halves of characters, of which no address is made, as question marks."""
    return quote(text, safe="", errors="replace")


def columns_of(columns: Sequence[Column]) -> list[Column]:
    """Columns that get a place of their own: ends of intervals stand beside what they are about."""
    ends = {end for column in columns for end in (column.low, column.high) if end}
    return [column for column in columns if column.name not in ends]


def interval(row: Mapping[str, Cell], column: Column) -> str:
    """The 95 % interval of a cell such as ``41–58 %``; "" where there is none."""
    low, high = row.get(column.low), row.get(column.high)
    if low is None or high is None:
        return ""
    texts = cell(low, column.kind), cell(high, column.kind)
    between = " to " if "-" in "".join(texts) else "–" if column.kind == "share" else " – "
    return f"{texts[0].removesuffix(' %') if column.kind == 'share' else texts[0]}{between}{texts[1]}"


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment.astimezone(UTC) if moment.tzinfo else moment
    return f"{moment:%Y-%m-%d %H:%M:%S}"


@cache
def environment() -> Environment:
    """The templates of this folder. Everything is escaped, and a name that a template misspells is an error."""
    made = Environment(
        loader=FileSystemLoader(HOME / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"cell": cell, "share": share, "usd": usd, "seconds": seconds, "number": number, "counted": counted}
    made.filters |= {"markdown": _markdown, "plain": _plain, "prose": prose, "step": step}
    made.globals |= {"columns_of": columns_of, "interval": interval, "charts": charts}
    return made


def render(template: str, **values: object) -> str:
    """``template`` with ``values``. Takes milliseconds and more: call it from a thread."""
    return environment().get_template(template).render(**values)


def _markdown(text: str, **options: Any) -> Markup:
    # Late, as below: the parser and its allow-list are 4 MB, for pages on which somebody reads an answer.
    from ensemble.server.pages._markdown import rendered

    return rendered(text, **options)


def _plain(text: str, **options: Any) -> Markup:
    from ensemble.server.pages._markdown import plain

    return plain(text, **options)
