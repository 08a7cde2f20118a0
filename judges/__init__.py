"""Judges for candidates of language models: blind, recorded, and of use without any service around them."""

from judges.errors import InvalidOptions, JudgingError, ModelError, UnknownPlugin, UnreadableVerdict
from judges.judge import AGGREGATORS, JUDGES, Aggregator, AnyAggregator, AnyJudge, Judge
from judges.registry import ModelName, Plugin, Registry
from judges.types import (
    Candidate,
    CandidateId,
    Case,
    Completion,
    Exchange,
    FinishReason,
    Message,
    Model,
    Outcome,
    Preference,
    Prompt,
    TokenLogprob,
    ToolCall,
    Usage,
    Verdict,
)

__all__ = [
    "AGGREGATORS",
    "JUDGES",
    "Aggregator",
    "AnyAggregator",
    "AnyJudge",
    "Candidate",
    "CandidateId",
    "Case",
    "Completion",
    "Exchange",
    "FinishReason",
    "InvalidOptions",
    "Judge",
    "JudgingError",
    "Message",
    "Model",
    "ModelError",
    "ModelName",
    "Outcome",
    "Plugin",
    "Preference",
    "Prompt",
    "Registry",
    "TokenLogprob",
    "ToolCall",
    "UnknownPlugin",
    "UnreadableVerdict",
    "Usage",
    "Verdict",
]
