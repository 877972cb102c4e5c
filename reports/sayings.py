"""What the collectors said in English, in the reader's language; what they passed on from a server, as it came.

The English catalogue's texts under `said` are the collectors' own sentences, and serve as patterns: what stands in a
placeholder is carried over into the other language's text. A sentence that none of them fits is nobody's to
translate, and stays marked as the original.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from string import Formatter

from reports.text import clip
from reports.words import Words, catalogue
from toolkit.model.placement import Placement

_LONGEST = 2_000  # characters; no sentence of ours is longer, and a stranger's need not be matched
_LINE = 600
_SOLID = frozenset({"where", "host"})  # placeholders that hold no space
_GROUP = "said."
_PASSED_ON = re.compile(r"\d{3}(?:[ -]|$)|\d\.\d{1,3}\.\d{1,3} ")
_STATUS = re.compile(r"(\d\.\d{1,3}\.\d{1,3}) (?=\S)")


@dataclass(frozen=True, slots=True)
class Said:
    """A remark. `text` is in the reader's language, empty where nobody translated it; `original` is what came.

    `original` is empty where `text` repeats it word for word. `line`: it is a server's own line.
    """

    text: str
    original: str = ""
    line: bool = False

    @property
    def plain(self) -> str:
        """On one line, whatever language it is in."""
        return " ".join((self.text or self.original).split())


def _pattern(template: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in Formatter().parse(template):
        parts.append(re.escape(literal))
        if name:
            parts.append(rf"(?P<{name}>\S+)" if name in _SOLID else f"(?P<{name}>.+?)")
    return re.compile("".join(parts), re.DOTALL)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (key, _pattern(entry))
        for key, entry in catalogue("en").items()
        if key.startswith(_GROUP) and isinstance(entry, str)
    )


@lru_cache(maxsize=4096)
def _recognised(text: str) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    if len(text) > _LONGEST:
        return None
    for key, pattern in _patterns():
        if match := pattern.fullmatch(text):
            return key, tuple(match.groupdict().items())
    return None


def _translated(text: str, words: Words, depth: int = 2) -> str:
    """The sentence in the reader's language; empty where it is not one of ours."""
    found = _recognised(text)
    if found is None:
        return ""
    key, values = found
    return words(
        key,
        **{
            name: (_translated(value, words, depth - 1) if name == "inner" and depth else "")
            or clip(value, _LINE, words)
            for name, value in values
        },
    )


def said(text: str, words: Words) -> Said:
    """A remark of a collector, or a server's words that it passed on."""
    original = clip(text, _LINE, words)
    known = words.name("reason", text)
    translated = clip(known, _LINE, words) if known != text else _translated(text, words)
    if not translated:
        return Said("", original, line=_PASSED_ON.match(text) is not None)
    return Said(translated, "" if translated == original else original)


def _folded(text: str) -> str:
    return " ".join(text.split())


def _without_status(text: str) -> str:
    """A report's words without the status before them, where they say it again or it says no more than "other"."""
    match = _STATUS.match(text)
    if match is None:
        return text
    rest = text[match.end() :]
    return rest if match[1] in rest or (match[1].endswith(".0.0") and _PASSED_ON.match(rest)) else text


def remarks(placement: Placement, reply: str, words: Words) -> tuple[Said, ...]:
    """Why a seed was judged as it was, each reason once, and none that `reply` says already.

    Places that could not be searched for the same reason are named together.
    """
    reason = placement.reason or ""
    told = "; ".join(f"{one.folder}: {one.reason}" if one.folder else one.reason for one in placement.unsearched)
    made: list[Said] = []
    if told and reason.startswith(told):
        reason = reason[len(told) :].removeprefix("; ")
        places: dict[str, list[str]] = {}
        for one in placement.unsearched:
            places.setdefault(one.reason, []).append(one.folder)
        made = [_of_places(names, said(why, words), words) for why, names in places.items()]
    if reason and _folded(reason) not in _folded(reply):
        made.append(said(_without_status(reason), words))
    return tuple(made)


def _of_places(names: list[str], why: Said, words: Words) -> Said:
    if not any(names):
        return why
    shown = [clip(name, 120, words) if name else words("places.whole") for name in names[:5]]
    more = words.count("clip.items", len(names) - 5) if len(names) > 5 else ""
    place = ", ".join(shown) + more
    if why.text:
        return Said(words("places.why", place=place, reason=why.text), why.original)
    return Said("", words("places.why", place=place, reason=why.original))
