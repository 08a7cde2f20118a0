"""Stored verdicts come back as the verdicts they were, one request after another, and nothing is written."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.judged import Judged, judged
from ensemble.store.keeping.connect import writing
from ensemble.store.opening import schema_of
from ensemble.types import Record
from judges.types import Exchange, TokenLogprob, Usage, Verdict
from tests.ensemble.store.builders import NOON, a_late, a_record, a_ruling, a_verdict, judge_calls


def all_of(path: Path, **which: object) -> list[Judged]:
    with judged(path, **which) as found:  # type: ignore[arg-type]
        return list(found)


def without_texts(verdict: Verdict) -> Verdict:
    """What is kept for statistics; usage has the three columns that the log keeps."""
    spent = verdict.usage
    return replace(
        verdict,
        exchanges=tuple(
            Exchange(prompt=one.prompt, model=one.model, shown=one.shown, text="", parsed=one.parsed)
            for one in verdict.exchanges
        ),
        ballots=tuple(map(without_texts, verdict.ballots)),
        reason="",
        usage=Usage(input_tokens=spent.input_tokens, output_tokens=spent.output_tokens, nano_usd=spent.nano_usd),
    )


def a_jury(record: Record, depth: int = 2) -> Verdict:
    """Twelve ballots, so that their order is not that of text, each with ballots of its own."""
    ids = list(record.authors)
    ballot = a_verdict(ids[:1], ids[1:])
    ballots = tuple(replace(a_jury(record, depth - 1), judge=f"{n:064}") for n in range(12)) if depth else ()
    usage = Usage(input_tokens=7, output_tokens=3, nano_usd=5)
    return replace(ballot, ballots=ballots, flags=("flipped",), weights="w", usage=usage)


async def test_a_verdict_comes_back_with_its_ballots_in_order(store: Store, path: Path) -> None:
    record = a_record()
    jury = a_jury(record)
    await store.record(replace(record, rulings=(replace(record.rulings[0], verdict=jury),)))
    (found,) = all_of(path)
    assert found.verdict == without_texts(jury)
    assert found.judge == "house"
    assert found.request == record.request.id
    assert {one: written.member for one, written in found.candidates.items()} == record.authors
    assert {written.characters for written in found.candidates.values()} == {len("answer of small"), 16, 15}
    assert found.best is None


async def test_requests_come_one_after_another_in_order_of_arrival(store: Store, path: Path) -> None:
    records = [a_record() for _ in range(5)]
    for record in records:
        await store.record(record)
    assert [one.request for one in all_of(path)] == [record.request.id for record in records]


async def test_one_judge_and_one_time_can_be_chosen(store: Store, path: Path) -> None:
    early = a_record()
    late = a_record(ruling={"judge": "other", "started_at": NOON + timedelta(days=1)})
    for record in (early, late):
        await store.record(record)
    assert [one.judge for one in all_of(path, judge="other")] == ["other"]
    assert [one.judge for one in all_of(path, since=NOON + timedelta(hours=1))] == ["other"]
    assert all_of(path, judge="nobody") == []


async def test_only_what_the_judge_saw_is_named(store: Store, path: Path) -> None:
    """A straggler for the full verdict alone, and none that was set aside."""
    record = a_record()
    aside = list(record.authors)[-1]
    ruling = replace(record.rulings[0], set_aside={aside: "truncated"})
    await store.record(replace(record, rulings=(ruling,)))
    await store.record_late(a_late(record))
    served, full = all_of(path)
    assert sorted(written.member for written in served.candidates.values()) == ["medium", "small"]
    assert sorted(written.member for written in full.candidates.values()) == ["large", "medium", "slow", "small"]


Word = tuple[str, str, int | None]


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ([("ann", "preferred", 1)], {1}),
        ([("ann", "preferred", 1), ("ann", "preferred", 2)], {2}),
        ([("ann", "preferred", None)], {0}),
        ([("ann", "preferred", 1), ("bob", "preferred", 2)], None),
        ([("ann", "preferred", 1), ("bob", "preferred", 2), ("cy", "preferred", 2)], {2}),
        ([("ann", "tie", None)], {0, 1, 2}),
        ([("ann", "all_bad", None)], set()),
        ([("ann", "cannot_tell", None)], None),
        ([("ann", "rating", 1)], None),
        ([], None),
    ],
)
async def test_labels_are_what_people_say(store: Store, path: Path, words: list[Word], best: set[int] | None) -> None:
    record = a_record()
    await store.record(record)
    ids = list(record.authors)
    with writing(path) as db:
        for at, (who, kind, which) in enumerate(words):
            db.execute(
                "INSERT INTO feedback (id, request_id, kind, candidate_id, given_by, source, created_at) "
                "VALUES (?, ?, ?, ?, ?, 'api', '2026-11-24T00:00:00.000000Z')",
                [str(at), record.request.id, kind, None if which is None else ids[which], who],
            )
    (found,) = all_of(path)
    assert found.best == (None if best is None else {ids[which] for which in best})


async def test_reading_writes_nothing_and_waits_for_nobody(store: Store, path: Path) -> None:
    await store.record(a_record())
    with judged(path) as found:
        first = next(found)
        await store.record(a_record())
        assert list(found) == []  # one snapshot
    assert first.judge == "house"
    assert len(all_of(path)) == 2


@pytest.fixture
def stranger(tmp_path: Path) -> Path:
    path = tmp_path / "notes.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")
    return path


def test_what_is_no_log_is_told(tmp_path: Path, stranger: Path) -> None:
    missing = tmp_path / "none.db"
    for look in (all_of, schema_of):
        with pytest.raises(StoreError, match=r"none\.db: there is no log; see what the command line names"):
            look(missing)
    assert not missing.exists()
    with pytest.raises(StoreError, match="belongs to another program"):
        all_of(stranger)
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(StoreError, match="schema step 0001_tables is missing"):
        all_of(empty)
    (broken := tmp_path / "broken.db").write_bytes(b"no database at all, but long enough to have a header" * 30)
    with pytest.raises(StoreError, match="no SQLite database"):
        all_of(broken)


async def test_each_verdict_stores_what_an_audit_needs(store: Store) -> None:
    """Prompt hash and version, order, raw text, logprobs, parse path, retries, weights version, cost."""
    record = a_record()
    first, second = list(record.authors)[:2]
    reply = Usage(input_tokens=100, output_tokens=2, nano_usd=700)
    logprobs = (TokenLogprob(token="m", logprob=-0.25, top=(("m", -0.25), ("M", -1.5))),)
    asked = Exchange(
        prompt="pairwise@1f3a", model="referee", shown=(second, first), text="", error="empty", usage=reply
    )
    again = replace(asked, text="[[B]]", logprobs=logprobs, parsed="label:last", error=None, attempt=2)
    verdict = replace(a_verdict([first], [second]), exchanges=(asked, again), weights="w1", usage=Usage(nano_usd=1400))
    calls = (*(call for call in record.calls if call.purpose != "judge"), *judge_calls(record.request.id, verdict))
    await store.record(replace(record, calls=calls, rulings=(a_ruling(verdict),)))
    tree = await store.request(record.request.id)
    assert tree is not None
    (stored,) = cast("list[dict[str, Any]]", tree["verdicts"])
    assert (stored["weights"], stored["nano_usd"], stored["judge_digest"]) == ("w1", 1400, "j" * 64)
    one, other = stored["exchanges"]
    assert [(e["prompt"], e["shown"], e["text"]) for e in (one, other)] == [
        ("pairwise@1f3a", [second, first], ""),
        ("pairwise@1f3a", [second, first], "[[B]]"),
    ]
    assert (one["error"], one["attempt"], one["nano_usd"], one["parsed"]) == ("empty", 1, 700, None)
    assert (other["error"], other["attempt"], other["nano_usd"], other["parsed"]) == (None, 2, 700, "label:last")
    assert other["logprobs"] == [["m", -0.25, [["m", -0.25], ["M", -1.5]]]]
    assert None not in (one["call_id"], other["call_id"])
