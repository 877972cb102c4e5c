"""The matrix of streams and inboxes: whichever there are more of goes down the page."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from reports.attention import group_key
from reports.evidence import SeedView
from reports.words import Words

_FOLD_FROM = 25
"""From how many rows on those without a finding are folded away."""


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """An inbox (or a stream) with one cell per column; a cell holds the seeds that took this way, usually one."""

    head: str
    cells: tuple[tuple[SeedView, ...], ...]

    @property
    def quiet(self) -> bool:
        """Whether nothing in this row needs a look."""
        return not any(group_key(seed) for cell in self.cells for seed in cell)


@dataclass(frozen=True, slots=True)
class Band:
    """Rows that belong together under a heading: the inboxes of a provider. Streams have none."""

    title: str
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """One route. `folded` holds the bands of quiet rows of a long matrix."""

    anchor: str
    route: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    bands: tuple[Band, ...]
    folded: tuple[Band, ...]
    folded_title: str


def _order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in the order in which they came."""
    return tuple(dict.fromkeys(names))


def _rows(
    seeds: Sequence[SeedView],
    heads: Sequence[str],
    columns: Sequence[str],
    place: Callable[[SeedView], tuple[str, str]],
) -> tuple[MatrixRow, ...]:
    cells: dict[tuple[str, str], list[SeedView]] = {}
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


def matrix(anchor: str, route: str, seeds: Sequence[SeedView], words: Words) -> Matrix:
    """The matrix of one route. `seeds` stand in the order in which they are to appear."""
    streams = _order(seed.stream for seed in seeds)
    inboxes = _order(seed.inbox for seed in seeds)
    inboxes_down = len(inboxes) >= len(streams)
    if inboxes_down:
        by_provider: dict[str, list[SeedView]] = {}
        for seed in seeds:
            by_provider.setdefault(seed.provider, []).append(seed)
        bands = tuple(
            Band(
                provider,
                _rows(members, _order(seed.inbox for seed in members), streams, lambda seed: (seed.inbox, seed.stream)),
            )
            for provider, members in by_provider.items()
        )
    else:
        bands = (Band("", _rows(seeds, streams, inboxes, lambda seed: (seed.stream, seed.inbox))),)
    shown, folded = _split(bands)
    quiet = sum(len(band.rows) for band in folded)
    return Matrix(
        anchor=anchor,
        route=route,
        caption=words("matrix.caption", route=route),
        corner=words("matrix.inbox" if inboxes_down else "matrix.stream"),
        columns=streams if inboxes_down else inboxes,
        bands=shown,
        folded=folded,
        folded_title=words.count("matrix.folded_inboxes" if inboxes_down else "matrix.folded_streams", quiet),
    )
