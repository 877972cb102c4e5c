"""Bytes of mail to text, whatever they claim to be. Nothing raises, and everything takes linear time."""

import binascii
import encodings
import quopri
import re
from encodings.aliases import aliases

# Names are checked here, because Python remembers every unknown one that it is asked for. Of the known ones, no mail
# uses these: they are slow (punycode, idna) or interpret escapes.
_NO_CHARSETS = frozenset({"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_UNALIASED = frozenset({"cp720", "cp737", "cp856", "cp874", "koi8_t", "koi8_u", "utf_8_sig"})
_CHARSETS = (frozenset(aliases) | frozenset(aliases.values()) | _UNALIASED) - _NO_CHARSETS
_BASE64_NOISE = re.compile(rb"[^A-Za-z0-9+/]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def decode_text(data: bytes, charset: str | None) -> str:
    """The text of `data`. A charset that is missing, unknown or does not fit is replaced by UTF-8, then latin-1.

    NUL and lone surrogates, which neither databases nor pages take, become U+FFFD.
    """
    for name in (charset, "utf-8", "latin-1"):
        codec = _codec(name)
        if codec is None:
            continue
        try:
            return printable(data.decode(codec))
        except (UnicodeError, LookupError):
            continue
    return printable(data.decode("latin-1"))


def _codec(charset: str | None) -> str | None:
    name = encodings.normalize_encoding(charset[:40]).lower() if charset and charset.isascii() else ""
    return name if name in _CHARSETS and aliases.get(name) not in _NO_CHARSETS else None


def printable(text: str) -> str:
    """Text without the code points that cannot be stored or shown."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", "\ufffd"))


def decode_base64(data: str | bytes) -> bytes | None:
    """The bytes behind base64 (RFC 2045, section 6.8), read past noise, missing padding and a cut end.

    None where nothing of it can be decoded.
    """
    octets = data.encode("ascii", "replace") if isinstance(data, str) else data
    clean = _BASE64_NOISE.sub(b"", octets)
    if len(clean) % 4 == 1:
        clean = clean[:-1]  # six bits of a character that was cut off
    if not clean and octets.strip(b"= \t\r\n"):
        return None
    try:
        return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
    except binascii.Error:
        return None


def decode_quoted(data: str | bytes) -> bytes:
    """The bytes behind quoted-printable (RFC 2045, section 6.7); what is no valid escape stays as it is."""
    return quopri.decodestring(data.encode("latin-1", "replace") if isinstance(data, str) else data)
