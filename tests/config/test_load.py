"""What a user gets from a configuration file: settings, or every fault, and never a crash."""

import contextlib
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies
from pydantic.fields import FieldInfo

from tests.config.files import GOOD, INBOX, ROUTE, STREAM, faults, write
from toolkit.config.fault import ConfigError
from toolkit.config.load import find_config, load_settings
from toolkit.config.reference import models_in, settings_of
from toolkit.config.settings import Settings
from toolkit.lab.certs import authority

_DIAGNOSIS_ONLY = """
[store]
url = "sqlite:///mailwhy.db"
[dns]
timeout = "2s"
nameservers = ["127.0.0.1:40000"]
[sender]
name = "Salon Belmont"
domains = ["belmont.example"]
ips = ["192.0.2.10"]
own_addresses = ["laden@belmont.example"]
contact = "hilfe@belmont.example"
[[stream]]
name = "newsletter"
kind = "marketing"
from = "Salon Belmont <news@belmont.example>"
subject = "Neues vom Salon Belmont"
text = "Guten Tag,\\n\\nhier schreibt Ihnen der Salon Belmont.\\n"
deliver_within = "60m"
"""


def test_a_file_is_read_into_settings(tmp_path: Path) -> None:
    """Every value arrives as what it means: a time span, an address, a secret by its place."""
    text = GOOD + '[probe]\ntimeout = "90s"\n[sender]\nips = ["192.0.2.10"]\n'
    loaded = load_settings(write(tmp_path, text))
    assert loaded.probe.timeout == timedelta(seconds=90)
    assert loaded.probe.poll == timedelta(seconds=5), "the default"
    assert loaded.sender.ips == (IPv4Address("192.0.2.10"),)
    assert loaded.stream[0].from_address == "termine@belmont.example"
    assert loaded.inbox[0].password is not None
    assert loaded.inbox[0].password.reveal() == "top-secret"


def test_without_routes_and_inboxes_there_is_no_fault(tmp_path: Path) -> None:
    """Diagnosis, ingest and audits need neither."""
    assert faults(tmp_path, _DIAGNOSIS_ONLY) == []
    assert faults(tmp_path, "") == []


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the command was called makes no difference, for the default database neither."""
    here = tmp_path / "etc"
    (here / "mails").mkdir(parents=True)
    (here / "mails/reminder.eml").write_text("Subject: x\n\nbody\n")
    (here / "ca.pem").write_text(authority("mailwhy test CA").ca_pem)
    write(
        here,
        STREAM.replace('text = "Guten Tag"', 'template = "mails/reminder.eml"')
        + ROUTE
        + 'ca_file = "ca.pem"\n'
        + INBOX.replace('{ value = "top-secret" }', '{ file = "secrets/gmx" }')
        + '[store]\nurl = "sqlite:///data/mailwhy.db"\n',
    )
    monkeypatch.chdir(tmp_path)
    loaded = load_settings(Path("etc/config.toml"))
    assert loaded.stream[0].template == here / "mails/reminder.eml"
    assert loaded.route[0].ca_file == here / "ca.pem"
    assert loaded.inbox[0].password is not None
    assert loaded.inbox[0].password.place == str(here / "secrets/gmx")
    assert loaded.store.url == f"sqlite:///{here}/data/mailwhy.db"
    write(here, "")
    assert load_settings(Path("etc/config.toml")).store.url == f"sqlite:///{here}/mailwhy.db"


def test_absolute_paths_and_other_databases_stay_as_they_are(tmp_path: Path) -> None:
    """Only what is relative is moved."""
    for url in ("sqlite:////var/lib/mailwhy.db", "postgresql+psycopg://u:pw@db.example:5432/mailwhy?sslmode=require"):
        assert load_settings(write(tmp_path, f'[store]\nurl = "{url}"\n')).store.url == url


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"[dns]\ntimeout = 3s\n", "is not valid TOML: line 2, column 12: "),
        (b"a = [\n", "is not valid TOML: "),
        (b"a = 1\na = 2\n", "is not valid TOML: line 2, column 6: Cannot overwrite a value"),
        (b"a = " + b"[" * 100_000, "is not valid TOML: lists or tables stand too deep in each other"),
        (b"a = " + b"9" * 5000, "is not valid TOML: "),
        (b'# ok\nname = "M\xfcller"\n', "line 2: is not UTF-8: save the file in that encoding"),
        (b"#" * (4 * 1024 * 1024 + 1), "is larger than 4 MiB: not a configuration"),
    ],
    ids=["syntax", "open list", "key twice", "deep", "huge number", "encoding", "size"],
)
def test_a_file_that_is_not_toml_says_where(tmp_path: Path, data: bytes, sentence: str) -> None:
    """Line and column, and what stands there."""
    path = tmp_path / "config.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Missing, a folder, or not even a path."""
    for path, why in (
        (tmp_path / "gone.toml", "there is no such file"),
        (tmp_path, f"is a folder: name the file in it, such as {tmp_path / 'config.toml'}"),
        (Path("a\0b"), "cannot be read: not a path"),
        (Path("x" * 5000), "cannot be read: File name too long"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_settings(path)
        assert str(caught.value) == f"{path}: {why}"


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_settings(path).inbox[0].name == "gmx-1"


def test_the_option_comes_before_the_variable_before_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-c/--config, then MAILWHY_CONFIG, then ./config.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAILWHY_CONFIG", raising=False)
    for name in ("config.toml", "other.toml", "third.toml"):
        (tmp_path / name).write_text("")
    assert find_config(None) == Path("config.toml")
    monkeypatch.setenv("MAILWHY_CONFIG", "other.toml")
    assert find_config(None) == Path("other.toml")
    assert find_config("third.toml") == Path("third.toml")


def test_no_configuration_at_all_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way of naming a file that is not there has its own sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAILWHY_CONFIG", raising=False)
    with pytest.raises(ConfigError, match=r"copy config\.example\.toml to config\.toml"):
        find_config(None)
    with pytest.raises(ConfigError, match=r"^--config: there is no file gone\.toml$"):
        find_config("gone.toml")
    monkeypatch.setenv("MAILWHY_CONFIG", "lost.toml")
    with pytest.raises(ConfigError, match=r"^MAILWHY_CONFIG: there is no file lost\.toml$"):
        find_config(None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "LOCALHOST.", "::ffff:127.0.0.1"])
def test_no_tls_is_allowed_on_loopback(tmp_path: Path, host: str) -> None:
    """The lab and a local relay need none."""
    assert faults(tmp_path, GOOD.replace("127.0.0.1", host)) == []


@pytest.mark.parametrize(
    "sender",
    [
        "termine@belmont.example",
        "Salon Belmont <termine@belmont.example>",
        '\\"Belmont, Salon\\" <termine@belmont.example>',
        "Friseur Müller <termine@belmont.example>",
        "<termine@belmont.example>",
    ],
)
def test_a_from_may_be_written_as_mail_allows(tmp_path: Path, sender: str) -> None:
    """With a display name or without."""
    path = write(tmp_path, GOOD.replace("Salon Belmont <termine@belmont.example>", sender))
    assert load_settings(path).stream[0].from_address == "termine@belmont.example"


def test_a_broken_template_with_endless_parts_is_a_fault_and_no_crash(tmp_path: Path) -> None:
    """Parts in parts in parts, deeper than any reader goes."""
    nested = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(2000))
    (tmp_path / "deep.eml").write_text("Subject: x\n" + nested)
    found = faults(tmp_path, GOOD.replace('text = "Guten Tag"', 'template = "deep.eml"'))
    assert len(found) == 1
    assert "deep.eml is a broken message" in found[0]


# -- whatever stands in the file, the loader answers with settings or faults ------------------------------------

_words = strategies.one_of(
    strategies.sampled_from(
        ["name", "host", "port", "from", "text", "dkim", "key", "value", "env", "file", "top-secret", "127.0.0.1", ""]
    ),
    strategies.text(max_size=12),
)


def _fields(section: FieldInfo) -> Iterator[tuple[str, FieldInfo]]:
    return settings_of(models_in(section.annotation)[0])


_values = strategies.recursive(
    strategies.one_of(
        strategies.none(),
        strategies.booleans(),
        strategies.integers(),
        strategies.floats(),
        _words,
        strategies.datetimes(),
        strategies.dates(),
        strategies.times(),
    ),
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=3), strategies.dictionaries(_words, inner, max_size=3)
    ),
    max_leaves=8,
)
_FIELDS = sorted({key.rpartition(".")[2] for section in Settings.model_fields.values() for key, _ in _fields(section)})
_tables = strategies.dictionaries(strategies.one_of(strategies.sampled_from(_FIELDS), _words), _values, max_size=6)
_files = strategies.dictionaries(
    strategies.one_of(strategies.sampled_from(list(Settings.model_fields)), _words),
    strategies.one_of(_values, _tables, strategies.lists(_tables, max_size=3)),
    max_size=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=_files)
@example(raw={"[key]": {}, "store": {}})
def test_no_content_of_a_toml_file_crashes_the_loader(
    raw: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values of every type under every key give settings or ConfigError, each fault with a sentence."""
    monkeypatch.setattr(tomllib, "loads", lambda _: raw)
    for told in faults(tmp_path, ""):
        assert told.rpartition(": ")[2]
        assert "\n" not in told


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.one_of(strategies.binary(max_size=60), strategies.text(max_size=60).map(str.encode)))
def test_no_bytes_of_a_file_crash_the_loader(data: bytes, tmp_path: Path) -> None:
    """Neither do bytes that are no TOML at all."""
    path = tmp_path / "config.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        load_settings(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=strategies.integers(0, len(GOOD)), junk=strategies.text(max_size=8), cut=strategies.integers(0, 20))
def test_no_damage_to_a_good_file_shows_its_secret(at: int, junk: str, cut: int, tmp_path: Path) -> None:
    """However a file is mangled, no sentence repeats the password in it."""
    secret = "hq7Zr2kPw9"
    text = GOOD.replace("top-secret", secret)
    assert secret not in "\n".join(faults(tmp_path, text[:at] + junk + text[at + cut :]))
