"""What the receiving provider found about a seed's authentication (RFC 8601).

Believed are only fields above our own topmost one, and of them only the provider's: a server prepends its results, so
the topmost field is the last server's, and fields with another authserv-id below it are a relay's opinion (RFC 8601,
section 5). No field is no result, and no failure.
"""

from collections.abc import Sequence
from functools import lru_cache

from publicsuffixlist import PublicSuffixList

from toolkit.derive.trace import Trace
from toolkit.model.placement import AuthResult
from toolkit.parse.auth_results import AuthenticationResults, MethodResult, parse_auth_results
from toolkit.parse.headers import every

_DOMAIN_OF = {
    "dkim": ("header.d", "header.i"),
    "domainkeys": ("header.d", "header.from", "header.sender"),
    "spf": ("smtp.mailfrom", "smtp.mail", "smtp.helo"),
    "dmarc": ("header.from",),
    "iprev": (),
    "auth": (),
}
"""Which property names the domain that a method judged, the telling one first."""
_ANY = ("header.d", "header.i", "smtp.mailfrom", "header.from")


def auth_results(trace: Trace, provider: str) -> tuple[AuthResult, ...]:
    """The provider's results, topmost first, each once.

    `by` is the authserv-id, or `provider` where the field names none (Microsoft). Fields of hosts of one organisation
    are one opinion: `by` is then the organisation's domain, as "icloud.com" for dmarc.icloud.com and spf.icloud.com.
    """
    fields = [parse_auth_results(value) for value in every(trace.above, "Authentication-Results")]
    ours = _receivers(fields)
    names = {field.authserv_id for field in ours if field.authserv_id}
    by = (names.pop() if len(names) == 1 else _organisation(min(names))) if names else provider
    found = (
        AuthResult(by, result.method, result.result, _domain(result)) for field in ours for result in field.results
    )
    return tuple(dict.fromkeys(found))


def _receivers(fields: Sequence[AuthenticationResults]) -> list[AuthenticationResults]:
    """The fields of the topmost field's organisation."""
    if not fields:
        return []
    speaker = fields[0].authserv_id
    if speaker is None:
        return [field for field in fields if field.authserv_id is None]
    return [
        field
        for field in fields
        if field.authserv_id is not None
        and (field.authserv_id == speaker or _organisation(field.authserv_id) == _organisation(speaker))
    ]


@lru_cache(maxsize=256)
def _organisation(host: str) -> str:
    """The organisational domain, by the public suffix list; the name itself where it has none."""
    domain = _public_suffixes().privatesuffix(host) if len(host) <= 255 else None
    return str(domain) if domain else host


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _domain(result: MethodResult) -> str | None:
    for name in _DOMAIN_OF.get(result.method, _ANY):
        value = (result.get(name) or "").strip("<>").rpartition("@")[2].strip(" .<>").lower()
        if value:
            return value
    return None
