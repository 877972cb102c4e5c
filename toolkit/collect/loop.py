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

from toolkit.collect.mailbox_reader import MailboxReader

_LAST_STEPS = 2.0  # seconds that threads may take to come back when the loop ends


class ReadingLoop:
    """Runs the `step`s of readers until they are done, or the loop is stopped."""

    def __init__(self, *, concurrency: int, stepped: Callable[[MailboxReader], None]) -> None:
        """`stepped` is called after each step, in the loop's own thread."""
        self._concurrency = concurrency
        self._stepped = stepped
        self._due: list[tuple[float, int, MailboxReader]] = []
        self._order = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._returned: deque[tuple[MailboxReader, float, Exception | None]] = deque()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)  # full is as good as written: the loop will turn
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._waiting: dict[int, MailboxReader] = {}  # by descriptor: those whose server may speak first
        self._descriptors: dict[MailboxReader, int] = {}
        self._turns: dict[MailboxReader, int] = {}  # which entry of `_due` counts; a reader may have older ones
        self._readers: set[MailboxReader] = set()  # all that are not done
        self._hurried: set[MailboxReader] = set()  # to be given another turn as soon as they come back
        # The threads are our own and daemons: the interpreter waits for those of concurrent.futures when it ends, and
        # one may be stuck in looking up a name.
        self._queue: deque[MailboxReader] = deque()
        self._running: set[MailboxReader] = set()
        self._changed = threading.Condition()
        self._threads = 0
        self._idle = 0
        self._closed = False
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

    def hurry(self, reader: MailboxReader) -> bool:
        """Give a reader its next turn at once. False where it is done and gone."""
        if reader not in self._readers:
            return False
        if reader in self._turns:
            self._schedule(reader, 0.0)
        else:
            self._hurried.add(reader)
        return True

    def close(self) -> None:
        """End: break off what still runs, and close all connections.

        A thread that is stuck in connecting is not waited for; it closes its connection itself when it comes back.
        """
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()
            running = set(self._running)
        for reader in running:
            reader.abort()
        with self._changed:
            self._changed.wait_for(lambda: not self._running, _LAST_STEPS)
            stuck = set(self._running)
        for reader in self._readers - stuck:
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
        with self._changed:
            self._queue.append(reader)
            if self._idle < len(self._queue) and self._threads < self._concurrency:
                self._threads += 1
                threading.Thread(target=self._work, name="reader", daemon=True).start()
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._queue or self._closed)
                self._idle -= 1
                if self._closed:
                    return
                reader = self._queue.popleft()
                self._running.add(reader)
            self._run(reader)

    def _run(self, reader: MailboxReader) -> None:
        pause, error = 0.0, None
        try:
            pause = reader.step()
        except Exception as raised:  # noqa: BLE001 - handed to the loop's own thread
            error = raised
        with self._changed:
            self._running.discard(reader)
            self._returned.append((reader, pause, error))
            self._changed.notify_all()
            if self._closed:
                reader.close()
        self.wake()

    def _take_back(self, reader: MailboxReader, pause: float, error: Exception | None) -> None:
        if error is not None:
            raise error
        self._stepped(reader)
        if reader.done:
            reader.close()
            self._readers.discard(reader)
            return
        if reader in self._hurried:
            self._hurried.discard(reader)
            pause = 0.0
        if reader.session.idling:
            descriptor = reader.session.fileno()
            self._waiting[descriptor], self._descriptors[reader] = reader, descriptor
            self._selector.register(descriptor, selectors.EVENT_READ)
            if reader.session.pending():
                pause = 0.0
        self._schedule(reader, pause)
