"""A local fleet that speaks the providers' wire formats over real HTTP; every figure from it is simulated.

Names are imported on first use, so that ``import ensemble.simulator`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ensemble.simulator.models import Profile
    from ensemble.simulator.procedural import PROFILES
    from ensemble.simulator.script import Step, fault, reply, stall, status
    from ensemble.simulator.served import Served
    from ensemble.simulator.settings import SimulatorSettings
    from ensemble.simulator.simulator import Simulator
    from ensemble.simulator.talk import Said, ToolUse
    from ensemble.simulator.tasks import Task, check, make_tasks

__all__ = [
    "PROFILES",
    "Profile",
    "Said",
    "Served",
    "Simulator",
    "SimulatorSettings",
    "Step",
    "Task",
    "ToolUse",
    "check",
    "fault",
    "make_tasks",
    "reply",
    "stall",
    "status",
]

_HOMES = {
    "PROFILES": "procedural",
    "Profile": "models",
    "Said": "talk",
    "Served": "served",
    "Simulator": "simulator",
    "SimulatorSettings": "settings",
    "Step": "script",
    "Task": "tasks",
    "ToolUse": "talk",
    "check": "tasks",
    "fault": "script",
    "make_tasks": "tasks",
    "reply": "script",
    "stall": "script",
    "status": "script",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
