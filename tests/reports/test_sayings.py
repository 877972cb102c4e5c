"""What the collectors say in English reaches a German reader in German; what nobody translated stays as it came."""

import ast
import re
import socket
import ssl
import time
from pathlib import Path
from string import Formatter

import pytest

import toolkit
from reports.sayings import remarks, said
from reports.words import Words, catalogue
from tests.reports import samples
from tests.reports.dom import parse
from tests.reports.pages import BERLIN, page
from toolkit.derive.placement import placement
from toolkit.model.placement import Handoff, HandoffStatus, Placement, Unsearched, Verdict
from toolkit.model.sighting import Coverage
from toolkit.wire.channel import FloodError, describe

SOURCES = Path(toolkit.__file__).parent
SOURCE = "\n".join(re.sub(r"\"\s*\n\s*f?\"", "", path.read_text("utf-8")) for path in sorted(SOURCES.rglob("*.py")))
"""The toolkit's code, strings that a line break divides joined again."""

DE = Words("de", BERLIN)
EN = Words("en", BERLIN)

FAILURES = (
    TimeoutError(),
    ConnectionRefusedError(),
    ConnectionResetError(),
    EOFError(),
    socket.gaierror(-2, "Name or service not known"),
    OSError(113, "No route to host"),
    ssl.SSLError(1, "wrong version number"),
    ssl.SSLCertVerificationError(1, "self-signed certificate"),
    FloodError("sends more than it may at once"),
    FloodError("announced 99999 bytes, more than it may send at once"),
    FloodError("sends a reply of more than 500 lines"),
)


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_every_failure_of_a_door_is_told_in_german(error: Exception) -> None:
    """The server's name is in the German sentence, and the English one is kept as the original."""
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
    elif isinstance(error, ssl.SSLError):
        error.reason = "WRONG_VERSION_NUMBER"
    sentence = describe(error, "imap.mail.example", 993).detail
    told = said(sentence, DE)
    assert told.original == sentence
    assert "imap.mail.example" in told.text
    assert told.text != sentence
    assert said(sentence, EN).text == sentence
    assert not said(sentence, EN).original


def _literals(template: str) -> list[str]:
    return [part.strip(" :") for part, *_ in Formatter().parse(template) if len(part.strip()) > 5]


@pytest.mark.parametrize("key", [key for key in catalogue("en") if key.startswith("said.")])
def test_each_pattern_is_a_sentence_of_the_toolkit(key: str) -> None:
    """A collector that changes its words is found out here, before a German page turns English."""
    template = catalogue("en")[key]
    assert isinstance(template, str)
    for literal in _literals(template):
        # The first words may be a value of the code: which of two folders it is.
        tails = (literal.split(" ", number)[-1] for number in range(4))
        assert any(tail in SOURCE for tail in tails), literal


def test_each_sentence_of_the_doors_has_its_translation() -> None:
    """A new failure has to be put into both catalogues."""
    missing = []
    for path in sorted((SOURCES / "wire").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "WireError":
                sentence = _rendered(node.args[1])
                if re.search(r"[a-z]{3}", sentence) and not said(sentence, DE).text:
                    missing.append(f"{path.name}: {sentence}")
    assert not missing


def _rendered(node: ast.expr) -> str:
    """A string as it reads at run time, with X for each value."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return ""


def test_a_sentence_within_a_sentence_is_translated_too() -> None:
    """Whatever the handover said stands in German inside the German remark."""
    silent = "mx.example:25 did not answer in time: whether it took the message is not known"
    handoff = Handoff(HandoffStatus.FAILED, None, None, silent, "", None, samples.STARTED, in_doubt=True)
    judged = placement([], handoff, None, Coverage(("INBOX",)))
    (told,) = remarks(judged, "", DE)
    assert told.text == (
        "Ob sie je angenommen wurde, ist nicht bekannt (mx.example:25 hat nicht rechtzeitig geantwortet. "
        "Ob die Nachricht angenommen wurde, ist nicht bekannt)"
    )


def test_what_nobody_translated_is_marked_as_the_original() -> None:
    """A sentence that no pattern fits stays as it came, and is said to."""
    seeds = [samples.seed(placement=samples.placed(Verdict.UNREADABLE, reason="the moon is in the wrong house"))]
    text = parse(page(samples.run(seeds), "de")).text
    assert "Im Original: the moon is in the wrong house" in text


def test_a_servers_own_line_is_no_sentence_of_ours() -> None:
    """An SMTP reply in a report is shown as a line, without a remark that it is the original."""
    told = said("552 5.2.2 mailbox full", DE)
    assert (told.text, told.original, told.line) == ("", "552 5.2.2 mailbox full", True)


def test_places_that_failed_alike_are_named_together() -> None:
    """Three folders with one reason make one remark."""
    places = tuple(Unsearched(name, "it cannot be opened: NO gone") for name in ("A", "B", "C"))
    reason = "; ".join(f"{place.folder}: {place.reason}" for place in places)
    judged = Placement(Verdict.UNREADABLE, unsearched=places, reason=f"{reason}; never handed over")
    told = [one.text for one in remarks(judged, "", DE)]
    assert told == ["A, B, C: lässt sich nicht öffnen: NO gone", "nie übergeben"]


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("5.2.2 552 5.2.2 full", "552 5.2.2 full"),
        ("5.0.0 550 no", "550 no"),
        ("5.1.1 (bad destination mailbox address)", "5.1.1 (bad destination mailbox address)"),
    ],
)
def test_a_status_that_says_nothing_more_is_left_out(reason: str, shown: str) -> None:
    """The report's status stands before its words only where they do not hold it already."""
    (told,) = remarks(Placement(Verdict.BOUNCED, reason=reason), "", EN)
    assert told.plain == shown


def test_a_reason_that_the_reply_says_is_not_said_twice() -> None:
    """Line breaks make no difference."""
    reply = "550-no\n550 really"
    assert remarks(Placement(Verdict.REFUSED, reason=reply), reply, EN) == ()
    assert remarks(Placement(Verdict.REFUSED, reason="550-no 550 really"), reply, EN) == ()
    assert len(remarks(Placement(Verdict.REFUSED, reason="another"), reply, EN)) == 1


def test_hostile_sentences_cost_no_time() -> None:
    """A server that writes our own words a thousand times is done with at once."""
    began = time.process_time()
    for text in ("x did not answer in time: " * 76, "a: b refuses " * 150, "TLS with " * 220, "x" * 1_000_000):
        said(text, DE)
    assert time.process_time() - began < 2
