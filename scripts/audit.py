"""What tools know to be dangerous: bandit over the packages, pip-audit over the locked dependencies.

What bandit leaves out, and why, stands in pyproject.toml; it has to be clean. pip-audit asks PyPI's advisory service:
where that cannot be reached nothing is known of the dependencies, which is said and is no failure. Exits with 1 on a
finding.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120
"""Seconds after which an advisory service counts as out of reach."""


def told(dependencies: Sequence[dict[str, Any]]) -> tuple[list[str], bool]:
    """What pip-audit's report says, line by line, and whether it is bad."""
    known = [one for one in dependencies if "vulns" in one]
    bad = [(one, hole) for one in known for hole in one["vulns"]]
    if not known:
        return [
            "pip-audit: SKIPPED: the advisory service cannot be reached, so nothing is known of dependencies"
        ], False
    lines = [f"{one['name']} {one['version']}: {hole['id']}, mended in {hole['fix_versions']}" for one, hole in bad]
    lines += [f"{one['name']}: not known there: {one['skip_reason']}" for one in dependencies if "vulns" not in one]
    return [*lines, f"pip-audit: {len(known)} of {len(dependencies)} packages looked up, {len(bad)} advisories"], bool(
        bad
    )


def audited() -> tuple[list[str], bool]:
    """As ``told``, of requirements.lock."""
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.lock", "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return told(json.loads(done.stdout)["dependencies"])
    except (subprocess.TimeoutExpired, ValueError):
        return told(())


def main() -> int:
    """Run both; the exit status."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "ensemble", "judges", "-c", "pyproject.toml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    unclean = done.returncode != 0
    # It warns of a mark on each line of a statement but the one that it told of.
    noted = [line for line in done.stderr.splitlines() if "nosec encountered" not in line]
    print(done.stdout, *noted, sep="\n", end="")
    print(f"bandit: {'findings above' if unclean else 'clean'}")
    lines, bad = audited()
    print("\n".join(lines))
    return int(unclean or bad)


if __name__ == "__main__":
    sys.exit(main())
