"""Which process is which: one that has died is never taken for a living one, nor the other way round."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from tests.servers.process import wait_until
from toolkit.store.process import ProcessId, _started, has_died, this_process


def _of(child: subprocess.Popen[bytes]) -> ProcessId:
    return replace(this_process(), pid=child.pid, started=_started(child.pid) or "")


def test_this_process_lives() -> None:
    """It knows itself."""
    me = this_process()
    assert me.pid == os.getpid()
    assert me.started
    assert me.boot.count("/") == 1
    assert not has_died(me)


def test_a_child_lives_until_it_is_killed_and_is_dead_as_a_zombie() -> None:
    """Before anybody has waited for it, too: a zombie runs no more."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        process = _of(child)
        assert process.started
        assert not has_died(process)
        child.kill()
        wait_until(lambda: has_died(process), seconds=10, what="the child's end")
        assert os.path.exists(f"/proc/{child.pid}")  # noqa: PTH110 - a zombie: nobody has waited for it yet
    finally:
        child.communicate()
    assert has_died(process)


def test_a_later_process_with_the_same_number_is_another() -> None:
    """Its start tells them apart."""
    assert has_died(replace(this_process(), started="1"))


def test_what_cannot_be_known_is_not_dead() -> None:
    """Another host, another process namespace of this machine, a system that does not tell its boot."""
    me = this_process()
    boot, _, _ = me.boot.partition("/")
    gone = replace(me, pid=2**22 + 1, started="1")
    assert has_died(gone)
    assert not has_died(replace(gone, host="elsewhere"))
    assert not has_died(replace(gone, boot=f"{boot}/pid:[1]"))
    assert not has_died(replace(gone, boot=""))
    assert has_died(replace(me, boot="another-boot/pid:[1]"))
