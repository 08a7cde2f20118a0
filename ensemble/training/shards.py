"""The rows of labels that a path names: one file, the folder of an export, or the files that a pattern picks."""

import glob
from collections.abc import Iterator
from pathlib import Path

from ensemble.labelling.folders import moved, splits_of
from ensemble.labelling.rows import Reject
from ensemble.labelling.sources import BadSource, Raw, rows_of_file


def is_pattern(path: Path) -> bool:
    """Whether ``path`` is no file but a pattern for names of files, such as ``shards/*.parquet``."""
    return glob.has_magic(str(path)) and not path.exists()


def raw_rows(path: Path) -> Iterator[Raw]:
    """Every row, positions counted over all files; of columnar files a row group is held at once. Blocks.

    Raises:
        BadSource: there is nothing to read, or a folder holds several splits.
    """
    before = 0
    for file in files_of(path):
        last = 0
        for raw in rows_of_file(file):
            last = raw.position if isinstance(raw, Reject) else raw[0]
            yield moved(raw, before)
        before += last


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that ``path`` names, in order. Raises as ``raw_rows``."""
    if is_pattern(path):
        # Sorted, so that the same pattern reads the same rows in the same order everywhere.
        found = tuple(Path(name) for name in sorted(glob.glob(str(path))) if Path(name).is_file())
        if not found:
            raise BadSource(f"{path}: no file has such a name")
        return found
    if not path.is_dir():
        return (path,)
    splits = splits_of(path)
    if not splits:
        raise BadSource(f"{path}: there are no Parquet, JSON lines, CSV or Arrow files in it")
    if len(splits) > 1:
        name, files = next(iter(splits.items()))
        told = f"'{files[0].parent}/{name}-*{files[0].suffix}'" if files else f"'{path}/*'"
        raise BadSource(f"{path} holds the splits {', '.join(sorted(splits))}; name the files of one, such as {told}")
    return next(iter(splits.values()))
