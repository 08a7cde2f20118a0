"""Rows that travel between processes are those of a run on one machine."""

import json
from pathlib import Path

from ensemble.cluster.rows import blocks, understood
from ensemble.dialects import openai_chat
from ensemble.labelling.opening import Prompts
from ensemble.labelling.rows import Reject, Row, RowReader
from judges.types import Prompt

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


def test_what_is_no_text_is_a_reject_and_does_not_end_the_run(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "half \\ud800 a character"}\n{"prompt": "whole"}\n')
    (block,) = blocks(Prompts(name=str(path)))
    first, second = understood(block, RowReader(parse=parse))
    assert isinstance(first, Reject)
    assert isinstance(second, Row)
