"""Configuration: what is built of it, and the one line that each mistake gets."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ensemble.config import ServerSettings, load, read
from ensemble.errors import ConfigError

GOOD = """
[providers.local]
use = "openai"
base_url = "http://127.0.0.1:1/v1"

[members.small]
provider = "local"
model = "small-1"

[members.large]
provider = "local"
model = "large-1"

[judges.house]
use = "pairwise"
model = "large"

[routers.best]
use = "parallel"
members = ["small", "large"]
judge = "house"
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "ensemble.toml"
    path.write_text(GOOD)
    return path


def lines(path: Path, text: str) -> list[str]:
    """What is wrong with ``text``, without the folder that it lies in."""
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    return str(caught.value).replace(f"{path.parent}{os.sep}", "").split("\n")


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


MISTAKES = {
    "misspelt table": (
        GOOD + "[judge.other]\nuse = 'empty'",
        "ensemble.toml: [judge] unknown table; did you mean 'judges'?",
    ),
    "misspelt key of a member": (
        changed('model = "small-1"', 'model = "small-1"\nmax_output_token = 5'),
        "ensemble.toml: [members.small] max_output_token: unknown key; did you mean 'max_output_tokens'?",
    ),
    "misspelt key of a price": (
        changed('model = "small-1"', 'model = "small-1"\nprice = { inptu = 5 }'),
        "ensemble.toml: [members.small] price.inptu: unknown key; did you mean 'input'?",
    ),
    "misspelt key of the second price": (
        changed('model = "small-1"', 'model = "small-1"\nprice = [{ input = 5 }, { ouput = 1 }]'),
        "ensemble.toml: [members.small] price.1.ouput: unknown key; did you mean 'output'?",
    ),
    "misspelt key of a provider": (
        changed("base_url", "baseurl"),
        "ensemble.toml: [providers.local] baseurl: unknown key; did you mean 'base_url'?",
    ),
    "misspelt key of a router": (
        changed("judge =", "juge ="),
        "ensemble.toml: [routers.best] juge: unknown key; did you mean 'judge'?",
    ),
    "misspelt key of a nested judge": (
        changed('use = "pairwise"\nmodel = "large"', 'use = "jury"\nseats = [{ use = "pairwise", modle = "large" }]'),
        "ensemble.toml: [judges.house] seats.0.modle: unknown key; did you mean 'model'?",
    ),
    "misspelt key of the server": (
        GOOD + "[server]\nprot = 1",
        "ensemble.toml: [server] prot: unknown key; did you mean 'port'?",
    ),
    "misspelt key of the log": (
        GOOD + "[store]\npaht = 'x.db'",
        "ensemble.toml: [store] paht: unknown key; did you mean 'path'?",
    ),
    "no such plugin": (
        changed('"pairwise"', '"pairwize"'),
        "ensemble.toml: [judges.house] use: there is no judge 'pairwize'; "
        "did you mean 'pairwise' or 'pointwise' or 'listwise'?",
    ),
    "no such nested plugin": (
        changed('use = "pairwise"\nmodel = "large"', 'use = "jury"\nseats = ["emty"]'),
        "ensemble.toml: [judges.house] seats.0: there is no judge 'emty'; did you mean 'empty'?",
    ),
    "unknown provider": (
        changed('provider = "local"', 'provider = "locla"'),
        "ensemble.toml: [members.small] provider: there is no provider 'locla'; did you mean 'local'?",
    ),
    "unknown member": (
        changed('["small", "large"]', '["small", "larg"]'),
        "ensemble.toml: [routers.best] members.1: there is no member 'larg'; did you mean 'large'?",
    ),
    "unknown judge": (
        changed('judge = "house"', 'judge = "hose"'),
        "ensemble.toml: [routers.best] judge: there is no judge 'hose'; did you mean 'house'?",
    ),
    "unknown member in a nested judge": (
        changed('use = "pairwise"\nmodel = "large"', 'use = "jury"\nseats = [{ use = "pairwise", model = "larg" }]'),
        "ensemble.toml: [judges.house] seats.0.model: there is no member 'larg'; did you mean 'large'?",
    ),
    "unknown member with nothing near": (
        changed('model = "large"', 'model = "zzz"'),
        "ensemble.toml: [judges.house] model: there is no member 'zzz'; known are small, large",
    ),
    "missing key": (
        changed('model = "small-1"', ""),
        "ensemble.toml: [members.small] model: field required",
    ),
    "wrong type": (
        changed('model = "small-1"', 'model = "small-1"\nmax_output_tokens = "many"'),
        "ensemble.toml: [members.small] max_output_tokens: "
        "input should be a valid integer, unable to parse string as an integer",
    ),
    "a price with too many decimals": (
        changed('model = "small-1"', 'model = "small-1"\nprice = { input = 0.0000000001 }'),
        "ensemble.toml: [members.small] price.input: a price has at most 9 decimals",
    ),
    "two prices of one day": (
        changed('model = "small-1"', 'model = "small-1"\nprice = [{ input = 1 }, { input = 2 }]'),
        "ensemble.toml: [members.small] price: two rows are valid from the same day, 0001-01-01",
    ),
    "an option that is no JSON": (
        changed('model = "small-1"', 'model = "small-1"\noptions = { top_p = nan }'),
        "ensemble.toml: [members.small] options: cannot be sent as JSON: Out of range float values are not JSON "
        "compliant",
    ),
    "an unset variable": (
        changed("/v1", '/v1"\napi_key_env = "NOT_SET_ANYWHERE'),
        "ensemble.toml: [providers.local] api_key_env: the environment variable NOT_SET_ANYWHERE is not set",
    ),
    "the key in place of its variable": (
        changed("/v1", '/v1"\napi_key_env = "sk-verysecret'),
        "ensemble.toml: [providers.local] api_key_env: "
        "must be the name of an environment variable that is set, and not the key itself",
    ),
    "an unset variable of a header": (
        changed("/v1", '/v1"\nheaders_env = { X-Team = "NOT_SET_ANYWHERE" }\nproxy = "http://127.0.0.1:1'),
        "ensemble.toml: [providers.local] headers_env.X-Team: the environment variable NOT_SET_ANYWHERE is not set",
    ),
    "a missing key file": (
        changed("/v1", '/v1"\napi_key_file = "key'),
        "ensemble.toml: [providers.local] api_key_file: key cannot be read: No such file or directory",
    ),
    "an empty panel": (
        changed('["small", "large"]', "[]"),
        "ensemble.toml: [routers.best] members: there should be at least 1 item, not 0",
    ),
    "a member twice": (
        changed('["small", "large"]', '["small", "small"]'),
        "ensemble.toml: [routers.best] members: a member is named twice; use samples for several answers of one member",
    ),
    "samples of who is not in the panel": (
        changed('["small", "large"]', '["small"]\nsamples = { large = 2 }'),
        "ensemble.toml: [routers.best] samples: large is not among members",
    ),
    "a router with the name of a member": (
        changed("[routers.best]", "[routers.small]"),
        "ensemble.toml: [routers.small] a member has this name too, and a client names either as its model",
    ),
    "a name that no header can carry": (
        changed("[routers.best]", '[routers."so good"]'),
        'ensemble.toml: [routers."so good"] a name begins with a letter or digit and goes on with those and ._:/@+-',
    ),
    "a part that is no table": (
        changed("[judges.house]", "[judges]\nhose = 3\n[judges.house]"),
        "ensemble.toml: [judges] hose: must be a table, as [judges.hose]",
    ),
    "a kind that is no table": (
        changed("[judges.house]", "[judges_gone]").replace("[providers", "judges = 1\n[providers", 1),
        "ensemble.toml: [judges_gone] unknown table; did you mean 'judges'?",
    ),
    "no member": (
        "[store]\npath = 'x.db'",
        "ensemble.toml: [members] there is no member; add a [members.NAME] table",
    ),
    "open to the world without a key": (
        GOOD + '[server]\nhost = "0.0.0.0"',
        "ensemble.toml: [server] host: 0.0.0.0 can be reached from outside; "
        "name a key with api_key_env as well, or set keys = true",
    ),
    "broken syntax": (
        "[members.small\n",
        "ensemble.toml: is not TOML: Expected ']' at the end of a table declaration (at line 1, column 15)",
    ),
    "a table twice": (
        GOOD + "[routers.best]\nuse = 'single'",
        "ensemble.toml: is not TOML: Cannot declare ('routers', 'best') twice (at line 22, column 14)",
    ),
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.values(), ids=MISTAKES)
def test_every_mistake_is_one_line_that_names_place_and_mend(written: Path, text: str, line: str) -> None:
    assert line in lines(written, text)


def test_one_cause_is_one_line(written: Path) -> None:
    """A broken member must not also be reported as unknown to the judges and routers that name it."""
    assert len(lines(written, changed('model = "small-1"', 'modle = "small-1"\nmodel = "small-1"'))) == 1


def test_everything_that_is_wrong_is_told_at_once(written: Path) -> None:
    text = changed('judge = "house"', 'judge = "hose"').replace("base_url", "baseurl").replace("small-1", "")
    assert [line.split("]")[0] for line in lines(written, text)] == [
        "ensemble.toml: [providers.local",
        "ensemble.toml: [members.small",
        "ensemble.toml: [routers.best",
    ]


def test_the_key_itself_is_never_shown(written: Path) -> None:
    for secret in ("sk-verysecret", "gsk_verysecret", "AIzaverysecret"):
        told = lines(written, changed("/v1", f'/v1"\napi_key_env = "{secret}'))
        told += lines(written, changed("/v1", f'/v1"\napi_key = "{secret}'))
        assert secret not in " ".join(told)


def test_control_characters_of_a_file_do_not_reach_the_terminal(written: Path) -> None:
    told = lines(written, changed('provider = "local"', 'provider = "\\u001b[31m\\nred"'))
    assert len(told) == 1
    assert told[0].isprintable()


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no such file; `ensemble init` writes one"):
        load(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_refused(written: Path) -> None:
    written.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not UTF-8 text"):
        load(written)


def test_a_good_file_is_built(written: Path) -> None:
    settings = load(written)
    assert settings.members["small"].model == "small-1"
    assert [reference for _, reference in settings.routers["best"].references()] == ["small", "large", "house"]
    assert settings.store.path == written.parent / "ensemble.db"
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8000)


def test_the_environment_goes_before_the_file(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written.write_text(GOOD + "[server]\nport = 1111\ndrain_s = 3\n[store]\npath = 'file.db'")
    monkeypatch.setenv("ENSEMBLE_SERVER__PORT", "2222")
    monkeypatch.setenv("ENSEMBLE_STORE__PATH", "other.db")
    settings = load(written)
    assert (settings.server.port, settings.server.drain_s) == (2222, 3.0)
    assert settings.store.path == written.parent / "other.db"


def test_a_mistake_in_the_environment_names_the_variable(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBLE_SERVER__PORT", "many")
    assert lines(written, GOOD) == [
        "environment variable ENSEMBLE_SERVER__PORT: "
        "input should be a valid integer, unable to parse string as an integer"
    ]


def test_a_misspelt_variable_is_refused(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBLE_SERVER__PROT", "1")
    assert lines(written, GOOD) == ["environment variable ENSEMBLE_SERVER__PROT: unknown key; did you mean 'port'?"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    assert ServerSettings(host=host).api_key() is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", ""])  # noqa: S104 - nothing is bound
def test_another_address_needs_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="can be reached from outside"):
        ServerSettings(host=host)
    server = ServerSettings(host=host, api_key_env="SERVER_KEY_FOR_TEST")
    with pytest.raises(ConfigError, match="SERVER_KEY_FOR_TEST is not set"):
        server.api_key()
    monkeypatch.setenv("SERVER_KEY_FOR_TEST", "open sesame")
    key = server.api_key()
    assert key is not None
    assert key.get_secret_value() == "open sesame"
    assert "sesame" not in repr(key)


def test_files_are_found_beside_the_configuration(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the program is started: a key file, a plugin, and a plugin inside a jury."""
    monkeypatch.chdir("/")
    (written.parent / "key").write_text("secret\n")
    (written.parent / "brief_of_test.py").write_text(
        "from judges import JUDGES, Judge, Verdict\n"
        "@JUDGES.register('brief-of-test')\n"
        "class Brief(Judge):\n"
        "    floor: int = 5\n"
        "    async def judge(self, case, models):\n"
        "        return Verdict(judge=self.digest, outcome='abstained')\n"
    )
    jury = 'use = "jury"\nseats = ["./brief_of_test.py", { use = "brief_of_test.py", floor = 7 }]'
    written.write_text(
        changed('use = "pairwise"\nmodel = "large"', jury).replace("/v1", '/v1"\napi_key_file = "key', 1)
    )
    settings = load(written)
    seats = settings.judges["house"].model_dump()["seats"]
    assert [(seat["use"], seat["floor"]) for seat in seats] == [("brief-of-test", 5), ("brief-of-test", 7)]
    assert settings.providers["local"].model_dump()["api_key_file"] == written.parent / "key"
    assert "secret" not in repr(settings).replace("secret_env", "").replace("secret_file", "")


def test_a_broken_plugin_says_why(written: Path) -> None:
    (written.parent / "broken_of_test.py").write_text("import no_such_module_anywhere\n")
    told = lines(written, changed('"pairwise"\nmodel = "large"', '"./broken_of_test.py"'))
    assert told == [
        "ensemble.toml: [judges.house] use: broken_of_test.py cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    ]


def test_accept_score_needs_a_judge_that_scores(written: Path) -> None:
    (written.parent / "tiers_of_test.py").write_text(
        "from pydantic import BaseModel\n"
        "from ensemble.router import ROUTERS, JudgeName, Router\n"
        "class Tier(BaseModel):\n"
        "    judge: JudgeName | None = None\n"
        "    accept_score: float = 0.0\n"
        "@ROUTERS.register('tiers-of-test')\n"
        "class Tiers(Router):\n"
        "    tiers: tuple[Tier, ...]\n"
        "    async def plan(self, request, context): ...\n"
    )
    tiers = '"./tiers_of_test.py"\ntiers = [{ accept_score = 0.5 }, { judge = "house", accept_score = 0.7 }, {}]'
    assert lines(written, changed('"parallel"\nmembers = ["small", "large"]\njudge = "house"', tiers)) == [
        "ensemble.toml: [routers.best] tiers.0.accept_score: 0.5 needs a judge that gives scores, and none is named",
        "ensemble.toml: [routers.best] tiers.1.accept_score: 0.7 needs scores, and judge 'house' (pairwise) gives none",
    ]


def test_a_learned_threshold_needs_a_judge_that_scores(written: Path) -> None:
    tiers = 'tiers = [{ members = ["small"] }, { members = ["large"] }]'
    frugal = f'"cascade"\npath = "reader"\njudge = "house"\n{tiers}'
    told = "a learned threshold needs scores, and judge 'house' (pairwise) gives none"
    assert lines(written, changed('"parallel"\nmembers = ["small", "large"]\njudge = "house"', frugal)) == [
        f"ensemble.toml: [routers.best] tiers.0.accept_score: {told}"
    ]
    inner = frugal.replace("\n", ", ")
    split = f'"split"\nweights = {{ one = 1 }}\narms = {{ one = {{ use = {inner} }} }}'
    assert lines(written, changed('"parallel"\nmembers = ["small", "large"]\njudge = "house"', split)) == [
        f"ensemble.toml: [routers.best] arms.one.tiers.0.accept_score: {told}"
    ]


def test_the_digest_follows_what_decides_answers_and_nothing_else(written: Path) -> None:
    first = load(written).digest
    written.write_text("# a comment\n" + GOOD + "[server]\nport = 1111\n[store]\npath = 'x.db'\n")
    assert load(written).digest == first
    for old, new in [("small-1", "small-2"), ("127.0.0.1:1", "127.0.0.1:2"), ('["small", ', '["large", "small"] #')]:
        written.write_text(changed(old, new))
        assert load(written).digest != first


def test_the_digest_is_the_same_in_every_process(written: Path) -> None:
    """Sets have no order of their own: it changes from process to process."""
    written.write_text(changed('model = "small-1"', 'model = "small-1"\ntags = ["a", "b", "c", "d", "e"]'))
    code = "import sys, pathlib, ensemble.config as c; print(c.load(pathlib.Path(sys.argv[1])).digest)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code, str(written)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_a_draft_knows_the_parts_that_could_not_be_built(written: Path) -> None:
    written.write_text(changed('"pairwise"', '"pairwize"'))
    draft = read(written)
    assert draft.declared["judges"] == {"house": "pairwize"}
    assert draft.settings.judges == {}
    assert [problem.place for problem in draft.problems] == ["judges.house"]
