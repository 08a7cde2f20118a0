"""``preferences``, ``sft`` and ``pairwise``: what models are trained on.

- ``preferences`` has the columns of TRL's preference type with an explicit prompt, conversational (TRL, "Dataset
  formats"): ``prompt``, ``chosen`` and ``rejected`` are messages; beside them, as in UltraFeedback,
  ``score_chosen`` and ``score_rejected``, and their difference ``margin``, which TRL's reward trainer reads.
- ``sft`` has TRL's conversational language modelling: ``messages``, the best answer last; ``tools`` as JSON.
- ``pairwise`` has the columns of ``lmsys/chatbot_arena_conversations`` (``question_id``, ``model_a``, ``model_b``,
  ``winner``, ``judge``, ``conversation_a``, ``conversation_b``, ``turn``, ``tstamp``) and of
  ``lmsys-arena-human-preference-55k`` (``prompt``, ``response_a`` and ``response_b`` as JSON arrays of texts,
  ``winner_model_a``, ``winner_model_b``, ``winner_tie``): RouteLLM reads ``model_a``, ``model_b``, ``winner`` and the
  first text of ``prompt``. Which answer is ``a`` is drawn by hash, so that the place tells nothing.

Labels that decided nothing teach nothing here; where all answers are bad, only ``pairwise`` has rows.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import combinations

from ensemble.store.export import talk
from ensemble.store.export.cases import Answer, Case
from ensemble.store.export.fields import Field, Row, integer, messages, real, text
from ensemble.store.export.formats import FINDING, ORIGIN, Format, Shape, finding, margin, order, origin, teaches


def _preference_columns(shape: Shape) -> Sequence[Field]:
    return (
        messages("prompt", "the conversation"),
        messages("chosen", "the better answer, one turn"),
        messages("rejected", "the worse answer, one turn"),
        real("score_chosen", "quality of the better one in [0, 1]; null if it was not scored"),
        real("score_rejected", "quality of the worse one"),
        real("margin", "difference of the two scores"),
        text("chosen_model", "who wrote the better one"),
        text("rejected_model", "who wrote the worse one"),
        *ORIGIN,
        *FINDING,
    )


def _preferences(case: Case, shape: Shape) -> Iterator[Row]:
    for better, worse in _ranked(case, shape):
        if better.turn is None or worse.turn is None or better.turn == worse.turn:
            continue
        yield {
            "prompt": case.turns,
            "chosen": [better.turn],
            "rejected": [worse.turn],
            "score_chosen": better.score,
            "score_rejected": worse.score,
            "margin": margin(better, worse),
            "chosen_model": better.member,
            "rejected_model": worse.member,
            **origin(case),
            **finding(case),
        }


def _ranked(case: Case, shape: Shape) -> Iterator[tuple[Answer, Answer]]:
    if not teaches(case):
        return
    best = sorted((answer for answer in case.judged if answer.best), key=order)
    rest = sorted((answer for answer in case.judged if not answer.best), key=order)
    if shape.pairs == "one":
        pairs = [(best[0], rest[-1])] if best and rest else []
    else:
        pairs = [(one, other) for one in best for other in rest]
        if shape.pairs == "all":
            pairs += [(one, other) for one, other in combinations(rest, 2) if margin(one, other)]
    for one, other in pairs:
        # A best one that scores below another is no lesson in scores, such as a winner by knockout.
        gap = margin(one, other)
        if shape.min_margin <= 0 or (gap is not None and gap >= shape.min_margin):
            yield one, other


def _sft_columns(shape: Shape) -> Sequence[Field]:
    return (
        messages("messages", "the conversation, the best answer last"),
        text("tools", "JSON array: the tools that the model could call"),
        text("model", "who wrote the answer"),
        real("score", "its quality in [0, 1]"),
        text("reference", "a known right answer"),
        *ORIGIN,
        *FINDING,
    )


def _sft(case: Case, shape: Shape) -> Iterator[Row]:
    best = sorted((a for a in case.judged if a.best and a.turn is not None), key=order)
    if not teaches(case) or not best or best[0].turn is None:
        return
    yield {
        "messages": [*case.turns, best[0].turn],
        "tools": case.row["tools"],
        "model": best[0].member,
        "score": best[0].score,
        "reference": case.row["reference"],
        **origin(case),
        **finding(case),
    }


def _pairwise_columns(shape: Shape) -> Sequence[Field]:
    return (
        text("question_id", "one comparison: id of the request and number of the pair"),
        text("model_a", "who wrote the first answer"),
        text("model_b", "who wrote the second answer"),
        text("winner", "model_a, model_b, tie, or tie (bothbad)"),
        text("judge", "who decided: name of the judge, or aliases of the people"),
        messages("conversation_a", "the conversation with the first answer; without it where it is withheld"),
        messages("conversation_b", "the conversation with the second answer"),
        integer("turn", "turns of the user"),
        real("tstamp", "when the request arrived, seconds since 1970"),
        text("prompt", "JSON array: what the user said, turn by turn"),
        text("response_a", "JSON array: the first answer"),
        text("response_b", "JSON array: the second answer"),
        integer("winner_model_a", "1 if the first won"),
        integer("winner_model_b", "1 if the second won"),
        integer("winner_tie", "1 for a tie of either kind"),
        real("score_a", "quality of the first in [0, 1]"),
        real("score_b", "quality of the second"),
        *ORIGIN,
        *(column for column in FINDING if column.name != "judge"),
    )


def _pairwise(case: Case, shape: Shape) -> Iterator[Row]:
    if case.kind == "fallback":
        return
    for number, (a, b) in enumerate(_battles(case, shape)):
        winner = _winner(case, a, b)
        if winner is None:
            continue
        yield {
            "question_id": f"{case.row['id']}/{number}",
            "model_a": a.member,
            "model_b": b.member,
            "winner": winner,
            "judge": case.judge or case.judged_by,
            "conversation_a": [*case.turns, *([a.turn] if a.turn else [])],
            "conversation_b": [*case.turns, *([b.turn] if b.turn else [])],
            "turn": len(talk.texts(case.turns, "user")),
            "tstamp": datetime.fromisoformat(case.row["arrived_at"]).timestamp(),
            "prompt": _array(*talk.texts(case.turns, "user")),
            "response_a": _array(talk.answer_text(a.turn)) if a.turn else None,
            "response_b": _array(talk.answer_text(b.turn)) if b.turn else None,
            "winner_model_a": int(winner == "model_a"),
            "winner_model_b": int(winner == "model_b"),
            "winner_tie": int(winner.startswith("tie")),
            "score_a": a.score,
            "score_b": b.score,
            **origin(case),
            **{name: value for name, value in finding(case).items() if name != "judge"},
        }


def _array(*said: str | None) -> str:
    return json.dumps(said, ensure_ascii=False)


def _battles(case: Case, shape: Shape) -> Iterator[tuple[Answer, Answer]]:
    """The pairs of answers of two members, each in the order that a hash draws."""
    answers = sorted(case.judged, key=order)
    best = [answer for answer in answers if answer.best]
    if shape.pairs == "one":
        pairs = [(answers[0], answers[-1])] if len(answers) > 1 else []
    else:
        pairs = [(x, y) for x, y in combinations(answers, 2) if shape.pairs != "best" or x in best or y in best]
    for one, other in pairs:
        gap = margin(one, other)
        if one.member == other.member or (shape.min_margin > 0 and abs(gap or 0.0) < shape.min_margin):
            continue
        ids = sorted((one.id, other.id))
        drawn = hashlib.sha256(f"{case.row['id']}:{ids[0]}:{ids[1]}".encode()).digest()[0] & 1
        yield (one, other) if (ids[0] == one.id) == bool(drawn) else (other, one)


def _winner(case: Case, a: Answer, b: Answer) -> str | None:
    """What the finding says of these two; None where it says nothing."""
    if case.kind == "all_bad":
        return "tie (bothbad)"
    if a.best != b.best:
        return "model_a" if a.best else "model_b"
    if a.best:
        return "tie"
    gap = margin(a, b)
    if gap is None:
        return None
    return "tie" if gap == 0 else "model_a" if gap > 0 else "model_b"


PREFERENCES = Format(
    name="preferences",
    doc="one pair of answers to a prompt, the better and the worse, with their scores: TRL's columns",
    made_of="labels",
    columns=_preference_columns,
    rows=_preferences,
)
SFT = Format(
    name="sft",
    doc="one conversation that ends with the best answer",
    made_of="labels",
    columns=_sft_columns,
    rows=_sft,
)
PAIRWISE = Format(
    name="pairwise",
    doc="one comparison of two members with its winner, as Chatbot Arena and RouteLLM read",
    made_of="labels",
    columns=_pairwise_columns,
    rows=_pairwise,
    task="text-classification",
)
