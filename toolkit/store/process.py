"""Which process is which: to tell at once that the owner of a seed has died, where it ran on this machine."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, told apart from a later one with the same number."""

    host: str
    boot: str  # of the machine and its process namespace; empty where the system does not tell
    pid: int
    started: str  # in the system's own clock ticks


def this_process() -> ProcessId:
    """The process that asks."""
    return ProcessId(socket.gethostname(), _boot(), os.getpid(), _started(os.getpid()) or "")


def has_died(other: ProcessId) -> bool:
    """Whether `other` certainly runs no more. False where that cannot be known from here."""
    if not other.boot or other.host != socket.gethostname():
        return False
    boot = _boot()
    if not boot:
        return False
    if boot != other.boot:
        # The same machine after a restart; another process namespace on it says nothing.
        return boot.split("/")[0] != other.boot.split("/")[0]
    return _started(other.pid) != other.started


def _boot() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - the link has no file
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    # Field 3 is the state, field 22 the start (proc(5)); a zombie runs no more.
    return None if fields[0] in "ZX" else fields[19]
