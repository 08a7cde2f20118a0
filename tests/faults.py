"""Every fault that a provider may have, what the ledger must make of it, and a configuration to play it in.

The same faults at a connection alone, streams included, are in ``tests/ensemble/providers/``; there is the
place of what only a stream can show, since the fleet asks for whole answers: partial text, an error in its middle.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ensemble.simulator import Served, Step, fault, status

if TYPE_CHECKING:
    from ensemble.types import Failure

Wire = Literal["openai", "anthropic"]
WIRES: tuple[Wire, ...] = ("openai", "anthropic")

PANEL = ("alpha", "beta", "gamma")
INPUT, OUTPUT = 3, 7
"""What every member costs, in USD per million tokens, which is thousands of nano-dollars per token."""
PATIENCE_S = 0.12
"""What a member that only stays silent is given for one attempt."""
TEXT = "[[A]] One two three four five six seven eight nine ten eleven twelve thirteen fourteen."
"""Longer than any good answer, so that it would win; and a verdict, so that a judge would be believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        step: what the simulator does; None where nobody listens at the provider's address.
        failure: how the ledger must name it; None for an answer that is good all the same.
        cost: ``zero`` where nothing can have been billed, ``unknown`` where the client cannot know, ``exact`` where the
            usage was told.
        http_status: of the reply; None where no head of a reply counts.
        silent: only the patience of the caller ends it.
        text: what is served where the answer is good.
        words: what the ledger's sentence must say, so that an operator finds the cause.
    """

    name: str
    step: Step | None
    failure: "Failure | None"
    cost: Literal["zero", "unknown", "exact"]
    http_status: int | None = 200
    silent: bool = False
    text: str = TEXT
    words: str = ""

    @property
    def manner(self) -> str:
        """How the members must be set up: ``patient``, ``hasty``, ``alone`` with a dead address, ``limited``.

        The last ones have a provider of their own, which lets fewer calls in for a while after this.
        """
        if self.step is None:
            return "alone"
        if self.step.status in (429, 529):
            return "limited"
        return "hasty" if self.silent else "patient"


def _bad(kind: str, name: str = "", **changes: Any) -> Fault:
    return Fault(
        name=name or kind, step=fault(kind, text=TEXT), **{"failure": "bad_reply", "cost": "unknown", **changes}
    )


def _refused(code: int, failure: "Failure", **options: Any) -> Fault:
    return Fault(name=str(code), step=status(code, **options), failure=failure, cost="zero", http_status=code)


FAULTS = (
    _bad("html", words="the reply is text/html, not JSON"),
    _bad("null", "JSON null", words="missing or null"),
    _bad("wrong_shape", "wrong shapes"),
    _bad("broken_json", "broken JSON", words="no JSON"),
    _bad("wrong_type", "wrong content type", words="the reply is text/plain, not JSON"),
    _bad("no_choices", "empty choices or content", failure="empty", cost="exact"),
    Fault(
        name="oversized body",
        step=fault("oversized", amount=400_000),
        failure="oversized",
        cost="unknown",
        words="max_body_bytes",
    ),
    _bad("cut", "cut reply", failure="cut_stream", words="broke in the middle of the reply"),
    _bad("stream_error", "error under 200", failure="overloaded"),
    _bad("silence", failure="timeout", http_status=None, silent=True),
    Fault(
        name="trickle",
        step=fault("trickle", text=TEXT, amount=0.01),
        failure="timeout",
        cost="unknown",
        http_status=None,
        silent=True,
    ),
    _bad("redirect", failure="rejected", cost="zero", http_status=307, words="correct base_url"),
    _bad("surrogates", "lone surrogates", failure=None, cost="exact", text=TEXT + "\ufffd"),
    _bad("no_usage", "no usage", failure=None),
    _refused(400, "rejected"),
    _refused(401, "unauthorized"),
    _refused(429, "rate_limited", retry_after=0.02),
    _refused(500, "overloaded"),
    _refused(503, "overloaded"),
    _refused(529, "overloaded"),
    Fault(name="connection refused", step=None, failure="unreachable", cost="zero", http_status=None),
)


def parts(wire: Wire, dead_port: int) -> str:
    """Members, judges and routers of one ``wire``, each in the manners of ``Fault.manner``.

    A router is called after its place and the manner: ``one``, ``all`` or ``judge``, then ``-patient`` and so on.
    """
    nowhere = f"http://127.0.0.1:{dead_port}"
    url, nobody = ("{base_url}", f"{nowhere}/v1") if wire == "openai" else ("{anthropic_url}", nowhere)
    lines = [
        f'[providers.{name}]\nuse = "{wire}"\nbase_url = "{where}"\nmax_body_bytes = 100_000'
        for name, where in (("sim", url), ("busy", url), ("nobody", nobody))
    ]
    for manner, provider, timeout_s in (
        ("patient", "sim", 20),
        ("hasty", "sim", PATIENCE_S),
        ("alone", "nobody", 20),
        ("limited", "busy", 20),
    ):
        lines += [
            f'[members.{name}-{manner}]\nprovider = "{provider}"\nmodel = "{name}"\nmax_attempts = 1\n'
            f"max_output_tokens = 4096\ntimeout_s = {timeout_s}\ncircuit_failures = 0\n"
            f"price = {{{{ input = {INPUT}, output = {OUTPUT} }}}}"
            for name in (*PANEL, "critic")
        ]
        lines += [
            f'[judges.critic-{manner}]\nuse = "pairwise"\nmodel = "critic-{manner}"',
            _router(f"one-{manner}", [f"alpha-{manner}", "beta-patient", "gamma-patient"], "longest"),
            _router(f"all-{manner}", [f"{name}-{manner}" for name in PANEL], "longest"),
            _router(f"judge-{manner}", [f"{name}-patient" for name in PANEL], f"critic-{manner}"),
        ]
    return "\n".join([*lines, '[judges.longest]\nuse = "longest"\n'])


def _router(name: str, members: list[str], judge: str) -> str:
    fallback = [members[2], members[1]]
    return f'[routers.{name}]\nuse = "parallel"\nmembers = {members}\njudge = "{judge}"\nfallback = {fallback}'


def agrees(call: Any, one: Fault, served: Served | None) -> None:
    """Assert that ``call``, a row of the ledger, is what must become of the fault, as the simulator ``served`` it."""
    assert (call["failure"], call["http_status"]) == (one.failure, one.http_status), call
    assert call["detail"] or one.failure is None
    assert one.words in call["detail"]
    if one.cost == "exact":
        assert served is not None
        told = served.told_prompt_tokens, served.told_completion_tokens
        assert (call["input_tokens"], call["output_tokens"]) == told
        assert None not in told
        assert call["nano_usd"] == (told[0] or 0) * INPUT * 1000 + (told[1] or 0) * OUTPUT * 1000 > 0
    else:
        assert call["nano_usd"] == (0 if one.cost == "zero" else None)
    if one.http_status is not None:
        assert served is not None
        assert call["provider_request_id"] == served.request_id
