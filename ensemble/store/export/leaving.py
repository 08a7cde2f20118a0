"""What may leave: texts of some members stay here, and what is redacted goes without what was asked to be taken out."""

from collections import Counter
from dataclasses import dataclass, field
from typing import cast

from ensemble.redaction import Redactor
from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.export.fields import Row

WITHHELD = "[withheld]"
"""Stands for an earlier turn of a conversation that a withheld member wrote."""
_EARLIER = """
SELECT DISTINCT c.member, c.text FROM requests r JOIN candidates c ON c.request_id = r.id
WHERE r.conversation = ? ORDER BY c.member, c.text
"""


@dataclass(slots=True, kw_only=True)
class Leaving:
    """Makes texts fit to go, and counts what it took out.

    Attributes:
        withheld: members whose texts stay, and whose scores go.
        redactor: what is taken out of every text; None for nothing.
        redacted: how many places were taken out, by what stands there.
        kept_back: how many texts were withheld, by member.
    """

    withheld: frozenset[str] = frozenset()
    redactor: Redactor | None = None
    redacted: Counter[str] = field(default_factory=Counter)
    kept_back: Counter[str] = field(default_factory=Counter)

    def text(self, text: str | None) -> str | None:
        """``text`` redacted."""
        return None if text is None else str(self._tree(text))

    def answer(self, member: str, turn: Row) -> Row | None:
        """The turn of a member; None where it is withheld."""
        if member in self.withheld:
            self.kept_back[member] += 1
            return None
        return cast("Row", self._tree(turn))

    def words(self, member: str, text: str) -> str | None:
        """What a member wrote as a judge; None where it is withheld."""
        if member in self.withheld:
            self.kept_back[member] += 1
            return None
        return self.text(text)

    def turns(self, db: Database, conversation: str | None, turns: list[Row]) -> list[Row]:
        """A conversation; of the answers that it repeats, those of withheld members go as ``WITHHELD``."""
        if self.withheld and conversation is not None and any(turn["role"] == "assistant" for turn in turns):
            theirs = {
                unbind(text): unbind(member)
                for member, text in db.execute(_EARLIER, [conversation])
                if unbind(member) in self.withheld
            }
            for turn in turns:
                if turn["role"] == "assistant" and turn["content"] in theirs and turn["content"]:
                    self.kept_back[theirs[turn["content"]]] += 1
                    turn["content"] = WITHHELD
        return [cast("Row", self._tree(turn)) for turn in turns]

    def _tree(self, tree: object) -> object:
        if self.redactor is None:
            return tree
        done = self.redactor.redact_tree(tree)
        if done != tree:
            before, after = str(tree), str(done)
            for name in (*self.redactor.kinds, *self.redactor.patterns):
                if (more := after.count(f"[{name}]") - before.count(f"[{name}]")) > 0:
                    self.redacted[name] += more
        return done
