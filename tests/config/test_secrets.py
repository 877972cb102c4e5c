"""Secrets are read when they are used, and shown to nobody."""

from pathlib import Path

import pytest

from tests.config.files import GOOD, write
from toolkit.config.load import load_settings
from toolkit.config.secret import Secret, SecretUnavailableError
from toolkit.config.secrets_check import config_warnings, missing_secrets

_TEXT = GOOD.replace('{ value = "top-secret" }', '{ env = "GMX1_PASSWORD" }') + (
    '[reputation.keys]\n"zen.spamhaus.org" = { file = "zen.key" }\n'
    '[[route]]\nname = "second"\nhost = "localhost"\nport = 25\nsecurity = "none"\nusername = "u"\n'
    'oauth = { access_token = { file = "token" } }\n'
)


def test_every_secret_that_cannot_be_had_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unset variable, a file that is not there, an empty one."""
    monkeypatch.delenv("GMX1_PASSWORD", raising=False)
    (tmp_path / "token").write_text("\n")
    loaded = load_settings(write(tmp_path, _TEXT))
    assert [str(fault) for fault in missing_secrets(loaded)] == [
        f'route "second": oauth.access_token: {tmp_path}/token is empty',
        'inbox "gmx-1": password: the environment variable GMX1_PASSWORD is not set',
        f'reputation: keys."zen.spamhaus.org": {tmp_path}/zen.key cannot be read: No such file or directory',
    ]


def test_only_the_chosen_entries_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe over one inbox does not need the passwords of the others."""
    monkeypatch.delenv("GMX1_PASSWORD", raising=False)
    loaded = load_settings(write(tmp_path, _TEXT))
    places = [fault.place for fault in missing_secrets(loaded, routes=["main"], inboxes=["gmx-1"], lists=())]
    assert places == ['inbox "gmx-1": password']


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"pa ss\n", "pa ss"),
        (b"p\xc3\xa4ss\r\n", "p\xe4ss"),
        (b"-----BEGIN\nX\n-----END\n\n", "-----BEGIN\nX\n-----END"),
    ],
)
def test_a_file_gives_its_secret_without_its_last_line_end(tmp_path: Path, content: bytes, secret: str) -> None:
    """Editors add one that nobody meant."""
    (tmp_path / "s").write_bytes(content)
    assert Secret("file", str(tmp_path / "s")).reveal() == secret


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff\xfe", "cannot be read: not a text file"), (b"x" * 70_000, "is larger than 64 KiB: not a secret")],
)
def test_a_file_that_holds_no_secret_says_so(tmp_path: Path, content: bytes, why: str) -> None:
    """And shows nothing of what it holds."""
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(SecretUnavailableError) as caught:
        Secret("file", str(tmp_path / "s")).reveal()
    assert str(caught.value) == f"{tmp_path}/s {why}"


def test_settings_show_no_secret_when_they_are_printed(tmp_path: Path) -> None:
    """Neither a password nor the URL of a database with one in it."""
    text = GOOD + '[store]\nurl = "postgresql+psycopg://u:hunter2@h/d"\n'
    shown = repr(load_settings(write(tmp_path, text)))
    assert "top-secret" not in shown
    assert "hunter2" not in shown


def test_a_file_with_secrets_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    """Those in the configuration, and those in files of their own; a file that only its group reads is well kept."""
    (tmp_path / "token").write_text("x")
    (tmp_path / "token").chmod(0o644)
    text = (
        GOOD
        + _TEXT.split("[reputation.keys]")[1].split("\n", 2)[2]
        + ('[store]\nurl = "postgresql+psycopg://u:hunter2@h/d"\n')
    )
    path = write(tmp_path, text)
    path.chmod(0o644)
    readable = f"every user of this machine can read {path}: chmod 640 it"
    advice = f'holds its secret in the file, and {readable}, or use {{ env = "NAME" }}'
    assert [str(fault) for fault in config_warnings(load_settings(path), path)] == [
        f"store: url: {advice}",
        f'inbox "gmx-1": password: {advice}',
        f'route "second": oauth.access_token: every user of this machine can read {tmp_path}/token: chmod 640 it',
    ]
    path.chmod(0o640)
    (tmp_path / "token").chmod(0o640)
    assert config_warnings(load_settings(path), path) == ()
