"""A key in the place of others has what was theirs, on either engine."""

from datetime import timedelta

from ensemble.keys.issuing import a_key, create, hash_of, rotate
from ensemble.store import Store
from ensemble.store.api_keys import find_key
from ensemble.store.queries import last_winner
from ensemble.store.reviews import Sight, flag, reviews
from tests.ensemble.store.builders import NOON, a_record, a_request


async def test_what_keys_asked_that_it_replaces_is_its_own(store: Store) -> None:
    first, stranger = a_key("one"), a_key("two")
    await store.change(lambda db: [create(db, key) for key in (first, stranger)])
    second, _ = await store.change(lambda db: rotate(db, "one", timedelta()))
    third, secret = await store.change(lambda db: rotate(db, "one", timedelta()))
    request = a_request(key_id=first.id, conversation="c1")
    await store.record(a_record(request=request))
    await store.change(lambda db: flag(db, request.id, "ann", NOON))
    found, _ = await store.read(lambda db: find_key(db, hash_of(secret)))
    assert found is not None
    assert found.line == {first.id, second.id, third.id}

    async def seen(key: str | None) -> tuple[bool, int]:
        again = a_request(key_id=key, conversation="c1")
        winner = await store.read(lambda db: last_winner(db, again))
        sight = Sight(key=key or "", tenant=None)
        waiting = await store.read(lambda db: reviews(db, NOON, decided=False, sight=sight, limit=9))
        return winner is not None, len(waiting)

    mine, nobodys = (True, 1), (False, 0)
    assert [await seen(key) for key in (first.id, third.id, stranger.id, None)] == [mine, mine, nobodys, nobodys]
