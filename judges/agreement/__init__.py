"""How far judges agree with one another, with people and with themselves, and which biases they have."""

from judges.agreement.bias import Tally, credit
from judges.agreement.kappa import Estimate, cohen, cohen_within, fleiss, krippendorff, krippendorff_within
from judges.agreement.rates import Mean, Rate, Share
from judges.agreement.votes import effective_votes

__all__ = [
    "Estimate", "Mean", "Rate", "Share", "Tally", "cohen", "cohen_within", "credit", "effective_votes", "fleiss",
    "krippendorff", "krippendorff_within",
]  # fmt: skip
