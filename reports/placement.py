"""What the placement page shows: where the seeds of one run landed, in the order in which a reader asks.

The page says where seeds landed, never why: that is the diagnosis' work.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from reports.attention import Group, group_key, groups
from reports.evidence import SeedView, accepted, seed_view
from reports.matrix import Matrix, matrices
from reports.proof import Row
from reports.sayings import Said, said
from reports.shares import Share, Times, share_text, times
from reports.text import clip
from reports.verdicts import JUDGED, Badge, badge
from reports.words import Lang, Words
from toolkit.model.placement import ProbeReport, SeedReport, Verdict

_FIRST = 3
"""How many groups the answer names; all of them stand below it."""


_NO_PROVIDER = "generic"
"""What a mailbox's provider is called that is none of the known ones."""


@dataclass(frozen=True, slots=True)
class Chip:
    """How many seeds met one verdict; `anchor` is where the page lists them."""

    badge: Badge
    count: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Head:
    """The answer: one sentence, its sample, what needs a look, and what nobody could judge."""

    answer: str
    range: str
    share: Share
    attention: str
    unjudged: str
    by_owner: str
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class ShareRow:
    """The share of a provider or a stream that is in the inbox, and where the others are."""

    name: str
    share: Share
    sample: str
    range: str
    elsewhere: tuple[Chip, ...]
    unjudged: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class TimeRow:
    """How quickly a stream arrives. `dots` are positions in per cent of `axis`, which starts at zero."""

    name: str
    timed: str
    median: str
    slowest: str
    target: str
    in_time: str
    all_in_time: bool
    not_found: str
    axis: str
    dots: tuple[float, ...]
    mark: float | None  # the target's position, where there is exactly one


@dataclass(frozen=True, slots=True)
class PlacementView:
    """All that the page and the terminal show of one run. Strings are fit to be shown, but not yet escaped."""

    words: Words
    title: str
    sender_name: str
    subtitle: str
    printed: str  # the header line of a printed page
    generated: str
    head: Head
    groups: tuple[Group, ...]
    matrices: tuple[Matrix, ...]
    providers: tuple[ShareRow, ...]
    streams: tuple[ShareRow, ...]
    times: tuple[TimeRow, ...]
    seeds: tuple[SeedView, ...]
    numbers: tuple[Row, ...]
    notes: tuple[Said, ...]
    legend: tuple[tuple[Badge, str], ...]


def _chips(seeds: Iterable[SeedView], words: Words) -> tuple[Chip, ...]:
    """The verdicts of these seeds in the order of `Verdict`, with how many there are of each."""
    seeds = tuple(seeds)
    counted = Counter(seed.verdict for seed in seeds)
    where = {seed.verdict: group_key(seed) for seed in seeds}
    return tuple(
        Chip(
            badge(verdict, words),
            counted[verdict],
            words.number(counted[verdict]),
            f"look-{where[verdict]}" if verdict is not Verdict.INBOX and where[verdict] else "matrix",
        )
        for verdict in Verdict
        if counted[verdict]
    )


def _is_judged(seed: SeedView) -> bool:
    return seed.verdict in JUDGED


def _in_inbox(seeds: Sequence[SeedView]) -> Share:
    judged = [seed for seed in seeds if _is_judged(seed)]
    return Share(sum(seed.verdict is Verdict.INBOX for seed in judged), len(judged))


def _head(seeds: Sequence[SeedView], made: Sequence[Group], words: Words) -> Head:
    counted = [seed for seed in seeds if not seed.by_owner]
    owned = [seed for seed in seeds if seed.by_owner]
    share = _in_inbox(counted)
    if share.of:
        hits = words.number(share.hits)
        answer = words.count("head.all" if share.hits == share.of else "head.answer", share.of, hits=hits)
    else:
        answer = words("head.none" if seeds else "head.empty")
    look = [group for group in made if group.judged and group.key != "by-owner"]
    first = words.listing(words.count(f"group.{group.key}.short", group.size) for group in look[:_FIRST])
    every = sum(group.size for group in look)
    blind = [chip for chip in _chips(seeds, words) if chip.badge.tone == "unknown"]
    return Head(
        answer=answer,
        range=words("head.range", range=share_text(share, words)[1]) if share.of else "",
        share=share,
        attention=words.count("head.attention_first" if look[_FIRST:] else "head.attention", every, what=first)
        if look
        else "",
        unjudged=words(
            "head.unjudged",
            what=words.listing(words.count(f"group.{chip.badge.verdict}.short", chip.count) for chip in blind),
        )
        if blind
        else "",
        by_owner=words.count("head.by_owner", len(owned)) if owned else "",
        chips=_chips(counted, words),
    )


def _share_rows(named: Iterable[tuple[str, SeedView]], words: Words) -> tuple[ShareRow, ...]:
    members: dict[str, list[SeedView]] = {}
    for name, seed in named:
        members.setdefault(name, []).append(seed)
    rows = []
    for name, seeds in members.items():
        share = _in_inbox(seeds)
        rows.append(
            ShareRow(
                name,
                share,
                *share_text(share, words),
                _chips((seed for seed in seeds if _is_judged(seed) and seed.verdict is not Verdict.INBOX), words),
                _chips((seed for seed in seeds if not _is_judged(seed)), words),
            )
        )
    return tuple(rows)


def _targets(measured: Times, words: Words) -> str:
    spans = [words.duration(target) for target in measured.targets]
    if not spans:
        return words("times.no_target")
    return spans[0] if len(spans) == 1 else words("times.targets", low=spans[0], high=spans[-1])


def _time_row(name: str, seeds: Sequence[SeedView], words: Words) -> TimeRow:
    measured = times((seed.seconds, seed.deliver_within) for seed in seeds if seed.seconds is not None)
    longest = max((*measured.seconds, *measured.targets), default=0.0) or 1.0
    not_found = sum(seed.verdict in (Verdict.MISSING, Verdict.BOUNCED, Verdict.REFUSED) for seed in seeds)
    return TimeRow(
        name=name,
        timed=words.number(len(measured.seconds)),
        median="" if measured.median is None else words.took(measured.median),
        slowest="" if measured.slowest is None else words("times.slowest", time=words.took(measured.slowest)),
        target=words("times.target", target=_targets(measured, words)),
        in_time=words.count("times.in_time", measured.measured_against, hits=words.number(measured.in_time))
        if measured.measured_against
        else "",
        all_in_time=measured.in_time == measured.measured_against,
        not_found=words.count("times.not_found", not_found) if not_found else "",
        axis=words.duration(longest) if measured.seconds else "",
        dots=tuple(round(100 * took / longest, 2) for took in measured.seconds),
        mark=round(100 * measured.targets[0] / longest, 2) if len(measured.targets) == 1 else None,
    )


def _numbers(report: ProbeReport, words: Words) -> tuple[Row, ...]:
    seeds = report.seeds
    verdicts = Counter(seed.placement.verdict for seed in seeds)
    counts = {
        "seeds": len(seeds),
        "accepted": sum(accepted(seed) for seed in seeds),
        "refused": verdicts[Verdict.REFUSED],
        "unsent": verdicts[Verdict.UNSENT],
        "read": sum(count for verdict, count in verdicts.items() if verdict in JUDGED),
        "unreadable": verdicts[Verdict.UNREADABLE],
        "resumed": sum(seed.resumed for seed in seeds),
        "in_doubt": sum(seed.handoff is not None and seed.handoff.in_doubt for seed in seeds),
    }
    took = (report.finished_at - report.started_at).total_seconds()
    return (
        *(Row(words(f"numbers.{key}"), words.number(count)) for key, count in counts.items()),
        Row(words("numbers.started"), words.stamp(report.started_at)),
        Row(words("numbers.finished"), words.stamp(report.finished_at)),
        Row(words("numbers.took"), words.duration(took)),
        Row(words("numbers.run"), clip(report.run_id, 120, words), code=True),
    )


def _in_order(seeds: Iterable[SeedReport], words: Words) -> list[SeedReport]:
    """Inboxes of a provider together, in the order of names, those of no known one last; streams as they came."""
    seeds = list(seeds)
    streams = {name: place for place, name in enumerate(dict.fromkeys(seed.stream for seed in seeds))}
    return sorted(
        seeds,
        key=lambda seed: (
            seed.provider == _NO_PROVIDER,
            words.name("provider", seed.provider).casefold(),
            seed.inbox.casefold(),
            streams[seed.stream],
            seed.route,
            seed.created_at,
        ),
    )


def placement_view(
    report: ProbeReport,
    *,
    title: str = "",
    sender_name: str = "",
    timezone: ZoneInfo,
    lang: Lang,
    generated_at: datetime,
    rules_inboxes: Collection[str] = (),
) -> PlacementView:
    """What there is to show of one run.

    Args:
        report: the run.
        title: the page's heading; left out, the catalogue's.
        sender_name: whose report it is.
        timezone: the reader's; every time on the page is in it.
        lang: of every word that is ours; what a server said stays as it said it.
        generated_at: when the page is made, with its zone.
        rules_inboxes: names of inboxes whose owner has rules for our mail (`role = "rules"`). They show what rules
            do, and are left out of the shares.
    """
    words = Words(lang, timezone)
    several_routes = len({seed.route for seed in report.seeds}) > 1
    seeds = tuple(
        seed_view(
            seed,
            anchor=f"seed-{number}",
            by_owner=seed.inbox in rules_inboxes,
            several_routes=several_routes,
            words=words,
        )
        for number, seed in enumerate(_in_order(report.seeds, words), 1)
    )
    made = groups(seeds, words)
    counted = [seed for seed in seeds if not seed.by_owner]
    by_stream: dict[str, list[SeedView]] = {}
    for seed in sorted(seeds, key=lambda seed: seed.stream.casefold()):
        by_stream.setdefault(seed.stream, []).append(seed)
    heading = clip(title, 200, words) or words("page.title")
    sender = clip(sender_name, 200, words)
    ended = words.moment(report.finished_at)
    return PlacementView(
        words=words,
        title=heading,
        sender_name=sender,
        subtitle=words("page.subtitle", when=ended, zone=words.zone),
        printed=" \N{MIDDLE DOT} ".join(part for part in (sender, heading, ended) if part),
        generated=words("page.generated", when=words.moment(generated_at), zone=words.zone),
        head=_head(seeds, made, words),
        groups=made,
        matrices=matrices(seeds, words),
        providers=_share_rows(((seed.provider, seed) for seed in counted), words),
        streams=_share_rows(
            ((name, seed) for name, mine in by_stream.items() for seed in mine if not seed.by_owner), words
        ),
        times=tuple(_time_row(name, mine, words) for name, mine in by_stream.items()),
        seeds=seeds,
        numbers=_numbers(report, words),
        notes=tuple(said(note, words) for note in report.notes[:100]),
        legend=tuple((badge(verdict, words), words(f"legend.{verdict.value}")) for verdict in Verdict),
    )
