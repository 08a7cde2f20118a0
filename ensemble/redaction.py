"""Personal data and secrets taken out of a text, for good: what stands in their place tells the kind and nothing else.

Every pattern runs in RE2, whose time is linear in the text, so neither a text nor an operator's own pattern can make it
hang. Numbers are only taken where a checksum or a numbering plan confirms them: an order number is no payment card.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

Kind = Literal["key", "email", "iban", "card", "phone"]
KINDS: tuple[Kind, ...] = ("key", "email", "iban", "card", "phone")
"""What can be taken out, in the order in which it is: a token that holds an address is a token."""

_EMAIL = r"[^\s@\"<>()\[\],;:]+@(?:[^\s@\"'<>()\[\],;:.!?*`]+\.)+[^\s@\"'<>()\[\],;:.!?*`0-9]{2,24}"
_IBAN = r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{1,4}){3,8}\b"
_DIGITS = r"\b[0-9](?:[ -]?[0-9]){12,}\b"
_KEYS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",  # JSON web token
    r"\b(?:sk|pk|rk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter, Stripe
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # Amazon
    r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{16,})",
    r"\bAIza[0-9A-Za-z_-]{35}\b|\bya29\.[0-9A-Za-z_-]{20,}",  # Google
    r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",  # Slack
    r"\b(?:hf|npm|gsk|xai|pplx)[_-][A-Za-z0-9]{20,}|\bpypi-[A-Za-z0-9_-]{30,}|\bSG\.[\w-]{16,}\.[\w-]{16,}",
    r"(?i:\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*",
    r"[a-z][a-z0-9+.-]{1,15}://[^\s/:@]+:[^\s/@]+@",  # user and password in an address
)
# The value behind a name that says what it is; only what looks drawn, since prose says "password: required" too.
_NAMED = (
    r"(?i)\b((?:[a-z0-9]+[_-])*(?:api[_-]?key|secret|token|passw(?:or)?d|access[_-]?key)[\"']?\s*(?:[:=]|=>)\s*[\"']?)"
    r"([^\s\"',;]{8,})"
)


class Redactor(BaseModel):
    """What to take out.

    Attributes:
        kinds: which of the kinds that are known.
        patterns: the operator's own, by the name that stands in their place; RE2 syntax.
        regions: countries (ISO 3166, such as ``DE``) whose phone numbers are known without their country code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] = KINDS
    patterns: Mapping[str, str] = {}
    regions: tuple[str, ...] = ("US",)

    @field_validator("patterns")
    @classmethod
    def _compile(cls, patterns: Mapping[str, str]) -> Mapping[str, str]:
        import re2

        for name, pattern in patterns.items():
            if not name.replace("_", "").isalnum():
                raise ValueError(f"{name!r}: a name has letters, digits and underscores")
            try:
                found = _compiled(pattern).search("")
            except re2.error as error:
                raise ValueError(f"{name}: no RE2 pattern: {error}") from error
            if found is not None:
                raise ValueError(f"{name}: the pattern finds the empty text, which is everywhere")
        return patterns

    @field_validator("regions")
    @classmethod
    def _countries(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        """By a country that is none, such as UK, numbers without a country code would stay, and nothing would tell."""
        import phonenumbers

        if wrong := [region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS]:
            raise ValueError(f"{wrong[0]!r} is no country code of ISO 3166, such as DE, GB or US")
        return regions

    @property
    def digest(self) -> str:
        """SHA-256 (64 hex digits) over what is taken out: equal digests redact alike."""
        return hashlib.sha256(json.dumps(["1", self.model_dump()], sort_keys=True).encode()).hexdigest()

    def redact(self, text: str) -> str:
        """``text`` without them. Redacting once more changes nothing."""
        for step in self._steps:
            text = step(text)
        return text

    def redact_tree(self, tree: object) -> object:
        """A tree of JSON values with every text in it redacted; numbers that are a card or a phone become a text."""
        if isinstance(tree, str):
            return self._text(tree)
        if isinstance(tree, bool) or tree is None:
            return tree
        if isinstance(tree, int | float):
            said = self.redact(str(tree))
            return tree if said == str(tree) else said
        if isinstance(tree, Mapping):
            return {self.redact(str(key)): self.redact_tree(value) for key, value in tree.items()}
        if isinstance(tree, list | tuple):
            return [self.redact_tree(value) for value in tree]
        raise TypeError(f"{type(tree).__name__} is no JSON value")

    def _text(self, text: str) -> str:
        """A text, or JSON in a text, such as the arguments of a tool call, which must stay JSON."""
        if text[:1] in "{[":
            try:
                tree = json.loads(text)
            except (ValueError, RecursionError):
                return self.redact(text)
            said = self.redact_tree(tree)
            return text if said == tree else json.dumps(said, ensure_ascii=False)
        return self.redact(text)

    @cached_property
    def _steps(self) -> tuple[Callable[[str], str], ...]:
        own = [_taking([pattern], f"[{name}]") for name, pattern in self.patterns.items()]
        known: dict[Kind, Callable[[str], str]] = {
            "key": _keys(),
            "email": _taking([_EMAIL], "[email]"),
            "iban": _checked(_IBAN, "[iban]", _iban),
            "card": _cards(),
            "phone": lambda text: _phones(text, self.regions),
        }
        return (*own, *(known[kind] for kind in KINDS if kind in self.kinds))


def _compiled(pattern: str) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False  # it would write to the operator's terminal; the exception says the same
    return re2.compile(pattern, options)


def _taking(patterns: Iterable[str], placeholder: str) -> Callable[[str], str]:
    compiled = [_compiled(pattern) for pattern in patterns]

    def take(text: str) -> str:
        for pattern in compiled:
            text = pattern.sub(lambda match: placeholder, text)
        return text

    return take


def _keys() -> Callable[[str], str]:
    known, named = _taking(_KEYS, "[key]"), _compiled(_NAMED)

    def drawn(match: Any) -> str:
        return f"{match.group(1)}[key]" if _looks_drawn(match.group(2)) else str(match.group(0))

    return lambda text: str(named.sub(drawn, known(text)))


def _looks_drawn(value: str) -> bool:
    """Whether a value mixes kinds of characters, as no word of prose does."""
    kinds = (str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum())
    return sum(any(map(kind, value)) for kind in kinds) >= 3 or (value.isalnum() and any(map(str.isdigit, value)))


def _checked(pattern: str, placeholder: str, length: Callable[[str], int]) -> Callable[[str], str]:
    """Take out what ``pattern`` finds, as far as ``length`` (characters that are confirmed, 0 for none) says."""
    compiled = _compiled(pattern)

    def put(match: Any) -> str:
        found = str(match.group(0))
        taken = length(found)
        return placeholder + found[taken:] if taken else found

    return lambda text: str(compiled.sub(put, text))


def _iban(found: str) -> int:
    from stdnum import iban

    # The pattern may have run on into the next words.
    ends = [n for n in range(len(found), 14, -1) if found[n - 1] != " "]
    return next((n for n in ends if iban.is_valid(found[:n])), 0)


def _cards() -> Callable[[str], str]:
    """Take out every stretch of whole groups of digits that is a card number, whatever digits stand beside it."""
    compiled, groups = _compiled(_DIGITS), _compiled(r"[0-9]+")

    def put(match: Any) -> str:
        run, parts, at = str(match.group(0)), list[str](), 0
        spans = [found.span() for found in groups.finditer(run)]
        for first, (start, _) in enumerate(spans):
            # 19 digits are at most 19 groups.
            ends = [end for _, end in spans[first : first + 19] if start >= at and _is_card(run[start:end])]
            if ends:
                parts += [run[at:start], "[card]"]
                at = ends[-1]
        return "".join((*parts, run[at:]))

    return lambda text: str(compiled.sub(put, text))


def _is_card(found: str) -> bool:
    from stdnum import luhn

    digits = "".join(filter(str.isdigit, found))
    fits = 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 1
    return fits and bool(luhn.is_valid(digits))


def _phones(text: str, regions: tuple[str, ...]) -> str:
    import phonenumbers

    if sum(map(str.isdigit, text)) < 7:
        return text
    spans = {
        (match.start, match.end)
        for region in (*regions, None)
        for match in phonenumbers.PhoneNumberMatcher(text, region)
    }
    parts, at = [], 0
    for start, end in sorted(spans):
        if start >= at:
            parts += [text[at:start], "[phone]"]
        at = max(at, end)
    return "".join((*parts, text[at:]))
