"""Shares with their sample, and times against their target."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from statistics import median

from reports.words import Words

_Z = 1.959964  # of the normal distribution, 95 %, two-sided


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `of`, with the 95 % interval for the share behind them, between 0 and 1.

    Wilson's score interval: it holds its promise for small samples and for shares near 0 and 1
    (Brown, Cai and DasGupta, Statistical Science 16(2), 2001, section 3).
    """

    hits: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.of:
            raise ValueError(f"{self.hits} of {self.of} is no share")

    @property
    def value(self) -> float:
        """The share in the sample; 0 for an empty one."""
        return self.hits / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound; an empty sample knows nothing, and so gives 0 and 1."""
        if not self.of:
            return 0.0, 1.0
        centre = self.value + _Z**2 / (2 * self.of)
        half = _Z * sqrt(self.value * (1 - self.value) / self.of + _Z**2 / (4 * self.of**2))
        scale = 1 + _Z**2 / self.of
        low = 0.0 if self.hits == 0 else (centre - half) / scale
        high = 1.0 if self.hits == self.of else (centre + half) / scale
        return low, high

    @property
    def percent(self) -> tuple[int, int]:
        """The interval in whole per cent."""
        low, high = self.interval
        return round(100 * low), round(100 * high)


def share_text(share: Share, words: Words) -> tuple[str, str]:
    """The sample and the range, such as "3 of 5 seeds" and "23-88 %"; the range is empty where there is no sample."""
    if not share.of:
        return words("share.empty"), ""
    low, high = share.percent
    sample = words.count("share.sample", share.of, hits=words.number(share.hits))
    return sample, words("share.range", low=low, high=high)


@dataclass(frozen=True, slots=True)
class Times:
    """How long messages took, in seconds, against the target that each of them had."""

    seconds: tuple[float, ...]  # in order
    targets: tuple[float, ...]  # the different targets, in order
    in_time: int
    measured_against: int  # how many have both a time and a target

    @property
    def median(self) -> float | None:
        """The middle one, None where nothing was measured."""
        return median(self.seconds) if self.seconds else None

    @property
    def slowest(self) -> float | None:
        """The longest time, None where nothing was measured."""
        return self.seconds[-1] if self.seconds else None


def times(pairs: Iterable[tuple[float, float | None]]) -> Times:
    """`pairs` of time and target (None: without one), in seconds."""
    known = sorted(pairs, key=lambda pair: pair[0])
    with_target = [(took, target) for took, target in known if target is not None]
    return Times(
        tuple(took for took, _ in known),
        tuple(sorted({target for _, target in with_target})),
        sum(took <= target for took, target in with_target),
        len(with_target),
    )
