"""The mind of a procedural model: reads the prompt, solves it or gets it plausibly wrong, and says so in some words."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from ensemble.simulator.chat import Chat
from ensemble.simulator.draw import pick, share
from ensemble.simulator.logprobs import sureness
from ensemble.simulator.routing import Reader
from ensemble.simulator.shape import Filler
from ensemble.simulator.skill import Skill
from ensemble.simulator.talk import Ask, Said, ToolUse
from ensemble.simulator.tasks.base import Work
from ensemble.simulator.tasks.solving import solve
from ensemble.simulator.wording import put

MOST_REMEMBERED = 65_536


class Samples:
    """Numbers the answers to one prompt, so that asking again gives another sample; forgets the oldest prompts."""

    def __init__(self) -> None:
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def next(self, model: str, conversation: str) -> int:
        """0 for the first answer of ``model`` to ``conversation``, 1 for the second, and so on."""
        key = blake2b(f"{model}\x1f{conversation}".encode("utf-8", "surrogatepass"), digest_size=12).digest()
        count = self._asked.pop(key, 0)
        self._asked[key] = count + 1
        if len(self._asked) > MOST_REMEMBERED:
            self._asked.popitem(last=False)
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class Solver:
    """A procedural model; ``reader`` answers where a router asks it to choose.

    Whether it is right is drawn by model, prompt, seed and sample. The sample is the client's ``seed`` where it sends
    one, the first where the temperature is 0, else one more each time that the prompt is asked.
    """

    name: str
    skill: Skill
    seed: int
    samples: Samples
    reader: Reader

    def answer(self, ask: Ask) -> Said:
        if (choice := self.reader.choose(ask)) is not None:
            return choice
        if ask.turns[-1].role == "tool":
            return Said(text=f"According to the tool: {ask.turns[-1].text}")
        tools = ask.tools if ask.tool_choice != "none" else {}
        work = solve([(turn.role, turn.text) for turn in ask.turns], tools)
        if work is None:
            return self._without_work(ask)
        conversation = "\x1f".join(turn.text for turn in ask.turns)
        about = (self.name, self.seed, conversation, self._sample(ask, conversation))
        is_right = share("right", *about) < self.skill.chance(work.kind, work.difficulty)
        answer = work.truth if is_right else _wrong(work, about)
        if work.checker == "tool_call":
            return _call(answer, about)
        if (wanted := _demanded(ask)) is not None:
            return _call(_filled(wanted, ask, _filler(work, answer)), about)
        thoughts = (work.steps.format(answer=answer) or "The user wants this in order.") if ask.thinks else None
        shaped = ask.schema is not None
        text = _shaped(ask, work, answer) if shaped else put(work, answer, self.skill.tier, ask.question, *about)
        return Said(text=text, reasoning=thoughts, sure=sureness(is_right, *about))

    def _sample(self, ask: Ask, conversation: str) -> int:
        if ask.seed is not None:
            return ask.seed
        return 0 if ask.temperature == 0 else self.samples.next(self.name, conversation)

    def _without_work(self, ask: Ask) -> Said:
        chat = Chat(name=self.name).answer(ask)
        if (wanted := _demanded(ask)) is not None:
            return _call(_filled(wanted, ask, Filler(ask.question)), (self.name, ask.question))
        if ask.schema is not None:
            filled = Filler("simulated", reason=chat.text).fill(ask.schema)
            return Said(text=orjson.dumps(filled).decode())
        return chat


def _demanded(ask: Ask) -> str | None:
    """The tool that has to be called; None where text will do."""
    if ask.tool_choice in ("auto", "none"):
        return None
    return ask.tool_choice if ask.tool_choice in ask.tools else next(iter(ask.tools), None)


def _filled(tool: str, ask: Ask, filler: Filler) -> str:
    arguments = filler.fill(ask.tools[tool] or {"type": "object"})
    return orjson.dumps({"name": tool, "arguments": arguments}).decode()


def _wrong(work: Work, about: tuple[object, ...]) -> str:
    # The most tempting error is made every second time, so that models err alike, as they do in life.
    if share("tempted", *about) < 0.5:
        return work.wrongs[0]
    return pick(work.wrongs, "wrong", *about)


def _call(text: str, about: tuple[object, ...]) -> Said:
    call = orjson.loads(text)
    name = f"call_sim_{int(share('call', *about) * 2**40):010x}"
    use = ToolUse(id=name, name=call["name"], arguments=orjson.dumps(call["arguments"]).decode())
    return Said(tool_calls=(use,), finish="tool_calls")


def _filler(work: Work, answer: str) -> Filler:
    known = orjson.loads(answer) if work.checker == "json" else {}
    return Filler(answer, reason=work.steps.format(answer=answer), known=known)


def _shaped(ask: Ask, work: Work, answer: str) -> str:
    return orjson.dumps(_filler(work, answer).fill(ask.schema or {})).decode()
