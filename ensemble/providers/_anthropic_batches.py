"""Anthropic's message batches: requests go up together, results come down as JSON lines in any order.

https://docs.anthropic.com/en/api/creating-message-batches
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

from ensemble.batch import BatchLimits, BatchResult, BatchState, Found, cancelled, expired, unanswered
from ensemble.errors import CallFailed
from ensemble.providers._batches import MOST_PAGES, PAGE, BatchingConnection, segment
from ensemble.providers._connection import completion_in, refusal
from ensemble.providers._failures import Filtered, failed_inside, told_in
from ensemble.providers._shapes import count, known, mapping
from judges.types import Completion

PATH = "/v1/messages/batches"
_ENDS = ("succeeded", "errored", "canceled", "expired")


class AnthropicBatches(BatchingConnection):
    """Messages, one by one or in bulk."""

    # The API takes 256 MB; less of it keeps the memory of a run low.
    batch_limits = BatchLimits(items=100_000, bytes=100_000_000, one_model=False)

    def _item(self, custom_id: str, body: Mapping[str, object]) -> Mapping[str, object]:
        return {"custom_id": custom_id, "params": body}

    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        """As ``BatchConnection.submit_batch``. The API keeps no name, only the items' ids."""
        body = await asyncio.to_thread(lambda: b'{"requests":[' + b",".join(items) + b"]}")
        return await self._id(PATH, body=body)

    async def find_batch(
        self, name: str, custom_ids: Collection[str], since: datetime, known: Collection[str]
    ) -> Found:
        """As ``BatchConnection.find_batch``.

        Only results show the ids of items, so a batch of the right size that has not ended leaves it undecided.
        """
        query, undecided = {"limit": str(PAGE)}, False
        for _ in range(MOST_PAGES):
            page = await self._document(PATH, query=query)
            data = page.get("data")
            for row in map(mapping, data if isinstance(data, list) else []):
                id_, made = row.get("id"), _moment(row.get("created_at"))
                if made is not None and made < since:
                    return Found(None, undecided)
                if not isinstance(id_, str) or id_ in known or _size(row) != len(custom_ids):
                    continue
                if row.get("processing_status") != "ended":
                    undecided = True
                elif await self._first_of(id_) in custom_ids:
                    return Found(id_)
            if page.get("has_more") is not True:
                break
            query["after_id"] = str(page.get("last_id"))
        return Found(None, undecided)

    async def batch_state(self, id_: str) -> BatchState:
        """As ``BatchConnection.batch_state``."""
        batch = await self._document(f"{PATH}/{segment(id_)}")
        status, counts = batch.get("processing_status"), mapping(batch.get("request_counts"))
        done = sum(count(counts.get(end)) or 0 for end in _ENDS)
        told = f"{known(status) or 'unknown'}, {done} of {_size(batch)} done"
        return BatchState(told=told, rest=unanswered() if status == "ended" else None)

    async def batch_results(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        """As ``BatchConnection.batch_results``."""
        # Not from ``results_url``: the key must not follow an address that a reply names.
        async with aclosing(self._rows(f"{PATH}/{segment(id_)}/results")) as rows:
            async for row in rows:
                if name := known(row.get("custom_id")):
                    yield BatchResult(name, self._said(mapping(row.get("result"))))

    async def cancel_batch(self, id_: str) -> None:
        """As ``BatchConnection.cancel_batch``."""
        await self._document(f"{PATH}/{segment(id_)}/cancel", body=b"{}")

    def _said(self, result: Mapping[str, object]) -> Completion | CallFailed:
        try:
            match result.get("type"):
                case "succeeded":
                    return completion_in(result.get("message"), self._format, {}, self._wire.secrets)
                case "expired":
                    return expired()
                case "canceled":
                    return cancelled()
                case "errored":
                    raise failed_inside(told_in(result.get("error")), {}, self._wire.secrets, streaming=False)
                case _:
                    return unanswered()
        except Filtered as filtered:
            return refusal(filtered, ())
        except CallFailed as failed:
            if result.get("type") == "errored":
                failed.sent = False  # the API does not bill it
            return failed

    async def _first_of(self, id_: str) -> str | None:
        """The id of the first item in the results of a batch that has ended; None where it has none."""
        async with aclosing(self.batch_results(id_)) as results:
            async for result in results:
                return result.custom_id
        return None


def _size(batch: Mapping[str, object]) -> int:
    counts = mapping(batch.get("request_counts"))
    return sum(count(counts.get(name)) or 0 for name in ("processing", *_ENDS))


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
