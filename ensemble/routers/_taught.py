"""What training learned of domains, as ``ensemble train --kind semantic`` writes it and the router reads it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ensemble.routers._artifact import Artifact, assembled
from ensemble.routers._domains import Domains
from ensemble.routers._embedding import TfIdf
from judges.errors import InvalidOptions
from judges.learning.folder import read_state, retrain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Taught:
    """What training learned of domains: where they lie, and what m members are worth in each.

    Attributes:
        names: of the k domains.
        domains: where they lie.
        quality: (k + 1, m) expected quality; the last row is for what is near to no domain.
        nano_usd: (k + 1, m) expected cost, None where it is unknown; ``seconds`` likewise.

    Raises InvalidOptions when ``state`` is not of the form that training writes.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        try:
            self.names = [str(name) for name in state["names"]]
            prototypes = state["prototypes"] if state["words"] is None else _sparse(state["prototypes"])
            self.domains = Domains(prototypes=prototypes, owners=state["owners"], thresholds=state["thresholds"])
            self.quality: Floats = state["quality"]
            self.nano_usd: Floats | None = state["nano_usd"]
            self.seconds: Floats | None = state["seconds"]
            self._words = TfIdf(state["words"], state["characters"])
            shapes = {table.shape for table in (self.quality, self.nano_usd, self.seconds) if table is not None}
            one_each = self.domains.prototypes.shape[0] == len(self.domains.owners)
            if len(shapes) > 1 or len(self.quality) != len(self.names) + 1 or not one_each:
                raise ValueError("shapes do not fit one another")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidOptions(f"the model is no semantic router's ({error}); train it again") from None

    def encode(self, texts: Sequence[str]) -> Any:
        """Texts as vectors by the words that training knew; blocks."""
        return self._words.encode(texts)

    def worth(self, row: int, lam: float, lam_s: float) -> "Floats":
        """Quality minus ``lam`` per nano-USD and ``lam_s`` per second (m,); an unknown bill counts as the highest."""
        import numpy as np

        found: Floats = self.quality[row].copy()
        for price, bill in ((lam, self.nano_usd), (lam_s, self.seconds)):
            if price and bill is not None:
                known = bill[row][np.isfinite(bill[row])]
                found -= price * np.where(np.isfinite(bill[row]), bill[row], known.max(initial=0.0))
        return found


def _sparse(prototypes: "Floats") -> Any:
    """As vectors of words are, so that a comparison costs what they have in common."""
    from scipy import sparse

    return sparse.csr_matrix(prototypes)


def load_domains(path: Path) -> Artifact[Taught]:
    """Read the folder of a semantic router. Blocks for seconds.

    Raises:
        InvalidOptions: it is none, or cannot be used here; the sentence says how to train it again.
    """
    state, manifest = read_state(path)
    if manifest.get("use") != "semantic" or not isinstance(manifest.get("embedding"), dict):
        raise InvalidOptions(f"path: {path} holds no semantic router; train one: ensemble train --kind semantic")
    model = Taught(state)
    return assembled(path, model, manifest, columns=model.quality.shape[1])


def check_embedding(manifest: Mapping[str, Any], *, local: str | None, asks: bool) -> None:
    """Refuse vectors of another kind than those of the training: they lie elsewhere.

    ``local`` is the hash of a model2vec model, and ``asks`` whether a member is asked for vectors.

    Raises:
        InvalidOptions: they are of another kind.
    """
    by = manifest["embedding"].get("by")
    here = "member" if asks else "words" if local is None else "model2vec"
    if by != here:
        options = {"words": "neither embedder nor model2vec", "member": "embedder", "model2vec": "model2vec"}
        raise InvalidOptions(f"path: it was trained with {options.get(str(by), by)}; state that too, or train again")
    if local is not None and local != manifest["embedding"].get("sha256"):
        raise InvalidOptions(f"model2vec: another model than in training; train again: {retrain(manifest)}")
