"""OpenAI's embeddings, and those of every server that imitates them.

https://platform.openai.com/docs/api-reference/embeddings
"""

import asyncio
from collections.abc import Mapping, Sequence

from ensemble.provider import Embedded, Vectors
from ensemble.providers._connection import encoded
from ensemble.providers._failures import failed_inside, request_id, told_in
from ensemble.providers._openai_batches import OpenAIBatches
from ensemble.providers._shapes import WrongShape, array, count, known, mapping, table
from judges.types import Usage

_PATH = "/embeddings"
_MOST_DIMENSIONS = 65_536
_LARGEST = 1e6


class OpenAIConnection(OpenAIBatches):
    """Chat completions, one by one or in bulk, and embeddings."""

    async def embed(self, model: str, texts: Sequence[str], options: Mapping[str, object]) -> Embedded:
        """As ``EmbeddingConnection.embed``.

        Numbers are asked for as such, since not every server packs them in base64.
        """
        body, _ = encoded({**options, "model": model, "input": list(texts), "encoding_format": "float"})
        async with self._wire.exchange(_PATH, body) as reply:
            document = await reply.document()
            if isinstance(document, Mapping) and document.get("error"):
                raise failed_inside(told_in(document), reply.headers, reply.secrets, streaming=False)
            try:
                # In a thread: there may be a hundred thousand numbers to look at.
                return await asyncio.to_thread(_embedded, document, len(texts), request_id(reply.headers))
            except WrongShape as error:
                raise reply.bad(str(error)) from error


def _embedded(document: object, wanted: int, id_: str | None) -> Embedded:
    body = table(document, "the reply")
    usage = mapping(body.get("usage"))
    # No text comes back, so there is no output to pay for, whether or not the server says so.
    spent = Usage(input_tokens=count(usage.get("prompt_tokens")), output_tokens=0)
    vectors = _vectors(array(body.get("data"), "data"), wanted)
    return Embedded(vectors=vectors, usage=spent, model=known(body.get("model")), provider_request_id=id_)


def _vectors(rows: Sequence[object], wanted: int) -> Vectors:
    """One vector per text in the order of the texts. Raises WrongShape."""
    found: dict[int, Sequence[float]] = {}
    for place, row in enumerate(rows):
        one = table(row, f"data[{place}]")
        index = count(one.get("index", place))
        vector = array(one.get("embedding"), f"data[{place}].embedding")
        if index is None or not 0 < len(vector) <= _MOST_DIMENSIONS or not all(map(_is_number, vector)):
            raise WrongShape(f"data[{place}] is no vector of numbers")
        found[index] = [float(number) for number in vector]  # type: ignore[arg-type]
    if sorted(found) != list(range(wanted)) or len(rows) != wanted:
        raise WrongShape(f"{len(rows)} vectors came for {wanted} texts")
    if len({len(vector) for vector in found.values()}) > 1:
        raise WrongShape("the vectors are not all of one length")
    return [found[index] for index in range(wanted)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST
