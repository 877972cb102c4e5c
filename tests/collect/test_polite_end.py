"""SIGTERM ends a probe soon, whatever its threads wait for."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.collect.harness import STREAM, Delivering, fake_inbox, smtp_route
from tests.fakes.imap_server import FakeImap
from tests.toml import to_toml

# A resolver that hangs cannot be had from the system at will: it hangs in this process, for one name.
PROGRAM = """
import socket, sys, time
ask = socket.getaddrinfo
def hanging(host, *more, **details):
    if host == "hangs.example":
        print("asked", file=sys.stderr, flush=True)
        time.sleep(120)
    return ask(host, *more, **details)
socket.getaddrinfo = hanging
from jobs.cli import main
sys.exit(main(sys.argv[1:]))
"""
SOON = 15.0  # seconds; a look-up hangs for eight times as long


def test_a_look_up_that_hangs_does_not_hold_the_process(tmp_path: Path) -> None:
    """The name server is dead: on SIGTERM the probe says what is open, and its process ends."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        config = {
            "store": {"url": f"sqlite:///{tmp_path}/store.db"},
            "stream": [STREAM],
            "route": [smtp_route(route.port)],
            "inbox": [fake_inbox(box, "box"), fake_inbox(box, "other", host="hangs.example", security="tls")],
            "probe": {"timeout": "100s", "poll": "100ms", "settle": "100ms"},
        }
        (tmp_path / "config.toml").write_text(to_toml(config))
        command = [sys.executable, "-c", PROGRAM, "probe", "--json", "-c", str(tmp_path / "config.toml")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            said = ""
            while "asked" not in said:
                said = process.stderr.readline()
                assert said, "it ended before it asked"
            process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            out, _ = process.communicate(timeout=SOON)
            seconds = time.monotonic() - started
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 1
    assert seconds < SOON
    assert any("still open" in note for note in json.loads(out)["notes"])
