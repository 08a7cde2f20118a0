"""What names the domain of a prompt that comes without one, and where such classifiers register."""

from abc import abstractmethod
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SerializeAsAny

from judges.registry import Plugin, Registry
from judges.types import Prompt


class Classifier(Plugin):
    """Names the domain of prompts; its digest is stored beside each name that it gave."""

    @abstractmethod
    def classify(self, prompt: Prompt) -> str | None:
        """The domain of ``prompt``, or None where there is none to tell. Takes well under a millisecond."""


CLASSIFIERS: Registry[Classifier] = Registry(
    "classifier", homes=("ensemble.labelling.classifiers",), group="ensemble.classifiers"
)
AnyClassifier = Annotated[SerializeAsAny[Classifier], BeforeValidator(CLASSIFIERS.build)]


class LabellingSettings(BaseModel):
    """How prompts are labelled, as the ``[labelling]`` table.

    Attributes:
        domain: classifier that names the domain of a prompt that comes without one; left out, it has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    domain: AnyClassifier | None = None
