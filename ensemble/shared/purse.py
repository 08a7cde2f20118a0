"""The money of one run that many processes, on many machines, spend: no more than its cap, counted in Redis.

The ledger stays the log's. A purse that Redis has lost refuses instead of beginning at nothing, and while Redis is gone
nothing is granted: money is never spent on a guess.
"""

from ensemble.shared.link import Shared, SharedLost

MOST_NANO_USD = 2**53 - 1
"""About 9 million USD: Lua counts by floating point, which is exact up to here."""
KEPT_S = 14 * 24 * 3600
"""How long a purse that nobody uses is remembered."""

_BEGIN = f"""
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'spent', ARGV[1], 'held', 0)
redis.call('EXPIRE', KEYS[1], {KEPT_S})
"""
_RESERVE = f"""
local purse = redis.call('HMGET', KEYS[1], 'spent', 'held')
if not purse[1] then return -1 end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return 1 end
if purse[1] + purse[2] + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return 0 end
redis.call('HINCRBY', KEYS[1], 'held', ARGV[2])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], {KEPT_S})
redis.call('EXPIRE', KEYS[2], {KEPT_S})
return 1
"""
_SETTLE = """
local held = redis.call('HGET', KEYS[2], ARGV[1])
if not held then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HINCRBY', KEYS[1], 'held', string.format('%.0f', 0 - held))
redis.call('HINCRBY', KEYS[1], 'spent', ARGV[2])
return 1
"""


class SharedPurse:
    """A cap in nano-USD that every process which knows ``name`` keeps together with the others.

    Whoever starts the run calls ``begin``; then each process reserves before a call and settles after it. What a
    process that died has reserved stays reserved: it may have been paid.

    Raises:
        ValueError: ``cap`` is negative or above ``MOST_NANO_USD``.
    """

    def __init__(self, shared: Shared, name: str, cap: int) -> None:
        if not 0 <= cap <= MOST_NANO_USD:
            raise ValueError(f"cap: {cap} nano-USD is not between 0 and {MOST_NANO_USD}")
        self._shared, self.name, self.cap = shared, name, cap
        self._keys = [shared.key("purse", name), f"{shared.key('purse', name)}:holds"]

    async def begin(self, spent: int = 0) -> None:
        """Count from ``spent`` nano-USD, which the ledger knows of, with nothing set aside. Raises SharedLost."""
        await self._shared.run(_BEGIN, self._keys, [spent])

    async def reserve(self, id_: str, nano_usd: int) -> bool:
        """Set ``nano_usd`` aside under ``id_``, once however often it is asked; False where the cap leaves no room.

        Raises:
            SharedLost: Redis is gone, or has lost the purse; nothing may be spent.
        """
        if nano_usd < 0:
            raise ValueError(f"nano_usd: {nano_usd} is negative")
        if nano_usd > self.cap:
            return False
        granted = await self._shared.run(_RESERVE, self._keys, [id_, nano_usd, self.cap])
        if granted == -1:
            raise SharedLost(f"Redis has no purse {self.name!r}; start the run again, which counts it from the log")
        return bool(granted)

    async def settle(self, id_: str, used: int) -> None:
        """Put the ``used`` nano-USD in the place of what was set aside under ``id_``; once, however often it is told.

        Raises:
            SharedLost: Redis is gone; what was set aside counts in full until it is told again.
        """
        if used < 0:
            raise ValueError(f"used: {used} is negative")
        await self._shared.run(_SETTLE, self._keys, [id_, used])

    async def spent(self) -> int:
        """Nano-USD spent and set aside by all processes. Raises SharedLost."""
        spent, held = await self._shared.ask(lambda redis: redis.hmget(self._keys[0], ["spent", "held"]))
        if spent is None or held is None:
            raise SharedLost(f"Redis has no purse {self.name!r}")
        return int(spent) + int(held)

    async def end(self) -> None:
        """Forget the purse. Raises SharedLost."""
        await self._shared.ask(lambda redis: redis.delete(*self._keys))
