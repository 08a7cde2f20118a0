"""How far judges agree with one another, with people and with themselves, and which biases they have."""

from judges.agreement.bias import Tally, credit
from judges.agreement.kappa import Estimate, cohen, fleiss, krippendorff
from judges.agreement.rates import Mean, Rate, Share

__all__ = ["Estimate", "Mean", "Rate", "Share", "Tally", "cohen", "credit", "fleiss", "krippendorff"]
