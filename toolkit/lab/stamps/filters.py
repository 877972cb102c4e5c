"""The headers of servers that run open source filters: SpamAssassin, Rspamd."""

from toolkit.lab.stamps.case import Case, Headers, dkim_short, mailfrom, received, return_path


def _results(case: Case) -> str:
    """Authentication-Results as the open source filters write it (RFC 8601)."""
    found = case.judgement
    parts = [f"{dkim_short(s)} header.d={s.domain} header.s={s.selector} header.b={s.start}" for s in found.dkim]
    parts = parts or ["dkim=none"]
    parts.append(f"spf={found.spf.result} smtp.mailfrom={mailfrom(case)}")
    policy = f" (policy={found.dmarc.policy})" if found.dmarc.policy else ""
    parts.append(f"dmarc={found.dmarc.result}{policy} header.from={found.dmarc.domain}")
    return f"Authentication-Results: {case.manner.authserv_id};\n " + ";\n ".join(parts)


_SPF_SYMBOLS = {
    "pass": ("SPF_PASS", -0.2, "+ip4"),
    "fail": ("SPF_FAIL", 2.0, "-all"),
    "softfail": ("SPF_SOFTFAIL", 0.7, "~all"),
}


def _weights(case: Case) -> list[tuple[str, float, str]]:
    """Symbols in the manner of the open source filters: name, weight, options."""
    found = case.judgement
    symbols: list[tuple[str, float, str]] = []
    symbols.append(_SPF_SYMBOLS.get(found.spf.result, ("SPF_NONE", 0.0, "")))
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


def spamassassin(case: Case) -> Headers:
    """A server with SpamAssassin 4."""
    score = _score(case, 5.0)
    tests = ",".join(name for name, _, _ in _weights(case))
    word = "Yes" if case.placed.spam else "No"
    verdict = [
        "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-26) on " + case.manner.mx,
        (
            f"X-Spam-Status: {word}, score={score:.1f} required=5.0 tests={tests}\n\tautolearn=no autolearn_force=no"
            " version=4.0.1"
        ),
        *([f"X-Spam-Level: {'*' * min(int(score), 50)}"] if score >= 1 else []),
        *(["X-Spam-Flag: YES"] if case.placed.spam else []),
    ]
    return [
        return_path(case),
        f"Delivered-To: {case.transit.recipient}",
        *verdict,
        _results(case),
        received(case),
    ], []


_RSPAMD = {
    "SPF_PASS": "R_SPF_ALLOW",
    "SPF_FAIL": "R_SPF_FAIL",
    "SPF_SOFTFAIL": "R_SPF_SOFTFAIL",
    "SPF_NONE": "R_SPF_NA",
    "DKIM_VALID": "R_DKIM_ALLOW",
    "DKIM_INVALID": "R_DKIM_REJECT",
    "DMARC_QUARANTINE": "DMARC_POLICY_QUARANTINE",
    "DMARC_REJECT": "DMARC_POLICY_REJECT",
    "DMARC_NONE": "DMARC_POLICY_SOFTFAIL",
}


def rspamd(case: Case) -> Headers:
    """A server with Rspamd: its verdict stands below the sender's own headers."""
    required = 15.0
    limit = 6.0  # "add header"
    score = _score(case, limit)
    symbols = "".join(f";\n\t{_RSPAMD.get(name, name)}({weight:.2f})[{options}]" for name, weight, options in
                      _weights(case))  # fmt: skip
    above = [return_path(case), f"Delivered-To: {case.transit.recipient}", received(case), _results(case)]
    below = [
        f"X-Rspamd-Queue-Id: {case.transit.queue_id}",
        f"X-Rspamd-Server: {case.manner.mx}",
        f"X-Rspamd-Action: {'add header' if case.placed.spam else 'no action'}",
        f"X-Spamd-Result: default: {'True' if score >= required else 'False'} [{score:.2f} / {required:.2f}]{symbols}",
        *(["X-Spam: Yes"] if case.placed.spam else []),
    ]
    return above, below


def plain(case: Case) -> Headers:
    """A server that shows nothing of its judgement."""
    return [return_path(case), received(case)], []
