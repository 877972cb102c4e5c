"""Figures with what they are held to, as a table for people and as values for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One figure. The ratio says how many times more the plain reader needs."""

    name: str
    unit: str
    ours: float
    plain: float | None = None
    at_most: float | None = None  # ours
    below: float | None = None  # ours
    ratio_at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        """Plain over ours; None where there is nothing to compare."""
        return self.plain / self.ours if self.plain is not None and self.ours else None

    @property
    def target(self) -> str:
        """What is to be reached; empty for what is told as information."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        if self.below is not None:
            return f"below {self.below:g}"
        return "" if self.ratio_at_least is None else f"{self.ratio_at_least:g} times"

    @property
    def reached(self) -> bool | None:
        """Whether it is; None where there is no target."""
        if self.at_most is not None:
            return self.ours <= self.at_most
        if self.below is not None:
            return self.ours < self.below
        return None if self.ratio_at_least is None else (self.ratio or 0) >= self.ratio_at_least

    def document(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ratio": self.ratio, "target": self.target, "reached": self.reached}

    def row(self) -> tuple[str, ...]:
        """Its line of the table."""
        plain = "" if self.plain is None else _number(self.plain)
        ratio = "" if self.ratio is None else f"{_number(self.ratio)}x"
        verdict = {True: "reached", False: "MISSED", None: ""}[self.reached]
        return f"{self.name} ({self.unit})", _number(self.ours), plain, ratio, self.target, verdict


def table(figures: Sequence[Figure]) -> str:
    """Aligned columns, a line for each figure."""
    rows = [("figure", "ours", "plain", "ratio", "target", ""), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        name, *rest = row
        numbers = [cell.rjust(width) for cell, width in zip(rest[:3], widths[1:4], strict=True)]
        words = [cell.ljust(width) for cell, width in zip(rest[3:], widths[4:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers, *words]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}"
