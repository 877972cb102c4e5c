"""SMTP and LMTP servers that go wrong, each in one way. They are `FakeSmtp`s: all else works, and all is recorded.

`phase` is one of smtp_server's: GREETING EHLO STARTTLS AUTH MAIL RCPT DATA END (after the message's last dot) QUIT.
More than one fault at once: `FakeSmtp({...})` itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fakes.smtp_server import GOOD, Act, FakeSmtp, Key, Step


def shuts_down(phase: str, *, times: int | None = None, **details: Any) -> FakeSmtp:
    """421 and an end of the connection; `times` it does so, then works (left out: always)."""
    return FakeSmtp({phase: _repeated("421 4.3.2 Service shutting down", times)}, **details)


def silent(phase: str = "GREETING", **details: Any) -> FakeSmtp:
    """Accepts, reads, and never answers."""
    return FakeSmtp({phase: Act.SILENCE}, **details)


def closes(phase: str = "END", *, reset: bool = False, times: int | None = None, **details: Any) -> FakeSmtp:
    """Closes instead of answering. After END the client cannot know: the message was taken, and nothing said."""
    return FakeSmtp({phase: _repeated(Act.RESET if reset else Act.CLOSE, times)}, **details)


def refuses(phase: str, reply: str = "550 5.7.1 refused", **details: Any) -> FakeSmtp:
    """A permanent (or any other) reply, always."""
    return FakeSmtp({phase: reply}, **details)


def defers(
    phase: str = "RCPT", *, times: int = 1, reply: str = "451 4.7.1 Greylisted, please try again", **details: Any
) -> FakeSmtp:
    """A temporary reply `times` times, then the good one: greylisting."""
    return FakeSmtp({phase: [reply] * times}, **details)


def floods(phase: str = "EHLO", *, lines: bool = True, **details: Any) -> FakeSmtp:
    """A reply that never ends: in lines, or as one line."""
    return FakeSmtp({phase: Act.FLOOD if lines else Act.ENDLESS_LINE}, **details)


def refuses_auth(reply: str = "535 5.7.8 Authentication credentials invalid", **details: Any) -> FakeSmtp:
    """Offers AUTH, and takes no credentials."""
    return FakeSmtp({"AUTH": reply}, auth=("PLAIN", "LOGIN"), **details)


def lmtp(rcpt: Mapping[str, str] | None = None, end: Mapping[str, str | Act] | None = None, **details: Any) -> FakeSmtp:
    """LMTP with a reply of its own for each recipient, to RCPT or after the message; the others are taken."""
    steps: dict[Key, Step] = {("RCPT", address): reply for address, reply in (rcpt or {}).items()}
    steps.update({("END", address): reply for address, reply in (end or {}).items()})
    return FakeSmtp(steps, lmtp=True, **details)


def _repeated(step: Step, times: int | None) -> Step | list[Step]:
    return step if times is None else [step] * times + [GOOD]
