"""Reads a configuration and builds its parts, gathering what is wrong instead of stopping at the first."""

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ensemble.audit.drawing import ReviewSettings
from ensemble.config.environment import beside, located, missing
from ensemble.config.folders import canaried
from ensemble.config.operations import Operations, ServerSettings, StoreSettings
from ensemble.config.settings import Draft, Problem, Settings
from ensemble.config.text import line, nearest, problems, toml_key
from ensemble.config.trust import unfit
from ensemble.fleet import MemberSettings
from ensemble.labelling.classifier import LabellingSettings
from ensemble.means import JudgingSettings
from ensemble.observing.telemetry import TelemetrySettings
from ensemble.provider import PROVIDERS, Provider
from ensemble.router import ROUTERS, Router
from ensemble.shared.settings import SharedSettings
from ensemble.webhooks.settings import WebhookSettings
from judges.errors import InvalidOptions, UnknownPlugin
from judges.judge import JUDGES
from judges.registry import Name, Plugin, Registry

P = TypeVar("P", bound=Plugin)
S = TypeVar("S", bound=BaseModel)
Known = Mapping[str, tuple[str, ...]]

TABLES = (
    "providers", "members", "judges", "routers", "judging", "labelling", "reviews", "store", "server", "telemetry",
    "shared", "webhooks",
)  # fmt: skip
REQUIRED: Mapping[str, str] = {"max_output_tokens": "add the most tokens of an answer, such as 4096"}
"""How to mend the lack of a key that a provider requires."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")
"""What a part may be called: its name goes into replies, headers and tables as it is."""


class Reader:
    """One reading of the file at ``path``; what is wrong gathers in ``problems``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[Problem] = []

    def draft(self) -> Draft:
        """Build every part that can be built, then check how they fit together."""
        tables = self._tables()
        providers = self._plugins("providers", tables, PROVIDERS)
        members = self._members(tables)
        judges = self._plugins("judges", tables, JUDGES)
        routers = self._canaried(self._plugins("routers", tables, ROUTERS))
        judging = self._table("judging", JudgingSettings, tables)
        operations = self._operations(tables)
        settings = Settings(
            path=self.path,
            digest=_digest(judging, providers, members, judges, routers),
            providers=providers,
            members=members,
            judges=judges,
            routers=routers,
            store=operations.store,
            server=operations.server,
            telemetry=operations.telemetry,
            shared=operations.shared,
            labelling=self._table("labelling", LabellingSettings, tables),
            judging=judging,
            reviews=self._table("reviews", ReviewSettings, tables),
            webhooks=self._webhooks(tables),
        )
        self._check_references(settings, tables)
        self._check_routers(settings, tables)
        for name, provider in providers.items():
            for key, wrong in missing(provider):
                self._add(("providers", name), key, wrong, secret=True)
        declared = {
            table: {name: _use(part) for name, part in tables[table].items()}
            for table in ("providers", "members", "judges", "routers")
            if isinstance(tables.get(table), dict)
        }
        return Draft(settings=settings, declared=declared, problems=tuple(self.problems))

    def _add(self, table: tuple[str, ...], key: str, wrong: str, *, secret: bool = False) -> None:
        place = ".".join(map(toml_key, table))
        # A rule over several keys names the first of them itself, so it comes without one.
        told = f"{self.path}: [{place}] {key}: {wrong}" if key else f"{self.path}: [{place}] {wrong}"
        self._tell(told, place, secret=secret)

    def _tell(self, text: str, place: str = "", *, secret: bool = False) -> None:
        self.problems.append(Problem(place=place, line=line(text), secret=secret))

    def _tables(self) -> dict[str, Any]:
        try:
            tables = tomllib.loads(self.path.read_bytes().decode("utf-8-sig"))
        except FileNotFoundError:
            self._tell(f"{self.path}: there is no such file; `ensemble init` writes one to start from")
        except OSError as error:
            self._tell(f"{self.path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self._tell(f"{self.path}: is not UTF-8 text")
        except tomllib.TOMLDecodeError as error:
            self._tell(f"{self.path}: is not TOML: {error}")
        else:
            for table in [table for table in tables if table not in TABLES]:
                self._add((table,), "", f"unknown table; {nearest(table, TABLES)}")
            if not tables.get("members"):
                self._add(("members",), "", "there is no member; add a [members.NAME] table")
            return tables
        return {}

    def _parts(self, table: str, tables: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every ``[table.NAME]`` that is a table under a good name."""
        parts = tables.get(table, {})
        if not isinstance(parts, dict):
            self._add((table,), "", f"must hold tables, as [{table}.NAME]")
            return
        for name, options in parts.items():
            if not NAME.fullmatch(name):
                self._add((table, name), "", "a name begins with a letter or digit and goes on with those and ._:/@+-")
            elif not isinstance(options, dict):
                self._add((table,), toml_key(name), f"must be a table, as [{table}.{name}]")
            else:
                yield name, options

    def _plugins(self, table: str, tables: Mapping[str, Any], registry: Registry[P]) -> dict[str, P]:
        built: dict[str, P] = {}
        for name, options in self._parts(table, tables):
            try:
                built[name] = registry.build(located(options, self.path.parent))
            except InvalidOptions as error:
                for key, wrong in error.problems or (("", str(error)),):
                    self._add((table, name), key, wrong)
            except UnknownPlugin as error:
                self._add((table, name), "use", str(error))
        return built

    def _canaried(self, routers: Mapping[str, Router]) -> dict[str, Router]:
        found = dict(routers)
        for name, router in routers.items():
            try:
                found[name] = canaried(router)
            except InvalidOptions as error:
                self._add(("routers", name), "path", str(error))
        return found

    def _members(self, tables: Mapping[str, Any]) -> dict[str, MemberSettings]:
        members = {}
        for name, options in self._parts("members", tables):
            place = ("members", name)
            try:
                members[name] = member = MemberSettings.model_validate(options)
            except ValidationError as error:
                for key, wrong in problems(error, MemberSettings, options):
                    self._add(place, key, wrong)
                continue
            days = [price.valid_from for price in member.price]
            for day in sorted({day for day in days if days.count(day) > 1}):
                self._add(place, "price", f"two rows are valid from the same day, {day}")
            try:
                json.dumps(member.options, allow_nan=False)
            except (TypeError, ValueError) as error:
                self._add(place, "options", f"cannot be sent as JSON: {error}")
        return members

    def _table(self, name: str, cls: type[S], tables: Mapping[str, Any]) -> S:
        written = located(tables.get(name, {}), self.path.parent)
        if not isinstance(written, dict):
            self._add((name,), "", "must be a table")
            return cls()
        try:
            return cls.model_validate(written)
        except ValidationError as error:
            for key, wrong in problems(error, cls, written):
                self._add((name,), key, wrong)
        except InvalidOptions as error:
            self._add((name,), "domain", str(error))
        except UnknownPlugin as error:
            self._add((name,), "domain", str(error))
        return cls()

    def _webhooks(self, tables: Mapping[str, Any]) -> WebhookSettings:
        settings = self._table("webhooks", WebhookSettings, tables)
        wrong = list(missing(settings))
        if settings.url is not None and not wrong and (told := settings.wrong_secret()):
            wrong.append(("secret_file" if settings.secret_file else "secret_env", told))
        for key, sentence in wrong:
            self._add(("webhooks",), key, sentence, secret=True)
        return settings

    def _operations(self, tables: Mapping[str, Any]) -> Operations:
        written = {name: tables[name] for name in ("server", "store", "telemetry", "shared") if name in tables}
        try:
            return Operations.read(written).relative_to(self.path.parent)
        except ValidationError as error:
            for key, wrong in problems(error, Operations, written):
                table, _, option = key.partition(".")
                variable = f"ENSEMBLE_{table}__{option}".upper()
                if option and variable in os.environ:
                    self._tell(f"environment variable {variable}: {wrong}")
                else:
                    self._add((table,), option, wrong)
        except ValueError as error:
            self._tell(f"environment variable ENSEMBLE_SERVER or ENSEMBLE_STORE: {error}")
        store = StoreSettings(path=beside(StoreSettings().path, self.path.parent))
        return Operations.model_construct(
            server=ServerSettings(), store=store, telemetry=TelemetrySettings(), shared=SharedSettings()
        )

    def _check_references(self, settings: Settings, tables: Mapping[str, Any]) -> None:
        # What a broken part would have been is unknown, so its name counts as known: one cause, one line.
        known = {kind: _names(tables, f"{kind}s") for kind in ("provider", "member", "judge")}
        known["model"] = known["member"]
        known["router"] = (*_names(tables, "routers"), *known["member"])
        known["embedder"] = tuple(name for name in known["member"] if _embeds(name, settings))
        for name, member in settings.members.items():
            self._check_reference(("members", name), "provider", member.provider, known)
            self._check_required(("members", name), member, settings.providers.get(member.provider))
        for table, plugins in (("judges", settings.judges), ("routers", settings.routers)):
            for name, plugin in plugins.items():
                for key, reference in plugin.references():
                    self._check_reference((table, name), key, reference, known)

    def _check_reference(self, place: tuple[str, str], key: str, reference: Name, known: Known) -> None:
        names = known.get(reference.kind, (reference,))
        if reference not in names:
            told = {"model": "member", "embedder": "member that makes embeddings,"}
            kind = told.get(reference.kind, reference.kind)
            self._add(place, key, f"there is no {kind} {str(reference)!r}; {nearest(reference, names)}")

    def _check_required(self, place: tuple[str, str], member: MemberSettings, provider: Provider | None) -> None:
        if provider is None:
            return
        for key in sorted(provider.required):
            if getattr(member, key, None) is None:
                mend = REQUIRED.get(key, "add it")
                self._add(place, key, f"provider {str(member.provider)!r} ({provider.use}) requires it; {mend}")

    def _check_routers(self, settings: Settings, tables: Mapping[str, Any]) -> None:
        members = _names(tables, "members")
        for name, router in settings.routers.items():
            place = ("routers", name)
            if name in members:
                self._add(place, "", "a member has this name too, and a client names either as its model")
            for key, wrong in unfit(name, settings.routers, settings.judges):
                self._add(place, key, wrong)
            for key, score, judge in _accept_scores(router, ""):
                if judge is None:
                    self._add(place, key, f"{score} needs a judge that gives scores, and none is named")
                elif judge in settings.judges and not settings.judges[judge].scores_candidates:
                    use = settings.judges[judge].use
                    self._add(place, key, f"{score} needs scores, and judge {str(judge)!r} ({use}) gives none")


def _embeds(name: str, settings: Settings) -> bool:
    """Whether a member makes embeddings; of one that could not be read, that is taken for granted."""
    member = settings.members.get(name)
    provider = settings.providers.get(member.provider) if member else None
    return provider is None or provider.embeds


def _use(part: object) -> str:
    use = part.get("use") if isinstance(part, dict) else None
    return use if isinstance(use, str) else ""


def _names(tables: Mapping[str, Any], table: str) -> tuple[str, ...]:
    held = tables.get(table)
    return tuple(held) if isinstance(held, dict) else ()


def _accept_scores(value: object, place: str, above: str | None = None) -> Iterator[tuple[str, str, str | None]]:
    """Every score that an answer must reach by the options of a router, with the judge beside it or the one ``above``.

    Scores are ``accept_score`` above 0, and those that a router learned.
    """
    if isinstance(value, Router):
        yield from ((f"{place}{key}", "a learned threshold", judge) for key, judge in value.scored())
    if isinstance(value, BaseModel):
        judge = getattr(value, "judge", None) or above
        if score := getattr(value, "accept_score", None):
            yield f"{place}accept_score", str(score), judge
        for name in type(value).model_fields:
            yield from _accept_scores(getattr(value, name), f"{place}{name}.", judge)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _accept_scores(item, f"{place}{key}.", above)
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _accept_scores(item, f"{place}{index}.", above)


def _digest(judging: JudgingSettings, *kinds: Mapping[str, Plugin] | Mapping[str, MemberSettings]) -> str:
    recipe: list[object] = [judging.model_dump()]
    recipe += [
        {name: part.digest if isinstance(part, Plugin) else part.model_dump() for name, part in kind.items()}
        for kind in kinds
    ]
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=_plain).encode()).hexdigest()


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)
