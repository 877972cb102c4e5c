"""Shares say how sure they are, and times are held against their own target."""

from zoneinfo import ZoneInfo

import pytest

from reports.shares import Share, share_text, times
from reports.words import Words

EN = Words("en", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [
        (3, 5, 23, 88),
        (31, 48, 50, 77),
        (0, 3, 0, 56),
        (3, 3, 44, 100),
        (891, 1000, 87, 91),
        (1, 1, 21, 100),
    ],
)
def test_the_interval_is_wilsons(hits: int, of: int, low: int, high: int) -> None:
    """The reader gets a range that is right for small samples too: 3 of 3 is not 100 % for certain."""
    assert Share(hits, of).percent == (low, high)


def test_an_empty_sample_makes_no_claim() -> None:
    """Nothing judged is said in words: no share, and no range that would look like one."""
    assert Share(0, 0).interval == (0.0, 1.0)
    assert share_text(Share(0, 0), EN) == ("none judged", "")


def test_a_share_is_said_with_its_sample() -> None:
    """The sample stands beside the range, one message in the singular."""
    assert share_text(Share(3, 5), EN) == ("3 of 5 messages", "23\u201388\u00a0%")
    assert share_text(Share(1, 1), EN) == ("1 of 1 message", "21\u2013100\u00a0%")


@pytest.mark.parametrize(("hits", "of"), [(2, 1), (-1, 3)])
def test_a_share_of_more_than_all_is_a_mistake(hits: int, of: int) -> None:
    """A wrong count is found where it is made, not on the page."""
    with pytest.raises(ValueError, match="no share"):
        Share(hits, of)


def test_each_time_is_held_against_its_own_target() -> None:
    """Two mailboxes may have different targets; a message without one counts as neither in time nor late."""
    measured = times([(10.0, 60.0), (70.0, 60.0), (70.0, 300.0), (5.0, None)])
    assert measured.seconds == (5.0, 10.0, 70.0, 70.0)
    assert measured.targets == (60.0, 300.0)
    assert (measured.in_time, measured.measured_against) == (2, 3)
    assert (measured.median, measured.slowest) == (40.0, 70.0)


def test_a_time_on_the_target_is_in_time() -> None:
    """The target is the last moment that is still good."""
    assert times([(300.0, 300.0)]).in_time == 1


def test_nothing_measured_has_no_middle() -> None:
    """No message came: no median is made up."""
    assert times([]).median is None
    assert times([]).slowest is None
