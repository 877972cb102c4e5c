"""A route that cannot be reached is tried three times, with pauses between, however many seeds wait for it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.collect.harness import Delivering, Probing, fake_inbox, smtp_route
from tests.fakes.imap_server import FakeImap
from tests.fakes.server import FakeServer
from toolkit.collect import handoff
from toolkit.model.placement import HandoffStatus, Verdict
from toolkit.wire.smtp import RouteError, SmtpSession

NAMES = ("a", "b", "c", "d", "e")
PAUSE = 0.1  # seconds: before the second attempt; twice that before the third


class OpensLate(Delivering):
    """Nothing listens at its port until `open`."""

    def __init__(self, boxes: dict[str, FakeImap], **details: Any) -> None:
        super().__init__(boxes, **details)
        self._bound = socket.socket()

    async def _open(self) -> None:
        self._bound.bind(("127.0.0.1", 0))
        self.port = self._bound.getsockname()[1]

    def open(self) -> None:
        """From now on connections are taken."""
        opening = asyncio.start_server(self._accepted, sock=self._bound, backlog=64)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)

    def stop(self) -> None:
        """As FakeSmtp; a port that was never opened is given back."""
        super().stop()
        self._bound.close()


class Attempts:
    """When each attempt began, and what shall happen once a second one, after a pause, has failed."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.after_the_second: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def begin(self) -> float:
        """An attempt begins: now, which is returned."""
        with self._lock:
            self.begun.append(time.monotonic())
            return self.begun[-1]

    def failed(self, begun: float) -> None:
        """An attempt has failed. Several connections that fail together are one."""
        with self._lock:
            happens = self.after_the_second
            if happens is not None and begun - self.begun[0] >= PAUSE:
                self.after_the_second = None
                happens()


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Every attempt to connect to a route."""
    seen = Attempts()

    class Counted(SmtpSession):
        """Tells when it connects."""

        def connect(self) -> None:
            """As SmtpSession."""
            begun = seen.begin()
            try:
                super().connect()
            except RouteError:
                seen.failed(begun)
                raise

    monkeypatch.setattr(handoff, "SmtpSession", Counted)
    return seen


@pytest.mark.parametrize("connections", [1, 4])
def test_a_route_that_refuses_for_a_moment_gets_every_seed(
    connections: int, attempts: Attempts, tmp_path: Path
) -> None:
    """It is still down at the second attempt, and there at the third: five seeds wait for it, and five arrive."""
    with FakeImap() as box, OpensLate({f"{name}@faulty.example": box for name in NAMES}) as route:
        attempts.after_the_second = route.open
        probing = Probing(
            tmp_path,
            [smtp_route(route.port, connections=connections)],
            [fake_inbox(box, name) for name in NAMES],
            timing={"timeout": "20s", "poll": "100ms"},
        )
        seeds = probing.run()
    assert {name: seed.placement.verdict for name, seed in seeds.items()} == dict.fromkeys(NAMES, Verdict.INBOX)
    assert len(route.transactions) == len(NAMES)
    assert probing.runs[0].notes == ()


def test_a_route_that_stays_down_is_tried_three_times_in_all(attempts: Attempts, tmp_path: Path) -> None:
    """Three attempts, the second after a pause and the third after a longer one; then all its seeds are unsent."""
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
    first, second, third = attempts.begun
    assert second - first >= PAUSE
    assert third - second >= 2 * PAUSE
