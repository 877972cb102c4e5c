"""Reports of runs that never took place, for tests of whatever shows a run.

Everything is made from fixed times and names, so the same call gives the same report. Addresses and hosts are from
the ranges that are kept for examples (RFC 2606, RFC 5737).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from toolkit.model.placement import (
    AuthResult,
    FilterVerdict,
    Handoff,
    HandoffStatus,
    Header,
    Hop,
    Placement,
    ProbeReport,
    ReplyLine,
    SeedReport,
    Unsearched,
    Verdict,
)

STARTED = datetime(2026, 11, 20, 13, 2, 11, tzinfo=UTC)
FINISHED = STARTED + timedelta(minutes=11, seconds=4)
GENERATED = STARTED + timedelta(minutes=12)

RULES_INBOXES = frozenset({"gmx-regeln"})
"""Inboxes of `every_verdict` whose owner has rules for our mail."""


def _lines(text: str, status: HandoffStatus) -> tuple[ReplyLine, ...]:
    steps = [
        ("greeting", "220 mx.example ESMTP ready", 0.012),
        ("helo", "250-mx.example", 0.034),
        ("helo", "250 STARTTLS", 0.034),
        ("starttls", "220 2.0.0 Ready to start TLS", 0.061),
        ("mail", "250 2.1.0 Sender ok", 0.148),
    ]
    if status is HandoffStatus.ACCEPTED:
        steps += [("rcpt", "250 2.1.5 Recipient ok", 0.19), ("data", "354 Go ahead", 0.223)]
        steps += [("content", line, 0.671) for line in text.split("\n")]
    elif status is not HandoffStatus.FAILED:
        steps += [("rcpt", line, 0.19) for line in text.split("\n")]
    return tuple(
        ReplyLine(STARTED + timedelta(seconds=after), phase, int(line[:3]), _enhanced(line), line)
        for phase, line, after in steps
        if line[:3].isdigit()
    )


def _enhanced(line: str) -> str | None:
    word = line[4:].split(" ", maxsplit=1)[0]
    return word if word.count(".") == 2 and word.replace(".", "").isdigit() else None


def handoff(
    text: str = "250 2.0.0 Ok: queued as 4Zx81c2Mqz", status: HandoffStatus = HandoffStatus.ACCEPTED, **other: Any
) -> Handoff:
    """A handover that ended with `text`."""
    reached = status is not HandoffStatus.FAILED
    made = Handoff(
        status=status,
        code=int(text[:3]) if text[:3].isdigit() else None,
        enhanced=_enhanced(text),
        text=text,
        remote="mx.example[192.0.2.25]" if reached else "",
        tls="TLSv1.3" if reached else None,
        at=STARTED + timedelta(seconds=0.671),
        cipher="TLS_AES_256_GCM_SHA384" if reached else None,
        replies=_lines(text, status) if reached else (),
    )
    return replace(made, **other)


def placed(verdict: Verdict = Verdict.INBOX, **other: Any) -> Placement:
    """A placement; a found one is found four seconds after the handover."""
    found = verdict in (Verdict.INBOX, Verdict.TAB, Verdict.SPAM, Verdict.FOLDER, Verdict.ARCHIVE, Verdict.TRASH)
    made = Placement(
        verdict,
        folder="INBOX" if verdict in (Verdict.INBOX, Verdict.TAB) else None,
        searched=("INBOX", "Spam", "Archive", "Trash"),
        found_at=STARTED + timedelta(seconds=6) if found else None,
        seconds=4.2 if found else None,
    )
    return replace(made, **other)


def seed(
    inbox: str = "gmx-1",
    stream: str = "reminder",
    placement: Placement | None = None,
    *,
    handed: Handoff | None = None,
    never_tried: bool = False,
    **other: Any,
) -> SeedReport:
    """One seed; what is not given is as in a run in which all went well."""
    placement = placement or placed()
    number = f"{crc32(ascii((inbox, stream)).encode()):08x}"
    made = SeedReport(
        seed_id=f"mw-{number}",
        stream=stream,
        route="main",
        inbox=inbox,
        provider="gmx",
        address=f"{inbox}@mail.example",
        message_id=f"{number}.probe@belmont.example",
        placement=placement,
        handoff=None if never_tried else (handed or handoff()),
        created_at=STARTED,
        subject="Ihr Termin bei Salon Belmont",
        auth=(
            AuthResult("mx.example", "spf", "pass", "belmont.example"),
            AuthResult("mx.example", "dkim", "pass", "belmont.example"),
            AuthResult("mx.example", "dmarc", "pass", "belmont.example"),
        )
        if placement.found_at
        else (),
        hops=(
            Hop("probe.belmont.example", "out.belmont.example", STARTED + timedelta(seconds=1), None),
            Hop("out.belmont.example", "mx.example", STARTED + timedelta(seconds=2), 1.0),
            Hop("mx.example", "store7.mail.example", STARTED + timedelta(seconds=5), 3.0),
        )
        if placement.found_at
        else (),
        headers=(
            Header("Return-Path", "<termine@belmont.example>"),
            Header(
                "Authentication-Results",
                "mx.example; spf=pass smtp.mailfrom=belmont.example; dkim=pass header.d=belmont.example; dmarc=pass",
            ),
            Header("Received", "from out.belmont.example ([192.0.2.10]) by mx.example with ESMTPS id 4Zx81c2Mqz"),
        )
        if placement.found_at
        else (),
        deliver_within=300.0,
    )
    return replace(made, **other)


def run(seeds: Iterable[SeedReport], notes: tuple[str, ...] = ()) -> ProbeReport:
    """A run of these seeds."""
    return ProbeReport("01JD4T8Q2W", STARTED, FINISHED, tuple(seeds), notes)


def small() -> ProbeReport:
    """Two streams, three inboxes: one in the inbox, one under a tab, one in spam, one refused, one not readable."""
    refusal = "550 5.7.1 Mail from 192.0.2.10 refused, see\n550 5.7.1 https://postmaster.example/ticket"
    return run(
        (
            seed("gmail-1", provider="gmail"),
            seed(
                "gmail-1",
                "newsletter",
                placed(Verdict.TAB, tab="promotions", labels=("\\Inbox", "Category Promotions"), seconds=7.0),
                provider="gmail",
                subject="Herbstangebote",
            ),
            seed("gmx-1"),
            seed(
                "gmx-1",
                "newsletter",
                placed(Verdict.SPAM, folder="Spamverdacht", seconds=412.0, flags=("$Junk",)),
                subject="Herbstangebote",
                filter=(FilterVerdict("spamassassin", "spam", 6.2, 5.0, ("HTML_IMAGE_ONLY_08", "RDNS_NONE")),),
            ),
            seed(
                "t-online-1",
                placement=placed(Verdict.REFUSED, searched=()),
                provider="t-online",
                handed=handoff(refusal, HandoffStatus.REFUSED),
            ),
            seed(
                "t-online-1",
                "newsletter",
                placed(
                    Verdict.UNREADABLE,
                    reason="login",
                    searched=(),
                    unsearched=(Unsearched("", "NO [AUTHENTICATIONFAILED] Invalid credentials"),),
                ),
                provider="t-online",
                subject="Herbstangebote",
                resumed=True,
            ),
        )
    )


def every_verdict() -> ProbeReport:
    """Each verdict at least once, over seven providers and three streams; `RULES_INBOXES` have rules."""
    streams = ("reminder", "invoice", "newsletter")
    odd: dict[tuple[str, str], dict[str, Any]] = {
        ("gmail-1", "newsletter"): {"placement": placed(Verdict.TAB, tab="promotions", seconds=6.0)},
        ("gmail-1", "invoice"): {"placement": placed(Verdict.TAB, tab="updates", seconds=5.0, seen=True)},
        ("gmail-2", "newsletter"): {
            "placement": placed(Verdict.ARCHIVE, folder="[Gmail]/Alle Nachrichten", seen=True, seconds=9.0)
        },
        ("outlook-1", "newsletter"): {
            "placement": placed(Verdict.SPAM, folder="Junk-E-Mail", seconds=31.0),
            "filter": (FilterVerdict("microsoft", "spam", 5.0, None, ("SCL:5", "SFV:SPM", "BCL:6")),),
        },
        ("outlook-1", "reminder"): {"placement": placed(seconds=742.0)},
        ("yahoo-1", "newsletter"): {
            "placement": placed(Verdict.BOUNCED, reason="5.1.1 (bad destination mailbox address)")
        },
        ("gmx-1", "newsletter"): {
            "placement": placed(Verdict.SPAM, folder="Spamverdacht", also_in=("Newsletter",), seconds=48.0)
        },
        ("gmx-regeln", "reminder"): {"placement": placed(Verdict.FOLDER, folder="Termine/Friseur", seconds=3.0)},
        ("gmx-regeln", "invoice"): {"placement": placed(Verdict.ARCHIVE, folder="Archiv", seen=True)},
        ("gmx-regeln", "newsletter"): {"placement": placed(Verdict.TRASH, folder="Gelöscht", seen=True)},
        ("webde-1", "newsletter"): {
            "placement": placed(Verdict.FOLDER, folder="Unbekannt", sorted_by="provider", seconds=12.0)
        },
        ("webde-1", "invoice"): {"placement": placed(Verdict.TRASH, folder="Papierkorb")},
        ("webde-1", "reminder"): {"placement": placed(seen=True)},
        ("t-online-1", "invoice"): {
            "placement": placed(Verdict.MISSING),
        },
        ("gmx-1", "invoice"): {
            "placement": placed(seconds=None),
            "handed": handoff(
                "connection lost before the reply to the message",
                HandoffStatus.FAILED,
                remote="mx.example[192.0.2.25]",
                in_doubt=True,
            ),
        },
        ("freenet-1", "reminder"): {
            "placement": placed(
                Verdict.UNREADABLE,
                reason="timeout",
                searched=("INBOX",),
                unsearched=(Unsearched("Spamverdacht", "timeout"), Unsearched("Papierkorb", "timeout")),
            )
        },
        ("freenet-1", "invoice"): {
            "placement": placed(Verdict.UNSENT, searched=(), reason="tls"),
            "handed": handoff("certificate verify failed: self-signed certificate", HandoffStatus.FAILED),
        },
        ("freenet-1", "newsletter"): {
            "placement": placed(Verdict.UNSENT, searched=(), reason="deferred"),
            "handed": handoff(
                "451 4.7.1 Greylisting in action, please come back later", HandoffStatus.DEFERRED, attempts=5
            ),
            "resumed": True,
        },
    }
    providers = {"gmail-1": "gmail", "gmail-2": "gmail", "outlook-1": "outlook", "yahoo-1": "yahoo", "gmx-1": "gmx"}
    providers |= {"gmx-regeln": "gmx", "webde-1": "webde", "t-online-1": "t-online", "freenet-1": "freenet"}
    refused = handoff(
        "554 IP=192.0.2.10 - Dialup/transient IP not allowed. Ask your postmaster for help or to contact "
        "tosa@rx.mail.example for reset. (DIAL)",
        HandoffStatus.REFUSED,
        code=554,
    )
    odd |= {
        ("t-online-1", name): {"placement": placed(Verdict.REFUSED, searched=()), "handed": refused}
        for name in ("reminder", "newsletter")
    }
    seeds = [
        seed(inbox, stream, provider=provider, **odd.get((inbox, stream), {}))
        for inbox, provider in providers.items()
        for stream in streams
    ]
    return run(seeds, notes=("The mailbox for bounces could not be read for 40 s; it was read afterwards.",))


GMX_BLOCKED = (
    "554-gmx.net (mxgmx016) Nemesis ESMTP Service not available\n554-No SMTP service\n"
    "554-IP address is block listed.\n"
    "554 For explanation visit https://postmaster.gmx.net/en/case?c=r0201&i=ip&v=198.51.100.77&r={case}"
)
GMX_UNKNOWN = (
    "550-Requested action not taken: mailbox unavailable\n"
    "550 For explanation visit https://postmaster.gmx.net/en/case?c=r0103&i=ip&v=192.0.2.10&r={case}"
)
FULL = "552 5.2.2 <voll@hoster.example>: Quota exceeded (mailbox for user is full)"
NOTHING_LISTENS = "127.0.0.1:33539 refuses connections: nothing listens there"


def several_routes() -> ProbeReport:
    """A run as the collectors deliver it: five mails on three routes to eight inboxes.

    A refusal's reason repeats its reply, replies hold long addresses and case numbers, and mailboxes that could not be
    read say so in the doors' own words.
    """
    lanes = (
        *(("reminder", "direct"), ("reminder", "relay")),
        *(("newsletter", "direct"), ("newsletter", "listed")),
        ("invoice", "direct"),
    )

    def refused(text: str) -> dict[str, Any]:
        return {
            "placement": placed(Verdict.REFUSED, searched=(), reason=text),
            "handed": handoff(text, HandoffStatus.REFUSED),
        }

    def bounced(text: str) -> dict[str, Any]:
        return {"placement": placed(Verdict.BOUNCED, searched=(), reason=text)}

    def met(number: int, inbox: str, stream: str, route: str) -> dict[str, Any]:
        case = f"{crc32(f'{inbox}{number}'.encode()):012X}"
        match inbox, stream, route:
            case ("unknown-1", _, "relay"):
                return bounced("5.0.0 " + GMX_UNKNOWN.format(case=case).replace("\n", " "))
            case ("unknown-1", *_):
                return refused(GMX_UNKNOWN.format(case=case))
            case ("full-1", _, "relay"):
                return bounced(f"5.2.2 {FULL}")
            case ("full-1", *_):
                return refused(FULL)
            case ("gmx-1" | "webde-1", _, "listed"):
                return refused(GMX_BLOCKED.format(case=case))
            case ("closed-1", *_):
                closed = placed(
                    Verdict.UNREADABLE,
                    searched=(),
                    reason=NOTHING_LISTENS,
                    unsearched=(Unsearched("", NOTHING_LISTENS),),
                )
                return {"placement": closed}
            case (("gmail-1" | "zoho-1"), _, "listed") | (("gmail-1" | "zoho-1"), "invoice", _):
                return {"placement": placed(Verdict.SPAM, folder="[Gmail]/Spam" if inbox == "gmail-1" else "Spam")}
            case ("gmail-1", stream, _):
                return {"placement": placed(Verdict.TAB, tab="updates" if stream == "reminder" else "promotions")}
            case ("webde-1", *_):
                return {"placement": placed(Verdict.FOLDER, folder="Unbekannt", sorted_by="provider")}
            case ("discard-1", *_):
                return {"placement": placed(Verdict.MISSING)}
        return {"placement": placed(seconds=0.0)}

    providers = {"gmail-1": "gmail", "gmx-1": "gmx", "unknown-1": "gmx", "webde-1": "webde", "zoho-1": "zoho"}
    providers |= {"closed-1": "generic", "discard-1": "generic", "full-1": "generic"}
    return run(
        seed(inbox, stream, route=route, provider=provider, **met(number, inbox, stream, route))
        for inbox, provider in providers.items()
        for number, (stream, route) in enumerate(lanes)
    )


HOSTILE_TEXTS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></head><body>",
    "a\r\nBcc: victim@mail.example",
    "pay\u202egpj.exe",
    "nul\x00esc\x1b[31mred",
    "half \ud83d pair",
    "{{ 7*7 }}{% raw %}",
    "[bold red]markup[/]",
    "e\u0301\u0302\u0303\u200b\u2066zero",
    "漢字の件名 für Müller",
)
"""Strings that a stranger may put where we show them."""


def hostile() -> ProbeReport:
    """Seeds whose every string came from a stranger with bad intentions, one of them a megabyte long."""

    def poisoned(number: int, text: str) -> SeedReport:
        verdict = tuple(Verdict)[number % len(tuple(Verdict))]
        return seed(
            f"inbox-{number}{text}",
            text,
            placed(
                verdict,
                folder=text,
                also_in=(text, text),
                tab=text,
                flags=(text,),
                labels=(text,),
                searched=(text,) * 3,
                unsearched=(Unsearched(text, text),),
                reason=text,
            ),
            handed=handoff(
                status=HandoffStatus.REFUSED,
                text=f"550 {text}",
                remote=text,
                cipher=text,
                replies=(ReplyLine(STARTED, text, 550, None, f"550 {text}"),),
            ),
            seed_id=text,
            provider=text,
            route=text[:20],
            address=text,
            message_id=text,
            subject=text,
            auth=(AuthResult(text, text, text, text),),
            filter=(FilterVerdict(text, text, 1.0, 2.0, (text,)),),
            hops=(Hop(text, text, None, None),),
            headers=(Header(text, text),),
        )

    texts = (*HOSTILE_TEXTS, "long " + "A<b>\u202e" * 200_000)
    return run([poisoned(number, text) for number, text in enumerate(texts)], notes=texts)


def wide(inboxes: int = 200, streams: int = 5) -> ProbeReport:
    """As many inboxes and streams as one likes; every seventh inbox has findings."""
    providers = ("gmail", "outlook", "gmx", "webde", "t-online", "yahoo", "icloud", "freenet")
    odd = (
        placed(Verdict.SPAM, folder="Spam"),
        placed(Verdict.MISSING),
        placed(Verdict.TAB, tab="promotions"),
        placed(seconds=900.0),
    )
    return run(
        seed(
            f"{providers[number % len(providers)]}-{number:03d}",
            f"stream-{stream}",
            odd[(number // 7 + stream) % len(odd)] if number % 7 == 0 else placed(seconds=1.0 + number % 40),
            provider=providers[number % len(providers)],
        )
        for number in range(inboxes)
        for stream in range(streams)
    )
