"""The server's side of the SASL mechanisms that mail providers offer: PLAIN, LOGIN, XOAUTH2, OAUTHBEARER."""

import base64
import binascii
import hmac
from dataclasses import dataclass


class SaslError(Exception):
    """What the client sent is not what the mechanism says."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a mailbox or a door takes. None of both: nobody may log in."""

    username: str
    password: str | None = None
    token: str | None = None  # an OAuth 2 access token

    def allow_password(self, username: str, password: str) -> bool:
        """Whether this name with this password may in. The name may come without its domain."""
        return self.password is not None and self._is(username) and _same(password, self.password)

    def allow_token(self, username: str, token: str) -> bool:
        """Whether this name with this access token may in. OAUTHBEARER may leave the name out."""
        return self.token is not None and (not username or self._is(username)) and _same(token, self.token)

    def _is(self, username: str) -> bool:
        given = username.lower()
        return given == self.username.lower() or ("@" not in given and given == self.username.lower().split("@")[0])


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def decode(line: bytes) -> bytes:
    """The base64 of a continuation line; a lone "=" is an empty answer. Raises SaslError."""
    line = line.strip()
    if line == b"=":
        return b""
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise SaslError("not base64") from error


def plain(response: bytes) -> tuple[str, str]:
    """Name and password of PLAIN (RFC 4616, section 2). Raises SaslError."""
    parts = response.split(b"\0")
    if len(parts) != 3 or not parts[1]:
        raise SaslError("PLAIN takes: authorization identity, NUL, name, NUL, password")
    return parts[1].decode("utf-8", "replace"), parts[2].decode("utf-8", "replace")


def bearer(response: bytes) -> tuple[str, str]:
    """Name and token of XOAUTH2 (developers.google.com/gmail/imap/xoauth2-protocol, 2026-11-21) and OAUTHBEARER
    (RFC 7628, section 3.1). Raises SaslError.
    """
    user, token = "", ""
    for part in response.decode("utf-8", "replace").split("\x01"):
        if part.startswith("user="):
            user = part[5:]
        elif part.lower().startswith("auth=bearer "):
            token = part[12:]
        elif part.startswith(("n,a=", "y,a=", "p,a=")):
            user = part[4:].rstrip(",")
    if not token:
        raise SaslError("no bearer token")
    return user, token


TOKEN_REFUSED = base64.b64encode(b'{"status":"401","schemes":"bearer","scope":"https://mail.lab.example/"}')
"""The challenge that a server sends before it refuses a token (RFC 7628, section 3.2.2)."""
