"""SMTP reply lines: their code, their enhanced status code, their text (RFC 5321, section 4.2; RFC 3463)."""

import re
from dataclasses import dataclass

_LINE = re.compile(r"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?=\s|$|:|-)")


@dataclass(frozen=True, slots=True)
class SmtpLine:
    """One line of a reply."""

    code: int
    last: bool
    enhanced: str | None
    text: str  # the line as it came, without line end


def parse_smtp_line(line: bytes) -> SmtpLine | None:
    """Read one line; None where it is no reply line. Bytes outside UTF-8 are taken as Latin-1."""
    line = line.rstrip(b"\r\n")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    return SmtpLine(int(match[1]), match[2] != "-", enhanced_code(match[3] or "", int(match[1])), text)


def enhanced_code(text: str, code: int) -> str | None:
    """The enhanced status code that `text` begins with, if its class fits the basic code's (RFC 2034, section 4)."""
    match = _ENHANCED.match(text.lstrip())
    return match[1] if match and match[1][0] == str(code)[0] else None
