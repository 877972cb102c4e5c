"""Seeds for the tests of this folder, and processes that meet at a start line."""

from __future__ import annotations

import itertools
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from toolkit.store.seeds import StoredSeed

NOW = datetime(2026, 11, 22, 8, 0, 0, 123456, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
_NUMBERS = itertools.count(1)


def seed_of(run_id: str, **fields: Any) -> StoredSeed:
    """A planned seed of that run, of the kind (reminder, main, box) where nothing else is said."""
    number = next(_NUMBERS)
    values: dict[str, Any] = {
        "seed_id": f"seed-{number}",
        "stream": "reminder",
        "route": "main",
        "inbox": "box",
        "provider": "generic",
        "address": "probe@inbox.example",
        "message_id": f"probe.{number}@belmont.example",
        "token": f"{number:016x}",
        "subject": "Ihr Termin",
        "envelope_sender": "bounces@belmont.example",
        "deliver_within": 300.0,
        "created_at": NOW,
        "deadline": NOW + timedelta(minutes=10),
        "owner": run_id,
        "origin": run_id,
        "state": "planned",
    }
    return StoredSeed(**{**values, **fields})


def together(code: str, folder: Path, *arguments: str, processes: int = 4) -> list[str]:
    """What processes print that run `code` at the same moment, once all have imported what it needs.

    `code` is a function `work(number, *arguments)` and what it imports.
    """
    program = folder / "work.py"
    program.write_text(
        f"import pathlib, sys, time\n{code}\n"
        "number, folder, *arguments = sys.argv[1:]\n"
        "pathlib.Path(folder, 'here' + number).touch()\n"
        f"while len(list(pathlib.Path(folder).glob('here*'))) < {processes}: time.sleep(0.001)\n"
        "print(work(int(number), *arguments))\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, str(program), str(number), str(folder), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    said = [child.communicate(timeout=30) for child in children]
    assert all(child.returncode == 0 for child in children), [error for _, error in said]
    return [out.strip() for out, _ in said]
