"""The loop that gives every mailbox its turn: a few threads, many mailboxes, no thread held by one that waits.

A mailbox that is due, or whose server has said something while idling, is read by a thread of the pool; between its
turns it costs a socket. A server that hangs costs one thread for as long as its time-out lets it.
"""

import contextlib
import heapq
import itertools
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from toolkit.collect.mailbox_reader import MailboxReader

_LAST_STEPS = 2.0  # seconds that threads may take to come back when the loop ends


class ReadingLoop:
    """Runs the `step`s of readers until they are done, or the loop is stopped."""

    def __init__(self, *, concurrency: int, stepped: Callable[[MailboxReader], None]) -> None:
        """`stepped` is called after each step, in the loop's own thread."""
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="reader")
        self._stepped = stepped
        self._due: list[tuple[float, int, MailboxReader]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._returned: deque[tuple[MailboxReader, float, BaseException | None]] = deque()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)  # full is as good as written: the loop will turn
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._waiting: dict[int, MailboxReader] = {}  # by descriptor: those whose server may speak first
        self._descriptors: dict[MailboxReader, int] = {}
        self._turns: dict[MailboxReader, int] = {}  # which entry of `_due` counts; a reader may have older ones
        self._running: dict[MailboxReader, Future[None]] = {}
        self._readers: set[MailboxReader] = set()
        self._closed = threading.Event()
        self._lock = threading.RLock()  # a signal handler may come back to it

    def add(self, reader: MailboxReader) -> None:
        """Give this reader its first turn at once."""
        self._readers.add(reader)
        self._schedule(reader, 0.0)

    def wake(self) -> None:
        """Let `turn` return soon. May be called from any thread, and from a signal handler."""
        with self._lock:
            if self._waker >= 0:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._waker, b"x")

    def turn(self, longest: float) -> None:
        """Wait at most so many seconds for something to do, and do it. Raises what a step raised."""
        now = time.monotonic()
        pause = min(longest, max(0.0, self._due[0][0] - now)) if self._due else longest
        for key, _ in self._selector.select(pause):
            if key.fd == self._woken:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            elif (reader := self._waiting.get(key.fd)) is not None:
                self._submit(reader)
        while self._returned:
            self._take_back(*self._returned.popleft())
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, order, reader = heapq.heappop(self._due)
            if self._turns.get(reader) == order:
                self._submit(reader)

    def close(self) -> None:
        """End: break off what still runs, and close all connections.

        A thread that is stuck in connecting is not waited for; it closes its connection itself when it comes back.
        """
        self._closed.set()
        running = {reader: future for reader, future in self._running.items() if not future.cancel()}
        for reader in running:
            reader.abort()
        self._pool.shutdown(wait=False)
        _, stuck = wait(running.values(), timeout=_LAST_STEPS)
        for reader in self._readers - {reader for reader, future in running.items() if future in stuck}:
            reader.close()
        self._selector.close()
        with self._lock:
            os.close(self._woken)
            os.close(self._waker)
            self._waker = -1

    def _schedule(self, reader: MailboxReader, pause: float) -> None:
        order = next(self._order)
        self._turns[reader] = order
        heapq.heappush(self._due, (time.monotonic() + pause, order, reader))

    def _submit(self, reader: MailboxReader) -> None:
        self._turns.pop(reader, None)
        descriptor = self._descriptors.pop(reader, None)
        if descriptor is not None:
            self._selector.unregister(descriptor)
            del self._waiting[descriptor]
        self._running[reader] = self._pool.submit(self._run, reader)

    def _run(self, reader: MailboxReader) -> None:
        pause, error = 0.0, None
        try:
            pause = reader.step()
        except Exception as raised:  # noqa: BLE001 - handed to the loop's own thread
            error = raised
        self._returned.append((reader, pause, error))
        if self._closed.is_set():
            reader.close()
        self.wake()

    def _take_back(self, reader: MailboxReader, pause: float, error: BaseException | None) -> None:
        self._running.pop(reader, None)
        if error is not None:
            raise error
        self._stepped(reader)
        if reader.done:
            reader.close()
            return
        if reader.session.idling:
            descriptor = reader.session.fileno()
            self._waiting[descriptor], self._descriptors[reader] = reader, descriptor
            self._selector.register(descriptor, selectors.EVENT_READ)
            if reader.session.pending():
                pause = 0.0
        self._schedule(reader, pause)
