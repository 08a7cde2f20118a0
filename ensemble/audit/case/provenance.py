"""What a request was made by: every digest, id and version of its record, so that it can be found or made again."""

from collections.abc import Iterator

from ensemble.audit.case.judging import every
from ensemble.audit.case.texts import Tree
from ensemble.audit.shapes import Column, Table


def provenance(record: Tree) -> Table:
    """Digests (SHA-256), ids and versions, each once."""
    rows = dict.fromkeys((what, str(value)) for what, value in _facts(record) if value not in (None, ""))
    return Table(
        name="provenance",
        title="Provenance",
        columns=[Column("what", "What"), Column("value", "Digest, id or version")],
        rows=[{"what": what, "value": value} for what, value in rows],
        note="equal digests mean equal rules: configuration, routers, judges, prompts, members and prices",
    )


def _facts(record: Tree) -> Iterator[tuple[str, object]]:
    yield "request", record["id"]
    yield "configuration", record["config"]
    yield "prompt", record["prompt_hash"]
    yield "domain classifier", record["domain_by"]
    if record["plan"]:
        yield "router", record["plan"]["router"]
    for verdict in every(record["verdicts"]):
        yield (f"judge {verdict['judge']}" if verdict["judge"] else "judge of a seat"), verdict["judge_digest"]
        yield "case as judged", verdict["case_key"]
        yield "weights and calibration", verdict["weights"]
        for exchange in verdict["exchanges"]:
            name, _, digest = exchange["prompt"].partition("@")
            yield f"judge's prompt {name}", digest
    for call in record["calls"]:
        member = call["member"]
        yield f"member {member}", call["member_digest"]
        yield f"price of {member}", call["price"]
        yield f"model of {member}, as returned", call["model"]
        yield f"fingerprint of {member}, as returned", call["system_fingerprint"]
        yield f"provider's id of a call to {member}", call["provider_request_id"]
        yield "batch", call["batch"]
        yield "labelling run", call["run"]
