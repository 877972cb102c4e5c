"""The headers that a provider writes into a message that it takes: Received, Authentication-Results, its verdict.

Layouts as found in delivered mail and in the providers' documentation (2026-11-21); opaque tokens are made up.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from toolkit.lab.judge import DkimSignature, Judgement
from toolkit.lab.manners import Manner
from toolkit.lab.messages import header_fields, split_message
from toolkit.lab.placing import Placed

_RESULTS_OF = re.compile(rb"\s*([^;\s]+)")


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


def stamp(case: Case, raw: bytes) -> bytes:
    """The message as the provider stores it. Authentication-Results that pretend to be its own are dropped
    (RFC 8601, section 5).
    """
    above, below = _DIALECTS[case.manner.dialect](case)
    block, body = split_message(raw)
    own = {_own_id(field) for field in above if field.lower().startswith("authentication-results:")}
    kept = b"".join(
        whole
        for name, whole in header_fields(block)
        if not (name == "authentication-results" and _claimed(whole) in own)
    )
    if kept and not kept.endswith(b"\n"):
        kept += b"\r\n"
    return _bytes(above) + kept + _bytes(below) + b"\r\n" + body


def _bytes(fields: list[str]) -> bytes:
    return "".join(field.replace("\n", "\r\n") + "\r\n" for field in fields).encode("utf-8", "replace")


def _own_id(field: str) -> bytes:
    return _claimed(field.encode())


def _claimed(whole: bytes) -> bytes:
    found = _RESULTS_OF.match(whole.partition(b":")[2])
    return found[1].lower() if found else b""


# parts that several dialects share


def _client(case: Case) -> str:
    return f"{case.transit.helo} ({case.judgement.ptr or 'unknown'} [{case.transit.ip}])"


def _received(case: Case, by: str | None = None) -> str:
    transit = case.transit
    tls = f"\n (using {transit.tls} with cipher {transit.cipher})" if transit.tls else ""
    return (
        f"Received: from {_client(case)}{tls}\n by {by or case.manner.mx} with {transit.protocol} id {transit.queue_id}"
        f"\n for <{transit.recipient}>; {case.date}"
    )


def _return_path(case: Case) -> str:
    return f"Return-Path: <{case.transit.sender}>"


_SPF_WORDS = {
    "pass": "designates {ip} as permitted sender",
    "fail": "does not designate {ip} as permitted sender",
    "softfail": "transitioning {who} does not designate {ip} as permitted sender",
    "neutral": "is neither permitted nor denied by best guess record for {ip}",
    "none": "does not designate permitted sender hosts",
}


def _spf_comment(case: Case, server: str) -> str:
    who = case.transit.sender or case.transit.helo
    words = _SPF_WORDS.get(case.judgement.spf.result, "could not be checked").format(ip=case.transit.ip, who=who)
    return f"({server}: domain of {who} {words})"


def _dkim_short(signature: DkimSignature) -> str:
    comment = f" ({signature.reason})" if signature.result in ("permerror", "fail", "temperror") else ""
    return f"dkim={signature.result}{comment}"


def _received_spf(case: Case, server: str) -> str:
    return (
        f"Received-SPF: {case.judgement.spf.result} {_spf_comment(case, server)}\n client-ip={case.transit.ip};"
        f" envelope-from={case.transit.sender or '<>'}; helo={case.transit.helo};"
    )


# the dialects


def _google(case: Case) -> Headers:
    found, transit = case.judgement, case.transit
    parts = [
        f"{_dkim_short(s)} header.i={s.identity} header.s={s.selector} header.b={s.start}" for s in found.dkim
    ]
    parts.append(f"spf={found.spf.result} {_spf_comment(case, 'google.com')} smtp.mailfrom={_mailfrom(case)}")
    if found.dmarc.policy:
        policy, below = found.dmarc.policy.upper(), found.dmarc.subdomain_policy.upper()
        # Gmail's own disposition: what it did, not what was asked
        disposition = "QUARANTINE" if found.dmarc.disposition != "none" and case.placed.spam else "NONE"
        parts.append(
            f"dmarc={found.dmarc.result} (p={policy} sp={below} dis={disposition}) header.from={found.dmarc.domain}"
        )
    elif found.dmarc.result != "none":
        parts.append(f"dmarc={found.dmarc.result} header.from={found.dmarc.domain}")
    results = "mx.google.com;\n " + ";\n ".join(parts)
    tls = f"\n (version={transit.tls} cipher={transit.cipher} bits=256/256)" if transit.tls else ""
    received = (
        f"Received: from {transit.helo} ({case.judgement.ptr or transit.helo}. [{transit.ip}])\n by mx.google.com with"
        f" {transit.protocol} id {transit.queue_id}\n for <{transit.recipient}>{tls};\n {case.date}"
    )
    inner = f"Received: by 2002:a05:6a20:{case.token('hop', 4)} with SMTP id {case.token('smtp', 20)};\n {case.date}"
    above = [
        f"Delivered-To: {transit.recipient}",
        inner,
        f"ARC-Authentication-Results: i=1; {results}",
        _return_path(case),
        received,
        _received_spf(case, "google.com"),
        f"Authentication-Results: {results}",
    ]
    return above, []


def _mailfrom(case: Case) -> str:
    return case.transit.sender or f"postmaster@{case.transit.helo}"


def _microsoft_results(case: Case) -> str:
    found = case.judgement
    first = next((s for s in found.dkim if s.result == "pass"), found.dkim[0] if found.dkim else None)
    if first is None:
        dkim_part = "dkim=none (message not signed) header.d=none"
    else:
        words = {"pass": "signature was verified", "permerror": "no key for signature"}
        comment = words.get(first.result, first.reason)
        dkim_part = f"dkim={first.result} ({comment}) header.d={first.domain}"
    action = {"none": "none", "quarantine": "quarantine", "reject": "oreject"}[found.dmarc.disposition]
    authenticated = found.spf.result == "pass" or found.dkim_passes
    dmarc_result = found.dmarc.result
    if dmarc_result == "none" and authenticated:
        dmarc_result = "bestguesspass"
    compauth = _compauth(case, authenticated=authenticated)
    return (
        f"Authentication-Results: spf={found.spf.result} (sender IP is {found.ip})\n smtp.mailfrom={case.sender_domain};"
        f" {dkim_part};dmarc={dmarc_result} action={action}\n header.from={found.dmarc.domain};compauth={compauth}"
    )


def _compauth(case: Case, *, authenticated: bool) -> str:
    """Composite authentication and its reason code (learn.microsoft.com, message-headers-eop-mdo, 2025-07-07)."""
    dmarc = case.judgement.dmarc
    if dmarc.result == "pass":
        return "pass reason=100"
    if dmarc.result == "fail":
        return "fail reason=000" if dmarc.disposition != "none" else "fail reason=001"
    return "pass reason=109" if authenticated else "fail reason=001"


def _microsoft(case: Case) -> Headers:
    transit, found, placed = case.transit, case.judgement, case.placed
    host = case.manner.mx
    spf_word = {"pass": "Pass", "fail": "Fail", "softfail": "SoftFail", "neutral": "Neutral", "none": "None"}
    permitted = "designates" if found.spf.result == "pass" else "does not designate"
    above = [
        f"Received: from {host}\n (2603:10a6:20b:{case.token('hop', 4)}::12) by DB9P194MB1234.EURP194.PROD.OUTLOOK.COM"
        f"\n with HTTPS; {case.date}",
        _microsoft_results(case),
        f"Received-SPF: {spf_word.get(found.spf.result, 'TempError')} (protection.outlook.com: domain of"
        f" {case.sender_domain}\n {permitted} {transit.ip} as permitted sender)\n"
        f" receiver=protection.outlook.com; client-ip={transit.ip};\n helo={transit.helo};",
        f"Received: from {transit.helo} ({transit.ip}) by\n {host} (10.167.16.199) with Microsoft SMTP\n Server"
        f" (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.9999.9; {case.date}",
    ]
    scl, sfv, category = ("5", "SPM", "SPM") if placed.spam else ("1", "NSPM", "NONE")
    destination = "J" if placed.spam else "C" if placed.by_rule else "I"
    decided = "OFR:SpamFilterAuthJ;" if placed.spam and found.dmarc.result == "pass" else ""
    decided = "OFR:CustomRules;" if placed.by_rule else decided
    below = [
        "X-MS-Exchange-Organization-PCL: 2",
        f"X-MS-Exchange-Organization-SCL: {scl}",
        "X-Microsoft-Antispam: BCL:0;ARA:14566002;",
        f"X-Forefront-Antispam-Report: CIP:{transit.ip};CTRY:DE;LANG:de;SCL:{scl};SRV:;IPV:NLI;SFV:{sfv};"
        f"H:{transit.helo};PTR:{found.ptr or 'InfoDomainNonexistent'};CAT:{category};SFS:;DIR:INB;",
        f"X-Microsoft-Antispam-Mailbox-Delivery: ucf:{int(placed.by_rule)};jmr:{int(placed.spam)};auth:"
        f"{int(found.dmarc.result == 'pass')};dest:{destination};{decided}ENG:(910001)(944506478)(944626604);",
    ]
    return above, [*below, _return_path(case)]


def _yahoo(case: Case) -> Headers:
    found, transit = case.judgement, case.transit
    overridden = "arc_overridden_status=NOT_OVERRIDDEN"
    parts = [f"dkim={s.result} header.i={s.identity} header.s={s.selector} {overridden}" for s in found.dkim]
    parts = parts or [f"dkim=none {overridden}"]
    parts.append(f"spf={found.spf.result} smtp.mailfrom={case.sender_domain} {overridden}")
    policy = f"(p={found.dmarc.policy.upper()},sp={found.dmarc.subdomain_policy.upper()})" if found.dmarc.policy else ""
    result = "unknown" if found.dmarc.result == "none" else found.dmarc.result
    parts.append(f"dmarc={result}{policy} header.from={found.dmarc.domain} {overridden}")
    server = "atlas-production.v2-mail-prod1-gq1.omega.yahoo.com"
    above = [
        f"X-Apparently-To: {transit.recipient}; {case.date}",
        _return_path(case),
        f"Authentication-Results: {server};\n " + ";\n ".join(parts) + ";",
        f"X-YMailISG: {case.token('isg', 40)}",
        f"Received: from {transit.ip} (EHLO {transit.helo})\n by 10.217.150.13 with SMTPs\n"
        f" (version={transit.tls or 'TLS1_3'} cipher={transit.cipher or 'TLS_AES_128_GCM_SHA256'});\n {case.date}",
    ]
    return above, []


def _icloud(case: Case) -> Headers:
    found = case.judgement
    above = [_return_path(case), f"X-ICL-Info: {case.token('icl', 30)}"]
    above.append('Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"')
    above.append(f"Authentication-Results: dmarc.icloud.com; dmarc={found.dmarc.result} header.from={found.dmarc.domain}")
    above += [
        f"Authentication-Results: dkim-verifier.icloud.com;\n dkim={s.result} ({s.bits or 'unknown'}-bit key)"
        f" header.d={s.domain} header.i={s.identity} header.b={s.start}"
        for s in found.dkim
    ] or ["Authentication-Results: dkim-verifier.icloud.com; dkim=none"]
    above.append(
        f"Authentication-Results: spf.icloud.com; spf={found.spf.result}\n {_spf_comment(case, 'spf.icloud.com')}"
        f" smtp.mailfrom={_mailfrom(case)}"
    )
    return [*above, _received(case)], []


def _gmx(case: Case) -> Headers:
    found, placed = case.judgement, case.placed
    parts = [f"dkim={s.result} header.i={s.identity}" for s in found.dkim] or ["dkim=none"]
    above = [
        _return_path(case),
        f"Authentication-Results: {case.manner.authserv_id}; " + "; ".join(parts),
        f"Received: from {case.transit.helo} ([{case.transit.ip}]) by {case.manner.mx}\n (mxgmx016"
        f" [212.227.17.5]) with {case.transit.protocol} (Nemesis) id {case.transit.queue_id}\n"
        f" for <{case.transit.recipient}>; {case.date}",
    ]
    verdict = "junk:10" if placed.spam else "unknown:2" if placed.unknown_sender else "notjunk:1"
    recognised = "6 (nemesis text pattern profiler)" if placed.spam else "0 (Mail was not recognized as spam)"
    below = [
        f"Envelope-To: <{case.transit.recipient}>",
        f"X-GMX-Antispam: {recognised};\n Detail=V3;",
        "X-GMX-Antivirus: 0 (no virus found)",
        f"X-Spam-Flag: {'YES' if placed.spam else 'NO'}",
        f"UI-InboundReport: {verdict};M01:P0:{case.token('ui', 12)}=;{case.token('uireport', 40)}",
    ]
    return above, below


def _results(case: Case) -> str:
    """Authentication-Results as the open source filters write it (RFC 8601)."""
    found = case.judgement
    parts = [f"{_dkim_short(s)} header.d={s.domain} header.s={s.selector} header.b={s.start}" for s in found.dkim]
    parts = parts or ["dkim=none"]
    parts.append(f"spf={found.spf.result} smtp.mailfrom={_mailfrom(case)}")
    policy = f" (policy={found.dmarc.policy})" if found.dmarc.policy else ""
    parts.append(f"dmarc={found.dmarc.result}{policy} header.from={found.dmarc.domain}")
    return f"Authentication-Results: {case.manner.authserv_id};\n " + ";\n ".join(parts)


def _weights(case: Case) -> list[tuple[str, float, str]]:
    """Symbols in the manner of the open source filters: name, weight, options."""
    found = case.judgement
    symbols: list[tuple[str, float, str]] = []
    symbols.append(("SPF_PASS", -0.2, "+ip4") if found.spf.result == "pass" else ("SPF_FAIL", 2.0, "-all"))
    if found.dkim_passes:
        symbols.append(("DKIM_VALID", -0.2, found.dkim[0].domain))
    elif found.dkim:
        symbols.append(("DKIM_INVALID", 1.0, found.dkim[0].domain))
    if found.dmarc.result == "fail":
        symbols.append((f"DMARC_{found.dmarc.disposition.upper()}", 2.5, found.dmarc.domain))
    if found.listed:
        symbols.append(("RCVD_IN_LAB_BL", 4.0, found.ip))
    if found.spam_content:
        symbols.append(("GTUBE", 1000.0, ""))
    return symbols


def _score(case: Case, required: float) -> float:
    """The sum of the symbols, on the side of the limit that the placement shows."""
    total = sum(weight for _, weight, _ in _weights(case))
    return max(total, required + 0.3) if case.placed.spam else min(total, required - 0.1)


def _spamassassin(case: Case) -> Headers:
    score = _score(case, 5.0)
    tests = ",".join(name for name, _, _ in _weights(case))
    word = "Yes" if case.placed.spam else "No"
    verdict = [
        "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-26) on " + case.manner.mx,
        f"X-Spam-Status: {word}, score={score:.1f} required=5.0 tests={tests}\n\tautolearn=no autolearn_force=no"
        " version=4.0.1",
        *([f"X-Spam-Level: {'*' * min(int(score), 50)}"] if score >= 1 else []),
        *(["X-Spam-Flag: YES"] if case.placed.spam else []),
    ]
    return [_return_path(case), f"Delivered-To: {case.transit.recipient}", *verdict, _results(case), _received(case)], []


_RSPAMD = {"SPF_PASS": "R_SPF_ALLOW", "SPF_FAIL": "R_SPF_FAIL", "DKIM_VALID": "R_DKIM_ALLOW",
           "DKIM_INVALID": "R_DKIM_REJECT", "DMARC_QUARANTINE": "DMARC_POLICY_QUARANTINE",
           "DMARC_REJECT": "DMARC_POLICY_REJECT", "DMARC_NONE": "DMARC_POLICY_SOFTFAIL"}  # fmt: skip


def _rspamd(case: Case) -> Headers:
    required = 15.0
    limit = 6.0  # "add header"
    score = _score(case, limit)
    symbols = "".join(f";\n\t{_RSPAMD.get(name, name)}({weight:.2f})[{options}]" for name, weight, options in
                      _weights(case))  # fmt: skip
    above = [_return_path(case), f"Delivered-To: {case.transit.recipient}", _received(case), _results(case)]
    below = [
        f"X-Rspamd-Queue-Id: {case.transit.queue_id}",
        f"X-Rspamd-Server: {case.manner.mx}",
        f"X-Rspamd-Action: {'add header' if case.placed.spam else 'no action'}",
        f"X-Spamd-Result: default: {'True' if score >= required else 'False'} [{score:.2f} / {required:.2f}]{symbols}",
        *(["X-Spam: Yes"] if case.placed.spam else []),
    ]
    return above, below


def _plain(case: Case) -> Headers:
    return [_return_path(case), _received(case)], []


_DIALECTS: dict[str, Callable[[Case], Headers]] = {
    "google": _google,
    "microsoft": _microsoft,
    "yahoo": _yahoo,
    "icloud": _icloud,
    "gmx": _gmx,
    "spamassassin": _spamassassin,
    "rspamd": _rspamd,
    "plain": _plain,
}
