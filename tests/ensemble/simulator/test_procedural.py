"""Procedural models really solve or really fail; the judge prefers who is right; both can be spoilt while they run."""

import time
from collections import defaultdict
from typing import Any

import aiohttp
import orjson
import pytest

from ensemble.simulator import Simulator, SimulatorSettings, Task, check, make_tasks
from ensemble.simulator.procedural import PROFILES
from ensemble.simulator.talk import Usage
from ensemble.simulator.tasks.patterns import BY_KIND
from judges.llm._render import render
from judges.types import Candidate, CandidateId, Case, Completion, Message

PROFILE = {profile.name: profile for profile in PROFILES}
SOLVERS = [profile.name for profile in PROFILES if profile.tier != "judge"]


async def post(http: aiohttp.ClientSession, sim: Simulator, model: str, messages: object, **more: object) -> Any:
    body = {"model": model, "messages": messages, **more}
    async with http.post(f"{sim.base_url}/chat/completions", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def said(http: aiohttp.ClientSession, sim: Simulator, model: str, task: Task, **more: object) -> str:
    """The answer as the checker reads it."""
    if task.tools:
        more["tools"] = list(task.tools)
    body = await post(http, sim, model, task.messages, **more)
    message = body["choices"][0]["message"]
    if "tool_calls" in message:
        function = message["tool_calls"][0]["function"]
        return str(orjson.dumps({"name": function["name"], "arguments": function["arguments"]}), "utf-8")
    return str(message["content"])


async def shares(http: aiohttp.ClientSession, sim: Simulator, model: str, tasks: list[Task]) -> dict[str, float]:
    """Share of right answers: of all, of easy ones, of hard ones, of each kind."""
    marks: dict[str, list[bool]] = defaultdict(list)
    for task in tasks:
        is_right = check(task, await said(http, sim, model, task))
        for group in ("all", "easy" if task.difficulty < 0.4 else "hard", task.kind):
            marks[group].append(is_right)
    return {group: sum(each) / len(each) for group, each in marks.items()}


async def test_tiers_differ_where_it_is_hard_and_hardly_where_it_is_easy(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    tasks = list(make_tasks(250, seed=2))
    small, balanced, large = [await shares(http, sim, name, tasks) for name in ("small", "balanced", "large")]
    assert small["easy"] > 0.75
    assert small["hard"] + 0.2 < balanced["hard"] < large["hard"] - 0.1
    assert small["all"] < balanced["all"] < large["all"]


async def test_answers_repeat_by_seed_and_vary_by_sample(http: aiohttp.ClientSession) -> None:
    tasks = [task for task in make_tasks(60, seed=4) if task.difficulty > 0.4][:10]
    runs = []
    for _ in range(2):
        async with Simulator() as sim:
            runs.append([await said(http, sim, "balanced", task) for task in tasks])
            more = [await said(http, sim, "balanced", task) for task in tasks]
            fixed = [await said(http, sim, "balanced", task, temperature=0) for task in tasks]
            again = [await said(http, sim, "balanced", task, temperature=0) for task in tasks]
            assert more != runs[-1]
            assert fixed == again == runs[-1]
            assert await said(http, sim, "balanced", tasks[0], seed=0) == fixed[0]
    assert runs[0] == runs[1]
    async with Simulator(SimulatorSettings(seed=9)) as sim:
        assert [await said(http, sim, "balanced", task) for task in tasks] != runs[0]


async def test_wording_varies_and_larger_models_say_more(sim: Simulator, http: aiohttp.ClientSession) -> None:
    tasks = [task for task in make_tasks(150, seed=6) if task.checker in ("number", "text")]
    lengths = {name: [len(await said(http, sim, name, task)) for task in tasks] for name in ("small", "large")}
    assert sum(lengths["large"]) > 1.2 * sum(lengths["small"])
    assert len(set(lengths["large"])) > 20


async def test_a_person_who_just_chats_is_told_that_it_is_simulated(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    body = await post(http, sim, "large", [{"role": "user", "content": "Write a poem about rain."}])
    assert "simulated" in body["choices"][0]["message"]["content"]


async def test_a_tool_is_called_and_its_result_used(sim: Simulator, http: aiohttp.ClientSession) -> None:
    task = next(task for task in make_tasks(300, seed=1) if task.kind == "tool_call" and task.difficulty < 0.3)
    tools = list(task.tools)
    body = await post(http, sim, "large", task.messages, tools=tools)
    choice = body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    call = choice["message"]["tool_calls"][0]
    result = {"role": "tool", "tool_call_id": call["id"], "content": "Sunny, 21 degrees."}
    body = await post(http, sim, "large", [*task.messages, choice["message"], result], tools=tools)
    assert "21 degrees" in body["choices"][0]["message"]["content"]
    body = await post(http, sim, "large", task.messages, tools=tools, tool_choice="none")
    assert body["choices"][0]["finish_reason"] == "stop"


async def test_a_tool_that_is_demanded_is_called_with_arguments_of_its_schema(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    parameters = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 3}, "why": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "note", "parameters": parameters}}]
    choice = {"type": "function", "function": {"name": "note"}}
    body = await post(http, sim, "small", [{"role": "user", "content": "Hm."}], tools=tools, tool_choice=choice)
    call = body["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "note"
    assert orjson.loads(call["arguments"])["n"] == 3


async def test_a_tool_that_is_demanded_gets_the_answer_to_a_task(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """So do clients ask that have no other way to a form."""
    parameters = {"type": "object", "properties": {"answer": {"type": "string"}}}
    tools = [{"type": "function", "function": {"name": "json", "parameters": parameters}}]
    asked = [{"role": "user", "content": "What is 17 x 24?"}]
    body = await post(http, sim, "large", asked, tools=tools, tool_choice="required", temperature=0)
    call = body["choices"][0]["message"]["tool_calls"][0]["function"]
    assert (call["name"], orjson.loads(call["arguments"])) == ("json", {"answer": "408"})


async def test_a_wanted_form_is_kept_with_the_answer_in_its_place(sim: Simulator, http: aiohttp.ClientSession) -> None:
    schema = {
        "$defs": {"N": {"type": "integer"}},
        "type": "object",
        "properties": {
            "reason": {"type": "string"},
            "answer": {"$ref": "#/$defs/N"},
            "sure": {"enum": ["low", "high"]},
            "notes": {"type": "array", "items": {"type": ["string", "null"]}},
        },
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    ask = [{"role": "user", "content": "What is 17 + 25?"}]
    body = await post(http, sim, "large", ask, response_format=wanted)
    found = orjson.loads(body["choices"][0]["message"]["content"])
    assert (found["answer"], found["sure"], len(found["notes"])) == (42, "low", 1)
    body = await post(http, sim, "large", ask, response_format={"type": "json_object"})
    assert orjson.loads(body["choices"][0]["message"]["content"]) == {"answer": "42"}


async def test_a_model_made_worse_at_one_kind_is_worse_at_that_kind_only(
    sim: Simulator, http: aiohttp.ClientSession
) -> None:
    tasks = [task for task in make_tasks(400, seed=8) if task.kind in ("dates", "logic")]
    before = await shares(http, sim, "large", tasks)
    sim.degrade("large", kind="dates", by=0.8)
    spoilt = await shares(http, sim, "large", tasks)
    assert spoilt["dates"] < before["dates"] - 0.4
    assert abs(spoilt["logic"] - before["logic"]) < 0.15
    sim.degrade("large", kind="dates", by=0)
    assert (await shares(http, sim, "large", tasks))["dates"] > spoilt["dates"] + 0.4


async def test_a_model_can_be_replaced_under_its_name(sim: Simulator, http: aiohttp.ClientSession) -> None:
    tasks = list(make_tasks(120, seed=12))
    before = await post(http, sim, "large", tasks[0].messages)
    good = await shares(http, sim, "large", tasks)
    sim.replace("large", like="small")
    after = await post(http, sim, "large", tasks[0].messages)
    assert after["model"] == before["model"] == "large"
    assert after["system_fingerprint"] != before["system_fingerprint"]
    assert (await shares(http, sim, "large", tasks))["all"] < good["all"] - 0.1


async def test_only_known_solvers_can_be_spoilt(sim: Simulator) -> None:
    for model in ("judge", "nobody"):
        with pytest.raises(ValueError, match=model):
            sim.degrade(model)
    with pytest.raises(ValueError, match="nobody"):
        sim.replace("large", like="nobody")


def page(task: Task, texts: list[str]) -> str:
    candidates = tuple(
        Candidate(id=CandidateId(str(at)), completion=Completion(text=text, finish_reason="stop"))
        for at, text in enumerate(texts)
    )
    messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in task.messages)  # type: ignore[arg-type]
    return render(Case(messages=messages, candidates=candidates), [candidate.id for candidate in candidates])


@pytest.fixture
async def pairs(sim: Simulator, http: aiohttp.ClientSession) -> list[tuple[Task, str, str]]:
    """Tasks with a right and a wrong answer to each."""
    found = []
    for task in make_tasks(200, seed=14):
        texts = [await said(http, sim, name, task) for name in ("small", "large")]
        marks = [check(task, text) for text in texts]
        if sum(marks) == 1:
            found.append((task, texts[marks.index(True)], texts[marks.index(False)]))
    assert len(found) > 30
    return found


async def test_the_judge_prefers_who_is_right(
    sim: Simulator, http: aiohttp.ClientSession, pairs: list[tuple[Task, str, str]]
) -> None:
    for task, good, bad in pairs:
        for texts, label in (([good, bad], "[[A]]"), ([bad, good], "[[B]]"), ([good, good], "[[C]]")):
            body = await post(http, sim, "judge", [{"role": "user", "content": page(task, texts)}])
            assert body["choices"][0]["message"]["content"].endswith(label), task


async def test_a_noisy_judge_errs_at_its_rate(http: aiohttp.ClientSession, pairs: list[tuple[Task, str, str]]) -> None:
    async with Simulator(SimulatorSettings(evaluator_noise=0.5)) as noisy:
        wrong = 0
        for task, good, bad in pairs:
            body = await post(http, noisy, "judge", [{"role": "user", "content": page(task, [good, bad])}])
            wrong += body["choices"][0]["message"]["content"].endswith("[[B]]")
    assert 0.25 < wrong / len(pairs) < 0.75


async def test_large_models_solve_easy_tasks_of_every_kind(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """Conversations of several turns and calls of tools among them."""
    easy = [task for task in make_tasks(300, seed=21) if task.difficulty < 0.3]
    marks = await shares(http, sim, "birch-large", easy)
    kinds = {task.kind for task in easy}
    assert kinds == set(BY_KIND) - {"critical"}, "no critical decision is that easy"
    assert {"dialogue", "tool_call"} < kinds
    assert all(marks[kind] > 0.7 for kind in kinds), marks


async def test_each_family_has_its_strengths(sim: Simulator, http: aiohttp.ClientSession) -> None:
    tasks = [
        task
        for task in make_tasks(1200, seed=22)
        if task.kind in ("arithmetic", "logic") and 0.55 < task.difficulty < 0.95
    ]
    oak, birch = [await shares(http, sim, name, tasks) for name in ("balanced", "birch-balanced")]
    assert oak["arithmetic"] > birch["arithmetic"] + 0.2
    assert birch["logic"] > oak["logic"] + 0.2


async def test_each_tier_is_dearer_and_slower_than_the_one_below(http: aiohttp.ClientSession) -> None:
    usage = Usage(prompt=1000, completion=300)
    task = next(task for task in make_tasks(50, seed=23) if task.checker == "number")
    async with Simulator(SimulatorSettings(latency=0.05)) as sim:
        for family in ("", "birch-"):
            names = [f"{family}{tier}" for tier in ("small", "balanced", "large")]
            costs = [PROFILE[name].cost_usd(usage) for name in names]
            assert costs[0] * 2 < costs[1] < costs[2] / 2
            times = []
            for name in names:
                took = []
                for _ in range(5):
                    begun = time.perf_counter()
                    await said(http, sim, name, task)
                    took.append(time.perf_counter() - begun)
                times.append(sorted(took)[2])
            assert times == sorted(times), times
            assert times[2] > 0.05 * PROFILE[names[2]].first_token_s / 2


async def test_models_mostly_know_what_they_know(sim: Simulator, http: aiohttp.ClientSession) -> None:
    """The mean logprob tells right answers from wrong ones with the AUC of real models: far from 1, far from .5."""
    right: list[float] = []
    wrong: list[float] = []
    for task in make_tasks(500, seed=5):
        if task.tools:
            continue
        body = await post(http, sim, "small", task.messages, logprobs=True, temperature=0)
        (choice,) = body["choices"]
        entries = choice["logprobs"]["content"]
        kept = right if check(task, choice["message"]["content"]) else wrong
        kept.append(sum(entry["logprob"] for entry in entries) / len(entries))
    assert min(len(right), len(wrong)) > 100
    assert 0.65 < sum(one > other for one in right for other in wrong) / len(right) / len(wrong) < 0.78
