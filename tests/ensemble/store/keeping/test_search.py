"""Search finds what was said, keeps up by itself, and forgets what leaves."""

from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.search import behind, catch_up, search
from ensemble.store.keeping.searchable import SOURCES, Source
from ensemble.upkeep import index
from tests.ensemble.store.builders import a_late, a_record, a_request

pytestmark = pytest.mark.both


def found(path: Path, query: str, most: int = 9, sources: tuple[Source, ...] = SOURCES) -> list[tuple[object, ...]]:
    with reading(path) as db:
        return [(hit["id"], hit["where"], hit["member"], hit["snippet"]) for hit in search(db, query, most, sources)]


async def test_prompts_and_answers_are_found_newest_first(store: Store, path: Path) -> None:
    first, second = a_record(request=a_request("Why is the Himmel blue?")), a_record(request=a_request("blue or red?"))
    await store.record(first)
    await store.record(second)
    await index(store)
    assert found(path, "blue") == [
        (second.request.id, "prompt", None, "[blue] or red?"),
        (first.request.id, "prompt", None, "Why is the Himmel [blue]?"),
    ]
    assert [hit[0] for hit in found(path, "blue", most=1)] == [second.request.id]
    assert [hit[0] for hit in found(path, "himmel")] == [hit[0] for hit in found(path, '"the himmel"')] != []
    assert [hit[2] for hit in found(path, "medium", sources=("candidates",))] == ["medium", "medium"]
    assert found(path, "medium", sources=("requests",)) == []
    await store.record_late(a_late(first))
    assert found(path, "slow") == []
    await index(store)
    assert [hit[:3] for hit in found(path, "slow")] == [(first.request.id, "answer", "slow")]


async def test_the_index_comes_up_step_by_step_and_each_row_once(store: Store, path: Path) -> None:
    for number in range(7):
        await store.record(a_record(request=a_request(f"question {number}")))
    with reading(path) as db:
        assert behind(db) == 7 + 21
    steps = [await store.change(lambda db: catch_up(db, 4)) for _ in range(7)]
    assert sum(steps) == 28
    assert max(steps) == steps[0] == 8
    assert steps[-1] == 0
    assert len(found(path, "question", most=99)) == 7
    with reading(path) as db:
        assert behind(db) == 0


@pytest.mark.parametrize("query", ['"', "AND", "gpt-4.1", "a:b", "(", ""])
async def test_what_is_no_query_is_a_sentence(store: Store, path: Path, query: str) -> None:
    await store.ping()
    with pytest.raises(StoreError, match=r"is no query .*put words with signs in double quotes"):
        found(path, query)
