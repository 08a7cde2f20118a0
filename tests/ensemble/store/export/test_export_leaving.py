"""What must not leave is looked for in every byte of every format."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.redaction import Redactor
from ensemble.store.export import FORMATS, KINDS, export_folder
from judges.types import Message, Prompt
from tests.ensemble.store.builders import a_call, a_record, a_request, said
from tests.ensemble.store.export.conftest import KNOWN, Fill, rows, spec

MAIL = "ann.lee@example.org"


def everything(folder: Path) -> str:
    """Every text of a folder of JSON lines or CSV."""
    return "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*") if file.is_file())


def talk() -> Prompt:
    """A conversation in which the withheld member has answered before."""
    return Prompt(
        messages=(
            Message(role="user", content=f"Write to {MAIL}."),
            Message(role="assistant", content="answer of large"),
            Message(role="user", content="Again!"),
        )
    )


@pytest.mark.parametrize("form", FORMATS)
async def test_a_withheld_member_keeps_its_texts_and_gives_its_scores(form: str, fill: Fill) -> None:
    log = await fill(
        a_record(request=a_request(conversation="c"), verdict={"reason": "quotes answer of large"}),
        a_record(request=a_request(prompt=talk(), conversation="c"), verdict={"reason": "quotes answer of large"}),
    )
    out = log.parent / "out"
    tree = export_folder(log, spec(form, training_use=KNOWN | {"large": False}), out)
    assert "answer of large" not in everything(out)
    assert form == "calls" or tree["withheld"]["large"] >= 0
    found = rows(out)
    if form == "routing":
        assert {m["model"]: m["score"] for m in found[0]["models"]}["large"] == 0.25
    elif form == "matrix":
        assert (found[0]["large"], found[0]["large|model_response"]) == (0.25, None)
        assert found[0]["small|model_response"] == "answer of small"
    elif form == "pairwise":
        assert {"model_a", "model_b"} & {row["winner"] for row in found if "large" in (row["model_a"], row["model_b"])}
    elif form == "preferences":
        assert {row["rejected_model"] for row in found} == {"medium"}


async def test_texts_of_members_that_nobody_knows_are_refused_by_name(fill: Fill) -> None:
    log = await fill(a_record())
    with pytest.raises(StoreError, match=r"'large', 'medium', 'referee', 'small'.*--withhold NAME.*--all-texts"):
        export_folder(log, spec("sft", training_use={}), log.parent / "out")
    assert not (log.parent / "out").exists()
    export_folder(log, spec("routing", training_use={}), log.parent / "numbers")
    export_folder(log, spec("sft", training_use={}, all_texts=True), log.parent / "all")
    assert len(rows(log.parent / "all")) == 1


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "parquet"])
async def test_redaction_reaches_every_text(form: str, kind: str, fill: Fill) -> None:
    request = a_request(prompt=talk(), conversation=MAIL, domain=f"of {MAIL}", reference=f"ask {MAIL}")
    plain = a_record(request=request, verdict={"reason": f"{MAIL} is named"})
    first = next(iter(plain.authors))
    spoken = a_call(request.id, "small", candidate=first, completion=said(f"Mail {MAIL}, code XK-1234."), detail=MAIL)
    record = a_record(
        request=request, calls=(spoken, *plain.calls[1:]), authors=plain.authors, rulings=plain.rulings, chosen=first
    )
    log = await fill(record)
    redactor = Redactor(kinds=("email",), patterns={"code": r"XK-\d+"})
    out = log.parent / "out"
    tree = export_folder(log, spec(form, kind=kind, redactor=redactor), out)
    said_ = everything(out)
    assert MAIL not in said_
    assert "XK-1234" not in said_
    assert tree["redaction"]["digest"] == redactor.digest
    assert tree["redaction"]["taken_out"]["email"] > 0
    with closing(sqlite3.connect(log)) as db:
        (hash_,) = db.execute("SELECT prompt_hash FROM requests").fetchone()
    # Whoever knows the hash of a text can try what was taken out of it.
    assert hash_ not in said_
    assert json.loads((out / "manifest.json").read_text())["prompts_sha256"] is None
