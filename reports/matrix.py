"""The matrix of mails and inboxes: whichever there are more of goes down the page.

A mail is a stream; where the run has several routes, it is a stream on one of them. As long as the columns fit side by
side, one table holds all routes, so that they can be compared; beyond that, each route has its own.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reports.attention import group_key
from reports.evidence import SeedView
from reports.words import Words

_FOLD_FROM = 25
"""From how many rows on those without a finding are folded away."""

_TOGETHER = 6
"""How many columns one table of several routes may have."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands over a column, or before a row: a name, and under it the route where that is needed."""

    name: str
    under: str = ""

    @property
    def label(self) -> str:
        """On one line."""
        return f"{self.name} {self.under}".rstrip()


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """An inbox (or a mail) with one cell per column; a cell holds the seeds that took this way, usually one."""

    head: Head
    cells: tuple[tuple[SeedView, ...], ...]

    @property
    def quiet(self) -> bool:
        """Whether nothing in this row needs a look."""
        return not any(group_key(seed) for cell in self.cells for seed in cell)


@dataclass(frozen=True, slots=True)
class Band:
    """Rows that belong together under a heading: the inboxes of a provider. Mails have none."""

    title: str
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """One table. `folded` holds the bands of quiet rows of a long one."""

    anchor: str
    caption: str
    corner: str
    columns: tuple[Head, ...]
    bands: tuple[Band, ...]
    folded: tuple[Band, ...]
    folded_title: str

    @property
    def rows(self) -> tuple[MatrixRow, ...]:
        """The rows that stand open."""
        return tuple(row for band in self.bands for row in band.rows)


def _rows(
    seeds: Sequence[SeedView],
    heads: Sequence[Head],
    columns: Sequence[Head],
    place: Callable[[SeedView], tuple[Head, Head]],
) -> tuple[MatrixRow, ...]:
    cells: dict[tuple[Head, Head], list[SeedView]] = {}
    for seed in seeds:
        cells.setdefault(place(seed), []).append(seed)
    return tuple(MatrixRow(head, tuple(tuple(cells.get((head, column), ())) for column in columns)) for head in heads)


def _split(bands: tuple[Band, ...]) -> tuple[tuple[Band, ...], tuple[Band, ...]]:
    """The bands with what needs a look, and those with the quiet rows of a long matrix."""
    if sum(len(band.rows) for band in bands) < _FOLD_FROM:
        return bands, ()

    def only(quiet: bool) -> tuple[Band, ...]:
        kept = (Band(band.title, tuple(row for row in band.rows if row.quiet is quiet)) for band in bands)
        return tuple(band for band in kept if band.rows)

    return only(quiet=False), only(quiet=True)


def _order(heads: Iterable[Head]) -> tuple[Head, ...]:
    """Each once, in the order in which they came."""
    return tuple(dict.fromkeys(heads))


def _inbox(seed: SeedView) -> Head:
    return Head(seed.inbox)


def matrices(seeds: Sequence[SeedView], words: Words) -> tuple[Matrix, ...]:
    """The tables of a run. `seeds` stand in the order in which they are to appear."""
    routes = tuple(dict.fromkeys(seed.route for seed in seeds))
    lanes = {(seed.stream, seed.route) for seed in seeds}
    if not seeds:
        return ()
    if len(routes) > 1 and len(lanes) <= _TOGETHER:
        under = {route: words("matrix.by_way_of", route=route) for route in routes}
        caption = words("matrix.caption_all", routes=words.listing(routes))
        return (_matrix("matrix-1", caption, seeds, lambda seed: Head(seed.stream, under[seed.route]), words),)
    return tuple(
        _matrix(
            f"matrix-{number}",
            words("matrix.caption", route=route),
            [seed for seed in seeds if seed.route == route],
            lambda seed: Head(seed.stream),
            words,
        )
        for number, route in enumerate(routes, 1)
    )


def _matrix(
    anchor: str, caption: str, seeds: Sequence[SeedView], mail: Callable[[SeedView], Head], words: Words
) -> Matrix:
    mails, inboxes = _order(map(mail, seeds)), _order(map(_inbox, seeds))
    inboxes_down = len(inboxes) >= len(mails)
    if inboxes_down:
        by_provider: dict[str, list[SeedView]] = {}
        for seed in seeds:
            by_provider.setdefault(seed.provider, []).append(seed)
        bands = tuple(
            Band(
                provider,
                _rows(members, _order(map(_inbox, members)), mails, lambda seed: (_inbox(seed), mail(seed))),
            )
            for provider, members in by_provider.items()
        )
    else:
        bands = (Band("", _rows(seeds, mails, inboxes, lambda seed: (mail(seed), _inbox(seed)))),)
    shown, folded = _split(bands)
    quiet = sum(len(band.rows) for band in folded)
    return Matrix(
        anchor=anchor,
        caption=caption,
        corner=words("matrix.inbox" if inboxes_down else "matrix.stream"),
        columns=mails if inboxes_down else inboxes,
        bands=shown,
        folded=folded,
        folded_title=words.count("matrix.folded_inboxes" if inboxes_down else "matrix.folded_streams", quiet),
    )
