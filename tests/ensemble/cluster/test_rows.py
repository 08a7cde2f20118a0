"""Rows that travel between processes are those of a run on one machine."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet

from ensemble.cluster.rows import blocks, labels, understood
from ensemble.dialects import openai_chat
from ensemble.labelling.opening import Prompts
from ensemble.labelling.rows import Reject, Row, RowReader
from ensemble.store import open_store
from ensemble.store.filling import DatasetRow, enter
from ensemble.training.alike import evened
from ensemble.training.held import hold
from ensemble.training.reading import examples_of
from judges.types import Prompt
from tests.ensemble.training.logged import a_log

ROWS = (
    '{"id": 7, "prompt": "One?", "mine": 1.5, "reference": "1"}',
    '{"messages": [{"role": "user", "content": "Two?"}], "domain": "sums", "options": {"temperature": 0.5}}',
    "{no",
    '{"prompt": " "}',
    '["no"]',
    '{"prompt": "Café 🦜?", "conversation": "c1"}',
)


def parse(body: bytes) -> Prompt:
    return openai_chat.parse(body).prompt


def test_rows_arrive_as_they_are_read_here(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text("\n".join([*ROWS, *(json.dumps({"prompt": f"Question {n}?"}) for n in range(200))]))
    prompts = Prompts(name=str(path), columns={})
    travelled = [one for block in blocks(prompts) for one in understood(block, RowReader(parse=parse))]
    here = list(prompts.rows(parse))
    assert [one for one in travelled if isinstance(one, Row)] == [one for one in here if isinstance(one, Row)]
    rejects = [[(one.position, one.reason) for one in each if isinstance(one, Reject)] for each in (travelled, here)]
    assert rejects[0] == rejects[1]
    assert len(rejects[0]) == 3
    assert [block.num_rows for block in blocks(prompts)] == [64, 64, 64, 14]


async def test_shards_teach_what_the_log_does(tmp_path: Path) -> None:
    """Who was set aside lost, who was not judged did not, and who said the same shares its label."""
    log, shard = tmp_path / "ensemble.db", tmp_path / "labels-1.parquet"
    records = await a_log(log, 12)
    store = await open_store(log)
    rows = [Row(position=at, row_id=f"r{at}", prompt=record.request.prompt) for at, record in enumerate(records, 1)]
    places = [
        DatasetRow(dataset="run", row_id=row.row_id, request=record.request.id, position=row.position)
        for row, record in zip(rows, records, strict=True)
    ]
    await store.change(lambda db: enter(db, places))
    table = await labels(store, "run", rows)
    await store.close()
    pyarrow.parquet.write_table(table, shard)
    here, there = (evened(hold(examples_of(source)).table) for source in (log, shard))
    assert here.members == there.members
    sorted_ = [one.quality[np.argsort(one.ids)] for one in (here, there)]
    assert np.array_equal(sorted_[0], sorted_[1], equal_nan=True)
    assert len(here) == 12
    assert np.isnan(here.quality).any()


def test_what_is_no_text_is_a_reject_and_does_not_end_the_run(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "half \\ud800 a character"}\n{"prompt": "whole"}\n')
    (block,) = blocks(Prompts(name=str(path)))
    first, second = understood(block, RowReader(parse=parse))
    assert isinstance(first, Reject)
    assert isinstance(second, Row)
