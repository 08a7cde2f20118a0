"""What is refused before a run in batches starts."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.labelling.checks import check
from ensemble.labelling.runner import Options
from judges.judge import JUDGES
from tests.ensemble.doubles import Scripted
from tests.ensemble.engine import panel
from tests.ensemble.labelling.workshop import Workshop, a_workshop


@dataclass
class Bulk(Scripted):
    """A scripted connection that claims to take batches; nothing is sent here."""

    batch_limits = None

    def batch_item(self) -> None: ...
    def submit_batch(self) -> None: ...
    def find_batch(self) -> None: ...
    def batch_state(self) -> None: ...
    def batch_results(self) -> None: ...
    def cancel_batch(self) -> None: ...


def checked(shop: Workshop, router: str, *, bulk: bool = True, cap: int | None = None) -> str:
    for member in shop.pipeline.fleet.values():
        if bulk:
            member.connection = Bulk(["x"])
    try:
        check(shop.pipeline, Options(run="r", router=router, via="batch", max_nano_usd=cap))
    except ConfigError as error:
        return str(error)
    return ""


async def test_a_judge_that_does_not_say_that_it_can_wait_is_refused(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        assert checked(shop, "panel").startswith("judge 'picky' cannot wait for a batch, which may take a day")
        assert checked(shop, "judged") == ""


async def test_a_member_whose_provider_takes_no_batches_is_refused_by_name(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        told = checked(shop, "judged", bulk=False)
        for name in ("small", "large", "critic"):
            assert f"{name}: provider 'local' takes no batches" in told


async def test_under_a_cap_members_need_a_batch_price(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        told = checked(shop, "judged", cap=10)
        assert "small: it has no batch price, so a capped run cannot call it; set batch_input and batch_output" in told
    prices = {"input": 9, "output": 9, "batch_input": 1, "batch_output": 2}
    async with a_workshop(tmp_path, price=prices) as shop:
        assert checked(shop, "judged", cap=10) == ""


@pytest.mark.parametrize(
    ("seats", "can"),
    [
        ([{"use": "longest"}, {"use": "pairwise", "model": "critic"}], True),
        ([{"use": "longest"}, {"use": "tests.plugin"}], False),
    ],
)
async def test_a_jury_can_wait_where_every_seat_can(seats: list[dict[str, str]], can: bool, tmp_path: Path) -> None:
    from tests.ensemble.engine import Picky

    built = [Picky() if seat["use"] == "tests.plugin" else JUDGES.build(seat) for seat in seats]
    jury = JUDGES.build({"use": "jury", "seats": built, "aggregate": "majority"})
    async with a_workshop(
        tmp_path, judges={"jury": jury}, routers={"j": panel("small", "large", judge="jury")}
    ) as shop:
        assert (checked(shop, "j") == "") is can
