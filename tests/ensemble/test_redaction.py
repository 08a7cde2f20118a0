"""What must not leave is gone for good; what merely looks like it stays."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ensemble.redaction import Redactor

ALL = Redactor()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Write to max.o'neil+x@mail.example.co.uk, please.", "Write to [email], please."),
        ("(ask jörg@müller.example)", "(ask [email])"),
        ("My IBAN is DE89 3704 0044 0532 0130 00 and so on", "My IBAN is [iban] and so on"),
        ("GB82WEST12345698765432", "[iban]"),
        ("card 4111 1111 1111 1111, 5500-0000-0000-0004", "card [card], [card]"),
        ("5 4111111111111111 0, 12 5500 0000 0000 0004 7", "5 [card] 0, 12 [card] 7"),
        ("Call +49 30 901820 or (415) 555-2671.", "Call [phone] or [phone]."),
        ("use sk-ant-api03-abcDEF0123456789xyz now", "use [key] now"),
        ("AKIAIOSFODNN7EXAMPLE", "[key]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc123-_", "[key]"),
        ("api_key = 'hGf7Kd93jdkLs'", "api_key = '[key]'"),
        ("Authorization: Bearer abcdefghijklmnopqrst", "Authorization: [key]"),
        ("postgres://joe:p4ss@host/db", "[key]host/db"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE\nvQ==\n-----END PRIVATE KEY----- end", "[key] end"),
        ("a key cut off: -----BEGIN RSA PRIVATE KEY-----\nMIIE", "a key cut off: [key]"),
    ],
)
def test_what_is_taken_out(text: str, wanted: str) -> None:
    assert ALL.redact(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "2 + 2 = 4. In 1998 there were 12,345,678 people; 3.14159265358979.",
        "order 1234567812345678 (no checksum), at 1732468800123 ms",
        "ISBN 978-3-16-148410-0, 2026-11-24T12:30:00Z, 192.168.10.254:8080",
        "token: str = None; password: required; secret = sauce",
        "def f(x): return x @ y  # matrix product",
        "GB82 TEST 1234 5698 7654 32 is no IBAN",
        "0000 0000 0000 0000",
    ],
)
def test_what_merely_looks_like_it_stays(text: str) -> None:
    assert ALL.redact(text) == text


def test_only_what_is_asked_for() -> None:
    text = "me@example.com, 4111 1111 1111 1111"
    assert Redactor(kinds=("card",)).redact(text) == "me@example.com, [card]"
    assert Redactor(kinds=(), patterns={"ticket": r"T-\d+"}).redact("T-17 me@example.com") == "[ticket] me@example.com"


def test_a_number_of_another_country_needs_its_region() -> None:
    assert Redactor(regions=("DE",)).redact("030 901820") == "[phone]"
    assert Redactor(regions=()).redact("030 901820") == "030 901820"
    for wrong in ("UK", "de", "Germany"):
        with pytest.raises(ValidationError, match="is no country code of ISO 3166"):
            Redactor(regions=("DE", wrong))


def test_a_tree_stays_json() -> None:
    tree = {"to": ["me@example.com", 4111111111111111, True, None, 7], "arguments": '{"card": 4111111111111111}'}
    assert ALL.redact_tree(tree) == {"to": ["[email]", "[card]", True, None, 7], "arguments": '{"card": "[card]"}'}


def test_an_operators_pattern_is_checked() -> None:
    with pytest.raises(ValidationError, match="no RE2 pattern"):
        Redactor(patterns={"bad": "("})
    with pytest.raises(ValidationError, match="everywhere"):
        Redactor(patterns={"bad": "a*"})
    with pytest.raises(ValidationError, match="letters, digits"):
        Redactor(patterns={"no name": "a"})


def test_the_digest_tells_what_is_taken_out() -> None:
    assert ALL.digest == Redactor().digest
    assert ALL.digest != Redactor(kinds=("email",)).digest


@given(st.text(max_size=200))
def test_any_text_twice_is_once(text: str) -> None:
    once = ALL.redact(text)
    assert ALL.redact(once) == once


@given(
    st.text(max_size=40),
    st.sampled_from(["x.y@example.org", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "DE89370400440532013000"]),
    st.text(max_size=40),
)
def test_what_was_planted_is_gone(before: str, planted: str, after: str) -> None:
    assert planted not in ALL.redact(f"{before} {planted} {after}")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), st.lists, max_leaves=8))
def test_a_text_of_json_is_json_afterwards(tree: object) -> None:
    said = ALL.redact_tree(json.dumps([tree]))
    assert isinstance(json.loads(str(said)), list)


def test_no_text_makes_it_hang() -> None:
    hostile = ("a" * 50_000 + "@") + "a." * 50_000 + "1" * 50_000 + " DE89" * 20_000
    began = time.process_time()
    Redactor(patterns={"own": "(a+)+$"}).redact(hostile)
    assert time.process_time() - began < 10
