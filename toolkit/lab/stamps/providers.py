"""The headers of the large providers, as found in delivered mail and in their documentation (2026-11-21).

Opaque tokens are made up.
"""

from toolkit.lab.stamps.case import (
    Case,
    Headers,
    dkim_short,
    mailfrom,
    received,
    received_spf,
    return_path,
    spf_comment,
)


def google(case: Case) -> Headers:
    """Gmail: one Authentication-Results, an ARC copy of it, and no verdict of a filter."""
    found, transit = case.judgement, case.transit
    parts = [f"{dkim_short(s)} header.i={s.identity} header.s={s.selector} header.b={s.start}" for s in found.dkim]
    parts.append(f"spf={found.spf.result} {spf_comment(case, 'google.com')} smtp.mailfrom={mailfrom(case)}")
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
        return_path(case),
        received,
        received_spf(case, "google.com"),
        f"Authentication-Results: {results}",
    ]
    return above, []


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
        f"Authentication-Results: spf={found.spf.result} (sender IP is {found.ip})\n"
        f" smtp.mailfrom={case.sender_domain};"
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


def microsoft(case: Case) -> Headers:
    """Microsoft: no authserv-id, composite authentication, the filter's verdict below the sender's own headers."""
    transit, found, placed = case.transit, case.judgement, case.placed
    host = case.manner.mx
    spf_word = {"pass": "Pass", "fail": "Fail", "softfail": "SoftFail", "neutral": "Neutral", "none": "None"}
    permitted = "designates" if found.spf.result == "pass" else "does not designate"
    above = [
        (
            f"Received: from {host}\n (2603:10a6:20b:{case.token('hop', 4)}::12)"
            f" by DB9P194MB1234.EURP194.PROD.OUTLOOK.COM\n with HTTPS; {case.date}"
        ),
        _microsoft_results(case),
        (
            f"Received-SPF: {spf_word.get(found.spf.result, 'TempError')} (protection.outlook.com: domain of"
            f" {case.sender_domain}\n {permitted} {transit.ip} as permitted sender)\n"
            f" receiver=protection.outlook.com; client-ip={transit.ip};\n helo={transit.helo};"
        ),
        (
            f"Received: from {transit.helo} ({transit.ip}) by\n {host} (10.167.16.199) with Microsoft SMTP\n Server"
            f" (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.9999.9; {case.date}"
        ),
    ]
    scl, sfv, category = ("5", "SPM", "SPM") if placed.spam else ("1", "NSPM", "NONE")
    destination = "J" if placed.spam else "C" if placed.by_rule else "I"
    decided = "OFR:SpamFilterAuthJ;" if placed.spam and found.dmarc.result == "pass" else ""
    decided = "OFR:CustomRules;" if placed.by_rule else decided
    below = [
        "X-MS-Exchange-Organization-PCL: 2",
        f"X-MS-Exchange-Organization-SCL: {scl}",
        "X-Microsoft-Antispam: BCL:0;ARA:14566002;",
        (
            f"X-Forefront-Antispam-Report: CIP:{transit.ip};CTRY:DE;LANG:de;SCL:{scl};SRV:;IPV:NLI;SFV:{sfv};"
            f"H:{transit.helo};PTR:{found.ptr or 'InfoDomainNonexistent'};CAT:{category};SFS:;DIR:INB;"
        ),
        (
            f"X-Microsoft-Antispam-Mailbox-Delivery: ucf:{int(placed.by_rule)};jmr:{int(placed.spam)};auth:"
            f"{int(found.dmarc.result == 'pass')};dest:{destination};{decided}ENG:(910001)(944506478)(944626604);"
        ),
    ]
    return above, [*below, return_path(case)]


def yahoo(case: Case) -> Headers:
    """Yahoo and AOL."""
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
        return_path(case),
        f"Authentication-Results: {server};\n " + ";\n ".join(parts) + ";",
        f"X-YMailISG: {case.token('isg', 40)}",
        (
            f"Received: from {transit.ip} (EHLO {transit.helo})\n by 10.217.150.13 with SMTPs\n"
            f" (version={transit.tls or 'TLS1_3'} cipher={transit.cipher or 'TLS_AES_128_GCM_SHA256'});\n {case.date}"
        ),
    ]
    return above, []


def icloud(case: Case) -> Headers:
    """iCloud: one Authentication-Results per method."""
    found = case.judgement
    above = [return_path(case), f"X-ICL-Info: {case.token('icl', 30)}"]
    above.append('Authentication-Results: bimi.icloud.com; bimi=skipped reason="insufficient dmarc"')
    above.append(
        f"Authentication-Results: dmarc.icloud.com; dmarc={found.dmarc.result} header.from={found.dmarc.domain}"
    )
    above += [
        f"Authentication-Results: dkim-verifier.icloud.com;\n dkim={s.result} ({s.bits or 'unknown'}-bit key)"
        f" header.d={s.domain} header.i={s.identity} header.b={s.start}"
        for s in found.dkim
    ] or ["Authentication-Results: dkim-verifier.icloud.com; dkim=none"]
    above.append(
        f"Authentication-Results: spf.icloud.com; spf={found.spf.result}\n {spf_comment(case, 'spf.icloud.com')}"
        f" smtp.mailfrom={mailfrom(case)}"
    )
    return [*above, received(case)], []


def gmx(case: Case) -> Headers:
    """GMX and WEB.DE: DKIM alone in Authentication-Results, the verdict in UI-InboundReport below."""
    found, placed = case.judgement, case.placed
    short = case.manner.authserv_id.split(".")[0]
    parts = [f"dkim={s.result} header.i={s.identity}" for s in found.dkim] or ["dkim=none"]
    above = [
        return_path(case),
        f"Authentication-Results: {case.manner.authserv_id}; " + "; ".join(parts),
        (
            f"Received: from {case.transit.helo} ([{case.transit.ip}]) by {case.manner.mx}\n (mx{short}016"
            f" [212.227.17.5]) with {case.transit.protocol} (Nemesis) id {case.transit.queue_id}\n"
            f" for <{case.transit.recipient}>; {case.date}"
        ),
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
