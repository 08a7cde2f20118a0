"""A log with labels of which a file could tell less: panels with an answer set aside, and cascades."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ensemble.store import open_store
from ensemble.types import Record, Stage
from judges.types import ImagePart, Message, Prompt, TextPart
from tests.ensemble.store.builders import NOON, a_call, a_plan, a_record, a_request, a_ruling, a_verdict, said


async def a_log(path: Path, rows: int) -> list[Record]:
    """Writes a log with as many requests, and returns what is in it."""
    records = [_passed_on(row) if row % 3 else _scored(row) for row in range(rows)]
    store = await open_store(path)
    for record in records:
        await store.record(record)
    await store.close()
    return records


def _question(row: int) -> dict[str, Any]:
    """Some show an image. Ids grow with ``row``, and times do not, as where another log's requests were imported."""
    text = f"Compute {row} * 21" if row % 2 else f"Please say hello to guest {row}"
    shown = (TextPart(text=text), ImagePart(url=f"data:image/png;base64,{row:08}")) if row % 5 == 0 else text
    prompt = Prompt(messages=(Message(role="user", content=shown),))
    return {"request": a_request(prompt=prompt, arrived_at=NOON + timedelta(minutes=37 * row % 150))}


def _scored(row: int) -> Record:
    """A panel that a judge scored; what ``small`` says to sums breaks off or is beaten, so it has no score."""
    record = a_record(**_question(row))
    if row % 4 == 0:
        same = {call.id: replace(call, completion=said(f"Well, {call.member}.\n\n**7**")) for call in record.calls}
        record = replace(record, calls=tuple(same[one.id] if one.candidate else one for one in record.calls))
    small, medium, large = record.authors
    scores = {medium: row % 7 / 10, large: 0.9} | ({} if row % 2 else {small: 0.8})
    ruling = a_ruling(
        a_verdict([large], [medium], scores=scores, preferences=(), exchanges=()),
        set_aside={small: "truncated"} if row % 4 == 1 else {},  # else an earlier stage has beaten it
        panel=(small, medium, large),
    )
    return replace(record, rulings=(ruling,))


def _passed_on(row: int) -> Record:
    """A cascade of which the judge compared the second stage alone, and gave no scores."""
    asked = _question(row)
    names = {"small": 0, "medium": 1, "large": 1}
    calls = tuple(a_call(asked["request"].id, name, stage=stage) for name, stage in names.items())
    small, medium, large = ids = tuple(call.candidate for call in calls if call.candidate)
    stages = (Stage(members=("small",), judge="reader"), Stage(members=("medium", "large"), judge="house"))
    best, other = (large, medium) if row % 5 else (medium, large)
    compared = a_verdict([best], [other], scores={}, exchanges=(), preferences=())
    rulings = (
        a_ruling(a_verdict([small], scores={small: 0.2}), panel=(small,), usable=False),
        a_ruling(compared, stage=1, panel=(medium, large)),
    )
    plan, authors = a_plan(stages=stages), dict(zip(ids, names, strict=True))
    return a_record(**asked, plan=plan, calls=calls, authors=authors, rulings=rulings, chosen=best)
