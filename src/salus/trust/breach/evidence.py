"""How strong a count speaks against its being ordinary: e-values from empirical-Bayes Poisson rates.

Persons of one group have rates that spread as a gamma distribution, estimated from the group without the
person (method of moments; Robbins 1956). An e-value is the ratio of the count's probability under a multiple
of that distribution to its probability under the distribution itself, averaged over the multiples. Its
expectation is at most 1 where nothing is wrong, also after averaging over detectors (Vovk and Wang, Ann.
Statist. 49, 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

_SHAPE_MAX = 50.0
_STRONG_MIN = 2


class Rate(msgspec.Struct, frozen=True):
    """A gamma distribution of rates: mean `shape / exposure`."""

    shape: float
    exposure: float

    @property
    def mean(self) -> float:
        """Return the expected count for one unit of exposure."""
        return self.shape / self.exposure

    def after(self, count: float, exposure: float) -> Rate:
        """Return the distribution once so much was seen (the gamma is the Poisson's conjugate)."""
        return Rate(self.shape + count, self.exposure + exposure)


class Tally(msgspec.Struct):
    """How often something happened, and how often it could have."""

    count: float = 0.0
    exposure: float = 0.0

    def add(self, count: float, exposure: float) -> None:
        """Take in another tally."""
        self.count += count
        self.exposure += exposure

    def fade(self, factor: float) -> None:
        """Forget a part."""
        self.count *= factor
        self.exposure *= factor


class Peers:
    """Sums over the tallies of a group, from which the rate without any one of them is read off.

    Attributes:
        exposure: of all of them together.
    """

    __slots__ = ("_count", "_mean", "_members", "_scatter", "exposure")

    def __init__(self, tallies: Sequence[Tally], *, outliers: float) -> None:
        """Take the group's tallies; the share `outliers` furthest from the mean says nothing of it."""
        seen = [tally for tally in tallies if tally.exposure > 0]
        self._count = sum(tally.count for tally in seen)
        self.exposure = sum(tally.exposure for tally in seen)
        self._mean = self._count / self.exposure if self.exposure else 0.0
        deviations = sorted(self._deviation(tally) for tally in seen)
        self._members = len(seen) - math.ceil(outliers * len(seen))
        self._scatter = sum(deviations[: self._members])

    def _deviation(self, tally: Tally) -> float:
        return tally.exposure * (tally.count / tally.exposure - self._mean) ** 2

    def without(self, own: Tally, *, spread_min: float) -> Rate:
        """Return the rate of the others. Half a count is added, so that "never seen" is not "impossible"."""
        exposure = max(self.exposure - own.exposure, 0.0)
        count = max(self._count - own.count, 0.0)
        mean = (count + 0.5) / (exposure + 1.0)
        variance = 0.0
        if self._members > 1 and exposure > 0:
            variance = max(self._scatter / (self._members - 1) - mean, 0.0) / (exposure / self._members)
        variance = max(variance, (spread_min * mean) ** 2)
        shape = min(mean * mean / variance, _SHAPE_MAX)
        return Rate(shape, shape / mean)


def log_evidence(
    count: float, exposure: float, rate: Rate, *, excess: Sequence[float], dispersion: float = 1.0
) -> float:
    """Return the natural logarithm of the e-value of a count.

    Args:
        count: how often it was seen.
        exposure: of how many.
        rate: what is expected.
        excess: multiples of the rate that are weighed, each > 1.
        dispersion: variance of a count over its mean, >= 1; the count is weighed by its inverse.
    """
    x, e = count / dispersion, exposure / dispersion
    a, b = rate.shape, rate.exposure
    terms = [(a + x) * (math.log(b + e) - math.log(b / c + e)) - a * math.log(c) for c in excess]
    return log_mean(terms)


def log_mean(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean of e-values, which is an e-value again."""
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs) / len(logs))


def calibrated(logs: Mapping[str, float]) -> dict[str, float]:
    """Return the logarithms shrunk where too many are large.

    Of honest persons at most one in twenty has an e-value of 20 (Markov). Where more have, and more than two,
    the model is too narrow for this house, and all logarithms are divided by what makes it true again.
    """
    ordered = sorted(logs.values(), reverse=True)
    place = max(_STRONG_MIN, len(ordered) // 20)
    high = ordered[place] if place < len(ordered) else 0.0
    factor = max(1.0, high / math.log(20))
    return {key: value / factor if value > 0 else value for key, value in logs.items()}


def innocence(log_e: float, *, insider_share: float) -> float:
    """Return the chance that somebody with this evidence is honest."""
    odds = math.log(insider_share / (1 - insider_share)) + log_e
    return 1 / (1 + math.exp(min(odds, 700.0)))
