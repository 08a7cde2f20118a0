"""Shapes of figures."""

from ensemble.audit.shapes import Window


def test_a_window_without_filters_is_the_whole_log() -> None:
    assert Window() == Window(since="", until="", router=None)
