import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensemble.training.borrow import borrowed
from ensemble.training.fit import Kind, fit
from ensemble.training.scorer import fit_scorer
from ensemble.training.table import Table
from ensemble.training.train import CannotLearn, Order, train
from judges.errors import InvalidOptions
from judges.learning.folder import read
from judges.learning.model import Learned, sample
from tests.ensemble.training.lessons import RARE, a_lesson

HARD, EASY = "Prove that 541 is prime and compute 123 * 456 = ?", "Hello there, please say hi to Ann"


@pytest.mark.parametrize("kind", ["stack", "linear", "boosting", "knn"])
def test_every_kind_learns_where_the_small_member_will_do(kind: Kind) -> None:
    table = a_lesson()
    model = fit(table, ("small", "large"), kind=kind).model
    hard, easy = model.predict(sample([HARD, EASY]))
    assert hard[1] - hard[0] > 0.5
    assert abs(easy[1] - easy[0]) < 0.25


def test_the_same_labels_in_any_order_give_the_same_model() -> None:
    table = a_lesson(80)
    turned = table.take(np.random.default_rng(5).permutation(len(table)))
    one, other = (fit(each, ("small", "large"), seed=3).model.predict(sample([HARD, EASY])) for each in (table, turned))
    assert np.array_equal(one, other)


def test_a_folder_predicts_as_what_was_written(tmp_path: Path) -> None:
    table = a_lesson()
    done = train(
        table,
        Order(out=tmp_path / "router", kind="linear", source="a test", command="ensemble train --out router", seed=7),
    )
    model, manifest = read(tmp_path / "router")
    again = train(table, Order(out=tmp_path / "again", kind="linear", seed=7))
    assert np.array_equal(model.predict(sample([HARD])), read(again.path)[0].predict(sample([HARD])))
    assert (manifest["what"], manifest["members"], manifest["seed"]) == ("router", ["small", "large"], 7)
    assert manifest["data"]["learned"] == done.learned == len(table) - done.measured
    assert "sklearn" in manifest["versions"]
    assert done.metrics["saved_at_0.99"].point > 0.2
    assert done.metrics["quality_ratio_at_0.99"].point > 0.9
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["again", "router"]


@pytest.mark.parametrize("kind", ["stack", "knn"])
def test_no_rare_term_and_no_text_is_in_the_folder(kind: Kind, tmp_path: Path) -> None:
    train(a_lesson(), Order(out=tmp_path / "router", kind=kind))
    state = read(tmp_path / "router")[0].state
    content = pickle.dumps({name: value for name, value in state.items()}).lower()
    terms = {*state["words"].vocabulary_, *state["characters"].vocabulary_}
    assert "hello" in terms
    for part in RARE.lower().split():
        assert part.encode() not in content
        assert not any(part[:5] in term for term in terms)
    assert b"please say hi to ann" not in content


def test_one_conversation_makes_no_term_common() -> None:
    table = a_lesson()
    chatty = replace(
        table,
        texts=tuple(text + (" zanzibar" if row < 20 else "") for row, text in enumerate(table.texts)),
        groups=tuple("one" if row < 20 else group for row, group in enumerate(table.groups)),
    )
    assert "zanzibar" not in fit(chatty, ("small", "large"), kind="linear").state["words"].vocabulary_


def test_where_all_answers_were_bad_quality_is_learned_and_nobody_is_voted_for() -> None:
    table = a_lesson()
    nothing = replace(
        table,
        quality=np.full_like(table.quality, np.nan),
        best=np.tile([True, False], (len(table), 1)),
        usable=np.zeros(len(table), np.bool_),
    )
    with pytest.raises(CannotLearn, match="0 members have 30 labels"):
        train(nothing, Order(out=Path("never")))
    voting = replace(nothing, usable=np.ones(len(table), np.bool_))
    said = fit(voting, ("small", "large"), kind="linear").model.predict(sample([EASY]))
    assert said[0, 0] > said[0, 1]


@pytest.mark.parametrize(
    ("rows", "members", "told"),
    [
        (40, (), "100 would do for a first one, 60 more"),
        (240, ("small",), "needs two to choose between"),
        (240, ("small", "huge"), "huge has no labels; labelled are small, large"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_a_sentence(rows: int, members: tuple[str, ...], told: str) -> None:
    with pytest.raises(CannotLearn, match=told):
        train(a_lesson(rows), Order(out=Path("never"), members=members))


def test_labels_that_all_say_the_same_teach_nothing() -> None:
    table = a_lesson()
    with pytest.raises(CannotLearn, match="nothing to tell requests apart"):
        train(replace(table, quality=np.ones_like(table.quality)), Order(out=Path("never")))


def test_another_major_of_scikit_learn_is_refused_with_the_command(tmp_path: Path) -> None:
    train(a_lesson(), Order(out=tmp_path / "router", kind="linear", command="ensemble train --out router --seed 4"))
    file = tmp_path / "router" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["versions"]["sklearn"] = "0.24.2"
    file.write_text(json.dumps(manifest))
    with pytest.raises(InvalidOptions, match=r"scikit-learn 0\.24\.2.*ensemble train --out router --seed 4"):
        read(tmp_path / "router")


def test_a_changed_model_is_refused(tmp_path: Path) -> None:
    train(a_lesson(), Order(out=tmp_path / "router", kind="linear"))
    file = tmp_path / "router" / "model.skops"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(InvalidOptions, match="not the one of its manifest"):
        read(tmp_path / "router")


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(FileExistsError, match="name another folder"):
        train(a_lesson(), Order(out=tmp_path / "photos", kind="linear"))
    assert os.listdir(tmp_path) == ["photos"]


def test_a_witness_fills_what_a_member_did_not_answer() -> None:
    random = np.random.default_rng(0)
    hard = random.random(300) < 0.5
    quality = np.stack([1.0 - hard, 1.0 - hard], axis=1)
    quality[200:, 0] = np.nan
    targets, known = borrowed(quality, 1)
    assert np.abs(targets[200:, 0] - (1.0 - hard[200:])).max() < 0.1
    assert known.min() == 1


def test_a_part_without_a_share_is_not_written(tmp_path: Path) -> None:
    def lucky(seed: int) -> Table:
        return replace(a_lesson(), quality=np.random.default_rng(seed).random((240, 2)).round())

    train(lucky(2), Order(out=tmp_path / "router"))
    model, manifest = read(tmp_path / "router")
    parts = {"linear", "forest", "boosting", "knn"}
    assert set() < parts & set(model.state) == set(manifest["weights"]) < parts
    assert min(manifest["weights"].values()) > 0
    nothing = fit(lucky(1), ("small", "large"), kind="knn")
    assert not parts & set(nothing.state)
    assert np.array_equal(nothing.model.predict(sample([HARD, EASY])), [nothing.state["mean"]] * 2)


def test_the_subject_tells_who_is_better_where_no_single_word_does() -> None:
    random = np.random.default_rng(0)
    law = random.random(200) < 0.5
    words = np.where(law[:, None], *(np.array([f"{kind}{k}" for k in range(30)]) for kind in ("court", "atom")))
    texts = tuple(" ".join(random.choice(row, 4, replace=False)) for row in words)
    domains = tuple(
        None if row < 10 else "rare" if row < 13 else "law" if law[row] else "physics" for row in range(200)
    )
    quality = np.stack([law, ~law], axis=1).astype(np.float64)
    table = replace(a_lesson(200), texts=texts, domains=domains, quality=quality)
    model = fit(table, ("small", "large")).model
    assert model.state["domains"]["quality"].shape == (2, 2)
    first, second = model.parts(sample(["court1 court7 court9", "atom1 atom7 atom9"]))["domains"]
    assert first[0] > first[1] + 0.5
    assert second[1] > second[0] + 0.5
    for lost, told in (("subjects", "forest|domains"), ("layout", "layout 1, here they are of 2")):
        with pytest.raises(InvalidOptions, match=f"({told}).*train it again"):
            Learned({name: part for name, part in model.state.items() if name != lost})


def test_of_bad_answers_those_that_the_dear_member_betters_are_passed_on_first() -> None:
    kinds = [("right", 1.0, 0.0), ("fine", 1.0, 1.0), ("hopeless", 0.0, 0.0), ("bettered", 0.0, 1.0)]
    rows = [kinds[row % 4] for row in range(240)]
    table = replace(
        a_lesson(),
        quality=np.array([[cheap, dear] for _, cheap, dear in rows]),
        outputs=tuple((f"an answer that is {word}", "another") for word, _, _ in rows),
    )
    model = fit_scorer(table, ("small",), "large").model
    scores = model.predict(sample(["Say hi"] * 4, [f"an answer that is {word}" for word, _, _ in kinds]))[:, 0]
    assert np.all(np.diff(scores) < -0.1)
