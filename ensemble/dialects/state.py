"""Provider state on its way through a client: sealed with the name of the member that made it.

A client keeps thinking signatures and encrypted items without reading them, so the member's name travels in them.
Whatever comes back without our seal was made elsewhere and belongs to no member. The seal binds state to its maker; it
is no signature: what a provider will not have forged, the provider itself has signed.
"""

import base64
import binascii
from collections.abc import Mapping

import orjson

from ensemble.dialects.dialect import dumps
from ensemble.native import THOUGHT, writable
from judges.types import OpaquePart

_SEAL = "ens1."
_SAID_OTHERWISE = frozenset({"text", "image", "document", "search_result", "tool_use", "tool_result"})


def sealed(part: OpaquePart) -> str:
    """``part`` as one text, for a field that clients pass back unread.

    Its keys are sorted, so that a reply that is told anew from the log, which sorts them too, is the same to the byte.
    """
    said = dumps({"member": part.origin, "data": part.data}, sort=True)
    return _SEAL + base64.urlsafe_b64encode(said).decode("ascii")


def opened(text: str) -> OpaquePart | None:
    """The part that ``sealed`` wrote; None for any other text."""
    if not text.startswith(_SEAL):
        return None
    try:
        said = orjson.loads(base64.urlsafe_b64decode(text.removeprefix(_SEAL)))
    except (binascii.Error, ValueError):
        return None
    match said:
        case {"member": str(member), "data": dict(data)} if writable(data) and not _is_content(data):
            return OpaquePart(origin=member, data=data)
        case _:
            return None


def readable(part: OpaquePart) -> str | None:
    """The thoughts in ``part`` as text; None where only their maker can read them."""
    block = part.data.get("block")
    if part.data.get("type") == THOUGHT:
        return str(part.data.get("text") or "")
    if isinstance(block, Mapping) and block.get("type") == "thinking":
        return str(block.get("thinking") or "")
    return None


def _is_content(data: Mapping[str, object]) -> bool:
    """What a judge must see cannot hide in a seal."""
    block = data.get("block")
    return isinstance(block, Mapping) and block.get("type") in _SAID_OTHERWISE
