"""Domains as places among vectors: which one a text lies nearest to, and whether that is near enough."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Places = NDArray[np.int64]

_DIGITS = 9
"""Of a cosine: the last bits of a sum differ between machines, and are to decide nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The domain that a text lies nearest to: its ``place``, the cosine, and the least at which it counts."""

    place: int
    similarity: float
    threshold: float

    @property
    def near(self) -> bool:
        """Whether the text belongs to the domain."""
        return self.similarity >= self.threshold


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Domains:
    """k domains, each by one or more of p prototypes.

    Attributes:
        prototypes: (p, d) rows of length 1, perhaps sparse.
        owners: (p,) place of the domain that a prototype stands for.
        thresholds: (k,) least cosine.
    """

    prototypes: Any
    owners: "Places"
    thresholds: "Floats"

    def similarities(self, vectors: Any) -> "Floats":
        """Cosine (n, k) of each of n vectors with the closest prototype of each domain."""
        import numpy as np

        product = vectors @ self.prototypes.T
        near = np.asarray(product.todense() if hasattr(product, "todense") else product, dtype=np.float64)
        places = range(len(self.thresholds))
        return np.stack([near[:, self.owners == place].max(axis=1, initial=-1.0) for place in places], axis=1)

    def rows(self, vectors: Any) -> "Places":
        """The domain (n,) that each of n vectors is near to; k for those that are near to none."""
        import numpy as np

        near = np.round(self.similarities(vectors), _DIGITS)
        place = near.argmax(axis=1)
        closest = near[np.arange(len(place)), place]
        return np.where(closest >= self.thresholds[place], place, len(self.thresholds))

    def nearest(self, vector: Any) -> Nearest:
        """Where one vector (1, d) lies; of equally near domains the first."""
        import numpy as np

        near = np.round(self.similarities(vector)[0], _DIGITS)
        place = int(near.argmax())
        return Nearest(place=place, similarity=float(near[place]), threshold=float(self.thresholds[place]))


def by_examples(vectors: Any, sizes: Sequence[int], thresholds: Sequence[float]) -> Domains:
    """Domains with every example as a prototype: ``sizes[i]`` rows of ``vectors`` for the i-th, in turn."""
    import numpy as np

    owners = np.repeat(np.arange(len(sizes)), sizes)
    return Domains(prototypes=vectors, owners=owners, thresholds=np.array(thresholds, dtype=np.float64))
