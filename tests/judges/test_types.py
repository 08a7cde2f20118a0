import pytest

from judges.testing import a_candidate, a_case
from judges.types import Candidate, CandidateId, Completion, Message, OpaquePart, Preference, TextPart, Usage, Verdict


def test_a_candidate_cannot_tell_who_wrote_it() -> None:
    said = Completion(
        text="x",
        finish_reason="stop",
        usage=Usage(nano_usd=5),
        model="some-model",
        system_fingerprint="fp",
        provider_request_id="req",
        first_token_s=0.1,
        reasoning=(OpaquePart(origin="me", data={}),),
    )
    assert Candidate(id=CandidateId("c"), completion=said).completion == Completion(text="x", finish_reason="stop")


def test_two_candidates_cannot_share_an_id() -> None:
    with pytest.raises(ValueError, match="same id"):
        a_case(a_candidate("x"), a_candidate("y"))


@pytest.mark.parametrize(
    ("outcome", "winners"), [("decided", ()), ("decided", ("a", "b")), ("tie", ("a",)), ("abstained", ("a",))]
)
def test_an_outcome_names_as_many_winners_as_it_can(outcome: str, winners: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        Verdict(judge="j", outcome=outcome, winners=tuple(map(CandidateId, winners)))  # type: ignore[arg-type]


def test_a_preference_knows_its_winner_but_no_verdict_is_no_tie() -> None:
    shown = (CandidateId("a"), CandidateId("b"))
    winners = [Preference(shown=shown, outcome=out).winner for out in ("first", "second", "tie", "none")]
    assert winners == ["a", "b", None, None]


def test_the_text_of_a_message_is_its_text_parts() -> None:
    parts = (TextPart(text="a"), OpaquePart(origin="m", data={}), TextPart(text="b"))
    assert Message(role="user", content=parts).text == "a\nb"


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_no_score_and_no_confidence(number: float) -> None:
    for given in ({"scores": {CandidateId("a"): number}}, {"confidence": number}):
        with pytest.raises(ValueError, match="finite"):
            Verdict(judge="j", outcome="abstained", **given)
