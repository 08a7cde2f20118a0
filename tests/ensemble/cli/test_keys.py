"""``ensemble keys``: made, listed, replaced, ended; shown once and nowhere else."""

import json
import re
from pathlib import Path

import pytest

from tests.ensemble.cli.conftest import Run


async def test_a_key_is_shown_once_and_stored_nowhere(config: Path, run: Run) -> None:
    made = await run(
        "keys", "create", "app", "--scope", "use", "--scope", "read", "--limit", "usd=5/day", "--limit",
        "requests=60/minute", "--tenant", "acme", "--data-class", "eu", "--expires", "90d",
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith("ens-")
    assert "shown this once" in made.stderr
    listed = await run("keys", "list")
    assert secret not in listed.output
    assert all(part in listed.output for part in ("app", "read use", "acme", "eu", "0 of requests=60/minute"))
    (one,) = json.loads((await run("keys", "list", "--json")).stdout)
    assert (one["state"], one["limits"], one["used"]) == (
        "valid", ["usd=5.00/day", "requests=60/minute"], {"usd=5.00/day": "0.00", "requests=60/minute": 0},
    )  # fmt: skip
    for file in config.parent.glob("ensemble.db*"):
        assert secret.encode() not in file.read_bytes()
        assert secret.removeprefix("ens-").encode() not in file.read_bytes()


async def test_a_list_fits_a_terminal(config: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    options = [("scope", one) for one in ("use", "read", "review")]
    options += [("limit", one) for one in ("usd=5/day", "requests=60/minute", "tokens=1000000/day")]
    options += [("tenant", "acme"), ("expires", "90d")]
    flags = [part for name, value in options for part in (f"--{name}", value)]
    made = await run("keys", "create", "the application", *flags, "--json")
    id_ = json.loads(made.stdout)["id"]
    assert max(map(len, (await run("keys", "list")).stdout.splitlines())) > 140  # in a pipe a key is one line
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("FORCE_COLOR", "1")
    lines = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in (await run("keys", "list")).stdout.splitlines()]
    assert max(map(len, lines)) <= 100
    assert any(id_ in line for line in lines)


async def test_a_rotated_key_hands_over(config: Path, run: Run) -> None:
    first = json.loads((await run("keys", "create", "app", "--limit", "tokens=9/total", "--json")).stdout)
    second = json.loads((await run("keys", "rotate", "app", "--grace", "1h", "--json")).stdout)
    assert second["key"] != first["key"]
    assert (second["limits"], second["replaces"]) == (first["limits"], first["id"])
    assert [one["state"] for one in json.loads((await run("keys", "list", "--json")).stdout)] == ["valid", "valid"]
    third = json.loads((await run("keys", "rotate", "app", "--json")).stdout)
    assert third["replaces"] == second["id"]
    states = {one["id"]: one["state"] for one in json.loads((await run("keys", "list", "--all", "--json")).stdout)}
    assert states == {first["id"]: "valid", second["id"]: "revoked", third["id"]: "valid"}


async def test_a_revoked_key_is_listed_only_with_all(config: Path, run: Run) -> None:
    await run("keys", "create", "app")
    done = await run("keys", "revoke", "app")
    assert (done.exit_code, "is revoked" in done.output) == (0, True)
    told = (await run("keys", "list")).output
    assert (
        "no key that is in force (--all shows those that have ended); make one with `ensemble keys create NAME`" in told
    )
    assert "revoked" in (await run("keys", "list", "--all")).output
    assert (await run("keys", "create", "app")).exit_code == 0, "its name is free again"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("create", "app", "--limit", "5 dollars"), 2, "is no limit, such as requests=60/minute"),
        (("create", "app", "--scope", "all"), 2, "'use', 'read', 'audit', 'review', 'metrics', 'admin'"),
        (("create", "taken"), 1, "there is a valid key called 'taken'"),
        (("revoke", "app"), 1, "there is no valid key called 'app'; valid: taken"),
        (("rotate", "app"), 1, "there is no valid key called 'app'; valid: taken"),
    ],
)
async def test_what_is_wrong_is_told(config: Path, run: Run, arguments: tuple[str, ...], code: int, told: str) -> None:
    await run("keys", "create", "taken")
    done = await run("keys", *arguments)
    assert (done.exit_code, told in done.output) == (code, True), done.output
