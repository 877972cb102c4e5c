"""The placements of a run in a terminal: a matrix that fits, what it cannot say, and the answer.

The matrix tells as much as the width allows: folder, tab and seconds beside each verdict, else sign and short word,
else the same in several blocks. Colour and NO_COLOR are the console's to decide; whoever prints chooses the console.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from reports.attention import Group
from reports.entries import Entry
from reports.evidence import SeedView
from reports.matrix import Head, Matrix
from reports.placement import PlacementView, placement_view
from reports.words import Lang
from toolkit.model.placement import ProbeReport, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_COLOURS = {"good": "green", "aside": "blue", "bad": "red", "unknown": "magenta"}
_SHORT = 12  # cells that a short verdict takes at most
_HEAD = 14  # cells that the name of an inbox keeps when room is short
_NAMES = 24  # cells that it may take at most
_FLOOR = 4  # cells that a column keeps whatever happens
_FULL = 60  # cells of a verdict with its folder and time
_LINES = 3  # lines that a group may have below the matrix
_CODE = re.compile(r"^\d{3}[ -]")  # that a reply repeats on each of its lines
_NOTE = 300  # characters of what else went wrong; the page has the whole


def _plain(text: str, console: "Console", style: str = "") -> "Text":
    """The text in what the console's encoding can carry; what it cannot becomes a question mark."""
    from rich.text import Text  # noqa: PLC0415 - rich costs 50 ms that `--help` need not pay

    return Text(text.encode(console.encoding, "replace").decode(console.encoding), style=style)


# -- the matrix -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    """Some columns of a matrix as they are printed. `full`: with folder, tab and seconds."""

    heads: tuple["Text", ...]
    rows: tuple[tuple["Text", ...], ...]
    widths: tuple[int, ...]
    gap: int
    full: bool


def _full_cell(seed: SeedView, view: PlacementView, console: "Console") -> "Text":
    """Sign and word in the verdict's colour, then the folder or tab, the time, and whether it is late or read."""
    text = _plain(f"{seed.badge.symbol} {seed.badge.word}", console, _COLOURS[seed.badge.tone])
    marks = [view.words(f"terminal.{key}") for key in ("late", "seen") if getattr(seed, key)]
    rest = ", ".join(part for part in (seed.where, seed.time, *marks) if part)
    return text.append_text(_plain(f" {rest}" if rest else "", console, "default"))


def _short_word(seed: SeedView, view: PlacementView) -> str:
    """The verdict in one short word: which tab where its name is short, and what is wrong with one in the inbox."""
    if seed.verdict is Verdict.TAB and _is_short(seed.where):
        return seed.where
    if seed.verdict is Verdict.INBOX and (seed.late or seed.seen):
        return view.words("short.late" if seed.late else "short.seen")
    return view.words(f"short.{seed.verdict.value}")


def _is_short(name: str) -> bool:
    from rich.cells import cell_len  # noqa: PLC0415 - late, as above

    return bool(name) and cell_len(name) <= _SHORT - 2


def _short_cell(seed: SeedView, view: PlacementView, console: "Console") -> "Text":
    return _plain(f"{seed.badge.symbol} {_short_word(seed, view)}", console, _COLOURS[seed.badge.tone])


def _natural(heads: Sequence["Text"], rows: Sequence[Sequence["Text"]]) -> list[int]:
    """The cells that each column would like to have."""
    return [
        max((part.cell_len for text in column for part in text.split("\n", allow_blank=True)), default=0)
        for column in zip(heads, *rows, strict=True)
    ]


def _head(head: Head, console: "Console") -> "Text":
    return _plain("\n", console).join(_plain(part, console) for part in (head.name, head.under) if part)


def _row_head(head: Head, console: "Console") -> "Text":
    return _plain(head.label, console)


def _block(
    matrix: Matrix, columns: Sequence[int], view: PlacementView, console: "Console", *, forced: bool = False
) -> _Block | None:
    """These columns in the richest form that fits; None where none does. `forced`: names give way until it fits."""
    heads = (_plain(matrix.corner, console), *(_head(matrix.columns[place], console) for place in columns))
    for full, first, most, gap in ((True, _NAMES, _FULL, 2), (False, _NAMES, _NAMES, 2), (False, _HEAD, _SHORT, 1)):
        cell = _full_cell if full else _short_cell
        rows = tuple(
            (
                _row_head(row.head, console),
                *(
                    _plain("\n", console).join(cell(seed, view, console) for seed in row.cells[place])
                    for place in columns
                ),
            )
            for row in matrix.rows
        )
        natural = _natural(heads, rows)
        widths = [min(natural[0], first), *(min(width, most) for width in natural[1:])]
        whole = all(width <= most for width in natural[1:])
        if sum(widths) + gap * (len(widths) - 1) <= console.width and (whole or not full):
            return _Block(heads, rows, tuple(widths), gap, full)
    if not forced:
        return None
    while sum(widths) + gap * (len(widths) - 1) > console.width and max(widths) > _FLOOR:
        widths[widths.index(max(widths))] -= 1
    return _Block(heads, rows, tuple(widths), gap, full=False)


def _blocks(matrix: Matrix, columns: Sequence[int], view: PlacementView, console: "Console") -> Iterator[_Block]:
    """The matrix in as few blocks as fit: by route first, then as many columns as go side by side."""
    made = _block(matrix, columns, view, console, forced=len(columns) == 1)
    if made:
        yield made
        return
    routes = [list(group) for _, group in groupby(sorted(columns, key=_route(matrix)), key=_route(matrix))]
    if len(routes) > 1:
        for part in routes:
            yield from _blocks(matrix, part, view, console)
        return
    size = next(
        size for size in range(len(columns) - 1, 0, -1) if size == 1 or _block(matrix, columns[:size], view, console)
    )
    yield from _blocks(matrix, columns[:size], view, console)
    yield from _blocks(matrix, columns[size:], view, console)


def _route(matrix: Matrix) -> Callable[[int], int]:
    order = list(dict.fromkeys(head.under for head in matrix.columns))
    return lambda place: order.index(matrix.columns[place].under)


def _table(block: _Block, console: "Console") -> "Table":
    """A table of exactly these widths; what is longer ends in an ellipsis."""
    from rich import box  # noqa: PLC0415 - late, as above
    from rich.table import Table  # noqa: PLC0415 - late, as above

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, block.gap - 1, 0, 0))
    for head, width in zip(block.heads, block.widths, strict=True):
        table.add_column(head, width=width, no_wrap=True, overflow=_overflow(console))
    for row in block.rows:
        table.add_row(*row)
    return table


def _overflow(console: "Console") -> Literal["crop", "ellipsis"]:
    return "crop" if console.options.ascii_only else "ellipsis"


# -- what the matrix cannot say ----------------------------------------------------------------------------------------


def _is_news(entry: Entry, group: Group, *, full: bool) -> bool:
    """Whether the entry tells more than the matrix does. `full`: the matrix tells folders, tabs and times."""
    first = entry.first
    if entry.reply or entry.reasons:
        return True
    if full:
        return False
    return group.key in ("late", "seen") or (
        bool(entry.where) and not (first.verdict is Verdict.TAB and _is_short(first.where))
    )


def _lines(entry: Entry, group: Group, view: PlacementView, console: "Console") -> Iterator["Text"]:
    """The entry on one line where that is enough, else on two: what it is about, and what was said."""
    first, *others = entry.reply or ("",)
    told = " ".join((first, *(_CODE.sub("", line) for line in others)))
    told = told or "; ".join(said.plain for said in entry.reasons)
    mark = _plain(f"{entry.badge.symbol} ", console, _COLOURS[entry.badge.tone])
    if group.key == "unreadable":  # the mailbox is what matters, not which messages nobody could look for
        yield mark + _plain(f"{entry.first.inbox}: {told}", console, "default")
        return
    label = entry.where or (view.words(f"short.{group.key}") if group.key in ("late", "seen") else entry.badge.word)
    about = mark + _plain(f"{label}  {entry.names}", console, "default")
    rest = _plain(told, console, "default")
    if not told:
        yield about
    elif about.cell_len + 2 + rest.cell_len <= console.width:
        yield about + _plain("  ", console) + rest
    else:
        yield about
        yield _plain("  ", console) + rest


def _list(view: PlacementView, console: "Console", *, full: bool, page: bool) -> Iterator["Text"]:
    """What is worth saying below the matrix, group by group, each cut after a few lines."""
    for group in view.groups:
        if group.key == "by-owner":
            continue
        news = [entry for entry in group.entries if _is_news(entry, group, full=full)]
        shown = news if len(news) == _LINES + 1 else news[:_LINES]
        for entry in shown:
            yield from _lines(entry, group, view, console)
        left = sum(len(entry.seeds) for entry in news[len(shown) :])
        if left:
            more = view.words.count("terminal.more", left, what=group.badge.word)
            yield _plain(f"  {more}{view.words('terminal.see_page') if page else ''}", console)


def _print_line(line: "Text", console: "Console") -> None:
    """On one line of the terminal, whatever its length."""
    console.print(line, highlight=False, no_wrap=True, overflow=_overflow(console), crop=True)


def _print_matrices(view: PlacementView, console: "Console") -> bool:
    """Print the matrices. Returns whether they tell folders, tabs and times."""
    full = True
    for matrix in view.matrices:
        if len(view.matrices) > 1:
            _print_line(_plain(matrix.caption, console, "bold"), console)
        if matrix.bands:
            for block in _blocks(matrix, range(len(matrix.columns)), view, console):
                console.print(_table(block, console))
                console.print()
                full = full and block.full
        if matrix.folded:
            console.print(_plain(matrix.folded_title, console), highlight=False)
            console.print()
    return full


def print_view(view: PlacementView, console: "Console", *, page: bool = True) -> None:
    """Print the matrix, what it cannot say, and the answer. `page`: there is a page that has the rest.

    No line is wider than the console, and no string of a stranger is markup.
    """
    full = _print_matrices(view, console)
    news = list(_list(view, console, full=full, page=page))
    if news:
        console.print(_plain(view.words("look.heading"), console, "bold"), highlight=False)
        for line in news:
            _print_line(line, console)
        console.print()
    head = view.head
    console.print(_plain(head.answer, console, "bold"), highlight=False)
    notes = (note.plain[:_NOTE] for note in view.notes)
    for text in (head.range, head.attention, head.unjudged, head.by_owner, *notes):
        if text:
            console.print(_plain(text, console), highlight=False)


def print_placements(
    report: ProbeReport,
    console: "Console",
    *,
    lang: Lang = "en",
    timezone: ZoneInfo | None = None,
    rules_inboxes: "Collection[str]" = (),
    page: bool = True,
) -> None:
    """Print where the seeds of a run landed.

    Args:
        report: the run.
        console: where to print. Its width is kept, whatever the names are.
        lang: of the words that are ours.
        timezone: of the few times that are shown; UTC where none is given.
        rules_inboxes: as in `placement_view`.
        page: whether a page is written too, which what is cut short refers to.
    """
    view = placement_view(
        report,
        timezone=timezone or ZoneInfo("UTC"),
        lang=lang,
        generated_at=datetime.now(UTC),
        rules_inboxes=rules_inboxes,
    )
    print_view(view, console, page=page)
