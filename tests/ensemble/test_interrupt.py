"""Ctrl-C from the first moment of a command on, by the console script's own entry point."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

SCRIPTS = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "scripts"
]

# An import hook sends the signal, so it comes at the same moment on every machine; what installers write follows.
PRESSED = """
import os, signal, sys
{before}
class Pressed:
    def find_spec(self, name, path=None, target=None):
        if name == {moment!r}:
            sys.meta_path.remove(self)
            {press}
sys.meta_path.insert(0, Pressed())
sys.argv = ["ensemble", {command}]
from {module} import {function}
sys.exit({function}())
"""
SENT = "os.kill(os.getpid(), signal.SIGINT)"


def pressed(moment: str, command: str, *, before: str = "", press: str = SENT) -> subprocess.CompletedProcess[str]:
    """Run ``ensemble command``, with Ctrl-C at the moment when ``moment`` is imported."""
    module, function = SCRIPTS["ensemble"].split(":")
    code = PRESSED.format(moment=moment, command=command, before=before, press=press, module=module, function=function)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=PATIENCE_S)


@pytest.mark.parametrize("moment", ["ensemble.cli", "click", "ensemble.cli.doctor", "ensemble.doctor", "pydantic"])
def test_ctrl_c_while_a_command_is_loaded_ends_it_quietly(moment: str) -> None:
    told = pressed(moment, "'doctor'")
    assert (told.returncode, told.stdout, told.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("moment", "command"), [("ensemble.cli.doctor", "'doctor'"), ("ensemble.cli._log_stats", "'log', 'stats'")]
)
def test_what_an_import_would_make_of_ctrl_c_is_not_seen(moment: str, command: str) -> None:
    """Python 3.11 makes a ``RuntimeError`` of an exception in ``__set_name__``, which enums have."""
    told = pressed(
        moment,
        command,
        press=f"type('Named', (), {{'x': type('X', (), {{'__set_name__': lambda *names: {SENT}}})()}})",
    )
    assert (told.returncode, told.stderr) == (130, "")


def test_ctrl_c_while_help_is_told_ends_it_likewise() -> None:
    before = f"import ast; parse = ast.parse; ast.parse = lambda text: ({SENT}, parse(text))[1]"
    assert (told := pressed("", "'--help'", before=before)).returncode == 130
    assert told.stderr == ""


def test_a_loaded_command_gets_ctrl_c_as_an_exception() -> None:
    """So that it closes what it opened; ``asyncio`` acts on it only where the handler is Python's own."""
    before = "import atexit; atexit.register(lambda: print(signal.getsignal(signal.SIGINT).__name__))"
    for command in ("'doctor', '--help'", "'log', 'stats', '--help'"):
        assert pressed("", command, before=before).stdout.endswith("default_int_handler\n")


def test_what_was_started_with_ctrl_c_ignored_goes_on() -> None:
    """As a shell without job control has it for what it puts behind itself with ``&``."""
    told = pressed("click", "'--version'", before="signal.signal(signal.SIGINT, signal.SIG_IGN)")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("ensemble, version")
