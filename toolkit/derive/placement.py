"""From what was seen of a seed to where it ended up. Pure: evidence in, verdict out."""

from collections.abc import Sequence

from toolkit.model.mailbox import Role
from toolkit.model.placement import Handoff, HandoffStatus, Placement, Verdict
from toolkit.model.sighting import Bounce, Coverage, Sighting

_RANK = {
    Role.INBOX: 0,
    Role.SPAM: 1,
    Role.FOLDER: 2,
    Role.VIEW: 3,
    Role.ARCHIVE: 4,
    Role.TRASH: 5,
    Role.ALL: 6,
    Role.DRAFTS: 7,
    Role.SENT: 8,
}
"""Which place names the verdict where a seed lies in several: the one where its reader would meet it first."""

_VERDICT = {
    Role.INBOX: Verdict.INBOX,
    Role.SPAM: Verdict.SPAM,
    Role.TRASH: Verdict.TRASH,
    Role.ARCHIVE: Verdict.ARCHIVE,
    Role.ALL: Verdict.ARCHIVE,  # in no mailbox but the view of all of them
}

_SYSTEM_LABEL = "\\"


def placement(
    sightings: Sequence[Sighting], handoff: Handoff | None, bounce: Bounce | None, coverage: Coverage
) -> Placement:
    """The verdict on one seed.

    `sightings` are all copies seen, in any order; `handoff` is None where it was never tried; `coverage` says what
    was searched in the end.
    """
    if sightings:
        return _found(sightings, coverage)
    if handoff is not None and handoff.status is HandoffStatus.REFUSED:
        return Placement(Verdict.REFUSED, reason=handoff.text)
    if bounce is not None:
        words = " ".join(part for part in (bounce.status, bounce.diagnostic) if part)
        return Placement(Verdict.BOUNCED, reason=words or "a DSN came back", searched=coverage.searched)
    if handoff is None:
        return Placement(Verdict.UNSENT, reason="never handed over")
    if handoff.status is not HandoffStatus.ACCEPTED and not handoff.in_doubt:
        return Placement(Verdict.UNSENT, reason=handoff.text)
    return _not_seen(handoff, coverage)


def _not_seen(handoff: Handoff, coverage: Coverage) -> Placement:
    """Missing only where it was certainly taken and everything was searched."""
    if coverage.complete and not handoff.in_doubt:
        return Placement(Verdict.MISSING, searched=coverage.searched)
    reasons = _told(coverage) or ([] if coverage.searched else ["the mailbox was not searched"])
    if handoff.in_doubt:
        reasons.append(f"whether it was ever taken is not known ({handoff.text})")
    return Placement(
        Verdict.UNREADABLE, searched=coverage.searched, unsearched=coverage.unsearched, reason="; ".join(reasons)
    )


def _told(coverage: Coverage) -> list[str]:
    return [f"{one.folder}: {one.reason}" if one.folder else one.reason for one in coverage.unsearched]


def _found(sightings: Sequence[Sighting], coverage: Coverage) -> Placement:
    there = [one for one in sightings if one.gone_at is None]
    ranked = sorted(there or sightings, key=lambda one: (_rank(one), one.at, one.folder, one.uid))
    best = ranked[0]
    verdict, folder, tab = _place(best)
    places = [name for one in ranked for name in _places(one)]
    first = min(sightings, key=lambda one: (one.at, _rank(one), one.folder, one.uid))
    return Placement(
        verdict,
        folder=folder,
        also_in=tuple(dict.fromkeys(name for name in places if name != folder)),
        sorted_by=best.sorted_by if verdict is Verdict.FOLDER else None,
        tab=tab,
        seen=any(flag.casefold() == "\\seen" for flag in best.flags),
        flags=best.flags,
        labels=best.labels,
        searched=coverage.searched,
        unsearched=coverage.unsearched,
        reason=_remark(best, first, moved=bool(there)),
        found_at=first.at,
    )


def _rank(one: Sighting) -> int:
    return _RANK[Role.INBOX if _in_gmail_inbox(one) else one.role]


def _in_gmail_inbox(one: Sighting) -> bool:
    return one.gmail and one.role is Role.ALL and any(label.casefold() == "\\inbox" for label in one.labels)


def _user_labels(one: Sighting) -> list[str]:
    return [label for label in one.labels if not label.startswith(_SYSTEM_LABEL)]


def _place(one: Sighting) -> tuple[Verdict, str, str | None]:
    """The verdict, the folder and the tab that one copy stands for."""
    tab = one.tab if one.tab != "primary" else None
    if _in_gmail_inbox(one) or one.role is Role.INBOX:
        folder = "INBOX" if one.role is Role.ALL else one.folder
        return (Verdict.TAB if tab else Verdict.INBOX), folder, tab
    if one.gmail and one.role is Role.ALL and (labels := _user_labels(one)):
        return Verdict.FOLDER, labels[0], None
    return _VERDICT.get(one.role, Verdict.FOLDER), one.folder, None


def _places(one: Sighting) -> list[str]:
    """Every mailbox that this copy shows in. A view of all mailboxes says nothing."""
    if not one.gmail:
        return [] if one.role is Role.ALL else [one.folder]
    _, folder, _ = _place(one)
    return [folder, *_user_labels(one)]


def _remark(best: Sighting, first: Sighting, *, moved: bool) -> str | None:
    if best.gone_at is not None:
        after = (best.gone_at - best.at).total_seconds()
        return f"gone again within {after:.0f} s: another program takes mail out of this mailbox"
    before, now = _place(first)[1], _place(best)[1]
    if moved and first.gone_at is not None and before != now:
        return f"first seen in {before}, then moved"
    if best.gmail and best.tab is None and _in_gmail_inbox(best):
        return "which tab shows it could not be learned"
    return None
