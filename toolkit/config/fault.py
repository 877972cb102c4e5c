"""What is wrong with a configuration, and where, as people read it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from toolkit.config.forms import quoted

_MAX_NAME = 64
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ENTRIES = ("stream", "route", "inbox", "collect")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its place, such as `inbox "gmx-1": port`, and a sentence that says what to do."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(Exception):
    """The configuration cannot be used. Holds every fault that was found, in the order of the sections."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def entry_place(kind: str, index: int, entry: object) -> str:
    """The place of one entry of a kind: `inbox "gmx-1"`, or `inbox 3` where it has no name that could be shown."""
    name = entry.get("name") if isinstance(entry, dict) else getattr(entry, "name", None)
    if isinstance(name, str) and 0 < len(name) <= _MAX_NAME and name.isprintable() and name.strip():
        return f"{kind} {quoted(name)}"
    return f"{kind} {index + 1}"


def place_of(raw: dict[str, Any], keys: tuple[int | str, ...]) -> str:
    """The place of a key of the file, from the keys and indices that lead to it.

    `("inbox", 0, "folders", "spam")` is `inbox "gmx-1": folders.spam`, `("sender", "ips", 1)` is
    `sender: ips, entry 2`.
    """
    if not keys:
        return ""
    head, rest = str(keys[0]), keys[1:]
    if head in _ENTRIES and rest and isinstance(rest[0], int):
        entries = raw.get(head)
        entry = entries[rest[0]] if isinstance(entries, list) and rest[0] < len(entries) else None
        head, rest = entry_place(head, rest[0], entry), rest[1:]
    path = ""
    for key in rest:
        if isinstance(key, int):
            path += f", entry {key + 1}"
        else:
            path += ("." if path else "") + (key if _BARE_KEY.fullmatch(key) else quoted(key))
    return f"{head}: {path}" if path else head
