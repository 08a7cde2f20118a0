"""What a configuration comes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ensemble.audit.drawing import ReviewSettings
from ensemble.config.operations import ServerSettings, StoreSettings
from ensemble.fleet import MemberSettings
from ensemble.labelling.classifier import LabellingSettings
from ensemble.means import JudgingSettings
from ensemble.observing.telemetry import TelemetrySettings
from ensemble.provider import Provider
from ensemble.router import Router
from ensemble.shared.settings import SharedSettings
from ensemble.webhooks.settings import WebhookSettings
from judges.judge import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A configuration whose every part has been built. It holds no secret: providers read theirs when they connect.

    Attributes:
        path: the file.
        digest: SHA-256, 64 hex digits, over providers, members, judges, routers and judging, defaults and plugin files
            included; it does not change with where the log is or which port is served, nor with ``labelling``,
            ``reviews`` or ``webhooks``.
    """

    path: Path
    digest: str
    providers: Mapping[str, Provider]
    members: Mapping[str, MemberSettings]
    judges: Mapping[str, Judge]
    routers: Mapping[str, Router]
    store: StoreSettings
    server: ServerSettings
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    shared: SharedSettings = field(default_factory=SharedSettings)
    judging: JudgingSettings = field(default_factory=JudgingSettings)
    labelling: LabellingSettings = field(default_factory=LabellingSettings)
    reviews: ReviewSettings = field(default_factory=ReviewSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend: ``line`` tells all of it, ``place`` is the table that it is in, such as ``members.fast``.

    With ``secret`` the part is whole but for a key or another secret, which whoever calls nobody can do without.
    """

    place: str
    line: str
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What could be built of a configuration, and everything that is wrong with it.

    Attributes:
        settings: the parts that could be built.
        declared: every part that the file names, by table and name, broken ones too, with what its ``use`` says.
        problems: one for each thing to mend; none means that ``settings`` can be used.
    """

    settings: Settings
    declared: Mapping[str, Mapping[str, str]]
    problems: tuple[Problem, ...]
