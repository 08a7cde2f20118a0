import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import JUDGES, InvalidOptions
from judges.testing import a_case, check_judge
from tests.patience import PATIENCE_S


def pattern(pattern: str, **options: object) -> dict[str, object]:
    return {"use": "regex", "pattern": pattern, **options}


@pytest.mark.parametrize(
    ("wanted", "good", "bad"),
    [
        (r"\bRef\. \d{4}\b", "See Ref. 2041 for it.", "See Ref. 12."),
        ("^yes$", "yes", "yes, but"),
        ("(?i)YES", "yes", "no"),
        ("(?m)^b$", "a\nb\nc", "abc"),
        ("^(?!.*no)", "fine", "no"),
        (r"(\w)\1", "aa", "ab"),
    ],
)
async def test_the_text_with_a_match_wins(wanted: str, good: str, bad: str) -> None:
    verdict = await JUDGES.build(pattern(wanted)).judge(a_case(bad, good), {})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",))
    assert (await JUDGES.build(pattern(wanted, wanted=False)).judge(a_case(bad, good), {})).winners == ("c0",)


async def test_it_is_silent_where_all_or_none_match() -> None:
    for field in (("a", "aa"), ("b", "c"), ()):
        assert (await JUDGES.build(pattern("a")).judge(a_case(*field), {})).outcome == "abstained"


@pytest.mark.parametrize("broken", ["(", "[a", "((a{1000}){1000}){1000}"])
def test_what_is_no_pattern_is_refused(broken: str) -> None:
    with pytest.raises(InvalidOptions, match="no usable pattern"):
        JUDGES.build(pattern(broken))


@pytest.mark.parametrize("evil", ["^(a+)+$", "(a|aa)+$", r"^(a|aa)+\1$", "^(?=(a|aa)+$)b"])
async def test_a_pattern_that_explodes_elsewhere_does_not_hang(evil: str) -> None:
    """The standard library would need longer than the universe has been there."""
    async with asyncio.timeout(PATIENCE_S):
        verdict = await JUDGES.build(pattern(evil)).judge(a_case("a" * 3000 + "!", "b"), {})
    assert verdict.outcome in ("abstained", "failed")


@given(st.text(), st.text(alphabet=st.characters()), st.booleans())
def test_no_text_raises(text: str, other: str, wanted: bool) -> None:
    verdict = asyncio.run(JUDGES.build(pattern("a", wanted=wanted)).judge(a_case(text, other), {}))
    assert verdict.outcome in ("decided", "abstained")


async def test_a_lone_surrogate_is_no_obstacle() -> None:
    assert (await JUDGES.build(pattern("x")).judge(a_case("\ud800x", "\ud800"), {})).winners == ("c0",)


async def test_the_laws_hold() -> None:
    await check_judge(JUDGES.build(pattern("a")), [a_case("a", "b", "ab"), a_case("c", "d")])
