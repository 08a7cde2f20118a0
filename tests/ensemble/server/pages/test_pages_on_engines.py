"""Pages over PostgreSQL are those over SQLite, byte for byte, where both hold the same."""

import re
from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from ensemble.server.auditing import make_auditing
from ensemble.store import open_store
from ensemble.store.address import Where
from ensemble.store.reading import open_log
from ensemble.upkeep import derive, index
from tests.ensemble.audit.conftest import asked, put
from tests.services import postgres_schema

PAGES = (
    "/ui/overview",
    "/ui/overview?router=panel&since=2026-11-24&until=2026-11-25",
    "/ui/disagreement",
    "/ui/disagreement?members=small,large&domain=maths&index_from=0.2",
    "/ui/disagreement?text=question OR answer*",
    "/ui/disagreement?a=large&b=small&pair=a",
    "/ui/judges",
    "/ui/routers",
    "/ui/reviews?state=decided",
)  # fmt: skip

OWN = re.compile(rb'value="[0-9a-f]{64}"|\d\d:\d\d(:\d\d(\.\d+)?)?')
"""What is another one each time: tokens of forms, and the hour at which something was made."""


async def test_every_page_is_the_same_on_either_engine(tmp_path: Path) -> None:
    told = list(asked())
    addresses = [*PAGES, *(f"/ui/requests/{record.request.id}" for record, _ in told[::20])]

    async def pages(where: Where) -> dict[str, bytes]:
        store = await open_store(where)
        await put(store, told)
        await derive(store)
        await index(store)
        await store.close()
        found = {}
        async with (
            open_log(where) as log,
            TestClient(TestServer(make_auditing(log, about="log"))) as client,
        ):
            for address in addresses:
                async with client.get(address) as reply:
                    assert reply.status == 200, address
                    found[address] = OWN.sub(b"", await reply.read())
        return found

    async with postgres_schema() as schema:
        there = await pages(schema.url)
    here = await pages(tmp_path / "log.db")
    assert [address for address in addresses if here[address] != there[address]] == []
