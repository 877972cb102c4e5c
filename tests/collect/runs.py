"""One run of a probe at a time, for tests that look at it or interfere while it is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.collect.harness import Probing
from tests.collect.test_resume import left_behind
from toolkit.collect.probe import ProbeRun, Selection
from toolkit.collect.tracker import Step
from toolkit.model.placement import SeedReport
from toolkit.store.seeds import SeedStore, StoredSeed

Notify = Callable[[Step, StoredSeed, SeedReport | None], None]

__all__ = ["Notify", "left_behind", "prepared"]


@contextmanager
def prepared(probing: Probing, notify: Notify = lambda *_: None) -> Iterator[tuple[ProbeRun, SeedStore]]:
    """A run that has not begun, and the store that it will use."""
    settings = probing.settings
    store = SeedStore.open(settings.store.url)
    try:
        yield ProbeRun(settings, Selection.of(settings), store, notify=notify), store
    finally:
        store.close()
