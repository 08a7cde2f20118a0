"""``scripts/deadline_run``: answers come in time whoever hangs, and a missed one would be seen."""

import pytest
from click.testing import CliRunner

from scripts.deadline_run import Asked, command, written


def test_an_answer_that_is_late_or_missing_is_no_deadline_met() -> None:
    asked = [
        Asked(router="panel", deadline_s=1.0, seconds=0.9),
        Asked(router="panel", deadline_s=1.0, seconds=1.01),
        Asked(router="frugal", deadline_s=1.0, seconds=0.1, error="APIError: no"),
    ]
    assert [one.met for one in asked] == [True, False, False]
    assert "-10 ms" in written(asked)


@pytest.mark.timeout(300)
def test_a_small_run_gets_its_answers() -> None:
    """How late they are says nothing on a machine under load; that none is an error does."""
    ran = CliRunner().invoke(command, ["--requests", "12", "--concurrency", "3"])
    assert ran.exit_code in (0, 1), ran.output
    assert "Error" not in ran.output
    assert "12 deadlines met" in ran.output
