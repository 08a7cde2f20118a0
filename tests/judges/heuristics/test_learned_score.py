from pathlib import Path

import pytest

from judges.errors import InvalidOptions
from judges.judge import JUDGES


def test_a_folder_that_is_no_scorer_is_refused(tmp_path: Path) -> None:
    judge = JUDGES.build({"use": "learned", "path": str(tmp_path)})
    assert judge.scores_candidates
    with pytest.raises(InvalidOptions, match=r"no readable manifest.json.*ensemble train"):
        judge.load()
