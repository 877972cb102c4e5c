"""What reading a mailbox costs on a real Dovecot, counted in round trips on a line with a delay."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import locate
from tests.bench.idle import our_idle_poll, plain_idle_poll
from tests.bench.mailboxes import PLACES, add_mailbox
from tests.servers.dovecot import Dovecot
from tests.servers.latency import LatencyProxy

ROUND_TRIP = 0.01


@pytest.mark.parametrize("idle", [True, False])
@pytest.mark.parametrize("list_status", [True, False])
@pytest.mark.parametrize("folders", [5, 300])
def test_an_idle_poll_takes_two_round_trips_at_most(
    dovecot: Dovecot, tmp_path: Path, folders: int, list_status: bool, idle: bool
) -> None:
    """Whatever the number of folders and whatever the server offers; with IDLE, going back to it is one of the two."""
    account = add_mailbox(dovecot, folders=folders, list_status=list_status, idle=idle)
    with LatencyProxy(dovecot.imap_port, round_trip=ROUND_TRIP) as proxy:
        cost = our_idle_poll(tmp_path, account, proxy, polls=3)
    assert cost.round_trips == (2 if idle else 1)
    assert cost.commands == 2 + idle + (0 if list_status else folders)


def test_the_plain_reader_takes_two_round_trips_a_folder(dovecot: Dovecot, tmp_path: Path) -> None:
    """What the bench compares with does what it says."""
    account = add_mailbox(dovecot, folders=5)
    with LatencyProxy(dovecot.imap_port, round_trip=ROUND_TRIP) as proxy:
        assert plain_idle_poll(tmp_path, account, proxy, polls=2).round_trips >= 1 + 2 * 5


@pytest.mark.parametrize("place", list(PLACES))
@pytest.mark.parametrize("idle", [True, False])
def test_a_seed_is_located_four_round_trips_after_it_arrived_at_most(
    dovecot: Dovecot, tmp_path: Path, place: str, idle: bool
) -> None:
    """In the inbox, in a nested folder and in spam, at whatever point of a poll it arrives."""
    account = add_mailbox(dovecot, idle=idle)
    with LatencyProxy(dovecot.imap_port, round_trip=ROUND_TRIP) as proxy:
        found = locate.ours(tmp_path, account, proxy, place, arrivals=3, poll=0.3)
    assert [one.folder for one in found] == [PLACES[place]] * 3
    assert max(one.round_trips for one in found) <= 4
