"""What keys have used, counted in the log itself: exact over all processes that serve one file.

Each function is one step of ``Store.change``, a transaction that no other writer can get between. A request is charged
to the windows in which it began, whenever its calls end. A key that was put in the place of another goes on with its
budget: what they use is counted under the id of the first.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ensemble.allowance import PERS, Amount, Limit, start_of
from ensemble.store.api_keys import LINE
from ensemble.store.content import stamp
from ensemble.store.database import Database

_ADD = (
    "INSERT INTO key_usage (key_id, per, start, requests, tokens, nano_usd) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (key_id, per, start) DO UPDATE SET requests = key_usage.requests + excluded.requests, "
    "tokens = key_usage.tokens + excluded.tokens, nano_usd = key_usage.nano_usd + excluded.nano_usd"
)
FORGET = "DELETE FROM key_usage WHERE key_id IN (SELECT id FROM api_keys) AND per = ? AND start < ?"
"""Key by key, so that the index finds what is old: the writer must not read every minute of every key for it."""
_LATE = "/late"
_KEEP = {"minute": timedelta(days=1), "day": timedelta(days=100)}
"""How long windows that are over are kept; months and totals stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A request that may spend: whose it is, when it began, and when its process must have ended.

    ``late`` is what its calls spend that go on beyond the answer. It is set aside apart: the answer's record, by which
    the rest can be settled after a crash, does not know of them.
    """

    request: str
    key: str
    begun: datetime
    expires: datetime
    late: bool = False

    @property
    def hold(self) -> str:
        """Under which id it is set aside."""
        return f"{self.request}{_LATE}" if self.late else self.request


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What ``spending`` came to; beside it, ``kept`` stays set aside for its calls that go on."""

    spending: Spending
    used: Amount
    kept: Amount


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands: what has been used of it and set aside, in the window that counts.

    ``held`` is the part that is set aside for requests under way; known where a limit refuses.
    """

    limit: Limit
    used: int
    held: int = 0

    @property
    def left(self) -> int:
        """What remains; never below 0."""
        return max(0, self.limit.most - self.used)


def standings(db: Database, key: str, limits: Iterable[Limit], moment: datetime) -> list[Standing]:
    """How ``limits`` of ``key`` stand at ``moment``."""
    return _standings(db, _line(db, key)[1], limits, moment)


def _standings(db: Database, line: Sequence[str], limits: Iterable[Limit], moment: datetime) -> list[Standing]:
    sql = (
        "SELECT sum(requests), sum(tokens), sum(nano_usd) FROM key_usage "  # noqa: S608 - marks alone
        f"WHERE key_id IN ({', '.join('?' * len(line))}) AND per = ? AND start = ?"
    )
    found = []
    for limit in limits:
        row = db.execute(sql, [*line, limit.per, start_of(limit.per, moment)]).fetchone()
        found.append(Standing(limit, Amount(*(int(one or 0) for one in row)).of(limit.what)))
    return found


def _line(db: Database, key: str) -> tuple[str, list[str]]:
    """The id under which is counted what ``key`` uses; and those of its line, under which earlier versions counted."""
    found = db.execute(LINE.format(what="id, replaces"), {"key": key}).fetchall()
    ids = [id_ for id_, _ in found] or [key]
    return next((id_ for id_, replaces in found if replaces not in ids), key), ids


def begin(db: Database, key: str, limits: Sequence[Limit], moment: datetime) -> tuple[Standing | None, list[Standing]]:
    """Count one more request of ``key``; the limit that forbids it, or None; and how all limits stand then."""
    one = Amount(requests=1)
    counted, line = _line(db, key)
    before = _standings(db, line, limits, moment)
    full = next((each for each in before if each.used + max(one.of(each.limit.what), 1) > each.limit.most), None)
    if full is None:
        _add(db, counted, moment, one)
        before = [Standing(each.limit, each.used + one.of(each.limit.what)) for each in before]
    return full, before


def set_aside(db: Database, spending: Spending, limits: Sequence[Limit], amount: Amount) -> Standing | None:
    """Set ``amount`` aside for a request, or return the limit that does not leave it."""
    counted, line = _line(db, spending.key)
    for each in _standings(db, line, limits, spending.begun):
        if amount.of(each.limit.what) > each.left:
            return replace(each, held=_held(db, line).of(each.limit.what))
    _add(db, counted, spending.begun, amount)
    _hold(db, spending, counted, amount)
    return None


def _hold(db: Database, spending: Spending, key: str, amount: Amount) -> None:
    db.conn.execute(
        "INSERT INTO key_holds (request_id, key_id, begun_at, expires_at, tokens, nano_usd) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (request_id) DO UPDATE SET tokens = key_holds.tokens + excluded.tokens, "
        "nano_usd = key_holds.nano_usd + excluded.nano_usd",
        [spending.hold, key, stamp(spending.begun), stamp(spending.expires), amount.tokens, amount.nano_usd],
    )


def _held(db: Database, line: Sequence[str]) -> Amount:
    marks = ", ".join("?" * len(line))
    held = db.execute(f"SELECT sum(tokens), sum(nano_usd) FROM key_holds WHERE key_id IN ({marks})", line)  # noqa: S608
    tokens, nano_usd = held.fetchone()
    return Amount(tokens=int(tokens or 0), nano_usd=int(nano_usd or 0))


def settle(db: Database, spent: Iterable[Spent]) -> None:
    """Put what requests really used in the place of what was set aside for them."""
    for one in spent:
        key = _close(db, one.spending.hold, one.used + one.kept)
        if key is not None and one.kept != Amount():
            _hold(db, replace(one.spending, late=True), key, one.kept)


def sweep(db: Database, moment: datetime) -> int:
    """Settle what processes that have died left behind, and forget windows long over; returns how many were settled.

    Where the ledger knows the cost of every call of the request, that is what was used; else all that was set aside is.
    So it is for calls that went on beyond the answer, unless what came of them is in the ledger.
    """
    held = db.execute("SELECT request_id, tokens, nano_usd FROM key_holds WHERE expires_at < ?", [stamp(moment)])
    rows = held.fetchall()
    for hold, tokens, nano_usd in rows:
        _close(db, hold, _in_ledger(db, hold) or Amount(tokens=tokens, nano_usd=nano_usd))
    for per, age in _KEEP.items():
        start = start_of("minute" if per == "minute" else "day", moment - age)
        db.conn.execute(FORGET, [per, start])
    return len(rows)


def _in_ledger(db: Database, hold: str) -> Amount | None:
    request, late = hold.removesuffix(_LATE), hold.endswith(_LATE)
    count, unknown, tokens, nano_usd = db.execute(
        "SELECT count(*), count(*) FILTER (WHERE nano_usd IS NULL OR (nano_usd > 0 AND output_tokens IS NULL)), "
        "sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), sum(nano_usd) FROM calls "
        "WHERE request_id = ? AND after_answer >= ?",
        [request, int(late)],
    ).fetchone()
    return Amount(tokens=tokens, nano_usd=nano_usd) if count and not unknown else None


def _close(db: Database, hold: str, used: Amount) -> str | None:
    """End what is set aside; the key under which it was counted, None where nothing is."""
    row = db.execute("SELECT key_id, begun_at, tokens, nano_usd FROM key_holds WHERE request_id = ?", [hold])
    held = row.fetchone()
    if held is None:
        return None
    key, begun, tokens, nano_usd = held
    moment = datetime.fromisoformat(begun).astimezone(UTC)
    _add(db, key, moment, Amount(tokens=used.tokens - tokens, nano_usd=used.nano_usd - nano_usd))
    db.conn.execute("DELETE FROM key_holds WHERE request_id = ?", [hold])
    return str(key)


def _add(db: Database, key: str, moment: datetime, amount: Amount) -> None:
    rows = [(key, per, start_of(per, moment), amount.requests, amount.tokens, amount.nano_usd) for per in PERS]
    db.conn.executemany(_ADD, rows)
