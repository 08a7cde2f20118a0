"""Calls in bulk over an SDK: what both batch protocols share."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import quote

from ensemble.batch import BatchLimits, BatchResult, BatchState, Found
from ensemble.errors import CallFailed
from ensemble.providers._connection import Format, HttpConnection, encoded
from ensemble.providers._http import Exchange, Wire
from ensemble.providers._sdk import BySdk
from ensemble.providers._shapes import WrongShape, known, table
from ensemble.providers._text import NotJson, from_json
from judges.types import Prompt

PATIENCE_S = 900.0
"""Most seconds of one upload or download; how long the work itself takes is another matter."""
PAGE = 100
MOST_PAGES = 50


class BatchingConnection(HttpConnection):
    """An open client that also takes calls in bulk, which always go by the SDK."""

    batch_limits: ClassVar[BatchLimits]

    def __init__(self, wire: Wire, format: Format, by_sdk: BySdk) -> None:
        super().__init__(wire, format)
        self._by_sdk = by_sdk

    def batch_item(self, custom_id: str, model: str, prompt: Prompt) -> bytes:
        """As ``BatchConnection.batch_item``."""
        document, _ = self._format.body(model, prompt, stream=False)
        return encoded(self._item(custom_id, document))[0]

    @abstractmethod
    def _item(self, custom_id: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """One item as the wire has it."""

    @abstractmethod
    async def submit_batch(self, name: str, items: Sequence[bytes]) -> str:
        """As ``BatchConnection.submit_batch``."""

    @abstractmethod
    async def find_batch(
        self, name: str, custom_ids: Collection[str], since: datetime, known: Collection[str]
    ) -> Found:
        """As ``BatchConnection.find_batch``."""

    @abstractmethod
    async def batch_state(self, id_: str) -> BatchState:
        """As ``BatchConnection.batch_state``."""

    @abstractmethod
    def batch_results(self, id_: str) -> AsyncGenerator[BatchResult, None]:
        """As ``BatchConnection.batch_results``."""

    @abstractmethod
    async def cancel_batch(self, id_: str) -> None:
        """As ``BatchConnection.cancel_batch``."""

    async def _document(self, path: str, **given: Any) -> Mapping[str, object]:
        """The reply to one request as an object. Raises CallFailed."""
        wire, ask = await self._by_sdk()
        return await object_of(Exchange(wire, lambda: ask(path, **given)))

    async def _id(self, path: str, **given: Any) -> str:
        """The id of what one request has made. Raises CallFailed."""
        id_ = known((await self._document(path, **given)).get("id"))
        if id_ is None:
            raise CallFailed("the reply names no id", failure="bad_reply", retryable=True, http_status=200)
        return id_

    async def _rows(self, path: str) -> AsyncGenerator[Mapping[str, object], None]:
        """The objects of a file of JSON lines; what is none is left out. Raises CallFailed."""
        wire, ask = await self._by_sdk()
        async with Exchange(wire, lambda: ask(path)) as reply, aclosing(reply.lines()) as lines:
            async for line in lines:
                try:
                    yield table(from_json(line), "the line")
                except (NotJson, WrongShape):
                    continue


async def object_of(exchange: Exchange) -> Mapping[str, object]:
    """The reply of an exchange as an object. Raises CallFailed."""
    try:
        async with asyncio.timeout(PATIENCE_S), exchange as reply:
            try:
                return table(await reply.document(), "the reply")
            except WrongShape as error:
                raise reply.bad(str(error)) from error
    except TimeoutError as error:
        raise CallFailed(f"no reply within {PATIENCE_S:.0f} s", failure="timeout", retryable=True) from error


def segment(id_: str) -> str:
    """A provider's id as one step of a path, whatever it holds."""
    return quote(id_, safe="")
