"""What a verdict on pairs says to people: one sentence, with what it rests on."""

from __future__ import annotations

from core.analysis.paired import MOST_NEEDED, POWER, Verdict


def paired_sentence(
    verdict: Verdict, first: str, second: str, *, lower_is_better: bool = False, unit: str = "seeds"
) -> str:
    """Whether `first` is better, of differences first - second over `unit` that both have.

    The words say n, mean difference, interval, p, and under a plan of several looks how they share the level.
    """
    if verdict.outcome == "too_few":
        return f"cannot be decided: {_pairs(verdict.pairs, unit)}, {_more(verdict)}{_looks(verdict)}"
    rests = f"{_difference(verdict)}, {_pairs(verdict.pairs, unit)}"
    if verdict.decided:
        ahead = (verdict.outcome == "more") != lower_is_better
        better, worse = (first, second) if ahead else (second, first)
        return f"{better} is better than {worse}: {rests}{_looks(verdict)}"
    why = "may be chance"
    if verdict.low is None:
        why = "no spread between the pairs, so no interval"
    elif verdict.test is not None and verdict.test.p <= verdict.level:
        why = "the interval holds 0"
    return f"not decided, {why}: {rests}; {_more(verdict)}{_looks(verdict)}"


def _difference(verdict: Verdict) -> str:
    words = f"difference {verdict.mean:+.4f}"
    if verdict.low is not None and verdict.high is not None:
        words += f" ({verdict.low:+.4f} to {verdict.high:+.4f}, {100 * (1 - verdict.level):.4g} % BCa)"
    if verdict.test is not None:
        how = "exact sign-flip" if verdict.test.exact else f"sign-flip of {verdict.test.flips} draws"
        words += f", {how} p {verdict.test.p:.3g}"
    return words


def _pairs(count: int, unit: str) -> str:
    return f"{count} {unit} in both" if count != 1 else f"1 {unit.removesuffix('s')} in both"


def _more(verdict: Verdict) -> str:
    if verdict.needed is None or verdict.needed >= MOST_NEEDED:
        return "too small a difference to detect with any practical number of pairs"
    if verdict.outcome == "too_few" and (verdict.deviation is None or not verdict.mean):
        return f"at least {verdict.needed} more needed"
    return f"about {verdict.needed} more needed ({POWER:.0%} chance if the difference is as measured)"


def _looks(verdict: Verdict) -> str:
    looks = verdict.looks
    if len(looks) < 2:
        return ""
    return (
        f"; tested from {looks[0]} to {looks[-1]} pairs, so p must reach {verdict.level:.2g} at each look "
        f"({verdict.level * len(looks):g} shared by {len(looks)}, Bonferroni)"
    )
