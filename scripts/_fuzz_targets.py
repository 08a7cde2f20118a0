"""What ``scripts/fuzz`` throws bytes at: parsers of what strangers write, each with the errors that it documents."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Taking = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One parser.

    Attributes:
        modules: packages whose branches guide the search.
        prepare: makes the function that takes the bytes; it returns for good input and for a documented error. It is
            given a folder of its own.
        seeds: input that reaches deep from the start.
    """

    name: str
    modules: Sequence[str]
    prepare: Callable[[Path], Taking]
    seeds: Sequence[bytes]


def _chat(folder: Path) -> Taking:
    from ensemble.dialects import openai_chat
    from ensemble.errors import EnsembleError

    return _refusing(openai_chat.parse, EnsembleError)


def _responses(folder: Path) -> Taking:
    from ensemble.dialects import openai_responses
    from ensemble.errors import EnsembleError

    return _refusing(openai_responses.parse, EnsembleError)


def _messages(folder: Path) -> Taking:
    from ensemble.dialects import anthropic_messages
    from ensemble.errors import EnsembleError

    return _refusing(anthropic_messages.parse, EnsembleError)


def _feedback(folder: Path) -> Taking:
    from ensemble.errors import EnsembleError
    from ensemble.feedback import parse

    return _refusing(parse, EnsembleError)


def _refusing(parse: Callable[[bytes], object], *errors: type[Exception]) -> Taking:
    def take(data: bytes) -> None:
        with suppress(*errors):
            parse(data)

    return take


def _configuration(folder: Path) -> Taking:
    from ensemble.config import read
    from ensemble.errors import ConfigError

    file = folder / "ensemble.toml"

    def take(data: bytes) -> None:
        file.write_bytes(data)
        with suppress(ConfigError):
            for problem in read(file).problems:
                assert "\n" not in problem.line, "one problem, one line"  # noqa: S101 - the promise that is tried

    return take


def _upstream(folder: Path) -> Taking:
    """The first byte says which wire format, and whether a whole reply or a stream follows, in pieces of what size."""
    from ensemble.providers import _anthropic_reply, _openai_reply
    from ensemble.providers._events import ServerSent
    from ensemble.providers._shapes import WrongShape
    from ensemble.providers._text import NotJson, from_json

    def take(data: bytes) -> None:
        head, body = data[:1] or b"\0", data[1:]
        gathered = (_openai_reply if head[0] & 1 else _anthropic_reply).Gathered()
        with suppress(NotJson, WrongShape):
            if head[0] & 2:
                for _ in gathered.add_whole(from_json(body)):
                    pass
            else:
                stream, size = ServerSent(), 1 + (head[0] >> 2)
                for at in range(0, len(body), size):
                    for event in stream.feed(body[at : at + size]):
                        for _ in gathered.add_event(from_json(event)):
                            pass
        gathered.completion(partial=True)

    return take


def _judge(folder: Path) -> Taking:
    """What a judge model replies: labels, rankings, scores, and what it says as JSON."""
    from judges.llm._rubric import read_scores
    from judges.readers.labels import FIVE_WAY, THREE_WAY, read_label
    from judges.readers.ranking import read_acceptable, read_ranking
    from judges.types import Completion

    def take(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        read_label(text, THREE_WAY)
        read_label(text, FIVE_WAY)
        read_ranking(text, ("A", "B", "C"))
        read_acceptable(text, ("A", "B", "C"))
        read_scores(Completion(text=text, finish_reason="stop"), ("correct", "clear"))

    return take


def _imports(folder: Path) -> Taking:
    """The first byte says which format, the rest is the file."""
    from ensemble.dialects import openai_chat
    from ensemble.importing.formats import NAMES, opened
    from ensemble.labelling.sources import BadSource

    endings = (".jsonl", ".csv", ".json")

    def take(data: bytes) -> None:
        head, body = data[:1] or b"\0", data[1:]
        form = NAMES[head[0] % len(NAMES)]
        file = folder / f"file{endings[(head[0] >> 2) % len(endings)]}"
        file.write_bytes(body)
        with suppress(BadSource), opened(str(file), form, parse=lambda raw: openai_chat.parse(raw).prompt) as rows:
            _all(rows)

    return take


def _all(rows: Iterator[object]) -> None:
    for _ in rows:
        pass


def _stored(folder: Path) -> Taking:
    """Lines of the spill file, which survives crashes and is read by the next start."""
    from sqlite_utils import Database

    from ensemble.store.migrations import MIGRATIONS
    from ensemble.store.spill import Spill
    from ensemble.store.spill import take as take_in
    from ensemble.store.writer import write_rows

    db = Database(folder / "log.db", execute_plugins=False)
    MIGRATIONS.apply(db)

    def take(data: bytes) -> None:
        spill = Spill(folder / "spilled")
        db.conn.execute("BEGIN")
        take_in(db, data.splitlines(), lambda into, rows: write_rows(into, [rows]), spill)
        db.conn.execute("ROLLBACK")

    return take


def _json(*trees: object) -> list[bytes]:
    return [json.dumps(tree).encode() for tree in trees]


_ASKED = {"model": "panel", "messages": [{"role": "user", "content": "Why?"}]}
_TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}
_PARTS = [
    {"type": "text", "text": "a"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
]
_REPLY = {
    "id": "1",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "It is 42."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4},
}
_CHUNK = {"id": "1", "choices": [{"index": 0, "delta": {"content": "It is"}, "finish_reason": None}]}
_MESSAGE = {
    "id": "m", "type": "message", "role": "assistant", "model": "c", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "It is 42."}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}],
    "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip
_TOML = b"""
[providers.p]
use = "openai"
base_url = "http://127.0.0.1:1/v1"
[members.a]
provider = "p"
model = "a"
price = { input = 1, output = "2.5" }
[judges.j]
use = "jury"
aggregate = "majority"
seats = [{ use = "longest" }, { use = "pairwise", model = "a", swap = true }]
[routers.r]
use = "cascade"
judge = "j"
tiers = [{ members = ["a"], accept_score = 0.5 }, { members = ["a"] }]
[server]
port = 0
"""

TARGETS = (
    Target(
        name="chat completions", modules=("ensemble.dialects",), prepare=_chat,
        seeds=_json(
            _ASKED,
            {**_ASKED, "tools": _TOOLS, "tool_choice": "required", "response_format": _SCHEMA, "n": 2, "stop": ["x"]},
            {**_ASKED, "messages": [{"role": "user", "content": _PARTS}], "stream": True, "metadata": {"a": "b"}},
        ),
    ),
    Target(
        name="responses", modules=("ensemble.dialects",), prepare=_responses,
        seeds=_json(
            {"model": "panel", "input": "Why?"},
            {"model": "panel", "input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}],
             "tools": [{"type": "function", "name": "f", "parameters": {}}], "text": {"format": {"type": "text"}}},
        ),
    ),
    Target(
        name="messages", modules=("ensemble.dialects",), prepare=_messages,
        seeds=_json(
            {**_ASKED, "max_tokens": 5},
            {**_ASKED, "max_tokens": 5, "system": [{"type": "text", "text": "s"}],
             "tools": [{"name": "f", "input_schema": {"type": "object"}}],
             "messages": [{"role": "assistant", "content": _MESSAGE["content"]},
                          {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "1"}]}]},
        ),
    ),
    Target(
        name="feedback", modules=("ensemble.feedback",), prepare=_feedback,
        seeds=_json({"request_id": "1", "rating": 0.5, "tags": ["a"], "metrics": {"x": True}, "given_by": "me"}),
    ),
    Target(
        name="configuration", modules=("ensemble.config",), prepare=_configuration, seeds=[_TOML, b"[members.\xff"]
    ),
    Target(
        name="upstream replies and streams", modules=("ensemble.providers",), prepare=_upstream,
        seeds=[
            b"\x03" + _json(_REPLY)[0],
            b"\x02" + _json(_MESSAGE)[0],
            b"\x41data: " + _json(_CHUNK)[0] + b"\n\ndata: [DONE]\n\n",
            b"\x40event: message_start\ndata: " + _json({"type": "message_start", "message": _MESSAGE})[0] + b"\n\n",
        ],
    ),
    Target(
        name="replies of judges", modules=("judges.readers", "judges.llm"), prepare=_judge,
        seeds=[
            b"Answer A is better. [[A>>B]]", b"My final verdict is: [[B]]", b"[[A > C = B]]\nacceptable: A, C",
            b'{"correct": 4, "clear": 2.5}', b"correct: 3/5\nclear: 4/5",
        ],
    ),
    Target(
        name="files of import", modules=("ensemble.importing", "ensemble.labelling"), prepare=_imports,
        seeds=[
            b"\x00" + _json({"prompt": "Why?", "candidates": [{"member": "a", "text": "x", "score": 0.5}]})[0] + b"\n",
            b"\x05prompt,a,a|model_response\nWhy?,0.5,yes\n",
            b"\x02" + _json({"request": {"body": _ASKED}, "response": {"body": _REPLY}})[0] + b"\n",
            b"\x0b" + _json({"results": {"results": [{"prompt": {"raw": "q"}, "response": {"output": "x"}}]}})[0],
        ],
    ),
    Target(
        name="spilled records", modules=("ensemble.store",), prepare=_stored,
        seeds=_json({"v": 1, "request": "r", "router": "x", "day": "2026-11-26", "overturned": 0, "settled": [],
                     "tables": {"requests": {"columns": ["id"], "rows": [["r"]]}}}),
    ),
)  # fmt: skip
"""Every target. What they open ends with their process."""
