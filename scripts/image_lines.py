"""What scripts/deploy/Dockerfile says, for machines without Docker.

``python scripts/image_lines.py /wheels=DIR /opt/ensemble=DIR`` prints the RUN lines of its first stage as a shell runs
them, with its paths put elsewhere: .ci/run installs by them.
"""

import re
import sys
from pathlib import Path

DOCKERFILE = Path(__file__).resolve().parent / "deploy" / "Dockerfile"


def instructions(text: str) -> list[tuple[str, str]]:
    """Name and argument of every instruction, comments left out and continued lines joined."""
    bare = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", bare)
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def stages(text: str) -> list[list[tuple[str, str]]]:
    """The instructions by stage, each of which begins with its FROM."""
    found: list[list[tuple[str, str]]] = []
    for instruction in instructions(text):
        if instruction[0] == "FROM":
            found.append([])
        found[-1].append(instruction)
    return found


def elsewhere(line: str, paths: dict[str, str]) -> str:
    """``line`` with each of ``paths`` replaced where it begins a path."""
    for there, here in paths.items():
        line = re.sub(rf"(?<![\w./]){re.escape(there)}(?=[/\"' ]|$)", here.replace("\\", r"\\"), line)
    return line


def main(words: list[str]) -> None:
    """Print the lines."""
    paths = dict(word.split("=", 1) for word in words)
    for name, rest in stages(DOCKERFILE.read_text(encoding="utf-8"))[0]:
        if name == "ENV":
            sys.stdout.write(f"export {elsewhere(rest, paths)}\n")
        elif name == "RUN":
            sys.stdout.write(f"{elsewhere(rest, paths)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
