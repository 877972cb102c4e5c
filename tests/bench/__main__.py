"""Measures, prints, and ends with 1 where a target is missed.

Everything goes over a line of 50 ms to a real Dovecot, ours and the plain reader's, in one run. `python -m tests.bench
--help` tells the options.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import locate
from tests.bench.figures import Figure, table
from tests.bench.idle import our_idle_poll, plain_idle_poll
from tests.bench.mailboxes import FIVE, PLACES, add_mailbox
from tests.bench.read_back import Measured, read_back
from tests.bench.store_cost import store_cost
from tests.servers.dovecot import Dovecot
from tests.servers.latency import LatencyProcess, LatencyProxy
from tests.servers.process import ServerUnavailableError

ROUND_TRIP = 0.05  # seconds
THREADS = 64  # the default of [probe] concurrency

Say = Callable[[str], None]


def main() -> int:
    """The command."""
    options = _options()

    def say(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout, flush=True)

    try:
        server = Dovecot()
    except ServerUnavailableError as error:
        print(f"tests.bench: {error}", file=sys.stderr)
        return 2
    cores, load = os.cpu_count(), os.getloadavg()[0]
    say(f"Dovecot behind a round trip of {ROUND_TRIP * 1000:g} ms; {cores} cores, load {load:.1f} at the start\n")
    with server, tempfile.TemporaryDirectory(prefix="mailwhy-bench-") as folder:
        figures = [
            *idle_polls(server, Path(folder), say, folders=(5, 50, 300) if not options.quick else (5, 50)),
            *locating(server, Path(folder), say, arrivals=6 if not options.quick else 2),
            *reading_back(
                server, say, mailboxes=options.mailboxes, plainly=options.mailboxes if options.whole else options.plain
            ),
            *storing(server, Path(folder), say),
        ]
    missed = [figure for figure in figures if figure.reached is False]
    if options.json:
        print(json.dumps(_document(figures), indent=2))
    else:
        say(table(figures))
    return 1 if missed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer mailboxes, for a first look: a minute")
    parser.add_argument(
        "--whole", action="store_true", help="the plain reader reads all mailboxes one by one too: ten minutes more"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    options = parser.parse_args()
    options.mailboxes, options.plain = (20, 3) if options.quick else (200, 30)
    return options


def _document(figures: list[Figure]) -> dict[str, Any]:
    return {
        "schema": "mailwhy/bench/1",
        "round_trip": ROUND_TRIP,
        "cores": os.cpu_count(),
        "figures": [figure.document() for figure in figures],
    }


def idle_polls(server: Dovecot, folder: Path, say: Say, *, folders: tuple[int, ...]) -> list[Figure]:
    """A poll that finds nothing, by the number of folders and what the server offers."""
    say("An idle poll: one seed awaited, nothing new; to go back to IDLE is part of it")
    figures = []
    for count in folders:
        plain_box = add_mailbox(server, folders=count)
        with LatencyProcess(server.imap_port, round_trip=ROUND_TRIP) as proxy:
            plain = plain_idle_poll(folder, plain_box, proxy, polls=1)
        say(f"  {count:3} folders, plain reader: {plain.commands:g} commands, {plain.seconds:.2f} s")
        for list_status in (True, False):
            for idle in (True, False):
                box = add_mailbox(server, folders=count, list_status=list_status, idle=idle)
                with LatencyProcess(server.imap_port, round_trip=ROUND_TRIP) as proxy:
                    ours = our_idle_poll(folder, box, proxy, polls=5)
                offers = f"{'with' if list_status else 'no'} LIST-STATUS, {'with' if idle else 'no'} IDLE"
                say(
                    f"  {count:3} folders, {offers}: {ours.commands:g} commands, {ours.seconds:.2f} s, "
                    f"CPU {ours.cpu * 1000:.1f} ms"
                )
                name = f"idle poll, {count} folders, {offers}"
                figures.append(Figure(name, "round trips", ours.round_trips, plain.round_trips, at_most=2))
    say("")
    return figures


def locating(server: Dovecot, folder: Path, say: Say, *, arrivals: int) -> list[Figure]:
    """From the arrival of a seed until it is located, by where it lies."""
    say("Locating a seed, from the sender's 250 on; polls every second, IDLE on the inbox; the worst of its arrivals")
    figures = []
    for place, name in PLACES.items():
        box = add_mailbox(server)
        with LatencyProxy(server.imap_port, round_trip=ROUND_TRIP) as proxy:
            ours = locate.ours(folder, box, proxy, place, arrivals=arrivals, poll=1.0)
            plain = locate.plain(folder, box, proxy, place)
        seconds = ", ".join(f"{one.seconds:.2f}" for one in ours)
        say(f"  {name}: after {seconds} s; the plain reader, asked at once, after {plain.seconds:.2f} s")
        worst = max(one.round_trips for one in ours)
        figures.append(Figure(f"locating, in {name}", "round trips", worst, plain.round_trips, at_most=4))
    say("")
    return figures


def reading_back(server: Dovecot, say: Say, *, mailboxes: int, plainly: int) -> list[Figure]:
    """Many mailboxes, five seeds each, all delivered before the reading starts."""
    say(
        f"Reading back {mailboxes} mailboxes with {len(FIVE)} seeds each, delivered before: from no connection at all "
        "until the last seed is located"
    )
    boxes = [add_mailbox(server) for _ in range(mailboxes)]

    def measured(way: str, title: str, count: int = mailboxes) -> Measured:
        result = read_back(way, boxes[:count], round_trip=ROUND_TRIP, concurrency=THREADS)
        took, traffic = result.reading, result.traffic
        say(
            f"  {title}: located after {took.located:.1f} s, ended after {took.ended:.1f} s; per mailbox "
            f"{traffic.round_trips / count:.1f} round trips, {traffic.command_count / count:.1f} commands; "
            f"CPU {took.cpu:.1f} s, at most {took.peak:.0f} MB"
        )
        return result

    ours = measured("ours", f"ours, {THREADS} threads")
    peer = measured("plain-threads", f"plain reader, {THREADS} threads")
    alone = measured("plain", f"plain reader, one mailbox after the other, {plainly} mailboxes", plainly)
    probe = measured("probe", f"a whole probe of ours, sending by LMTP included, {THREADS} threads")
    scale = mailboxes / plainly
    if scale != 1:
        say(f"  (the plain reader's time for {mailboxes} mailboxes is that for {plainly}, times {scale:.3g})")
    say(f"  (ours ends with the verdicts: after a second look, {ours.settle:g} s after the first)\n")
    sequential = alone.reading.located * scale
    return [
        Figure("reading back, plain one by one", "s", ours.reading.located, sequential, ratio_at_least=10),
        Figure(f"reading back, plain in {THREADS} threads", "s", ours.reading.located, peer.reading.located),
        Figure("reading back until all have verdicts", "s", ours.reading.ended, sequential),
        Figure(
            "reading back, per mailbox, ours to the verdicts",
            "round trips",
            ours.traffic.round_trips / mailboxes,
            peer.traffic.round_trips / mailboxes,
        ),
        Figure(
            "reading back, per mailbox, ours to the verdicts",
            "commands",
            ours.traffic.command_count / mailboxes,
            peer.traffic.command_count / mailboxes,
        ),
        Figure("reading back, CPU", "s", ours.reading.cpu, peer.reading.cpu),
        Figure("reading back, memory", "MB", ours.reading.peak, peer.reading.peak, below=150),
        Figure("a whole probe, memory", "MB", probe.reading.peak, below=150),
        Figure("a whole probe, commits per seed", "commits", probe.reading.commits / (mailboxes * len(FIVE))),
        Figure("a whole probe, waiting for the store, per 1,000 seeds", "thread s", _per_thousand(probe, mailboxes)),
    ]


def _per_thousand(probe: Measured, mailboxes: int) -> float:
    return probe.reading.in_store / (mailboxes * len(FIVE)) * 1000


def storing(server: Dovecot, folder: Path, say: Say) -> list[Figure]:
    """The store alone."""
    cost = store_cost(folder, [add_mailbox(server) for _ in range(20)])
    say(f"The store alone, one thread: {cost.commits:.1f} commits and {cost.seconds * 1000:.1f} ms a seed\n")
    return [Figure("the store alone, per 1,000 seeds", "s", cost.seconds * 1000)]


if __name__ == "__main__":
    sys.exit(main())
