"""A request whole, and blind."""

from dataclasses import asdict, replace

import pytest

from ensemble.audit.case.texts import found_at
from ensemble.audit.case.view import blind, names_of, whole
from ensemble.store import Store
from ensemble.store.anchors import candidates_for, freeze
from ensemble.store.audit.reviewed import anchor_sets, said
from ensemble.store.feedback import Remark, Statement, add
from ensemble.types import RequestId, Stage
from judges.types import ToolCall
from tests.ensemble.audit.case.conftest import Kept
from tests.ensemble.store import builders
from tests.ensemble.store.builders import a_call, a_late, a_plan, a_record, a_request, a_ruling, a_verdict


async def test_the_best_by_the_finding_in_force_comes_first_and_is_compared_with(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    case = whole(await kept(record, a_late(record, "slow", wins=True)))
    first, *others = case.candidates
    assert (first.member, first.winner, first.late, first.served) == ("slow", True, True, False)
    assert case.base == first.seen.name
    assert first.wording.shared is None
    assert [one.wording.shared for one in others] == pytest.approx(
        [2 / 3, 2 / 3]
    )  # "answer of slow" and "answer of alpha"
    assert [one.served for one in others].count(True) == 1
    assert first.nano_usd == 20_000
    assert first.total_s == 0.5


async def test_words_may_be_compared_with_those_of_any_candidate(kept: Kept) -> None:
    tree = await kept(a_record(("alpha", "beta")))
    case = whole(tree, against="2")
    assert case.base == "#2"
    assert next(one for one in case.candidates if one.seen.name == "#2").wording.shared is None
    assert whole(tree, against="9").base == next(one.seen.name for one in case.candidates if one.winner)


async def test_the_page_tells_from_which_score_on_a_cheap_answer_stands(kept: Kept) -> None:
    stages = (Stage(members=("alpha",), judge="reader", accept_score=0.625), Stage(members=("beta",)))
    facts = dict(whole(await kept(a_record(("alpha", "beta"), plan=a_plan(stages=stages)))).facts)
    assert facts["stage 1"] == "alpha, judged by reader, which stands from a score of 0.625 on"
    assert facts["stage 2"] == "beta"


async def test_what_most_people_say_stands_beside_what_the_judge_says(kept: Kept, store: Store) -> None:
    record = a_record(("alpha", "beta"))
    _, other = record.authors
    tree = await kept(record)
    for who, what in (("ann", Remark(kind="preferred", candidate="beta", text="clearer")), ("bob", Remark(kind="tie"))):
        statement = Statement(remarks=(what,), given_by=who, source="review", request=record.request.id)
        await store.change(lambda db, one=statement: add(db, one))  # type: ignore[misc]
    again = Statement(remarks=(Remark(kind="preferred", candidate=other),), given_by="bob", source="api",
                      request=record.request.id)  # fmt: skip
    await store.change(lambda db: add(db, again))
    case = whole(tree, await store.read(lambda db: said(db, record.request.id)))
    assert {one.member: one.people for one in case.candidates} == {"alpha": False, "beta": True}
    told = case.tables["said"].rows
    assert [(row["by"], row["said"], row["text"]) for row in told] == [
        ("ann", f"preferred {names_of(tree)[other]}", "clearer"),
        ("bob", "tie", None),
        ("bob", f"preferred {names_of(tree)[other]}", None),
    ]


async def test_a_request_is_in_the_sets_that_hold_it(kept: Kept, store: Store) -> None:
    record, apart = a_record(), a_record()
    await kept(record)
    await kept(apart)
    for name, one in (("hard", record), ("easy", apart)):
        ids = [RequestId(one.request.id)]
        await store.change(lambda db, ids=ids, name=name: freeze(db, name, candidates_for(db, ids)))  # type: ignore[misc]
    assert await store.read(lambda db: anchor_sets(db, record.request.id)) == {"easy": False, "hard": True}


async def test_blind_tells_nothing_of_who_wrote_what_and_how_it_was_found(kept: Kept) -> None:
    request = a_request("Which one?")
    names = ("alpha", "beta", "gamma")
    calls = tuple(
        a_call(
            request.id, name, total_s=17.25,
            completion=builders.said(
                "a text", tool_calls=(ToolCall(id="toolu_01", name="look", arguments="{}"),), stop_sequence="HALT",
                model="vendor-model-1", system_fingerprint="fp_7", provider_request_id="req_9",
            ),
        )
        for name in names
    )  # fmt: skip
    ids = [call.candidate for call in calls if call.candidate]
    ruling = a_ruling(a_verdict(ids[:1], ids[1:], reason="because"))
    record = a_record(request=request, calls=calls, authors=dict(zip(ids, names, strict=True)), rulings=(ruling,),
                      chosen=ids[0])  # fmt: skip
    told = str(asdict(blind(await kept(record))))
    secrets = (*names, "house", "because", "17.25", "toolu", "HALT", "vendor", "fp_7", "req_9", "20000", "mmmm", "jjjj")
    assert [one for one in secrets if one in told] == []


async def test_blind_depends_on_nothing_that_tells_who_wins(kept: Kept) -> None:
    record = a_record()
    tree = await kept(record, a_late(record))
    found = blind(tree)
    assert [one.id for one in found.candidates] == sorted(one["id"] for one in tree["candidates"])
    bare = {name: tree[name] for name in ("id", "content", "messages", "options", "reference")}
    texts = ("id", "text", "tool_calls", "finish_reason")
    candidates = [{name: one[name] for name in texts} for one in reversed(tree["candidates"])]
    assert blind({**bare, "candidates": candidates}) == found


async def test_a_case_without_candidates_has_nothing_to_compare(kept: Kept) -> None:
    case = whole(
        await kept(a_record(("alpha",), status="failed", calls=(), authors={}, rulings=(), chosen=None, plan=None))
    )
    assert (case.base, case.candidates, case.findings, case.spans) == (None, (), (), ())
    assert all(table.rows == [] for name, table in case.tables.items() if name != "provenance")


async def test_every_text_of_the_page_is_found_whole_in_the_record(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    one, other = record.authors
    ballots = tuple(a_verdict([best], [other], reason=f"why {at}") for at, best in enumerate([one] * 11))
    tree = await kept(replace(record, rulings=(a_ruling(a_verdict([one], [other], ballots=ballots)),)))
    case = whole(tree)
    (found,) = case.findings
    texts = [turn.blocks[0].text for turn in case.asked.turns] + [each.seen.text for each in case.candidates]
    texts += [each for seat in (found, *found.seats) for each in (seat.reason, *(ask.text for ask in seat.asks))]
    assert len(texts) == 1 + 2 + 12 * 2
    assert [found_at(tree, text.at) for text in texts if text] == [text.text for text in texts if text]
    assert found_at(tree, "candidates/nobody/text") is None
    assert found_at(tree, "messages/0/content/0/0") is None
