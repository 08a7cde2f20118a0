"""Generate the reference parts of the README from the code; cog puts them between their markers.

``scripts/fix`` writes them, ``scripts/check`` fails where they differ from the code.
"""

import importlib
import inspect
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import click
import docstring_parser
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def options(cls: type[BaseModel]) -> str:
    """A table of the keys of one configuration table."""
    bases = [base for base in reversed(cls.__mro__) if issubclass(base, BaseModel) and base is not BaseModel]
    params = [p for base in bases for p in docstring_parser.parse(inspect.getdoc(base) or "").params]
    told = {p.arg_name: p.description or "" for p in params}
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, field in cls.model_fields.items():
        meaning = " ".join((told.get(name) or field.description or "").split())
        if not meaning:
            raise SystemExit(f"{cls.__module__}.{cls.__qualname__}.{name} has no description")
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        rows.append(f"| `{name}` | {default} | {_cell(meaning[0].upper() + meaning[1:].rstrip('.'))} |")
    return "\n".join(rows) + "\n"


def plugins(kind: str) -> str:
    """Every plugin of a registry with its one-line summary and options."""
    from ensemble.labelling.classifier import CLASSIFIERS
    from ensemble.provider import PROVIDERS
    from ensemble.router import ROUTERS
    from judges import AGGREGATORS, JUDGES

    registry: Any = {
        "provider": PROVIDERS,
        "router": ROUTERS,
        "judge": JUDGES,
        "aggregator": AGGREGATORS,
        "classifier": CLASSIFIERS,
    }[kind]
    rows = [f"| `use` | what this {kind} does | options |", "|---|---|---|"]
    for name in registry.names():
        cls = registry.find(name)
        summary = docstring_parser.parse(inspect.getdoc(cls) or "").short_description or ""
        # Every judge has this one, so it is told once, beside the table.
        shared = {"calibration"} if kind == "judge" else set()
        keys = ", ".join(f"`{key}`" for key in cls.model_fields if key not in shared) or "none"
        rows.append(f"| `{name}` | {_cell(' '.join(summary.split()))} | {_cell(keys)} |")
    return "\n".join(rows) + "\n"


def schema() -> str:
    """The tables of the log with their columns."""
    from ensemble.store.describe import describe

    out = []
    for table in describe():
        columns = ", ".join(f"`{column.name}`" for column in table.columns)
        out.append(f"| `{table.name}` | {_cell(table.doc)} | {columns} |")
    return "\n".join(["| table | one row is | columns |", "|---|---|---|", *out]) + "\n"


def errors() -> str:
    """The errors that a client can be told."""
    import ensemble.errors as module

    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if issubclass(c, module.EnsembleError)]
    told = sorted((c.status, c.code, (inspect.getdoc(c) or "").splitlines()[0]) for c in classes if c.status != 500)
    rows = [f"| {status} | `{code}` | {_cell(doc)} |" for status, code, doc in told]
    return "\n".join(["| status | code | meaning |", "|---|---|---|", *rows]) + "\n"


def parameters(dialect: str) -> str:
    """What becomes of every parameter of a protocol."""
    table = importlib.import_module(f"ensemble.dialects.{dialect}").PARAMS
    rows = [f"| `{param.name}` | {param.fate} | {_cell(param.note)} |" for param in table]
    return "\n".join(["| parameter | is | how |", "|---|---|---|", *rows]) + "\n"


def commands() -> str:
    """The commands of the console script."""
    from ensemble.cli import main as group

    rows = ["| command | does |", "|---|---|"]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            rows.append(f"| `ensemble {name}` | {_cell(command.get_short_help_str(200))} |")
        if isinstance(command, click.Group):
            below = {inner: command.get_command(context, inner) for inner in command.list_commands(context)}
            rows += [
                f"| `ensemble {name} {inner}` | {_cell(one.get_short_help_str(200))} |"
                for inner, one in below.items()
                if one is not None
            ]
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    if value is None or value is PydanticUndefined or value in ((), {}, frozenset(), set()):
        return "none"
    if isinstance(value, BaseModel):
        return f"`{getattr(value, 'use', '') or type(value).__name__}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")
