"""Keys, and texts where they have no business, are looked for byte by byte in all that leaves the server."""

import asyncio
import base64
import json
import logging
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ensemble.keys.issuing import a_key, create
from ensemble.observing.telemetry import Telemetry, TelemetrySettings
from ensemble.server.logs import JsonLines, TextLines
from ensemble.simulator.script import reply, status
from tests.patience import PATIENCE_S
from tests.served import PARTS, a_question, serving

PROVIDER_KEY = "provider-canary-5c1d90e7"
OPERATOR_KEY = "operator-canary-77b02f3a"
HOOK_SECRET = "whsec_" + base64.b64encode(b"hook-canary-of-32-bytes-2a91f7cc").decode()
PROMPT, ANSWER = "prompt-canary-19aa44c8", "answer-canary-e03d5b61"
TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"
trust = { min_confidence = 1.0, on_low = "review" }

[webhooks]
url = "http://127.0.0.1:9/hook"
secret_env = "HOOK_SECRET_OF_TEST"
retry_s = 0.05

[server]
drain_s = 0.2
api_key_env = "OPERATOR_KEY_OF_TEST"
"""


def bytes_of(folder: Path) -> bytes:
    """The database, its write-ahead log included."""
    return b"".join(path.read_bytes() for path in folder.glob("*.db*"))


async def test_no_secret_and_no_text_leaves_where_it_must_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROVIDER_KEY_OF_TEST", PROVIDER_KEY)
    monkeypatch.setenv("OPERATOR_KEY_OF_TEST", OPERATOR_KEY)
    monkeypatch.setenv("HOOK_SECRET_OF_TEST", HOOK_SECRET)
    caplog.set_level(logging.DEBUG, "ensemble")
    parts = PARTS.replace('use = "openai"', 'use = "openai"\napi_key_env = "PROVIDER_KEY_OF_TEST"', 1)
    spans, told = InMemorySpanExporter(), list[str]()
    async with serving(tmp_path, TABLES, parts=parts) as served:
        served.service.telemetry = Telemetry(TelemetrySettings(), SimpleSpanProcessor(spans))
        client_key = await served.service.store.change(lambda db: create(db, a_key("app", ("use", "metrics"))))
        secrets = (PROVIDER_KEY, OPERATOR_KEY, client_key, HOOK_SECRET, HOOK_SECRET.removeprefix("whsec_"))
        served.simulator.script("alpha", [reply(ANSWER)])
        served.simulator.script("beta", [status(401, message=f"wrong key {PROVIDER_KEY}")])
        for key in (client_key, OPERATOR_KEY, f"{client_key}x", f"{OPERATOR_KEY}x"):
            headers = {"Authorization": f"Bearer {key}"}
            _, body, heads = await served.post(a_question(PROMPT, user=PROMPT), headers=headers)
            told.append(json.dumps([body, dict(heads)]))
        for name in ("alpha", "beta", "gamma"):
            served.simulator.script(name, [status(500, message=f"bad {PROVIDER_KEY} {PROMPT}")])
        headers = {"Authorization": f"Bearer {client_key}"}
        code, body, _ = await served.post(a_question("?"), headers=headers)
        assert code == 502
        told.append(json.dumps(body))
        async with served.http.get(f"{served.root}/metrics", headers=headers) as answer:
            metrics = await answer.text()
        await served.service.idle()
        async with asyncio.timeout(PATIENCE_S):
            while not any("webhook" in record.getMessage() for record in caplog.records):  # noqa: ASYNC110 - a log line
                await asyncio.sleep(0.02)
    lines = [form.format(record) for record in caplog.records for form in (JsonLines(), TextLines())]
    traced = [span.to_json() for span in spans.get_finished_spans()]
    assert "ensemble_requests_total" in metrics
    assert any("webhook" in line for line in lines)  # whose receiver is not there
    assert len(traced) > 8
    stored = bytes_of(tmp_path)
    assert PROMPT.encode() in stored  # texts belong there, and so this search can find something
    for secret in secrets:
        assert secret.encode() not in stored
        assert not any(secret in one for one in (*told, *lines, *traced, metrics))
    for text in (PROMPT, ANSWER):
        assert not any(text in one for one in (*lines, *traced, metrics))
