"""A seed seen in a mailbox, as the reader saw it, before anybody judged."""

from dataclasses import dataclass
from datetime import datetime

from toolkit.model.mailbox import Role
from toolkit.model.placement import Unsearched


@dataclass(frozen=True, slots=True)
class Sighting:
    """One copy of a seed in one mailbox."""

    folder: str  # the server's full name, decoded
    role: Role
    uid: int
    at: datetime  # when it was first seen, by our clock
    absent_at: datetime | None = None  # the last look before that, which did not show it
    gone_at: datetime | None = None  # when it was seen to have left again
    sorted_by: str | None = None
    flags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()  # Gmail's, without categories
    gmail: bool = False  # seen through Gmail's extension: labels and tab can be trusted
    tab: str | None = None  # Gmail's category; "primary" is none
    internal_date: datetime | None = None
    header: str = ""  # the header block as found, bytes as Latin-1


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which places of a mailbox were searched."""

    searched: tuple[str, ...] = ()
    unsearched: tuple[Unsearched, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing that can be searched was left out, and anything was searched at all."""
        return bool(self.searched) and not self.unsearched


@dataclass(frozen=True, slots=True)
class Bounce:
    """A DSN that came back for a seed."""

    at: datetime  # when it was seen
    mailbox: str  # where
    status: str | None  # RFC 3463
    diagnostic: str  # the remote server's words, else the report's
    remote: str | None
    recipient: str | None = None  # whom it could not be delivered to: not always the seed's own address
