import pytest

from judges.heuristics.citations import Citations
from judges.testing import a_case, check_judge

SOURCES = """Answer from these. [1] The bridge was opened in May 1937 after four years of work. See https://example.com/bridge.
[2] It is painted in a colour called international orange."""


@pytest.mark.parametrize(
    "honest",
    [
        'It says: "The bridge was opened in May 1937, after four years" [1].',
        "Opened in 1937 [1], painted orange [2].",
        "See https://example.com/bridge/.",
        'He called it "a fine bridge".',
        "“it is PAINTED in a colour called International Orange”",
    ],
)
@pytest.mark.parametrize(
    "invented",
    [
        'It says: "The bridge was opened in June 1938 after five years" [1].',
        "Opened in 1937 [3].",
        "See https://example.org/other.",
    ],
)
async def test_what_is_not_there_loses(honest: str, invented: str) -> None:
    verdict = await Citations().judge(a_case(invented, honest, question=SOURCES), {})
    assert verdict.winners == ("c1",)


async def test_without_sources_marks_and_addresses_are_nobodys_business() -> None:
    case = a_case("As shown [7], see https://example.org.", "Just so.", question="Why?")
    assert (await Citations().judge(case, {})).outcome == "abstained"


async def test_the_laws_hold() -> None:
    await check_judge(Citations(), [a_case("See [9].", "See [1].", "None.", question=SOURCES)])
