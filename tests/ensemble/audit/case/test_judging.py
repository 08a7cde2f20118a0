"""Findings, questions and flips."""

from dataclasses import replace

import pytest

from ensemble.audit.case.judging import criteria, findings, in_force
from ensemble.audit.case.view import names_of
from ensemble.store import Store
from judges.types import CandidateId, Exchange, Preference, Usage
from tests.ensemble.audit.case.conftest import Kept
from tests.ensemble.store.builders import a_late, a_record, a_ruling, a_verdict


@pytest.mark.parametrize("wins", [True, False])
@pytest.mark.parametrize("failed", [True, False])
async def test_the_finding_in_force_is_that_of_the_label(kept: Kept, store: Store, wins: bool, failed: bool) -> None:
    record = a_record(ruling={"fallback": "member_order"} if failed else {})
    tree = await kept(record, a_late(record, wins=wins))
    sql = "SELECT verdict_id FROM labels WHERE request_id = ?"
    ((labelled,),) = await store.read(lambda db: db.execute(sql, [record.request.id]).fetchall())
    standing = in_force(tree["verdicts"])
    assert standing is not None
    assert standing["id"] == labelled
    assert [one.in_force for one in findings(tree["verdicts"], names_of(tree))].count(True) == 1


async def test_nothing_is_in_force_where_nothing_was_judged(kept: Kept) -> None:
    tree = await kept(a_record(rulings=(), calls=(), authors={}, chosen=None))
    assert in_force(tree["verdicts"]) is None
    assert findings(tree["verdicts"], names_of(tree)) == ()


async def test_a_flip_is_one_model_that_contradicts_itself(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    one, other = record.authors
    asked = tuple(
        Exchange(prompt="pairwise@1f", model=model, shown=shown, text="[[A]]", parsed="label:last", usage=Usage())
        for model, shown in (("x", (one, other)), ("x", (other, one)), ("y", (one, other)), ("z", (other, one)))
    )
    preferences = (
        Preference(shown=(one, other), outcome="first", exchange=0),
        Preference(shown=(other, one), outcome="first", exchange=1),  # x prefers the place
        Preference(shown=(one, other), outcome="first", exchange=2),
        Preference(shown=(other, one), outcome="first", exchange=3),  # another model: no flip
    )
    verdict = a_verdict([one], [other], preferences=preferences, exchanges=asked)
    tree = await kept(replace(record, rulings=(a_ruling(verdict),)))
    (found,) = findings(tree["verdicts"], names_of(tree))
    assert [each.flipped for each in found.compared] == [True, True, False, False]
    assert found.flips == 1


async def test_flags_name_candidates_by_their_names_of(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    one, other = record.authors
    flags = ("flipped", f"suspicious:{other}", "odd:remark")
    tree = await kept(replace(record, rulings=(a_ruling(a_verdict([one], [other], flags=flags)),)))
    (found,) = findings(tree["verdicts"], names_of(tree))
    assert found.flags == ("flipped", f"suspicious: {names_of(tree)[other]}", "odd:remark")
    assert found.winners == (names_of(tree)[one],)


async def test_ballots_are_seats_in_their_order(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    one, other = record.authors
    ballots = tuple(a_verdict([best], judge=str(seat) * 64) for seat, best in enumerate([one, other] * 6))
    verdict = a_verdict([one], [other], ballots=ballots)
    tree = await kept(replace(record, rulings=(a_ruling(verdict),)))
    (found,) = findings(tree["verdicts"], names_of(tree))
    assert [seat.title for seat in found.seats] == [f"seat {number}" for number in range(1, 13)]
    assert [seat.digest[0] for seat in found.seats] == ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "1", "1"]


async def test_criteria_are_read_from_what_the_judge_answered(kept: Kept) -> None:
    record = a_record(("alpha", "beta"))
    one, other = record.authors

    def rated(candidate: CandidateId, text: str, parsed: str | None = "rubric:json") -> Exchange:
        return Exchange(prompt="pointwise@1f", model="x", shown=(candidate,), text=text, parsed=parsed)

    asked = (
        rated(one, 'Good. {"reason": "ok", "scores": {"correct": 9, "clear": 7}}'),
        rated(one, '{"scores": {"correct": 6, "clear": 7}}'),
        rated(other, '{"scores": {"correct": 3}}'),
        rated(other, '{"scores": {"correct": 9}}', parsed=None),  # it was not used
        rated(other, "no scores at all"),
    )
    tree = await kept(replace(record, rulings=(a_ruling(a_verdict([one], [other], preferences=(), exchanges=asked)),)))
    table = criteria(tree["verdicts"], names_of(tree))
    titles = {column.title: column.name for column in table.columns}
    rows = {row["candidate"]: row for row in table.rows}
    first, second = rows[names_of(tree)[one]], rows[names_of(tree)[other]]
    assert (first[titles["correct"]], first[titles["clear"]]) == (7.5, 7)
    assert (second[titles["correct"]], second[titles["clear"]]) == (3, None)
