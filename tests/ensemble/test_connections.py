"""Clients of providers over a change of the configuration: kept, opened, closed after their last call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from ensemble.connections import close, connect, dropped
from ensemble.errors import ConfigError
from ensemble.provider import PROVIDERS, Connection, Provider
from ensemble.service import open_service
from tests.ensemble.doubles import Scripted
from tests.patience import PATIENCE_S


@PROVIDERS.register("diary")
class Diary(Provider):
    """Answers with its tag and writes down when it is opened and closed."""

    pages: ClassVar[list[str]] = []
    outside: ClassVar[frozenset[str]] = frozenset({"note"})
    tag: str = "a"
    note: str = ""
    slow_s: float = 0.0
    secret_file: Path | None = None
    broken: bool = False

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        if self.broken:
            raise ConfigError("it is broken")
        self.pages.append(f"open {self.tag}")
        yield Scripted([f"said {self.tag}"], delay_s=self.slow_s)
        self.pages.append(f"close {self.tag}")


@pytest.fixture(autouse=True)
def pages() -> list[str]:
    Diary.pages.clear()
    return Diary.pages


async def test_the_same_options_and_secrets_keep_the_client(pages: list[str], tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("one")
    first = await connect({"a": Diary(secret_file=secret), "b": Diary(tag="b")})
    same = await connect({"a": Diary(secret_file=secret), "b": Diary(tag="b")}, first)
    assert (same["a"], same["b"]) == (first["a"], first["b"])
    secret.write_text("two")
    # An option that decides no answer is outside the digest, and takes effect all the same.
    other = await connect({"a": Diary(secret_file=secret), "b": Diary(tag="b", note="new")}, first)
    assert dropped(first, other) == (first["a"], first["b"])
    assert [other[name].limiter is first[name].limiter for name in ("a", "b")] == [True, True]
    assert dropped(other, same) == (other["a"], other["b"])
    assert pages == ["open a", "open b", "open a", "open b"]
    await close((*first.values(), *other.values()))
    assert pages[4:] == ["close b", "close a", "close b", "close a"]


async def test_where_one_cannot_be_opened_the_new_ones_are_closed_and_the_held_ones_left(pages: list[str]) -> None:
    held = await connect({"a": Diary()})
    with pytest.raises(ConfigError, match="broken"):
        await connect({"a": Diary(), "b": Diary(tag="b"), "c": Diary(broken=True)}, held)
    assert pages == ["open a", "open b", "close b"]
    await close(held.values())


CONFIG = """
[providers.own]
use = "diary"
tag = "{tag}"
slow_s = {slow_s}
[members.one]
provider = "own"
model = "m"
"""


async def test_a_dropped_client_is_closed_after_its_last_call_and_not_before(pages: list[str], tmp_path: Path) -> None:
    file = tmp_path / "ensemble.toml"
    file.write_text(CONFIG.format(tag="old", slow_s=0.1))
    async with open_service(file) as service:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(service.ask("one"))
            await asyncio.sleep(0.02)
            file.write_text(CONFIG.format(tag="new", slow_s=0))
            await service.reload()
            assert (await service.ask("two")).text == "said new"
            assert pages == ["open old", "open new"]
        assert asked.result().text == "said old"
        async with asyncio.timeout(PATIENCE_S):
            while "close old" not in pages:  # noqa: ASYNC110 - nobody is told when a client is closed
                await asyncio.sleep(0.01)
        assert pages == ["open old", "open new", "close old"]
    assert pages[3:] == ["close new"]


async def test_what_was_opened_for_a_refused_configuration_is_closed(pages: list[str], tmp_path: Path) -> None:
    file = tmp_path / "ensemble.toml"
    file.write_text(CONFIG.format(tag="old", slow_s=0))
    async with open_service(file) as service:
        new = CONFIG.format(tag="new", slow_s=0).replace("slow_s", "max_in_flight = 7\nslow_s")
        file.write_text(new + '[providers.more]\nuse = "diary"\nbroken = true\n')
        with pytest.raises(ConfigError, match="broken"):
            await service.reload()
        assert service.links["own"].limiter.allowed_in_flight > 7
        assert pages == ["open old", "open new", "close new"]
        assert (await service.ask("one")).text == "said old"
