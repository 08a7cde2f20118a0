"""Simulated embeddings: texts that share words lie close together."""

import base64
import math
import re
import struct
from collections.abc import Mapping
from itertools import pairwise
from zlib import crc32

from ensemble.simulator import tokens
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import text, whole_number

MODEL = "embed"
DIMENSIONS = 256
MOST_INPUTS = 2048
_WORD = re.compile(r"\w+")


def embed(words: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A unit vector of ``words`` by hashed words and word pairs; the zero vector's place is taken by the first axis."""
    found = _WORD.findall(words.lower())
    vector = [0.0] * dimensions
    for feature in (*found, *(f"{one} {two}" for one, two in pairwise(found))):
        hashed = crc32(feature.encode("utf-8", "surrogatepass"))
        vector[hashed % dimensions] += 1.0 if hashed & 0x80000000 else -1.0
    length = math.sqrt(sum(each * each for each in vector))
    if length == 0:
        return [1.0] + [0.0] * (dimensions - 1)
    return [each / length for each in vector]


def embeddings_body(body: Mapping[str, object]) -> tuple[dict[str, object], int]:
    """The answer to an embeddings request and the tokens that it used; raises Problem for what cannot be embedded."""
    given = body.get("input")
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not inputs or not all(isinstance(each, str) and each for each in inputs):
        raise Problem(400, "'input' must be a text or a list of texts, none of them empty.", param="input")
    if len(inputs) > MOST_INPUTS:
        raise Problem(400, f"'input' must have at most {MOST_INPUTS} texts.", param="input")
    if text(body.get("model")) != MODEL:
        raise Problem(404, f"The only simulated embedding model is {MODEL!r}.", code="model_not_found", param="model")
    dimensions = min(whole_number(body, "dimensions") or DIMENSIONS, DIMENSIONS)
    packed = body.get("encoding_format") == "base64"
    data = []
    for index, words in enumerate(inputs):
        vector = embed(words, dimensions)
        shown: object = _pack(vector) if packed else vector
        data.append({"object": "embedding", "index": index, "embedding": shown})
    used = sum(tokens.count(words) for words in inputs)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "model": MODEL, "data": data, "usage": usage}, used


def _pack(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
