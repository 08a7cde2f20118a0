"""Coding agents ask in their own way; the bodies are what they sent, with the texts and all but one tool cut out."""

from typing import Any

from ensemble.simulator import ToolUse, reply
from tests.messages import MODELS, sent
from tests.served import Served

CLAUDE_CODE: Any = {
    "model": "claude",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "<system-reminder>\nToday's date is 2026-11-27.\n</system-reminder>\n\n"},
                {"type": "text", "text": "Read notes.txt", "cache_control": {"type": "ephemeral"}},
            ],
        },
        {"role": "system", "content": "Available agent types for the Agent tool: ..."},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "x"}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "content": "Exit code 3",
                    "is_error": True,
                    "tool_use_id": "t1",
                    "cache_control": {"type": "ephemeral"},
                }
            ],
        },
    ],
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197.84c; cc_entrypoint=sdk-cli;"},
        {"type": "text", "text": "You are a Claude agent.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [
        {
            "name": "Bash",
            "description": "Runs a command.",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"command": {"type": "string"}},
                "required": ["command"],
                "additionalProperties": False,
            },
        }
    ],
    "metadata": {"user_id": '{"device_id":"06ca61ae","account_uuid":"","session_id":"760bf506"}'},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "high"},
    "stream": True,
}
CODEX: Any = {
    "model": "alpha",
    "input": [
        {
            "type": "message",
            "id": "msg_8aa3de38",
            "role": "developer",
            "content": [{"type": "input_text", "text": "You are a coding agent running in the Codex CLI."}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Read notes.txt"}]},
    ],
    "tools": [
        {
            "type": "function",
            "name": "exec_command",
            "description": "Runs a command.",
            "strict": False,
            "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
        }
    ],
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "01a21eec-5342-7662-98dc-1fef4c40a03d",
    "client_metadata": {"thread_id": "01a21eec-5342", "x-codex-turn-metadata": '{"sandbox":"seccomp"}' * 30},
}


async def test_a_turn_of_claude_code(mixed: Served) -> None:
    call = ToolUse(id="t2", name="Bash", arguments='{"command": "cat notes.txt"}')
    mixed.simulator.script(MODELS["claude"], [reply("Again.", tool_calls=(call,), finish="tool_calls")])
    async with mixed.http.post(f"{mixed.url}/messages?beta=true", json=CLAUDE_CODE) as got:
        said = await got.text()
    assert got.status == 200, said
    assert '"name":"Bash"' in said
    assert "cat notes.txt" in said
    assert "context_management" not in sent(mixed, "claude")


async def test_a_turn_of_codex(mixed: Served) -> None:
    call = ToolUse(id="t2", name="exec_command", arguments='{"cmd": "cat notes.txt"}')
    mixed.simulator.script(MODELS["alpha"], [reply(tool_calls=(call,), finish="tool_calls")])
    async with mixed.http.post(f"{mixed.url}/responses", json=CODEX) as got:
        said = await got.text()
    assert got.status == 200, said
    assert "event: response.completed" in said
    assert '"call_id":"t2","name":"exec_command"' in said
    assert "client_metadata" not in sent(mixed, "alpha")
