"""What an IMAP server lists, and what each of its mailboxes is for."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a mailbox is for (RFC 6154, and INBOX of RFC 9051)."""

    INBOX = "inbox"
    SPAM = "spam"
    TRASH = "trash"
    ARCHIVE = "archive"
    SENT = "sent"
    DRAFTS = "drafts"
    ALL = "all"  # a view of the messages of other mailboxes, as Gmail's All Mail
    VIEW = "view"  # any other view: \\Flagged, \\Important
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One LIST response (RFC 9051, section 7.3.1)."""

    raw: bytes  # the name as the server writes it: what every command must repeat
    name: str  # the full name for people, modified UTF-7 decoded where it is valid
    delimiter: str | None
    attributes: frozenset[str]  # lower case, with backslash: "\\junk", "\\noselect"

    @property
    def selectable(self) -> bool:
        """Whether the mailbox can hold messages that may be read."""
        return not self.attributes & {"\\noselect", "\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Folder:
    """A listed mailbox with its role."""

    listed: ListedFolder
    role: Role
    sorted_by: str | None = None  # "provider": the provider itself fills it, as WEB.DE's Unbekannt

    @property
    def name(self) -> str:
        """The full name for people."""
        return self.listed.name


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """A STATUS response (RFC 9051, section 7.3.4): cheap signs that something changed."""

    messages: int
    uid_next: int
    uid_validity: int
