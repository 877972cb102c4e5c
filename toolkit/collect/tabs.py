"""Gmail's tabs: asked in the same breath as all else where answers can be told apart, else one after another."""

from collections.abc import Sequence

from toolkit.collect import imap_questions as ask
from toolkit.collect.mailbox_places import Place
from toolkit.model.mailbox import Role
from toolkit.wire.imap import ImapSession
from toolkit.wire.imap_answers import Answer, read_search

Opened = tuple[Answer, list[Answer]]
Tabs = dict[tuple[bytes, int], str]


def examine_with_tabs(
    session: ImapSession,
    asked: Sequence[tuple[bytes, list[bytes]]],
    seeds: Sequence[tuple[Place, list[int]]],
    *,
    budget: int,
) -> tuple[list[Opened], Tabs]:
    """The answers to what is asked of each place, and the tabs of the seeds there, by raw name and UID.

    `asked` and `seeds` speak of the same places in the same order. Raises WireError.
    """
    tabbed = [uids if session.gmail and place.folder.role in (Role.ALL, Role.INBOX) else [] for place, uids in seeds]
    if "ESEARCH" in session.capabilities:
        return _together(session, asked, tabbed, budget=budget)
    answers = session.examine_each(asked, budget=budget)
    tabs: Tabs = {}
    for (raw, _), uids in zip(asked, tabbed, strict=True):
        tabs |= {(raw, uid): tab for uid, tab in _one_by_one(session, raw, uids).items()}
    return answers, tabs


def _together(
    session: ImapSession, asked: Sequence[tuple[bytes, list[bytes]]], tabbed: Sequence[list[int]], *, budget: int
) -> tuple[list[Opened], Tabs]:
    questions = [ask.tab_searches(uids, esearch=True) if uids else [] for uids in tabbed]
    together = [(raw, [*first, *more]) for (raw, first), more in zip(asked, questions, strict=True)]
    answers = session.examine_each(together, budget=budget)
    batch = [answer for opened, replies in answers for answer in (opened, *replies)]
    kept: list[Opened] = []
    tabs: Tabs = {}
    for (raw, first), uids, (opened, replies) in zip(asked, tabbed, answers, strict=True):
        kept.append((opened, replies[: len(first)]))
        if uids:
            found = ask.read_tabs(uids, replies[len(first) :], batch)
            tabs |= {(raw, uid): tab for uid, tab in found.items()}
    return kept, tabs


def _one_by_one(session: ImapSession, raw: bytes, uids: Sequence[int]) -> dict[int, str]:
    tabs: dict[int, str] = {}
    searches = ask.tab_searches(uids, esearch=False) if uids else []
    for name, search in zip(ask.CATEGORIES, searches, strict=False):
        ((_, (answer,)),) = session.examine_each([(raw, [search])])
        for uid in set(read_search(answer)) & set(uids) if answer.ok else ():
            tabs.setdefault(uid, name)
        if len(tabs) == len(set(uids)):
            break
    return tabs
