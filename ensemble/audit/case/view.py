"""A request whole: all that a reviewer sees of it, or, blind, what may be seen before he has chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ensemble.audit.case.judging import Finding, criteria, findings, in_force
from ensemble.audit.case.ledger import Span, costs, ledger, paid, took, waterfall
from ensemble.audit.case.people import best_of_people, said_table
from ensemble.audit.case.provenance import provenance
from ensemble.audit.case.standing import stands
from ensemble.audit.case.texts import Block, Text, Tree, Turn, calls, shown, tree_text, turns
from ensemble.audit.case.wording import Wording, wording
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.store.texts import KEPT

_FACTS = (
    "status", "source", "dialect", "conversation", "key_id", "tenant", "data_class", "end_user", "domain", "fallback",
    "error", "error_detail",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """A candidate as a judge sees it. ``id`` is random and ``name`` follows from its order: neither tells who."""

    name: str
    id: str
    text: Text
    calls: tuple[Block, ...]
    finish_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A candidate with all that is known of it.

    Attributes:
        seen: what is known of it without its author.
        winner: it is among the best by the finding in force; None where there is none.
        people: it is among the best by what most people say; None where they say nothing.
        score: in [0, 1], by the finding in force; None where it was not scored.
        wording: its text against that of the candidate ``Case.base``.
        nano_usd: of every attempt for it; None where unknown.
    """

    seen: Unnamed
    member: str
    sample: int
    shadow: bool
    late: bool
    served: bool
    winner: bool | None
    people: bool | None
    score: float | None
    wording: Wording
    total_s: float | None
    nano_usd: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked. ``kept`` is what became of the texts: ``kept``, ``redacted``, ``erased``, ..."""

    id: str
    kept: str
    turns: tuple[Turn, ...]
    tools: Text | None
    response_format: Text | None
    reference: Text | None

    @property
    def there(self) -> bool:
        """Whether the texts are in the log."""
        return self.kept in KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """What may be seen before one has chosen: no member, judge, digest, cost, time or finding is in it."""

    asked: Asked
    candidates: tuple[Unnamed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All of a request.

    Attributes:
        candidates: the best by the finding in force first, then by score.
        base: name of the candidate whose words the others are compared with; None where there is none.
        facts: name and value of what else is known; values are hostile.
        tables: by name.
    """

    asked: Asked
    arrived_at: str
    router: str
    member: str | None
    answered_s: float
    facts: tuple[tuple[str, str], ...]
    candidates: tuple[Entry, ...]
    base: str | None
    findings: tuple[Finding, ...]
    spans: tuple[Span, ...]
    tables: Mapping[str, Table]


def names_of(record: Tree) -> dict[str, str]:
    """``#1``, ``#2``, ... for the candidates in the order of their ids."""
    return {id_: f"#{number}" for number, id_ in enumerate(sorted(one["id"] for one in record["candidates"]), start=1)}


def blind(record: Tree) -> Blind:
    """The part of ``record`` that says nothing of who wrote what and what was found of it."""
    names = names_of(record)
    found = [_unnamed(one, names) for one in record["candidates"]]
    return Blind(asked=_asked(record), candidates=tuple(sorted(found, key=lambda one: one.id)))


def whole(record: Tree, said: Sequence[Tree] = (), *, against: str | None = None) -> Case:
    """All of ``record``, with what people have ``said`` of it.

    ``against`` is the number of the candidate to compare words with; the best one by the finding in force, where it is
    None or no number of this case.
    """
    names = names_of(record)
    base = _base(record, names, against)
    entries = _entries(record, names, said, base)
    tables = (
        _candidates(entries),
        criteria(record["verdicts"], names),
        costs(record),
        ledger(record, names),
        said_table(said, names),
        provenance(record),
    )
    return Case(
        asked=_asked(record),
        arrived_at=record["arrived_at"],
        router=record["model"],
        member=record["member"],
        answered_s=record["answered_s"],
        facts=tuple(_facts(record)),
        candidates=entries,
        base=names.get(base["id"]) if base else None,
        findings=findings(record["verdicts"], names),
        spans=waterfall(record),
        tables={table.name: table for table in tables},
    )


def _asked(record: Tree) -> Asked:
    options = record["options"]
    tools, form = options.get("tools"), options.get("response_format")
    return Asked(
        id=record["id"],
        kept=record["content"],
        turns=turns(record["messages"]),
        tools=tree_text(tools, "options/tools") if tools else None,
        response_format=tree_text(form, "options/response_format") if form else None,
        reference=None if record["reference"] is None else shown(record["reference"], "reference"),
    )


def _unnamed(one: Tree, names: Mapping[str, str]) -> Unnamed:
    at = f"candidates/{one['id']}"
    return Unnamed(
        name=names[one["id"]],
        id=one["id"],
        text=shown(one["text"], f"{at}/text"),
        calls=calls(one["tool_calls"], at),
        finish_reason=one["finish_reason"],
    )


def _base(record: Tree, names: Mapping[str, str], against: str | None) -> Tree | None:
    """The candidate to compare with: the one asked for, else the first winner, else the one that was served."""
    standing = in_force(record["verdicts"])
    winners = sorted(standing["winners"]) if standing else []
    wanted = [id_ for id_, name in names.items() if name == f"#{against}"]
    by_id = {one["id"]: one for one in record["candidates"]}
    served = [record["chosen"]] if record["chosen"] in winners or not winners else []
    return next((by_id[id_] for id_ in (*wanted, *served, *winners) if id_ in by_id), None)


def _entries(record: Tree, names: Mapping[str, str], said: Sequence[Tree], base: Tree | None) -> tuple[Entry, ...]:
    standing = in_force(record["verdicts"])
    scores = {one["candidate_id"]: one for one in standing["scores"]} if standing else {}
    best = best_of_people(said, record)
    against = None if base is None else shown(base["text"]).text
    found = []
    for one in record["candidates"]:
        attempts = [call for call in record["calls"] if call["candidate_id"] == one["id"]]
        made = next((call for call in attempts if call["id"] == one["call_id"]), None)
        score = scores.get(one["id"])
        seen = _unnamed(one, names)
        found.append(
            Entry(
                seen=seen,
                member=one["member"],
                sample=one["sample"],
                shadow=one["purpose"] == "shadow",
                late=bool(one["after_answer"]),
                served=one["id"] == record["chosen"],
                winner=None if standing is None else one["id"] in standing["winners"],
                people=None if best is None else one["id"] in best,
                score=score["score"] if score else None,
                wording=wording(seen.text.text, None if one is base else against),
                total_s=took(attempts),
                nano_usd=paid(attempts),
                output_tokens=made["output_tokens"] if made else None,
            )
        )
    return tuple(
        sorted(found, key=lambda one: (not one.winner, -(one.score or 0.0), len(one.seen.name), one.seen.name))
    )


def _facts(record: Tree) -> list[tuple[str, str]]:
    plan = record["plan"] or {}
    found = [(name.replace("_", " "), str(record[name])) for name in _FACTS if record[name] not in (None, "")]
    found += [(f"tag {name}", str(value)) for name, value in record["tags"].items()]
    found += [(f"metadata {name}", str(value)) for name, value in record["metadata"].items()]
    for number, stage in enumerate(plan.get("stages", ()), start=1):
        judge = f", judged by {stage['judge']}" if stage.get("judge") else ""
        found.append((f"stage {number}", f"{', '.join(stage['members'])}{judge}{stands(stage)}"))
    for name in ("shadow", "predicted", "propensities", "warnings"):
        if value := plan.get(name):
            told = [f"{one}: {each:.3g}" for one, each in value.items()] if isinstance(value, Mapping) else value
            found.append((name, ", ".join(map(str, told))))
    if plan.get("reason"):
        found.append(("why so", str(plan["reason"])))
    return found


def _candidates(entries: Sequence[Entry]) -> Table:
    def row(one: Entry) -> dict[str, Cell]:
        own: dict[str, Cell] = {
            column.name: getattr(one, column.name) for column in _COLUMNS if hasattr(one, column.name)
        }
        return own | {
            "name": one.seen.name, "shared": one.wording.shared, "characters": one.seen.text.characters,
        }  # fmt: skip

    return Table(
        name="candidates",
        title="Candidates in figures",
        columns=_COLUMNS,
        rows=[row(one) for one in entries],
        empty="No candidate came: see the ledger for what each call ended with.",
    )


_COLUMNS = (
    Column("name", "Candidate"),
    Column("member", "Member"),
    Column("winner", "Best by the judge", "truth"),
    Column("people", "Best by people", "truth"),
    Column("served", "Served", "truth"),
    Column("score", "Score", "number"),
    Column("shared", "Words in common", "share"),
    Column("characters", "Characters", "count"),
    Column("output_tokens", "Tokens out", "count"),
    Column("nano_usd", "Cost", "usd"),
    Column("total_s", "Took", "seconds"),
    Column("late", "Too late to be served", "truth"),
    Column("shadow", "Shadow", "truth"),
)
