from pathlib import Path

import pytest

from judges.errors import InvalidOptions
from judges.learning.folder import promote, roll_back


def a_folder(path: Path, says: str) -> Path:
    path.mkdir()
    (path / "manifest.json").write_text(says)
    return path


def what_is(folder: Path) -> dict[str, str]:
    return {path.name: (path / "manifest.json").read_text() for path in sorted(folder.iterdir())}


def test_what_is_promoted_leaves_one_previous_folder(tmp_path: Path) -> None:
    router = a_folder(tmp_path / "router", "first")
    for says in ("second", "third"):
        promote(a_folder(tmp_path / "fresh", says), router)
    assert what_is(tmp_path) == {"router": "third", "router.previous": "second"}


def test_rolling_back_twice_changes_nothing(tmp_path: Path) -> None:
    router = a_folder(tmp_path / "router", "first")
    promote(a_folder(tmp_path / "fresh", "second"), router)
    roll_back(router)
    assert what_is(tmp_path) == {"router": "first", "router.previous": "second"}
    roll_back(router)
    assert what_is(tmp_path) == {"router": "second", "router.previous": "first"}


def test_a_crash_between_the_two_renames_is_rolled_back(tmp_path: Path) -> None:
    router = a_folder(tmp_path / "router", "first")
    promote(a_folder(tmp_path / "fresh", "second"), router)
    (router / "manifest.json").unlink()
    router.rmdir()  # as if the second rename had not been made
    roll_back(router)
    assert what_is(tmp_path) == {"router": "first"}
    with pytest.raises(InvalidOptions, match=r"there is no .*router\.previous"):
        roll_back(router)
