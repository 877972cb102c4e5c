"""Durations are read as people write them, and written so that they read back the same."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies

from toolkit.config.duration import format_duration, parse_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("1.5m", 90), ("10 m", 600), (" 12h ", 43200), ("14d", 1209600), ("2w", 1209600)],
)
def test_a_number_and_a_unit_are_a_duration(text: str, seconds: float) -> None:
    """Spaces do not matter."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "10x", "m", "-5s", "1e3s", "\u0661s", "10m\nx", True, None, [], 3, 0.5, "0ms"]
)
def test_anything_else_is_none(text: object) -> None:
    """Each with a sentence, and never with another exception."""
    with pytest.raises(ValueError, match=r"duration|zero"):
        parse_duration(text)


@given(strategies.integers(1, 366 * 86_400_000).map(lambda number: timedelta(milliseconds=number)))
def test_a_written_duration_reads_back_the_same(span: timedelta) -> None:
    """To the millisecond."""
    assert parse_duration(write_duration(span)) == span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.41, "0.4 s"), (12.2, "12 s"), (119, "119 s"), (200, "3 min 20 s"), (600, "10 min"), (7500, "2 h 5 min")],
)
def test_a_duration_in_a_table_is_short(seconds: float, text: str) -> None:
    """As precise as anyone needs."""
    assert format_duration(seconds) == text
