"""`mailwhy check`: the configuration, every resolver, route, mailbox and the store, tried at once.

No mail is sent and no flag changed. What hangs is given up after a while and counts as unknown.
"""

import json
import queue
import sys
import textwrap
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

from jobs.check_items import Item, Task, Usable, tasks
from toolkit.config.settings import Settings
from toolkit.model.document import plain

SCHEMA: Final = "mailwhy/check/1"
BUDGET: Final = 60.0  # seconds for everything together
_WORKERS: Final = 64
_SYMBOLS: Final = {Usable.PASS: "✓", Usable.WARN: "!", Usable.FAIL: "✕", Usable.UNKNOWN: "?"}
_STYLES: Final = {Usable.PASS: "green", Usable.WARN: "yellow", Usable.FAIL: "red", Usable.UNKNOWN: "magenta"}
_INDENT: Final = " " * 10
_WIDTH: Final = 80


def run(settings: Settings, *, as_json: bool, path: Path | None = None, budget: float = BUDGET) -> int:
    """Try everything that `settings` name, and print one line for each. Returns the exit status.

    0: all usable, warnings included; 1: something is not usable, or could not be tried. `path` is the file that the
    settings were read from, for warnings about it. `budget` is the time in seconds for everything together.
    """
    asked = list(tasks(settings, path))
    items = _try_all(asked, budget, _Progress(len(asked), sys.stderr))
    if as_json:
        counts = Counter(item.verdict.value for item in items)
        document = {"schema": SCHEMA, "items": plain(items), "summary": dict(sorted(counts.items()))}
        print(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        _print_lines(items)
    return int(any(item.verdict in (Usable.FAIL, Usable.UNKNOWN) for item in items))


class _Progress:
    """One line on a terminal's standard error that is written over, and wiped at the end."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._stream, self._done = total, stream, 0
        self._live = stream.isatty()
        if not self._live:
            print(f"checking {total} things", file=stream)
        self._show()

    def step(self) -> None:
        self._done += 1
        self._show()

    def end(self) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _show(self) -> None:
        if self._live:
            self._stream.write(f"\r\x1b[Kchecked {self._done} of {self._total}")
            self._stream.flush()


def _try_all(asked: Sequence[Task], budget: float, progress: _Progress) -> list[Item]:
    """The outcome of every task, in their order. Threads that hang at the end are left behind; they are daemons."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
    for index in range(len(asked)):
        waiting.put(index)

    def work() -> None:
        while True:
            try:
                index = waiting.get_nowait()
            except queue.Empty:
                return
            done.put((index, _try(asked[index])))

    for _ in range(min(_WORKERS, len(asked))):
        threading.Thread(target=work, daemon=True, name="check").start()
    items: dict[int, Item] = {}
    deadline = time.monotonic() + budget
    while len(items) < len(asked):
        try:
            index, item = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        items[index] = item
        progress.step()
    progress.end()
    return [items.get(index) or _given_up(task, budget) for index, task in enumerate(asked)]


def _try(task: Task) -> Item:
    try:
        return task.run()
    except Exception as error:  # noqa: BLE001 - one thing that goes wrong here must not take the others with it
        summary = f"the check itself failed: {type(error).__name__}: {error}"
        return Item(task.kind, task.name, Usable.UNKNOWN, summary, advice="This is a fault of mailwhy: report it.")


def _given_up(task: Task, budget: float) -> Item:
    summary = f"no result within {budget:.0f} s"
    return Item(task.kind, task.name, Usable.UNKNOWN, summary, advice="The server may be slow: try it again.")


def _print_lines(items: Sequence[Item]) -> None:
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for item in items:
        head = Text(f"{_SYMBOLS[item.verdict]} {item.verdict.value:<7} ", style=_STYLES[item.verdict])
        first, *rest = textwrap.wrap(
            _printable(f"{item.kind} {item.name}: {item.summary}"), _WIDTH - len(_INDENT), break_on_hyphens=False
        )
        console.print(head + Text(first, style="default"))
        for line in rest:
            console.print(Text(_INDENT + line))
        below = [item.detail, item.advice] if item.verdict is not Usable.PASS else []
        for mark, text in zip(("", "→ "), below, strict=False):
            if text:
                lines = textwrap.wrap(_printable(mark + text), _WIDTH - len(_INDENT), break_on_hyphens=False)
                console.print(Text(textwrap.indent("\n".join(lines), _INDENT)))
    usable = sum(item.verdict in (Usable.PASS, Usable.WARN) for item in items)
    console.print(Text(f"{usable} of {len(items)} usable"))


def _printable(text: str) -> str:
    """What a server said must not steer the terminal."""
    return "".join(sign if sign.isprintable() else "�" for sign in text)
