"""Whether candidates have the form that was demanded: JSON that fits a schema, calls of tools that there are."""

from collections.abc import Mapping

from judges.schemas import QUICK, Checker, Unusable, json_object
from judges.types import Case, Completion, Prompt, ToolCall


class Form:
    """The form that a case or a prompt demands.

    A schema that cannot be used, or not in time, is taken to fit everything.
    """

    def __init__(self, asked: Case | Prompt) -> None:
        self._tools: dict[str, object] = {}
        for tool in asked.tools:
            if isinstance(function := tool.get("function"), Mapping):
                self._tools[str(function.get("name"))] = function.get("parameters")
        self._wanted = asked.response_format
        self._must = _demanded(asked.tool_choice)
        self._checkers: dict[str, Checker | None] = {}

    def concerns(self, said: Completion) -> bool:
        """Whether there is anything to check."""
        return bool(self._wanted or self._must is not None or said.tool_calls)

    def holds(self, said: Completion) -> bool:
        """Whether ``said`` has it. An answer that calls tools owes no JSON beside the arguments."""
        if self._must is not None and not any(self._must in ("", call.name) for call in said.tool_calls):
            return False
        if said.tool_calls:
            return all(map(self._callable, said.tool_calls))
        if self._wanted is None:
            return True
        if self._wanted.schema is None:
            return json_object(said.text)
        return self._fits("", self._wanted.schema, said.text)

    def _callable(self, call: ToolCall) -> bool:
        arguments = call.arguments or "{}"  # what some servers write for a call without any
        if not json_object(arguments):
            return False
        if not self._tools:
            return True  # a case from elsewhere may not tell them
        schema = self._tools.get(call.name, False)
        if schema is False:
            return False
        return not isinstance(schema, Mapping) or self._fits(call.name, schema, arguments)

    def _fits(self, name: str, schema: Mapping[str, object], text: str) -> bool:
        if name not in self._checkers:
            try:
                self._checkers[name] = Checker(schema, QUICK)
            except Unusable:
                self._checkers[name] = None
        checker = self._checkers[name]
        return checker is None or checker.matches(text) is not False


def _demanded(choice: object) -> str | None:
    """The tool that has to be called; "" for any of them, None where words will do."""
    if choice is None:  # as nearly always; to tell that it is no mapping takes its time
        return None
    if choice == "required":
        return ""
    function = choice.get("function") if isinstance(choice, Mapping) else None
    return str(function.get("name")) if isinstance(function, Mapping) else None
