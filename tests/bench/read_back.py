"""Seeds read back from many mailboxes, each way in a process of its own, over the same Dovecot and the same line.

All seeds lie in their mailboxes before the reading starts, and each way has its own, which nobody has read before.
What is timed begins with no connection open and ends when the last seed is located: its folder known, its headers
read. The store's work for that is ours alone, and is in our time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.mailboxes import FIVE, PLACES, deliver, plan, table_for
from tests.bench.worker import Reading
from tests.servers.account import Account
from tests.servers.latency import LatencyProcess, Traffic
from toolkit.config.settings import Settings
from toolkit.store.seeds import SeedStore

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST = 900.0  # seconds for one way of reading


@dataclass(frozen=True)
class Measured:
    """One way of reading so many mailboxes, five seeds in each."""

    mailboxes: int
    reading: Reading
    traffic: Traffic
    settle: float  # seconds between the two looks of ours


def read_back(way: str, accounts: Sequence[Account], *, round_trip: float, **probe: object) -> Measured:
    """Deliver five seeds to each mailbox and read them back in that way (see worker.py)."""
    server = accounts[0].server
    with (
        tempfile.TemporaryDirectory(prefix="mailwhy-bench-") as folder,
        LatencyProcess(server.imap_port, round_trip=round_trip) as proxy,
    ):
        table = table_for(Path(folder), accounts, proxy.port, FIVE, **probe)
        settings = Settings.model_validate(table)
        run_id = ""
        if way != "probe":
            store = SeedStore.open(settings.store.url)
            run_id, rows = plan(store, settings)
            store.close()
            deliver(server, settings, rows)
        job = Path(folder) / "job.json"
        job.write_text(json.dumps({"settings": table, "run": run_id}))
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.worker", way, job],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            timeout=_LONGEST,
            check=True,
        )
        reading = Reading(**json.loads(done.stdout))
        expected = {PLACES[place]: FIVE.count(place) * len(accounts) for place in FIVE}
        if reading.found != expected:
            raise RuntimeError(f"{way} found {reading.found}, not {expected}")
        return Measured(len(accounts), reading, proxy.total(), settings.probe.second_look.total_seconds())
