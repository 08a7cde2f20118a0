"""What a router reads of a request: the same text and the same figures in serving and in training."""

from collections.abc import Iterable

from ensemble.types import Request
from judges.learning.model import Sample, sample
from judges.types import Message


def text_of(messages: Iterable[Message]) -> str:
    """A conversation as a router reads it: the texts of its turns, a blank line between them."""
    return "\n\n".join(turn.text for turn in messages if turn.text)


def features_of(request: Request) -> Sample:
    """One request as a model reads it. Blocks for about a millisecond."""
    return sample([text_of(request.prompt.messages)])


def utterance_of(messages: Iterable[Message]) -> str:
    """What was said last by the user, whole; empty where that is no text."""
    return next((turn.text for turn in reversed(tuple(messages)) if turn.role == "user"), "")


def as_said(hashed: str) -> str:
    """The mark of an utterance by its hash, which is no mark of a whole conversation."""
    return f"said:{hashed}"
