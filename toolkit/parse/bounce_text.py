"""Bounces written for people alone: qmail, Exim, older gateways, and filters that speak in their own name.

A message counts as one if a server sent it and it says that something was not delivered. Where the sender is
mailer-daemon, or X-Failed-Recipients names an address, any sign will do. An empty envelope sender or Auto-Submitted is
weaker, because auto-replies have them too: then the subject, a quoted reply with an enhanced status, or the quoted
header of the message that it is about must say so. Subjects of auto-replies, read receipts and answers rule it out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from html import unescape

from toolkit.model.placement import Header
from toolkit.parse.headers import decode_words, every, first
from toolkit.parse.mime import Part, walk

_TEXT_LIMIT = 32 * 1024  # characters of the text that are looked at
_DAEMONS = frozenset({"mailer-daemon", "mailerdaemon", "mail-daemon", "mail.daemon", "mmdf"})
_BOUNCE = re.compile(
    r"undeliver|non.?deliver|delivery.{0,20}(?:fail|status|problem|unsuccessful|incomplete|notification)"
    r"|returned (?:mail|message|to sender)|fail(?:ed|ure).{0,20}(?:delivery|notice|mail|message)"
    r"|(?:not|n't|cannot|unable to) be(?:en)? delivered|not delivered"
    r"|(?:mail|message) (?:was |has been )?(?:rejected|refused|blocked)"
    r"|unzustellbar|nicht zu(?:ge)?stell|zustellung.{0,20}(?:fehl|nicht)|zurückgewiesen|fehlgeschlagen"
    r"|mail delivery|bounce",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"\bdelay|\bwarning\b|still (?:being )?(?:retried|trying)|will (?:be|keep) (?:retried|trying)|keep trying"
    r"|not yet been delivered|verzöger|noch nicht zugestellt",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(r"permanent|given up|giving up|gave up|too old|expired|aufgegeben|endgültig", re.IGNORECASE)
_AUTO_REPLY = re.compile(
    r"^(?:re: |aw: )?(?:auto(?:matic|matische|mated)?[ :-]?(?:reply|response|antwort|replied)?\b|out of (?:the )?office"
    r"|abwesen|vacation|urlaub|ooo\b|read: |not read: |gelesen: |nicht gelesen: |read receipt|lesebestätigung)",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"^(?:re|aw|antw|sv|wg|fwd?|tr)\s?:", re.IGNORECASE)
_REPLY = re.compile(  # a code alone needs the look of one: "555 1234" is a telephone number
    r"(?<![\w.])("
    r"(?:[45]\d{2}[ -](?=#?[45]\.\d{1,3}\.\d{1,3}\b)"
    r"|(?:421|45[0-5]|50[0-4]|521|53\d|541|55[0-6]|571)[ -](?=[A-Za-z<(]))"
    r"[^\r\n]{0,400}(?:\r?\n[ \t]+[^\s][^\r\n]{0,400}){0,6})"
)
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_QUOTED_ID = re.compile(r"^[ \t>|]{0,20}Message-ID:\s{0,20}<?([^\s<>]{1,900})>?", re.IGNORECASE | re.MULTILINE)
_COPY = re.compile(r"^[ \t>|]{0,20}(?:Received|Return-Path|DKIM-Signature|Message-ID): ", re.IGNORECASE | re.MULTILINE)
_ADDRESS = re.compile(r"(?<![\w.+@=-])([\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8})")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_RECIPIENTS_KEPT = 20


@dataclass(frozen=True, slots=True)
class TextBounce:
    """What a bounce for people says."""

    recipients: tuple[str, ...]
    delayed: bool
    status: str | None
    reply: str | None  # the SMTP reply that it quotes, white space made even
    message_id: str | None


def from_daemon(headers: Sequence[Header]) -> bool:
    """Whether a mail server wrote the message itself: an empty envelope sender, or mailer-daemon's address."""
    return _empty_sender(headers) or _named_daemon(headers)


def _empty_sender(headers: Sequence[Header]) -> bool:
    return any(value.strip() == "<>" for value in every(headers, "Return-Path"))


def _automatic(headers: Sequence[Header]) -> bool:
    """RFC 3834, section 5."""
    return (first(headers, "Auto-Submitted") or "no").strip().lower() != "no"


def _named_daemon(headers: Sequence[Header]) -> bool:
    """A postmaster may be a person, unless the message says that nobody wrote it."""
    paths = every(headers, "Return-Path")
    daemons = _DAEMONS | {"postmaster"} if not paths or _empty_sender(headers) or _automatic(headers) else _DAEMONS
    senders = [value[:2000] for value in (*paths, *every(headers, "From"))]
    return any(
        parseaddr(value)[1].partition("@")[0].lower() in daemons or "mail delivery s" in decode_words(value).lower()
        for value in senders
    )


def read_text_bounce(top: Part) -> TextBounce | None:
    """What a bounce in plain text says; None where the message is none."""
    headers = top.headers
    subject = " ".join(decode_words((first(headers, "Subject") or "")[:2000]).split())
    named = [decode_words(value[:4000]) for value in every(headers, "X-Failed-Recipients")]
    strong = bool(named) or _named_daemon(headers)
    if _AUTO_REPLY.search(subject) or not (strong or _empty_sender(headers) or _automatic(headers)):
        return None
    whole = visible_text((top,))
    copy = _COPY.search(whole)
    text = whole[: copy.start()] if copy else whole
    reply = _REPLY.search(text)
    message_id = message_id_in(whole)
    titled, told = bool(_BOUNCE.search(subject)), bool(_BOUNCE.search(text[:4000]))
    if strong:
        certain = bool(named) or titled or told or reply is not None or message_id is not None
    elif _ANSWER.search(subject):
        certain = False
    else:
        quoted = reply is not None and _ENHANCED.search(reply[0]) is not None
        certain = titled or quoted or (told and message_id is not None)
    if not certain:
        return None
    status = _ENHANCED.search(reply[0] if reply else text)
    return TextBounce(
        recipients=_recipients(named, text, headers),
        delayed=bool(_DELAYED.search(subject) or _DELAYED.search(text[:4000])) and not _GIVEN_UP.search(text[:4000]),
        status=status[0] if status else None,
        reply=" ".join(reply[0].split()) if reply else None,
        message_id=message_id,
    )


def _recipients(named: Sequence[str], text: str, headers: Sequence[Header]) -> tuple[str, ...]:
    """The addresses of X-Failed-Recipients, else those in the text that are not the bounce's own."""
    if named:
        found = [address.strip(" <>\t") for value in named for address in value.split(",")]
    else:
        own = {
            match.lower() for name in ("To", "From") for value in every(headers, name) for match in _addresses(value)
        }
        found = [address for address in _addresses(text) if address.lower() not in own]
    return tuple(dict.fromkeys(address for address in found if address))[:_RECIPIENTS_KEPT]


def _addresses(text: str) -> list[str]:
    return [match[1] for match in _ADDRESS.finditer(text[:8000])]


def message_id_in(text: str) -> str | None:
    """The Message-ID of a header that the text quotes."""
    match = _QUOTED_ID.search(text)
    return match[1] if match else None


def visible_text(parts: Sequence[Part]) -> str:
    """The text that a reader sees first: the plain one, else the HTML one without its tags."""
    html = ""
    for part in parts:
        for inner in walk(part, into_messages=False):
            if inner.type == "text/plain" and inner.body.strip():
                return inner.text[:_TEXT_LIMIT]
            if inner.type == "text/html" and not html:
                html = unescape(_TAG.sub(" ", inner.text[: 4 * _TEXT_LIMIT]))[:_TEXT_LIMIT]
    return html
