"""The money of one day for the shadows of one router."""

from datetime import UTC, datetime

from ensemble.labelling.asking import Online
from ensemble.labelling.cashier import Cashier
from ensemble.labelling.filling import Filler
from ensemble.labelling.tally import Tally
from ensemble.money import NANO
from ensemble.pipeline import Pipeline
from ensemble.router import Shadow


class DayPurse:
    """Pays for the router called ``router``, day by day (UTC), each under the name of a run of its own.

    A cap holds over restarts and over processes, since it is counted in the log.
    """

    def __init__(self, router: str, options: Shadow, pipeline: Pipeline) -> None:
        self._router, self._pipeline = router, pipeline
        cap = options.max_usd_per_day
        self._cap = None if cap is None else int(cap * NANO)
        self._run = ""
        self._cashier = self.cashier()

    @property
    def open(self) -> bool:
        """Whether there is money left today, as far as is known."""
        return self.cashier().closed is None

    def cashier(self) -> Cashier:
        """Who pays today. What it asks raises Stopped once the next call does not fit under the cap."""
        run = f"shadow {self._router} {datetime.now(UTC).date()}"
        if run != self._run:
            self._run, self._tally = run, Tally()
            self._cashier = Cashier(self._pipeline.store, Online(), run, self._tally, self._cap)
        return self._cashier

    def filler(self) -> Filler:
        """Who has a request's panel asked and judged, on today's money."""
        cashier = self.cashier()
        return Filler(
            store=self._pipeline.store,
            fleet=self._pipeline.fleet,
            judges=self._pipeline.judges,
            cashier=cashier,
            tally=self._tally,
            run=self._run,
            # As of any label run: what a router learns from, and is measured by, is what the judge found.
            means=self._pipeline.means.none,
            capped=self._cap is not None,
        )
