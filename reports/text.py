"""Text from outside, made fit to be shown: nothing hidden in it, and no longer than a reader can use.

Subjects, folder names and reply lines come from strangers. Escaping keeps them from being markup; this keeps them
from lying to the eye: a control character can overwrite a terminal's line, and a bidirectional one can turn
`gpj.exe` into `exe.jpg` (Unicode Technical Report 36, section 2.11; CVE-2021-42574).
"""

import re

from reports.words import Words

# Cc, Cf, Cs, Zl and Zp of Unicode, fillers that show as nothing, and noncharacters.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\ud800-\udfff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def _name(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control pictures: \N{SYMBOL FOR NULL} and so on
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"


def visible(text: str) -> str:
    """The text with each control, format and otherwise hidden character replaced by a sign that can be seen."""
    return _HIDDEN.sub(_name, text)


def clip(text: str, limit: int, words: Words) -> str:
    """The text made visible; where it is longer than `limit` characters, its beginning and how long it is in all."""
    if len(text) <= limit:
        return visible(text)
    return visible(text[:limit]) + words("clip.note", total=words.number(len(text)))


def lines(text: str, limit: int, words: Words, *, most: int = 40) -> tuple[str, ...]:
    """A text of several lines, each clipped; beyond `most` lines, a last line that says how many were left out."""
    rows = re.split(r"\r\n|\n", text[: limit * most * 2])
    shown = tuple(clip(row, limit, words) for row in rows[:most])
    left = len(rows) - most
    return (*shown, words.count("clip.lines", left)) if left > 0 else shown


# The space belongs to the escape and ends it.
_CSS_PLAIN = re.compile(r"[^A-Za-z0-9 ]")


def css_string(text: str) -> str:
    """The text as a CSS string, everything but letters, digits and spaces escaped (CSS Syntax 3, section 4.3.7)."""
    return '"' + _CSS_PLAIN.sub(lambda match: f"\\{ord(match.group()):x} ", visible(text)) + '"'
