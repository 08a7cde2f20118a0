"""Print what pip is to install: ``core``, ``dev`` (every extra and the dev group as well), or ``lock`` (all in names).

Reads the dependency group itself, since the pip that comes with Python 3.11 knows no ``--group``.
"""

import sys
import tomllib
from pathlib import Path


def requirements(level: str) -> list[str]:
    """Return the lines of a requirements file for ``level``, to be read by pip from the project's root."""
    root = Path(__file__).resolve().parent.parent
    data = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    extras: dict[str, list[str]] = data["project"]["optional-dependencies"]
    group: list[str] = data["dependency-groups"]["dev"]
    if level == "core":
        return ["-e ."]
    if level == "dev":
        return [f"-e .[{','.join(extras)}]", *group]
    named = [line for lines in extras.values() for line in lines]
    return [*data["project"]["dependencies"], *named, *group, *data["build-system"]["requires"]]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1])) + "\n")
