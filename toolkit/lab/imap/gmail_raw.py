"""X-GM-RAW: Gmail's own search language, as far as deliverability work uses it.

https://support.google.com/mail/answer/7190 (2026-11-21). Over IMAP it searches the selected folder alone: `in:`
narrows, and `in:anywhere` does not widen.
"""

import re
from collections.abc import Callable

from toolkit.lab.gmail import GmailAccount
from toolkit.lab.mailboxes import Folder
from toolkit.lab.messages import Item, split_message

Check = Callable[[Item], bool]

_TERM = re.compile(r'(?P<minus>-?)(?:(?P<key>[a-z0-9_]+):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))', re.IGNORECASE)
_SYSTEM = {
    "inbox": "\\Inbox",
    "spam": "\\Spam",
    "trash": "\\Trash",
    "sent": "\\Sent",
    "draft": "\\Draft",
    "drafts": "\\Draft",
    "starred": "\\Starred",
    "important": "\\Important",
}
_IS = {"unread": (False, "\\Seen"), "read": (True, "\\Seen"), "starred": (True, "\\Flagged")}


def raw_filter(query: str, account: GmailAccount, folder: Folder) -> Check:
    """The test that a query asks for. Its terms must all hold; OR joins the two beside it."""
    del account, folder  # labels travel with the message, and the scope is the selected folder
    groups: list[list[Check]] = []
    joined = False
    for found in _TERM.finditer(query):
        if found[0] == "OR":
            joined = bool(groups)
            continue
        value = found["quoted"] if found["quoted"] is not None else found["plain"]
        check = _term((found["key"] or "").lower(), value.lower())
        if found["minus"]:
            check = _negated(check)
        if joined:
            groups[-1].append(check)
        else:
            groups.append([check])
        joined = False
    return lambda item: all(any(check(item) for check in group) for group in groups)


def _negated(check: Check) -> Check:
    return lambda item: not check(item)


def _term(key: str, value: str) -> Check:
    if key in _KEYS:
        return _KEYS[key](value)
    return _words(f"{key}:{value}" if key else value)


def _words(value: str) -> Check:
    def check(item: Item) -> bool:
        heads = " ".join(item.header(name) for name in ("subject", "from", "to", "cc"))
        return value in heads.lower() or value in split_message(item.raw)[1].decode("utf-8", "replace").lower()

    return check


def _in(value: str) -> Check:
    if value == "anywhere":
        return lambda _: True
    label = _SYSTEM.get(value)
    return (lambda item: label in item.labels) if label is not None else _label(value)


def _label(value: str) -> Check:
    wanted = value.replace(" ", "-").replace("/", "-")
    return lambda item: wanted in (label.lower().replace(" ", "-").replace("/", "-") for label in item.labels)


def _is(value: str) -> Check:
    if value == "important":
        return lambda item: "\\Important" in item.labels
    expected, flag = _IS.get(value, (True, value))
    return lambda item: (flag in item.flags) == expected


def _has(value: str) -> Check:
    return lambda item: value == "attachment" and b"content-disposition: attachment" in item.raw.lower()


def _header(name: str) -> Callable[[str], Check]:
    return lambda value: lambda item: value in item.header(name).lower()


def _message_id(value: str) -> Check:
    wanted = value.strip("<>")
    return lambda item: item.message_id.lower().strip("<>") == wanted


_KEYS: dict[str, Callable[[str], Check]] = {
    "category": lambda value: lambda item: value in item.categories,
    "rfc822msgid": _message_id,
    "in": _in,
    "label": _label,
    "is": _is,
    "has": _has,
    "from": _header("from"),
    "to": _header("to"),
    "cc": _header("cc"),
    "subject": _header("subject"),
    "list": _header("list-id"),
}
