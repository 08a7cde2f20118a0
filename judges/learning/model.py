"""The model of what is learned: parts that each predict, and the weights in which they are mixed.

Everything here is arrays, apart from the two vectorizers, so that reading a model runs nothing of anybody's.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from judges.errors import InvalidOptions
from judges.learning import sureness
from judges.learning.features import PAIR, WIDTH, clipped, measure, measure_pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

State = Mapping[str, Any]
"""What a model is made of, by name: arrays, numbers, texts and vectorizers."""
VERIFIERS = 5
EVIDENCE = VERIFIERS + sureness.WIDTH
"""Figures of what verifiers, then logprobs say of an answer (``judges.heuristics._evidence``)."""
LAYOUT = 2
"""How ``embed`` condenses a text: trees and neighbours of another layout would read columns as what they are not."""
_ROWS = 256
"""Rows at once, which bounds what neighbours and trees take of memory."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """Texts as a model reads them: what the vectorizers see, and figures (n, ``WIDTH`` or ``PAIR``).

    Those of answers may have more columns: 1 for agreement, then ``EVIDENCE``.
    """

    texts: Sequence[str]
    figures: "Floats"


def sample(
    texts: Sequence[str],
    answers: Sequence[str] | None = None,
    agreed: Sequence[float] | None = None,
    evidence: "Sequence[Sequence[float]] | Floats | None" = None,
) -> Sample:
    """Requests, or with ``answers`` requests with an answer each.

    An answer may come with the share of others that say the same, and with ``evidence`` (n, ``EVIDENCE``).
    """
    import numpy as np

    if answers is None:
        figures = np.array([measure(text) for text in texts]).reshape(-1, WIDTH)
        return Sample(texts=[clipped(text) for text in texts], figures=figures)
    pairs = list(zip(texts, answers, strict=True))
    known = {text: measure(text) for text in {*texts}}
    figures = np.array([measure_pair(text, answer, known[text]) for text, answer in pairs]).reshape(-1, PAIR)
    if agreed is not None:
        figures = np.column_stack([figures, np.asarray(agreed, dtype=np.float64)])
    if evidence is not None:
        figures = np.hstack([figures, np.asarray(evidence, dtype=np.float64).reshape(-1, EVIDENCE)])
    return Sample(texts=[f"{clipped(text)}\n{clipped(answer)}" for text, answer in pairs], figures=figures)


class Learned:
    """A fitted model. ``predict`` takes some 2 ms for one request and is safe to call from several threads.

    Raises InvalidOptions when ``state`` is not of the form that fitting writes.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        try:
            _check(state)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise InvalidOptions(f"the model is not of a known form ({error}); train it again") from None

    @property
    def reads_others(self) -> bool:
        """Whether its figures hold how many other answers say the same."""
        return len(self.state["centre"]) in (PAIR + 1, PAIR + 1 + EVIDENCE)

    @property
    def reads_evidence(self) -> bool:
        """Whether its figures hold what verifiers and logprobs say of an answer."""
        return len(self.state["centre"]) >= PAIR + EVIDENCE

    def predict(self, asked: Sample) -> "Floats":
        """Expected quality (n, m) in [0, 1]. Blocks."""
        import numpy as np

        raw = self.parts(asked)
        mixed: Floats = np.full((len(asked.texts), len(self.state["mean"])), self.state["mean"], dtype=np.float64)
        for name, part in raw.items():
            mixed += self.state["weights"][name] * (part - self.state["mean"])
        steady = self.state["mean"] + self.state["slope"] * (mixed - self.state["mean"])
        found: Floats = np.clip(steady, 0.0, 1.0)
        return found

    def parts(self, asked: Sample) -> "dict[str, Floats]":
        """What each part of the mixture predicts (n, m)."""
        import numpy as np

        found: dict[str, list[Floats]] = {}
        for begin in range(0, max(1, len(asked.texts)), _ROWS):
            block = slice(begin, begin + _ROWS)
            for name, values in self._block(asked.texts[block], asked.figures[block]).items():
                found.setdefault(name, []).append(values)
        return {name: np.concatenate(values) for name, values in found.items()}

    def bill(self, name: str, figures: "Floats") -> "Floats | None":
        """Expected ``nano_usd`` or ``seconds`` (n, m) of requests by their figures; NaN or None where unknown."""
        import numpy as np

        state = self.state.get(name)
        if state is None:
            return None
        inside = np.clip(figures @ state["weights"] + state["base"], 0.0, 40.0)
        found: Floats = np.expm1(inside) * state["factor"]
        return found

    def _block(self, texts: Sequence[str], figures: "Floats") -> "dict[str, Floats]":
        import numpy as np

        sparse, dense = embed(self.state, texts, figures)
        found: dict[str, Floats] = {}
        if "linear" in self.state:
            found["linear"] = sparse @ self.state["linear"]["weights"] + self.state["linear"]["base"]
        if "subjects" in self.state:
            dense = np.hstack([dense, likely(self.state["subjects"], sparse)])
        found |= {name: READERS[name](self.state[name], dense) for name in READERS if name in self.state}
        return found


def embed(state: State, texts: Sequence[str], figures: "Floats") -> "tuple[Any, Floats]":
    """Sparse terms with scaled figures, and the same condensed: figures, then a unit vector of directions."""
    import numpy as np
    from scipy import sparse

    scaled = np.clip((figures - state["centre"]) / state["scale"], -5, 5)
    terms = [state[name].transform(texts) for name in ("words", "characters") if state[name] is not None]
    # 32 bits, as the weights are: a product of mixed widths would copy all of them for each request.
    whole = sparse.hstack([*terms, sparse.csr_matrix(0.1 * scaled)]).tocsr().astype(np.float32)
    axes = state["directions"]
    return whole, np.hstack([scaled, unit(whole @ axes) if axes.shape[1] else np.empty((len(texts), 0))])


def neighbours(state: State, dense: "Floats") -> "Floats":
    """Mean quality of the nearest requests by cosine, the nearer the heavier, shrunk by ``prior`` to the mean."""
    import numpy as np

    vectors, quality, k = state["vectors"], state["quality"], int(state["k"])
    near = unit(dense[:, -vectors.shape[1] :]) @ vectors.T
    k = min(k, near.shape[1])
    index = np.argpartition(-near, k - 1, axis=1)[:, :k]
    weights = np.clip(np.take_along_axis(near, index, axis=1), 0, None) ** 3
    total = weights.sum(axis=1, keepdims=True) + state["prior"]
    summed = np.einsum("nk,nkm->nm", weights, quality[index] - state["mean"])
    found: Floats = state["mean"] + summed / total
    return found


def by_subject(state: State, dense: "Floats") -> "Floats":
    """Quality by subject, weighed by how likely the request is of it; the likely subjects are the last columns."""
    quality: Floats = state["quality"]
    found: Floats = dense[:, -len(quality) :] @ quality
    return found


def likely(state: State, sparse: Any) -> "Floats":
    """How likely a request is of each subject (n, k)."""
    return sharpened(sparse @ state["weights"] + state["base"], state["sharpness"])


def sharpened(scores: "Floats", sharpness: float) -> "Floats":
    """Scores around 0 and 1 (n, k) as shares that sum to 1."""
    import numpy as np

    odds: Floats = np.exp(sharpness * np.clip(scores, -1.0, 2.0))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares


def unit(vectors: "Floats") -> "Floats":
    """Rows of length 1; a row of zeros stays one."""
    import numpy as np

    length: Floats = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors / length


def trees(state: State, dense: "Floats") -> "Floats":
    """Sum of all trees (n, m): each step takes every row one node down every tree; leaves point to themselves."""
    import numpy as np

    feature, threshold, below, value = state["feature"], state["threshold"], state["below"], state["value"]
    asked = dense.astype(np.float32)
    rows = np.arange(len(asked))[:, None]
    node = np.broadcast_to(state["roots"], (len(asked), len(state["roots"])))
    for _ in range(int(state["depth"])):
        node = below[node, (asked[rows, feature[node]] > threshold[node]).astype(np.int64)]
    found: Floats = state["base"] + value[node].sum(axis=1)
    return found


READERS: "Mapping[str, Callable[[State, Floats], Floats]]" = {
    "domains": by_subject,
    "forest": trees,
    "boosting": trees,
    "knn": neighbours,
}
"""What reads the condensed form, by part."""


_WIDTHS = (WIDTH, *(PAIR + others + evidence for others in (0, 1) for evidence in (0, EVIDENCE)))


def _check(state: State) -> None:
    """Refuse what would read outside an array, or never end."""
    import numpy as np

    members = len(state["mean"])
    kinds = state["subjects"]["weights"].shape[1] if "subjects" in state else 0
    width = len(state["centre"]) + state["directions"].shape[1] + kinds
    if state.get("layout") != LAYOUT:
        raise ValueError(f"its condensed texts are of layout {state.get('layout', 1)}, here they are of {LAYOUT}")
    if members < 1 or len(state["centre"]) not in _WIDTHS or not set(state["weights"]) <= set(state):
        raise ValueError("figures or parts do not fit this version")
    for name in ("forest", "boosting"):
        if name not in state:
            continue
        held = state[name]
        nodes = len(held["feature"])
        inside = all(array.min() >= 0 and array.max() < nodes for array in (held["below"], held["roots"]))
        if not inside or held["feature"].min() < 0 or held["feature"].max() >= width or held["depth"] > 64:
            raise ValueError(f"{name} points outside itself")
        if held["value"].shape != (nodes, members) or held["below"].shape != (nodes, 2):
            raise ValueError(f"{name} has a wrong shape")
    if "domains" in state and state["domains"]["quality"].shape != (kinds, members):
        raise ValueError("domains has a wrong shape")
    if "knn" in state and not np.isfinite(state["knn"]["vectors"]).all():
        raise ValueError("knn holds what is no number")
    if not all(math.isfinite(float(weight)) for weight in state["weights"].values()):
        raise ValueError("a weight is no number")
