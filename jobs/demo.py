"""`mailwhy demo`: the whole cycle in the embedded lab, ending in a page."""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from jobs.exits import DONE, PART
from jobs.probe import ProbeRunner, reader_zone, watched, write_placement_page
from toolkit.collect.probe import Selection
from toolkit.config.load import load_settings
from toolkit.lab.world import World
from toolkit.model.document import probe_document
from toolkit.model.placement import ProbeReport
from toolkit.store.seeds import SeedStore

_PAGE = "index.html"


def demo(options: argparse.Namespace) -> int:
    """Start the lab, probe it, show what was found, leave a page. Returns the exit status."""
    out = Path(options.out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"mailwhy demo: {out} cannot be made: {error.strerror}", file=sys.stderr)
        return PART
    started = time.monotonic()
    # The store goes with the lab: its seeds mean nothing to another one.
    with tempfile.TemporaryDirectory(prefix="mailwhy-demo-") as folder, World.start() as world:
        settings = load_settings(world.write_config(Path(folder)))
        if not options.json:
            print(
                f"The lab runs: {len(settings.inbox)} test inboxes with the manners of real providers.", file=sys.stderr
            )
        store = SeedStore.open(settings.store.url)
        try:
            report = watched(ProbeRunner(settings, Selection.of(settings), store))
        finally:
            store.close()
        try:
            write_placement_page(report, settings, out / _PAGE, options.lang)
        except OSError as error:
            print(f"mailwhy demo: {out / _PAGE} cannot be written: {error.strerror}", file=sys.stderr)
            return PART
        if options.json:
            json.dump(probe_document(report), sys.stdout, ensure_ascii=False, indent=2)
            print()
        else:
            from rich.console import Console  # noqa: PLC0415 - only for people

            from reports.terminal import print_placements  # noqa: PLC0415 - only for people

            rules = [inbox.name for inbox in settings.inbox if inbox.role == "rules"]
            zone = reader_zone(settings)
            print_placements(report, Console(), lang=options.lang, timezone=zone, rules_inboxes=rules)
            print(f"\n{_summary(report)} in {time.monotonic() - started:.0f} s. The page is in {out / _PAGE}")
    return PART if report.notes else DONE


def _summary(report: ProbeReport) -> str:
    providers = {seed.provider for seed in report.seeds}
    return f"{len(report.seeds)} seeds, {len(providers)} providers"
