"""The report as one HTML file: complete, escaped, and without a word from elsewhere."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ensemble.store.examples import Ballot
from ensemble.training.evaluate import evaluate, measurable
from ensemble.training.held import Held, hold
from ensemble.training.offpolicy import Estimate
from ensemble.training.page import page
from ensemble.training.panels import panels
from ensemble.training.replay import replay
from ensemble.training.report import Report
from tests.ensemble.training.examples import MEMBERS, a_hold, an_example
from tests.ensemble.training.test_replay import FLEET, ByLength

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\ud800"


class Tags(HTMLParser):
    """Every tag with its attributes, and what stands open at the end."""

    EMPTY = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def report_on(held: Held, name: str = "length") -> Report:
    kept, frame = measurable(held, frozenset())
    return evaluate(kept, frame, [await replay(name, ByLength(), kept, FLEET)], draws=50)


def parsed(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    assert tags.open == []
    return tags


async def test_it_has_every_part() -> None:
    ballots = (Ballot(seat="1: aaa", winners=frozenset({"small"})), Ballot(seat="2: bbb", winners=frozenset()))
    held = a_hold(80, ballots=ballots)
    report = await report_on(held)
    estimate = Estimate(value=report.cheapest_best, effective=80.0, observations=90, method="snips")
    html = page(
        report,
        data="labels.jsonl",
        panels=panels(held, draws=20),
        offpolicy={"length": estimate, "other": "overlap: there is none"},
        curves={"length": [(100, 0.5), (200, 0.75)]},
    )
    for part in (
        "Frontier",
        "Calibration of",
        "Learning curve",
        "Picks",
        "Worst misroutes",
        "Panels",
        "oracle",
        "2: bbb",
        "APGR",
    ):
        assert part in html
    assert "80 effective of 90 answers" in html
    assert "overlap: there is none" in html
    assert "90 % of" not in html
    assert [tag for tag, _ in parsed(html).seen].count("svg") == 3


async def test_nothing_of_it_is_run_or_fetched() -> None:
    examples = [*a_hold(30).examples, an_example("<i>x</i>", {"small": 0.0, "medium": 0.0, "large": 1.0}, HOSTILE)]
    html = page(await report_on(hold(examples, members=MEMBERS), name='<b onclick="x">'), data="<u>labels</u>")
    tags = parsed(html)
    assert {tag for tag, _ in tags.seen} & {"script", "img", "link", "iframe", "object", "i", "b", "u", "a"} == set()
    for tag, attributes in tags.seen:
        assert not {name for name in attributes if name.startswith("on") or name in ("src", "href")}, tag
    assert not re.search(r"https?://|url\(|@import", html)
    assert "&lt;script&gt;alert(1)" in html
    html.encode()


async def test_texts_can_be_left_out() -> None:
    held = hold(
        [*a_hold(20).examples, an_example("x", {"small": 0.0, "medium": 0.0, "large": 1.0}, "a secret question")],
        members=MEMBERS,
    )
    report = await report_on(held)
    assert "a secret question" in page(report, data="x")
    assert "a secret question" not in page(report, data="x", texts=False)


async def test_a_long_text_is_cut() -> None:
    examples = [an_example(str(row), {"small": 1.0, "medium": 1.0, "large": 0.0}, "word " * 400) for row in range(3)]
    html = page(await report_on(hold(examples, members=MEMBERS)), data="x")
    assert html.count("word") == 3 * 120


async def test_without_costs_there_is_no_frontier_to_draw() -> None:
    free = a_hold(30, nano_usd={})
    html = page(await report_on(free), data="x")
    assert "No cost is known" in html
    assert "unknown" in html


@pytest.mark.parametrize("rows", [2, 3])
async def test_a_handful_of_labels_can_be_drawn(rows: int) -> None:
    held = a_hold(rows)
    parsed(page(await report_on(held), data="x", curves={"length": [(10, 0.5)]}))
    assert np.isfinite(held.table.quality).all()
