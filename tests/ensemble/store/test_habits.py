"""What the log tells of the habits of members: the newest lines of the ledger, found without an index by member."""

from datetime import timedelta

import pytest

from ensemble.habits import LEAST, Sittings
from ensemble.store import Store
from ensemble.store.database import Database
from ensemble.store.filling import history
from ensemble.store.habits import NEWEST, recall
from judges.types import Usage
from tests.ensemble.doubles import a_member
from tests.ensemble.store.builders import NOON, a_call, a_record, a_request, said

DIGEST = "m" * 64


async def put(store: Store, tokens: int, *, times: int = 1, digest: str = DIGEST) -> None:
    """Requests that ``small`` answered with so many ``tokens``; the more, the earlier it began."""
    for _ in range(times):
        request = a_request(arrived_at=NOON)
        usage = Usage(input_tokens=10, output_tokens=tokens, nano_usd=1)
        call = a_call(
            request.id,
            completion=said(usage=usage),
            member_digest=digest,
            started_at=NOON - timedelta(seconds=tokens),
            usage=usage,
        )
        assert call.candidate is not None
        await store.record(a_record(request=request, calls=(call,), authors={call.candidate: "small"}, rulings=()))


async def much_later(store: Store) -> None:
    """What was written so far lies further back than anybody looks, behind a line of somebody else."""
    await store.record(a_record(("large",), rulings=()))
    sql = "UPDATE calls SET rowid = rowid + ? WHERE member = 'large'"
    await store.change(lambda db: db.conn.execute(sql, [NEWEST]))


async def test_the_newest_lines_are_those_that_were_written_last(store: Store) -> None:
    for tokens in (1, 2, 3):
        await put(store, tokens)
    assert await store.read(lambda db: history(db, "small", DIGEST, judge=False)) == (3, 10.0, 2.0)
    assert await store.read(lambda db: history(db, "small", DIGEST, judge=False, newest=2)) == (2, 10.0, 2.5)
    assert await store.read(lambda db: history(db, "small", "another", judge=False)) == (0, 0.0, 0.0)


async def test_lines_far_back_are_not_looked_for(store: Store) -> None:
    await put(store, 1)
    await much_later(store)
    await put(store, 5)
    assert await store.read(lambda db: history(db, "small", DIGEST, judge=False)) == (1, 10.0, 5.0)


async def test_a_member_learns_what_its_newest_answers_were_like(store: Store) -> None:
    member, _ = a_member("small")
    await put(store, 900, times=LEAST, digest=member.digest)
    await much_later(store)
    await put(store, 7, times=LEAST, digest=member.digest)
    await put(store, 800, digest="another")
    await store.read(lambda db: recall(db, [member], [], Sittings()))
    assert member.habits.output_tokens.upper() == 7


@pytest.mark.sqlite("about the indexes of SQLite")
async def test_what_every_request_writes_is_kept_in_one_index_alone(store: Store, db: Database) -> None:
    """Each index more is a page or so per row of a commit: two by member were a quarter of all pages."""
    for table in ("calls", "candidates"):
        everywhere = [name for _, name, _, _, partial in db.execute(f"PRAGMA index_list({table})") if not partial]
        assert everywhere == [f"sqlite_autoindex_{table}_1"]
