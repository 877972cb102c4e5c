"""A route that cannot be reached is tried three times, with pauses between, however many seeds wait for it."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.collect.harness import Delivering, Probing, fake_inbox, smtp_route
from tests.collect.runs import prepared
from tests.fakes.imap_server import FakeImap
from tests.fakes.server import FakeServer
from toolkit.collect import handoff
from toolkit.collect.tracker import Step
from toolkit.model.placement import HandoffStatus, SeedReport, Verdict
from toolkit.store.seeds import StoredSeed
from toolkit.wire.smtp import SmtpSession

NAMES = ("a", "b", "c", "d", "e")
PAUSE = 0.1  # seconds: before the second attempt; twice that before the third


class OpensLate(Delivering):
    """Nothing listens at its port until `open`."""

    def __init__(self, boxes: dict[str, FakeImap], **details: Any) -> None:
        super().__init__(boxes, **details)
        self._bound = socket.socket()
        self.is_open = False

    async def _open(self) -> None:
        self._bound.bind(("127.0.0.1", 0))
        self.port = self._bound.getsockname()[1]

    def open(self) -> None:
        """From now on connections are taken."""
        self.is_open = True
        opening = asyncio.start_server(self._accepted, sock=self._bound, backlog=64)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)

    def stop(self) -> None:
        """As FakeSmtp; a port that was never opened is given back."""
        super().stop()
        self._bound.close()


@pytest.mark.parametrize("connections", [1, 4])
def test_a_route_that_refuses_for_a_moment_gets_every_seed(connections: int, tmp_path: Path) -> None:
    """It is still down at the second attempt, and there at the third: five seeds wait for it, and five arrive."""
    with FakeImap() as box, OpensLate({f"{name}@faulty.example": box for name in NAMES}) as route:
        first: list[float] = []

        def notify(step: Step, _row: StoredSeed, _report: SeedReport | None) -> None:
            """The route comes back after an attempt that was not the first."""
            if step == "handed" and not route.is_open:
                first.append(time.monotonic())
                if first[-1] - first[0] >= PAUSE:
                    route.open()

        probing = Probing(
            tmp_path,
            [smtp_route(route.port, connections=connections)],
            [fake_inbox(box, name) for name in NAMES],
            timing={"timeout": "20s", "poll": "100ms"},
        )
        with prepared(probing, notify) as (run, _):
            report = run.run()
        assert route.is_open
    assert {seed.inbox: seed.placement.verdict for seed in report.seeds} == dict.fromkeys(NAMES, Verdict.INBOX)
    assert len(route.transactions) == len(NAMES)
    assert report.notes == ()


def test_a_route_that_stays_down_is_tried_three_times_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three attempts, the second after a pause and the third after a longer one; then all its seeds are unsent."""
    attempts: list[float] = []

    class Counted(SmtpSession):
        """Tells when it connects."""

        def connect(self) -> None:
            """As SmtpSession."""
            attempts.append(time.monotonic())
            super().connect()

    monkeypatch.setattr(handoff, "SmtpSession", Counted)
    with FakeServer() as gone:
        port = gone.port
    with FakeImap() as box:
        inboxes = [fake_inbox(box, name) for name in NAMES]
        probing = Probing(
            tmp_path, [smtp_route(port, connections=1)], inboxes, timing={"timeout": "20s", "poll": "100ms"}
        )
        seeds = probing.run()
    assert {name: seed.placement.verdict for name, seed in seeds.items()} == dict.fromkeys(NAMES, Verdict.UNSENT)
    for seed in seeds.values():
        assert seed.handoff is not None
        assert seed.handoff.status is HandoffStatus.FAILED
        assert "refuses connections" in seed.handoff.text
    assert len(attempts) == 3
    assert attempts[1] - attempts[0] >= PAUSE
    assert attempts[2] - attempts[1] >= 2 * PAUSE
