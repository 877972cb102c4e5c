"""The example and the reference name every setting that there is, and none that there is not."""

import re
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from toolkit.config.duration import write_duration
from toolkit.config.load import load_settings
from toolkit.config.reference import models_in, reference, settings_of
from toolkit.config.secrets_check import missing_secrets
from toolkit.config.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.toml"
_OFFERED = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)


def test_the_example_loads_as_it_stands() -> None:
    """A copy of it is a configuration without fault, in the order of the mail's way."""
    loaded = load_settings(EXAMPLE)
    assert [stream.name for stream in loaded.stream] == ["reminder", "newsletter"]
    assert loaded.stream[0].dkim is not None
    assert loaded.collect[0].oauth is not None


def test_the_examples_secrets_are_those_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the variables and files that it names are there, nothing is missing."""
    copy = tmp_path / "config.toml"
    copy.write_bytes(EXAMPLE.read_bytes())
    names = ("ROUTE_PASSWORD", "GMX1_PASSWORD", "BOUNCES_TOKEN", "SPAMHAUS_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    told = "\n".join(map(str, missing_secrets(load_settings(copy))))
    assert all(name in told for name in (*names, "s1.pem"))
    for name in names:
        monkeypatch.setenv(name, "x")
    (tmp_path / "s1.pem").write_text("x")
    assert missing_secrets(load_settings(copy)) == ()


def _documented() -> dict[str, Any]:
    return tomllib.loads(_OFFERED.sub("", EXAMPLE.read_text(encoding="utf-8")))


def _written(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from _written(value, f"{prefix}{key}.")


@pytest.mark.parametrize("section", Settings.model_fields)
def test_the_example_names_every_setting_of_a_section(section: str) -> None:
    """In use, or as a line to uncomment."""
    content = _documented()[section]
    entries = content if isinstance(content, list) else [content]
    written = {key for entry in entries for key in _written(entry)}
    model = models_in(Settings.model_fields[section].annotation)[0]
    assert {key for key, _ in settings_of(model)} - written == set()


def test_each_line_of_the_example_says_the_default() -> None:
    """An optional setting shows its default value, or says what holds without it."""
    text = EXAMPLE.read_text(encoding="utf-8")
    missing = []
    blocks = re.split(r"^(?=\[)", text, flags=re.MULTILINE)[1:]
    for block in blocks:
        current = re.match(r"\[+([a-z.]+)\]+", block)[1].split(".")  # type: ignore[index]  # each begins with a head
        model = models_in(Settings.model_fields[current[0]].annotation)[0]
        known = dict(settings_of(model))
        for line in re.sub(r'"""\n.*?"""', '"…"', block, flags=re.DOTALL).splitlines():
            setting = re.match(r"#?([a-z_]+) = ([^#]*)", line)
            field = known.get(".".join([*current[1:], setting[1]])) if setting else None
            if setting is None or field is None or field.is_required() or "default" in line:
                continue
            missing.append((current, setting[1]))
    told_once = {("stream", "text"), ("stream", "deliver_within"), ("stream", "unsubscribe")}  # in the entry before
    assert {(head[0], key) for head, key in missing} <= told_once


@pytest.mark.parametrize("section", Settings.model_fields)
def test_what_the_example_calls_a_default_is_the_default(section: str) -> None:
    """A line that says "the default" holds the value that the setting has without it."""
    model = models_in(Settings.model_fields[section].annotation)[0]
    known = dict(settings_of(model))
    text = EXAMPLE.read_text(encoding="utf-8")
    for block in re.split(r"^(?=\[)", text, flags=re.MULTILINE)[1:]:
        head = re.match(r"\[+([a-z.]+)\]+", block)[1].split(".")  # type: ignore[index]  # each begins with a head
        if head[0] != section:
            continue
        for key, value in re.findall(r"^([a-z_]+) = (\S.*?) +# the default", block, flags=re.MULTILINE):
            default = known[".".join([*head[1:], key])].default
            shown = write_duration(default) if isinstance(default, timedelta) else default
            shown = list(shown) if isinstance(shown, tuple) else shown
            assert tomllib.loads(f"x = {value}")["x"] == shown, f"{section}: {key}"


def test_the_reference_is_that_of_the_models() -> None:
    """docs/configuration.md was made from the settings as they are now."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m toolkit.config.reference > docs/configuration.md"


def test_every_setting_has_a_meaning_in_the_reference() -> None:
    """No row of the table is left without a sentence."""
    for section, item in Settings.model_fields.items():
        for key, field in settings_of(models_in(item.annotation)[0]):
            assert field.description, f"{section}: {key}"
            assert f"| `{key}` |" in reference()
