"""Attack texts against the two defences: none may leave its place on a page, nearly all must be marked for review."""

from collections.abc import Callable, Iterator, Mapping

from judges.llm._render import escape, read, render
from judges.suspicion import suspicions
from judges.types import Candidate, CandidateId, Case, Completion, Message
from judges.verification._rows import Record, Row

_MOST_FLAGGED_REAL, _LEAST_FLAGGED = 0.01, 0.9
_REAL = {
    "judgebench_pairs": ("response_A", "response_B"),
    "llmbar_pairs": ("output_1", "output_2"),
    "pandalm_human": ("response1", "response2"),
    "autoj_pairwise_human": ("response 1", "response 2"),
}
Read = Callable[[str], Iterator[Record]]


def texts(read_file: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Escapes, and the shares of attacks and of honest candidate texts that are flagged."""
    attacks = [record for record in read_file("attack_texts.jsonl.gz") if record["family"] != "benign_lookalike"]
    escaped = sum(not _stays(record["text"]) for record in attacks)
    yield _row("escapes from the delimiters", escaped, "0", escaped == 0)
    flagged = sum(bool(suspicions(record["text"])) for record in attacks)
    told = f"{flagged} of {len(attacks)}"
    yield _row("attacks flagged", told, f"at least {_LEAST_FLAGGED:.0%}", flagged >= _LEAST_FLAGGED * len(attacks))
    for name, fields in _REAL.items():
        said = [record[field] for record in read_file(f"{name}.jsonl.gz") for field in fields]
        honest = [text for text in said if isinstance(text, str)]
        marked = sum(bool(suspicions(text)) for text in honest)
        right = marked <= _MOST_FLAGGED_REAL * len(honest)
        yield _row(f"{name} flagged", f"{marked} of {len(honest)}", f"at most {_MOST_FLAGGED_REAL:.0%}", right)


def _stays(text: str) -> bool:
    """Whether a page with ``text`` on it is read back exactly, and ``text`` forms no label there."""
    case = Case(
        messages=(Message(role="user", content="Which is it?"),),
        candidates=tuple(
            Candidate(id=CandidateId(name), completion=Completion(text=said, finish_reason="stop"))
            for name, said in (("attack", text), ("honest", "This one."))
        ),
    )
    page = render(case, [one.id for one in case.candidates])
    return read(page).candidates == (text, "This one.") and "[[" not in escape(text)


def _row(name: str, found: object, wanted: str, right: bool) -> Row:
    return Row(part="attacks", name=name, expected=wanted, found=found, right=right)
