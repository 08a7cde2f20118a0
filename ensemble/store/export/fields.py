"""Columns of an export: one description from which the Parquet schema, the CSV cells and the data card are made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Scalar = Literal["text", "real", "integer", "truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One column, or one part of a nested one.

    Attributes:
        kind: type of the value, each of which may be null; of the elements where ``many``.
        parts: the parts of a nested value, in order; ``kind`` says nothing then.
        many: the value is a list.
        doc: what stands there, for the data card.
    """

    name: str
    kind: Scalar = "text"
    parts: tuple["Field", ...] = ()
    many: bool = False
    doc: str = ""


Row = dict[str, Any]


def text(name: str, doc: str) -> Field:
    """A column of texts."""
    return Field(name=name, doc=doc)


def texts(name: str, doc: str) -> Field:
    """A column of lists of texts."""
    return Field(name=name, many=True, doc=doc)


def real(name: str, doc: str) -> Field:
    """A column of floats."""
    return Field(name=name, kind="real", doc=doc)


def integer(name: str, doc: str) -> Field:
    """A column of 64-bit integers."""
    return Field(name=name, kind="integer", doc=doc)


def truth(name: str, doc: str) -> Field:
    """A column of truth values."""
    return Field(name=name, kind="truth", doc=doc)


def several(name: str, parts: Iterable[Field], doc: str) -> Field:
    """A column of lists of structures."""
    return Field(name=name, parts=tuple(parts), many=True, doc=doc)


def group(name: str, parts: Iterable[Field], doc: str) -> Field:
    """A column of structures."""
    return Field(name=name, parts=tuple(parts), doc=doc)


def messages(name: str, doc: str) -> Field:
    """A column of conversations, as TRL and the chat templates read them."""
    function = group("function", (text("name", ""), text("arguments", "")), "")
    calls = several("tool_calls", (text("id", ""), text("type", ""), function), "")
    plain = (text("role", ""), text("content", ""), text("name", ""), text("tool_call_id", ""))
    return several(name, (*plain, calls), doc)


_ARROW = {"text": "string", "real": "float64", "integer": "int64", "truth": "bool_"}
_FEATURE = {"text": "string", "real": "float64", "integer": "int64", "truth": "bool"}


def arrow_schema(fields: Sequence[Field]) -> Any:
    """The explicit ``pyarrow.Schema`` of these columns."""
    import pyarrow

    return pyarrow.schema([(field.name, _arrow(field)) for field in fields])


def features(fields: Sequence[Field]) -> list[Mapping[str, Any]]:
    """The columns as the ``dataset_info`` of a data card names them."""
    return [_feature(field) for field in fields]


def type_name(field: Field) -> str:
    """The type of a column in a few words."""
    if field.parts:
        inside = ", ".join(part.name for part in field.parts)
        return f"list of {{{inside}}}" if field.many else f"{{{inside}}}"
    return f"list of {field.kind}" if field.many else field.kind


def flat(fields: Sequence[Field]) -> list[Field]:
    """The same columns for a table of cells, where what is nested stands as JSON in a text."""
    return [Field(name=f.name, doc=f.doc) if f.many or f.parts else f for f in fields]


def _arrow(field: Field) -> Any:
    import pyarrow

    one = (
        pyarrow.struct([(part.name, _arrow(part)) for part in field.parts])
        if field.parts
        else getattr(pyarrow, _ARROW[field.kind])()
    )
    return pyarrow.list_(one) if field.many else one


def _feature(field: Field) -> Mapping[str, Any]:
    if field.parts:
        return {"name": field.name, "list" if field.many else "struct": features(field.parts)}
    if field.many:
        return {"name": field.name, "list": _FEATURE[field.kind]}
    return {"name": field.name, "dtype": _FEATURE[field.kind]}
