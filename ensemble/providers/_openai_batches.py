"""OpenAI's batch protocol: a file of requests goes up, a batch works on it, files of results come down.

https://platform.openai.com/docs/guides/batch
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from ensemble.batch import BatchLimits, BatchResult, BatchState, Found, cancelled, expired, unanswered
from ensemble.errors import CallFailed
from ensemble.providers._batches import MOST_PAGES, PAGE, BatchingConnection, segment
from ensemble.providers._connection import completion_in, encoded, refusal
from ensemble.providers._failures import Filtered, failed_inside, failed_status, told_in
from ensemble.providers._shapes import count, known, mapping
from judges.types import Completion

ENDPOINT = "/v1/chat/completions"
_NAMED = "ensemble_batch"
_FILES = ("output_file_id", "error_file_id")
_LATER = frozenset({"token_limit_exceeded", "rate_limit_exceeded"})  # too much is queued already


class OpenAIBatches(BatchingConnection):
    """Chat completions, one by one or in bulk."""

    # The API takes files of 200 MB; half of it keeps the memory of a run low.
    batch_limits = BatchLimits(items=50_000, bytes=100_000_000, one_model=True)

    def _item(self, custom_id: str, body: Mapping[str, object]) -> Mapping[str, object]:
        return {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": body}

    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        """As ``BatchConnection.submit_batch``."""
        content = await asyncio.to_thread(b"\n".join, items)
        file = await self._id("/files", file=content, fields={"purpose": "batch"})
        order = {
            "input_file_id": file,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": {_NAMED: name},
        }
        return await self._id("/batches", body=encoded(order)[0])

    async def find_batch(
        self, name: str, custom_ids: Collection[str], since: datetime, known: Collection[str]
    ) -> Found:
        """As ``BatchConnection.find_batch``: the list of batches shows what each was named."""
        query = {"limit": str(PAGE)}
        for _ in range(MOST_PAGES):
            page = await self._document("/batches", query=query)
            data = page.get("data")
            rows = [mapping(each) for each in data] if isinstance(data, list) else []
            for row in rows:
                id_ = row.get("id")
                if isinstance(id_, str) and mapping(row.get("metadata")).get(_NAMED) == name:
                    return Found(id_)
            last = rows[-1] if rows else {}
            made = count(last.get("created_at"))
            if page.get("has_more") is not True or made is None or datetime.fromtimestamp(made, UTC) < since:
                break
            query["after"] = str(last.get("id"))
        return Found(None)

    async def batch_state(self, id_: str) -> BatchState:
        """As ``BatchConnection.batch_state``."""
        batch = await self._document(f"/batches/{segment(id_)}")
        status, counts = batch.get("status"), mapping(batch.get("request_counts"))
        done = (count(counts.get("completed")) or 0) + (count(counts.get("failed")) or 0)
        told = f"{known(status) or 'unknown'}, {done} of {count(counts.get('total')) or 0} done"
        match status:
            case "completed":
                return BatchState(told=told, rest=unanswered())
            case "expired":
                return BatchState(told=told, rest=expired())
            case "cancelled":
                return BatchState(told=told, rest=cancelled())
            case "failed":
                return BatchState(told=told, rest=self._whole_failed(batch))
            case _:
                return BatchState(told=told)

    def _whole_failed(self, batch: Mapping[str, object]) -> CallFailed:
        data = mapping(batch.get("errors")).get("data")
        first = mapping(data[0]) if isinstance(data, list) and data else {}
        words = f"the batch was not taken: {first.get('message') or 'no explanation'}"
        later = first.get("code") in _LATER
        return CallFailed(
            self._wire.secrets.told(words),
            failure="rate_limited" if later else "rejected",
            retryable=later,
            sent=False,
        )

    async def batch_results(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        """As ``BatchConnection.batch_results``."""
        batch = await self._document(f"/batches/{segment(id_)}")
        for file in (known(batch.get(name)) for name in _FILES):
            if file is None:
                continue
            async with aclosing(self._rows(f"/files/{segment(file)}/content")) as rows:
                async for row in rows:
                    if name := known(row.get("custom_id")):
                        yield BatchResult(name, self._said(row))

    async def cancel_batch(self, id_: str) -> None:
        """As ``BatchConnection.cancel_batch``."""
        await self._document(f"/batches/{segment(id_)}/cancel", body=b"{}")

    def _said(self, row: Mapping[str, object]) -> Completion | CallFailed:
        response, secrets = mapping(row.get("response")), self._wire.secrets
        headers = {"x-request-id": known(response.get("request_id")) or ""}
        status, body = response.get("status_code"), response.get("body")
        try:
            if status == 200:
                return completion_in(body, self._format, headers, secrets)
            if isinstance(status, int):
                raise failed_status(status, headers, encoded(body)[0], secrets)
            error = mapping(row.get("error"))
            if error.get("code") == "batch_expired":
                return expired()
            if error.get("code") == "batch_cancelled":
                return cancelled()
            raise failed_inside(told_in(row), headers, secrets, streaming=False)
        except Filtered as filtered:
            return refusal(filtered, ())
        except CallFailed as failed:
            return failed
