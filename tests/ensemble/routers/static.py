"""A model of model2vec, made on the spot."""

from pathlib import Path

MONEY, CODE = ("refund", "invoice", "charged"), ("python", "SQL", "query", "prime")


def a_static_model(folder: Path, name: str = "static", *, skew: float = 0.1) -> Path:
    """A folder with a model in which money lies on one axis and code on another."""
    import numpy as np
    from model2vec import StaticModel
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    words = {word: place for place, word in enumerate(("[UNK]", *MONEY, *CODE))}
    axes = [[0.0, 0.0, 1.0]] + [[1.0, skew, 0.0]] * len(MONEY) + [[skew, 1.0, 0.0]] * len(CODE)
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    model = StaticModel(np.array(axes, dtype=np.float32), tokenizer, normalize=True)
    model.save_pretrained(str(folder / name))
    return folder / name
