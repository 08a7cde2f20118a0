"""All candidates on one page before a judge model, in several rotations; in groups where one page cannot hold them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field, PositiveInt

from judges.judge import JUDGES
from judges.llm._asking import BYTES_PER_TOKEN, LEAST_ROOM, Problem, size_of, together
from judges.llm._field import Field as Entered
from judges.llm._field import all_bad, field_of
from judges.llm._referring import Briefed, ReferringJudge
from judges.llm._render import LABELS, render
from judges.llm._sheets import Ranked, Sheet, evenly, pack, rotations, standing
from judges.quick import maker
from judges.readers.ranking import read_acceptable, read_ranking
from judges.suspicion import marking
from judges.types import Candidate, CandidateId, Case, Completion, Model, Verdict
from judges.usage import total

_ranked, _sheet, _verdict = maker(Ranked), maker(Sheet), maker(Verdict)


@dataclass(slots=True, kw_only=True)
class _Screening:
    """What has come of the rounds so far. ``final`` is the sheet that decides, None where it did not come to that."""

    left: tuple[Candidate, ...]
    sheets: list[Sheet] = field(default_factory=list)
    dropped: list[tuple[Candidate, ...]] = field(default_factory=list)
    final: Sheet | None = None
    by_lot: bool = False
    too_long: bool = False

    def problems(self) -> set[Problem | None]:
        return {asked.problem for sheet in self.sheets for asked in sheet.asked}


@JUDGES.register("listwise")
class Listwise(ReferringJudge):
    """Rank all candidates on one page, in ``rotations`` orders, and name the best, or the ``keep`` best for screening.

    The order is drawn by hash and turned from page to page, so that each candidate stands in different places; a score
    in [0, 1] is the share of the others that a candidate beats, as a mean over the pages (Borda). Candidates that say
    the same enter once and share what comes of it. Where there are more than ``per_page``, or where they do not fit
    into the model's context, groups are ranked and their best play on; nothing is cut. A group without a verdict makes
    the judge abstain, and so does a candidate that fits on no page with another.

    Flags: ``null_comparison`` (a page without a verdict), ``too_long``, ``by_lot`` (equals were parted by the draw
    before the last page), ``no_reference``, ``unmarked``, ``suspicious:<candidate>``.
    """

    rotations: PositiveInt = 1
    """Pages per group, each with the candidates in other places; no more than there are candidates."""
    keep: PositiveInt = 1
    """How many of the best are winners; whoever equals the last of them is one too."""
    per_page: int = Field(default=12, ge=2, le=len(LABELS))
    """Most candidates on one page, 2 to 26."""
    absolute: bool = False
    """Also ask which answers are acceptable by themselves; where none is, the verdict says that all are bad."""

    def ingredients(self) -> Mapping[str, str]:
        return self.prompts("listwise", *self._additions())

    def _additions(self) -> tuple[str, ...]:
        return ("absolute",) if self.absolute else ()

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        entered = field_of(case)
        if len(entered.entrants) <= self.keep:
            return entered.unasked(self.digest, case)
        with marking(case) as marks:
            briefed = await self.brief(case, models)
            screened = await self._screen(briefed, entered.entrants, models)
            return self._verdict(case, entered, briefed, screened, await marks)

    async def _screen(
        self, briefed: Briefed, entrants: tuple[Candidate, ...], models: Mapping[str, Model]
    ) -> _Screening:
        model = models.get(self.model)
        room, sizes = await self._sizes(briefed, entrants, model.context_tokens if model is not None else None)
        so_far = _Screening(left=entrants)
        while len(so_far.left) > self.keep:
            groups = pack(so_far.left, sizes, room, evenly(len(so_far.left), self.per_page, self.keep))
            if groups is None:
                so_far.too_long = True
                return so_far
            # A group that is no larger than what is kept rests, unless all are: then each drops its last.
            least = min(self.keep, max(map(len, groups)) - 1)
            sheets = await together([self._sheet(briefed, group, models, least) for group in groups])
            so_far.sheets.extend(sheets)
            if any(sheet.asked and not sheet.heard() for sheet in sheets):
                return so_far
            if len(sheets) == 1:
                so_far.final = sheets[0]
                return so_far
            self._go_on(so_far, sheets)
        return so_far

    def _go_on(self, so_far: _Screening, sheets: list[Sheet]) -> None:
        """Drop whoever is not among the best of a group; of groups no larger than ``keep``, the last."""
        best = [sheet.best(min(self.keep, len(sheet.group) - 1)) for sheet in sheets]
        kept = {one.id for group, _ in best for one in group}
        so_far.dropped.append(tuple(one for one in so_far.left if one.id not in kept))
        so_far.left = tuple(one for one in so_far.left if one.id in kept)
        so_far.by_lot = so_far.by_lot or any(lot for _, lot in best)

    async def _sheet(
        self, briefed: Briefed, group: tuple[Candidate, ...], models: Mapping[str, Model], least: int
    ) -> Sheet:
        if len(group) <= least:
            return Sheet(group=group)
        names = LABELS[: len(group)]
        prompt = self.prompt_for(briefed.own, "listwise", *self._additions())

        def parse(reply: Completion) -> tuple[Ranked, str] | None:
            read = read_ranking(reply.text, names)
            if read is None:
                return None
            acceptable = read_acceptable(reply.text, names) if self.absolute else None
            return _ranked(tiers=read[0], acceptable=acceptable), read[1]

        orders = rotations(group, self.rotations)
        asked = await together(
            [
                self.ask(models, prompt, render(briefed.case, shown, show_reference=True), shown, parse)
                for shown in orders
            ]
        )
        return _sheet(group=group, shown=orders, asked=tuple(asked))

    async def _sizes(
        self, briefed: Briefed, entrants: tuple[Candidate, ...], context: int | None
    ) -> tuple[int | None, dict[CandidateId, int]]:
        """Bytes that a page has for candidates (None: no bound is known), and bytes that each of them takes."""
        if context is None:
            return None, {one.id: 0 for one in entrants}
        return await asyncio.to_thread(self._measured, briefed, entrants, context)

    def _measured(
        self, briefed: Briefed, entrants: tuple[Candidate, ...], context: int
    ) -> tuple[int, dict[CandidateId, int]]:
        bare = render(briefed.case, (), show_reference=True)
        prompt = self.prompt_for(briefed.own, "listwise", *self._additions())
        # A quarter of the context, if the answer may be so long: a page that leaves no room for its ranking is no use.
        reserved = max(LEAST_ROOM, min(self.max_output_tokens, context // 4))
        taken = sum(size_of(message.text) for message in prompt.messages(bare))
        alone = {one.id: render(briefed.case, (one.id,), show_reference=True) for one in entrants}
        sizes = {one: size_of(page) - size_of(bare) for one, page in alone.items()}
        return (context - reserved) * BYTES_PER_TOKEN - taken, sizes

    def _verdict(
        self, case: Case, entered: Entered, briefed: Briefed, screened: _Screening, suspicious: tuple[str, ...]
    ) -> Verdict:
        best, scores = self._found(screened)
        outcome, winners = entered.outcome(case, best)
        problems = screened.problems()
        if not winners and problems == {"failed"}:
            outcome = "failed"
        asked = [one for sheet in screened.sheets for one in sheet.asked]
        exchanges = briefed.exchanges + tuple([exchange for one in asked for exchange in one.exchanges])
        said = [page for sheet in screened.sheets for page in sheet.marks()] if self.absolute else []
        raised = {
            "null_comparison": bool(problems - {None}),
            "too_long": screened.too_long or "too_long" in problems,
            "by_lot": screened.by_lot,
            "unmarked": self.absolute and not all(said),
        }
        return _verdict(
            judge=self.digest,
            outcome=outcome,
            winners=winners,
            scores=entered.shared(case, scores),
            exchanges=exchanges,
            flags=(*briefed.flags, *[flag for flag, up in raised.items() if up], *suspicious),
            all_bad=bool(winners and said) and all(said) and all_bad(entered.entrants, said),
            reason=self._reason(screened),
            usage=total([exchange.usage for exchange in exchanges]),
        )

    def _found(self, screened: _Screening) -> tuple[tuple[Candidate, ...], dict[CandidateId, float]]:
        if screened.final is not None:
            scores = screened.final.scores()
            return screened.final.winners(self.keep, scores), standing(scores, screened.dropped)
        if len(screened.left) > self.keep:
            return (), {}
        # The rounds left no more than are wanted; nobody has ranked them against each other.
        return screened.left, standing(dict.fromkeys((one.id for one in screened.left), 0.5), screened.dropped)

    def _reason(self, screened: _Screening) -> str:
        if screened.too_long:
            return f"the longest candidate fits on no page with another in the context of {self.model!r}"
        asked = screened.sheets[-1].asked or screened.sheets[0].asked
        wrong = [one for sheet in screened.sheets for one in sheet.asked if one.said is None]
        heard = [one for one in asked if one.said is not None]
        return (heard if screened.final is not None and heard else wrong or list(asked))[0].reason
