import asyncio
import os
import platform
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from ensemble.cli._trust import certificates_later
from tests.certificates import serving
from tests.patience import PATIENCE_S

TRUSTING = """
import asyncio, shutil, ssl, sys
from ensemble.cli import main

url, authority, trusted = sys.argv[1:]
assert main.get_command(None, "serve")
import aiohttp

async def ask():
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        return reply.status

async def told():
    try:
        return await ask()
    except aiohttp.ClientConnectorCertificateError:
        return "not trusted"

shutil.copy(authority, trusted)  # which no context made before this can have read
assert ssl.create_default_context().get_ca_certs()
print(asyncio.run(told()), asyncio.run(told()))
"""

LATER = """
import sys
from ensemble.cli import main

assert main.get_command(None, "serve")
from rapidfuzz.distance import Indel
print({"dateutil.parser._parser", "rapidfuzz.fuzz_py", "rapidfuzz.process_py"} & sys.modules.keys())
import dateutil.parser.isoparser
from dateutil.parser import isoparse
from rapidfuzz import fuzz, process
print(isoparse("2026-11-27").day, fuzz.ratio("a", "a"), process.extractOne("a", ["b", "a"])[0])
"""

HEAPS = """
import ctypes, sys, threading
from ensemble.cli._light import share_one_heap

if sys.argv[1] == "shared":
    share_one_heap()
met = threading.Barrier(5)

def allocate():
    kept = [bytearray(10_000) for _ in range(100)]
    met.wait()
    met.wait()

for _ in range(4):
    threading.Thread(target=allocate).start()
met.wait()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
met.wait()
"""

MEMORY = """
import ctypes, sys
from ensemble.cli import main

if sys.argv[1] == "serve":
    assert main.get_command(None, "serve")
import _sqlite3, sqlite3

sqlite3.connect(":memory:").execute("CREATE TABLE one (a)")
print(ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used() > 0)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other heaps")
@pytest.mark.parametrize(("how", "one"), [("shared", True), ("as it is", False)])
def test_threads_share_one_heap(how: str, one: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert (done.stdout.count("<heap nr=") == 1) is one


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only there SQLite is told")
@pytest.mark.parametrize(("how", "counted"), [("serve", False), ("as it is", True)])
def test_sqlite_counts_no_memory(how: str, counted: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, how], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert done.stdout.strip() == str(counted)


@pytest.mark.parametrize(("authority", "told"), [("ca.pem", "200 200"), ("other/ca.pem", "not trusted not trusted")])
async def test_the_certificates_of_the_system_are_read_for_the_first_connection(
    tmp_path: Path, authority: str, told: str
) -> None:
    (tmp_path / "other").mkdir()
    serving(tmp_path / "other")

    async def said(_request: web.Request) -> web.Response:
        return web.Response()

    runner = web.AppRunner(web.Application())
    runner.app.router.add_get("/", said)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving(tmp_path))
    await site.start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    trusted = tmp_path / "trusted.pem"
    environment = {**os.environ, "SSL_CERT_FILE": str(trusted), "SSL_CERT_DIR": str(tmp_path / "none")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", TRUSTING, url, str(tmp_path / authority), str(trusted)),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    await runner.cleanup()
    assert (process.returncode, printed.decode().strip()) == (0, told)


def test_a_context_of_a_class_of_its_own_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(ssl.SSLContext):
        pass

    serving(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with certificates_later():
        own = Own(ssl.PROTOCOL_TLS_CLIENT)
        own.load_default_certs()
    assert type(own) is Own
    assert len(own.get_ca_certs()) == 1
    assert len(ssl.create_default_context().get_ca_certs()) == 1


def test_what_is_hardly_used_is_loaded_by_who_uses_it() -> None:
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout.splitlines() == ["set()", "27 100.0 a"]
