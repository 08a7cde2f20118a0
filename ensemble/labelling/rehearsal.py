"""How often a judge asks, and how much it shows: it judges made-up candidates, with nobody to answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ensemble.fleet import Fleet
from judges.judge import Judge
from judges.types import Candidate, CandidateId, Case, Completion, Message, Model, Prompt

_MARK = "candidate-text-{}-ends"


@dataclass(frozen=True, slots=True)
class Page:
    """One question of a judge: whom it asks, how many candidates it shows, and its size without them and the prompt.

    ``most_output`` is the limit of tokens that the judge sets itself, None where it sets none.
    """

    member: str
    shown: int
    frame_bytes: int
    most_output: int | None


async def rehearse(judge: Judge, candidates: int, fleet: Fleet) -> list[Page]:
    """The questions that ``judge`` asks about so many candidates, all of which say different things.

    Replies hold no verdict, so no stage ends early and no reply is asked for twice: the most that it asks where every
    reply is whole.
    """
    texts = [_MARK.format(n) for n in range(candidates)]
    case = Case(
        messages=(Message(role="user", content="?"),),
        candidates=tuple(
            Candidate(id=CandidateId(f"c{n}"), completion=Completion(text=text, finish_reason="stop"))
            for n, text in enumerate(texts)
        ),
    )
    deaf = _Deaf(fleet, texts)
    await judge.decide(case, deaf)
    return deaf.pages


class _Deaf(Mapping[str, Model]):
    def __init__(self, fleet: Fleet, texts: list[str]) -> None:
        self._fleet, self._texts = fleet, texts
        self.pages: list[Page] = []

    def __getitem__(self, name: str) -> Model:
        if name not in self._fleet:
            raise KeyError(name)
        return _Nobody(self, name, self._texts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fleet)

    def __len__(self) -> int:
        return len(self._fleet)


class _Nobody:
    """A model that says nothing to the point."""

    context_tokens = None

    def __init__(self, deaf: _Deaf, name: str, texts: list[str]) -> None:
        self._deaf, self._name, self._texts = deaf, name, texts

    async def complete(self, prompt: Prompt) -> Completion:
        page = "\n".join(message.text for message in prompt.messages)
        shown = [text for text in self._texts if text in page]
        frame = len(page.encode()) - sum(map(len, shown))
        self._deaf.pages.append(Page(self._name, len(shown), frame, prompt.max_output_tokens))
        return Completion(text="I cannot say.", finish_reason="stop")
