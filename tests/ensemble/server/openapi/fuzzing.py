"""What schemathesis cannot know of this server; ``schemathesis run`` loads it through SCHEMATHESIS_HOOKS."""

import itertools
import os
import re
from typing import Any

import schemathesis
from schemathesis import GenerationMode

REQUEST = os.environ["FUZZED_REQUEST"]
"""Id of a request that the log has."""
NOT_EVERYWHERE = ("search_result", "document", "image", "file", "input_audio")
"""Content that some simulated member refuses; that no member can answer is a 502."""
QUESTION = [{"role": "user", "content": "Why is the sky blue?"}]
_number = itertools.count()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Name what is there, so that what is valid gets through; what is meant to be wrong stays as it is."""
    if re.fullmatch(r"[1-9]\d{0,3}", (case.headers or {}).get("x-ensemble-deadline-ms", "")):
        case.headers["x-ensemble-deadline-ms"] = "5000"  # less may be too little for anybody, which is a 504
    if case.meta is not None and case.meta.generation.mode is GenerationMode.NEGATIVE:
        return
    body, path = case.body if isinstance(case.body, dict) else {}, case.path_parameters or {}
    for place, name, known in ((body, "model", "panel"), (body, "request_id", REQUEST), (path, "model", "panel")):
        if isinstance(place.get(name), str):
            place[name] = known
    if "id" in path:
        path["id"] = "resp_" * path["id"].startswith("resp_") + REQUEST
    if isinstance(body.get("previous_response_id"), str):
        body["previous_response_id"] = f"resp_{REQUEST}"
    if isinstance(said := body.get("messages"), list):
        # Turns without a word are left out on the way to some members, and of nothing there is no answer.
        body["messages"] = QUESTION + ([] if any(word in str(said) for word in NOT_EVERYWHERE) else said)
    if isinstance(ours := body.get("ensemble"), dict) and ours.get("deadline_s") is not None:
        ours["deadline_s"] = max(5.0, ours["deadline_s"])
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f"key-{next(_number)}"  # under the same one another body is a 409
    if case.path == "/v1/ensemble/feedback":  # most of its keys exclude one another
        kept = {key: body[key] for key in ("rating", "metrics", "given_by", "at") if key in body}
        case.body = {**kept, "request_id": REQUEST, "tags": ["fuzzed"]}
