"""Runs one Python program in a jail and reports what became of it; a script that ``_sandbox`` starts.

It imports the standard library alone, reads one JSON order from standard input and writes one JSON report to standard
output. The warden (this process) enters new namespaces, forks the prisoner, caps what it writes and how long it takes,
and collects it. The prisoner builds an empty file system, gives up every right, and then becomes the program:

- own namespaces for users (where root did not start it), mounts, processes, network (without a device), IPC, names;
- files: system libraries and Python's standard library read-only, four harmless devices, and one small scratch folder;
- a system call outside a short list fails, so no socket, no process, no exec, no mount; threads are allowed;
- limits on CPU time, address space, file size, open files, threads.
"""

import ctypes
import json
import os
import platform
import resource
import selectors
import signal
import struct
import sys
import time
import types
from collections.abc import Mapping
from typing import Any, NoReturn

# name, number on x86_64, number on aarch64; from the kernel's unistd.h. What is not here fails with EPERM.
_CALLS = """
read 0 63, write 1 64, open 2 -, close 3 57, stat 4 -, fstat 5 80, lstat 6 -, poll 7 -, lseek 8 62, mmap 9 222,
mprotect 10 226, munmap 11 215, brk 12 214, rt_sigaction 13 134, rt_sigprocmask 14 135, rt_sigreturn 15 139,
ioctl 16 29, pread64 17 67, pwrite64 18 68, readv 19 65, writev 20 66, access 21 -, pipe 22 -, select 23 -,
sched_yield 24 124, mremap 25 216, madvise 28 233, dup 32 23, dup2 33 -, nanosleep 35 101, getitimer 36 102,
alarm 37 -, setitimer 38 103, getpid 39 172, exit 60 93, wait4 61 260, kill 62 129, uname 63 160,
fcntl 72 25, flock 73 32, fsync 74 82, ftruncate 77 46, getcwd 79 17, chdir 80 49, rename 82 -, mkdir 83 -,
rmdir 84 -, unlink 87 -, readlink 89 -, umask 95 166, gettimeofday 96 169, getrlimit 97 163, getrusage 98 165,
sysinfo 99 179, times 100 153, getuid 102 174, getgid 104 176, geteuid 107 175, getegid 108 177,
getppid 110 173, getpgrp 111 -, getgroups 115 158, getresuid 118 148, getresgid 120 150, sigaltstack 131 132,
arch_prctl 158 -, gettid 186 178, time 201 -, futex 202 98, sched_getaffinity 204 123, getdents64 217 61,
set_tid_address 218 96, restart_syscall 219 128, clock_gettime 228 113, clock_getres 229 114,
clock_nanosleep 230 115, exit_group 231 94, epoll_wait 232 -, epoll_ctl 233 21, tgkill 234 131, openat 257 56,
mkdirat 258 34, newfstatat 262 79, unlinkat 263 35, renameat 264 38, readlinkat 267 78, faccessat 269 48,
pselect6 270 72, ppoll 271 73, set_robust_list 273 99, utimensat 280 88, epoll_pwait 281 22, eventfd2 290 19,
epoll_create1 291 20, dup3 292 24, pipe2 293 59, prlimit64 302 261, renameat2 316 276, getrandom 318 278,
membarrier 324 283, statx 332 291, rseq 334 293, faccessat2 439 439
"""
_MACHINES = {"x86_64": (1, 0xC000003E, 56), "aarch64": (2, 0xC00000B7, 220)}  # column above, audit name, clone
_CLONE3, _MOUNT_SETATTR = 435, 442
_CLONE_THREAD = 0x00010000
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_NEW_REST = 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # cgroup, names, IPC, processes, network
_READ_ONLY, _NOSUID, _NODEV = 1, 2, 4
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
_DEVICES = ("null", "zero", "random", "urandom")
_LONE_UID = 0x70000000  # above every range that a system hands out; the warden's number on top makes it nobody else's
_TAIL = 4000  # bytes of standard error that are kept
_PRELUDE = (
    "".join(
        f"from {module} import *\n"
        for module in (
            "typing",
            "collections",
            "itertools",
            "functools",
            "heapq",
            "bisect",
            "math",
            "string",
            "builtins",
        )
    )
    + "import collections, itertools, functools, heapq, bisect, math, string, re, random, operator, datetime, copy\n"
)

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Read the order, run the prisoner, report."""
    order = json.loads(_everything(0))
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # die with the service
    os.nice(10)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    lone_uid = _enter_namespaces()
    ready, said, told = os.pipe(), os.pipe(), os.pipe()
    prisoner = os.fork()
    if prisoner == 0:
        _imprison(order, lone_uid, ready[1], said[1], told[1])
        return _become(order)  # whatever it raises ends this process as it would end a program
    for pipe in (ready, said, told):
        os.close(pipe[1])

    def stop(*_: object) -> NoReturn:
        os.kill(prisoner, signal.SIGKILL)
        os.waitpid(prisoner, 0)
        os._exit(1)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    report = _watch(prisoner, order, ready[0], said[0], told[0])
    json.dump(report, sys.stdout)


def _watch(prisoner: int, order: Mapping[str, Any], ready: int, said: int, told: int) -> dict[str, object]:
    """Collect what the prisoner writes until it ends, or end it."""
    out, err, how = bytearray(), bytearray(), "ended"
    until = time.monotonic() + order["wall_s"]
    ended = os.pidfd_open(prisoner)
    with selectors.DefaultSelector() as selector:
        for source in (ended, said, told):
            os.set_blocking(source, False)
            selector.register(source, selectors.EVENT_READ)
        while how == "ended":
            events = {key.fd for key, _ in selector.select(max(0.0, until - time.monotonic()))}
            for source, kept in ((said, out), (told, err)):
                if source in events and not _take(source, kept):
                    selector.unregister(source)
            del err[:-_TAIL]
            if len(out) > order["output_bytes"]:
                how = "output"
            elif events == {ended}:  # and nothing is left to read
                break
            elif time.monotonic() >= until:
                how = "wall"
    os.kill(prisoner, signal.SIGKILL)  # nothing, where it has ended
    _, status, used = os.wait4(prisoner, 0)
    cpu_s = used.ru_utime + used.ru_stime
    code = os.waitstatus_to_exitcode(status)
    # The kernel counts by its ticks when it ends a program, and more exactly here: when busy they are far apart.
    if how == "ended" and code in (-signal.SIGKILL, -signal.SIGXCPU) and cpu_s >= order["cpu_s"] * 0.5:
        how = "cpu"
    setup = _everything(ready).decode(errors="replace")
    if setup != "ready":
        how, err = "refused", bytearray(setup.encode())
    return {
        "how": how,
        "code": code,
        "out": out[: order["output_bytes"]].decode(errors="replace"),
        "err": err.decode(errors="replace"),
        "cpu_s": cpu_s,
    }


def _take(source: int, kept: bytearray) -> bool:
    """Read what is there; False at the end."""
    data = os.read(source, 65536)
    kept += data
    return bool(data)


def _everything(source: int) -> bytes:
    parts = []
    while part := os.read(source, 65536):
        parts.append(part)
    return b"".join(parts)


def _enter_namespaces() -> int | None:
    """New namespaces for what comes; the id to run under where root entered them, None where a user did."""
    if os.geteuid() == 0 and _libc.unshare(_NEW_REST) == 0:
        return _LONE_UID + os.getpid()
    uid, gid = os.geteuid(), os.getegid()
    _try("unshare", _libc.unshare(_NEW_USERS | _NEW_REST))
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return None


def _imprison(order: Mapping[str, Any], lone_uid: int | None, ready: int, said: int, told: int) -> None:
    """Everything between the fork and the program; a failure is told to the warden and ends the process."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        _try("unshare", _libc.unshare(_NEW_MOUNTS))
        _build_root(order)
        _try("sethostname", _libc.sethostname(b"jail", 4))
        given = os.memfd_create("stdin")
        os.write(given, order["stdin"].encode(errors="surrogatepass")) if order["stdin"] else None
        os.lseek(given, 0, os.SEEK_SET)
        for source, target in ((given, 0), (said, 1), (told, 2)):
            os.dup2(source, target)
        os.dup2(ready, 3)
        os.closerange(4, 65536)
        _limit(order)
        _give_up_rights(lone_uid)
        _filter_calls()
        os.write(3, b"ready")
        os.close(3)
    except (OSError, KeyError, ValueError) as error:
        os.write(ready, f"{type(error).__name__}: {error}".encode())
        os._exit(125)


def _build_root(order: Mapping[str, Any]) -> None:
    """A root of its own: a small tmpfs with what Python needs bound into it read-only, and ``/scratch``."""
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID, "size=1m,nr_inodes=4k,mode=755")  # noqa: S108  any folder would do
    os.chdir("/tmp")  # noqa: S108
    os.mkdir("old")
    _try("pivot_root", _libc.pivot_root(b".", b"old"))
    os.chdir("/")
    for path in order["readable"]:
        os.makedirs(path, exist_ok=True)
        _bind(f"/old{path}", path, _READ_ONLY | _NOSUID | _NODEV)
    for path in order["hidden"]:
        _mount("tmpfs", path, "tmpfs", _READ_ONLY | _NOSUID | _NODEV, "size=4k")
    for path, target in order["links"].items():
        os.symlink(target, path)
    os.mkdir("/dev")
    for name in _DEVICES:
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_WRONLY))
        _bind(f"/old/dev/{name}", f"/dev/{name}", _NOSUID)
    os.mkdir("/scratch")
    _mount("tmpfs", "/scratch", "tmpfs", _NOSUID | _NODEV, f"size={order['scratch_bytes']},nr_inodes=1k,mode=777")
    _try("umount", _libc.umount2(b"/old", 2))
    os.rmdir("/old")
    _set_attributes("/", _READ_ONLY, recursive=False)
    os.chdir("/scratch")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    args = (source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), data.encode())
    _try(f"mount {target}", _libc.mount(*args))


def _bind(source: str, target: str, attributes: int) -> None:
    _mount(source, target, None, _BIND | _REC)
    _set_attributes(target, attributes, recursive=True)


def _set_attributes(target: str, attributes: int, *, recursive: bool) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("QQQQ", attributes, 0, 0, 0))
    done = _libc.syscall(_MOUNT_SETATTR, -100, target.encode(), 0x8000 if recursive else 0, wanted, ctypes.c_size_t(32))
    _try(f"mount_setattr {target}", done)


def _limit(order: Mapping[str, Any]) -> None:
    for what, most in (
        (resource.RLIMIT_CPU, order["cpu_s"]),
        (resource.RLIMIT_AS, order["memory_bytes"]),
        (resource.RLIMIT_FSIZE, order["scratch_bytes"]),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_NPROC, order["threads"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _give_up_rights(lone_uid: int | None) -> None:
    if lone_uid is not None:
        os.setgroups([])
        os.setresgid(lone_uid, lone_uid, lone_uid)
        os.setresuid(lone_uid, lone_uid, lone_uid)
    header = struct.pack("Ii", 0x20080522, 0)
    _try("capset", _libc.capset(ctypes.create_string_buffer(header), ctypes.create_string_buffer(24)))
    _try("no_new_privs", _libc.prctl(38, 1, 0, 0, 0))
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # die with the warden; forgotten at each change of user, so set here


def _filter_calls() -> None:
    """Install the list of system calls: seccomp, as a program for the kernel's packet filter."""
    column, audit, clone = _MACHINES[platform.machine()]
    allowed = [int(row.split()[column]) for row in _CALLS.split(",") if row.split()[column] != "-"]
    allow, deny, unknown, kill = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000  # EPERM, ENOSYS
    load, equal, any_bit, answer = 0x20, 0x15, 0x45, 0x06
    # An unknown architecture would read the numbers differently.
    program = [(load, 0, 0, 4), (equal, 1, 0, audit), (answer, 0, 0, kill), (load, 0, 0, 0)]
    # clone3 hides its flags from a filter; told that it does not exist, the C library falls back to clone.
    program += [(equal, 0, 1, _CLONE3), (answer, 0, 0, unknown)]
    program += [(equal, 0, 4, clone), (load, 0, 0, 16), (any_bit, 0, 1, _CLONE_THREAD), (answer, 0, 0, allow)]
    program += [(answer, 0, 0, deny)]
    program += [(equal, len(allowed) - place, 0, number) for place, number in enumerate(allowed)]
    program += [(answer, 0, 0, deny), (answer, 0, 0, allow)]
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(steps)))
    _try("seccomp", _libc.prctl(22, 2, head, 0, 0))


def _try(what: str, result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def _become(order: Mapping[str, Any]) -> None:
    """Run the program in this process: as a script, or as a module of which expressions are then evaluated."""
    name = "solution" if order["expressions"] else "__main__"
    module = types.ModuleType(name)
    sys.modules[name] = module
    sys.argv = ["solution.py"]
    os.environ.clear()
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115  lives as long as we do
    answers = None
    if order["expressions"]:
        answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # what it prints is not its answer
        exec(_PRELUDE, module.__dict__)  # nosec B102 # noqa: S102  what the sites that set such tasks import
    exec(compile(order["code"], "solution.py", "exec"), module.__dict__)  # nosec B102 # noqa: S102  it is what this jail is for
    for expression in order["expressions"]:
        value = eval(compile(expression, "example", "eval"), module.__dict__)  # nosec B307 # noqa: S307
        print(json.dumps(_plain(value)), file=answers, flush=True)


def _plain(value: Any) -> Any:
    """A value as JSON: tuples are lists, sets and tables are tagged, and what is none of these is its own text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {"table": [[_plain(key), _plain(item)] for key, item in value.items()]}
    if isinstance(value, set | frozenset):
        return {"set": [_plain(item) for item in value]}
    if hasattr(type(value), "__iter__") and hasattr(type(value), "__len__"):
        return [_plain(item) for item in value]
    return {"other": repr(value)}


if __name__ == "__main__":
    main()
