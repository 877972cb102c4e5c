"""What a receiving server finds out about a message: SPF, DKIM, DMARC, reverse DNS, block lists, test patterns.

Everything is asked of the lab's own DNS. Who may be at fault is not decided here: `toolkit.lab.placing` does that.
"""

import email.utils
import re
from dataclasses import dataclass

import dkim
from spftrace import Evaluator, Limits

from toolkit.lab.dns_server import JudgesResolver
from toolkit.lab.dns_zones import reversed_address
from toolkit.lab.messages import header_fields, split_message

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
"""The text that every content filter takes for spam (spamassassin.apache.org/gtube, 2026-11-21)."""
_SIGNATURES = 5  # that are looked at in one message
_LABELS = 8  # of a name in the DMARC tree walk (RFC 9989, section 4.10)
_TRANSIENT = {"SERVFAIL", "TIMEOUT", "REFUSED"}
_TAG = re.compile(r"\s*([a-z]+)\s*=\s*([^;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spf:
    """The result of SPF (RFC 7208) and the domain that it speaks of."""

    result: str
    domain: str


@dataclass(frozen=True, slots=True)
class DkimSignature:
    """One signature (RFC 6376): `result` as RFC 8601 names it, `reason` for people."""

    result: str
    domain: str
    selector: str
    identity: str
    start: str  # the first eight characters of b=
    bits: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Dmarc:
    """DMARC (RFC 9989): `policy` is what the domain asks for this message, `disposition` what follows."""

    result: str  # pass, fail, none, temperror, permerror
    domain: str  # of the From header
    policy: str = ""  # none, quarantine, reject; empty without a record
    subdomain_policy: str = ""
    organisational: str = ""
    spf_aligned: bool = False
    dkim_aligned: bool = False

    @property
    def disposition(self) -> str:
        """None, quarantine or reject: what the domain asks to be done."""
        return self.policy or "none" if self.result == "fail" else "none"


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings about one message."""

    ip: str
    ptr: str | None  # a name that leads back to the address
    spf: Spf
    dkim: tuple[DkimSignature, ...]
    dmarc: Dmarc
    listed: tuple[str, ...] = ()  # block lists that name the address
    spam_content: bool = False

    @property
    def dkim_passes(self) -> bool:
        """Whether any signature holds."""
        return any(signature.result == "pass" for signature in self.dkim)


class Judge:
    """Judges with one resolver, against these block lists."""

    def __init__(self, resolver: JudgesResolver, blocklists: tuple[str, ...]) -> None:
        self._resolver = resolver
        self._blocklists = blocklists

    async def judge(self, ip: str, helo: str, sender: str, raw: bytes) -> Judgement:
        """Findings about a message from `ip`. Never raises: what cannot be asked is temperror."""
        ptr = await self.verified_name(ip)
        spf = await self._spf(ip, helo, sender)
        signatures = await self._dkim(raw)
        dmarc = await self._dmarc(raw, spf, signatures)
        return Judgement(ip, ptr, spf, signatures, dmarc, await self.lists_naming(ip), GTUBE in raw)

    async def verified_name(self, ip: str) -> str | None:
        """A name of the address that leads back to it (RFC 8601, section 3)."""
        arpa = f"{reversed_address(ip)}.{'in-addr' if '.' in ip else 'ip6'}.arpa"
        _, names = await self._resolver.ask(arpa, "PTR")
        for name in names:
            _, addresses = await self._resolver.ask(name, "A" if "." in ip else "AAAA")
            if ip in addresses:
                return name
        return None

    async def lists_naming(self, ip: str) -> tuple[str, ...]:
        """The block lists that name the address. Error codes of a list name nothing (RFC 5782, section 2.1)."""
        found = []
        for zone in self._blocklists:
            _, codes = await self._resolver.ask(f"{reversed_address(ip)}.{zone}", "A")
            if any(code.startswith("127.") and not code.startswith("127.255.255.") for code in codes):
                found.append(zone)
        return tuple(found)

    async def _spf(self, ip: str, helo: str, sender: str) -> Spf:
        domain = sender.rpartition("@")[2] if sender else helo
        try:
            result = await Evaluator(self._resolver, Limits(time_limit=5.0)).evaluate(ip, sender, helo)
        except Exception:  # noqa: BLE001 - a hostile name must not keep a message from being judged
            return Spf("permerror", domain.lower())
        return Spf(result.verdict, domain.lower())

    # DKIM

    async def _dkim(self, raw: bytes) -> tuple[DkimSignature, ...]:
        fields = [whole for name, whole in header_fields(split_message(raw)[0]) if name == "dkim-signature"]
        return tuple([await self._signature(raw, index, whole) for index, whole in enumerate(fields[:_SIGNATURES])])

    async def _signature(self, raw: bytes, index: int, whole: bytes) -> DkimSignature:
        text = re.sub(r"\s+", "", whole.decode("ascii", "replace").partition(":")[2])
        tags = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        domain, selector = tags.get("d", "").lower(), tags.get("s", "")
        identity = tags.get("i", "@" + domain)
        rcode, records = await self._resolver.ask(f"{selector}._domainkey.{domain}", "TXT")
        if rcode in _TRANSIENT:
            result, reason, bits = "temperror", "no answer for the key", 0
        elif not records:
            result, reason, bits = "permerror", "no key for signature", 0
        else:
            result, reason, bits = _verify(raw, index, records[0].encode())
        return DkimSignature(result, domain, selector, identity, tags.get("b", "")[:8], bits, reason)

    # DMARC

    async def _dmarc(self, raw: bytes, spf: Spf, signatures: tuple[DkimSignature, ...]) -> Dmarc:
        domain = author_domain(raw)
        if domain is None:
            return Dmarc("permerror", "")
        transient, records = await self._walk(domain)
        if transient:
            return Dmarc("temperror", domain)
        organisational = _organisational(domain, records)
        record = records.get(domain) or records.get(organisational)
        if record is None:
            return Dmarc("none", domain, organisational=organisational)
        spf_aligned = spf.result == "pass" and await self._aligned(spf.domain, domain, record.get("aspf", "r"))
        dkim_aligned = False
        for signature in signatures:
            if signature.result == "pass" and not dkim_aligned:
                dkim_aligned = await self._aligned(signature.domain, domain, record.get("adkim", "r"))
        policy = record.get("p", "none").lower()
        below = record.get("sp", policy).lower()
        asked = policy if domain in records else below
        if record.get("t", "n").lower() == "y":  # testing: one level less (RFC 9989, section 4.7)
            asked = {"reject": "quarantine", "quarantine": "none"}.get(asked, asked)
        if asked not in ("none", "quarantine", "reject"):  # RFC 9989, section 4.7: as if it were none
            asked = "none"
        result = "pass" if spf_aligned or dkim_aligned else "fail"
        return Dmarc(result, domain, asked, below, organisational, spf_aligned, dkim_aligned)

    async def _aligned(self, one: str, other: str, mode: str) -> bool:
        if one == other:
            return True
        if mode.lower() == "s":
            return False
        _, records_one = await self._walk(one)
        _, records_other = await self._walk(other)
        return _organisational(one, records_one) == _organisational(other, records_other)

    async def _walk(self, domain: str) -> tuple[bool, dict[str, dict[str, str]]]:
        """The tree walk: whether a question went unanswered, and the record of each name that has one."""
        found: dict[str, dict[str, str]] = {}
        labels = domain.split(".")
        names = [domain]
        rest = labels[1:] if len(labels) < _LABELS else labels[-(_LABELS - 1) :]
        names += [".".join(rest[at:]) for at in range(len(rest))]
        for name in names:
            rcode, texts = await self._resolver.ask(f"_dmarc.{name}", "TXT")
            if rcode in _TRANSIENT:
                return True, found
            records = [tags for tags in map(_dmarc_tags, texts) if tags is not None]
            if len(records) == 1:
                found[name] = records[0]
                if records[0].get("psd", "u").lower() in ("y", "n"):
                    break
        return False, found


def _organisational(domain: str, records: dict[str, dict[str, str]]) -> str:
    """The organisational domain (RFC 9989, section 4.10.2): the highest name with a record, unless psd= says else."""
    for name, record in sorted(records.items(), key=lambda pair: -pair[0].count(".")):
        psd = record.get("psd", "u").lower()
        if psd == "n":
            return name
        if psd == "y" and name != domain:
            return ".".join(domain.split(".")[-(name.count(".") + 2) :])
    return min(records, key=lambda name: name.count("."), default=domain)


def _dmarc_tags(text: str) -> dict[str, str] | None:
    if not re.match(r"v\s*=\s*DMARC1\s*(;|$)", text):
        return None
    return {found[1].lower(): found[2].strip() for found in _TAG.finditer(text)}


def _verify(raw: bytes, index: int, record: bytes) -> tuple[str, str, int]:
    """Check a signature against a key record: result, reason, size of the key."""
    try:
        checker = dkim.DKIM(raw, minkey=1024)
        holds = checker.verify(index, dnsfunc=lambda _name, timeout=5: record)  # noqa: ARG005 - dkimpy's signature
    except dkim.ValidationError as error:
        reason = str(error)
        return ("fail", "body hash did not verify", 0) if "body hash" in reason else ("permerror", reason, 0)
    except Exception as error:  # noqa: BLE001 - dkimpy lets more than its own out of hostile signatures
        return "permerror", " ".join(str(error).split()) or "unreadable signature", 0
    bits = int(getattr(checker, "keysize", 0) or 0)
    if holds:
        return "pass", "signature was verified", bits
    return ("fail", "signature did not verify", bits) if bits else ("permerror", "bad key", 0)


def author_domain(raw: bytes) -> str | None:
    """The domain of the From header. None where there is not just one author (RFC 9989, section 5.3.1)."""
    values = [
        whole.partition(b":")[2].decode("utf-8", "replace")
        for name, whole in header_fields(split_message(raw)[0])
        if name == "from"
    ]
    if len(values) != 1:
        return None
    domains = {
        address.rpartition("@")[2].lower().rstrip(".")
        for _, address in email.utils.getaddresses([" ".join(values[0].split())])
        if "@" in address
    }
    return domains.pop() if len(domains) == 1 else None
