"""The same log exports the same bytes, whichever engine keeps it."""

import io
from pathlib import Path
from typing import Literal

import pytest

from ensemble.store import open_store
from ensemble.store.address import address_of
from ensemble.store.export import FORMATS, Filters, export_folder, export_stream, splits_of
from ensemble.store.feedback import Remark, Statement, add
from ensemble.store.keeping.copy import copy
from tests.ensemble.store.builders import NOON, a_late, a_record, a_request
from tests.ensemble.store.export.conftest import Fill, spec

pytestmark = pytest.mark.postgres


@pytest.fixture
async def logs(fill: Fill, tmp_path: Path) -> tuple[Path, Path]:
    """A log on a server with labels, ties, ratings, words of people and odd texts; and the same in a file."""
    records = [
        a_record(
            request=a_request(f"ünï {number}\x00\ud800 🙂", conversation=f"c{number % 3}", domain="maths"),
            verdict={"confidence": number / 7},
        )
        for number in range(9)
    ]
    first = records[0]
    said = [Remark(kind="rating", value=0.1), Remark(kind="tie")]

    def remark(db: object) -> None:
        for person, third in (("ann", 0.1), ("bob", 0.2), ("cid", 0.7)):
            remarks = (Remark(kind="rating", value=third), said[1])
            add(db, Statement(remarks=remarks, given_by=person, source="cli", request=first.request.id))  # type: ignore[arg-type]

    log = await fill(*records, late=[a_late(first), a_late(records[1], wins=False)], change=remark)
    file = tmp_path / "file.db"
    await (await open_store(file)).close()
    assert all(one.whole for one in copy(log, file))
    return log, file


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("people", ["ignore", "first"])
def test_every_format_has_the_same_bytes(
    logs: tuple[Path, Path], form: str, people: Literal["ignore", "first"]
) -> None:
    asked = spec(form, filters=Filters(people=people if FORMATS[form].made_of == "labels" else "ignore"))
    written = []
    for log in logs:
        out = io.BytesIO()
        manifest = export_stream(log, asked, out)
        written.append((out.getvalue(), manifest))
    assert written[0] == written[1]
    assert written[0][0].count(b"\n") >= 5


@pytest.mark.parametrize(
    "filters",
    [
        Filters(judge="house"),
        Filters(judge="j" * 10),
        Filters(since=NOON, min_confidence=0.5, usable_only=True),
        Filters(router="panel", domain="maths", dedupe=True, splits=splits_of("train=0.7,test=0.3")),
    ],
    ids=["judge", "digest", "since", "split"],
)
def test_every_filter_takes_the_same(logs: tuple[Path, Path], filters: Filters, tmp_path: Path) -> None:
    folders = []
    for number, log in enumerate(logs):
        out = tmp_path / f"out-{number}"
        export_folder(log, spec("routing", filters=filters), out)
        folders.append({file.name: file.read_bytes() for file in out.rglob("*") if file.is_file()})
    assert folders[0] == folders[1]
    assert [address_of(log).file is None for log in logs] == [True, False]
