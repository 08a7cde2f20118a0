"""What of a stored text is searched, whichever engine keeps the index."""

from typing import Literal

from ensemble.store.content import texts_of, unbind
from judges.types import Message, TextPart

Source = Literal["requests", "candidates"]
SOURCES: tuple[Source, ...] = ("requests", "candidates")


def text_of(message: Message) -> str:
    """The text of one turn, parts that are no text left out."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if isinstance(part, TextPart))


def searchable(source: Source, stored: str) -> str:
    """What is searched of a stored text: the turns of a conversation, or the answer as it came."""
    text = unbind(stored) if source == "candidates" else "\n".join(texts_of(stored))
    if not text.isascii():
        text = text.encode(errors="replace").decode()
    return text.replace("\0", " ")
