import json
import time
from pathlib import Path

from ensemble.training.train import Order, train
from judges.learning.folder import read
from judges.learning.model import sample
from tests.ensemble.training.lessons import a_lesson
from tests.served import SERVER, serving

HARD, EASY = "Prove that 541 is prime and compute 123 * 456 = ?", "Hello there, please say hi to Ann"


def a_folder(folder: Path, kind: str = "linear") -> Path:
    table = a_lesson()
    train(table.only(("small", "large")), Order(out=folder / "router", kind=kind))
    file = folder / "router" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["members"] = ["alpha", "beta"]  # the names in the served fleet
    manifest["digests"] = {}
    file.write_text(json.dumps(manifest))
    return folder / "router"


def routers(path: Path, **options: object) -> str:
    lines = "".join(f"{name} = {value}\n" for name, value in options.items())
    return f'[routers.panel]\nuse = "learned"\npath = "{path}"\n{lines}{SERVER}'


async def test_the_cheap_member_gets_what_it_can_do_and_the_dear_one_the_rest(tmp_path: Path) -> None:
    async with serving(tmp_path, routers(a_folder(tmp_path), target_quality=0.95)) as served, served.client() as client:
        members, plan = {}, {}
        for text in (HARD, EASY):
            reply = await client.chat.completions.with_raw_response.create(
                model="panel", messages=[{"role": "user", "content": text}]
            )
            record = await served.record(reply.headers["x-ensemble-request-id"])
            members[text] = [call["member"] for call in record["calls"]]
            plan = record["plan"]
    assert members == {HARD: ["beta"], EASY: ["alpha"]}
    assert set(plan["predicted"]) == {"alpha", "beta"}


async def test_a_member_that_changed_since_is_never_chosen(tmp_path: Path) -> None:
    path = a_folder(tmp_path)
    file = path / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["digests"] = {"beta": "0" * 64}
    file.write_text(json.dumps(manifest))
    async with serving(tmp_path, routers(path)) as served, served.client() as client:
        reply = await client.chat.completions.with_raw_response.create(
            model="panel", messages=[{"role": "user", "content": HARD}]
        )
        record = await served.record(reply.headers["x-ensemble-request-id"])
    assert [call["member"] for call in record["calls"]] == ["alpha"]


def test_a_prediction_takes_less_than_five_milliseconds_of_this_thread(tmp_path: Path) -> None:
    model, _ = read(a_folder(tmp_path, "stack"))
    model.predict(sample([HARD]))
    taken = []
    for _ in range(30):
        begin = time.thread_time()
        model.predict(sample([HARD]))
        taken.append(time.thread_time() - begin)
    assert sorted(taken)[3] < 0.005
