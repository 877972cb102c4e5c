"""What a person sees while a probe works: one moving line on a terminal, a line now and then in a log."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from toolkit.collect.tracker import Step
from toolkit.model.placement import SeedReport
from toolkit.store.seeds import StoredSeed

_EVERY = 15.0  # seconds between lines where there is no terminal


class SeedProgress:
    """Counts the steps of seeds; `notify` may be called from any thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._seeds: dict[str, Step] = {}
        self._said = time.monotonic()
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("looking at the inboxes", total=None)

    def notify(self, step: Step, row: StoredSeed, _report: SeedReport | None) -> None:
        """One seed got one step further."""
        with self._lock:
            self._seeds[row.seed_id] = step
            steps = list(self._seeds.values())
            judged = steps.count("concluded")
            text = f"{len(steps) - steps.count('planned')} handed over, {judged} judged of"
            if self._bar is not None:
                self._bar.update(self._task, description=text, completed=judged, total=len(steps))
            elif time.monotonic() - self._said >= _EVERY:
                self._said = time.monotonic()
                print(f"mailwhy: {text} {len(steps)} seeds", file=sys.stderr)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
