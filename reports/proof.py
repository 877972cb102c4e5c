"""The evidence of one seed as tables: the handover, the places that were searched, the headers that were written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from reports.sayings import Said, said
from reports.text import clip
from reports.words import Words
from toolkit.model.placement import Handoff, Placement, ReplyLine, SeedReport, Verdict

NAME = 120  # characters shown of a name: a folder, an address, a header's name
LINE = 600  # of a reply line, as long as two that RFC 5321 allows
_SUBJECT = 500
_MANY_LINES = 300  # of replies
_MANY = 100  # folders, labels, hops, symbols shown of one seed


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a two-column table. `code`: a name or a value to be compared letter by letter."""

    name: str
    value: str
    code: bool = False


Cell = str | tuple[str, ...]
"""A value, or the lines of one."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A small table of evidence. Columns in `code` hold raw text. `log`: the rows are what was said, in order."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    code: frozenset[int] = frozenset()
    log: bool = False
    more: str = ""  # what was left out


@dataclass(frozen=True, slots=True)
class Places:
    """Which mailboxes were looked into, and which could not be."""

    searched: tuple[str, ...]
    unsearched: tuple[tuple[str, Said], ...]  # place, reason
    more: str = ""


def cut(items: Sequence[str], words: Words) -> tuple[tuple[str, ...], str]:
    """At most so many items as a reader can use, each clipped, and a note on the rest."""
    left = len(items) - _MANY
    shown = tuple(clip(item, NAME, words) for item in items[:_MANY])
    return shown, words.count("clip.items", left) if left > 0 else ""


def facts(seed: SeedReport, reasons: Sequence[Said], words: Words, *, late: bool) -> tuple[Row, ...]:
    """What was seen of the seed. `reasons` are those of its placement, as `remarks` gives them."""
    placement = seed.placement
    rows = [
        Row(words("fact.subject"), clip(seed.subject, _SUBJECT, words)),
        Row(words("fact.message_id"), clip(f"<{seed.message_id}>", LINE, words), code=True),
        Row(words("fact.seed_id"), clip(seed.seed_id, NAME, words), code=True),
        Row(words("fact.address"), clip(seed.address, NAME * 3, words), code=True),
        Row(words("fact.route"), clip(seed.route, NAME, words)),
        Row(words("fact.created_at"), words.stamp(seed.created_at)),
    ]
    if placement.folder:
        rows.append(Row(words("fact.folder"), clip(placement.folder, LINE, words), code=True))
    if placement.tab:
        rows.append(Row(words("fact.tab"), clip(words.name("tab", placement.tab), NAME, words)))
    for key, items in (
        ("fact.also_in", placement.also_in),
        ("fact.flags", placement.flags),
        ("fact.labels", placement.labels),
    ):
        if items:
            names, more = cut(items, words)
            rows.append(Row(words(key), ", ".join(names) + more, code=True))
    if placement.found_at:
        rows.append(Row(words("fact.found_at"), words.stamp(placement.found_at)))
    if placement.seconds is not None:
        took = words.took(placement.seconds)
        if seed.deliver_within is not None:
            key = "cell.late" if late else "cell.in_time_full"
            took += ", " + words(key, target=words.duration(seed.deliver_within))
        rows.append(Row(words("fact.time"), took))
    if placement.verdict is Verdict.BOUNCED and placement.reason:
        rows.append(Row(words("fact.report"), clip(placement.reason, LINE, words), code=True))
    else:
        rows += _reasons(words("fact.reason"), reasons, words)
    return tuple(rows)


def _reasons(name: str, reasons: Iterable[Said], words: Words) -> list[Row]:
    rows = []
    for one in reasons:
        if one.text:
            rows.append(Row(name, one.text))
        if one.original:
            rows.append(Row(words("fact.original") if one.text or not one.line else name, one.original, code=True))
    return rows


def handoff_rows(handoff: Handoff | None, words: Words) -> tuple[Row, ...]:
    """How the seed was handed over; what went wrong, where no reply decided."""
    if handoff is None:
        return (Row(words("handoff.status"), words("handoff.never")),)
    rows = [
        Row(words("handoff.status"), words(f"handoff.{handoff.status.value}")),
        Row(words("handoff.remote"), clip(handoff.remote, LINE, words) or words("handoff.no_remote"), code=True),
        Row(words("handoff.at"), words.stamp(handoff.at)),
        Row(words("handoff.tls"), clip(_tls(handoff), NAME, words) or words("handoff.no_tls")),
    ]
    if handoff.attempts != 1:
        rows.append(Row(words("handoff.attempts"), words.number(handoff.attempts)))
    if handoff.in_doubt:
        rows.append(Row(words("handoff.doubt"), words("handoff.in_doubt")))
    if handoff.code is None and handoff.text:
        rows += _reasons(words("handoff.trouble"), (said(handoff.text, words),), words)
    return tuple(rows)


def _tls(handoff: Handoff) -> str:
    return ", ".join(part for part in (handoff.tls, handoff.cipher) if part)


def _moment(at: datetime | None, words: Words) -> str:
    return words.stamp(at) if at else words("hop.no_time")


def _grid(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[Cell, ...]],
    words: Words,
    code: frozenset[int] = frozenset(),
    *,
    log: bool = False,
) -> Grid | None:
    """The table, without the columns that say nothing in any row; None where there are no rows."""
    if not rows:
        return None
    left = len(rows) - _MANY
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    return Grid(
        words(title),
        tuple(words(columns[place]) for place in kept),
        tuple(tuple(row[place] for place in kept) for row in rows[:_MANY]),
        frozenset(at for at, place in enumerate(kept) if place in code),
        log,
        words.count("clip.items", left) if left > 0 else "",
    )


def replies(handoff: Handoff | None, words: Words) -> Grid | None:
    """Every reply of the next server with its lines, the time of each to the millisecond."""
    if handoff is None:
        return None
    days = {words.day(at) for at in (handoff.at, *(line.at for line in handoff.replies))}
    rows = [
        (
            words.stamp(reply[0].at, precise=True, day=len(days) > 1),
            clip(words.name("phase", reply[0].phase), NAME, words),
            tuple(clip(line.text, LINE, words) for line in reply),
        )
        for reply in _whole_replies(handoff.replies[:_MANY_LINES])
    ]
    columns = ("replies.at", "replies.phase", "replies.line")
    return _grid("replies.title", columns, rows, words, frozenset({2}), log=True)


def _whole_replies(heard: Sequence[ReplyLine]) -> list[list[ReplyLine]]:
    """The lines of each reply together: all but the last have a hyphen after the code (RFC 5321, section 4.2.1)."""
    made: list[list[ReplyLine]] = []
    goes_on = False
    for line in heard:
        if goes_on and made[-1][0].phase == line.phase:
            made[-1].append(line)
        else:
            made.append([line])
        goes_on = line.text[3:4] == "-"
    return made


def grids(seed: SeedReport, words: Words) -> tuple[Grid, ...]:
    """What the receiving side wrote into the message: authentication, filter verdicts, the way it took."""
    auth = [
        tuple(
            clip(part or "", NAME, words)
            for part in (item.method, item.result, item.domain, words.name("provider", item.by))
        )
        for item in seed.auth
    ]
    filters = [
        (
            clip(item.by, NAME, words),
            clip(words.name("filter.said", item.verdict), NAME, words),
            _score(item.score, item.required, words),
            ", ".join(clip(symbol, NAME, words) for symbol in item.symbols[:_MANY]),
        )
        for item in seed.filter
    ]
    hops = [
        (
            clip(hop.from_ or "", NAME, words),
            clip(hop.by or "", NAME, words),
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


def places(placement: Placement, words: Words) -> Places:
    """Where was looked, and where could not be."""
    searched, more = cut(placement.searched, words)
    unsearched = tuple(
        (clip(place.folder, NAME, words) or words("places.whole"), said(place.reason, words))
        for place in placement.unsearched[:_MANY]
    )
    return Places(searched, unsearched, more)
