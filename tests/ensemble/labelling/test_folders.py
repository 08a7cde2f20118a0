from pathlib import Path
from typing import Any

import datasets
import pytest

from ensemble.labelling.folders import rows_of_folder
from ensemble.labelling.sources import BadSource

CARD = """---
license: mit
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.jsonl
  - split: test
    path: [held/a.jsonl, held/b.jsonl]
- config_name: other
  data_files: other.csv
---
# A data set
"""


def a_folder(folder: Path, card: str = CARD) -> Path:
    files = {"data/1.jsonl": "a", "data/2.jsonl": "b", "held/a.jsonl": "c", "held/b.jsonl": "d"}
    for name, prompt in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f'{{"prompt": "{prompt}"}}\n')
    (folder / "other.csv").write_text("prompt\ne\n")
    (folder / "README.md").write_text(card)
    return folder


def prompts(folder: Path, **options: Any) -> list[object]:
    return [raw[1]["prompt"] for raw in rows_of_folder(folder, **options) if isinstance(raw, tuple)]  # type: ignore[index]


def test_splits_and_subsets_of_a_card(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    assert prompts(folder, split="train") == ["a", "b"]
    assert prompts(folder, split="test") == ["c", "d"]
    assert prompts(folder, subset="other") == ["e"]
    assert [raw[0] for raw in rows_of_folder(folder, split="test") if isinstance(raw, tuple)] == [1, 2]


@pytest.mark.parametrize(
    ("card", "options", "told"),
    [
        (CARD, {}, "choose one of its splits with --split: test, train"),
        (CARD, {"split": "dev"}, "there is no split 'dev'"),
        (CARD, {"subset": "none"}, "choose one of its subsets with --subset: default, other"),
        ("---\nconfigs: [\n---\n", {}, "is no YAML"),
        ("---\nconfigs: 3\n---\n", {}, "no list of tables"),
        ("---\nconfigs:\n- data_files: ../*.jsonl\n---\n", {}, "is no such file|not inside"),
        ("---\nconfigs:\n- data_files: https://example.com/a.csv\n---\n", {}, "not on this disk"),
        ("---\nconfigs:\n- data_files: absent.csv\n---\n", {}, "there is no such file"),
    ],
)
def test_a_card_that_leads_nowhere(tmp_path: Path, card: str, options: dict[str, str], told: str) -> None:
    with pytest.raises(BadSource, match=told):
        prompts(a_folder(tmp_path, card), **options)


def test_without_a_card_names_tell_the_split(tmp_path: Path) -> None:
    for name in ("data/train-00000-of-00001.jsonl", "data/dev.jsonl", ".cache/train.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"prompt": "{name}"}}\n')
    assert prompts(tmp_path, split="train") == ["data/train-00000-of-00001.jsonl"]
    assert prompts(tmp_path, split="validation") == ["data/dev.jsonl"]


def test_what_save_to_disk_left(tmp_path: Path) -> None:
    made = datasets.Dataset.from_list([{"prompt": f"p{n}"} for n in range(700)])
    made.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": made, "test": made.select(range(2))}).flatten_indices().save_to_disk(
        tmp_path / "two"
    )
    assert prompts(tmp_path / "one") == [f"p{n}" for n in range(700)]
    assert prompts(tmp_path / "two", split="test") == ["p0", "p1"]


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="there are no Parquet"):
        prompts(tmp_path)
