"""Tasks with known truth: made from a seed, solved from the text of a prompt alone, checked without a judge."""

from ensemble.simulator.tasks.base import Task, Work
from ensemble.simulator.tasks.checking import check
from ensemble.simulator.tasks.making import as_json, from_json, make_tasks
from ensemble.simulator.tasks.solving import solve

__all__ = ["Task", "Work", "as_json", "check", "from_json", "make_tasks", "solve"]
