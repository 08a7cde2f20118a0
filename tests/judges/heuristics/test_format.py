import asyncio
import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.heuristics._formats import demands
from judges.heuristics.format import Format
from judges.testing import a_candidate, a_case, check_judge

TEN = "One two three four five six seven eight nine ten."


@pytest.mark.parametrize(
    ("prompt", "good", "bad"),
    [
        ("Describe the sea in at most 10 words.", TEN, f"{TEN} Eleven."),
        ("Describe the sea. Answer with fewer than 10 words.", "Wide, blue and cold.", TEN),
        ("Write a poem about it in 10 words or less.", TEN, f"{TEN} Eleven."),
        ("Your response should contain at least 10 words.", TEN, "Wide and blue."),
        ("Write between 9 and 12 words about the sea.", TEN, "Wide."),
        ("Your response must be exactly 2 sentences.", "It is wide. It is 3.5 km deep, e.g. here.", "It is wide."),
        ("Summarize it in one sentence.", "Dr. Smith said that it is wide.", "It is wide. It is blue. It is cold."),
        ("There should be 2 to 3 paragraphs.", "One.\n\nTwo.", "One.\n\nTwo.\n\nThree.\n\nFour."),
        ("Your answer must contain exactly 3 bullet points.", "* a\n* b\n* c", "* a\n* b"),
        ("Answer in at most 2 lines.", "a\nb", "a\nb\nc"),
        ("Keep your answer under 20 characters.", "Blue.", "It is as blue as a sea can be."),
        ("List three towns. Respond only with valid JSON.", '["a", "b", "c"]', 'Here you are: ["a", "b", "c"]'),
        ("Return your entire answer in JSON, and nothing else.", '```json\n{"a": 1}\n```', "a is 1"),
        ("Output the towns in JSON format.", 'Here: {"towns": ["a"]}.', "a, b and c"),
        ("Is it blue? Answer in one word.", "Yes.", "It is blue."),
        ("Is it blue? Answer only yes or no.", "**No**", "No, it is green."),
        (
            'Finish your response with this exact phrase "Is there anything else?".',
            "Hi. Is there anything else?",
            "Hi.",
        ),
        ('Begin your answer with the word "Well".', "Well, it is.", "It is."),
        ('Include the keyword "salt".', "There is salt in it.", "There is sugar in it."),
        ('Do not use the word "salt" in your answer.', "It is a salty sea.", "Salt, mostly."),
        ("Please do not use any commas.", "Wide and blue.", "Wide, blue."),
        ("Write your entire response in all capital letters.", "IT IS 3 KM WIDE.", "It is wide."),
        ("Your entire response should be in lowercase.", "it is wide.", "It is wide."),
        ("Wrap your entire response with double quotation marks.", '"It is wide."', "It is wide."),
        ("Put your final answer in a \\boxed{}.", "So \\boxed{3}", "So 3."),
        ("Think step by step, and then put your answer in **bold** as a list.", "So **a, b**", "So a, b"),
        ("Return your answer as a single word, in the following format: ***X***", "***salt***", "salt"),
        ("Once you have your answer, please duplicate that letter five times in a single string.", "BBBBB", "(B)"),
    ],
)
async def test_the_demanded_form_wins(prompt: str, good: str, bad: str) -> None:
    verdict = await Format().judge(a_case(bad, good, question=f"Tell me about it.\n\n{prompt}"), {})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",)), verdict.reason


@pytest.mark.parametrize(
    "prompt",
    [
        "How do I parse JSON with at most 10 lines of Python?",
        "The given strings consist only of lowercase letters and have at least 3 characters.",
        "What is the probability that at least two words rhyme?",
        "She told me to answer in one word, and I could not.",
        "The report had no fewer than 13 lines of code, and I only liked one sentence.",
        "Each section should contain at least three sentences.",
        'He said "start your answer with a joke" and left.',
        "```\nAnswer in one word.\n```\nWhat does this print?",
        "Write a function that returns at most 10 words.",
        f"Summarize this:\n{'It was a long day. ' * 150}\nAnswer in one word.\n{'And a long night. ' * 150}",
        "Erkläre es in höchstens 10 Wörtern.",
        "",
    ],
)
def test_what_demands_no_form_is_left_alone(prompt: str) -> None:
    assert demands(prompt) == ()


async def test_it_is_silent_where_all_or_none_comply() -> None:
    for field in (("yes", "no"), ("It is.", "It is not."), ("yes",), ()):
        assert (await Format().judge(a_case(*field, question="Answer only yes or no."), {})).outcome == "abstained"


async def test_recorded_prompts_are_seldom_misread(shared_data: Path) -> None:
    """A form missed says little of the rest, but where a form was all that was asked it must be right."""
    folder = shared_data / "judging"
    with gzip.open(folder / "llmbar_pairs.jsonl.gz", "rt") as lines:
        pairs = [pair for pair in map(json.loads, lines) if pair["subset"] == "CaseStudy/Constraint"]
    right = wrong = 0
    for pair in pairs:
        field = [a_candidate(pair[f"output_{place}"], id=str(place)) for place in (1, 2)]
        verdict = await Format().judge(a_case(*field, question=pair["input"]), {})
        right += verdict.winners == (str(pair["label"]),)
        wrong += verdict.outcome == "decided" and verdict.winners != (str(pair["label"]),)
    assert wrong == 0
    assert right >= 0.2 * len([pair for pair in pairs if demands(pair["input"])])


async def test_people_who_were_asked_for_no_form_are_not_judged_by_it(shared_data: Path) -> None:
    """PandaLM's instructions demand next to none."""
    with gzip.open(shared_data / "judging" / "pandalm_human.jsonl.gz", "rt") as lines:
        asked = [f"{record['instruction']}\n{record['input'] or ''}" for record in map(json.loads, lines)]
    assert sum(bool(demands(prompt)) for prompt in asked) <= 0.02 * len(asked)


@given(st.text(), st.text())
def test_no_text_raises(prompt: str, text: str) -> None:
    asyncio.run(Format().judge(a_case(text, text + "x", question=prompt), {}))


@pytest.mark.parametrize(
    "unit", ["a ", "at least 3 ", "in json ", '"', "* ", "***", "answer in ", "1-", "\n", "{", "."]
)
def test_no_text_takes_long(unit: str) -> None:
    begun = time.process_time()
    text = unit * (60_000 // len(unit))
    for demand in demands(f"Answer only in JSON, with exactly 3 sentences and exactly 5 words. {text}\n{text}"):
        demand.holds(text)
    assert time.process_time() - begun < 5


async def test_the_laws_hold() -> None:
    cases = [a_case("yes", "It is.", "no", question="Answer in one word."), a_case("a", "b")]
    await check_judge(Format(), cases)
