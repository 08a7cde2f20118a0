"""The direct transport against the SDKs: the lowest versions that pyproject.toml allows, and the newest.

Each pair is installed into a folder of its own, out of the way of the project's environment, and the tests that compare
the transports run with it: what arrives, down to the bytes and against the SDKs' own calls, and what comes of every
fault. Needs PyPI, or whatever index pip is set up for. Exits with 1 where a comparison fails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SDKS = ("openai", "anthropic")
FOLDER = "tests/ensemble/providers"
TESTS = tuple(
    f"{FOLDER}/test_{name}.py"
    for name in ("providers_arriving", "providers_faults_alike", "providers_faults", "openai_failures", "direct")
)


def allowed() -> Iterator[Requirement]:
    """What the project demands of each SDK."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for line in project["dependencies"]:
        if (requirement := Requirement(line)).name in SDKS:
            yield requirement


def versions(requirement: Requirement, told: str) -> list[Version]:
    """The versions that are allowed, in order, of those that pip has ``told`` of."""
    line = next(line for line in told.splitlines() if line.startswith("Available versions:"))
    found = map(Version, line.partition(":")[2].replace(",", " ").split())
    return sorted(version for version in found if version in requirement.specifier)


def install(folder: Path, pins: dict[str, Version]) -> None:
    """Install the SDKs of ``pins`` into ``folder``; what they stand on is as in requirements.lock."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    (folder / "constraints").write_text("\n".join(line for line in lines if line.partition("==")[0] not in SDKS))
    wanted = [f"{name}[aiohttp]=={version}" for name, version in pins.items()]
    _pip("install", "--quiet", "--target", str(folder), "--constraint", str(folder / "constraints"), *wanted)


def compare(folder: Path, pins: dict[str, Version], more: list[str]) -> bool:
    """Run the tests with the SDKs in ``folder``."""
    meant = " ".join(f"{name}=={pins[name]}" for name in SDKS)
    print(f"-- {meant}", flush=True)
    environment = {**os.environ, "PYTHONPATH": str(folder), "WIRE_CHECK": meant}
    command = [sys.executable, "-m", "pytest", "-q", "--durations=0", "--durations-min=60", *more, *TESTS]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: scripts/wire_check --only lowest",
    )
    parser.add_argument("--only", choices=("lowest", "newest"), help="one end of the range (default: both)")
    given, more = parser.parse_known_args()
    found = {sdk.name: versions(sdk, _pip("index", "versions", sdk.name)) for sdk in allowed()}
    ends = {"lowest": 0, "newest": -1}
    fine = True
    for end in [given.only] if given.only else list(ends):
        pins = {name: found[name][ends[end]] for name in SDKS}
        with tempfile.TemporaryDirectory() as folder:
            install(Path(folder), pins)
            fine = compare(Path(folder), pins, more) and fine
    print("wire_check: " + ("nothing differs" if fine else "something differs; it stands above"))
    return 0 if fine else 1


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        sys.exit(
            f"wire_check: pip {arguments[0]} failed, and without it nothing can be compared:\n{ran.stderr.strip()}"
        )
    return ran.stdout


if __name__ == "__main__":
    sys.exit(main())
