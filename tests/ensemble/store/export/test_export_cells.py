import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from ensemble.store.export.cells import quoted, unquoted
from ensemble.store.export.fields import text
from ensemble.store.export.writers import Csv, Sink

WIDE = "\uff1d\uff0b\uff0d\uff20"
HOSTILE = st.text(f"'=+-@\t\r\n\",;|a\ufffd{WIDE}", max_size=8) | st.text(max_size=20)


@given(HOSTILE)
def test_no_cell_is_a_formula_and_none_is_lost(said: str) -> None:
    cell = quoted(said)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", *WIDE))
    assert unquoted(cell) == said


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_the_csv_module_reads_what_was_written(said: list[str]) -> None:
    output = io.BytesIO()
    writer = Csv(Sink(output), [text("=a", "")])
    for one in said:
        writer.write({"=a": one})
    head, *rows = csv.reader(io.StringIO(output.getvalue().decode(), newline=""))
    assert head == ["'=a"]
    assert [unquoted(row[0]) if row else "" for row in rows] == [one.replace("\x00", "\ufffd") for one in said]
