"""The folders of an account, how far each has been read, and what has not been searched in the end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from toolkit.collect.imap_questions import FEW
from toolkit.derive.folders import classify
from toolkit.model.mailbox import Folder, FolderStatus, Role
from toolkit.model.placement import Unsearched
from toolkit.model.sighting import Coverage
from toolkit.wire.channel import WireError
from toolkit.wire.imap_answers import Listing


@dataclass(slots=True)
class Place:
    """A folder and how far it has been read."""

    folder: Folder
    known_to: int | None = None  # messages below this UID are known not to be ours; None: nothing is known
    validity: int | None = None
    trouble: str | None = None  # why it could not be searched
    searched: bool = False

    @property
    def raw(self) -> bytes:
        """Its name as commands must write it."""
        return self.folder.listed.raw

    @property
    def name(self) -> str:
        """Its name for people."""
        return self.folder.name


@dataclass(frozen=True, slots=True)
class News:
    """A place where something may be new: the messages from UID `start` to before `end`. None: not known."""

    place: Place
    start: int | None
    end: int | None

    @property
    def few(self) -> bool:
        """Whether it is known to be so little that it can be fetched and need not be searched."""
        return self.start is not None and self.end is not None and self.end - self.start <= FEW


class Places:
    """All folders of one account."""

    def __init__(self, *, provider: str, configured: Mapping[str, str], bounces_alone: bool) -> None:
        """`bounces_alone`: no seeds are sent here."""
        self._provider = provider
        self._configured = dict(configured)
        self._bounces_alone = bounces_alone
        self._places: dict[bytes, Place] = {}
        self._broken: tuple[str, ...] = ()  # lines of the list that could not be read
        self._looks = 0

    def adopt(self, listing: Listing) -> None:
        """Take over the server's list; what is known of a folder stays known. Raises WireError where it is empty."""
        if not listing.folders:
            raise WireError("protocol", "the server lists no mailbox at all, not even INBOX")
        first_time = not self._places
        places = {}
        for folder in classify(listing.folders, provider=self._provider, configured=self._configured):
            raw = folder.listed.raw
            known = self._places.get(raw)
            # A folder that appears while we look is new altogether: all in it is news.
            places[raw] = replace(known, folder=folder) if known else Place(folder, None if first_time else 1)
        self._places = places
        self._broken = listing.broken

    def to_search(self, *, gmail: bool) -> list[Place]:
        """The folders that together hold every message, each message once where the server has views."""
        selectable = [place for place in self._places.values() if place.folder.listed.selectable]
        if gmail and (everything := [place for place in selectable if place.folder.role is Role.ALL]):
            return everything + [place for place in selectable if place.folder.role in (Role.SPAM, Role.TRASH)]
        views = (Role.VIEW, Role.ALL) if self._bounces_alone else (Role.VIEW,)
        return [place for place in selectable if place.folder.role not in views]

    def news(
        self, status: Mapping[bytes, FolderStatus], *, gmail: bool, empty_handed: bool, recent_counts: bool
    ) -> list[News]:
        """Where something new may lie, by what the folders tell of themselves.

        `empty_handed`: nothing that is there now, at the first look, can be ours. `recent_counts`: read what came
        lately rather than search all, since a DSN cannot be searched for.
        """
        self._looks += 1
        found = []
        for place in self.to_search(gmail=gmail):
            now = status.get(place.raw)
            if now is None:
                if self._looks == 1:
                    found.append(News(place, None, None))  # it tells no status: open it to know whether it can be read
                continue
            place.trouble = None
            if place.validity not in (None, now.uid_validity):
                place.known_to = None  # the numbers start anew (RFC 9051, section 2.3.1.1)
            place.validity = now.uid_validity
            if place.known_to is None and recent_counts and not empty_handed:
                place.known_to = max(1, now.uid_next - FEW)
            if place.known_to is None and (now.messages == 0 or (empty_handed and self._looks == 1)):
                place.known_to, place.searched = now.uid_next, True
            elif place.known_to is None or now.uid_next > place.known_to:
                found.append(News(place, place.known_to, now.uid_next))
        return found

    def watched(self, *, gmail: bool) -> Place | None:
        """The folder whose news a server shall tell while it idles."""
        places = self.to_search(gmail=gmail)
        wanted = (place for role in (Role.ALL, Role.INBOX) for place in places if place.folder.role is role)
        return next((place for place in wanted if not place.trouble), None)

    def named(self, name: str) -> Place | None:
        """The folder with this name for people."""
        return next((place for place in self._places.values() if place.name == name), None)

    def forget_searches(self) -> None:
        """The connection broke: what was searched before does not count for the end."""
        for place in self._places.values():
            place.searched = False

    def coverage(self, *, gmail: bool) -> Coverage:
        """What has been searched, and what could not be."""
        places = self.to_search(gmail=gmail)
        names = [place.name for place in places if place.searched and place.trouble is None]
        unsearched = [
            Unsearched(place.name, place.trouble or "it told nothing of itself")
            for place in places
            if not place.searched or place.trouble
        ]
        unsearched += [Unsearched("", f"a line of the folder list cannot be read: {line}") for line in self._broken]
        if gmail:
            roles = {place.folder.role for place in self._places.values()}
            if Role.ALL in roles:
                names.insert(0, "INBOX")  # seen through All Mail
            unsearched += _hidden_by_gmail(roles)
        return Coverage(tuple(names), tuple(unsearched))


def _hidden_by_gmail(roles: Iterable[Role]) -> list[Unsearched]:
    """Gmail lets its owner hide folders from IMAP; what lies there is then not missing, but out of reach."""
    return [
        Unsearched("", f"{title} is not shown over IMAP; switch it on under Labels in Gmail's settings")
        for role, title in ((Role.ALL, "All Mail"), (Role.SPAM, "the spam folder"), (Role.TRASH, "the trash"))
        if role not in set(roles)
    ]
