"""Whether the import names ``judges`` and ``ensemble`` belong to us alone.

PyPI has an unrelated distribution ``judges`` with our import name. Whichever of the two is installed last overwrites
files of the other, and removing one takes the other's away, so both together are never right. Nothing but the standard
library is imported here: with the wrong ``judges`` in place, ``ensemble.errors`` itself could not be.
"""

import base64
import hashlib
import importlib.util
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

DISTRIBUTION = "ensemble-judges"
NAMES = ("ensemble", "judges")


class NameTaken(ImportError):
    """An import name of ours belongs to someone else; the message ends with the command that mends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one of our import names comes from.

    Attributes:
        name: the import name.
        path: file that an import of it runs, None where there is none.
        distributions: installed distributions that say the name is theirs, ours included; empty for a source checkout.
        problem: what is wrong and the command that mends it, None where all is well.
    """

    name: str
    path: Path | None
    distributions: tuple[str, ...]
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Installed:
    """A folder of metadata that an installer left behind. ``files`` maps a recorded path to the rest of its line."""

    name: str
    folder: Path
    files: dict[str, str]

    def owns(self, name: str) -> bool:
        return f"{name}/__init__.py" in self.files or f"{name}.py" in self.files


def check() -> None:
    """Make sure that both names are ours, in a millisecond or two: only distributions of these names are looked at.

    Raises:
        NameTaken: they are not.
    """
    installed = list(_installed(of_any_name=False))
    if any(_problem(name, installed) for name in NAMES):
        # Something is wrong, so there is time to find out who did it.
        raise NameTaken(next(origin.problem for origin in describe() if origin.problem))


def describe() -> list[Origin]:
    """Return where each name comes from, with every installed distribution looked at, whatever its name."""
    installed = list(_installed(of_any_name=True))
    return [
        Origin(
            name=name,
            path=_path(name),
            distributions=tuple(one.name for one in installed if one.owns(name) or one.name == DISTRIBUTION),
            problem=_problem(name, installed),
        )
        for name in NAMES
    ]


def _installed(*, of_any_name: bool) -> Iterator[_Installed]:
    # importlib.metadata would do the same, but importing it costs more than this whole check.
    for entry in dict.fromkeys(sys.path):
        try:
            found = sorted(os.listdir(entry or "."))
        except OSError:
            continue
        for file in found:
            if not file.endswith((".dist-info", ".egg-info")):
                continue
            name = re.sub(r"[-_.]+", "-", file.partition("-")[0].removesuffix(".egg")).lower()
            if of_any_name or name in (DISTRIBUTION, *NAMES):
                folder = Path(entry or ".", file)
                yield _Installed(name=name, folder=folder, files=_files(folder))


def _files(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "RECORD").read_text(encoding="utf-8").splitlines()
        return dict(line.partition(",")[::2] for line in lines)
    except OSError:
        pass
    try:  # older installers name the packages alone
        names = (folder / "top_level.txt").read_text(encoding="utf-8").split()
    except OSError:
        return {}
    return {f"{name}/__init__.py": "" for name in names}


def _path(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin) if spec and spec.origin else None


def _problem(name: str, installed: list[_Installed]) -> str | None:
    ours = next((one for one in installed if one.name == DISTRIBUTION), None)
    strangers = [one for one in installed if one.name != DISTRIBUTION and one.owns(name)]
    expected = Path(__file__).resolve().parent.parent / name / "__init__.py"
    path = _path(name)
    if strangers:
        names = [one.name for one in strangers]
        what = f"the import name {name!r} is also installed by the distribution {' and '.join(names)}"
        return f"{what}, and {DISTRIBUTION} needs it alone: {_mend(ours, names)}"
    if path is None:
        return f"the package {name!r} of {DISTRIBUTION} is missing: {_mend(ours, [])}"
    if path.resolve() != expected:
        return f"{path} hides the package {name!r} of {DISTRIBUTION}: rename or remove it, or start elsewhere"
    if ours and _overwritten(ours, name, path):
        return f"{path} is not the file that {DISTRIBUTION} installed: {_mend(ours, [])}"
    return None


def _overwritten(ours: _Installed, name: str, path: Path) -> bool:
    """Tell whether ``path`` differs from what was recorded; False where nothing is, as in an editable install."""
    kind, _, digest = ours.files.get(f"{name}/__init__.py", "").partition(",")[0].partition("=")
    if kind != "sha256" or ours.folder.resolve().parent != path.resolve().parent.parent:
        return False
    actual = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
    return actual.decode("ascii").rstrip("=") != digest


def _mend(ours: _Installed | None, strangers: list[str]) -> str:
    pip = f"{shlex.quote(sys.executable)} -m pip"
    steps = [f"{pip} uninstall -y {' '.join(strangers)}"] if strangers else []
    if ours:
        steps.append(f"{pip} install --force-reinstall --no-deps {_source(ours)}")
    return " && ".join(steps) or "take a fresh copy of the project"


def _source(ours: _Installed) -> str:
    """Return what pip installed us from, as an argument for it."""
    try:
        direct = json.loads((ours.folder / "direct_url.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return DISTRIBUTION
    url = str(direct["url"])
    if "dir_info" not in direct:
        return shlex.quote(url)
    folder = shlex.quote(unquote(url.removeprefix("file://")))
    return f"-e {folder}" if direct["dir_info"].get("editable") else folder
