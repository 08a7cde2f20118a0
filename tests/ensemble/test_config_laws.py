"""Configuration: what is built of it, and the one line that each mistake gets."""

import string
import tempfile
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.config import load
from ensemble.errors import ConfigError
from ensemble.money import Price


@given(st.decimals(min_value=0, max_value=1_000_000, places=9))
def test_a_price_is_read_exactly(price: Decimal) -> None:
    """TOML floats have 15 sure digits, and a price has no more, so nothing is lost on the way through a float."""
    table = tomllib.loads(f"input = {price:.9f}")
    assert Price.model_validate(table).input == price


@given(st.text(alphabet=string.printable, max_size=200))
def test_any_file_is_read_or_refused_in_whole_lines(text: str) -> None:
    """Fuzz: no text may bring anything but settings or a ConfigError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ensemble.toml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load(path)
    assert all(line.startswith(str(path)) for line in str(caught.value).split("\n"))
