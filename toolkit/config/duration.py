"""Durations as people write them: "90s", "10m", "12h", "14d"."""

import re
from datetime import timedelta

from toolkit.config.forms import quoted

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|w)")
_LONGEST = timedelta(days=366)


def parse_duration(text: object) -> timedelta:
    """The time span that `text` names: above zero, and a year at most. A timedelta is taken as it is.

    Raises ValueError, with a sentence for people, where `text` names no such span.
    """
    if isinstance(text, timedelta):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise ValueError(  # noqa: TRY004 - pydantic collects ValueError alone
            'a duration has a unit: write a number and a unit in quotes, such as "90s", "10m" or "14d"'
        )
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{quoted(text)} is not a duration: write a number and a unit, such as "90s", "10m" or "14d"')
    try:
        span = timedelta(seconds=float(match[1]) * _UNITS[match[2]])
    except OverflowError:
        raise ValueError("is longer than a year") from None
    if span > _LONGEST:
        raise ValueError("is longer than a year")
    if span <= timedelta(0):
        raise ValueError("must be longer than zero")
    return span


def format_duration(seconds: float) -> str:
    """A duration in words short enough for a table: "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def write_duration(span: timedelta) -> str:
    """The span as a configuration would say it: "90s", "10m", "14d"."""
    seconds = span.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"
