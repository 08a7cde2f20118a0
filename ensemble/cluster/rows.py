"""What travels between the processes of a cluster: rows of prompts on the way in, rows of labels on the way out."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import orjson

from ensemble.labelling.opening import Prompts
from ensemble.labelling.rows import Reject, Row, RowReader, shown
from ensemble.labelling.sources import Raw
from ensemble.routers._features import text_of
from ensemble.store import Store
from ensemble.store.database import Database
from ensemble.store.examples import Example, examples_of
from judges.heuristics.agreement import alike

BLOCK = 64
"""Rows of a block on their way in."""
_OPTIONS = orjson.OPT_NON_STR_KEYS
_ROWS = """
SELECT row_id, position, request_id FROM dataset_rows
WHERE dataset = ? AND row_id IN (SELECT value FROM json_each(?))
"""


def source(prompts: Prompts) -> Any:
    """``prompts`` as a source of Ray Data: one task reads them, a block at a time, wherever it runs."""
    from ray.data import Datasource
    from ray.data.block import BlockMetadata
    from ray.data.datasource import ReadTask

    class Source(Datasource):
        """Blocks of rows as their file has them."""

        def __init__(self) -> None:
            """What Ray sets up of itself is of no use to one task."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, parallelism: int, *_: object, **__: object) -> list[Any]:
            about = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
            return [ReadTask(partial(blocks, prompts), about)]

    return Source()


def blocks(prompts: Prompts) -> Iterator[Any]:
    """The rows of ``prompts`` as tables of Arrow. Blocks, and raises as ``Prompts.rows``."""
    import pyarrow

    schema = pyarrow.schema([("position", "int64"), ("row", "string"), ("reason", "string")])
    coming = iter(prompts.raw())
    while chunk := list(islice(coming, BLOCK)):
        yield pyarrow.Table.from_pylist([_told(raw) for raw in chunk], schema=schema)


def _told(raw: Raw) -> dict[str, object]:
    if isinstance(raw, Reject):
        return {"position": raw.position, "row": raw.text.encode("utf-8", "replace").decode(), "reason": raw.reason}
    position, tree = raw
    try:
        return {"position": position, "row": orjson.dumps(tree, default=str, option=_OPTIONS).decode(), "reason": None}
    except TypeError as error:
        text = json.dumps(shown(tree))
        return {"position": position, "row": text, "reason": f"it cannot be written as JSON: {error}"}


def understood(block: Any, reader: RowReader) -> Iterator[Row | Reject]:
    """The rows of a table as ``reader`` understands them."""
    for one in block.to_pylist():
        if one["reason"] is not None:
            yield Reject(position=one["position"], reason=one["reason"], text=one["row"])
        else:
            yield reader.read(one["position"], orjson.loads(one["row"]))


def schema() -> Any:
    """Columns of the shards of labels, as ``ensemble train`` and ``evaluate`` read them."""
    import pyarrow

    text, real, whole, truth = pyarrow.string(), pyarrow.float64(), pyarrow.int64(), pyarrow.bool_()
    turn = pyarrow.struct([("role", text), ("content", text)])
    model = pyarrow.struct([
        ("member", text), ("score", real), ("nano_usd", whole), ("total_s", real), ("judged", truth), ("alike", whole),
    ])  # fmt: skip
    columns = [
        ("row_id", text), ("position", whole), ("request_id", text), ("messages", pyarrow.list_(turn)),
        ("models", pyarrow.list_(model)), ("best", pyarrow.list_(text)), ("kind", text), ("source", text),
        ("judged_by", text), ("confidence", real), ("complete", truth), ("usable", truth), ("conversation", text),
        ("domain", text), ("arrived_at", text),
    ]  # fmt: skip
    return pyarrow.schema(columns)


async def labels(store: Store, run: str, rows: Iterable[Row]) -> Any:
    """What the log says of ``rows`` of the data set ``run``, as a table of ``schema``, where they have a label."""
    import pyarrow

    found = await store.read(partial(_labels, run=run, row_ids=[row.row_id for row in rows]))
    return pyarrow.Table.from_pylist(found, schema=schema())


def _labels(db: Database, run: str, row_ids: Sequence[str]) -> list[dict[str, Any]]:
    rows = db.execute(_ROWS, [run, orjson.dumps(list(row_ids)).decode()]).fetchall()
    known = {one.label.request: one for one in examples_of(db, {row[2] for row in rows})}
    return [
        {"row_id": row_id, "position": position, **_row(known[request])}
        for row_id, position, request in sorted(rows, key=lambda row: (row[1], row[0]))
        if request in known
    ]


def _row(example: Example) -> Mapping[str, Any]:
    label, judged = example.label, example.judged
    same = alike(example.answers, text_of(label.messages))
    names = sorted({*label.scores, *label.nano_usd, *label.best})
    return {
        "request_id": label.request,
        "messages": [{"role": turn.role, "content": _whole(turn.text)} for turn in label.messages],
        "models": [
            {
                "member": name,
                "score": label.scores.get(name),
                "nano_usd": label.nano_usd.get(name),
                "total_s": label.total_s.get(name),
                "judged": None if judged is None else name in judged,
                "alike": same.get(name),
            }
            for name in names
        ],
        "best": sorted(label.best),
        "kind": label.kind,
        "source": label.source,
        "judged_by": label.by,
        "confidence": label.confidence,
        "complete": label.complete,
        "usable": label.usable,
        "conversation": label.conversation,
        "domain": label.domain,
        "arrived_at": label.arrived,
    }


def _whole(text: str) -> str:
    """``text`` without halves of characters, which Arrow cannot hold."""
    return text.encode("utf-8", "replace").decode()
