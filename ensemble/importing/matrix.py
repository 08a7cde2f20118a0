"""``--format matrix``: RouterBench's wide table, one row per prompt and three columns per model.

``sample_id``, ``prompt``, ``eval_name`` (the domain and, unless the import is given a name, the data set), then for
each model ``MODEL`` (its score), ``MODEL|model_response`` and ``MODEL|total_cost`` (US dollars). RouterBench writes
texts as lists in Python's notation (``['text']``): of one text it is the text, of several they are turns of the user;
a response is taken for such a list only where the prompt is one. ``ensemble export --format matrix`` writes whole
conversations as a JSON array of messages, and puts an apostrophe before cells of CSV that a spreadsheet would run,
which is taken off. Where every model has the worst score none is right, as ``oracle_model_to_route_to`` says there
(``no_model_correct``): all are bad, which is no tie of the best.

Source: https://huggingface.co/datasets/withmartian/routerbench (Hu et al., 2024, arXiv:2403.12031).
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from ensemble.importing.given import FROM_0_TO_1, Answer, Given, Scale, dollars, encodable, member, one_by_one, said
from ensemble.labelling.rows import BadRow, Reject, RowReader
from ensemble.labelling.sources import Raw
from ensemble.store.export.cells import unquoted

RESPONSE, COST = "|model_response", "|total_cost"
NOT_KEPT = frozenset({"oracle_model_to_route_to"})
"""It follows from the scores."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Reads the wide table. A model with neither score, response nor cost did not answer the prompt of the row.

    ``cells`` says that the rows come from CSV.
    """

    reader: RowReader
    scale: Scale = FROM_0_TO_1
    cells: bool = False

    def read(self, source: Iterator[Raw]) -> Iterator[Given | Reject]:
        return one_by_one(source, self._given)

    def _given(self, position: int, tree: Mapping[str, object]) -> Given:
        if self.cells:
            tree = {
                unquoted(name): unquoted(value) if isinstance(value, str) else value for name, value in tree.items()
            }
        models = models_of(tree)
        if not models:
            raise BadRow(f"there is no column MODEL{RESPONSE}, so no model answered")
        answers = [self._answer(model, tree) for model in models]
        found = tuple(answer for answer in answers if answer is not None)
        if not found:
            raise BadRow("no model answered")
        row = self.reader.read(position, _prompt_of(tree, models))
        if isinstance(row, Reject):
            raise BadRow(row.reason)
        none_right = all(answer.score == 0 for answer in found)
        return Given(row=row, answers=found, best=frozenset() if none_right else None, dataset=row.domain)

    def _answer(self, model: str, tree: Mapping[str, object]) -> Answer | None:
        response = tree.get(model + RESPONSE)
        texts = _listed(response) if _listed(tree.get("prompt")) else None
        score = self.scale.score(model, tree.get(model))
        cost = dollars(model + COST, tree.get(model + COST))
        if response is None or response == "":
            if score is None and cost is None:
                return None
            response = ""
        text = texts[0] if texts and len(texts) == 1 else response
        name = member(model, model)
        return Answer(member=name, completion=said(encodable(model + RESPONSE, text), nano_usd=cost), score=score)


def models_of(tree: Mapping[str, object]) -> list[str]:
    """The models of a table, in the order of its columns."""
    named = (name.removesuffix(RESPONSE).removesuffix(COST) for name in tree if name.endswith((RESPONSE, COST)))
    return list(dict.fromkeys(named))


def _prompt_of(tree: Mapping[str, object], models: list[str]) -> dict[str, object]:
    """The row as ``RowReader`` takes it: ``eval_name`` is the domain, and unknown columns are metadata."""
    taken = {name for model in models for name in (model, model + RESPONSE, model + COST)} | NOT_KEPT
    row = {name: value for name, value in tree.items() if name not in taken}
    row["id"], row["domain"] = row.pop("sample_id", None), row.pop("eval_name", None)
    prompt = row.pop("prompt", None)
    texts = _listed(prompt)
    if texts and len(texts) > 1:
        row["messages"] = [{"role": "user", "content": text} for text in texts]
    elif (messages := _messages(prompt)) is not None:
        row["messages"] = messages
    else:
        row["prompt"] = texts[0] if texts else prompt
    return row


def _listed(value: object) -> list[str] | None:
    """The texts of a list, which may stand there in Python's notation; None where it is something else."""
    if isinstance(value, str) and value[:2] in ("['", '["') and value[-1] == "]":
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    return value if isinstance(value, list) and value and all(isinstance(one, str) for one in value) else None


def _messages(value: object) -> list[object] | None:
    if isinstance(value, str) and value[:2] == "[{":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return None
    whole = isinstance(value, list) and value and all(isinstance(one, dict) and "role" in one for one in value)
    return value if isinstance(value, list) and whole else None
