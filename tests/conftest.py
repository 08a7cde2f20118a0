"""Fixtures that every test may use; a package's own stand in the conftest.py of its folder."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded model outputs and judge texts, which is no part of the project."""
    data = ROOT.parent / "shared" / "data"
    if not (data / "README.md").is_file():
        pytest.skip(f"the recorded data is not here: {data} is missing")
    return data
