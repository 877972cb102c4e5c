"""The verdicts for people: a sign, a short word, a colour family."""

from dataclasses import dataclass

from reports.words import Words
from toolkit.model.placement import Verdict

SYMBOLS = {
    Verdict.INBOX: "\N{CHECK MARK}",
    Verdict.TAB: "\N{SQUARE WITH HORIZONTAL FILL}",
    Verdict.SPAM: "!",
    Verdict.FOLDER: "\N{RIGHTWARDS ARROW}",
    Verdict.ARCHIVE: "\N{DOWNWARDS ARROW}",
    Verdict.TRASH: "\N{BLACK DOWN-POINTING TRIANGLE}",
    Verdict.REFUSED: "\N{MULTIPLICATION X}",
    Verdict.BOUNCED: "\N{LEFTWARDS ARROW}",
    Verdict.MISSING: "\N{WHITE CIRCLE}",
    Verdict.UNREADABLE: "?",
    Verdict.UNSENT: "\N{EN DASH}",
}
"""A sign of one cell width for each verdict; none that a phone would draw as a picture."""

TONES = {
    Verdict.INBOX: "good",
    Verdict.TAB: "aside",
    Verdict.FOLDER: "aside",
    Verdict.ARCHIVE: "aside",
    Verdict.SPAM: "bad",
    Verdict.TRASH: "bad",
    Verdict.REFUSED: "bad",
    Verdict.BOUNCED: "bad",
    Verdict.MISSING: "bad",
    Verdict.UNREADABLE: "unknown",
    Verdict.UNSENT: "unknown",
}
"""The colour family of each verdict: in the inbox, elsewhere but reachable, lost to the reader, not known."""

JUDGED = frozenset(Verdict) - {Verdict.UNREADABLE, Verdict.UNSENT}
"""The verdicts that say where a seed ended up."""


@dataclass(frozen=True, slots=True)
class Badge:
    """A verdict for people: sign, short word and colour family."""

    verdict: str
    symbol: str
    word: str
    tone: str


def badge(verdict: Verdict, words: Words) -> Badge:
    """The verdict for people."""
    return Badge(verdict.value, SYMBOLS[verdict], words(f"verdict.{verdict.value}"), TONES[verdict])
