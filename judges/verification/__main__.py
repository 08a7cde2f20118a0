"""The verification as a command: ``python -m judges.verification DIR``."""

import sys
from pathlib import Path

from judges.verification import Report, UnreadableData, schemes, verify

_USAGE = """usage: verify_judges [--schemes] DIR
DIR is a folder with EXPECTED.json and the recorded texts, see its README.
--schemes prints accuracy against number of judge calls as a table, and nothing else."""


def main(arguments: list[str]) -> int:
    """Print every count; 0 if all are right, 3 if one differs or is missing, 1 for unreadable data, 2 for bad usage."""
    paths = [one for one in arguments if one != "--schemes"]
    if len(paths) != 1 or len(arguments) > 2 or paths[0].startswith("-"):
        sys.stderr.write(f"{_USAGE}\n")
        return 0 if arguments in (["-h"], ["--help"]) else 2
    try:
        if len(arguments) > 1:
            sys.stdout.write(schemes(Path(paths[0])))
            return 0
        report = verify(Path(paths[0]))
    except UnreadableData as error:
        sys.stderr.write(f"verify_judges: {error}\n")
        return 1
    sys.stdout.write(table(report))
    return 3 if report.wrong else 0


def table(report: Report) -> str:
    """A line per count, and a last one with the sum of it."""
    lines = []
    for row in report.rows:
        mark = "ok   " if row.right else "info " if row.informative else "WRONG"
        found = f"{row.found}" if row.right or row.expected is None else f"{row.found}, expected {row.expected}"
        lines.append(f"{mark}  {row.part}  {row.name}: {found}")
    wrong = len(report.wrong)
    verdict = "every count is as expected" if not wrong else f"{wrong} counts are not as expected"
    lines.append(f"verify_judges: {len(report.rows)} counts read again from the texts; {verdict}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
