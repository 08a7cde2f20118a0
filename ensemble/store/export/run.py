"""An export from end to end: pick, check whose texts may leave, write, and tell what was written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from ensemble.errors import StoreError
from ensemble.redaction import Redactor
from ensemble.store.address import Where
from ensemble.store.database import Database
from ensemble.store.export.card import Bias, card, check_license
from ensemble.store.export.cases import case
from ensemble.store.export.coverage import Coverage, authors_of, members_of
from ensemble.store.export.fields import Row
from ensemble.store.export.filters import Filters
from ensemble.store.export.formats import Format, Shape
from ensemble.store.export.leaving import Leaving
from ensemble.store.export.manifest import Told, manifest, written
from ensemble.store.export.picking import DEFAULT_SPLIT, Picking
from ensemble.store.export.records import CALLS, JUDGE
from ensemble.store.export.tables import MATRIX, ROUTING
from ensemble.store.export.target import CARD, MANIFEST, Shards, new_file, new_folder, private
from ensemble.store.export.training import PAIRWISE, PREFERENCES, SFT
from ensemble.store.export.writers import Kind, pyarrow_modules
from ensemble.store.opening import reading

FORMATS: Mapping[str, Format] = {one.name: one for one in (ROUTING, MATRIX, PREFERENCES, SFT, PAIRWISE, JUDGE, CALLS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to export, and how.

    Attributes:
        training_use: whether texts of a member may be trained on, by member, as the configuration has it.
        withhold: members whose texts stay besides those.
        all_texts: take texts of members of whom ``training_use`` does not tell; without it they are an error.
        shard_rows: most rows of a file of a folder; None for one file per split.
        license: under which the export may be used; a folder must have one.
    """

    format: Format
    kind: Kind
    filters: Filters = field(default_factory=Filters)
    shape: Shape = field(default_factory=Shape)
    training_use: Mapping[str, bool]
    withhold: frozenset[str] = frozenset()
    all_texts: bool = False
    redactor: Redactor | None = None
    shard_rows: int | None = None
    license: str | None = None


Manifest = dict[str, Any]


def export_stream(log: Where, spec: Spec, output: IO[bytes]) -> Manifest:
    """Write to ``output``. Raises as ``export_folder`` does."""
    return _export(log, spec, lambda job: job.stream(output, ""))


def export_file(log: Where, spec: Spec, path: Path, *, force: bool = False) -> Manifest:
    """Write one file, and ``FILE.manifest.json`` beside it. Raises as ``export_folder`` does."""
    beside = path.with_name(f"{path.name}.{MANIFEST}")

    def write(job: "_Job") -> Manifest:
        with new_file(path, force=force) as file, new_file(beside, force=force) as told:
            tree = job.stream(file, path.name)
            told.write(written(tree))
        return tree

    return _export(log, spec, write)


def export_folder(log: Where, spec: Spec, path: Path, *, force: bool = False, biases: Sequence[Bias] = ()) -> Manifest:
    """Write a folder of shards with a manifest and a data card, which tells ``biases`` of the judges.

    Blocks. Reads one snapshot of the log and writes nothing to it.

    Raises:
        StoreError: there is no such log, texts of members would leave of whom nothing is known, something is in the
            way, or it cannot be written.
    """
    if spec.license is None:
        raise StoreError("a folder carries a data card, which names a licence; give it with --license")
    check_license(spec.license)
    return _export(log, spec, lambda job: job.folder(path, force, biases))


def _export(log: Where, spec: Spec, write: Callable[["_Job"], Manifest]) -> Manifest:
    if spec.kind == "parquet":
        pyarrow_modules()
    if spec.license is not None:
        check_license(spec.license)
    with reading(log) as db, Picking() as picking:
        picking.pick(db, spec.filters, spec.format.made_of)
        withheld = _withheld(db, spec, picking)
        shape = replace(spec.shape, members=authors_of(db, picking))
        leaving = Leaving(withheld=withheld, redactor=spec.redactor)
        return write(_Job(db=db, spec=replace(spec, shape=shape), picking=picking, leaving=leaving))


def _withheld(db: Database, spec: Spec, picking: Picking) -> frozenset[str]:
    members = members_of(db, picking)
    unknown = [name for name in members if name not in spec.training_use and name not in spec.withhold]
    if unknown and spec.format.says and not spec.all_texts:
        raise StoreError(
            f"the configuration does not tell whose models {', '.join(map(repr, unknown))} are, nor whether their "
            "texts may be trained on; leave them out with --withhold NAME, or take them with --all-texts"
        )
    return frozenset(name for name in members if not spec.training_use.get(name, True)) | (
        spec.withhold & frozenset(members)
    )


@dataclass(slots=True, kw_only=True)
class _Job:
    db: Database
    spec: Spec
    picking: Picking
    leaving: Leaving

    def stream(self, output: IO[bytes], name: str) -> Manifest:
        coverage, shards = Coverage(), self._shards(None)
        shards.one(output, name, DEFAULT_SPLIT, self._rows(DEFAULT_SPLIT, coverage))
        return manifest(self._told(coverage, shards))

    def folder(self, path: Path, force: bool, biases: Sequence[Bias]) -> Manifest:
        coverage, shards = Coverage(), self._shards(self.spec.shard_rows)
        with new_folder(path, force=force) as folder:
            for split in self._splits():
                shards.folder(folder, split, self._rows(split, coverage))
            told = self._told(coverage, shards)
            tree = manifest(told)
            with private(folder / CARD) as file:
                file.write(card(told, shards.fields, biases))
            with private(folder / MANIFEST) as file:
                file.write(written(tree))
        return tree

    def _shards(self, most: int | None) -> Shards:
        fields = tuple(self.spec.format.columns(self.spec.shape))
        names = [field.name for field in fields]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise StoreError(f"a member is called {twice[0]!r}, as another column of {self.spec.format.name} is")
        return Shards(kind=self.spec.kind, fields=fields, most=most)

    def _splits(self) -> tuple[str, ...]:
        return tuple(self.spec.filters.splits) or (DEFAULT_SPLIT,)

    def _rows(self, split: str, coverage: Coverage) -> Iterator[Row]:
        parameters = self.spec.filters.parameters()
        for id_ in self.picking.split(split):
            count = 0
            for row in self._of(id_, parameters, coverage):
                count += 1
                yield row
            coverage.add_request(self.db, id_, count)

    def _of(self, id_: str, parameters: dict[str, object], coverage: Coverage) -> Iterator[Row]:
        form = self.spec.format
        if form.rows is not None:
            found = case(self.db, id_, self.spec.filters, self.leaving)
            coverage.add_case(self.db, found)
            yield from form.rows(found, self.spec.shape)
        elif form.raw is not None:
            if form.made_of == "verdicts":
                coverage.add_verdicts(self.db, id_, parameters)
            yield from form.raw(self.db, id_, parameters, self.leaving)

    def _told(self, coverage: Coverage, shards: Shards) -> Told:
        return Told(
            format=self.spec.format,
            kind=self.spec.kind,
            shape=self.spec.shape,
            filters=self.spec.filters.plain(),
            splits=self._splits(),
            files=shards.files,
            coverage=coverage,
            left_out=self.picking.left_out,
            leaving=self.leaving,
            prompts_sha256=None if self.leaving.redactor else self.picking.prompts(),
            license=self.spec.license,
        )
