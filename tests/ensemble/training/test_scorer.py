from dataclasses import replace

import numpy as np
import pytest

from ensemble.training.scorer import tells_logprobs
from judges.learning.model import EVIDENCE, VERIFIERS
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
