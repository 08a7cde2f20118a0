"""Randomness that depends on nothing but what it is about, so that a run repeats whatever its order."""

from hashlib import blake2b


def share(*about: object) -> float:
    """A number in [0, 1), the same for the same ``about``, evenly spread over different ones."""
    digest = blake2b("\x1f".join(map(str, about)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def pick(options: tuple[str, ...], *about: object) -> str:
    """One of ``options``, chosen by ``about``."""
    return options[int(share(*about) * len(options))]
