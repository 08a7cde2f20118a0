import json
from pathlib import Path

import pytest

from ensemble.config import load, read
from ensemble.config.folders import canaried, moved, readers, without_canary
from ensemble.router import ROUTERS, Router
from ensemble.routers.split import Split
from judges.errors import InvalidOptions
from judges.learning.folder import FORMAT


def a_router(folder: Path, **options: object) -> Router:
    return ROUTERS.build({"use": "learned", "path": str(folder), **options})


def a_manifest(folder: Path, **manifest: object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"format": FORMAT, **manifest}))


def a_canary(folder: Path, **manifest: object) -> None:
    a_manifest(folder.with_name(f"{folder.name}.canary"), **manifest)


def test_folders_are_found_beside_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the program is started, parts of parts included; an arm may be called like the option."""
    monkeypatch.chdir("/")
    file = tmp_path / "ensemble.toml"
    file.write_text("""
[providers.p]
use = "openai"
base_url = "http://127.0.0.1:1/v1"
query = { path = "v1" }
[members]
m = { provider = "p", model = "m" }
[judges.house]
use = "learned"
path = "reader"
[routers.r]
use = "split"
weights = { path = 1, other = 1 }
arms = { path = { use = "single", member = "m" }, other = { use = "learned", path = "router" } }
[routers.topics]
use = "semantic"
path = "/elsewhere/topics"
model2vec = "~/vectors"
""")
    settings = load(file)
    assert settings.judges["house"].model_dump()["path"] == tmp_path / "reader"
    arms = settings.routers["r"].model_dump()["arms"]
    assert (arms["other"]["path"], arms["path"]["use"]) == (tmp_path / "router", "single")
    topics = settings.routers["topics"].model_dump()
    assert (topics["path"], topics["model2vec"]) == (Path("/elsewhere/topics"), Path("~/vectors").expanduser())
    assert settings.providers["p"].model_dump()["query"] == {"path": "v1"}


def test_what_was_learned_is_part_of_a_digest_and_where_it_lies_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that is started by another path of its configuration begins no watch anew, and keeps calibrations."""
    file = Path("ensemble.toml")
    text = """
[providers.p]
use = "openai"
base_url = "http://127.0.0.1:1/v1"
[members]
m = { provider = "p", model = "m" }
n = { provider = "p", model = "n" }
[judges.house]
use = "learned"
path = "reader"
[routers.cheap]
use = "learned"
path = "router"
[routers.topics]
use = "semantic"
path = "topics"
model2vec = "vectors"
[routers.steps]
use = "cascade"
path = "reader"
judge = "house"
tiers = [{ members = ["m"] }, { members = ["n"] }]
"""
    folders = {"house": "reader", "cheap": "router", "topics": "topics", "steps": "reader"}

    def digests(where: Path) -> dict[str, str]:
        settings = load(where)
        return {name: part.digest for name, part in {**settings.judges, **settings.routers}.items()}

    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        monkeypatch.chdir(tmp_path / place)
        file.write_text(text)
        for folder in set(folders.values()):
            a_manifest(Path(folder), model=folder)
    first = digests(file)
    assert digests(file.absolute()) == digests(tmp_path / "here" / file) == first
    assert load(file.absolute()).digest == load(file).digest
    for name, folder in folders.items():
        a_manifest(Path(folder), model="another")
        assert digests(file)[name] != first[name]


def test_every_reader_of_a_folder_is_found_and_moved(tmp_path: Path) -> None:
    old, other, new = tmp_path / "old", tmp_path / "other", tmp_path / "new"
    a_manifest(old, model="one")
    a_manifest(new, model="another")
    arms = {"a": a_router(old, retries=1), "b": a_router(other), "c": {"use": "single", "member": "m"}}
    split = ROUTERS.build({"use": "split", "arms": arms, "weights": dict.fromkeys(arms, 1)})
    assert [folder for folder, _ in readers(split)] == [old, other]
    fresh = moved(split, ROUTERS, old, new)
    assert [folder for folder, _ in readers(fresh)] == [new, other]
    assert fresh.model_dump() == {
        **split.model_dump(),
        "arms": {**split.model_dump()["arms"], "a": a_router(new, retries=1).model_dump()},
    }
    assert fresh.digest != split.digest


def test_a_canary_beside_the_folder_gets_its_share_under_the_options_of_the_router(tmp_path: Path) -> None:
    router = a_router(tmp_path / "r", deadline_s=7, fallback=["m"], store_content=False)
    assert canaried(router) is router
    a_canary(tmp_path / "r", canary=0.05)
    found = canaried(router)
    assert isinstance(found, Split)
    assert found.weights == {"served": 0.95, "canary": 0.05}
    assert (found.deadline_s, found.fallback, found.store_content) == (7, ("m",), False)
    assert found.arms["served"] is router
    assert found.arms["canary"].model_dump() == {**router.model_dump(), "path": tmp_path / "r.canary"}
    assert without_canary(found) is router
    assert without_canary(router) is router


@pytest.mark.parametrize("share", [None, 0, 1, 1.0, "5%", True])
def test_a_canary_without_a_share_is_told_with_its_place(tmp_path: Path, share: object) -> None:
    a_canary(tmp_path / "r", **({} if share is None else {"canary": share}))
    with pytest.raises(InvalidOptions, match="must be a share between 0 and 1"):
        canaried(a_router(tmp_path / "r"))
    file = tmp_path / "ensemble.toml"
    file.write_text(f'[routers.cheap]\nuse = "learned"\npath = "{tmp_path / "r"}"\n')
    assert any("[routers.cheap] path: " in one.line and "r.canary" in one.line for one in read(file).problems)


def test_split_by_hand_is_no_canary(tmp_path: Path) -> None:
    arms = {"served": a_router(tmp_path / "a"), "canary": a_router(tmp_path / "b")}
    split = ROUTERS.build({"use": "split", "arms": arms, "weights": {"served": 1, "canary": 1}})
    assert without_canary(split) is split
