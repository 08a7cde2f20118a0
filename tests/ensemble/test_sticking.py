"""``stick = "conversation"``: later turns stay with the winner, in any dialect, as long as it answers."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from ensemble.keys.issuing import a_key, create, rotate
from ensemble.simulator import reply, status
from tests.served import PANEL, PARTS, SERVER, Served, a_question, serving

STICKY = PANEL + 'stick = "conversation"\n' + SERVER
LONG = "This is by far the longest of the answers."


def let_win(served: Served, winner: str) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.always(name, reply(LONG if name == winner else "Short."))


async def asked(
    served: Served, conversation: str | None = "c1", key: str = "", **changes: Any
) -> tuple[str, list[str]]:
    """Who won, and which models were asked."""
    before = len(served.simulator.served)
    if conversation:
        changes["metadata"] = {"conversation": conversation}
    code, said, _ = await served.post(a_question(**changes), headers={"Authorization": f"Bearer {key}"} if key else {})
    assert code == 200, said
    await served.service.idle()
    return said["model"], sorted(one.model for one in served.simulator.served[before:])


async def test_the_winner_of_a_conversation_is_kept_across_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path, STICKY) as served:
        let_win(served, "beta")
        assert await asked(served) == ("beta", ["alpha", "beta", "gamma"])
        let_win(served, "gamma")
        assert await asked(served) == ("beta", ["beta"])
        assert (await asked(served, "c2"))[0] == "gamma"
        assert (await asked(served, None))[0] == "gamma"
    async with serving(tmp_path, STICKY) as served:
        let_win(served, "alpha")
        assert await asked(served) == ("beta", ["beta"])


async def test_a_key_in_the_place_of_another_goes_on_with_its_conversations(tmp_path: Path) -> None:
    async with serving(tmp_path, STICKY) as served:
        change = served.service.store.change
        old, stranger = await change(lambda db: [create(db, a_key(name)) for name in ("one", "two")])
        let_win(served, "beta")
        assert (await asked(served, key=old))[0] == "beta"
        await change(lambda db: rotate(db, "one", timedelta()))
        _, new = await change(lambda db: rotate(db, "one", timedelta()))
        let_win(served, "gamma")
        assert await asked(served, key=new) == ("beta", ["beta"])
        assert (await asked(served, key=stranger))[0] == "gamma"


async def test_the_extension_and_the_other_dialect_name_a_conversation_too(tmp_path: Path) -> None:
    async with serving(tmp_path, STICKY) as served:
        let_win(served, "beta")
        await asked(served)
        let_win(served, "gamma")
        assert (await asked(served, None, ensemble={"conversation": "c1"}))[0] == "beta"
        for metadata, winner in (({"user_id": "u", "conversation": "c1"}, "beta"), ({"user_id": "u"}, "gamma")):
            body = {**a_question(), "max_tokens": 50, "metadata": metadata}
            async with served.http.post(f"{served.url}/messages", json=body) as told:
                assert (await told.json())["model"] == winner


async def test_where_the_winner_fails_the_panel_answers_and_the_new_winner_is_kept(tmp_path: Path) -> None:
    async with serving(tmp_path, STICKY) as served:
        let_win(served, "beta")
        await asked(served)
        let_win(served, "gamma")
        served.simulator.script("beta", [status(500), status(500)])
        winner, called = await asked(served)
        assert (winner, called) == ("gamma", ["alpha", "beta", "beta", "gamma"])
        assert await asked(served) == ("gamma", ["gamma"])
        _, said, _ = await served.post(a_question(metadata={"conversation": "c1"}))
        record = await served.record(said["id"])
        assert record["plan"]["reason"].startswith("stays with gamma, else ")


async def test_without_the_option_every_turn_is_the_panels(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + SERVER) as served:
        for winner in ("beta", "gamma"):
            let_win(served, winner)
            assert await asked(served) == (winner, ["alpha", "beta", "gamma"])


async def test_a_winner_that_has_left_the_fleet_is_not_kept(tmp_path: Path) -> None:
    async with serving(tmp_path, STICKY) as served:
        let_win(served, "beta")
        await asked(served)
    async with serving(
        tmp_path, STICKY.replace('"beta"', '"other"'), parts=PARTS.replace("[members.beta]", "[members.other]")
    ) as served:
        let_win(served, "gamma")
        assert (await asked(served))[0] == "gamma"
