"""Images and files from one wire format to another: clients send them in the shape of their own."""

import base64
import binascii
from collections.abc import Mapping

from ensemble.errors import CallFailed
from ensemble.providers._shapes import mapping
from judges.types import FilePart, ImagePart

_OPENAI_SHAPES = frozenset({"file", "input_audio"})
_ANTHROPIC_SHAPES = frozenset({"document", "image", "search_result", "container_upload"})


def image_for_openai(part: ImagePart) -> Mapping[str, object]:
    """A content part of a chat completion."""
    detail = {} if part.detail is None else {"detail": part.detail}
    return {"type": "image_url", "image_url": {"url": part.url, **detail}}


def file_for_openai(part: FilePart) -> Mapping[str, object]:
    """A content part of a chat completion.

    Raises:
        CallFailed: this wire format has no shape for the file; nothing was sent.
    """
    data = part.data
    if data.get("type") in _OPENAI_SHAPES:
        return data
    if data.get("type") == "input_file" and "file_url" not in data:  # OpenAI's own Responses
        return {"type": "file", "file": {key: data[key] for key in ("file_data", "file_id", "filename") if key in data}}
    source = mapping(data.get("source"))
    if source.get("type") == "base64":
        url = f"data:{source.get('media_type')};base64,{source.get('data')}"
        if data.get("type") == "image":
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "file", "file": {"file_data": url, "filename": str(data.get("title") or "document.pdf")}}
    if source.get("type") == "text":
        return {"type": "text", "text": str(source.get("data") or "")}
    raise _no_shape(part)


def file_for_anthropic(part: FilePart) -> Mapping[str, object]:
    """A content block of a message.

    Raises:
        CallFailed: this wire format has no shape for the file; nothing was sent.
    """
    if part.data.get("type") in _ANTHROPIC_SHAPES:
        return part.data
    file = part.data if part.data.get("type") == "input_file" else mapping(part.data.get("file"))
    name, content = str(file.get("filename") or ""), file.get("file_data")
    title = {"title": name} if name else {}
    if isinstance(content, str) and content:
        media, data = _media(content, name)
        if media == "application/pdf":
            return {"type": "document", "source": {"type": "base64", "media_type": media, "data": data}, **title}
        if media.startswith("image/"):
            return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}
        if media.startswith("text/"):
            source = {"type": "text", "media_type": "text/plain", "data": _decoded(data, part)}
            return {"type": "document", "source": source, **title}
    elif isinstance(file.get("file_url"), str):
        return {"type": "document", "source": {"type": "url", "url": file["file_url"]}, **title}
    raise _no_shape(part)


def image_for_anthropic(part: ImagePart) -> Mapping[str, object]:
    """A content block of a message."""
    if not part.url.startswith("data:"):
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    media, data = _media(part.url, "")
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def _media(content: str, name: str) -> tuple[str, str]:
    """Media type and base64 of a ``data:`` address, or of bare base64 whose name tells the type."""
    if content.startswith("data:"):
        head, _, data = content[5:].partition(",")
        return head.partition(";")[0].lower(), data
    return ("application/pdf" if name.lower().endswith(".pdf") or not name else ""), content


def _decoded(data: str, part: FilePart) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        raise _no_shape(part) from None


def _no_shape(part: FilePart) -> CallFailed:
    kind = str(part.data.get("type"))[:50]
    return CallFailed(f"a file of the shape {kind!r} cannot be sent to this provider", failure="skipped", sent=False)
