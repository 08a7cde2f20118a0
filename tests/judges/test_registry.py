from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import Field

from judges import AGGREGATORS, JUDGES, Case, InvalidOptions, Judge, Model, ModelName, Plugin, UnknownPlugin, Verdict
from judges.testing import a_case, check_judge

BRIEF = '''
from pydantic import PositiveInt
from judges import JUDGES, Judge, Verdict

@JUDGES.register("brief")
class Brief(Judge):
    """Prefer the shortest candidate that has at least `floor` words."""
    floor: PositiveInt = 5

    async def judge(self, case, models):
        words = {c.id: len(c.completion.text.split()) for c in case.candidates}
        fit = {i: n for i, n in words.items() if n >= self.floor}
        if not fit:
            return Verdict(judge=self.digest, outcome="abstained", reason=f"no candidate has {self.floor} words")
        best = tuple(i for i, n in fit.items() if n == min(fit.values()))
        return Verdict(judge=self.digest, outcome="decided" if len(best) == 1 else "tie", winners=best)
'''


@pytest.fixture
def brief(tmp_path: Path) -> Path:
    path = tmp_path / "brief.py"
    path.write_text(BRIEF.replace('"brief"', f'"brief_{abs(hash(tmp_path))}"'))
    return path


def test_a_judge_from_a_file_says_where_it_comes_from(brief: Path) -> None:
    judge = JUDGES.build(str(brief))
    assert JUDGES.origin(judge.use) == str(brief.resolve())


async def test_one_file_beside_the_configuration_adds_a_judge(brief: Path) -> None:
    judge = JUDGES.build({"use": str(brief), "floor": 2})
    verdict = await judge.judge(a_case("one", "one two", "one two three"), {})
    assert verdict.winners == ("c1",)
    assert judge.file_hash is not None
    assert judge.use in JUDGES.names()
    await check_judge(judge, [a_case("one two", "one two three", "x")])


async def test_a_judge_from_a_file_sits_in_a_jury_and_costs_nothing(brief: Path) -> None:
    jury = JUDGES.build({"use": "jury", "seats": [{"use": str(brief), "floor": 1}, "refusal"]})
    verdict = await jury.judge(a_case("one", "one two"), {})
    assert (verdict.winners, verdict.usage.nano_usd) == (("c0",), 0)


def test_a_changed_file_is_another_judge(tmp_path: Path) -> None:
    digests = set()
    for name, words in (("x", "words"), ("y", "Words")):
        path = tmp_path / f"{name}.py"
        path.write_text(
            BRIEF.replace('"brief"', f'"b_{name}_{abs(hash(tmp_path))}"').replace("has {self.floor} words", words)
        )
        digests.add(JUDGES.build(str(path)).digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_module_at_all", "no_such_module_at_all"),
        ("def (", "SyntaxError"),
        ("x = 1", "exactly one judge"),
        ("raise ValueError('broken')", "broken"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UnknownPlugin, match=told):
        JUDGES.build(str(path))
    with pytest.raises(UnknownPlugin, match="no file"):
        JUDGES.build(str(tmp_path / "absent.py"))


def test_a_misspelt_name_is_told_the_nearest() -> None:
    with pytest.raises(UnknownPlugin, match="did you mean 'pairwise'"):
        JUDGES.build("parwise")
    with pytest.raises(InvalidOptions, match="name the judge to use"):
        JUDGES.build({"floor": 1})


def test_a_misspelt_option_is_told_the_nearest_and_its_place() -> None:
    with pytest.raises(InvalidOptions, match="did you mean 'timeout_s'") as caught:
        JUDGES.build({"use": "jury", "seats": ["longest", {"use": "pairwise", "model": "m", "timeout": 3}]})
    assert caught.value.problems[0][0] == "seats.1.timeout"


@pytest.mark.parametrize("registry", [JUDGES, AGGREGATORS])
def test_every_part_of_the_tree_is_found_under_its_file_name(registry: object) -> None:
    assert registry in (JUDGES, AGGREGATORS)
    for name in (JUDGES if registry is JUDGES else AGGREGATORS).names():
        cls: type[Plugin] = JUDGES.find(name) if registry is JUDGES else AGGREGATORS.find(name)
        if cls.file_hash is not None or not cls.__module__.startswith("judges."):
            continue  # made by a test
        assert cls.use == name
        assert cls.__module__.endswith(f".{name}")
        assert cls.__doc__


def test_the_digest_follows_every_option_and_nothing_else() -> None:
    def digest(**options: object) -> str:
        return JUDGES.build({"use": "pairwise", "model": "m", **options}).digest

    assert digest() == digest(order="single") == digest(timeout_s=60)
    changed = [digest(model="n"), digest(order="both"), digest(timeout_s=61), digest(options={"temperature": 0})]
    assert len({digest(), *changed}) == 5
    nested = [JUDGES.build({"use": "jury", "seats": [seat]}).digest for seat in ("longest", "refusal")]
    assert nested[0] != nested[1]


def test_a_name_is_held_by_one_class_only() -> None:
    with pytest.raises(ValueError, match="already registered"):

        @JUDGES.register("longest")
        class Imposter(Judge):
            async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
                raise NotImplementedError


def test_references_are_found_in_options_of_any_shape() -> None:
    class Nested(Plugin):
        one: ModelName
        many: tuple[ModelName, ...] = ()
        named: Mapping[str, ModelName] = Field(default_factory=dict)

    plugin = Nested(one=ModelName("a"), many=(ModelName("b"),), named={"x": ModelName("c")})
    assert list(plugin.references()) == [("one", "a"), ("many.0", "b"), ("named.x", "c")]


def test_a_hyphen_in_a_name_is_an_underscore() -> None:
    assert AGGREGATORS.build("bradley-terry") == AGGREGATORS.build("bradley_terry")
    assert AGGREGATORS.build("bradley-terry").digest == AGGREGATORS.build("bradley_terry").digest
    assert AGGREGATORS.origin("bradley-terry") == "judges.aggregate.bradley_terry"
    with pytest.raises(UnknownPlugin, match="did you mean 'bradley_terry'"):
        AGGREGATORS.build("bradly-terry")


def test_a_plugin_that_registers_with_a_hyphen_is_found_by_either_name(tmp_path: Path) -> None:
    path = tmp_path / "hyphened.py"
    path.write_text(BRIEF.replace('"brief"', '"brief-of-vendor"'), encoding="utf-8")
    judge = JUDGES.build(str(path))
    assert JUDGES.build("brief_of_vendor").digest == JUDGES.build("brief-of-vendor").digest == judge.digest
    assert JUDGES.origin(judge.use) == JUDGES.origin("brief_of_vendor") == str(path.resolve())
    with pytest.raises(ValueError, match="already registered"):
        JUDGES.register("brief_of_vendor")(JUDGES.find("longest"))


def test_the_same_file_in_two_folders_is_one_judge(tmp_path: Path) -> None:
    text = 'from judges import JUDGES, Judge\n\n\n@JUDGES.register("twin")\nclass Twin(Judge):\n'
    text += "    async def judge(self, case, models):\n        raise NotImplementedError\n"
    paths = [tmp_path / folder / "twin.py" for folder in ("one", "two")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(text, encoding="utf-8")
    first, second = (JUDGES.build({"use": str(path)}) for path in paths)
    assert first == second
    assert first.digest == second.digest
