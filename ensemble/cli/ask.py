"""Ask one question and watch how it is answered."""

import asyncio
import json
import sys
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._interrupt import undelayed
from ensemble.cli._output import put, screen
from ensemble.cli._safe import safe
from ensemble.cli._story import Story
from ensemble.config import Settings, load
from ensemble.events import nobody
from ensemble.money import total
from ensemble.service import open_service
from ensemble.store.address import Address
from ensemble.types import Answer


@click.command(epilog='Example: ensemble ask "Why is the sky blue?"')
@click.argument("question")
@_options.config
@click.option("--model", help="A router or a member.  [default: the first router of the configuration]")
@click.option("--system", help="Instructions to put before the question.")
@click.option("--deadline-s", type=click.FloatRange(0.1, 3600), help="Seconds until there must be an answer.")
@click.option("--full", is_flag=True, help="Print candidates whole.")
@click.option("--quiet", "-q", is_flag=True, help="Print the answer alone.")
@_options.as_json
def command(
    question: str,
    config: Path,
    *,
    model: str | None,
    system: str | None,
    deadline_s: float | None,
    full: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Ask QUESTION (- reads it from standard input), print every candidate as it arrives, the verdict and the answer.

    No server is needed; everything is logged as it would be there.
    """
    text = sys.stdin.read() if question == "-" else question
    # Bytes that are no UTF-8 arrive as halves of characters, which no provider and no log could take.
    text = text.encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise click.UsageError("the question is empty")
    settings = undelayed(load(config))  # what is late is waited for below, not while closing
    story = None if quiet or as_json else Story(screen(), full=full)
    try:
        asyncio.run(_ask(settings, text, model, system, deadline_s, story, as_json=as_json))
    except KeyboardInterrupt:
        click.echo(f"Stopped; what came until then is logged in {settings.store.address}.", err=True)
        raise SystemExit(130) from None


async def _ask(
    settings: Settings,
    text: str,
    model: str | None,
    system: str | None,
    deadline_s: float | None,
    story: Story | None,
    *,
    as_json: bool,
) -> None:
    log = settings.store.address
    async with open_service(settings) as service:
        try:
            answer = await service.ask(
                text, model=model, system=system, deadline_s=deadline_s, on_event=story or nobody
            )
            if story:
                put(screen(), f"Request {answer.request.id} is logged in {log}")
            else:
                click.echo(json.dumps(_plain(answer, log), indent=2) if as_json else safe(answer.text))
            if answer.late:
                click.echo(f"Waiting for {', '.join(answer.late)}, to log what they say.", err=True)
            await service.idle()
        finally:
            if story:
                story.close()


def _plain(answer: Answer, log: Address) -> dict[str, object]:
    """An answer as JSON: money in nano-USD, null where it is unknown."""
    cost = total(call.usage.nano_usd for call in answer.calls)
    return {
        "request": answer.request.id,
        "model": answer.request.model,
        "member": answer.member,
        "text": answer.text,
        "finish_reason": answer.completion.finish_reason,
        "fallback": answer.fallback,
        "candidates": [
            {
                "candidate": call.candidate,
                "member": call.member,
                "sample": call.sample,
                "chosen": call.candidate == answer.chosen.id and call.failure is None,
                "text": call.completion.text if call.completion else None,
                "finish_reason": call.completion.finish_reason if call.completion else None,
                "failure": call.failure,
                "detail": call.detail,
                "total_s": round(call.total_s or 0.0, 6),
                "nano_usd": call.usage.nano_usd,
            }
            for call in answer.calls
            if call.candidate is not None
        ],
        "verdicts": [
            {
                "judge": ruling.judge,
                "outcome": ruling.verdict.outcome,
                "winners": [answer.authors[candidate] for candidate in ruling.verdict.winners],
                "scores": {answer.authors[candidate]: score for candidate, score in ruling.verdict.scores.items()},
                "confidence": ruling.verdict.confidence,
                "reason": ruling.verdict.reason,
                "flags": list(ruling.verdict.flags),
                "total_s": round(ruling.total_s, 6),
                "nano_usd": ruling.verdict.usage.nano_usd,
            }
            for ruling in answer.rulings
        ],
        "nano_usd": cost.nano_usd,
        "unpriced_calls": cost.unpriced,
        "late": list(answer.late),
        "log": str(log),
    }
