"""What content filters wrote into a message, one small reader per family.

A reader is given the bodies of the fields that it names, topmost first, and answers with a verdict or None. Another
family is one more function and one more entry of `READERS`. What a sender's own scanner wrote on the way out is no
verdict of the receiver: outbound fields (X-UI-Out-Filterresults, UI-OutboundReport, X-TOI-EXPURGATEID, Microsoft's
`DIR:OUT`, Proofpoint's outbound rules) are never read. Fields whose meaning is not documented or contradicted
(X-YMailISG, X-ICL-Score, X-Yandex-Spam) are left to people.

Sources, 2026-11-21: learn.microsoft.com, "Anti-spam message headers", "Spam confidence level", "Bulk complaint level";
spamassassin.apache.org, Mail::SpamAssassin::Conf; rspamd's milter_headers plugin; headers of delivered mail.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from toolkit.model.placement import FilterVerdict, Header

SPAM = "spam"
NOT_SPAM = "not-spam"
USER_RULE = "user-rule"  # a rule of the recipient decided
USER_BLOCKED = "user-blocked"  # the sender stands on the recipient's, or the administrator's, block list
USER_ALLOWED = "user-allowed"  # … or on their safe list
UNKNOWN = "unknown"
VERDICTS = frozenset({SPAM, NOT_SPAM, USER_RULE, USER_BLOCKED, USER_ALLOWED, UNKNOWN})

Fields = Mapping[str, Sequence[str]]
"""The bodies found, by field name in lower case, topmost first. Every name that the reader asked for is a key."""

_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.\d{1,9})?")
_SYMBOLS_KEPT = 200


@dataclass(frozen=True, slots=True)
class Reader:
    """One family: the fields that it reads, in lower case, and how."""

    names: tuple[str, ...]
    read: Callable[[Fields], FilterVerdict | None]


def read_verdicts(headers: Sequence[Header]) -> tuple[FilterVerdict, ...]:
    """The verdicts in the given fields, topmost first within a family, in the order of `READERS`.

    Which fields may be believed is the caller's: for a seed, those that it did not send (`toolkit.derive.trace`).
    """
    wanted = {name for reader in READERS for name in reader.names}
    bodies: dict[str, list[str]] = {}
    for header in headers:
        name = header.name.lower()
        if name in wanted:
            bodies.setdefault(name, []).append(header.value)
    found = []
    for reader in READERS:
        if any(name in bodies for name in reader.names):
            verdict = reader.read({name: bodies.get(name, ()) for name in reader.names})
            if verdict is not None:
                found.append(verdict)
    return tuple(found)


def _top(fields: Fields, name: str) -> str:
    """The topmost body with white space made even; empty where there is none."""
    return " ".join(fields[name][0].split()) if fields[name] else ""


def _number(text: str) -> float | None:
    match = _NUMBER.match(text.strip())
    return float(match[0]) if match else None


def _assigned(words: Sequence[str], *names: str) -> float | None:
    """The number of the first "name=number" word with one of the names, whatever the case."""
    for word in words:
        name, sign, value = word.partition("=")
        if sign and name.lower() in names:
            return _number(value)
    return None


def _tests(words: Sequence[str]) -> tuple[str, ...]:
    """The names after "tests=", over blanks up to the next "name=value" in lower case."""
    found: list[str] = []
    started = False
    for word in words:
        if word.lower().startswith("tests="):
            started, rest = True, word[6:]
        elif started and ("=" not in word or word[:1].isupper()):
            rest = word
        elif started:
            break
        else:
            continue
        found.extend(name for name in rest.strip("[]").split(",") if name and name.lower() != "none")
    return tuple(found[:_SYMBOLS_KEPT])


# Microsoft: Outlook.com and Microsoft 365 ------------------------------------------------------------

_FOREFRONT = "x-forefront-antispam-report"
_BULK = "x-microsoft-antispam"
_DELIVERY = "x-microsoft-antispam-mailbox-delivery"
_SCL = "x-ms-exchange-organization-scl"
_ASF = "x-customspam"

_SFV = {
    "BLK": USER_BLOCKED,  # the recipient's blocked senders
    "SKB": USER_BLOCKED,  # the block list of the organisation's policy
    "SFE": USER_ALLOWED,  # the recipient's safe senders
    "SKA": USER_ALLOWED,  # the allow list of the organisation's policy
    "SPM": SPAM,
    "SKS": SPAM,  # by a mail-flow rule, before the filter
    "NSPM": NOT_SPAM,
    "SKN": NOT_SPAM,  # by a mail-flow rule, before the filter
    "SKQ": NOT_SPAM,  # released from quarantine
    "SKI": NOT_SPAM,  # within the organisation
}
_SPAM_CATEGORIES = frozenset(
    {"SPM", "HSPM", "PHSH", "HPHSH", "HPHISH", "SPOOF", "BULK", "MALW", "AMP", "BIMP", "DIMP", "GIMP", "UIMP", "INTOS"}
)
_FOREFRONT_KEPT = ("SFV", "SCL", "CAT", "SRV", "SFTY", "IPV", "DIR")
_DELIVERY_KEPT = ("dest", "OFR", "RF", "ucf", "jmr", "auth")
_LIST_FLAGS = ("abwl", "wl", "pcwl", "kl", "iwl", "ijl", "dwl", "dkl", "rwl", "ex", "psp")
_SCL_SPAM = 5.0  # "5, 6: spam" of the page on the spam confidence level


def _pairs(body: str) -> dict[str, str]:
    """KEY:VALUE;… split at the first colon of each; the first of each key counts."""
    found: dict[str, str] = {}
    for part in body.split(";"):
        key, sign, value = part.partition(":")
        if sign and len(key) < 100:
            found.setdefault(key.strip(), "".join(value.split()))
    return found


def _microsoft(fields: Fields) -> FilterVerdict | None:
    reports = [_pairs(body) for body in fields[_FOREFRONT]]
    report = next((found for found in reports if found.get("DIR", "").upper() != "OUT"), {})
    delivery = _pairs(fields[_DELIVERY][0]) if fields[_DELIVERY] else {}
    if reports and not report and not delivery:
        return None  # a sender's own Microsoft 365 on the way out
    level = report.get("SCL") or _top(fields, _SCL)
    bulk = _pairs(fields[_BULK][0]).get("BCL") if fields[_BULK] else None
    symbols = [f"{key}:{report[key]}" for key in _FOREFRONT_KEPT if report.get(key)]
    if level and not report.get("SCL"):
        symbols.append(f"SCL:{level}")
    symbols += [f"BCL:{bulk}"] if bulk else []
    symbols += [f"{key}:{delivery[key]}" for key in _DELIVERY_KEPT if delivery.get(key)]
    symbols += [f"{key}:{delivery[key]}" for key in _LIST_FLAGS if delivery.get(key, "0") != "0"]
    symbols += [f"X-CustomSpam:{' '.join(body.split())}" for body in fields[_ASF][:10]]
    score = _number(level)
    return FilterVerdict(
        by="microsoft",
        verdict=_microsoft_verdict(report, delivery, score),
        score=score,
        required=None if score is None else _SCL_SPAM,
        symbols=tuple(symbols),
    )


def _microsoft_verdict(report: Mapping[str, str], delivery: Mapping[str, str], score: float | None) -> str:
    """The recipient's own doing before the filter's, and what was done with the message before what was thought."""
    cause, place = delivery.get("OFR", "").lower(), delivery.get("dest", "").upper()
    filtered = _SFV.get(report.get("SFV", "").upper(), UNKNOWN)
    if cause == "customrules" or place == "C":
        return USER_RULE
    if filtered == USER_BLOCKED:
        return USER_BLOCKED
    if cause == "trustedsenderlist" or filtered == USER_ALLOWED:
        return USER_ALLOWED
    high = score is not None and score >= _SCL_SPAM
    if filtered == SPAM or high or report.get("CAT", "").upper() in _SPAM_CATEGORIES or place == "J":
        return SPAM
    if filtered == NOT_SPAM or score is not None or place == "I":
        return NOT_SPAM
    return UNKNOWN


# GMX, WEB.DE, mail.com, 1&1 --------------------------------------------------------------------------

_UI_WORD = re.compile(r"(junk|notjunk|unknown):\d{1,9}", re.IGNORECASE)
_UI_VERDICTS = {"junk": SPAM, "notjunk": NOT_SPAM, "unknown": UNKNOWN}
_GMX_ANTISPAM = re.compile(r"(-?\d{1,9})\b[^;]{0,200}")


def _gmx(fields: Fields) -> FilterVerdict | None:
    """UI-InboundReport, or the older X-UI-Filterresults, decides; X-GMX-Antispam where that says "unknown".

    X-GMX-Antispam: 0 is clean, a positive number a detector that hit, a negative one the recipient's own lists.
    """
    symbols: list[str] = []
    verdict, score = UNKNOWN, None
    for name in ("ui-inboundreport", "x-ui-filterresults"):
        match = _UI_WORD.match(_top(fields, name))
        if match and not symbols:
            symbols.append(match[0])
            verdict = _UI_VERDICTS[match[1].lower()]
    match = _GMX_ANTISPAM.match(_top(fields, "x-gmx-antispam"))
    if match:
        symbols.append(match[0].strip())
        score = float(match[1])
        if verdict == UNKNOWN:
            verdict = SPAM if score > 0 else NOT_SPAM if score == 0 else USER_ALLOWED
    return FilterVerdict("gmx", verdict, score=score, symbols=tuple(symbols)) if symbols else None


# Rspamd ----------------------------------------------------------------------------------------------

_RSPAMD_RESULT = re.compile(r"[^\s:]{1,100}: (True|False) \[([-+]?[\d.]{1,12}) / ([-+]?[\d.]{1,12})\]")
_RSPAMD_SYMBOL = re.compile(r"(?:^|[;\s])([A-Z][A-Z0-9_]{1,80})(?=\([-+]?[\d.]{1,12}\)\[)")
_RSPAMD_ACTIONS = {
    "no action": NOT_SPAM,
    "greylist": NOT_SPAM,
    "add header": SPAM,
    "rewrite subject": SPAM,
    "quarantine": SPAM,
    "reject": SPAM,
}
_RSPAMD_ADD_HEADER = 6.0  # the action's default score in rspamd's actions.conf


def _rspamd(fields: Fields) -> FilterVerdict | None:
    """The action decides. X-Spamd-Result says True only for "reject", so its False alone does not mean clean.

    `X-Spam: Yes` alone is Rspamd's default towards a milter, but others write it too.
    """
    result = _top(fields, "x-spamd-result")
    match = _RSPAMD_RESULT.match(result)
    action = _top(fields, "x-rspamd-action").lower()
    score = _number(match[2]) if match else _number(_top(fields, "x-rspamd-score"))
    marked = _top(fields, "x-spam").lower().startswith(("yes", "true"))
    if match is None and not action and score is None:
        return FilterVerdict("x-spam", SPAM) if marked else None
    if action:
        verdict = _RSPAMD_ACTIONS.get(action, UNKNOWN)
    elif marked or (match is not None and match[1] == "True"):
        verdict = SPAM
    elif match is None:
        verdict = UNKNOWN
    else:
        verdict = NOT_SPAM if score is not None and score < _RSPAMD_ADD_HEADER else UNKNOWN
    symbols = [found[1] for found in _RSPAMD_SYMBOL.finditer(result, match.end() if match else 0)]
    return FilterVerdict(
        by="rspamd",
        verdict=verdict,
        score=score,
        required=_number(match[3]) if match else None,
        symbols=tuple(symbols[:_SYMBOLS_KEPT]),
    )


# SpamAssassin, and others that write its fields ------------------------------------------------------


def _spamassassin(fields: Fields) -> FilterVerdict | None:
    """X-Spam-Status decides. X-Spam-Flag alone is written by many filters, and names none."""
    status = _top(fields, "x-spam-status")
    flag = _top(fields, "x-spam-flag").lower()
    words = status.replace(",", ", ", 1).split()  # "Yes,score=…"
    answer = (words[0].rstrip(",") if words else flag).lower()
    score = _assigned(words, "score", "hits")
    if score is None:
        score = _number(_top(fields, "x-spam-score"))
    if not answer and score is None:
        return None
    verdict = SPAM if answer in ("yes", "true") else NOT_SPAM if answer in ("no", "false") else UNKNOWN
    named = bool(status) or any(fields[name] for name in ("x-spam-checker-version", "x-spam-level", "x-spam-score"))
    return FilterVerdict(
        by="spamassassin" if named else "x-spam-flag",
        verdict=verdict,
        score=score,
        required=_assigned(words, "required"),
        symbols=_tests(words),
    )


# Gateways --------------------------------------------------------------------------------------------


def _barracuda(fields: Fields) -> FilterVerdict | None:
    """`No, SCORE=1.28 using … of TAG_LEVEL=… QUARANTINE_LEVEL=… KILL_LEVEL=… tests=…`; the lowest level is required."""
    words = _top(fields, "x-barracuda-spam-status").split()
    answer = words[0].rstrip(",").lower() if words else ""
    score = _assigned(words, "score")
    if score is None:
        score = _number(_top(fields, "x-barracuda-spam-score"))
    if not answer and score is None:
        return None
    levels = [_assigned(words, name) for name in ("tag_level", "quarantine_level", "kill_level")]
    return FilterVerdict(
        by="barracuda",
        verdict={"yes": SPAM, "no": NOT_SPAM}.get(answer, UNKNOWN),
        score=score,
        required=min((level for level in levels if level is not None), default=None),
        symbols=_tests(words),
    )


def _proofpoint(fields: Fields) -> FilterVerdict | None:
    """`rule=` decides; a report of mail that went out is the sender's own."""
    for body in fields["x-proofpoint-spam-details"]:
        words = body.split()
        values = dict(word.partition("=")[::2] for word in words[:60] if "=" in word)
        rule = values.get("rule", "").lower()
        if "outbound" in (rule.split("_")[0], values.get("policy", "").lower(), values.get("route", "").lower()):
            continue
        ending = rule.rpartition("_")[2]
        if not rule:
            return None
        return FilterVerdict(
            by="proofpoint",
            verdict=NOT_SPAM
            if ending == "notspam"
            else SPAM
            if ending.endswith("spam") or ending == "phish"
            else UNKNOWN,
            score=_number(values.get("score", "")),
            symbols=tuple(f"{name}={values[name]}" for name in ("rule", "policy", "route") if values.get(name)),
        )
    return None


def _mimecast(fields: Fields) -> FilterVerdict | None:
    """A number whose meaning is the recipient's policy."""
    score = _number(_top(fields, "x-mimecast-spam-score"))
    return None if score is None else FilterVerdict("mimecast", UNKNOWN, score=score)


def _workspace(fields: Fields) -> FilterVerdict | None:
    """Google Workspace, where an administrator asked for it: `X-Gm-Spam: 0` or `1`, likewise X-Gm-Phishy."""
    found = {name: _top(fields, name)[:1] for name in ("x-gm-spam", "x-gm-phishy")}
    if not set(found.values()) & {"0", "1"}:
        return None
    symbols = tuple(f"{name}:{value}" for name, value in found.items() if value in ("0", "1"))
    return FilterVerdict("google", SPAM if "1" in found.values() else NOT_SPAM, symbols=symbols)


READERS: tuple[Reader, ...] = (
    Reader((_FOREFRONT, _BULK, _DELIVERY, _SCL, _ASF), _microsoft),
    Reader(("ui-inboundreport", "x-ui-filterresults", "x-gmx-antispam"), _gmx),
    Reader(("x-spamd-result", "x-rspamd-action", "x-rspamd-score", "x-spam"), _rspamd),
    Reader(
        ("x-spam-status", "x-spam-flag", "x-spam-score", "x-spam-level", "x-spam-checker-version"),
        _spamassassin,
    ),
    Reader(("x-barracuda-spam-status", "x-barracuda-spam-score"), _barracuda),
    Reader(("x-proofpoint-spam-details",), _proofpoint),
    Reader(("x-mimecast-spam-score",), _mimecast),
    Reader(("x-gm-spam", "x-gm-phishy"), _workspace),
)
"""Every family that is read. The order is that of the answer."""
