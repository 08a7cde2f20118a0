"""What the doctor advises, and what it finds around a configuration."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ensemble.allowance import Limit
from ensemble.config import load
from ensemble.doctor import advise, examine
from ensemble.keys.issuing import a_key, create, revoke
from ensemble.store import open_store
from tests.services import redis_url

TODAY = datetime(2026, 6, 1, tzinfo=UTC)
CONFIG = """
[providers.local]
use = "openai"
base_url = "http://127.0.0.1:1/v1"

[members.one]
provider = "local"
model = "one-id"
family = "a"
max_output_tokens = 9
price = { input = 1, output = 1 }

[members.two]
provider = "local"
model = "two-id"
family = "b"
max_output_tokens = 9
price = { input = 1, output = 1 }

[members.critic]
provider = "local"
model = "critic-id"
family = "c"
max_output_tokens = 9
price = { input = 1, output = 1 }

[judges.house]
use = "pairwise"
model = "critic"

[routers.best]
use = "parallel"
members = ["one", "two"]
judge = "house"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ensemble.toml"
    path.write_text(CONFIG)
    return path


CASES = {
    "nothing": ("", "", []),
    "no limit": (
        'model = "two-id"\nfamily = "b"\nmax_output_tokens = 9',
        'model = "two-id"\nfamily = "b"',
        ["[members.two] has no max_output_tokens: an answer may become as long and as dear as the provider allows"],
    ),
    "no price": (
        "price = { input = 1, output = 1 }\n\n[members.two]",
        "[members.two]",
        ["[members.one] has no price: what it costs is unknown and missing in every total (0 is free)"],
    ),
    "half a price": (
        "price = { input = 1, output = 1 }\n\n[members.two]",
        "price = { input = 1 }\n\n[members.two]",
        ["[members.one] price has no output: what a call costs is unknown"],
    ),
    "a price of the future": (
        "price = { input = 1, output = 1 }\n\n[members.two]",
        "price = { input = 1, output = 1, valid_from = 2026-06-02 }\n\n[members.two]",
        ["[members.one] has no price before 2026-06-02: until then its cost is unknown"],
    ),
    "a price that will change": (
        "price = { input = 1, output = 1 }\n\n[members.two]",
        "price = [{ input = 1, output = 1 }, { input = 2, output = 2, valid_from = 2026-06-02 }]\n\n[members.two]",
        ["[members.one] changes its price on 2026-06-02"],
    ),
    "judge in the panel": (
        'model = "critic"',
        'model = "one"',
        [
            "[routers.best] judge 'house' asks 'one' about its own answers: let another model judge",
            "[routers.best] judge 'house' and a member of the panel are of one family, 'a': "
            "add a judge of a second family",
        ],
    ),
    "the same model under another name": (
        'model = "critic-id"',
        'model = "one-id"',
        [
            "[routers.best] judge 'house' asks 'critic', the same model as 'one', about its own answers: "
            "let another model judge"
        ],
    ),
    "a confidence that no verdict has": (
        'judge = "house"\n',
        'judge = "house"\ntrust = { min_confidence = 0.8, on_low = "refuse" }\n',
        [
            "[routers.best] trust.min_confidence: without a calibration no verdict of its judge has a confidence, so "
            "every answer is below it; `ensemble judges calibrate` makes one"
        ],
    ),
    "a seat with a calibration": (
        'judge = "house"\n',
        'judge = "house"\ntrust = { min_confidence = 0.8 }\n[judges.spare]\nuse = "longest"\n[judges.jury]\n'
        'use = "jury"\nseats = [{ use = "longest", calibration = "c.json" }, "empty"]\n'
        '[routers.sure]\nuse = "parallel"\nmembers = ["one", "two"]\njudge = "jury"\n'
        "trust = { min_confidence = 0.8 }\n",
        [
            "[routers.best] trust.min_confidence: without a calibration no verdict of its judge has a confidence, so "
            "every answer is below it; `ensemble judges calibrate` makes one"
        ],
    ),
    "one family": (
        'family = "c"',
        'family = "b"',
        [
            "[routers.best] judge 'house' and a member of the panel are of one family, 'b': "
            "add a judge of a second family"
        ],
    ),
    "a jury whose families are all on the panel": (
        'use = "pairwise"\nmodel = "critic"',
        'use = "jury"\nseats = [{ use = "pairwise", model = "other" }, { use = "pairwise", model = "spare" }]\n'
        '[members.other]\nprovider = "local"\nmodel = "other-id"\nfamily = "b"\nmax_output_tokens = 9\n'
        'price = { input = 0, output = 0 }\n[members.spare]\nprovider = "local"\nmodel = "spare-id"\nfamily = "a"\n'
        "max_output_tokens = 9\nprice = { input = 0, output = 0 }",
        [],
    ),
    "a jury of two families": (
        'use = "pairwise"\nmodel = "critic"',
        'use = "jury"\nseats = [{ use = "pairwise", model = "critic" }, { use = "pairwise", model = "spare" }]\n'
        '[members.spare]\nprovider = "local"\nmodel = "spare-id"\nfamily = "a"\nmax_output_tokens = 9\n'
        "price = { input = 0, output = 0 }",
        [],
    ),
}


STRICT = """
[providers.claude]
use = "anthropic"
base_url = "http://127.0.0.1:1"

[providers.older]
use = "anthropic"
base_url = "http://127.0.0.1:1"
api_version = "2023-06-01"
"""


@pytest.mark.parametrize("strict", ["member", "router", "both", "nobody"])
@pytest.mark.parametrize(
    ("provider", "options", "names"),
    [
        ("claude", "{ top_k = 3, temperature = 0.1 }", "top_k, temperature"),
        ("claude", "{}", ""),
        ("older", "{ top_k = 3 }", ""),
        ("local", "{ temperature = 0.1 }", ""),
    ],
)
def test_own_options_that_strict_params_turns_against_the_member(
    path: Path, provider: str, options: str, names: str, strict: str
) -> None:
    member = f'provider = "{provider}"\nmodel = "two-id"\noptions = {options}\n'
    if strict in ("member", "both"):
        member += "strict_params = true\n"
    text = CONFIG.replace('provider = "local"\nmodel = "two-id"\n', member)
    if strict in ("router", "both"):
        text = text.replace('judge = "house"\n', 'judge = "house"\nstrict_params = true\n')
    path.write_text(STRICT + text)
    advice = list(advise(load(path), TODAY))
    if not names or strict == "nobody":
        assert advice == []
        return
    (told,) = advice
    if strict == "router":
        assert told.startswith("[routers.best] strict_params = true, and the options of member 'two' hold ")
    else:
        assert told.startswith("[members.two] strict_params = true, and its own options hold ")
    assert set(names.split(", ")) == set(told.partition(" hold ")[2].partition(", which")[0].split(", "))
    assert "'claude' does not take: every call to it is skipped" in told


@pytest.mark.parametrize(("old", "new", "advice"), CASES.values(), ids=CASES)
def test_advice(path: Path, old: str, new: str, advice: list[str]) -> None:
    assert old in CONFIG
    path.write_text(CONFIG.replace(old, new, 1))
    assert list(advise(load(path), TODAY)) == advice


async def test_keys_that_do_not_go_with_the_configuration_are_told(path: Path) -> None:
    made = CONFIG.replace("max_output_tokens = 9\n", "", 1).replace("price = { input = 1, output = 1 }\n", "", 1)
    path.write_text(made + "[server]\nhost = '0.0.0.0'\nkeys = true\n")  # noqa: ASYNC240 - one small file
    (nobody,) = [line for line in (await examine(path)).advice if "nobody is served" in line]
    assert nobody.startswith("[server] keys = true")
    store = await open_store(path.parent / "ensemble.db")
    await store.change(lambda db: create(db, a_key("free")))
    assert not [line for line in (await examine(path)).advice if "nobody is served" in line or "budget" in line]
    small = a_key("small", limits=(Limit.parse("tokens=9/day"),))
    app = a_key("app", limits=(Limit.parse("usd=1/day"),))
    await store.change(lambda db: (create(db, small), create(db, app)))
    told = [line for line in (await examine(path)).advice if "budget" in line]
    assert told == [
        "[members.one] is asked nothing for keys with a budget (app): its price is not known",
        "[members.one] is asked nothing for keys with a budget (app, small) where a request states no limit: "
        "it has no max_output_tokens",
    ]
    await store.change(lambda db: (revoke(db, "app"), revoke(db, "small"), revoke(db, "free")))
    await store.close()
    assert [line for line in (await examine(path)).advice if "nobody" in line or "budget" in line] == [nobody]


async def test_what_would_stop_the_service_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVER_KEY_FOR_TEST", raising=False)
    with path.open("a") as file:
        file.write("[store]\npath = 'gone/log.db'\n[server]\napi_key_env = 'SERVER_KEY_FOR_TEST'\n")
    report = await examine(path)
    assert not report.sound
    assert report.problems == (
        f"{path}: [server] api_key_env: the environment variable SERVER_KEY_FOR_TEST is not set",
        f"{path}: [store] path: {path.parent / 'gone/log.db'}: there is no folder {path.parent / 'gone'}; make it, "
        "or name a file elsewhere",
    )


async def test_a_log_in_a_folder_that_is_read_only_would_stop_it_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path.parent / "ensemble.db").touch()
    monkeypatch.setattr("os.access", lambda place, mode: place != path.parent)
    (problem,) = (await examine(path)).problems
    told = f"{path}: [store] path: {path.parent / 'ensemble.db'}: its folder is read-only for this user, and even"
    assert problem.startswith(told)


@pytest.mark.parametrize("there", [True, False])
def test_a_redis_that_does_not_answer_is_told_and_stops_nothing(path: Path, there: bool) -> None:
    url = redis_url() if there else "redis://:hush@127.0.0.1:1"
    path.write_text(f'{CONFIG}\n[shared]\nurl = "{url}"\nreplicas = 2\ntimeout_s = 5\n')
    report = asyncio.run(examine(path))
    assert report.sound
    told = [line for line in report.advice if line.startswith("[shared] url: Redis cannot be used")]
    assert len(told) == (0 if there else 1)
    assert "hush" not in str(told)


async def test_a_member_that_cannot_be_reached_is_a_finding(path: Path) -> None:
    report = await examine(path, live=True)
    assert [trial.member for trial in report.trials] == ["one", "two", "critic"]
    assert [(trial.error or "").partition(":")[0] for trial in report.trials] == ["unreachable"] * 3
    assert not report.sound


async def test_a_plugin_that_cannot_be_loaded_is_listed_with_its_reason(path: Path) -> None:
    """It lies in an installed package, and nobody names it: that is no problem yet, but it is told."""
    report = await examine(path)
    assert {one.kind for one in report.available} == {"providers", "judges", "routers", "aggregators"}
    assert all(one.problem is None for one in report.available if one.origin.startswith(("ensemble.", "judges.")))
    assert [origin.name for origin in report.origins] == ["ensemble", "judges"]


def with_calibration(path: Path, content: str | None) -> None:
    path.write_text(CONFIG.replace('model = "critic"\n', 'model = "critic"\ncalibration = "cal.json"\n'))
    if content is not None:
        path.with_name("cal.json").write_text(content)


async def test_a_calibration_that_does_not_fit_its_judge_is_told_and_stops_nothing(path: Path) -> None:
    with_calibration(path, '{"judges": {"another": {"n": 9, "right": 8, "knots": [[0.5, 0.9]]}}}')
    report = await examine(path)
    assert report.problems == ()
    told = [line for line in report.advice if "calibration" in line]
    assert len(told) == 1
    assert told[0].startswith("[judges.house] calibration: ")
    assert "its confidence stays unknown" in told[0]


@pytest.mark.parametrize(("content", "told"), [(None, "cannot read its files"), ("{}", "is not a calibration file")])
async def test_a_calibration_that_cannot_be_read_is_a_problem(path: Path, content: str | None, told: str) -> None:
    with_calibration(path, content)
    report = await examine(path)
    assert [told in line for line in report.problems] == [True]
