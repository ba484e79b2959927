"""Verdicts from pairs: interval and test against scipy, how often they are false, and what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from core.analysis.paired import (
    ENUMERATED,
    LEVEL,
    MOST_NEEDED,
    RESAMPLES,
    bca_interval,
    least_pairs,
    paired_verdict,
    planned_looks,
    sign_flip,
)
from core.analysis.paired_words import paired_sentence


def cases(count: int) -> list[np.ndarray]:
    """Differences of 4 to 20 pairs: symmetric, skewed, rounded as accuracies are, with an effect or none."""
    random = np.random.default_rng(11)
    found = []
    for place in range(count):
        size = int(random.integers(4, 21))
        values = random.normal(random.normal(0, 0.5), 1, size)
        if place % 3 == 0:
            values = random.exponential(1, size) - 0.7
        found.append(np.round(values, 1) if place % 5 == 0 else values)
    return found


def test_the_interval_is_scipys() -> None:
    for values in cases(100):
        wanted = stats.bootstrap(
            (values,), np.mean, method="BCa", n_resamples=RESAMPLES, rng=np.random.default_rng(0)
        ).confidence_interval
        assert bca_interval(values) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_the_exact_test_is_scipys() -> None:
    for values in cases(100):
        if len(values) > 12:  # scipy goes through every choice in Python: below is enough to tell
            continue
        wanted = stats.permutation_test(
            (values,),
            lambda x, axis: x.mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        found = sign_flip(values)
        assert found.exact
        assert found.p == pytest.approx(wanted.pvalue, abs=1e-12)


def test_more_differences_than_can_be_enumerated_are_drawn() -> None:
    values = np.random.default_rng(4).normal(0.4, 1, ENUMERATED)
    exact = sign_flip(values)
    more = sign_flip(np.concatenate((values, [1e-13, 0.0])), flips=20_000)
    assert exact.exact
    assert not more.exact
    assert more.p == pytest.approx(exact.p, abs=4 * math.sqrt(exact.p / 20_000))
    # Zeros take no side: they change neither p nor what is exact.
    assert sign_flip(np.concatenate((values, np.zeros(30)))) == exact


def test_rounding_makes_no_difference_more_extreme() -> None:
    # Accuracies of hundredths: 0.3 - 0.2 and 0.9 - 0.8 are the same difference, their bits are not.
    values = [0.3 - 0.2, 0.9 - 0.8, 0.5 - 0.6, 0.8 - 0.7, 0.2 - 0.1, 0.7 - 0.6]
    assert sign_flip(values).p == pytest.approx(14 / 64)


@pytest.mark.parametrize("pairs", [0, 1, 3, 5])
def test_fewer_than_six_pairs_decide_nothing(pairs: int) -> None:
    found = paired_verdict([0.1, 0.11, 0.12, 0.13, 0.14][:pairs])
    assert found.outcome == "too_few"
    assert found.needed == 6 - pairs
    assert "cannot be decided" in paired_sentence(found, "A", "B")
    assert f"{6 - pairs} more needed" in paired_sentence(found, "A", "B")


def test_six_pairs_of_one_sign_decide() -> None:
    values = [0.010, 0.012, 0.008, 0.02, 0.011, 0.009]
    found = paired_verdict(values)
    assert (found.outcome, found.needed, found.level) == ("more", None, LEVEL)
    assert found.test is not None
    assert found.test.p == pytest.approx(2 / 64)
    assert found.low is not None
    assert 0 < found.low < 0.0117 < (found.high or 0)
    assert paired_verdict([-value for value in values]).outcome == "less"
    assert paired_verdict(values) == found
    assert paired_sentence(found, "A", "B").startswith("A is better than B: difference +0.0117 (")
    assert paired_sentence(found, "A", "B", lower_is_better=True).startswith("B is better than A")
    assert paired_verdict([*values[:5], -0.009]).outcome == "undecided"


def test_interval_and_test_must_agree() -> None:
    # One outlier: every sign is the same, but the interval of few pairs is wide; and the reverse.
    values = [1.0, 1.1, 0.9, 1.2, 1.0, -0.05]
    interval, test = bca_interval(values), sign_flip(values)
    assert interval is not None
    assert interval[0] > 0
    assert test.p > LEVEL
    assert paired_verdict(values).outcome == "undecided"


def test_without_spread_there_is_no_verdict() -> None:
    for value in (0.0, 0.01, 0.9 - 0.8):
        found = paired_verdict([value] * 8)
        assert (found.outcome, found.low) == ("undecided", None)
        assert "no spread" in paired_sentence(found, "A", "B")


def test_what_is_still_needed() -> None:
    # An effect of half a deviation takes about 34 pairs for 80 % (tables of the paired t test).
    values = np.array([-1.0, 1.0] * 5)
    values = values / values.std(ddof=1) + 0.5
    found = paired_verdict(values)
    assert found.needed is not None
    assert found.pairs + found.needed in (33, 34, 35)
    assert paired_verdict([1, -1, 2, -2, 3, -3]).needed == MOST_NEEDED
    assert "too small a difference" in paired_sentence(paired_verdict([1, -1, 2, -2, 3, -3]), "A", "B")


def test_the_plan_of_looks_shares_the_level() -> None:
    assert [least_pairs(level) for level in (0.0625, 0.05, 0.025, 0.01)] == [5, 6, 7, 8]
    assert planned_looks(5) == ()
    assert planned_looks(6) == (6,)
    assert planned_looks(7) == (7,)
    assert planned_looks(10) == (8, 9, 10)
    for most in range(6, 60):
        looks = planned_looks(most)
        assert looks[-1] == most
        assert 2 / 2 ** looks[0] <= LEVEL / len(looks)
    clear = [0.010, 0.012, 0.008, 0.02, 0.011, 0.009, 0.010, 0.013]
    early = paired_verdict(clear[:7], at_most=10)
    assert (early.outcome, early.needed) == ("too_few", 1)
    found = paired_verdict(clear, at_most=10)
    assert (found.outcome, found.looks, found.level) == ("more", (8, 9, 10), pytest.approx(LEVEL / 3))
    assert "p must reach 0.017 at each look (0.05 shared by 3, Bonferroni)" in paired_sentence(
        found, "A", "B"
    )
    assert paired_verdict([1.0] * 4 + [1.1], at_most=5).outcome == "too_few"


@pytest.mark.parametrize("values", [[0.1, math.nan] * 4, [math.inf] * 8])
def test_what_is_no_difference(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        paired_verdict(values)


def test_more_pairs_than_planned() -> None:
    with pytest.raises(ValueError, match="8 pairs are more than the 7"):
        paired_verdict([0.1] * 8, at_most=7)


@pytest.mark.parametrize("pairs", [6, 8, 10])
def test_two_equal_settings_are_seldom_told_apart(pairs: int) -> None:
    random, false = np.random.default_rng(pairs), 0
    for study in range(1000):
        values = random.normal(0, 1, pairs) if study % 2 else random.standard_t(3, pairs)
        # The verdict needs the test: without it there is nothing to look at.
        if sign_flip(values).p <= LEVEL:
            false += paired_verdict(values.tolist()).outcome == "more"
    assert false <= 1000 * LEVEL / 2 + 2 * math.sqrt(1000 * LEVEL / 2)


def test_looking_again_and_again_is_paid_for() -> None:
    random, at_most, claimed, peeked = np.random.default_rng(0), 14, 0, 0
    for _ in range(1000):
        values = random.normal(0, 1, at_most)
        looks = planned_looks(at_most)
        share = LEVEL / len(looks)
        tested = {n: sign_flip(values[:n]).p for n in range(6, at_most + 1)}
        peeked += any(p <= LEVEL for p in tested.values())
        claimed += any(
            tested[n] <= share and paired_verdict(values[:n].tolist(), at_most=at_most).decided for n in looks
        )
    assert claimed <= 1000 * LEVEL
    # Without the correction the same looks would claim too much: the test can fail.
    assert peeked > 1000 * LEVEL * 1.5
