"""What Prometheus gets: the figures of what happened, and no word of anybody."""

import asyncio
import json
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from ensemble.allowance import Limit
from ensemble.cli import main
from ensemble.keys.issuing import a_key, create
from ensemble.observing.instruments import Instruments
from ensemble.simulator.script import reply, status
from judges.types import CandidateId, Preference, Verdict
from tests.ensemble.store.builders import a_record, a_ruling, a_verdict
from tests.served import Served, a_question, serving

DEPLOY = Path(__file__).resolve().parents[3] / "scripts" / "deploy"
TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"

[server]
drain_s = 0.2
"""
METRIC = re.compile(r"\bensemble_[a-z_]+\b")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, TABLES) as running:
        yield running


async def scraped(served: Served, **options: object) -> dict[str, float]:
    """Every sample, by its name and labels as they are written."""
    async with served.http.get(f"{served.root}/metrics", **options) as answer:  # type: ignore[arg-type]
        assert answer.status == 200
        text = await answer.text()
    return {
        f"{one.name}{json.dumps(one.labels, sort_keys=True)}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def total(samples: dict[str, float], name: str, **labels: str) -> float:
    wanted = [f'"{key}": "{value}"' for key, value in labels.items()]
    return sum(v for k, v in samples.items() if k.startswith(name + "{") and all(one in k for one in wanted))


async def test_what_happened_is_counted(served: Served) -> None:
    served.simulator.script("beta", [status(500)])
    served.simulator.script("alpha", [reply("Short.")])
    served.simulator.script("gamma", [reply("Not quite so short.")])
    served.simulator.script("critic", [reply("no verdict at all")] * 4)
    assert (await served.post())[0] == 200
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [status(500)])
    assert (await served.post())[0] == 502
    samples = await scraped(served)
    assert total(samples, "ensemble_requests_total", router="panel", status="answered", dialect="openai-chat") == 1
    assert total(samples, "ensemble_requests_total", status="failed") == 1
    assert total(samples, "ensemble_request_errors_total", code="no_candidate") == 1
    assert total(samples, "ensemble_calls_total", member="beta", outcome="overloaded", purpose="candidate") == 2
    assert total(samples, "ensemble_calls_total", member="alpha", outcome="ok") == 1
    assert total(samples, "ensemble_fallbacks_total", router="panel", rule="member_order") == 1
    assert total(samples, "ensemble_judge_pages_total", judge="llm", finding="none") >= 1
    assert total(samples, "ensemble_commit_seconds_count") == 2
    assert total(samples, "ensemble_request_seconds_count", router="panel") == 1
    ledger = await served.service.store.ledger_total()
    assert total(samples, "ensemble_cost_usd_total") == pytest.approx((ledger.nano_usd or 0) / 1e9)
    assert total(samples, "ensemble_tokens_total", direction="output") > 0


def test_pages_of_a_jury_count_once_whether_its_finding_was_weighed_or_not() -> None:
    a, b, c = (CandidateId(name) for name in "abc")
    jury = replace(a_verdict([a]), exchanges=(), ballots=(a_verdict([a], [b]), a_verdict([b], [a, c])))
    weighed = replace(jury, ballots=(jury, Verdict(judge="logged means", outcome="decided", winners=(b,))))
    match = Preference(shown=(a, b), outcome="first")  # of a tournament: its page is that of a ballot
    for verdict in (jury, weighed, replace(jury, preferences=(match,))):
        counted = Instruments()
        counted.recorded(replace(a_record(), rulings=(a_ruling(verdict),)))
        given = {"judge": "house", "finding": "given"}
        assert counted.registry.get_sample_value("ensemble_judge_pages_total", given) == 3


def test_whoever_reads_the_registry_finds_all_calls_and_each_of_them_once() -> None:
    counted = Instruments()
    record = a_record()
    call = record.calls[0]
    labels = {"member": call.member, "purpose": call.purpose}
    for times in (1, 2):
        counted.recorded(replace(record, calls=(call,), rulings=()))
        for _ in range(2):
            assert call.failure is None
            assert counted.registry.get_sample_value("ensemble_calls_total", labels | {"outcome": "ok"}) == times
            tokens = counted.registry.get_sample_value("ensemble_tokens_total", labels | {"direction": "output"})
            assert tokens == times * (call.usage.output_tokens or 0) > 0


async def test_a_member_that_is_left_alone_is_told(served: Served) -> None:
    served.simulator.script("beta", [status(500)] * 5)
    for _ in range(5):
        assert (await served.post())[0] == 200
    samples = await scraped(served)
    assert total(samples, "ensemble_circuit_open", member="beta") == 1
    assert total(samples, "ensemble_circuit_open") == 1


async def test_overhead_is_what_no_call_explains(served: Served) -> None:
    await served.post()
    samples = await scraped(served)
    whole, own = (total(samples, f"ensemble_{name}_seconds_sum") for name in ("request", "overhead"))
    assert 0 < own < whole


async def test_no_label_holds_what_a_client_or_a_model_wrote(served: Served) -> None:
    canary = "canary-7f3a"
    served.simulator.script("alpha", [reply(f"{canary} says the model, at some length, so that it wins")])
    key = a_key(canary, ("use", "metrics"), tenant=canary, limits=(Limit.parse("usd=1/day"),))
    secret = await served.service.store.change(lambda db: create(db, key))
    headers = {"Authorization": f"Bearer {secret}"}
    body = a_question(canary, user=canary, metadata={"domain": canary}, max_completion_tokens=50)
    await served.post(body, headers=headers)
    await served.post(a_question(model=canary), headers=headers)
    async with served.http.get(f"{served.root}/metrics", headers=headers) as answer:
        text = await answer.text()
    assert key.id in text
    assert canary not in text
    assert secret not in text


async def test_a_scrape_needs_its_scope_once_there_are_keys(served: Served) -> None:
    secret = await served.service.store.change(lambda db: create(db, a_key("app", ("use",))))
    async with served.http.get(f"{served.root}/metrics", headers={"Authorization": f"Bearer {secret}"}) as answer:
        assert answer.status == 403
    async with served.http.get(f"{served.root}/metrics") as answer:
        assert answer.status == 401


async def test_a_budget_is_seen_before_it_is_spent(served: Served) -> None:
    key = a_key("app", ("use", "metrics"), limits=(Limit.parse("requests=4/total"),))
    headers = {"Authorization": f"Bearer {await served.service.store.change(lambda db: create(db, key))}"}
    await served.post(headers=headers)
    samples = await scraped(served, headers=headers)
    assert total(samples, "ensemble_budget_used_ratio", key=key.id) == 0.25


async def test_a_log_that_cannot_be_read_is_when_figures_are_needed(served: Served, tmp_path: Path) -> None:
    await served.post()
    before = await scraped(served)
    file = tmp_path / "ensemble.db"
    file.rename(tmp_path / "gone")
    file.mkdir()
    assert (await scraped(served)).keys() >= before.keys()


async def test_dashboard_and_alerts_name_nothing_that_is_not_there(served: Served) -> None:
    await served.post()
    async with served.http.get(f"{served.root}/metrics") as answer:
        text = await answer.text()
    known = {family.name for family in text_string_to_metric_families(text)}
    for file in ("alerts.yaml", "grafana.json"):
        words = set(METRIC.findall((DEPLOY / file).read_text())) - {"ensemble"}
        bare = {re.sub(r"_(total|bucket|sum|count)$", "", word) for word in words}
        assert len(bare) >= 8
        assert bare <= known, file


def rules() -> list[dict[str, dict[str, str]]]:
    found = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    sections = re.findall(r"^## (\w+)$", (DEPLOY / "RUNBOOK.md").read_text(), re.M)
    assert [rule["alert"] for rule in rules()] == sections
    links = [rule["annotations"]["runbook_url"] for rule in rules()]
    assert links == [f"RUNBOOK.md#{section.lower()}" for section in sections]


def test_the_dashboard_is_one_that_grafana_can_draw() -> None:
    board = json.loads((DEPLOY / "grafana.json").read_text())
    assert all(panel["targets"] and panel["title"] for panel in board["panels"])
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 12


COMMANDS = sorted(
    set(re.findall(r"^ensemble .*$", (DEPLOY / "RUNBOOK.md").read_text(), re.M)), key=lambda line: line.split()
)


@pytest.mark.parametrize("line", COMMANDS)
async def test_the_commands_of_the_runbook_work(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with serving(tmp_path, TABLES) as served:
        await served.post()
        done = await asyncio.to_thread(CliRunner().invoke, main, shlex.split(line)[1:])
    assert done.exit_code == 0, done.output
