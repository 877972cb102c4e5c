"""The headers that a provider writes into a message that it takes: Received, Authentication-Results, its verdict."""

import re
from collections.abc import Callable

from toolkit.lab.messages import header_fields, split_message
from toolkit.lab.stamps import filters, providers
from toolkit.lab.stamps.case import Case, Headers, Transit

__all__ = ["Case", "Headers", "Transit", "stamp"]

_RESULTS_OF = re.compile(rb"\s*([^;\s]+)")
_DIALECTS: dict[str, Callable[[Case], Headers]] = {
    "google": providers.google,
    "microsoft": providers.microsoft,
    "yahoo": providers.yahoo,
    "icloud": providers.icloud,
    "gmx": providers.gmx,
    "spamassassin": filters.spamassassin,
    "rspamd": filters.rspamd,
    "plain": filters.plain,
}


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
