"""A mock upstream that speaks OpenAI's chat completions: nginx with the echo module, or a slower one in Python.

The path says what is answered: ``/DELAY/say/v1`` a candidate, a new one each time; ``/DELAY/N/v1`` a ranking of N
answers; ``/DELAY/stream/v1`` a candidate as a stream; below ``/faults`` a share of the calls goes wrong.
"""

import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.bench._processes import BenchFailed, running

DELAYS_MS = (0, 50)
FANS = (2, 3, 4, 8, 16)
TEXT = "The sky is blue since air scatters short waves more than long ones; that is known as Rayleigh scattering. " * 2
MARK = "@MARK@"
"""Stands in the replies where each has a text of its own."""
_MODULE = "ngx_http_echo_module.so"
_MODULES = ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules", "/etc/nginx/modules")
_START_S = 20.0


def candidate() -> str:
    """The body of a candidate."""
    return _completion(f"{MARK} {TEXT}")


def ranking(count: int) -> str:
    """The body of a ranking of ``count`` answers."""
    return _completion(f"All of them are right; the second one is the clearest. [[{' > '.join(_order(count))}]]")


def stream() -> tuple[str, ...]:
    """The lines of a streamed candidate, 40 pieces of it."""
    words = [MARK, *TEXT.split()[:39]]
    pieces = [f'{{"index":0,"delta":{{"role":"assistant","content":"{w} "}},"finish_reason":null}}' for w in words]
    pieces.append('{"index":0,"delta":{},"finish_reason":"stop"}')
    head = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"mock"'
    lines = [f'data: {{{head},"choices":[{piece}]}}' for piece in pieces]
    usage = '"usage":{"prompt_tokens":60,"completion_tokens":50,"total_tokens":110}'
    return (*lines, f'data: {{{head},"choices":[],{usage}}}', "data: [DONE]")


def _order(count: int) -> list[str]:
    letters = [chr(ord("A") + at) for at in range(count)]
    return [letters[1], letters[0], *letters[2:]]


def _completion(text: str) -> str:
    return (
        '{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"mock","choices":[{"index":0,'
        f'"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}],'
        '"usage":{"prompt_tokens":60,"completion_tokens":50,"total_tokens":110}}'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A mock that runs: ``url`` without a path, and what it is."""

    url: str
    kind: str


@contextmanager
def upstream(folder: Path, on: set[int]) -> Iterator[Upstream]:
    """The best mock that this machine has, on the cores ``on``."""
    port = _free_port()
    nginx, module = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"), _module()
    log = folder / "upstream.log"
    if nginx is not None and module is not None:
        config = folder / "nginx.conf"
        config.write_text(_nginx(folder, module, port), encoding="utf-8")
        command = [nginx, "-p", str(folder), "-e", str(folder / "nginx-error.log"), "-c", str(config)]
        kind = "nginx"
    else:
        command, kind = [sys.executable, "-m", "scripts.bench._mock", str(port)], "Python (slower than nginx)"
    with running(command, on, log):
        _wait(port, log)
        yield Upstream(url=f"http://127.0.0.1:{port}", kind=kind)


def _module() -> Path | None:
    return next((path for folder in _MODULES if (path := Path(folder, _MODULE)).exists()), None)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _wait(port: int, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/0/say/v1/chat/completions", data=b"{}", timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise BenchFailed(f"the mock upstream did not start: {log.read_text(encoding='utf-8', errors='replace')[-500:]}")


def _nginx(folder: Path, module: Path, port: int) -> str:
    places = [place for delay in DELAYS_MS for place in _places(delay)]
    return f"""
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
load_module {module};
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_max_body_size 64m;
  client_body_buffer_size 1m;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  split_clients "$request_id" $fault {{ 3% error; 3% busy; 2% cut; 2% nonsense; * none; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    {"".join(places)}
    location /faults/ {{
      if ($fault = error) {{ return 500 '{{"error":{{"message":"made to fail","type":"server_error"}}}}'; }}
      if ($fault = busy) {{ return 503 '{{"error":{{"message":"made busy","type":"server_error"}}}}'; }}
      if ($fault = cut) {{ return 444; }}
      if ($fault = nonsense) {{ return 200 '<html>made up</html>'; }}
      rewrite ^/faults/(.*)$ /$1 last;
    }}
  }}
}}
"""


def _places(delay: int) -> Iterator[str]:
    sleep = f"echo_sleep {delay / 1000}; " if delay else ""
    begin = f"echo_read_request_body; {sleep}"
    for name, body in (("say", candidate()), *((str(fan), ranking(fan)) for fan in FANS)):
        said = body.replace(MARK, "$request_id")
        yield f"location /{delay}/{name}/ {{ {begin}echo -n '{said}'; }}\n    "
    lines = "".join(f"echo '{line.replace(MARK, '$request_id')}'; echo ''; " for line in stream())
    yield f"location /{delay}/stream/ {{ default_type text/event-stream; {begin}{lines}}}\n    "
