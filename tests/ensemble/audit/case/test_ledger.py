"""Costs and times of one request."""

from dataclasses import replace

from ensemble.audit.case.ledger import costs, ledger, part_of, waterfall
from ensemble.audit.case.view import names_of
from ensemble.store import Store
from ensemble.store.audit.facts import facts_of
from ensemble.store.audit.sums import COLUMNS
from judges.types import Usage
from tests.ensemble.audit.case.conftest import Kept
from tests.ensemble.store.builders import a_call, a_late, a_record, a_request


async def test_the_parts_of_the_cost_add_up_to_the_whole(kept: Kept) -> None:
    request = a_request()
    calls = (
        a_call(request.id, "alpha", failure="overloaded", usage=Usage(nano_usd=5)),
        a_call(request.id, "alpha", attempt=2, usage=Usage(nano_usd=70)),
        a_call(request.id, "beta", hedge=True, usage=Usage(nano_usd=11)),
        a_call(request.id, "beta", usage=Usage(nano_usd=None)),
        a_call(request.id, "referee", purpose="judge", usage=Usage(nano_usd=13)),
        a_call(request.id, "guide", purpose="router", candidate=None, usage=Usage(nano_usd=17)),
        a_call(request.id, "dark", purpose="shadow", after_answer=True, usage=Usage(nano_usd=19)),
    )
    record = a_record(("alpha",), request=request, calls=calls, authors={}, rulings=(), chosen=None)
    tree = await kept(record, a_late(record, ruling=None, calls=(a_call(request.id, "slow", after_answer=True),)))
    rows = {row["part"]: row for row in costs(tree).rows}
    assert rows["panel"] == {"part": "panel", "calls": 3, "nano_usd": 16, "unpriced": 1}
    assert {part: row["nano_usd"] for part, row in rows.items()} == {
        "panel": 16, "judge": 13, "router": 17, "retries": 70, "stragglers": 20_000, "shadow": 19, "together": 20_135,
    }  # fmt: skip
    assert rows["together"]["unpriced"] == 1
    assert rows["together"]["calls"] == len(ledger(tree, names_of(tree)).rows) == 8


async def test_a_part_of_which_no_cost_is_known_costs_nothing_that_is_known(kept: Kept) -> None:
    request = a_request()
    unpriced = a_call(request.id, "alpha", usage=Usage(nano_usd=None))
    tree = await kept(a_record(("alpha",), request=request, calls=(unpriced,), authors={}, rulings=(), chosen=None))
    assert [row["nano_usd"] for row in costs(tree).rows] == [None, None]


async def test_of_a_stream_that_was_cut_off_it_is_not_said_that_nothing_was_called_and_paid(kept: Kept) -> None:
    begun = a_record(("alpha",), status="streaming", calls=(), authors={}, rulings=(), chosen=None)
    tree = await kept(begun)
    assert "is not in the log" in ledger(tree, names_of(tree)).empty
    assert "is not in the log" in costs(tree).empty


async def test_the_waterfall_tells_what_ran_when(kept: Kept) -> None:
    tree = await kept(a_record(("alpha", "beta")))
    spans = [(span.label, span.kind, span.start_s, span.total_s) for span in waterfall(tree)]
    assert spans == [
        ("the answer", "answer", 0.0, 1.5),
        ("alpha (candidate)", "panel", 1.0, 0.5),
        ("beta (candidate)", "panel", 1.0, 0.5),
        ("referee (judge)", "judge", 1.0, 0.5),
        ("verdict of house (served)", "verdict", 2.0, 0.25),
    ]
    assert {part_of(call) for call in tree["calls"]} == {"panel", "judge"}


async def test_the_parts_are_those_that_the_overview_sums(kept: Kept, store: Store) -> None:
    record = a_record(("alpha", "beta"))
    first, *others = record.calls
    late = a_call(record.request.id, "slow", after_answer=True, usage=Usage(nano_usd=3))
    again = a_call(record.request.id, "alpha", attempt=2, usage=Usage(nano_usd=5), candidate=first.candidate)
    beside = a_call(record.request.id, "beta", hedge=True, usage=Usage(nano_usd=7))
    tree = await kept(replace(record, calls=(first, again, beside, late, *others)))
    (facts,) = await store.read(lambda db: facts_of(db, [record.request.id]))
    case = dict(zip(COLUMNS["audit_cases"], facts.case, strict=True))
    rows = {row["part"]: row["nano_usd"] for row in costs(tree).rows}
    parts = {"panel": "panel", "judge": "judge", "stragglers": "straggler", "retries": "retry"}
    assert {name: rows[part] for part, name in parts.items()} == {
        name: case[f"{name}_nano_usd"] for name in parts.values()
    }
    assert rows["together"] == case["nano_usd"]
