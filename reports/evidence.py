"""One seed, ready to be shown: its verdict in words, and the evidence that it rests on."""

from dataclasses import dataclass

from reports.proof import LINE, NAME, Grid, Places, Row, cut, facts, grids, handoff_rows, places, replies
from reports.sayings import Said, remarks, said
from reports.text import clip, lines
from reports.verdicts import Badge, badge
from reports.words import Words
from toolkit.model.placement import DELIVERED, Handoff, HandoffStatus, Placement, SeedReport, Verdict

_VALUE = 2_000  # characters shown of a header's value
_FIELDS = 60  # header fields shown of one seed


@dataclass(frozen=True, slots=True)
class SeedView:
    """A seed in words. Every string is fit to be shown, but not yet escaped."""

    anchor: str
    verdict: Verdict
    badge: Badge
    inbox: str
    provider: str
    provider_key: str
    stream: str
    route: str
    lane: str  # the stream, and by which route where the run has several
    path: str  # the lane and the inbox
    where: str  # the folder or the tab, empty where the verdict says it all
    notes: tuple[str, ...]  # already read, also in, sent twice perhaps: what stands beside the verdict
    time: str  # time to deliver, empty where it was not measured
    target: str  # whether the target was met; empty without one
    late: bool
    seen: bool
    reply: tuple[str, ...]  # the lines of the reply that decided; none where no server decided
    reasons: tuple[Said, ...]  # why it was judged so, as far as the reply does not say it
    by_owner: bool  # the mailbox has rules of its owner, and sorts for that reason
    by_provider: bool  # the provider itself fills the folder
    facts: tuple[Row, ...]
    handoff: tuple[Row, ...]
    replies: Grid | None
    places: Places
    grids: tuple[Grid, ...]  # authentication, filters, hops
    headers: tuple[tuple[str, str], ...]
    headers_more: str
    seconds: float | None
    deliver_within: float | None

    @property
    def found(self) -> bool:
        """Whether it was seen in its mailbox."""
        return self.verdict in DELIVERED

    @property
    def decided_by_reply(self) -> bool:
        """Whether the reply to the handover is what its verdict rests on."""
        return self.verdict in (Verdict.REFUSED, Verdict.UNSENT) and bool(self.reply)


def where(placement: Placement, words: Words) -> str:
    """The tab or the folder of a found seed, as the provider names it; empty where it says no more than the verdict."""
    if placement.verdict is Verdict.TAB and placement.tab:
        return clip(words.name("tab", placement.tab), NAME, words)
    if placement.verdict is Verdict.INBOX or not placement.folder:
        return ""
    if placement.folder.casefold() == words(f"verdict.{placement.verdict.value}").casefold():
        return ""
    return clip(placement.folder, NAME, words)


def _notes(seed: SeedReport, words: Words) -> tuple[str, ...]:
    placement = seed.placement
    notes = []
    if placement.seen:
        notes.append(words("note.seen"))
    if placement.also_in:
        names, more = cut(placement.also_in[:5], words)
        notes.append(words("note.also_in", places=words.listing(names)) + more)
    if placement.sorted_by == "provider":
        notes.append(words("note.by_provider"))
    if seed.handoff and seed.handoff.in_doubt:
        notes.append(words("note.in_doubt"))
    if seed.resumed:
        notes.append(words("note.resumed"))
    return tuple(notes)


def _is_late(seed: SeedReport) -> bool:
    took, within = seed.placement.seconds, seed.deliver_within
    return took is not None and within is not None and took > within


def _target(seed: SeedReport, words: Words) -> str:
    """Whether the target was met; where it was not, which one."""
    if seed.placement.seconds is None or seed.deliver_within is None:
        return ""
    return words("cell.late", target=words.duration(seed.deliver_within)) if _is_late(seed) else words("cell.in_time")


def _reasons(seed: SeedReport, words: Words) -> tuple[Said, ...]:
    """The reasons of the placement; for a seed that was never sent, also what went wrong without a reply."""
    handoff, reason = seed.handoff, seed.placement.reason
    made = remarks(seed.placement, _reply(handoff), words)
    if seed.placement.verdict is Verdict.UNSENT and handoff and handoff.code is None and handoff.text != reason:
        made += (said(handoff.text, words),)
    return made


def _reply(handoff: Handoff | None) -> str:
    """What the server said; a handover without a reply code has only our own words for what went wrong."""
    return handoff.text if handoff and handoff.code is not None else ""


def seed_view(seed: SeedReport, *, anchor: str, by_owner: bool, several_routes: bool, words: Words) -> SeedView:
    """The seed in words.

    `by_owner`: its mailbox has rules of its owner for our mail. `several_routes`: the run has, and so each seed names
    its own.
    """
    placement = seed.placement
    reply = _reply(seed.handoff)
    left = len(seed.headers) - _FIELDS
    stream, route, inbox = (clip(name, NAME, words) for name in (seed.stream, seed.route, seed.inbox))
    reasons = _reasons(seed, words)
    return SeedView(
        anchor=anchor,
        verdict=placement.verdict,
        badge=badge(placement.verdict, words),
        inbox=inbox,
        provider=clip(words.name("provider", seed.provider), NAME, words),
        provider_key=seed.provider,
        stream=stream,
        route=route,
        lane=words("path.lane", stream=stream, route=route) if several_routes else stream,
        path=words("path.via", stream=stream, inbox=inbox, route=route)
        if several_routes
        else words("path.to", stream=stream, inbox=inbox),
        where=where(placement, words),
        notes=_notes(seed, words),
        time="" if placement.seconds is None else words.took(placement.seconds),
        target=_target(seed, words),
        late=_is_late(seed),
        seen=placement.seen,
        reply=lines(reply, LINE, words) if reply else (),
        reasons=reasons,
        by_owner=by_owner,
        by_provider=placement.sorted_by == "provider",
        facts=facts(seed, reasons, words, late=_is_late(seed)),
        handoff=handoff_rows(seed.handoff, words),
        replies=replies(seed.handoff, words),
        places=places(placement, words),
        grids=grids(seed, words),
        headers=tuple(
            (clip(header.name, NAME, words), clip(header.value, _VALUE, words)) for header in seed.headers[:_FIELDS]
        ),
        headers_more=words.count("clip.items", left) if left > 0 else "",
        seconds=placement.seconds,
        deliver_within=seed.deliver_within,
    )


def accepted(seed: SeedReport) -> bool:
    """Whether the next server took the seed."""
    return seed.handoff is not None and seed.handoff.status is HandoffStatus.ACCEPTED
