from pathlib import Path

import pytest

from ensemble.config import load
from ensemble.errors import ConfigError
from ensemble.labelling.classifier import CLASSIFIERS
from tests.ensemble.labelling.workshop import a_prompt, a_workshop

WORDS = {"use": "keywords", "domains": {"maths": ["sum", "square root"], "law": ["liable", "contract"]}}


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("The SUM of 2 and 2?", "maths"),
        ("Who is liable for this contract, in sum?", "law"),
        ("A summary, contractually", None),
        ("the square root", "maths"),
        ("sum liable", "maths"),
        ("", None),
    ],
)
def test_the_domain_of_which_most_words_occur(text: str, domain: str | None) -> None:
    assert CLASSIFIERS.build(WORDS).classify(a_prompt(text)) == domain
    assert CLASSIFIERS.build({**WORDS, "other": "rest"}).classify(a_prompt(text)) == (domain or "rest")


async def test_a_row_without_a_domain_gets_one_with_the_digest_of_who_named_it(tmp_path: Path) -> None:
    judge = CLASSIFIERS.build(WORDS)
    rows = [{"prompt": "a sum"}, {"prompt": "a contract", "domain": "own"}, {"prompt": "nothing"}]
    async with a_workshop(tmp_path) as shop:
        await shop.label([{"prompt": "was there: sum"}])
        await shop.label([*rows, {"prompt": "was there: sum"}], classifier=judge)
        found = dict((row[0], row[1:]) for row in shop.select("SELECT messages, domain, domain_by FROM requests"))
        assert sorted(found.values(), key=str) == [
            ("maths", judge.digest),
            ("maths", judge.digest),
            ("own", None),
            (None, None),
        ] or set(found.values()) == {("maths", judge.digest), ("own", None), (None, None)}


PARTS = '[providers.p]\nuse = "openai"\nbase_url = "http://127.0.0.1:1/v1"\n[members.m]\nprovider = "p"\nmodel = "m"\n'


def test_the_classifier_of_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.toml"
    path.write_text(PARTS + '[labelling]\ndomain = { use = "keywords", domains = { maths = ["sum"] } }\n')
    settings = load(path)
    assert settings.labelling.domain is not None
    assert settings.labelling.domain.classify(a_prompt("a sum")) == "maths"
    path.write_text(PARTS)
    assert load(path).digest == settings.digest


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('domain = { use = "keyword" }', r"\[labelling\] domain: there is no classifier 'keyword'; did you mean"),
        ('domain = { use = "keywords" }', r"\[labelling\] domain: .*domains"),
        ("domian = 3", r"\[labelling\] domian: "),
    ],
)
def test_a_classifier_that_cannot_be_built_is_told_in_one_line(tmp_path: Path, table: str, told: str) -> None:
    path = tmp_path / "ensemble.toml"
    path.write_text(f"{PARTS}[labelling]\n{table}\n")
    with pytest.raises(ConfigError, match=told):
        load(path)
