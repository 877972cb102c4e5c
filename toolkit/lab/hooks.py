"""Moments of the protocols that a test can listen to and interfere with."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

MOMENTS = ("smtp.rcpt", "smtp.data", "smtp.accepted", "imap.command", "delivered")


@dataclass(frozen=True, slots=True)
class Moment:
    """What is happening. Fields that do not belong to the moment are empty.

    `smtp.rcpt`: before a recipient is judged. `smtp.data`: the whole message is here, nothing is decided.
    `smtp.accepted`: the message is taken and in the journal, the reply not yet written. `imap.command`: a command
    was read, not yet done. `delivered`: a message is in a mailbox (`folder` empty: discarded).
    """

    kind: str
    door: str = ""
    mail_from: str = ""
    recipient: str = ""
    message_id: str = ""
    raw: bytes = b""
    mailbox: str = ""
    command: str = ""
    arguments: bytes = b""
    folder: str = ""


Answer = str | None
"""What a hook may give back: None, go on; "drop", close the connection at once; for SMTP a reply of its own such as
"421 4.3.2 closing" (421 closes after it); for IMAP a tagged answer such as "NO [LIMIT] slow down"."""

Hook = Callable[[Moment], Answer | Awaitable[Answer]]


class Hooks:
    """The hooks of a world, called in the order in which they came, in the lab's own thread.

    A hook may be a coroutine function. It must not block, and cannot call the methods of `World` that wait.
    """

    def __init__(self) -> None:
        self._hooks: dict[str, list[Hook]] = {}

    def on(self, moment: str, hook: Hook) -> Callable[[], None]:
        """Call `hook` at every such moment. Returns a function that ends this. Raises ValueError."""
        if moment not in MOMENTS:
            raise ValueError(f"no such moment: {moment!r}; there are {', '.join(MOMENTS)}")
        self._hooks.setdefault(moment, []).append(hook)

        def off() -> None:
            if hook in self._hooks[moment]:
                self._hooks[moment].remove(hook)

        return off

    def wanted(self, kind: str) -> bool:
        """Whether anybody listens: spares the making of moments that nobody sees."""
        return bool(self._hooks.get(kind))

    async def fire(self, kind: str, **fields: Any) -> Answer:
        """The first answer that is not None."""
        for hook in list(self._hooks.get(kind, ())):
            answer = hook(Moment(kind, **fields))
            if inspect.isawaitable(answer):
                answer = await answer
            if answer is not None:
                return answer
        return None
