"""What a run has come to so far: counts that a progress bar and a summary are made of."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from ensemble.money import usd
from ensemble.types import Call


@dataclass(slots=True)
class Tally:
    """Counts of one invocation of a run.

    Attributes:
        rows: rows read, rejects included.
        rejected: rows that could not be used; ``rejection`` says why the first could not.
        duplicates: rows whose prompt was under way already.
        displaced: rows with the id of another row that had another prompt; that one is in the data set no more.
        prompts: prompts that are done with, whatever came of them.
        untouched: of them, those for which nothing was left to do.
        unfinished: of them, those that still lack a candidate; ``unanswered`` those where its call failed.
        incomplete: of them, those that lack an answer or a finding since a member, or the judge, failed.
        lacking: answers that are lacking since the call failed, by member and failure.
        labelled: rulings that found who is best.
        undecided: rulings that did not, since the judge failed or abstained; ``abstained`` those that stand all the
            same, so that the judge is asked again about other answers only.
        calls: attempts that were made, by purpose; ``failures`` those that failed, by kind.
        members: attempts that were made, by member.
        replayed: replies of judges that were stored already.
        nano_usd: known cost of them; ``unpriced`` counts those of unknown cost.
        problems: prompts that could not be dealt with, by reason.
        batches: batches whose results came in.
        at_work: how far the batches are that the providers work on, by their ids here.
        total: rows that there are, None where unknown.
    """

    rows: int = 0
    rejected: int = 0
    rejection: str | None = None
    duplicates: int = 0
    displaced: int = 0
    prompts: int = 0
    untouched: int = 0
    unfinished: int = 0
    unanswered: int = 0
    incomplete: int = 0
    lacking: Counter[tuple[str, str]] = field(default_factory=Counter)
    labelled: int = 0
    undecided: int = 0
    abstained: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    members: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    nano_usd: int = 0
    unpriced: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    batches: int = 0
    at_work: dict[str, str] = field(default_factory=dict)
    total: int | None = None

    def reject(self, why: str) -> None:
        """Count a row that cannot be used."""
        self.rejected += 1
        self.rejection = self.rejection or why

    def called(self, call: Call) -> None:
        """Count one line of the ledger."""
        self.calls[call.purpose] += 1
        self.members[call.member] += 1
        if call.failure is not None:
            self.failures[call.failure] += 1
        if call.usage.nano_usd is None:
            self.unpriced += 1
        else:
            self.nano_usd += call.usage.nano_usd

    def add(self, other: "Tally") -> None:
        """Add the counts of ``other``, but for its ``total``."""
        self.rejection = self.rejection or other.rejection
        for one in fields(self):
            if one.name not in ("total", "at_work", "rejection"):
                # Counters would drop what is 0 or less; there is none below.
                setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def problem(self, why: str) -> None:
        """Count a prompt that nothing can be done about."""
        self.prompts += 1
        self.problems[why] += 1

    @property
    def done(self) -> int:
        """Rows that are done with."""
        return self.prompts + self.rejected + self.duplicates

    @property
    def in_vain(self) -> bool:
        """Whether no prompt was completed: each was rejected, could not be dealt with, or was failed by somebody."""
        failed = self.rejected + self.incomplete + self.problems.total()
        return 0 < self.rows <= failed + self.duplicates

    def plain(self) -> dict[str, Any]:
        """As JSON; money in nano-USD and in dollars."""
        return {
            "rows": self.rows,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "displaced": self.displaced,
            "prompts": self.prompts,
            "untouched": self.untouched,
            "unfinished": self.unfinished,
            "lacking": [
                {"member": member, "failure": failure, "answers": count}
                for (member, failure), count in sorted(self.lacking.items())
            ],
            "labelled": self.labelled,
            "undecided": self.undecided,
            "calls": dict(self.calls),
            "members": dict(self.members),
            "failures": dict(self.failures),
            "replayed": self.replayed,
            "nano_usd": self.nano_usd,
            "usd": usd(self.nano_usd),
            "unpriced_calls": self.unpriced,
            "batches": self.batches,
            "batches_at_work": len(self.at_work),
            "problems": dict(self.problems),
        }
