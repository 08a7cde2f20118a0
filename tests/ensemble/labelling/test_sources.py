import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensemble.labelling import sources
from ensemble.labelling.opening import Prompts
from ensemble.labelling.rows import Reject
from ensemble.labelling.sources import BadSource, lines, rows_of_file


def texts(path: Path) -> list[object]:
    return [raw if isinstance(raw, Reject) else raw[1] for raw in rows_of_file(path)]


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines(tmp_path: Path, packed: bool) -> None:
    data = b'\xef\xbb\xbf{"prompt": "a"}\n\n{"prompt": "b"}\nno\n{"prompt": "c"}'
    path = tmp_path / ("p.jsonl.gz" if packed else "p.jsonl")
    path.write_bytes(gzip.compress(data) if packed else data)
    found = list(rows_of_file(path))
    assert [raw[0] if isinstance(raw, tuple) else -raw.position for raw in found] == [1, 3, -4, 5]


@pytest.mark.parametrize(
    ("name", "data", "rows"),
    [
        ("p.jsonl", b'\n{"prompt": "a"}\n\n   \r\n{"prompt": "b"}\nno\n\n', 3),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": "b"}', 2),
        ("p.jsonl", b" " * 100_000 + b"1" + b" " * 100_000 + b"\n\n", 1),
        ("p.csv", b"prompt\n\none\n\ntwo\n\n", 2),
        ("p.csv", b"", 0),
    ],
)
def test_empty_lines_are_no_rows_of_a_progress_bar(tmp_path: Path, name: str, data: bytes, rows: int) -> None:
    (path := tmp_path / name).write_bytes(data)
    assert Prompts(name=str(path)).count() == rows == len(list(rows_of_file(path)))


def test_an_endless_line_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_LINE", 100)
    found = list(lines(io.BytesIO(b'{"a": 1}\n' + b"x" * 1000 + b'\n{"b": 2}\n')))
    assert found[0] == (1, {"a": 1})
    assert isinstance(found[1], Reject)
    assert found[2] == (3, {"b": 2})


def test_csv_with_line_ends_in_cells(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('prompt,reference\n"one\ntwo",1\nshort\nthree,3\n')
    found = list(rows_of_file(path))
    assert found[0] == (2, {"prompt": "one\ntwo", "reference": "1"})
    assert isinstance(found[1], Reject)
    assert (found[1].position, found[1].reason) == (4, "there are 1 cells for 2 columns")
    assert found[2] == (5, {"prompt": "three", "reference": "3"})


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_quotation_mark_that_nothing_closes_is_no_prompt_of_all_rows_behind_it(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        'id,prompt\n1,"one\ntwo"\n2,"three\n' + "".join(f"{n},more\n" for n in range(3, 99)) + "99,last" + ending
    )
    rows = rows_of_file(path)
    assert next(rows) == (2, {"id": "1", "prompt": "one\ntwo"})
    with pytest.raises(BadSource, match="line 4: a quotation mark opens a cell there that none closes"):
        next(rows)


def test_parquet_by_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    rows = [{"prompt": f"p{n}", "messages": None} for n in range(1000)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=300)
    found = list(rows_of_file(path))
    assert [raw[0] for raw in found if isinstance(raw, tuple)] == list(range(1, 1001))
    assert found[999] == (1000, {"prompt": "p999", "messages": None})


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("p.txt", b"", "its name does not tell its format"),
        ("p.parquet", b"no", "is no Parquet file"),
        ("p.arrow", b"no", "is no Arrow stream"),
        ("p.jsonl.gz", b"no", "cannot be read"),
        ("p.csv", b"a,a\n1,2\n", "two columns have the same name"),
        ("p.csv", "prompt\n\u00e9\n".encode("utf-16"), "it is UTF-16, not UTF-8; iconv -f UTF-16 -t UTF-8 p.csv"),
        ("p.jsonl", '{"prompt": "a"}'.encode("utf-16"), "it is UTF-16"),
        ("p.csv", "prompt,caf\u00e9\n1,2\n".encode("latin-1"), "the names of its columns are not UTF-8"),
        (
            "p.json",
            b'[\n {\n  "prompt": "a"\n }\n]',
            r"it is one array, not a row on each line; jq -c '\.\[\]' p\.json",
        ),
        ("p.json", b'\xef\xbb\xbf [{"prompt": "a"}]', "it is one array"),
        (
            "p.jsonl",
            gzip.compress(b'{"prompt": "a"}', mtime=0),
            r"it is packed by gzip, which its name has to say: p\.jsonl\.gz",
        ),
        ("p.csv", gzip.compress(b"prompt\na\n", mtime=0), "it is packed by gzip"),
        ("p.csv", b'id,"prompt\n1,a\n', "line 1: a quotation mark opens a cell there that none closes"),
    ],
)
def test_a_file_that_is_not_what_it_says(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadSource, match=told):
        list(rows_of_file(path))


def test_semicolons_between_cells_as_spreadsheets_write_them(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text('id;prompt\n1;"Is 1,5; or 2, more?"\n')
    assert list(rows_of_file(path)) == [(2, {"id": "1", "prompt": "Is 1,5; or 2, more?"})]
    path.write_text('id,"a;b"\n1,2;3\n')
    assert list(rows_of_file(path)) == [(2, {"id": "1", "a;b": "2;3"})]


def test_a_row_in_another_encoding_is_a_reject_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"id,prompt\n1,caf\xe9\n2,plain\n")
    assert list(rows_of_file(path)) == [
        Reject(position=2, reason="the row is not UTF-8", text="1,caf?"),
        (3, {"id": "2", "prompt": "plain"}),
    ]
    ends, data = b"".join(n.to_bytes(4, "little") for n in (0, 2, 4)), b"\xff\xfeok"
    column = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(ends), pa.py_buffer(data)])
    pq.write_table(pa.table({"prompt": column}), tmp_path / "p.parquet")
    assert list(rows_of_file(tmp_path / "p.parquet")) == [
        Reject(position=1, reason="the row is not UTF-8"),
        (2, {"prompt": "ok"}),
    ]
