"""One seed, ready to be shown: its verdict in words, and the evidence that it rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.text import clip, lines
from reports.words import Words
from toolkit.model.placement import DELIVERED, Handoff, HandoffStatus, Placement, SeedReport, Verdict

SYMBOLS = {
    Verdict.INBOX: "\N{CHECK MARK}",
    Verdict.TAB: "\N{SQUARE WITH HORIZONTAL FILL}",
    Verdict.SPAM: "!",
    Verdict.FOLDER: "\N{RIGHTWARDS ARROW}",
    Verdict.ARCHIVE: "\N{DOWNWARDS ARROW}",
    Verdict.TRASH: "\N{BLACK DOWN-POINTING TRIANGLE}",
    Verdict.REFUSED: "\N{MULTIPLICATION X}",
    Verdict.BOUNCED: "\N{LEFTWARDS ARROW}",
    Verdict.MISSING: "\N{WHITE CIRCLE}",
    Verdict.UNREADABLE: "?",
    Verdict.UNSENT: "\N{EN DASH}",
}
"""A sign of one cell width for each verdict; none that a phone would draw as a picture."""

TONES = {
    Verdict.INBOX: "good",
    Verdict.TAB: "aside",
    Verdict.FOLDER: "aside",
    Verdict.ARCHIVE: "aside",
    Verdict.SPAM: "bad",
    Verdict.TRASH: "bad",
    Verdict.REFUSED: "bad",
    Verdict.BOUNCED: "bad",
    Verdict.MISSING: "bad",
    Verdict.UNREADABLE: "unknown",
    Verdict.UNSENT: "unknown",
}
"""The colour family of each verdict: in the inbox, elsewhere but reachable, lost to the reader, not known."""

JUDGED = frozenset(Verdict) - {Verdict.UNREADABLE, Verdict.UNSENT}
"""The verdicts that say where a seed ended up."""

_NAME = 120  # characters shown of a name: a folder, an address, a header's name
_LINE = 600  # of a reply line, as long as two that RFC 5321 allows
_VALUE = 2_000  # of a header's value
_FIELDS = 60  # header fields shown of one seed
_MANY = 100  # folders, labels, hops, symbols shown of one seed


@dataclass(frozen=True, slots=True)
class Badge:
    """A verdict for people: sign, short word and colour family."""

    verdict: str
    symbol: str
    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a two-column table. `code`: a name or a value to be compared letter by letter."""

    name: str
    value: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table of evidence. Columns in `code` hold raw text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    code: frozenset[int] = frozenset()
    more: str = ""  # what was left out


@dataclass(frozen=True, slots=True)
class Places:
    """Which mailboxes were looked into, and which could not be."""

    searched: tuple[str, ...]
    unsearched: tuple[tuple[str, str], ...]  # place, reason
    more: str = ""


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
    where: str  # the folder or the tab, empty where the verdict says it all
    notes: tuple[str, ...]  # already read, also in, sent twice perhaps: what stands beside the verdict
    time: str  # time to deliver, empty where it was not measured
    target: str  # whether the target was met; empty without one
    late: bool
    seen: bool
    reply: str  # the deciding reply, on one line
    reason: str
    by_owner: bool  # the mailbox has rules of its owner, and sorts for that reason
    by_provider: bool  # the provider itself fills the folder
    facts: tuple[Row, ...]
    handoff: tuple[Row, ...]
    handoff_text: tuple[str, ...]  # the deciding reply, line by line
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


def badge(verdict: Verdict, words: Words) -> Badge:
    """The verdict for people."""
    return Badge(verdict.value, SYMBOLS[verdict], words(f"verdict.{verdict.value}"), TONES[verdict])


def where(placement: Placement, words: Words) -> str:
    """The tab or the folder of a found seed, as the provider names it; empty where there is none to name."""
    if placement.verdict is Verdict.TAB and placement.tab:
        return clip(words.name("tab", placement.tab), _NAME, words)
    if placement.verdict is Verdict.INBOX or not placement.folder:
        return ""
    return clip(placement.folder, _NAME, words)


def _cut(items: Sequence[str], words: Words) -> tuple[tuple[str, ...], str]:
    """At most `_MANY` items, each clipped, and a note on the rest."""
    left = len(items) - _MANY
    return tuple(clip(item, _NAME, words) for item in items[:_MANY]), words.count(
        "clip.items", left
    ) if left > 0 else ""


def _notes(seed: SeedReport, words: Words) -> tuple[str, ...]:
    placement = seed.placement
    notes = []
    if placement.seen:
        notes.append(words("note.seen"))
    if placement.also_in:
        names, more = _cut(placement.also_in[:5], words)
        notes.append(words("note.also_in", places=words.listing(names)) + more)
    if placement.sorted_by == "provider":
        notes.append(words("note.by_provider"))
    if seed.handoff and seed.handoff.in_doubt:
        notes.append(words("note.in_doubt"))
    if seed.resumed:
        notes.append(words("note.resumed"))
    return tuple(notes)


def _facts(seed: SeedReport, words: Words) -> tuple[Row, ...]:
    placement = seed.placement
    rows = [
        Row(words("fact.subject"), clip(seed.subject, _VALUE // 4, words)),
        Row(words("fact.message_id"), clip(f"<{seed.message_id}>", _LINE, words), code=True),
        Row(words("fact.seed_id"), clip(seed.seed_id, _NAME, words), code=True),
        Row(words("fact.address"), clip(seed.address, _NAME * 3, words), code=True),
        Row(words("fact.route"), clip(seed.route, _NAME, words)),
        Row(words("fact.created_at"), words.stamp(seed.created_at)),
    ]
    if placement.folder:
        rows.append(Row(words("fact.folder"), clip(placement.folder, _LINE, words), code=True))
    if placement.tab:
        rows.append(Row(words("fact.tab"), clip(words.name("tab", placement.tab), _NAME, words)))
    if placement.also_in:
        names, more = _cut(placement.also_in, words)
        rows.append(Row(words("fact.also_in"), ", ".join(names) + more, code=True))
    for key, items in (("fact.flags", placement.flags), ("fact.labels", placement.labels)):
        if items:
            names, more = _cut(items, words)
            rows.append(Row(words(key), ", ".join(names) + more, code=True))
    if placement.found_at:
        rows.append(Row(words("fact.found_at"), words.stamp(placement.found_at)))
    if placement.seconds is not None:
        took = words.duration(placement.seconds)
        if seed.deliver_within is not None:
            key = "cell.late" if _is_late(seed) else "cell.in_time_full"
            took += ", " + words(key, target=words.duration(seed.deliver_within))
        rows.append(Row(words("fact.time"), took))
    if placement.reason:
        rows.append(Row(words("fact.reason"), _reason(placement.reason, words)))
    return tuple(rows)


def _reason(reason: str, words: Words) -> str:
    return clip(words.name("reason", reason), _LINE, words)


def _handoff(handoff: Handoff | None, words: Words) -> tuple[Row, ...]:
    if handoff is None:
        return (Row(words("handoff.status"), words("handoff.never")),)
    rows = [
        Row(words("handoff.status"), words(f"handoff.{handoff.status.value}")),
        Row(words("handoff.remote"), clip(handoff.remote, _LINE, words) or words("handoff.no_remote"), code=True),
        Row(words("handoff.at"), words.stamp(handoff.at)),
        Row(words("handoff.tls"), clip(_tls(handoff), _NAME, words) or words("handoff.no_tls")),
    ]
    if handoff.attempts != 1:
        rows.append(Row(words("handoff.attempts"), words.number(handoff.attempts)))
    if handoff.in_doubt:
        rows.append(Row(words("handoff.doubt"), words("handoff.in_doubt")))
    return tuple(rows)


def _tls(handoff: Handoff) -> str:
    return ", ".join(part for part in (handoff.tls, handoff.cipher) if part)


def _moment(at: datetime | None, words: Words) -> str:
    return words.stamp(at) if at else words("hop.no_time")


def _grid(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    words: Words,
    code: frozenset[int] = frozenset(),
) -> Grid | None:
    if not rows:
        return None
    left = len(rows) - _MANY
    more = words.count("clip.items", left) if left > 0 else ""
    return Grid(words(title), tuple(words(column) for column in columns), tuple(rows[:_MANY]), code, more)


def _replies(handoff: Handoff | None, words: Words) -> Grid | None:
    if handoff is None:
        return None
    days = {words.day(at) for at in (handoff.at, *(line.at for line in handoff.replies))}
    rows = [
        (
            words.stamp(line.at, precise=True, day=len(days) > 1),
            clip(words.name("phase", line.phase), _NAME, words),
            clip(line.text, _LINE, words),
        )
        for line in handoff.replies[: _MANY + 1]
    ]
    return _grid("replies.title", ("replies.at", "replies.phase", "replies.line"), rows, words, frozenset({2}))


def _grids(seed: SeedReport, words: Words) -> tuple[Grid, ...]:
    auth = [
        tuple(clip(part or "", _NAME, words) for part in (item.method, item.result, item.domain, item.by))
        for item in seed.auth
    ]
    filters = [
        (
            clip(item.by, _NAME, words),
            clip(words.name("filter.said", item.verdict), _NAME, words),
            _score(item.score, item.required, words),
            ", ".join(clip(symbol, _NAME, words) for symbol in item.symbols[:_MANY]),
        )
        for item in seed.filter
    ]
    hops = [
        (
            clip(hop.from_ or "", _NAME, words),
            clip(hop.by or "", _NAME, words),
            _moment(hop.at, words),
            "" if hop.seconds is None else words.duration(hop.seconds),
        )
        for hop in seed.hops
    ]
    made = (
        _grid("auth.title", ("auth.method", "auth.result", "auth.domain", "auth.by"), auth, words),
        _grid("filter.title", ("filter.by", "filter.verdict", "filter.score", "filter.symbols"), filters, words),
        _grid("hop.title", ("hop.from", "hop.by", "hop.at", "hop.delay"), hops, words, frozenset({0, 1})),
    )
    return tuple(grid for grid in made if grid)


def _score(score: float | None, required: float | None, words: Words) -> str:
    if score is None:
        return ""
    if required is None:
        return words.number(score, 1)
    return words("filter.of", score=words.number(score, 1), required=words.number(required, 1))


def _places(placement: Placement, words: Words) -> Places:
    searched, more = _cut(placement.searched, words)
    unsearched = tuple(
        (clip(place.folder, _NAME, words) or words("places.whole"), _reason(place.reason, words))
        for place in placement.unsearched[:_MANY]
    )
    return Places(searched, unsearched, more)


def _is_late(seed: SeedReport) -> bool:
    took, within = seed.placement.seconds, seed.deliver_within
    return took is not None and within is not None and took > within


def _target(seed: SeedReport, words: Words) -> str:
    """Whether the target was met; where it was not, which one."""
    if seed.placement.seconds is None or seed.deliver_within is None:
        return ""
    return words("cell.late", target=words.duration(seed.deliver_within)) if _is_late(seed) else words("cell.in_time")


def _reply(handoff: Handoff | None) -> str:
    """The reply that decided, its lines joined; "refused" replies say it in their first line."""
    return " ".join(handoff.text.split("\n")) if handoff else ""


def seed_view(seed: SeedReport, *, anchor: str, by_owner: bool, words: Words) -> SeedView:
    """The seed in words. `by_owner`: its mailbox has rules of its owner for our mail."""
    placement, handoff = seed.placement, seed.handoff
    left = len(seed.headers) - _FIELDS
    return SeedView(
        anchor=anchor,
        verdict=placement.verdict,
        badge=badge(placement.verdict, words),
        inbox=clip(seed.inbox, _NAME, words),
        provider=clip(words.name("provider", seed.provider), _NAME, words),
        provider_key=seed.provider,
        stream=clip(seed.stream, _NAME, words),
        route=clip(seed.route, _NAME, words),
        where=where(placement, words),
        notes=_notes(seed, words),
        time="" if placement.seconds is None else words.duration(placement.seconds),
        target=_target(seed, words),
        late=_is_late(seed),
        seen=placement.seen,
        reply=clip(_reply(handoff), _LINE, words),
        reason=_reason(placement.reason, words) if placement.reason else "",
        by_owner=by_owner,
        by_provider=placement.sorted_by == "provider",
        facts=_facts(seed, words),
        handoff=_handoff(handoff, words),
        handoff_text=lines(handoff.text, _LINE, words) if handoff and handoff.text else (),
        replies=_replies(handoff, words),
        places=_places(placement, words),
        grids=_grids(seed, words),
        headers=tuple(
            (clip(header.name, _NAME, words), clip(header.value, _VALUE, words)) for header in seed.headers[:_FIELDS]
        ),
        headers_more=words.count("clip.items", left) if left > 0 else "",
        seconds=placement.seconds,
        deliver_within=seed.deliver_within,
    )


def accepted(seed: SeedReport) -> bool:
    """Whether the next server took the seed."""
    return seed.handoff is not None and seed.handoff.status is HandoffStatus.ACCEPTED
