"""Where data may go: a provider that does not list the class of a request sees no byte of it, whatever for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlite_utils import Database

from ensemble.cli import main
from ensemble.keys.issuing import a_key, create
from ensemble.simulator.script import reply
from tests.served import SERVER, Served, a_question, serving

SHADOWED = '''
from ensemble.router import ROUTERS, JudgeName, MemberName, Router
from ensemble.types import Plan, Stage


@ROUTERS.register("shadowed")
class Shadowed(Router):
    """Asks one member and, after the answer, another."""

    asked: MemberName
    after: MemberName
    judge: JudgeName

    async def plan(self, request, context):
        return Plan(router=self.digest, stages=(Stage(members=(self.asked,), judge=self.judge),), shadow=(self.after,))
'''
TABLES = """
[providers.home]
use = "openai"
base_url = "%%"
data = ["patients", "public"]

[members.alpha]
provider = "home"
model = "alpha"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[members.beta]
provider = "home"
model = "beta"
max_attempts = 1
price = {{ input = 1, output = 2 }}

[judges.longest]
use = "longest"

[providers.abroad]
use = "openai"
base_url = "http://127.0.0.1:{port}/v1"
data = ["public"]

[members.far]
provider = "abroad"
model = "far"
max_attempts = 1
timeout_s = 1
price = {{ input = 1, output = 2 }}

[judges.far]
use = "pairwise"
model = "far"

[routers.both]
use = "parallel"
members = ["alpha", "beta", "far"]
judge = "far"
quorum = 1
straggler_s = 5

[routers.only]
use = "parallel"
members = ["far"]

[routers.shadowed]
use = "./shadowed.py"
asked = "alpha"
after = "far"
judge = "longest"

[routers.watched]
use = "single"
member = "alpha"

[routers.watched.shadow]
share = 1
panel = ["alpha", "beta", "far"]
judge = "longest"

[routers.chosen]
use = "llm"
model = "far"
members = {{ alpha = "Everything.", beta = "Everything else." }}
default = "alpha"

[routers.meant]
use = "semantic"
embedder = "far"
default = "alpha"
domains.sums = {{ examples = ["What is 2 plus 2?"], members = "beta" }}
"""
SECRET = "the-patient-is-called-Erika"


@dataclass
class Abroad:
    """A server that answers nobody and remembers every byte that came."""

    port: int = 0
    received: bytearray = field(default_factory=bytearray)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received += await reader.read(65536)
        writer.close()


@pytest.fixture
async def abroad() -> AsyncIterator[Abroad]:
    seen = Abroad()
    server = await asyncio.start_server(seen, "127.0.0.1", 0)
    async with server:
        seen.port = server.sockets[0].getsockname()[1]
        yield seen


@pytest.fixture
async def served(tmp_path: Path, abroad: Abroad) -> AsyncIterator[Served]:
    put(tmp_path / "shadowed.py", SHADOWED)
    parts = TABLES.format(port=abroad.port).replace("{", "{{").replace("}", "}}").replace("%%", "{base_url}")
    async with serving(tmp_path, SERVER, parts=parts) as running:
        running.simulator.script("alpha", [reply("Short.")])
        running.simulator.script("beta", [reply("Rather longer than that.")])
        yield running


def put(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize("router", ["both", "shadowed", "chosen", "meant"])
async def test_candidates_judges_shadows_and_routers_are_kept_from_it(
    served: Served, abroad: Abroad, router: str
) -> None:
    body = a_question(SECRET, model=router, metadata={"data_class": "patients"})
    status, said, _ = await served.post(body)
    assert status == 200, said
    assert said["model"] in ("alpha", "beta")
    record = await served.record(said["id"])
    assert record["data_class"] == "patients"
    kept_out = [call for call in record["calls"] if call["member"] == "far"]
    if router == "meant":  # which sees that its embedder may not be asked, and does not try
        assert "far may not be asked of this request" in record["plan"]["reason"]
    else:
        assert {(call["failure"], call["nano_usd"]) for call in kept_out} == {("not_permitted", 0)}
    assert bytes(abroad.received) == b""


async def test_a_watched_router_has_the_rest_of_its_panel_judged(served: Served, abroad: Abroad) -> None:
    status, said, _ = await served.post(a_question(SECRET, model="watched", metadata={"data_class": "patients"}))
    assert status == 200, said
    record = await served.record(said["id"])
    assert [(call["member"], call["failure"]) for call in record["calls"]] == [("alpha", None), ("beta", None)]
    assert [sorted(label.best) for label in served.service.store.labels()] == [["beta"]]
    assert bytes(abroad.received) == b""


@pytest.mark.parametrize("router", ["both", "shadowed", "watched", "chosen", "meant"])
async def test_what_is_public_reaches_it(served: Served, abroad: Abroad, router: str) -> None:
    """So the test above would see a byte if one were sent."""
    await served.post(a_question(SECRET, model=router, metadata={"data_class": "public"}))
    await served.service.idle()
    assert (b"/v1/embeddings" if router == "meant" else SECRET.encode()) in abroad.received


async def test_where_nobody_may_see_it_the_client_is_told(served: Served, abroad: Abroad) -> None:
    status, said, _ = await served.post(a_question(SECRET, model="only", metadata={"data_class": "patients"}))
    assert (status, said["error"]["code"], said["error"]["param"]) == (
        422, "no_permitted_member", "metadata.data_class",
    )  # fmt: skip
    assert "'patients'" in said["error"]["message"]
    status, said, _ = await served.post(a_question(SECRET, model="both", metadata={"data_class": "unheard of"}))
    assert (status, said["error"]["code"]) == (422, "no_permitted_member")
    assert bytes(abroad.received) == b""


@pytest.mark.parametrize(("stated", "code"), [("patients", 422), ("public", 400)])
async def test_tokens_are_counted_where_the_request_may_go(
    served: Served, abroad: Abroad, stated: str, code: int
) -> None:
    """The provider abroad counts none, which is all that is told of it where it might be asked."""
    body = {**a_question(SECRET, model="only"), "metadata": {"data_class": stated, "team": "red"}}
    async with served.http.post(f"{served.url}/messages/count_tokens", json=body) as reply:
        status, said = reply.status, await reply.json()
    assert (status, "may not go to abroad" in said["error"]["message"]) == (code, code == 422)
    assert bytes(abroad.received) == b""


async def test_the_class_of_the_key_holds_where_the_request_states_none(served: Served, abroad: Abroad) -> None:
    key = a_key("ward", ("use", "read"), data_class="patients")
    secret = await served.service.store.change(lambda db: create(db, key))
    headers = {"Authorization": f"Bearer {secret}"}
    status, _, _ = await served.post(a_question(SECRET, model="only"), headers=headers)
    assert status == 422
    assert bytes(abroad.received) == b""


async def test_labelling_and_judging_again_are_kept_from_it(served: Served, abroad: Abroad, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    put(rows, json.dumps({"prompt": SECRET, "metadata": {"data_class": "patients"}}))
    config = str(tmp_path / "ensemble.toml")
    labelled = await run("label", str(rows), "--config", config, "--router", "both", "--name", "one")
    assert labelled.exit_code == 1, "its judge may not see the row, so nothing came of the run"
    assert (await run("rejudge", "--config", config, "--judge", "far")).exit_code == 0
    assert bytes(abroad.received) == b""
    with closing(Database(tmp_path / "ensemble.db")) as db:
        found = db.execute("SELECT DISTINCT purpose, failure FROM calls WHERE member = 'far' ORDER BY 1").fetchall()
    assert found == [("candidate", "not_permitted"), ("judge", "not_permitted")]


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, list(arguments))
