"""Errors of the judging floor.

JudgingError
├── UnknownPlugin       (also ValueError) no such name; lists the nearest known ones
├── InvalidOptions      (also ValueError) options that do not fit; names the field and the mend
├── UnreadableVerdict   a judge model answered, but not with a verdict
└── ModelError          a consulted model failed; ``retryable`` and ``retry_after_s`` say what may help

The first two are ValueErrors so that a nested plugin's error carries its place, such as ``seats.2.model``.
"""


class JudgingError(Exception):
    """Base of everything that this package raises on purpose."""


class UnknownPlugin(JudgingError, ValueError):
    """No plugin of that kind has that name."""


class InvalidOptions(JudgingError, ValueError):
    """A plugin's options do not fit its fields. ``problems`` holds (dotted place, what is wrong) pairs."""

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class UnreadableVerdict(JudgingError):
    """The judge model answered, but not with a verdict."""


class ModelError(JudgingError):
    """A model call failed for good."""

    def __init__(self, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s
