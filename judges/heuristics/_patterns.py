"""Regular expressions that no text can make hang, unlike those of the standard library."""

import jsonschema_rs


class Pattern:
    """A compiled pattern; linear-time where it needs no lookaround and no backreference, else bounded in steps.

    Raises:
        ValueError: it is no pattern, or one of inordinate size.
    """

    def __init__(self, pattern: str) -> None:
        last: ValueError | None = None
        for engine in (jsonschema_rs.RegexOptions(), jsonschema_rs.FancyRegexOptions(backtrack_limit=1_000_000)):
            try:
                self._validator = jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=engine)
            except ValueError as error:
                last = error
            else:
                return
        raise ValueError(f"{pattern!r} is no usable pattern") from last

    def found_in(self, text: str) -> bool | None:
        """Whether ``text`` holds a match; None where the engine gave up."""
        # A lone surrogate cannot cross into the engine; no pattern means one.
        clean = text.encode(errors="replace").decode()
        if self._validator.is_valid(clean):
            return True
        told = next((error.message for error in self._validator.iter_errors(clean)), "")
        return None if told.startswith("Error executing regex") else False
