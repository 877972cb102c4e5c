"""Bounces written for people alone: qmail, Exim, older gateways, and filters that speak in their own name.

A message counts as one if a server sent it (empty or mailer-daemon's envelope sender, Auto-Submitted) and it says
that something was not delivered: a subject, an X-Failed-Recipients field, an SMTP reply, or the header of the message
that it is about. An auto-reply and a read receipt come from servers too: they quote no reply, and their subjects say
what they are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from toolkit.model.placement import Header
from toolkit.parse.headers import decode_words, every, first
from toolkit.parse.mime import Part, walk

_TEXT_LIMIT = 32 * 1024  # characters of the text that are looked at
_DAEMONS = frozenset({"mailer-daemon", "mailerdaemon", "mail-daemon", "mail.daemon", "postmaster", "mmdf", "mailadmin"})
_BOUNCE = re.compile(
    r"undeliver|non.?deliver|delivery.{0,20}(?:fail|status|problem|unsuccessful|incomplete|notification)"
    r"|returned (?:mail|message|to sender)|fail(?:ed|ure).{0,20}(?:delivery|notice|mail|message)"
    r"|(?:could not|couldn't|cannot|can't|unable to|was not|not) be(?:en)? delivered|message (?:rejected|refused|blocked)"
    r"|(?:mail|message) (?:was |has been )?(?:rejected|refused|blocked)"
    r"|unzustellbar|nicht zu(?:ge)?stell|zustellung.{0,20}(?:fehl|nicht)|zurückgewiesen|fehlgeschlagen"
    r"|mail delivery|bounce",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"\bdelay|\bwarning\b|still (?:being )?(?:retried|trying)|will (?:be|keep) (?:retried|trying)|not yet been delivered"
    r"|keep trying|verzöger|noch nicht zugestellt",
    re.IGNORECASE,
)
_GIVEN_UP = re.compile(r"permanent|given up|giving up|gave up|too old|expired|aufgegeben|endgültig", re.IGNORECASE)
_AUTO_REPLY = re.compile(
    r"^(?:re: |aw: )?(?:auto(?:matic|matische|mated)?[ :-]?(?:reply|response|antwort|replied)?\b|out of (?:the )?office"
    r"|abwesen|vacation|urlaub|ooo\b|read: |not read: |gelesen: |nicht gelesen: |read receipt|lesebestätigung)",
    re.IGNORECASE,
)
_REPLY = re.compile(
    r"(?<![\w.])([45]\d{2}[ -](?:#?[45]\.\d{1,3}\.\d{1,3}\b)?[^\r\n]{0,400}(?:\r?\n[ \t]+[^\s][^\r\n]{0,400}){0,6})"
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
    """Whether a mail server wrote the message itself (RFC 3834, RFC 5321 section 4.5.5)."""
    if any(value.strip() == "<>" for value in every(headers, "Return-Path")):
        return True
    senders = [*every(headers, "Return-Path"), *every(headers, "From")]
    if any(parseaddr(value[:2000])[1].partition("@")[0].lower() in _DAEMONS for value in senders):
        return True
    return any("mail delivery s" in decode_words(value[:2000]).lower() for value in every(headers, "From"))


def read_text_bounce(top: Part) -> TextBounce | None:
    """What a bounce in plain text says; None where the message is none."""
    headers = top.headers
    subject = " ".join(decode_words((first(headers, "Subject") or "")[:2000]).split())
    named = [decode_words(value[:4000]) for value in every(headers, "X-Failed-Recipients")]
    automatic = (first(headers, "Auto-Submitted") or "no").strip().lower() != "no"
    if _AUTO_REPLY.search(subject) or not (named or from_daemon(headers) or automatic):
        return None
    whole = visible_text((top,))
    copy = _COPY.search(whole)
    text = whole[: copy.start()] if copy else whole
    reply = _REPLY.search(text)
    message_id = message_id_in(whole)
    said = bool(_BOUNCE.search(subject)) or bool(_BOUNCE.search(text[:4000])) or reply is not None
    by_server = bool(named) or from_daemon(headers)
    if not (named or said or (by_server and message_id)):
        return None
    if not by_server and not (_BOUNCE.search(subject) or message_id):
        return None  # an auto-reply that only sounds like a bounce
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
                html = _TAG.sub(" ", inner.text[: 4 * _TEXT_LIMIT])[:_TEXT_LIMIT]
    return html
