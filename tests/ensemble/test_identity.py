"""Every case is a folder of packages and metadata as an installer leaves it, looked at by a fresh interpreter."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ensemble import identity
from tests.patience import PATIENCE_S

SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from ensemble import identity
identity.check()
for origin in identity.describe():
    print(origin.name, *origin.distributions)
print(sorted(sys.modules.keys() & {{"importlib.metadata", "judges", "pydantic"}}))
"""


def look(*paths: Path) -> subprocess.CompletedProcess[str]:
    """Run the check where ``paths`` come first and nothing of the test environment can be imported."""
    script = SCRIPT.format(paths=[str(path) for path in paths])
    command = [sys.executable, "-I", "-S", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.strip().splitlines()[-1]


def distribution(site: Path, name: str, files: dict[str, str], **metadata: str) -> None:
    """Install ``files`` into ``site`` as pip would."""
    info = site / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir(parents=True)
    record = ""
    for path, content in files.items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(content)}\n"
    (info / "RECORD").write_text(record, encoding="utf-8")
    for file_name, content in metadata.items():
        (info / file_name.replace("__", ".")).write_text(content, encoding="utf-8")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder into which our wheel was installed."""
    site = tmp_path / "a site"
    source = Path(identity.__file__).read_text(encoding="utf-8")
    files = {"ensemble/__init__.py": "", "ensemble/identity.py": source, "judges/__init__.py": "ours = 1\n"}
    distribution(site, "ensemble-judges", files)
    return site


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone, with no installation of anything."""
    root = tmp_path / "a clone"
    (root / "ensemble").mkdir(parents=True)
    (root / "ensemble" / "__init__.py").touch()
    shutil.copy(identity.__file__, root / "ensemble")
    (root / "judges").mkdir()
    (root / "judges" / "__init__.py").touch()
    return root


def editable(site: Path, checkout: Path) -> None:
    direct = {"url": checkout.as_uri(), "dir_info": {"editable": True}}
    distribution(site, "ensemble-judges", {"x.pth": str(checkout)}, direct_url__json=json.dumps(direct))


def test_this_environment_is_in_order() -> None:
    identity.check()
    assert [(origin.name, origin.problem) for origin in identity.describe()] == [("ensemble", None), ("judges", None)]


def test_installed_alone_passes_and_imports_nothing_heavy(site: Path) -> None:
    done = look(site)
    assert done.stdout.splitlines() == ["ensemble ensemble-judges", "judges ensemble-judges", "[]"], done.stderr


def test_a_checkout_without_installation_passes(checkout: Path) -> None:
    assert look(checkout).stdout.splitlines()[:2] == ["ensemble", "judges"]


def test_an_editable_installation_passes(tmp_path: Path, checkout: Path) -> None:
    editable(tmp_path / "site", checkout)
    said = look(tmp_path / "site", checkout).stdout
    assert said.splitlines()[:2] == ["ensemble ensemble-judges", "judges ensemble-judges"]


def test_a_second_distribution_of_the_name_is_found_where_it_won(site: Path) -> None:
    distribution(site, "judges", {"judges/__init__.py": "theirs = 1\n"})
    said = last_line(look(site))
    pip = f"{sys.executable} -m pip"
    assert "the import name 'judges' is also installed by the distribution judges" in said
    assert said.endswith(f"{pip} uninstall -y judges && {pip} install --force-reinstall --no-deps ensemble-judges")


def test_a_second_distribution_of_the_name_is_found_where_it_lost(site: Path, tmp_path: Path) -> None:
    """Ours still works then, but removing theirs would take our files away."""
    distribution(tmp_path / "behind", "judges", {"judges/__init__.py": ""})
    assert "uninstall -y judges" in last_line(look(site, tmp_path / "behind"))


def test_an_editable_installation_is_mended_from_its_own_folder(tmp_path: Path, checkout: Path) -> None:
    editable(tmp_path / "site", checkout)
    distribution(tmp_path / "site", "judges", {"judges/__init__.py": ""})
    said = last_line(look(tmp_path / "site", checkout))
    assert said.endswith(f"install --force-reinstall --no-deps -e '{checkout}'")


def test_a_wheel_is_mended_from_the_file_that_it_came_from(site: Path) -> None:
    direct = {"url": "file:///wheels/ensemble_judges-0.1.0-py3-none-any.whl", "archive_info": {}}
    (site / "ensemble_judges-0.1.0.dist-info" / "direct_url.json").write_text(json.dumps(direct), encoding="utf-8")
    distribution(site, "judges", {"judges/__init__.py": ""})
    assert last_line(look(site)).endswith("--no-deps file:///wheels/ensemble_judges-0.1.0-py3-none-any.whl")


def test_a_distribution_of_another_name_that_overwrote_ours_is_named(site: Path) -> None:
    distribution(site, "court-tools", {"judges/__init__.py": "theirs = 1\n"})
    assert "uninstall -y court-tools" in last_line(look(site))


def test_a_distribution_recorded_the_old_way_is_found(site: Path) -> None:
    info = site / "judges-0.0.1.egg-info"
    info.mkdir()
    (info / "top_level.txt").write_text("judges\n", encoding="utf-8")
    assert "uninstall -y judges" in last_line(look(site))


def test_an_overwritten_file_without_an_owner_asks_for_our_own_again(site: Path) -> None:
    (site / "judges" / "__init__.py").write_text("theirs = 1\n", encoding="utf-8")
    said = last_line(look(site))
    assert "is not the file that ensemble-judges installed" in said
    assert "uninstall" not in said


def test_a_file_that_hides_ours_is_named(site: Path, tmp_path: Path) -> None:
    hider = tmp_path / "cwd" / "judges.py"
    hider.parent.mkdir()
    hider.touch()
    assert f"{hider} hides the package 'judges'" in last_line(look(hider.parent, site))


def test_a_missing_package_is_said(site: Path) -> None:
    """What is left after the other distribution was removed."""
    shutil.rmtree(site / "judges")
    said = last_line(look(site))
    assert "the package 'judges' of ensemble-judges is missing" in said
    assert "--force-reinstall" in said


def test_an_unrelated_distribution_called_ensemble_that_has_other_packages_is_no_problem(site: Path) -> None:
    distribution(site, "ensemble", {"orchestra/__init__.py": ""})
    assert look(site).returncode == 0
