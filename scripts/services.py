"""PostgreSQL and Redis for the tests: what answers is left as it is, what is missing is started on 127.0.0.1.

Prints, to be read by a shell's ``eval``, the addresses at which the tests find them; everything else goes to standard
error. Exits with 1 where one of the two could not be had. What is started here belongs to nobody else: a database
cluster and a Redis of their own in a fresh folder, with nothing kept for good, so never measure durability on them.
"""

import asyncio
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

POSTGRES = ("ENSEMBLE_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")
REDIS = ("ENSEMBLE_TEST_REDIS", "redis://127.0.0.1:6379")
"""The variable that names another server, and where the tests look without it."""
FOLDERS = "/var/tmp"  # noqa: S108 - mkdtemp makes the name; the user postgres cannot enter the home of root
PATIENCE_S = 30.0
START_S = 300.0
INSTALL_S = 600.0
"""Most seconds for an answer, for the start of a server, and for its installation; a machine may be slow."""


def address(service: tuple[str, str]) -> str:
    """Where the tests look for one of the two services."""
    name, usual = service
    return os.environ.get(name) or usual


def postgres_fault(url: str) -> str | None:
    """Why the PostgreSQL at ``url`` cannot be used, in a sentence without the password; None if it can. Blocks."""
    import asyncpg

    async def ask() -> None:
        connection = await asyncpg.connect(url, timeout=PATIENCE_S)
        try:
            await connection.execute("SELECT 1", timeout=PATIENCE_S)
        finally:
            await connection.close(timeout=PATIENCE_S)

    try:
        asyncio.run(ask())
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"no PostgreSQL at {place(url)} ({type(error).__name__}: {str(error).splitlines()[0]})"
    return None


def redis_fault(url: str) -> str | None:
    """Why the Redis at ``url`` cannot be used, in a sentence without the password; None if it can. Blocks."""
    import redis

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=PATIENCE_S, socket_timeout=PATIENCE_S) as client:
            client.ping()
    except redis.RedisError as error:
        return f"no Redis at {place(url)} ({type(error).__name__}: {error})"
    return None


def place(url: str) -> str:
    """Host, port and path of ``url``; whoever logs in, and how, is left out."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}"


def free_port(wanted: int) -> int:
    """``wanted`` where nothing listens there, else a port that is free now."""
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", wanted)) == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0 if taken else wanted))
        port: int = probe.getsockname()[1]
        return port


def run(*command: str, user: str | None = None, patience_s: float = START_S) -> None:
    """Run a command of the system to its end; what it prints is shown only if it fails."""
    done = subprocess.run(
        command, user=user, group=user, extra_groups=[] if user else None, cwd="/",
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience_s, check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-1000:]
        raise OSError(f"{command[0]} ended with status {done.returncode}: {said}")


def installed(package: str, find: Callable[[], str | None]) -> str:
    """What ``find`` finds, if need be after the Debian ``package`` was installed."""
    if (found := find()) is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise OSError(f"{package} is not installed; on Debian or Ubuntu, as root: apt-get install {package}")
    sys.stderr.write(f"services: installing {package} from Debian\n")
    run("apt-get", "update", "-qq", patience_s=INSTALL_S)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", package, patience_s=INSTALL_S)
    if (found := find()) is None:
        raise OSError(f"{package} was installed, and its programs are nowhere to be found")
    return found


def postgres_programs() -> str | None:
    """The folder with ``initdb`` and ``pg_ctl`` of the newest release here; Debian puts neither on PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(folders[-1]) if folders else shutil.which("initdb")
    return None if found is None else str(Path(found).resolve().parent)


def start_postgres(folder: Path) -> str:
    """A cluster of our own in ``folder``, which trusts whoever connects from this machine; its address."""
    programs = installed("postgresql", postgres_programs)
    # Its server refuses to run as root, so root hands it to the user that the package made.
    owner = "postgres" if os.geteuid() == 0 else None
    if owner:
        shutil.chown(folder, owner, owner)
    data, me, port = str(folder / "data"), getpass.getuser(), free_port(5432)
    run(f"{programs}/initdb", "-D", data, "-U", me, "--auth=trust", "--encoding=UTF8", "--no-sync", user=owner)
    options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off -c max_connections=200"
    start = ("-l", str(folder / "log"), "-w", "-t", f"{START_S:.0f}", "-o", options, "start")
    run(f"{programs}/pg_ctl", "-D", data, *start, user=owner)
    server = f"postgresql://{me}@127.0.0.1:{port}"
    run("psql", f"{server}/postgres", "-qc", "CREATE DATABASE test")
    if me != "postgres":
        run("psql", f"{server}/postgres", "-qc", "CREATE ROLE postgres SUPERUSER LOGIN")
    sys.stderr.write(f"services: PostgreSQL on port {port} out of {folder}; {programs}/pg_ctl -D {data} stop ends it\n")
    return f"{server}/test"


def start_redis(folder: Path) -> str:
    """A Redis that keeps nothing on disk, with its log in ``folder``; its address."""
    program = installed("redis-server", lambda: shutil.which("redis-server") or shutil.which("valkey-server"))
    url = address(REDIS)
    if redis_fault(url) is None:  # Debian's package has started one
        return url
    port = free_port(6379)
    run(program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "yes",
        "--dir", str(folder), "--pidfile", f"{folder}/pid", "--logfile", f"{folder}/log")  # fmt: skip
    url = f"redis://127.0.0.1:{port}"
    wait(url, redis_fault)
    sys.stderr.write(f"services: Redis on port {port}; kill $(cat {folder}/pid) ends it\n")
    return url


def wait(url: str, fault: Callable[[str], str | None], patience_s: float = START_S) -> None:
    """Return once what was started answers. ``--daemonize`` comes back before anybody listens, as a slow machine shows.

    Raises:
        OSError: it has not answered within ``patience_s``.
    """
    end = time.monotonic() + patience_s
    while (why := fault(url)) is not None:
        if time.monotonic() > end:
            raise OSError(f"it was started and does not answer: {why}")
        time.sleep(0.05)


def main() -> int:
    """Look at both services and start what is missing; one that an environment variable names is only looked at."""
    bad = False
    for service, fault, start in ((POSTGRES, postgres_fault, start_postgres), (REDIS, redis_fault, start_redis)):
        name, url = service[0], address(service)
        why = fault(url)
        if why is not None and name not in os.environ:
            try:
                url = start(Path(tempfile.mkdtemp(prefix="ensemble-", dir=FOLDERS)))
                why = fault(url)
            except (OSError, subprocess.TimeoutExpired) as error:
                why = f"{why}, and none could be started: {error}"
        if why is not None:
            sys.stderr.write(f"services: {why}\n")
            bad = True
        sys.stdout.write(f"export {name}={shlex.quote(url)}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
