"""What the tables of routers look like: columns, notes, and what to do where there is nothing."""

from collections.abc import Mapping
from types import MappingProxyType

from ensemble.audit.cells import ranged
from ensemble.audit.shapes import Column, Table
from ensemble.training.readings import READINGS, Reading

SHOWN: Mapping[Reading, str] = {
    "ties_right": "Any of the best",
    "informative": "Any of the best, where not all are",
    "cheapest_best": "The cheapest of the best",
}
_LABEL = (
    "These figures need requests of which every member was judged. A router of kind parallel with a judge makes them; "
    "so does a shadow share (table [routers.NAME.shadow]) or `ensemble label`."
)
_ROUTER = Column(name="router", title="Router")

TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table(
                name="measured",
                title="Routers, members and baselines",
                columns=(
                    _ROUTER,
                    Column(name="kind", title="Kind"),
                    Column(name="rows", title="Requests", kind="count"),
                    *(column for reading in READINGS for column in ranged(reading, SHOWN[reading], "share")),
                    *ranged("quality", "Quality", "number"),
                    *ranged("ratio", "Quality ratio", "share"),
                    *ranged("saved", "Saved", "share"),
                    *ranged("regret", "Regret", "number"),
                    *ranged("nano_usd", "Per request", "usd"),
                    *ranged("seconds", "Seconds", "seconds"),
                    Column(name="calibration_error", title="Calibration error", kind="number"),
                    Column(name="without_plan", title="Without a plan", kind="count"),
                    Column(name="judged", title="Judge asked", kind="count"),
                    Column(name="digest", title="Digest"),
                ),
                rows=(),
                empty=_LABEL,
            ),
            Table(
                name="accuracy",
                title="Routing accuracy beside the best constant choice",
                columns=(
                    _ROUTER,
                    Column(name="labels_of", title="Labels of"),
                    Column(name="reading", title="Right is"),
                    Column(name="n", title="n", kind="count"),
                    *ranged("value", "Right", "share"),
                    Column(name="constant", title="Best constant"),
                    *ranged("constant_value", "is right", "share"),
                    *ranged("margin", "Difference", "share"),
                ),
                rows=(),
                note="The constant is the member that is right most often where it is always taken, on these requests.",
                empty=_LABEL,
            ),
            Table(
                name="frontier",
                title="Quality against cost per request",
                columns=(
                    _ROUTER,
                    Column(name="kind", title="Kind"),
                    Column(name="nano_usd", title="Per request", kind="usd"),
                    Column(name="quality", title="Quality", kind="number"),
                ),
                rows=(),
                note="Points of kind frontier are what lambda makes of a router's predictions.",
                empty=_LABEL,
            ),
            Table(
                name="whole",
                title="Figures of the whole frontier",
                columns=(_ROUTER, Column(name="figure", title="Figure"), *ranged("value", "Value", "number")),
                rows=(),
                empty="No router here predicts the quality of every member: `ensemble train` makes one that does.",
            ),
            Table(
                name="calibration",
                title="Predicted against true quality",
                columns=(
                    _ROUTER,
                    Column(name="from", title="Predicted from", kind="number"),
                    Column(name="to", title="to", kind="number"),
                    Column(name="n", title="Predictions", kind="count"),
                    Column(name="stated", title="Mean predicted", kind="number"),
                    Column(name="right", title="Mean true", kind="number"),
                ),
                rows=(),
                empty="No router here predicts quality: `ensemble train` makes one that does.",
            ),
            Table(
                name="curves",
                title="Learning curves",
                columns=(
                    _ROUTER,
                    Column(name="labels", title="Labels", kind="count"),
                    Column(name="quality", title="Quality", kind="number"),
                ),
                rows=(),
                note="The same fit on fewer of its labels: mean quality of the best prediction, cost apart.",
                empty="A curve needs a trained router whose labels are among these.",
            ),
            Table(
                name="misroutes",
                title="Worst misroutes",
                columns=(
                    _ROUTER,
                    Column(name="request", title="Request", kind="request"),
                    Column(name="taken", title="Taken"),
                    Column(name="best", title="Best"),
                    Column(name="lost", title="Quality lost", kind="number"),
                    Column(name="text", title="Asked"),
                ),
                rows=(),
                empty="No router lost any quality.",
            ),
            Table(
                name="picks",
                title="Picks",
                columns=(
                    _ROUTER,
                    Column(name="best", title="Cheapest of the best"),
                    Column(name="taken", title="Taken"),
                    Column(name="requests", title="Requests", kind="number"),
                ),
                rows=(),
                note="A tie that nothing breaks counts in parts.",
                empty="No router was measured.",
            ),
        )
    }
)
