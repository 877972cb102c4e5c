"""The placements of a run in a terminal: the answer, and a table that fits.

Where every stream finds room beside the others, a matrix; else a line per message. Colour and NO_COLOR are the
console's to decide; whoever prints chooses the console.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from reports.attention import group_key
from reports.evidence import SeedView
from reports.placement import PlacementView, placement_view
from reports.words import Lang
from toolkit.model.placement import ProbeReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_COLOURS = {"good": "green", "aside": "blue", "bad": "red", "unknown": "magenta"}
_GAP = 2  # columns between two columns
_NAMES = 24  # cells that a name of an inbox, a stream or a route may take at most
_FLOOR = 10  # cells that it keeps when room is short
_PLACE = (21, 40)  # the least and the most cells of a placement
_REPLY = (18, 200)
_NOTE = 300  # characters of what else went wrong; the page has the whole


def _plain(text: str, console: "Console", style: str = "") -> "Text":
    """The text in what the console's encoding can carry; what it cannot becomes a question mark."""
    from rich.text import Text  # noqa: PLC0415 - rich costs 50 ms that `--help` need not pay

    return Text(text.encode(console.encoding, "replace").decode(console.encoding), style=style)


def _remarks(seed: SeedView, view: PlacementView) -> list[str]:
    return [view.words(f"terminal.{key}") for key in ("late", "seen") if getattr(seed, key)]


def _place(seed: SeedView, view: PlacementView, console: "Console", *further: str) -> "Text":
    """Sign and word in the verdict's colour, then the folder or tab and what else there is to say."""
    text = _plain(f"{seed.badge.symbol} {seed.badge.word}", console, _COLOURS[seed.badge.tone])
    rest = ", ".join(part for part in (seed.where, *further, *_remarks(seed, view)) if part)
    return text.append_text(_plain(f" {rest}" if rest else "", console, "default"))


def _explains(seed: SeedView) -> str:
    """The line that says most: why nobody could look or what came back, else the server's reply."""
    told = seed.verdict in (Verdict.UNREADABLE, Verdict.BOUNCED)
    return (seed.reason if told else "") or seed.reply or seed.reason


def _room(natural: Sequence[int], floors: Sequence[int], width: int) -> list[int]:
    """Widths of columns that fit together: the widest gives way first, and none below its floor while another can."""
    widths = list(natural)
    while sum(widths) + _GAP * (len(widths) - 1) > width:
        above = [place for place, floor in enumerate(floors) if widths[place] > floor]
        widest = max(above or range(len(widths)), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _table(
    heads: Sequence["Text"],
    rows: Sequence[Sequence["Text"]],
    widths: Sequence[int],
    console: "Console",
    right: int = -1,
) -> "Table":
    """A table of exactly these widths; what is longer ends in an ellipsis. Column `right` is flush right."""
    from rich import box  # noqa: PLC0415 - late, as above
    from rich.table import Table  # noqa: PLC0415 - late, as above

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    overflow: Literal["crop", "ellipsis"] = "crop" if console.options.ascii_only else "ellipsis"
    for place, (head, width) in enumerate(zip(heads, widths, strict=True)):
        table.add_column(
            head, width=width, no_wrap=True, overflow=overflow, justify="right" if place == right else "left"
        )
    for row in rows:
        table.add_row(*row)
    return table


def _natural(heads: Sequence["Text"], rows: Sequence[Sequence["Text"]]) -> list[int]:
    """The cells that each column would like to have."""
    return [
        max((part.cell_len for text in column for part in text.split("\n", allow_blank=True)), default=0)
        for column in zip(heads, *rows, strict=True)
    ]


def _matrix(view: PlacementView, console: "Console") -> "Table | None":
    """Inboxes down, streams across; None where that does not fit, or says no more than a list."""
    streams = tuple(dict.fromkeys(seed.stream for seed in view.seeds))
    if len(streams) < 2 or len(view.matrices) > 1:
        return None
    cells: dict[str, dict[str, list[SeedView]]] = {}
    for seed in view.seeds:
        cells.setdefault(seed.inbox, {}).setdefault(seed.stream, []).append(seed)
    heads = [_plain(name, console) for name in (view.words("terminal.inbox"), *streams)]
    rows = [
        [
            _plain(inbox, console),
            *(
                _plain("\n", console).join(_place(seed, view, console, seed.time) for seed in row.get(stream, ()))
                for stream in streams
            ),
        ]
        for inbox, row in cells.items()
    ]
    widths = _natural(heads, rows)
    fits = sum(widths) + _GAP * (len(widths) - 1) <= console.width
    return _table(heads, rows, widths, console) if fits else None


def _listing(seeds: Sequence[SeedView], view: PlacementView, console: "Console") -> "Table":
    """A line per message. Times keep their width; replies, placements and names give way in that order."""
    names = ["inbox", "stream", *(["route"] if len(view.matrices) > 1 else [])]
    heads = [_plain(view.words(f"terminal.{name}"), console) for name in (*names, "placement", "time", "reply")]
    rows = [
        [
            *(_plain(getattr(seed, name), console) for name in names),
            _place(seed, view, console),
            _plain(seed.time, console),
            _plain(_explains(seed), console),
        ]
        for seed in seeds
    ]
    natural = _natural(heads, rows)
    time = len(names) + 1
    most = [_NAMES] * len(names) + [_PLACE[1], natural[time], _REPLY[1]]
    least = [_FLOOR] * len(names) + [_PLACE[0], natural[time], _REPLY[0]]
    return _table(heads, rows, _room(list(map(min, natural, most)), least, console.width), console, right=time)


def print_view(view: PlacementView, console: "Console") -> None:
    """Print the answer and the table. No line is wider than the console, and no string of a stranger is markup."""

    def say(text: str, style: str = "") -> None:
        console.print(_plain(text, console, style), highlight=False)

    head = view.head
    table = _matrix(view, console)
    if view.seeds:
        console.print(table or _listing(view.seeds, view, console))
        console.print()
    look = [seed for seed in view.seeds if group_key(seed) not in (None, "by-owner")]
    if table and look:
        say(view.words("look.heading"), "bold")
        console.print(_listing(look, view, console))
        console.print()
    say(head.answer, "bold")
    for line in (head.range, head.attention, head.unjudged, head.by_owner, *(note[:_NOTE] for note in view.notes)):
        if line:
            say(line)


def print_placements(
    report: ProbeReport,
    console: "Console",
    *,
    lang: Lang = "en",
    timezone: ZoneInfo | None = None,
    rules_inboxes: "Collection[str]" = (),
) -> None:
    """Print where the seeds of a run landed.

    Args:
        report: the run.
        console: where to print. Its width is kept, whatever the names are.
        lang: of the words that are ours.
        timezone: of the few times that are shown; UTC where none is given.
        rules_inboxes: as in `placement_view`.
    """
    view = placement_view(
        report,
        timezone=timezone or ZoneInfo("UTC"),
        lang=lang,
        generated_at=datetime.now(UTC),
        rules_inboxes=rules_inboxes,
    )
    print_view(view, console)
