"""What people and systems said of one request."""

from collections.abc import Mapping, Sequence

from ensemble.audit.case.texts import Tree
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.store.people import Word, opinion
from judges.types import CandidateId

FINDINGS = ("preferred", "tie", "all_bad")


def best_of_people(said: Sequence[Tree], record: Tree) -> frozenset[str] | None:
    """The candidates that most people find best, by the last word of each; None where they say nothing or are split.

    Of two reviewers who differ neither counts once a third has settled it.
    """
    last: dict[str, Word] = {}
    for row in said:
        if row["kind"] in FINDINGS and not row["outvoted"]:
            candidate = row["candidate_id"] or record["chosen"] if row["kind"] == "preferred" else None
            last[row["given_by"]] = Word(row["kind"], candidate)
    told = opinion(last, [CandidateId(one["id"]) for one in record["candidates"]]) if last else None
    return None if told is None or told.split else told.best


def said_table(said: Sequence[Tree], names: Mapping[str, str]) -> Table:
    """Every word, in the order in which they came in."""

    def row(one: Tree) -> dict[str, Cell]:
        about = names.get(one["candidate_id"] or "", "")
        return {
            "at": one["created_at"],
            "by": one["given_by"],
            "source": one["source"],
            "said": " ".join(filter(None, (one["kind"].replace("_", " "), one["name"], about))),
            "value": one["value"],
            "text": one["text"],
            "probability": one["probability"],
        }

    return Table(
        name="said",
        title="What people said",
        columns=[
            Column("at", "When", "time"),
            Column("by", "Who"),
            Column("source", "By way of"),
            Column("said", "Said"),
            Column("value", "Value", "number"),
            Column("text", "Comment or correction"),
            Column("probability", "Drawn with probability", "share"),
        ],
        rows=[row(one) for one in said],
        empty="Nobody has said anything of this answer yet.",
    )
