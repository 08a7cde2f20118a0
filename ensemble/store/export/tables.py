"""``routing`` and ``matrix``: how good, dear and slow each member was at each prompt.

``matrix`` is RouterBench's wide table (arXiv 2403.12031, ``routerbench_0shot``): ``sample_id``, ``prompt``,
``eval_name``, then for every model three columns, ``MODEL`` (score in [0, 1]), ``MODEL|model_response`` and
``MODEL|total_cost`` (US dollars), and last ``oracle_model_to_route_to``, the cheapest of the best, or
``no_model_correct`` where all scores are 0. Models are the members of the whole selection, sorted by name; what a model
did not answer, what was not scored and what is unknown is null; where people decided, or a judge that gives no scores,
the best score 1 and the others of the panel 0, all of it where all are bad; beside scores, what lost before it got one
has 0. With several samples, the response is the first one's and the score their mean. ``sample_id`` is the row of the
data set, else the id of the request; ``eval_name`` the data set, else the domain, else the router. ``prompt`` is the
user's text where the conversation is just that and looks like no list; any other conversation is the JSON array of its
messages, as chat completions take them. ``ensemble import --format matrix`` reads all of it back.
"""

from collections.abc import Iterator, Sequence

from ensemble.store.export import talk
from ensemble.store.export.cases import Case
from ensemble.store.export.fields import Field, Row, integer, messages, real, several, text, texts, truth
from ensemble.store.export.formats import FINDING, ORIGIN, Format, Shape, finding, origin, usd
from judges.heuristics.agreement import alike

RESPONSE, COST = "|model_response", "|total_cost"
NONE_RIGHT = "no_model_correct"
_MODEL = (
    text("model", "member"),
    real("score", "quality in [0, 1], mean over its samples; null if it was not scored"),
    real("spread", "standard deviation over its samples; null for one"),
    integer("samples", "answers that it gave"),
    real("cost_usd", "every attempt; null if unknown"),
    real("latency_s", "seconds of its slowest sample, retries included; null if it gave none"),
    real("propensity", "probability with which the router drew it; null if the plan was not drawn"),
    truth("judged", "the finding is on it, so that it lost where it is no winner and has no score; null if unknown"),
    text("set_aside", "why an answer of it lost before the judge saw it: without a score it is worth 0 beside others"),
    integer("alike", "the same number as of others whose answers surely say the same; null where that cannot be told"),
)
_CHANCE = (text("model", "member"), real("propensity", "probability with which the router drew it"))


def _routing_columns(shape: Shape) -> Sequence[Field]:
    return (
        *ORIGIN,
        text("arrived_at", "UTC"),
        text("prompt", "the user's text, or the messages as JSON where there is more than that"),
        messages("messages", "the conversation"),
        text("reference", "a known right answer"),
        text("winner", "the best member; null where several or none are best"),
        texts("winners", "all best members; empty where the label is not usable"),
        several("models", _MODEL, "every member that was called: its score, cost and latency"),
        several(
            "propensities", _CHANCE, "every member that could be drawn, called or not; empty if the plan was not drawn"
        ),
        *FINDING,
    )


def _routing(case: Case, shape: Shape) -> Iterator[Row]:
    judged = {answer.member for answer in case.judged}
    # Of several samples the first reason by name, as the view `labels` has it.
    told = [(one.member, one.set_aside) for one in case.answers if one.set_aside is not None]
    aside = dict(sorted(told, reverse=True))
    same = _alike(case)
    models = [
        {
            "model": name,
            "score": figures.score,
            "spread": figures.spread,
            "samples": figures.samples,
            "cost_usd": usd(figures.nano_usd),
            "latency_s": figures.total_s,
            "propensity": case.propensities.get(name),
            "judged": name in judged if case.panel else None,
            "set_aside": aside.get(name),
            "alike": same.get(name),
        }
        for name, figures in case.figures.items()
    ]
    yield origin(case) | {
        "arrived_at": case.row["arrived_at"],
        "prompt": talk.plain(case.turns),
        "messages": case.turns,
        "reference": case.row["reference"],
        "winner": case.best[0] if len(case.best) == 1 else None,
        "winners": list(case.best),
        "models": models,
        "propensities": [{"model": name, "propensity": chance} for name, chance in sorted(case.propensities.items())],
        **finding(case),
    }


def _alike(case: Case) -> dict[str, int]:
    """Of each member the first answer that was judged, else its first, as learners read a log."""
    first: dict[str, str] = {}
    for answer in sorted(case.answers, key=lambda one: case.panel and not one.judged):
        first.setdefault(answer.member, answer.turn["content"] if answer.turn else "")
    return alike(first, talk.question(case.turns))


def _matrix_columns(shape: Shape) -> Sequence[Field]:
    each = [
        column
        for name in shape.members
        for column in (
            real(name, f"score of {name}"),
            text(name + RESPONSE, "its answer"),
            real(name + COST, "its cost, US dollars"),
        )
    ]
    return (
        text("sample_id", "row of the data set, else id of the request"),
        text("prompt", "the user's text, or the messages as JSON where there is more than that"),
        text("eval_name", "data set, else domain, else router"),
        *each,
        text("oracle_model_to_route_to", f"cheapest of the best; {NONE_RIGHT} where all scores are 0"),
    )


def _matrix(case: Case, shape: Shape) -> Iterator[Row]:
    row: Row = {
        "sample_id": case.row["row_id"] or case.row["id"],
        "prompt": talk.cell(case.turns),
        "eval_name": case.row["dataset"] or case.row["domain"] or case.row["router"],
    }
    first = {answer.member: answer.turn for answer in reversed(case.answers)}
    scores = _scores(case)
    for name in shape.members:
        figures = case.figures.get(name)
        row[name] = scores.get(name)
        row[name + RESPONSE] = talk.answer_text(first.get(name))
        # What failed altogether has no answer to pay for, and is no column that an import should take for one.
        row[name + COST] = usd(figures.nano_usd) if figures and figures.samples else None
    yield row | {"oracle_model_to_route_to": _oracle(case)}


def _scores(case: Case) -> dict[str, float]:
    scores = {name: figures.score for name, figures in case.figures.items() if figures.score is not None}
    if case.source == "judge" and (scores or case.kind == "fallback"):
        beaten = [one.member for one in case.answers if one.set_aside is not None or (case.panel and one.judged)]
        return {**dict.fromkeys((one for one in beaten if one not in case.best), 0.0), **scores} if scores else {}
    # Where none is acceptable, who is best is the least bad one.
    best = {answer.member for answer in case.judged if answer.best and case.kind != "all_bad"}
    return {answer.member: float(answer.member in best) for answer in case.judged}


def _oracle(case: Case) -> str | None:
    scored = _scores(case)
    if not scored:
        return None
    most = max(scored.values())
    if most == 0:
        return NONE_RIGHT
    cost = {name: case.figures[name].nano_usd for name, score in scored.items() if score == most}
    return min(cost, key=lambda name: (cost[name] is None, cost[name] or 0, name))


ROUTING = Format(
    name="routing",
    doc="one prompt, with score, cost and latency of every member, the winner and the confidence in it",
    made_of="labels",
    columns=_routing_columns,
    rows=_routing,
    says=False,
    task="text-classification",
)
MATRIX = Format(
    name="matrix",
    doc="one prompt, with score, response and cost of every member: RouterBench's wide table",
    made_of="labels",
    columns=_matrix_columns,
    rows=_matrix,
)
