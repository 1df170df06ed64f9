"""E-values against an independent computation, and what they must be."""

import math
import random

import pytest

from salus.trust.breach.evidence import Peers, Rate, Tally, calibrated, innocence, log_evidence, log_mean

EXCESS = (3.0, 10.0)


def marginal(count, exposure, shape, rate):
    """Return the probability of a Poisson count whose rate is gamma, by the trapezoidal rule."""
    total, steps, top = 0.0, 200_000, 60 * shape / rate + 5 * (count + 1) / exposure
    for step in range(1, steps):
        value = top * step / steps
        gamma = (shape - 1) * math.log(value) + shape * math.log(rate) - rate * value - math.lgamma(shape)
        poisson = count * math.log(value * exposure) - value * exposure - math.lgamma(count + 1)
        total += math.exp(gamma + poisson)
    return total * top / steps


@pytest.mark.parametrize(("count", "exposure"), [(0, 10), (3, 10), (9, 10), (2, 1)])
def test_the_evidence_is_the_ratio_of_two_probabilities(count, exposure):
    ordinary = marginal(count, exposure, 4.0, 40.0)
    excessive = sum(marginal(count, exposure, 4.0, 40.0 / times) for times in EXCESS) / len(EXCESS)
    found = log_evidence(count, exposure, Rate(4.0, 40.0), excess=EXCESS)
    assert math.exp(found) == pytest.approx(excessive / ordinary, rel=1e-3)


def test_honest_counts_have_an_expectation_of_at_most_one():
    draw, rate, total = random.Random(7), Rate(2.0, 8.0), 0.0
    for _ in range(20_000):
        mean = draw.gammavariate(rate.shape, 1 / rate.exposure) * 5
        count, left = 0, math.exp(-mean)
        chance = draw.random()
        while chance > left and count < 200:
            chance -= left
            count += 1
            left *= mean / count
        total += math.exp(min(log_evidence(count, 5.0, rate, excess=EXCESS), 8.0))
    assert total / 20_000 < 1.2


def test_the_rate_of_the_peers_leaves_the_person_out():
    honest = [Tally(2.0, 100.0) for _ in range(50)]
    insider = Tally(60.0, 100.0)
    peers = Peers([*honest, insider], outliers=0.02)
    rate = peers.without(insider, spread_min=0.5)
    assert rate.mean == pytest.approx(100.5 / 5001)
    assert log_evidence(60.0, 100.0, rate, excess=EXCESS) > math.log(1e6)
    assert log_evidence(2.0, 100.0, peers.without(honest[0], spread_min=0.5), excess=EXCESS) < 0


def test_never_seen_is_not_impossible():
    nobody = Peers([Tally(0.0, 1000.0)] * 20, outliers=0.02)
    assert nobody.without(Tally(), spread_min=0.5).mean == pytest.approx(0.5 / 20_001)


def test_groups_that_differ_widely_tell_little_of_one():
    even = Peers([Tally(10.0, 100.0)] * 40, outliers=0.02)
    uneven = Peers([Tally(0.0, 100.0), Tally(20.0, 100.0)] * 20, outliers=0.02)
    same = [each.without(Tally(), spread_min=0.1) for each in (even, uneven)]
    strong, weak = (log_evidence(40.0, 100.0, rate, excess=EXCESS) for rate in same)
    assert strong > weak + 3


def test_too_many_large_values_are_shrunk():
    wild = {f"s{number}": 6.0 for number in range(50)} | {f"t{number}": -0.1 for number in range(50)}
    assert max(calibrated(wild).values()) == pytest.approx(math.log(20))
    few = {"s": 60.0, "t": 9.0} | {f"u{number}": -0.1 for number in range(6)}
    assert calibrated(few) == few
    calm = {f"t{number}": -0.1 for number in range(99)} | {"s": 6.0}
    assert calibrated(calm) == calm


def test_the_mean_of_e_values_and_the_chance_of_innocence():
    assert log_mean([math.log(3), math.log(1)]) == pytest.approx(math.log(2))
    assert innocence(0.0, insider_share=0.01) == pytest.approx(0.99)
    assert innocence(math.log(99), insider_share=0.01) == pytest.approx(0.5)
    assert innocence(5_000.0, insider_share=0.01) == pytest.approx(0.0)
