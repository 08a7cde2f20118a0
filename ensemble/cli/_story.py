"""Tells what happens to a question while it is answered."""

from rich.console import Console
from rich.status import Status

from ensemble.cli._output import dollars, put
from ensemble.cli._safe import brief, safe
from ensemble.events import Done, Event, Finished, Judged, LateDone, Started
from ensemble.money import total
from ensemble.types import Answer, Call, Ruling
from judges.types import CandidateId, Verdict

PREVIEW = 240


class Story:
    """A listener that prints every candidate as it arrives, the verdict and the answer.

    ``full`` prints whole texts; ``cost`` is what the sum of all costs is called.
    """

    def __init__(self, console: Console, *, full: bool = False, cost: str = "Cost") -> None:
        self._console = console
        self._full = full
        self._cost = cost
        self._waiting: list[str] = []
        self._names: dict[CandidateId, str] = {}
        self._status: Status | None = Status("", console=console) if console.is_terminal else None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._waiting.append(_name(event.member, event.sample))
        elif isinstance(event, Done):
            self._candidate(event.call)
        elif isinstance(event, Judged):
            self._waiting.clear()
            self._verdict(event.ruling)
        elif isinstance(event, Finished):
            self._waiting.clear()
            self._answer(event.answer)
        elif isinstance(event, LateDone):
            self._late(event)
        self._show_waiting()

    def close(self) -> None:
        """Take the line that says what is waited for off the terminal."""
        self._waiting.clear()
        self._show_waiting()

    def _show_waiting(self) -> None:
        if self._status is None:
            return
        if self._waiting:
            self._status.update(f"waiting for {', '.join(self._waiting)}")
            self._status.start()
        else:
            self._status.stop()

    def _candidate(self, call: Call) -> None:
        name = _name(call.member, call.sample)
        if name in self._waiting:
            self._waiting.remove(name)
        if call.candidate is not None:
            self._names[call.candidate] = name
        if not self._waiting:
            self._waiting.append("the judge")
        mark = ("✓ ", "green") if call.good else ("✗ ", "red")
        put(
            self._console,
            mark,
            (name, "bold"),
            (f"  {call.total_s or 0.0:.2f} s  {dollars(call.usage.nano_usd)}", "dim"),
        )
        said = call.completion
        if call.failure is not None:
            put(self._console, f"{call.failure}: {brief(call.detail, PREVIEW)}", indent=2)
        elif said is not None:
            if said.finish_reason != "stop":
                put(self._console, (f"ended with: {said.finish_reason}", "yellow"), indent=2)
            put(self._console, safe(said.text).strip() if self._full else brief(said.text, PREVIEW), indent=2)

    def _verdict(self, ruling: Ruling) -> None:
        verdict = ruling.verdict
        put(self._console)
        line = f"Verdict of {ruling.judge}: {self._finding(verdict)}"
        put(self._console, (line, "bold"), (f"  {ruling.total_s:.2f} s  {dollars(verdict.usage.nano_usd)}", "dim"))
        for candidate, why in ruling.set_aside.items():
            put(self._console, f"set aside: {self._names.get(candidate, candidate)}, {why}", indent=2)
        for candidate, score in verdict.scores.items():
            put(self._console, f"score of {self._names.get(candidate, candidate)}: {score:.2f}", indent=2)
        if verdict.reason:
            put(self._console, brief(verdict.reason, 2 * PREVIEW), indent=2)
        if verdict.flags:
            put(self._console, (f"flags: {safe(', '.join(verdict.flags))}", "yellow"), indent=2)
        if ruling.fallback:
            put(self._console, ("no usable verdict, so the order of the members decides", "yellow"), indent=2)

    def _finding(self, verdict: Verdict) -> str:
        names = [self._names.get(candidate, candidate) for candidate in verdict.winners]
        best = " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
        sure = "" if verdict.confidence is None else f", confidence {verdict.confidence:.2f}"
        if verdict.outcome == "decided":
            return f"{best} is best{sure}"
        return f"a tie of {best}{sure}" if verdict.outcome == "tie" else verdict.outcome

    def _answer(self, answer: Answer) -> None:
        put(self._console)
        put(self._console, (f"Answer of {self._names.get(answer.chosen.id, answer.member)}", "bold green"))
        put(self._console, safe(answer.text).strip())
        put(self._console)
        judging = [call.usage.nano_usd for call in answer.calls if call.purpose == "judge"]
        panel = [call.usage.nano_usd for call in answer.calls if call.purpose != "judge"]
        parts = f" (candidates {total(panel)}, judge {total(judging)})" if judging else ""
        late = f"; still at work: {', '.join(answer.late)}" if answer.late else ""
        put(self._console, f"{self._cost} {total([*panel, *judging])}{parts}{late}")

    def _late(self, event: LateDone) -> None:
        for call in event.calls:
            if call.purpose == "candidate":
                self._candidate(call)
        if event.ruling is None:
            return
        changed = "another winner, the verdict is overturned" if event.ruling.overturned else "the winner stays"
        put(self._console, f"Verdict on the full panel: {self._finding(event.ruling.verdict)}: {changed}")


def _name(member: str, sample: int) -> str:
    return f"{member} #{sample + 1}" if sample else member
