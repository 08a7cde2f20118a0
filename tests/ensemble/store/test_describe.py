from ensemble.store import describe
from ensemble.store.rows import COLUMNS


def test_every_table_and_column_is_documented() -> None:
    for table in describe():
        assert table.doc, table.name
        for column in table.columns:
            assert column.doc, f"{table.name}.{column.name}"


def test_the_rows_have_the_columns_of_the_schema() -> None:
    tables = {table.name: tuple(column.name for column in table.columns) for table in describe()}
    assert {name: columns for name, columns in tables.items() if name in COLUMNS} == COLUMNS


def test_types_are_portable_and_references_told() -> None:
    columns = {f"{table.name}.{column.name}": column for table in describe() for column in table.columns}
    assert {column.type for column in columns.values()} == {"TEXT", "INTEGER", "REAL"}
    assert columns["calls.request_id"].references == "requests"
    assert columns["calls.nano_usd"].null
    assert columns["calls.nano_usd"].doc.startswith("cost in 1e-9 US dollars")
    assert not columns["requests.messages"].null


def test_every_table_has_a_key_and_what_it_points_to_comes_first() -> None:
    before: set[str | None] = {None}
    for table in describe():
        assert table.key, table.name
        assert {column.references for column in table.columns} <= before | {table.name}
        before.add(table.name)
    keys = {table.name: table.key for table in describe()}
    assert (keys["calls"], keys["audit_stale"]) == (("request_id", "id"), ("seq",))
