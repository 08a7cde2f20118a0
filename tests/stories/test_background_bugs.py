"""What runs in the background for as long as a service does: a bug ends one round of it, is told, and no more."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web

from ensemble.audit.drawing import ReviewSettings, drawing
from ensemble.keys.keeping import keeping
from ensemble.server.metrics import PUBLISH_S, PUBLISHED, STATE, publishing
from ensemble.server.state import Published, State
from ensemble.watching.keeping import keeping_watch
from ensemble.webhooks.delivering import delivering
from ensemble.webhooks.settings import WebhookSettings
from tests.ensemble.limiting import in_fake_time

A_DAY_S = 86_400.0
HOOKED = WebhookSettings(url="https://hooks.example/x", secret_env="THE_SECRET")


class Spoilt:
    """Whatever it is asked to do, it fails, and counts how often that was."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, *_: object) -> None:
        self.asked += 1
        raise KeyError("a bug")

    refresh = remember = sweep = write_off = read

    async def news(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


KEPT: dict[str, tuple[Callable[[Any], AbstractAsyncContextManager[None]], str]] = {
    "keys": (lambda it: keeping(it, it), "looking after keys and budgets failed"),
    "watch": (lambda it: keeping_watch(lambda: {"best": it}), "router best: the watch failed"),
    "webhooks": (lambda it: delivering(it, lambda: HOOKED), "webhooks failed"),
    "draw": (lambda it: drawing(it, lambda: ReviewSettings(share=0.1)), "the draw for review failed"),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_bug_ends_one_round_and_is_told(name: str, caplog: pytest.LogCaptureFixture) -> None:
    it = Spoilt()
    opened, told = KEPT[name]

    async def story() -> None:
        async with opened(it):
            await asyncio.sleep(A_DAY_S)

    in_fake_time(story)
    assert it.asked > 10
    assert told in caplog.text
    assert "KeyError: 'a bug'" in caplog.text


def test_a_worker_goes_on_telling_how_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    told = 0

    def publish() -> None:
        nonlocal told
        told += 1
        raise OSError("the disk is full")

    app = web.Application()
    app[STATE] = cast("State", SimpleNamespace(look=lambda: None))
    app[PUBLISHED] = cast("Published", SimpleNamespace(publish=publish))

    async def story() -> None:
        async with publishing(app):
            for _ in range(10_000):  # in no time, but for that of a thread
                if told < 3:
                    await asyncio.sleep(PUBLISH_S)

    in_fake_time(story)
    assert told >= 3
    assert "OSError: the disk is full" in caplog.text
