"""What the writers of headers know of a message, and the parts that several of them share."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from toolkit.lab.judge import DkimSignature, Judgement
from toolkit.lab.manners import Manner
from toolkit.lab.placing import Placed


@dataclass(frozen=True, slots=True)
class Transit:
    """How a message came to the provider."""

    ip: str
    helo: str
    sender: str
    recipient: str
    queue_id: str
    at: datetime
    protocol: str = "ESMTP"  # RFC 3848: ESMTPS, ESMTPA, LMTP …
    tls: str | None = None  # such as TLSv1.3
    cipher: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """All that a dialect needs to write."""

    manner: Manner
    transit: Transit
    judgement: Judgement
    placed: Placed

    @property
    def sender_domain(self) -> str:
        """The domain of the envelope sender, or the HELO name of a bounce."""
        return self.transit.sender.rpartition("@")[2] or self.transit.helo

    @property
    def date(self) -> str:
        """The time of arrival."""
        return format_datetime(self.transit.at)

    def token(self, salt: str, size: int = 24) -> str:
        """An opaque token, the same for the same message."""
        return hashlib.sha256(f"{salt}{self.transit.queue_id}".encode()).hexdigest()[:size]


Headers = tuple[list[str], list[str]]
"""Fields to stand above the message, the topmost first, and fields to stand below the sender's own."""


def client(case: Case) -> str:
    """The client: HELO name, verified name, address."""
    return f"{case.transit.helo} ({case.judgement.ptr or 'unknown'} [{case.transit.ip}])"


def received(case: Case, by: str | None = None) -> str:
    """The provider's Received field (RFC 5321, section 4.4)."""
    transit = case.transit
    tls = f"\n (using {transit.tls} with cipher {transit.cipher})" if transit.tls else ""
    return (
        f"Received: from {client(case)}{tls}\n by {by or case.manner.mx} with {transit.protocol} id {transit.queue_id}"
        f"\n for <{transit.recipient}>; {case.date}"
    )


def return_path(case: Case) -> str:
    """Return-Path (RFC 5321, section 4.4)."""
    return f"Return-Path: <{case.transit.sender}>"


_SPF_WORDS = {
    "pass": "designates {ip} as permitted sender",
    "fail": "does not designate {ip} as permitted sender",
    "softfail": "transitioning {who} does not designate {ip} as permitted sender",
    "neutral": "is neither permitted nor denied by best guess record for {ip}",
    "none": "does not designate permitted sender hosts",
}


def spf_comment(case: Case, server: str) -> str:
    """The comment that explains an SPF result."""
    who = case.transit.sender or case.transit.helo
    words = _SPF_WORDS.get(case.judgement.spf.result, "could not be checked").format(ip=case.transit.ip, who=who)
    return f"({server}: domain of {who} {words})"


def dkim_short(signature: DkimSignature) -> str:
    """A DKIM result with what went wrong."""
    comment = f" ({signature.reason})" if signature.result in ("permerror", "fail", "temperror") else ""
    return f"dkim={signature.result}{comment}"


def received_spf(case: Case, server: str) -> str:
    """Received-SPF (RFC 7208, section 9.1)."""
    return (
        f"Received-SPF: {case.judgement.spf.result} {spf_comment(case, server)}\n client-ip={case.transit.ip};"
        f" envelope-from={case.transit.sender or '<>'}; helo={case.transit.helo};"
    )


def mailfrom(case: Case) -> str:
    """The identity that SPF judged."""
    return case.transit.sender or f"postmaster@{case.transit.helo}"
