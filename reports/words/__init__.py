"""The words of the pages: one catalogue a language, and how that language writes numbers, times and lists.

A catalogue is a TOML file beside this module. A text is a string with `{placeholders}`, or a table with `one` and
`other` where it depends on a number `{n}`. Catalogues hold plain text; whoever prints it escapes it.
"""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, Literal, cast
from zoneinfo import ZoneInfo

Lang = Literal["de", "en"]
LANGS: Final[tuple[Lang, ...]] = ("de", "en")

Entry = str | Mapping[str, str]
_FORMS = frozenset({"one", "other"})
_NBSP = "\u00a0"
_UTC = frozenset({"Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu"})


class UnknownTextError(KeyError):
    """A page asked for a text that its catalogue does not have."""


def _flatten(table: Mapping[str, object], prefix: str, into: dict[str, Entry]) -> None:
    for name, value in table.items():
        key = prefix + name
        if isinstance(value, str):
            into[key] = value
        elif isinstance(value, dict) and value.keys() == _FORMS:
            into[key] = MappingProxyType(cast(dict[str, str], value))
        elif isinstance(value, dict):
            _flatten(value, f"{key}.", into)
        else:
            raise TypeError(f"{key}: a text is a string, or a table with one and other")


@cache
def catalogue(lang: Lang) -> Mapping[str, Entry]:
    """Every text of a language by its dotted key."""
    flat: dict[str, Entry] = {}
    _flatten(tomllib.loads(files(__name__).joinpath(f"{lang}.toml").read_text("utf-8")), "", flat)
    return MappingProxyType(flat)


class Words:
    """The texts of one language, times in one zone.

    `words("key", name=…)` is a text; `words.count("key", n, …)` a text that depends on a number.
    """

    def __init__(self, lang: Lang, timezone: ZoneInfo) -> None:
        self.lang: Final = lang
        self.timezone: Final = timezone
        self._texts = catalogue(lang)

    def _entry(self, key: str) -> Entry:
        try:
            return self._texts[key]
        except KeyError:
            raise UnknownTextError(f"{self.lang}: {key}") from None

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key`. Raises UnknownTextError, and KeyError for a placeholder without a value."""
        entry = self._entry(key)
        if not isinstance(entry, str):
            raise UnknownTextError(f"{self.lang}: {key} depends on a number")
        return entry.format_map(values)

    def count(self, key: str, n: int, **values: object) -> str:
        """The text under `key` for `n` things; `{n}` is the number as this language writes it."""
        entry = self._entry(key)
        if isinstance(entry, str):
            raise UnknownTextError(f"{self.lang}: {key} does not depend on a number")
        return entry["one" if n == 1 else "other"].format_map({"n": self.number(n), **values})

    def name(self, group: str, value: str) -> str:
        """What this language calls `value`; the value itself where the catalogue has no word for it."""
        entry = self._texts.get(f"{group}.{value}")
        return entry if isinstance(entry, str) else value

    def number(self, value: float, digits: int = 0) -> str:
        """A number with this language's separators: 1.048.576 or 1,048,576."""
        text = f"{value:,.{digits}f}"
        swap = str.maketrans(",.", self._separators())
        return text.translate(swap).replace("-", "\u2212")

    def _separators(self) -> str:
        return self("format.thousands") + self("format.decimal")

    def duration(self, seconds: float) -> str:
        """A span of time in at most two units: 0.4 s, 48 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
        if seconds < 0:
            return "\u2212" + self.duration(-seconds)
        if seconds < 9.95:  # below, a tenth still says something
            tenths = round(seconds, 1)
            return self.number(tenths, 0 if tenths == int(tenths) else 1) + _NBSP + self("unit.second")
        whole = round(seconds)
        for size, big, part, small in (
            (86_400, "unit.day", 3_600, "unit.hour"),
            (3_600, "unit.hour", 60, "unit.minute"),
            (60, "unit.minute", 1, "unit.second"),
        ):
            # Two full ones of the bigger unit, except that a round one is said as such: 90 s, but 1 min and 5 min.
            if whole >= 2 * size or (whole >= size and whole % size == 0):
                rest = whole % size // part
                text = self.number(whole // size) + _NBSP + self(big)
                return text + (f" {rest}{_NBSP}{self(small)}" if rest else "")
        return self.number(whole) + _NBSP + self("unit.second")

    def took(self, seconds: float) -> str:
        """A time to deliver. The stamps that it rests on tell whole seconds, so that less than one is said as that."""
        return self("format.less", time=self.duration(1)) if 0 <= seconds < 1 else self.duration(seconds)

    @property
    def zone(self) -> str:
        """The name of the zone that times are given in; UTC is called that, whatever the machine calls it."""
        name = self.timezone.key or str(self.timezone)
        return "UTC" if name in _UTC else name

    def moment(self, at: datetime) -> str:
        """A day and a time to the minute, for reading; the zone is named apart."""
        local = at.astimezone(self.timezone)
        month = self(f"month.m{local.month}")
        return self("format.moment", day=local.day, month=month, year=local.year, time=f"{local:%H:%M}")

    def day(self, at: datetime) -> date:
        """The day in the reader's zone."""
        return at.astimezone(self.timezone).date()

    def stamp(self, at: datetime, *, precise: bool = False, day: bool = True) -> str:
        """A time for comparing with a log: to the second, or to the millisecond; with its day, or without."""
        local = at.astimezone(self.timezone)
        time = f"{local:%H:%M:%S}"
        if precise:
            time += f"{self('format.decimal')}{local.microsecond // 1000:03d}"
        if not day:
            return time
        return self("format.stamp", year=f"{local:%Y}", month=f"{local:%m}", day=f"{local:%d}", time=time)

    def listing(self, parts: Iterable[str]) -> str:
        """Things in a row, as in a sentence: a, b and c."""
        items = list(parts)
        if len(items) < 2:
            return "".join(items)
        return self("format.and", left=", ".join(items[:-1]), right=items[-1])
