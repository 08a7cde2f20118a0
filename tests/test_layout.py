"""The shape of the tree: what may stand where, how large it may grow, and who may know whom."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("ensemble", "judges")
FILES_AT_THE_TOP = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"}
FOLDERS_AT_THE_TOP = {"ensemble", "judges", "scripts", "tests"}
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 80


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {lines} lines"


def modules_after(statement: str) -> set[str]:
    """Return what a fresh interpreter has imported after ``statement``."""
    script = f"{statement}\nimport sys; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


def test_nothing_else_stands_at_the_top() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so what belongs to the project is not known")
    listed = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout.splitlines()
    top = {file.split("/")[0] for file in files}
    assert {name for name in top if not name.startswith(".")} - FILES_AT_THE_TOP - FOLDERS_AT_THE_TOP == set()


@pytest.mark.parametrize("left", ["ensemble-demo/ensemble.toml", "tour/ensemble.toml", "tour/ensemble.db", "mine.toml"])
def test_what_the_first_commands_of_the_readme_leave_is_not_of_the_project(left: str) -> None:
    """Or ``scripts/demo``, and then ``scripts/test``, would fail at the test above."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so what belongs to the project is not known")
    command = ["git", "-C", str(ROOT), "check-ignore", "--no-index", "--quiet", left]
    assert subprocess.run(command, timeout=PATIENCE_S, check=False).returncode == 0


def test_every_folder_with_modules_is_a_package() -> None:
    """The import floors are checked over packages, so a folder without ``__init__.py`` would escape them."""
    folders = {path.parent for path in modules(*PACKAGES)}
    assert [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").is_file()] == []


def test_no_file_is_too_long() -> None:
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PACKAGES, "tests", "scripts")
    }
    long = {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > MOST_LINES_OF_A_FILE}
    assert long == {}


def test_no_function_is_too_long() -> None:
    assert [found for path in modules(*PACKAGES, "tests", "scripts") for found in long_functions(path)] == []


def test_a_test_stands_where_its_module_does() -> None:
    """``tests/judges/llm/test_parse.py`` tests ``judges/llm/_parse.py``; ``test_parse_fences.py`` may be beside it."""
    lost = []
    for test in modules(*(f"tests/{package}" for package in PACKAGES)):
        folder = ROOT / test.parent.relative_to(ROOT / "tests")
        known = [folder.name, *(path.stem.lstrip("_") for path in folder.glob("*") if path.suffix in ("", ".py"))]
        tested = test.stem.removeprefix("test_") + "_"
        if test.name.startswith("test_") and not any(tested.startswith(f"{name}_") for name in known):
            lost.append(str(test.relative_to(ROOT)))
    assert lost == []


def test_every_module_has_a_docstring_that_says_what_it_is_for() -> None:
    bare = [path for path in modules(*PACKAGES) if path.name != "__init__.py"]
    assert [str(path) for path in bare if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))] == []


def test_judges_can_be_used_without_the_service() -> None:
    """Every module of ``judges``, imported, brings in nothing of ``ensemble``, of HTTP or of SQL."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in modules("judges")
    ]
    imported = {name.split(".")[0] for name in modules_after("\n".join(f"import {name}" for name in names))}
    assert "judges" in imported
    assert imported & {"ensemble", "aiohttp", "anthropic", "httpx2", "openai", "sqlite3", "sqlite_utils"} == set()


def test_importing_the_service_leaves_the_heavy_libraries_out() -> None:
    """Together they cost more than half a second, which ``ensemble --help`` would pay."""
    imported = {name.split(".")[0] for name in modules_after("import ensemble")}
    assert imported & {"aiohttp", "anthropic", "numpy", "openai", "sqlite_utils"} == set()
