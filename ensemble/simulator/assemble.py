"""Makes the fleet that the settings ask for."""

from ensemble.simulator.chat import Chat
from ensemble.simulator.evaluator import Bias, Evaluator, RecordedTaste
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.models import Profile, SimulatedModel
from ensemble.simulator.procedural import procedural_models
from ensemble.simulator.recording import RecordedModel, Recording
from ensemble.simulator.settings import SimulatorSettings

EVALUATOR = "recorded-evaluator"


def assemble(settings: SimulatorSettings) -> Fleet:
    """The recorded fleet where a recording is named, else the procedural one."""
    spare = SimulatedModel(profile=Profile(name="spare", family="none", tier="small"), brain=Chat(name="spare"))
    if settings.recording is None:
        return Fleet(settings, procedural_models(settings, _bias(settings)), spare)
    recording = Recording.load(settings.recording)
    models = {
        name: SimulatedModel(
            profile=Profile(name=name, family="recorded", tier="balanced"),
            brain=RecordedModel(name=name, recording=recording),
        )
        for name in recording.models
    }
    models[EVALUATOR] = SimulatedModel(
        profile=Profile(name=EVALUATOR, family="recorded", tier="judge"),
        brain=Evaluator(taste=RecordedTaste(recording=recording), bias=_bias(settings), absolute=False),
    )
    return Fleet(settings, models, spare)


def _bias(settings: SimulatorSettings) -> Bias:
    return Bias(
        noise=settings.evaluator_noise,
        position=settings.position_bias,
        length=settings.length_bias,
        seed=settings.seed,
    )
