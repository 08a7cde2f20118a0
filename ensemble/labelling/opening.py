"""From what the operator names to a stream of rows: a file, a folder, or standard input."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from ensemble.labelling.folders import rows_of_folder
from ensemble.labelling.rows import Parse, Reject, Row, RowReader
from ensemble.labelling.sources import SUFFIXES, BadSource, Format, Raw, format_of, rows_of_file, standard_input


def run_name(prompts: str) -> str:
    """What a run over ``prompts``, a path or ``-``, is called by itself: the file without what tells its format.

    Files that differ in anything else are runs of their own: rows without an id are known by their place.
    """
    if prompts == "-":
        return "stdin"
    path = Path(os.path.abspath(prompts))
    while path.suffix.lower() in (*SUFFIXES, ".gz"):
        path = path.with_suffix("")
    return path.name or "prompts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Where prompts are; ``name`` is a path, or ``-`` for JSON lines on standard input.

    ``kind`` is the format where the file's name does not tell it; ``columns`` maps our fields to the file's names.
    """

    name: str
    kind: Format | None = None
    split: str | None = None
    subset: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def rows(self, parse: Parse) -> Iterator[Row | Reject]:
        """Every row, understood; ``parse`` reads conversations. Blocks.

        Raises:
            BadSource: it cannot be read, told with the first row.
        """
        reader = RowReader(parse=parse, columns=self.columns)
        for raw in self.raw():
            yield raw if isinstance(raw, Reject) else reader.read(*raw)

    def count(self) -> int | None:
        """About how many rows there are, for a progress bar; None where finding out costs too much. Blocks."""
        path = Path(self.name)
        # Only a file that can be read is counted; reading the rows tells why another cannot.
        if self.name == "-" or not path.is_file() or path.suffix.lower() == ".gz" or not os.access(path, os.R_OK):
            return None
        kind = self.kind or format_of(path)
        if kind == "parquet":
            import pyarrow.parquet

            try:
                return int(pyarrow.parquet.ParquetFile(path).metadata.num_rows)
            except pyarrow.ArrowInvalid:
                return None
        with path.open("rb") as file:
            return max(0, _filled(file) - (kind == "csv"))

    def raw(self) -> Iterator[Raw]:
        """Every row as the file has it. Blocks, and raises as ``rows``."""
        if self.name == "-":
            return standard_input()
        path = Path(self.name)
        if path.is_dir():
            return rows_of_folder(path, split=self.split, subset=self.subset)
        if self.split or self.subset:
            raise BadSource(f"{path}: --split and --subset are for folders")
        if not path.exists():
            raise BadSource(f"{path}: there is no such file")
        return rows_of_file(path, self.kind)


def _filled(file: BinaryIO) -> int:
    """Lines with anything on them; read in pieces, since a line may be as long as the file."""
    count, filled = 0, False
    while piece := file.readline(1 << 16):
        filled = filled or not piece.isspace()
        if piece.endswith(b"\n"):
            count, filled = count + filled, False
    return count + filled
