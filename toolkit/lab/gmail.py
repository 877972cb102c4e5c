"""A mailbox of Gmail's kind: one pool of messages with labels, and folders that are views of it.

https://developers.google.com/gmail/imap/imap-extensions (2026-11-21): labels are folders, All Mail shows everything
but Spam and Trash, and taking a message out of a folder takes the label off.
"""

from collections.abc import Iterable
from datetime import datetime

from toolkit.lab.mailboxes import Account, Entry, Folder, MailboxError
from toolkit.lab.messages import Item, now

_LABEL_OF = {  # special-use attribute: the system label that goes with it
    "\\Junk": "\\Spam",
    "\\Trash": "\\Trash",
    "\\Sent": "\\Sent",
    "\\Drafts": "\\Draft",
    "\\Flagged": "\\Starred",
    "\\Important": "\\Important",
}


class GmailAccount(Account):
    """Gmail's mailbox. An item's labels decide which folders show it."""

    gmail = True

    def label_of(self, folder: Folder) -> str | None:
        """The label that puts a message into that folder. None: All Mail, which needs none."""
        if folder.name == "INBOX":
            return "\\Inbox"
        for attribute in folder.attributes:
            if attribute == "\\All":
                return None
            if attribute in _LABEL_OF:
                return _LABEL_OF[attribute]
        return folder.name

    def _special(self, attribute: str) -> Folder | None:
        return next((f for f in self.folders.values() if attribute in f.attributes), None)

    def _views(self, item: Item) -> set[str]:
        """The names of the folders that show a message."""
        for label, attribute in (("\\Trash", "\\Trash"), ("\\Spam", "\\Junk")):
            if label in item.labels:
                only = self._special(attribute)
                return {only.name} if only is not None else set()
        views = {f.name for f in self.folders.values() if f.selectable and self.label_of(f) in item.labels}
        every = self._special("\\All")
        return views | {every.name} if every is not None else views

    def shown_in(self, item: Item) -> list[tuple[Folder, Entry]]:
        """Every folder that shows the item, with its entry there."""
        return [
            (folder, folder.entries[uid])
            for folder in self.folders.values()
            for uid in folder.by_message_id.get(item.message_id.lower(), ())
            if folder.entries[uid].item is item
        ]

    def relabel(self, item: Item, labels: set[str]) -> None:
        """These labels and no others: the views follow. Labels of its own become folders."""
        for label in labels:
            if not label.startswith("\\") and label not in self.folders:
                super().create(label)
        item.labels = labels
        item.flags = (item.flags | {"\\Flagged"}) if "\\Starred" in labels else item.flags - {"\\Flagged"}
        wanted = self._views(item)
        shown = {folder.name: entry for folder, entry in self.shown_in(item)}
        for name in shown.keys() - wanted:
            self.folders[name].drop(shown[name].uid)
        for name in sorted(wanted - shown.keys()):
            self.folders[name].put(item)
        for name in shown.keys() & wanted:
            self.folders[name].touch(shown[name].uid)

    def add(self, folder: Folder, item: Item) -> Entry:
        """Put a new message into a folder: it takes that folder's label."""
        label = self.label_of(folder)
        self.relabel(item, item.labels | ({label} if label is not None else set()))
        return self._entry_in(folder, item)

    def _entry_in(self, folder: Folder, item: Item) -> Entry:
        for shown, entry in self.shown_in(item):
            if shown is folder:
                return entry
        raise MailboxError("the message is not shown there", "CANNOT")

    def copy(self, entry: Entry, target: Folder) -> Entry:
        """The label of another folder too. Out of Spam and Trash it is a move."""
        label = self.label_of(target)
        labels = set(entry.item.labels)
        if label in ("\\Trash", "\\Spam"):
            labels -= {"\\Inbox", "\\Trash", "\\Spam"}
        else:
            labels -= {"\\Trash", "\\Spam"}
        self.relabel(entry.item, labels | ({label} if label is not None else set()))
        return self._entry_in(target, entry.item)

    def move(self, entry: Entry, source: Folder, target: Folder) -> Entry:
        """The label of another folder instead of this one's."""
        moved = self.copy(entry, target)
        label = self.label_of(source)
        if label in entry.item.labels and source is not target:
            self.relabel(entry.item, entry.item.labels - {label})
        return moved

    def expunge(self, folder: Folder, uid: int) -> None:
        """Take the folder's label off: archived. In Spam and Trash the message is gone for good."""
        entry = folder.entries.get(uid)
        if entry is None:
            return
        label = self.label_of(folder)
        if label is None:
            self.relabel(entry.item, {"\\Trash"})
        elif label in ("\\Spam", "\\Trash"):
            for shown, there in self.shown_in(entry.item):
                shown.drop(there.uid)
        else:
            self.relabel(entry.item, entry.item.labels - {label})

    def _flags_changed(self, folder: Folder, entry: Entry) -> None:  # noqa: ARG002 - all folders that show it
        starred = "\\Flagged" in entry.item.flags
        if starred != ("\\Starred" in entry.item.labels):
            labels = entry.item.labels
            self.relabel(entry.item, labels | {"\\Starred"} if starred else labels - {"\\Starred"})
        else:
            for shown, there in self.shown_in(entry.item):
                shown.touch(there.uid)

    def _renamed(self, old: str, folder: Folder) -> None:
        for entry in folder.entries.values():
            entry.item.labels = (entry.item.labels - {old}) | {folder.name}

    def labels_seen_from(self, folder: Folder, item: Item) -> list[str]:
        """What X-GM-LABELS shows: never a category, and never the label of the folder that is selected."""
        return sorted(item.labels - {self.label_of(folder)}, key=lambda label: (not label.startswith("\\"), label))

    def thread_of(self, item: Item) -> int | None:
        """The thread of the message that this one answers, where it is here."""
        every = self._special("\\All")
        for reference in reversed((item.header("references") + " " + item.header("in-reply-to")).split()):
            for uid in every.by_message_id.get(reference.lower(), ()) if every is not None else ():
                return every.entries[uid].item.thrid if every is not None else None
        return None

    def deliver(
        self, raw: bytes, folder: str = "INBOX", flags: Iterable[str] = (), at: datetime | None = None
    ) -> Entry:
        """Put bytes into a folder, which is made where it is missing."""
        return self.deliver_item(Item(raw, at or now(), set(flags)), folder)

    def deliver_item(self, item: Item, folder: str = "INBOX") -> Entry:
        """Put a new message into a folder, in the thread it belongs to."""
        item.thrid = self.thread_of(item) or item.thrid
        found = self.folders.get(folder) or (self.find(folder) if folder.upper() == "INBOX" else self.create(folder))
        return self.add(found, item)
