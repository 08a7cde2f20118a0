"""A provider's file of usage against the ledger."""

from pathlib import Path

import pytest

from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.reconcile import Usage, read_usage, reconcile
from tests.ensemble.store.builders import a_record

OPENAI = (
    "start_time,end_time,start_time_iso,project_id,num_model_requests,model,input_tokens,output_tokens,"
    "input_cached_tokens\n"
)
OPENAI_COSTS = "start_time_iso,line_item,amount_value,amount_currency\n"
ANTHROPIC = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens\n"
)


def written(folder: Path, text: str) -> Path:
    file = folder / "usage.csv"
    file.write_text(text)
    return file


def test_both_exports_are_read_by_their_headers(tmp_path: Path) -> None:
    openai = OPENAI + "1795392000,1795478400,2026-11-23T00:00:00+00:00,p,3,gpt,100,20,40\n" * 2
    assert read_usage(written(tmp_path, openai)) == {("2026-11-23", "gpt"): Usage(input=200, output=40, calls=2)}
    anthropic = ANTHROPIC + "2026-11-23,claude,k,w,standard,100,5,6,7,20\n"
    assert read_usage(written(tmp_path, anthropic)) == {("2026-11-23", "claude"): Usage(input=118, output=20, calls=1)}
    costs = OPENAI_COSTS + "2026-11-23,gpt,0.0123456789,usd\n"
    assert read_usage(written(tmp_path, costs))["2026-11-23", "gpt"].nano_usd == 12_345_679
    own = read_usage(written(tmp_path, "Tag,Modell,Cent\n1795392000,gpt,1.5\n"),
                     {"day": "Tag", "model": "Modell", "cents": "Cent"})  # fmt: skip
    assert own == {("2026-11-23", "gpt"): Usage(nano_usd=15_000_000, calls=1)}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n1,2\n", "no column tells the day; it has a, b; name it with --column day=COLUMN"),
        ("day,model\n2026-11-23,gpt\n", "no column tells tokens or money"),
        ("day,model,cost\nyesterday,gpt,1\n", "line 2: 'yesterday' is no day"),
        ("day,model,cost\n2026-11-23,gpt,much\n", "line 2: cost is no number"),
        ("", "no column tells the day; it has none"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(StoreError, match=told):
        read_usage(written(tmp_path, text))


async def test_differences_are_named(store: Store, path: Path) -> None:
    await store.record(a_record())  # 3 answers and 2 judge calls: 230 tokens in, 19 out
    day = ("2026-11-23", "vendor-model-1")
    with reading(path) as db:
        (same,) = reconcile(db, {day: Usage(input=230, output=19, nano_usd=61_400)})
        (less,) = reconcile(db, {day: Usage(input=200, output=19, nano_usd=60_000)})
        (near,) = reconcile(db, {day: Usage(input=229, output=19)}, tolerance=0.01)
        other = reconcile(db, {("2026-11-23", "other"): Usage(input=1), ("2026-11-22", "old"): Usage(input=1)})
        (small,) = reconcile(db, {day: Usage(input=10, output=5)}, members=["small"])
    assert same.what == near.what == small.what == ()
    assert less.what == ("input tokens +30", "cost +0.000001 USD")
    assert [(one.day, one.model, one.what) for one in other] == [
        ("2026-11-22", "old", ("not in the ledger",)),
        ("2026-11-23", "other", ("not in the ledger",)),
        ("2026-11-23", "vendor-model-1", ("not in the provider's file",)),
    ]
