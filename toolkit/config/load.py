"""From a TOML file to settings, or to every fault of the file at once."""

import os
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from toolkit.config import wording
from toolkit.config.checks import Found, check_file
from toolkit.config.fault import ConfigError, Fault
from toolkit.config.settings import Settings, Store

VARIABLE: Final = "MAILWHY_CONFIG"
FILE_NAME: Final = "config.toml"
MAX_SIZE: Final = 4 * 1024 * 1024  # bytes


def find_config(option: str | None) -> Path:
    """The configuration to use: the option's, else that of MAILWHY_CONFIG, else ./config.toml.

    Raises ConfigError where nothing names a file that is there.
    """
    named = option or os.environ.get(VARIABLE)
    path = Path(named or FILE_NAME)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    except OSError:
        return path  # there, but barred: reading it says why
    else:
        return path
    if named:
        by = "--config" if option else VARIABLE
        raise ConfigError([Fault(by, f"there is no file {path}")])
    message = (
        f"no configuration: there is no {FILE_NAME} in {Path.cwd()}, and neither --config nor {VARIABLE} names one; "
        f"copy config.example.toml to {FILE_NAME} and adapt it"
    )
    raise ConfigError([Fault("", message)])


def load_settings(path: Path) -> Settings:
    """Read `path` into settings. Raises ConfigError, and nothing else, with every fault that the file has.

    Relative paths in it are taken from the file's own folder. Environment variables and secret files are not read:
    see `toolkit.config.secrets_check.missing_secrets`.
    """
    raw = _parse(path, _read(path))
    folder = path.absolute().parent
    if "store" not in raw or (isinstance(raw["store"], dict) and "url" not in raw["store"]):
        # The default is a relative path too, and starts at the file's folder as any other.
        raw = {**raw, "store": {**raw.get("store", {}), "url": Store.model_fields["url"].default}}
    found: list[Found] = list(check_file(raw, folder))
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(raw, context={"folder": folder})
    except ValidationError as error:
        found += [Found(keys, fault) for keys, fault in wording.describe(error, raw)]
    if found or settings is None:
        raise ConfigError(_in_order(found))
    return settings


def _read(path: Path) -> str:
    place = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except IsADirectoryError:
        raise ConfigError([Fault(place, f"is a folder: name the file in it, such as {path / FILE_NAME}")]) from None
    except FileNotFoundError:
        raise ConfigError([Fault(place, "there is no such file")]) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError([Fault(place, f"cannot be read: {why}")]) from None
    if len(data) > MAX_SIZE:
        raise ConfigError([Fault(place, f"is larger than {MAX_SIZE // 1024**2} MiB: not a configuration")])
    try:
        return data.decode("utf-8-sig")  # editors on Windows put a byte order mark in front
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(place, f"line {number}: is not UTF-8: save the file in that encoding")]) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        why = "lists or tables stand too deep in each other"
    except ValueError as error:
        why, _, where = str(error).partition(" (at ")
        why = f"{where.rstrip(')')}: {why}" if where else why
    raise ConfigError([Fault(str(path), f"is not valid TOML: {why}")])


def _in_order(found: list[Found]) -> list[Fault]:
    """Faults by section, entry and key in the order in which the example has them; each once."""
    sections = list(Settings.model_fields)

    def rank(item: Found) -> tuple[int, int]:
        head, *rest = item.keys or ("",)
        number = rest[0] if rest and isinstance(rest[0], int) else -1
        return (sections.index(str(head)) if head in sections else len(sections), number)

    return list(dict.fromkeys(item.fault for item in sorted(found, key=rank)))
