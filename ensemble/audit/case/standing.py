"""When an answer of a stage stands, in words."""

from collections.abc import Mapping
from typing import Any


def stands(stage: Mapping[str, Any]) -> str:
    """What goes behind the judge of a stored stage of a plan; "" where any score will do."""
    least = stage.get("accept_score")
    return f", which stands from a score of {least:.3g} on" if least else ""
