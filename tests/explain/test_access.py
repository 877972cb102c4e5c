"""What a user is told to do where a mailbox cannot be reached or logged in to."""

import re
import tomllib
from pathlib import Path

import pytest

from toolkit.explain.access import access_advice, find_provider, is_known, providers, server_hints
from toolkit.wire.channel import WireError

_ROOT = Path(__file__).parents[2]
_DATA = tomllib.loads((_ROOT / "toolkit/data/providers.toml").read_text(encoding="utf-8"))
_REASONS = re.findall(r"[a-z-]+", (WireError.__doc__ or "").split("one of:")[1].split(".")[0])


@pytest.mark.parametrize(
    ("provider", "text", "words"),
    [
        ("gmail", "AUTHENTICATIONFAILED Invalid credentials (Failure)", "app password"),
        ("outlook", "takes no password here (LOGINDISABLED); it offers AUTH=XOAUTH2", "OAuth 2 only"),
        ("outlook", "AUTHENTICATE failed", "OAuth 2 only"),
        ("microsoft365", "LOGINDISABLED", "IMAP.AccessAsUser.All"),
        ("yahoo", "AUTHENTICATIONFAILED", "login.yahoo.com/account/security"),
        ("aol", "AUTHENTICATIONFAILED", "app password"),
        ("icloud", "AUTHENTICATIONFAILED", "part before the @ alone"),
        ("gmx", "authentication failed", "permitted once in the web mailer"),
        ("WEB.DE", "authentication failed", "anwendungsspezifisches Passwort"),
        ("mail.com", "authentication failed", "may have no IMAP"),
        ("t-online", "authentication failed", "Passwort für E-Mail-Programme"),
        ("ionos", "authentication failed", "mailbox's own password"),
        ("freenet", "authentication failed", "Jetzt POP3, IMAP und SMTP aktivieren"),
        ("mail.de", "authentication failed", "app password"),
        ("posteo", "authentication failed", "posteo.de/en/help/app-passwords"),
        ("mailbox.org", "authentication failed", "app password"),
        ("proton", "authentication failed", "that the Bridge shows"),
        ("zoho", "authentication failed", "Settings > Mail Accounts"),
        ("fastmail", "authentication failed", "Mail (IMAP/POP/SMTP)"),
        ("vodafone", "authentication failed", "username and password"),
        ("generic", "authentication failed", "username and password"),
    ],
)
def test_a_refused_login_leads_to_what_that_provider_wants(provider: str, text: str, words: str) -> None:
    """Each provider has a key of its own to its mailboxes."""
    assert words in access_advice(provider, "login", text)


@pytest.mark.parametrize(
    ("provider", "text", "words", "not_words"),
    [
        ("gmx", "NO IMAP access is disabled for this account", "IMAP is switched off", "anwendungsspezifisch"),
        ("gmail", "[ALERT] Too many simultaneous connections. (Failure)", "Close other programs", "app password"),
        ("outlook", "User is authenticated but not connected.", "throttling", "OAuth"),
        ("yahoo", "[LIMIT] rate limit", "fewer connections", "app password"),
        ("posteo", "NO [UNAVAILABLE] try again", "try again later", "app-passwords"),
        ("generic", "the server takes no password here (LOGINDISABLED)", "OAuth 2", "username"),
    ],
)
def test_what_the_server_itself_says_comes_first(provider: str, text: str, words: str, not_words: str) -> None:
    """Its words name the cause; the usual suspects would only blur it."""
    advice = access_advice(provider, "login", text)
    assert words in advice
    assert not_words not in advice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hostname mismatch, certificate is not valid for 'mail'.", "another name"),
        ("IP address mismatch, certificate is not valid for '127.0.0.2'.", "another name"),
        ("certificate has expired", "renewed"),
        ("certificate is not yet valid", "clock"),
        ("self-signed certificate in certificate chain", "ca_file"),
        ("unable to get local issuer certificate", "ca_file"),
        ("TLS with a:993 failed: WRONG_VERSION_NUMBER", '"starttls"'),
        ("a:143 does not offer STARTTLS, and the configuration asks for it", 'security = "tls"'),
        ("TLS failed: HANDSHAKE_FAILURE", "TLS 1.2"),
        ("something else", "compare port and security"),
    ],
)
def test_a_failed_handshake_leads_to_its_cause(text: str, words: str) -> None:
    """Name, time, issuer, port or version."""
    assert words in access_advice("generic", "tls", text)


@pytest.mark.parametrize("reason", _REASONS)
@pytest.mark.parametrize("provider", ["generic", "gmx", "outlook", "nobody-knows"])
def test_every_reason_of_the_doors_has_advice(reason: str, provider: str) -> None:
    """Nobody is left with an error and nothing to do."""
    assert len(_REASONS) >= 10
    assert access_advice(provider, reason, "").endswith(".")


@pytest.mark.parametrize("name", ["webde", "WEB.DE", "web-de", "Web.de"])
def test_a_provider_is_known_however_it_is_written(name: str) -> None:
    """Case and punctuation do not matter."""
    found = find_provider(name)
    assert found is not None
    assert found.key == "webde"


def test_a_provider_that_is_not_in_the_table_is_said_to_be_so() -> None:
    """The word "generic" is no mistake, "gmxx" may be one."""
    assert is_known("generic")
    assert is_known("hotmail")
    assert not is_known("gmxx")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("gmail", "imap.google.com", 993, "tls", "a@gmail.com"), ["is imap.gmail.com, port 993"]),
        (("gmx", "imap.gmx.net", 993, "starttls", "a@gmx.de"), ["takes port 993", "port 143", "not port 993 with"]),
        (("gmx", "imap.gmx.net", 143, "starttls", "a"), ["whole address"]),
        (("icloud", "imap.mail.me.com", 993, "tls", "a@icloud.com"), ["part before the @"]),
        (("yahoo", "export.imap.mail.yahoo.com", 993, "tls", "a@yahoo.de"), []),
        (("ionos", "imap.ionos.co.uk", 993, "tls", "a@b.example"), []),
        (("zoho", "imappro.zoho.eu", 993, "tls", "a@b.example"), []),
        (("webde", "imap.web.de", 993, "tls", "a"), []),
        (("gmail", "127.0.0.1", 2143, "none", "a"), []),
        (("generic", "imap.belmont.example", 993, "tls", "a"), []),
    ],
)  # fmt: skip
def test_settings_that_differ_from_the_providers_are_pointed_out(
    settings: tuple[str, str, int, str, str], words: list[str]
) -> None:
    """Host, port and security, and the form of the login name; not for a lab on loopback."""
    hints = server_hints(*settings)
    assert bool(hints) == bool(words)
    assert all(word in "; ".join(hints) for word in words)


def test_the_example_names_all_providers_of_the_table() -> None:
    """A user can choose among them without looking elsewhere."""
    example = (_ROOT / "config.example.toml").read_text(encoding="utf-8")
    named = re.search(r'default: "generic"\. Known: ((?:.|\n +#)*)', example)
    assert named is not None
    assert re.findall(r"[a-z0-9-]+", named[1].replace("#", " ")) == [provider.key for provider in providers()]


def test_no_two_providers_share_a_name() -> None:
    """Else the first would hide the second."""
    keys = [key for provider in providers() for key in provider.keys]
    assert len(keys) == len(set(keys))


def _facts() -> list[dict[str, object]]:
    entries = _DATA["provider"]
    nested = [fact for entry in entries for kind in ("imap", "advice", "limit") for fact in entry.get(kind, ())]
    return [*nested, *(entry["auth"] for entry in entries), *_DATA["advice"], *_DATA["limit"]]


def test_every_fact_has_its_source_and_whether_it_was_seen() -> None:
    """And every provider the day on which that was looked up."""
    for fact in _facts():
        assert fact["source"], fact
        assert isinstance(fact["verified"], bool), fact
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", provider.checked_on) for provider in providers())
    assert all(isinstance(entry["login_verified"], bool) and entry["login_source"] for entry in _DATA["provider"])


def test_what_was_not_seen_is_told_as_a_possibility() -> None:
    """Advice from general knowledge claims no more than "may", and its facts say where they come from."""
    for fact in _facts():
        if not fact["verified"] and "on" in fact:
            assert re.search(r"\b(may|is reported)\b", str(fact["text"])), fact
        if fact["verified"]:
            assert "general knowledge" not in str(fact["source"]).split(";")[0].split(":")[0], fact


def test_limits_are_numbers_with_a_unit_or_sentences() -> None:
    """A reader of mailboxes can keep to them."""
    gmail = find_provider("gmail")
    assert gmail is not None
    assert [limit.value for limit in gmail.limits if limit.kind == "connections"] == [15]
    assert all(limit.text.strip() for provider in providers() for limit in provider.limits)
