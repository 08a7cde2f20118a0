"""The JSON Schema that the client demanded, as a judge."""

import asyncio
from collections.abc import Mapping

from pydantic import field_validator

from judges.errors import InvalidOptions
from judges.heuristics._found import failed, silent, without
from judges.judge import JUDGES, Judge
from judges.schemas import Checker, Unusable, json_object
from judges.types import Case, Completion, Model, ResponseFormat, Verdict


@JUDGES.register("schema")
class Schema(Judge):
    """Prefer candidates whose whole text is JSON of the demanded form.

    The form is ``json_schema``, or else what the request demanded by ``response_format``; silent where there is neither
    and where all candidates fit or none does. A candidate that calls tools owes no JSON. References out of the schema
    are refused, never fetched, and patterns run on an engine that cannot be made to hang.
    """

    json_schema: Mapping[str, object] | None = None

    @field_validator("json_schema")
    @classmethod
    def _usable(cls, schema: Mapping[str, object] | None) -> Mapping[str, object] | None:
        if schema is not None:
            try:
                Checker(schema)
            except Unusable as error:
                raise InvalidOptions(str(error)) from error
        return schema

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        wanted = case.response_format
        schema = self.json_schema or (wanted.schema if wanted else None)
        if schema is None and wanted is None:
            return silent(self, "no form was demanded")
        texts = {one.id: one.completion.text for one in case.candidates if not one.completion.tool_calls}
        try:
            fits = await asyncio.to_thread(_fits, schema, sorted(set(texts.values())))
        except Unusable as error:
            return failed(self, f"the demanded schema cannot be used: {error}")
        if None in fits.values():
            return failed(self, "checking the demanded schema would take too long")
        bad = frozenset(one for one, text in texts.items() if not fits[text])
        return without(self, case, bad, "are not of the demanded form")


def fits_schema(form: ResponseFormat | None, said: Completion) -> bool | None:
    """Whether the text is of the demanded ``form``; None where there is none, it is unusable or takes too long.

    A completion that calls tools owes no JSON.
    """
    if form is None or said.tool_calls:
        return None
    try:
        return _fits(form.schema, [said.text])[said.text]
    except Unusable:
        return None


def _fits(schema: Mapping[str, object] | None, texts: list[str]) -> dict[str, bool | None]:
    if schema is None:
        return {text: json_object(text) for text in texts}
    checker = Checker(schema)
    return {text: checker.matches(text) for text in texts}
