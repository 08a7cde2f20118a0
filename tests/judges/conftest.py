"""What every test of the judges needs before hypothesis begins to time it."""

from judges.aggregate._strengths import bradley_terry
from judges.calibration import fit

# Both import their numerics on first use, which takes most of a second: longer than hypothesis lets one example take.
bradley_terry(2, {})
fit([0.5], [1.0])
