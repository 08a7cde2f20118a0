"""PostgreSQL finds what FTS5 finds: thousands of queries of every shape, over texts of few words, on both."""

import random
import sqlite3

import asyncpg
import pytest

from ensemble.store.keeping.words import TOKENS, tsquery, vector, words_of
from tests.services import postgres_url

WORDS = ("a", "b", "cat", "cats", "Dög", "é", "gpt-4.1", "x_y", "don't", "中文", "AND", "\\", "'")
ASKED = ("a", "b", "cat", "ca", "dog", "e", "x_y", "中", "zebra")
QUERIES = 400


def _text(rng: random.Random) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(0, 8)))


def _phrase(rng: random.Random) -> str:
    kind = rng.random()
    text = rng.choice(ASKED) if kind < 0.5 else f'"{_text(rng)}"' if kind < 0.95 else '"..."'
    more = f" + {_phrase(rng)}" if rng.random() < 0.15 else ""
    return f"{text}{'*' if rng.random() < 0.15 else ''}{more}"


def _near(rng: random.Random) -> str:
    parts = " ".join(rng.choice((*ASKED[:5], "ca*")) for _ in range(rng.randint(1, 2)))
    return f"NEAR({parts}{f', {rng.randint(0, 5)}' if rng.random() < 0.7 else ''})"


def _part(rng: random.Random, depth: int) -> str:
    kind = rng.random()
    if depth and kind < 0.2:
        return f"({_query(rng, depth - 1)})"
    if kind < 0.3:
        return _near(rng)
    if kind < 0.4:
        return f"^{_phrase(rng)}"
    if kind < 0.5:
        return rng.choice(("text : ", "- text : ", "{text} : ")) + _part(rng, 0)
    return _phrase(rng)


def _query(rng: random.Random, depth: int = 2) -> str:
    found = _part(rng, depth)
    while rng.random() < 0.5:
        found += rng.choice((" AND ", " OR ", " NOT ", " ")) + _part(rng, depth)
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_both_engines_find_the_same(seed: int) -> None:
    rng = random.Random(seed)
    texts = [_text(rng) for _ in range(60)]
    lite = sqlite3.connect(":memory:")
    lite.execute(f"CREATE VIRTUAL TABLE t USING fts5(text, tokenize='{TOKENS}')")
    lite.executemany("INSERT INTO t (rowid, text) VALUES (?, ?)", enumerate(texts))
    server = await asyncpg.connect(postgres_url())
    try:
        await server.execute("CREATE TEMP TABLE t (id int, words tsvector)")
        rows = [(number, vector(words)) for number, words in enumerate(words_of(texts))]
        await server.executemany("INSERT INTO t VALUES ($1, $2::text::tsvector)", rows)
        compared = 0
        for query in (_query(rng) for _ in range(QUERIES)):
            try:
                wanted = {row for (row,) in lite.execute("SELECT rowid FROM t WHERE t MATCH ?", [query])}
            except sqlite3.OperationalError:
                with pytest.raises(sqlite3.OperationalError):
                    tsquery(query)
                continue
            rows = await server.fetch("SELECT id FROM t WHERE words @@ $1::text::tsquery", tsquery(query))
            assert {row[0] for row in rows} == wanted, query
            compared += bool(wanted)
        assert compared > QUERIES / 4
    finally:
        await server.close()
        lite.close()


def test_near_of_more_than_two_asks_for_all_of_them() -> None:
    assert tsquery("NEAR(a b c, 2)") == "((((('a') & ('b') & ('c')))))"


def test_what_is_no_query_is_refused_as_fts5_does() -> None:
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        tsquery("")


async def test_what_a_tsvector_cannot_hold_is_left_out() -> None:
    text = " ".join(["same"] * 40_000 + ["long" * 600] + [f"word{number}" for number in range(200_000)])
    found = vector(words_of([text])[0])
    assert "longlong" not in found
    server = await asyncpg.connect(postgres_url())
    try:
        assert await server.fetchval("SELECT length($1::text::tsvector)", found) > 10_000
    finally:
        await server.close()
