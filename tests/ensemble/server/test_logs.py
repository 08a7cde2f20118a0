import json
import logging
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from ensemble.server.logs import WHOSE, JsonLines, TextLines


def a_line(error: BaseException | None = None) -> str:
    """What is written for a warning, raised with ``error`` in hand."""
    try:
        if error is not None:
            raise error
    except BaseException:  # noqa: BLE001 - any error is to be told
        info = sys.exc_info()
    else:
        info = (None, None, None)
    record = logging.LogRecord("ensemble.x", logging.WARNING, "x.py", 1, "batch %d was lost", (7,), info)
    record.fields = {"request_id": "r1"}
    return JsonLines().format(record)


def test_a_line_is_one_json_object() -> None:
    said = json.loads(a_line())
    assert said.pop("at").endswith("+00:00")
    assert said == {"level": "warning", "logger": "ensemble.x", "message": "batch 7 was lost", "request_id": "r1"}


def test_an_error_is_told_by_type_and_place_and_never_by_its_message() -> None:
    inner = ValueError("my secret")
    try:
        raise KeyError("secret too") from inner
    except KeyError as cause:
        line = a_line(BaseExceptionGroup("secret group", [cause]))
    said = json.loads(line)
    assert said["error"] == "ExceptionGroup"
    assert {"KeyError", "ValueError"} <= set(said["frames"])
    assert any("test_logs.py" in frame for frame in said["frames"])
    assert "secret" not in line


def test_a_line_says_whose_request_it_is_about() -> None:
    token = WHOSE.set(lambda: "r7")
    try:
        record = logging.LogRecord("ensemble.fleet", logging.ERROR, "x.py", 1, "provider of alpha raised", (), None)
        assert json.loads(JsonLines().format(record))["request_id"] == "r7"
        assert json.loads(a_line())["request_id"] == "r1"
    finally:
        WHOSE.reset(token)


def test_a_line_for_people_is_one_line() -> None:
    record = logging.LogRecord("ensemble.x", logging.WARNING, "x.py", 1, "lost\nand forged", (), None)
    record.fields = {"request_id": "r1", "status": 502}
    line = TextLines().format(record)
    assert line.endswith(" warning ensemble.x: lost\\nand forged request_id=r1 status=502")


@given(st.text(alphabet=st.characters(exclude_categories=())), st.sampled_from([JsonLines, TextLines]))
@example("a\r12:00:00 info ensemble.x: forged", TextLines)
@example("\x1b]0;title\x07\x1b[2J\u202e\u2028\x85\ud800", TextLines)
def test_whatever_is_logged_is_one_line_that_no_terminal_obeys(text: str, form: type[logging.Formatter]) -> None:
    record = logging.LogRecord("ensemble.x", logging.WARNING, "x.py", 1, "%s", (text,), None)
    record.fields = {"model": text}
    line = form().format(record)
    assert line.isprintable()
    line.encode()
