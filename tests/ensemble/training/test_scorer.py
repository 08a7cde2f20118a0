from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensemble.training.scorer import tells_logprobs
from ensemble.training.train import Order, train
from judges.learning.folder import read
from judges.learning.model import EVIDENCE, VERIFIERS, sample
from tests.ensemble.training.tables import a_table


@pytest.mark.parametrize(("known", "wanted"), [(3, True), (2, False)])
def test_logprobs_are_wanted_where_most_cheap_answers_had_them(known: int, wanted: bool) -> None:
    evidence = np.zeros((3, 3, EVIDENCE))
    evidence[:known, 0, VERIFIERS] = 1
    whole = replace(a_table(np.eye(3)), evidence=evidence)
    first, second, dear = whole.members
    assert tells_logprobs(whole, (first,))
    assert tells_logprobs(whole, (first, second)) == wanted
    assert not tells_logprobs(whole, (dear,))
    assert not tells_logprobs(a_table(np.eye(3)), (first,))


def test_members_outside_the_cascade_steady_what_the_dear_one_would_gain(tmp_path: Path) -> None:
    # The cheap member is never right. The dear one is where the other is, but for one kind of request: bad luck.
    kinds = [("easy sums", 1.0, 1.0), ("hard proofs", 0.0, 0.0), ("unlucky riddles", 0.0, 1.0)]
    rows = [kinds[(0, 1, 0, 1, 2)[row % 5]] for row in range(200)]
    table = replace(
        a_table([(0.0, large, other) for _, large, other in rows], members=("small", "large", "other")),
        texts=tuple(text for text, _, _ in rows),
        outputs=(("no", "so", None),) * len(rows),
    )
    said = []
    for name, seen in (("alone", table.only(("small", "large"))), ("beside", table)):
        train(seen, Order(out=tmp_path / name, kind="scorer", members=("small", "large")))
        scores = read(tmp_path / name)[0].predict(sample([text for text, _, _ in kinds], ["no"] * 3))
        said.append(dict(zip(("easy", "hard", "unlucky"), scores[:, 0], strict=True)))
    alone, beside = said
    assert alone["unlucky"] == pytest.approx(alone["hard"], abs=0.02)
    assert beside["easy"] + 0.05 < beside["unlucky"] < beside["hard"] - 0.05


def test_an_answer_whose_sums_go_wrong_midway_is_passed_on(tmp_path: Path) -> None:
    # Right and wrong answers differ in nothing but whether a chain of sums holds.
    def asked(row: int) -> tuple[int, int, int, int]:
        return 3 + row % 7, 4 + row % 11, 2 + row % 5, (0, 2, 0, -2)[row % 4]

    def question(row: int) -> str:
        boxes, pens, more, _ = asked(row)
        return f"Ann has {boxes} boxes of {pens} pens and {more} pens more. How many pens has she?"

    def answer(row: int) -> str:
        boxes, pens, more, slip = asked(row)
        found = boxes * pens + slip
        return f"She has {boxes} * {pens} + {more} = {found} + {more} = {found + more} pens."

    rows = range(200)
    table = replace(
        a_table([(float(row % 2 == 0), 1.0) for row in rows], members=("small", "large")),
        texts=tuple(map(question, rows)),
        outputs=tuple((answer(row), "so") for row in rows),
    )
    train(table, Order(out=tmp_path / "reader", kind="scorer", members=("small", "large")))
    unseen = range(1_001, 1_101)
    scores = read(tmp_path / "reader")[0].predict(sample(list(map(question, unseen)), list(map(answer, unseen))))[:, 0]
    right = np.array([row % 2 == 0 for row in unseen])
    assert scores[right].min() > scores[~right].max() + 0.1
