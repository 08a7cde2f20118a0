from typing import Annotated, Any

import pytest

from ensemble.dialects._wire import Extension, Wire, refused
from ensemble.dialects.params import Honoured, Mapped, Param, params


class Body(Wire):
    """Three fates and our own part."""

    model: Annotated[str, Honoured()]
    effort: Annotated[str | None, Mapped("it is another's `work`")] = None
    store: Annotated[Any, refused("ask elsewhere")] = None
    ensemble: Extension | None = None


def test_every_parameter_is_told_with_its_fate() -> None:
    assert params(Body) == (
        Param("model", "honoured", ""),
        Param("effort", "mapped", "it is another's `work`"),
        Param("store", "refused", "ask elsewhere"),
    )


def test_a_parameter_without_a_fate_is_a_mistake_of_ours() -> None:
    class Silent(Body):
        forgotten: int = 0

    with pytest.raises(TypeError, match=r"Silent\.forgotten"):
        params(Silent)
