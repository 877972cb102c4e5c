"""The table of commands: what each needs, and the function that does it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum

from toolkit.lab.imap.session import Command, Session

Handler = Callable[[Session, Command], Awaitable[None]]


class When(Enum):
    """The states in which a command is understood (RFC 9051, section 3)."""

    ANY = "any"
    BEFORE = "not authenticated"
    AFTER = "authenticated"
    SELECTED = "selected"


@dataclass(frozen=True, slots=True)
class Spec:
    """A command's function, its state, and the capability without which it is unknown."""

    run: Handler
    when: When
    capability: str = ""


COMMANDS: dict[str, Spec] = {}


def command(name: str, when: When, capability: str = "") -> Callable[[Handler], Handler]:
    """Enter a function into the table."""

    def enter(run: Handler) -> Handler:
        COMMANDS[name] = Spec(run, when, capability)
        return run

    return enter
