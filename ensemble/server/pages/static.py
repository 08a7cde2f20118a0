"""Files that pages load: read once, served under a name with their digest, so that browsers may keep them for ever."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ensemble.server.auth import PAGES

HOME = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEPT = "public, max-age=31536000, immutable"
routes = web.RouteTableDef()


@dataclass(frozen=True, slots=True)
class File:
    """One of them; ``digest`` is the beginning of its SHA-256."""

    body: bytes
    kind: str
    digest: str


STATIC = web.AppKey("static", Mapping[str, File])


def files() -> Mapping[str, File]:
    """All of them by name."""
    found = {path.name: path for path in sorted(HOME.iterdir()) if path.suffix in KINDS}
    return {
        name: File(body := path.read_bytes(), KINDS[path.suffix], hashlib.sha256(body).hexdigest()[:16])
        for name, path in found.items()
    }


def address(static: Mapping[str, File], name: str) -> str:
    """Where ``name`` is loaded from; another one for every content."""
    return f"{PAGES}/static/{name}?v={static[name].digest}"


@routes.get("/static/{name}")
async def send(request: web.Request) -> web.Response:
    """A style sheet, a script or an icon; no key is needed."""
    file = request.app[STATIC].get(request.match_info["name"])
    if file is None:
        raise web.HTTPNotFound(text="there is no such file")
    fresh = request.query.get("v") == file.digest
    return web.Response(
        body=file.body,
        content_type=file.kind,
        charset="utf-8",
        headers={"Cache-Control": KEPT if fresh else "no-cache", "ETag": f'"{file.digest}"'},
    )
