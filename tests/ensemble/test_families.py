import pytest

from ensemble.families import marked, recused, token
from judges.judge import JUDGES
from judges.testing import a_case, a_verdict
from judges.types import CandidateId, Case, Exchange
from tests.ensemble.doubles import a_fleet, a_member

FLEET, _ = a_fleet(
    oak=a_member("oak", family="oak"),
    birch=a_member("birch", family="birch"),
    elm=a_member("elm", family="elm"),
    stray=a_member("stray"),
)
OAK, BIRCH, ELM, STRAY = ({"use": "pairwise", "model": name} for name in ("oak", "birch", "elm", "stray"))


def written_by(*families: str) -> Case:
    case = a_case(*(f"by {family}" for family in families), seed=7)
    groups = {one.id: token(7, family) for one, family in zip(case.candidates, families, strict=True)}
    return Case(messages=case.messages, candidates=case.candidates, seed=7, groups=groups)


@pytest.mark.parametrize(
    ("judge", "families", "aside"),
    [
        ({"use": "jury", "seats": [OAK, ELM]}, ["oak", "birch"], {"oak"}),
        ({"use": "jury", "seats": [OAK, BIRCH, ELM]}, ["oak", "birch"], {"oak", "birch"}),
        ({"use": "jury", "seats": [OAK, BIRCH]}, ["oak", "birch"], set()),
        ({"use": "jury", "seats": [OAK, ELM]}, ["birch", "birch"], set()),
        ({"use": "jury", "seats": [OAK, STRAY]}, ["oak", "birch"], {"oak"}),
        ({"use": "jury", "seats": [OAK, "longest"]}, ["oak", "birch"], set()),
        ({"use": "jury", "seats": [{"use": "tournament", "compare": OAK}, ELM]}, ["oak", "birch"], {"oak"}),
        ({"use": "jury", "seats": [{"use": "jury", "seats": [OAK, ELM]}, "empty"]}, ["oak", "birch"], {"oak"}),
        ({"use": "staged", "stages": ["answer", OAK, ELM]}, ["oak", "birch"], {"oak"}),
        ({"use": "staged", "stages": ["answer", ELM, OAK]}, ["oak", "birch"], {"oak"}),
        ({"use": "tournament", "compare": OAK}, ["oak", "birch"], set()),
        (OAK, ["oak", "birch"], set()),
        ("longest", ["oak", "birch"], set()),
    ],
)
def test_a_seat_stands_aside_only_if_another_can_judge(judge: object, families: list[str], aside: set[str]) -> None:
    assert recused(JUDGES.build(judge), written_by(*families), FLEET) == aside  # type: ignore[arg-type]  # as in TOML


def asked(model: str) -> Exchange:
    return Exchange(prompt="p", model=model, shown=(CandidateId("c0"), CandidateId("c1")), text="[[A]]")


@pytest.mark.parametrize(("model", "own"), [("oak", True), ("elm", False), ("stray", False), ("gone", False)])
def test_a_verdict_is_marked_by_the_models_that_were_asked(model: str, own: bool) -> None:
    ballot = a_verdict("c0")
    verdict = marked(
        type(ballot)(
            judge="j",
            outcome="decided",
            winners=ballot.winners,
            ballots=(
                type(ballot)(judge="k", outcome="decided", winners=ballot.winners, exchanges=(asked(model),)),
                ballot,
            ),
        ),
        written_by("oak", "birch"),
        FLEET,
    )
    assert (verdict.own_family, [one.own_family for one in verdict.ballots]) == (own, [own, False])


def test_equal_families_have_other_tokens_in_other_cases() -> None:
    assert token(1, "oak") != token(2, "oak") != token(2, "birch")
