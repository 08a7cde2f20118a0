"""An answer that was given before, told once more."""

from functools import partial

from ensemble.errors import Conflict, StoreError, StoreUnavailable
from ensemble.store import Store
from ensemble.store.recalled import recall
from ensemble.types import Answer, Request, RequestId


async def recalled(store: Store, request: Request, before: RequestId) -> Answer:
    """The answer of the stored request ``before``, for ``request``, which is the same again.

    Raises:
        Conflict: its texts were not kept, or are gone by now.
        StoreUnavailable: the log cannot be read.
    """
    try:
        answer = await store.read(partial(recall, asked=request, id_=before))
    except StoreError as error:
        raise StoreUnavailable(f"the answer under this key cannot be read: {error}") from error
    if answer is None:
        raise Conflict(f"request {before} was answered under this key, and its texts are not kept; send a new key")
    return answer
