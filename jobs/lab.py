"""`mailwhy lab serve`: the embedded mail world, for trying things."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from jobs.exits import DONE, PART
from toolkit.lab.world import World


def serve(options: argparse.Namespace) -> int:
    """Run the lab until SIGINT or SIGTERM. Returns the exit status."""
    folder = Path(options.dir)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with World.start() as world:
            config = world.write_config(folder)
            if options.json:
                document = {
                    "schema": "mailwhy/lab/1",
                    "config": str(config),
                    "dns": world.dns_port,
                    "routes": {name: door.port for name, door in world.doors.items()},
                    "inboxes": {name: host.imap.port for name, host in world.hosts.items()},
                }
                print(json.dumps(document, indent=2), flush=True)
            else:
                print(f"The lab runs: {len(world.hosts)} mailboxes, {len(world.doors)} ways in. In another terminal:\n")
                for command in ("check", "probe --html out/index.html"):
                    print(f"  mailwhy {command.split()[0]} -c {config} {' '.join(command.split()[1:])}".rstrip())
                print("\nIt ends with Ctrl-C.", flush=True)
            ended.wait()
    except OSError as error:
        print(f"mailwhy lab: the lab cannot be started: {error}", file=sys.stderr)
        return PART
    return DONE
