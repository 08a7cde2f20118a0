"""Texts as vectors without a model to ask: TF-IDF, or the static embeddings of model2vec. Heavy imports are inside."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from judges.errors import InvalidOptions
from judges.learning.features import clipped

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

WORDS = {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
CHARACTERS = {"analyzer": "char_wb", "ngram_range": (3, 5)}


class Encoder(Protocol):
    """Turns texts into vectors, one row each, no longer than 1; they may be sparse. Blocks, and is thread-safe."""

    def encode(self, texts: Sequence[str]) -> Any: ...


class TfIdf:
    """Words and pieces of words, each weighed by how rare it is, half of the length to either.

    Terms that were never seen count in the length of a text as the rarest do, though they stand for no direction: a
    text of which only "what is the" is known is near to nothing. ``words`` and ``characters`` are fitted vectorizers
    without a norm, or None where no term was left.
    """

    def __init__(self, words: Any, characters: Any) -> None:
        self.words, self.characters = words, characters

    def encode(self, texts: Sequence[str]) -> Any:
        """A sparse matrix (n, terms)."""
        from scipy import sparse

        short = [clipped(text) for text in texts]
        held = [one for one in (self.words, self.characters) if one is not None]
        if not held:
            return sparse.csr_matrix((len(short), 1))
        return sparse.hstack([_weighed(one, short) for one in held]).tocsr() / len(held) ** 0.5


def _weighed(vectorizer: Any, texts: Sequence[str]) -> Any:
    import numpy as np
    from scipy import sparse

    found, analyze, vocabulary = vectorizer.transform(texts), vectorizer.build_analyzer(), vectorizer.vocabulary_
    unseen = np.array([len({*analyze(text)}.difference(vocabulary)) for text in texts]) * vectorizer.idf_.max() ** 2
    square = np.asarray(found.multiply(found).sum(axis=1)).ravel() + unseen
    return sparse.diags(1 / np.sqrt(np.maximum(square, 1e-12))) @ found


class Static:
    """A model of model2vec: the mean of its vectors of the words in a text."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def encode(self, texts: Sequence[str]) -> "Floats":
        """An array (n, dimensions)."""
        import numpy as np

        found = self.model.encode([clipped(text) for text in texts], use_multiprocessing=False)
        return unit(np.nan_to_num(np.asarray(found, dtype=np.float64)))


def tfidf(texts: Sequence[str]) -> TfIdf:
    """TF-IDF over ``texts``, which the operator wrote: every term of theirs is known afterwards.

    Raises:
        InvalidOptions: the extra is not installed.
    """
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
    except ImportError as error:
        told = "without an embedder or model2vec this needs scikit-learn: pip install 'ensemble-judges[routers]'"
        raise InvalidOptions(told) from error

    def fitted(how: dict[str, Any]) -> Any:
        try:
            return TfidfVectorizer(sublinear_tf=True, norm=None, **how).fit(texts)
        except ValueError:  # scikit-learn's way to say that there is no term
            return None

    return TfIdf(fitted(WORDS), fitted(CHARACTERS))


def static(path: Path) -> Static:
    """The model2vec model in the folder ``path``; nothing is ever downloaded.

    Raises:
        InvalidOptions: there is none, or the extra is not installed.
    """
    try:
        from model2vec import StaticModel
        from safetensors import SafetensorError
    except ImportError as error:
        raise InvalidOptions("model2vec: pip install 'ensemble-judges[embeddings]'") from error
    if not (path / "model.safetensors").is_file():
        # A name that is no folder would be taken for one of the Hugging Face hub.
        raise InvalidOptions(f"model2vec: {path} is no folder with a model.safetensors; download a model into it")
    try:
        return Static(StaticModel.from_pretrained(str(path), force_download=False))
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise InvalidOptions(f"model2vec: {path} cannot be read: {error}") from error


def hash_of_model(path: Path) -> str:
    """SHA-256 of the vectors in ``path``, empty where there are none. Blocks."""
    try:
        with (path / "model.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def unit(vectors: "Floats") -> "Floats":
    """Rows of length 1; a row of zeros stays one."""
    from judges.learning.model import unit as scaled

    return scaled(vectors)
