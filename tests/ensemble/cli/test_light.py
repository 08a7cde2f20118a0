import platform
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other heaps")
@pytest.mark.parametrize(("how", "one"), [("shared", True), ("as it is", False)])
def test_threads_share_one_heap(how: str, one: bool) -> None:
    done = subprocess.run([sys.executable, "-c", HEAPS, how], capture_output=True, text=True, check=True, timeout=25)
    assert (done.stdout.count("<heap nr=") == 1) is one
