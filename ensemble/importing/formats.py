"""The formats of import by name."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, cast, get_args

from ensemble.importing.candidates import Candidates
from ensemble.importing.given import FROM_0_TO_1, Format, Given, Scale
from ensemble.importing.matrix import Matrix
from ensemble.importing.openai_log import BatchInput, OpenAILog
from ensemble.importing.promptfoo import Promptfoo, results_of
from ensemble.labelling.rows import Parse, Reject, RowReader
from ensemble.labelling.sources import BadSource, Raw, format_of, open_source

Name = Literal["candidates", "matrix", "openai-log", "promptfoo"]
NAMES: tuple[Name, ...] = get_args(Name)


@contextmanager
def opened(
    file: str, form: Name, *, parse: Parse, scale: Scale | None = None, requests: Path | None = None
) -> Generator[Iterator[Given | Reject], None, None]:
    """The rows of ``file`` (``-`` is standard input) in the format ``form``, to be read one at a time. Blocks.

    ``requests`` is the input file of a batch whose output ``file`` is.

    Raises:
        BadSource: a file cannot be read.
    """
    reader, scale = RowReader(parse=parse, renames=False), scale or FROM_0_TO_1
    if form == "promptfoo":
        if file == "-":
            raise BadSource("promptfoo's results are one document; name a file")
        source = cast("Generator[Raw, None, None]", results_of(Path(file)))
    else:
        source = open_source(file)
    try:
        if form == "openai-log":
            batch = BatchInput(requests) if requests else None
            if batch:
                batch.load()
            yield OpenAILog(parse, batch).read(source)
        else:
            made: dict[str, Callable[[RowReader, Scale], Format]] = {
                "candidates": Candidates,
                "matrix": partial(Matrix, cells=file != "-" and format_of(Path(file)) == "csv"),
                "promptfoo": Promptfoo,
            }
            yield made[form](reader, scale).read(source)
    finally:
        source.close()
