"""`mailwhy demo`: the whole cycle in the embedded lab, ending in a page."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from jobs.exits import DONE, PART
from jobs.probe import ProbeRunner, show, watched
from toolkit.collect.probe import Selection
from toolkit.config.load import load_settings
from toolkit.lab.world import World
from toolkit.store.seeds import SeedStore

_PAGE = "index.html"


def demo(options: argparse.Namespace) -> int:
    """Start the lab, probe it, show what was found, leave a page. Returns the exit status."""
    started = time.monotonic()
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"mailwhy demo: {out} cannot be made: {error.strerror}", file=sys.stderr)
        return PART
    try:
        # The store goes with the lab: its seeds mean nothing to another one.
        with tempfile.TemporaryDirectory(prefix="mailwhy-demo-") as folder, World.start() as world:
            settings = load_settings(world.write_config(Path(folder)))
            many = len(settings.inbox)
            print(f"The lab runs: {many} test inboxes with the manners of real providers.", file=sys.stderr)
            store = SeedStore.open(settings.store.url)
            try:
                report = watched(ProbeRunner(settings, Selection.of(settings), store))
            finally:
                store.close()
    except OSError as error:
        print(f"mailwhy demo: the lab cannot be started: {error}", file=sys.stderr)
        return PART
    took = time.monotonic() - started
    options.html = str(out / _PAGE)
    providers = {seed.provider for seed in report.seeds}
    done = f"{len(report.seeds)} seeds, {len(providers)} providers in {took:.0f} s."
    shown = show(report, settings, options, done=done)
    return DONE if shown and not report.notes else PART
