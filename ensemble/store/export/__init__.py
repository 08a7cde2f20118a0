"""Exports: the log as a data set, in the formats that trainers, routers and spreadsheets read."""

from ensemble.store.export.card import Bias
from ensemble.store.export.filters import Filters, splits_of
from ensemble.store.export.formats import Shape
from ensemble.store.export.run import FORMATS, Spec, export_file, export_folder, export_stream
from ensemble.store.export.writers import KINDS, Kind

__all__ = [
    "FORMATS",
    "KINDS",
    "Bias",
    "Filters",
    "Kind",
    "Shape",
    "Spec",
    "export_file",
    "export_folder",
    "export_stream",
    "splits_of",
]
