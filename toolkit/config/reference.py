"""The reference of all settings, made from the models: `python -m toolkit.config.reference > docs/configuration.md`."""

import types
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from toolkit.config.duration import write_duration
from toolkit.config.secret import Secret
from toolkit.config.settings import Settings

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m toolkit.config.reference` from toolkit/config/settings.py; a test compares the two. -->

One TOML file holds all settings. It is the one that `-c`/`--config` names, else the one in the environment variable
`MAILWHY_CONFIG`, else `config.toml` in the working folder. [`config.example.toml`](../config.example.toml) shows every
setting in use; `mailwhy check` tries what the file names.

A file with faults is not used. All of its faults are listed at once, each with its place, and the exit status is 2.

## Values

| kind | how it is written |
|---|---|
| text | in quotes; where it goes into a header or a command, one line without control characters |
| duration | number and unit in quotes: `"500ms"`, `"90s"`, `"10m"`, `"12h"`, `"14d"`, `"2w"`; at most a year |
| secret | where it lies: `{ env = "NAME" }`, `{ file = "path" }`, or, for the lab and tests, `{ value = "…" }` |
| path | in quotes; a relative one starts at the folder of the configuration file |

A secret is read when it is used, and is never shown. A file's last line end is no part of it.

## Rules over several settings

- Names are unique among the entries of a kind.
- A stream has a template, or text, or html, or text and html. The routes that it names exist.
- `security = "none"` is for 127.0.0.0/8, ::1 and localhost alone.
- A username goes with a password or with oauth, never both. A mailbox (`inbox`, `collect`) needs a login.
- `probe.timeout` is longer than `probe.poll`.
- Where `reputation.lists` is given, `reputation.keys` names lists among them.
"""


def reference() -> str:
    """The whole page, as Markdown."""
    parts = [_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        model = models_in(field.annotation)[0]
        listed = get_origin(field.annotation) is tuple
        head = f"[[{name}]]" if listed else f"[{name}]"
        doc = " ".join((model.__doc__ or "").split())
        rows = [
            f"| `{key}` | {_kind(item.annotation)} | {_default(item)} | {_cell(item.description or '')} |"
            for key, item in settings_of(model)
        ]
        parts.append(
            "\n".join([f"\n## {head}", "", doc, "", "| setting | kind | default | meaning |", "|---|---|---|---|"])
        )
        parts.append("\n".join(rows) + "\n")
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a section with its key, those of tables within it as "table.key"."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name)
        yield key, field
        for below in models_in(field.annotation):
            yield from settings_of(below, f"{key}.")


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that an annotation holds, however deep."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


_WORDS = {str: "text", int: "whole number", timedelta: "duration", Secret: "secret", Path: "path"}


def _kind(annotation: Any) -> str:  # noqa: PLR0911 - a table, one row a kind
    """The kind of value in words."""
    if annotation in _WORDS:
        return _WORDS[annotation]
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        if IPv4Address in inner:
            return "IP address"
        return " or ".join(_kind(part) for part in inner if part is not type(None))
    if origin is Literal:
        return ", ".join(f'`"{value}"`' for value in inner)
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"table of {_kind(inner[1])}, by {_kind(inner[0])}"
    if hasattr(annotation, "__metadata__"):
        return _kind(inner[0])
    return "table"


def _default(field: FieldInfo) -> str:  # noqa: PLR0911 - a table, one row a kind
    value = field.default
    if value is PydanticUndefined:
        return "**required**"
    match value:
        case None | "" | () | {}:
            return "none"
        case timedelta():
            return f'`"{write_duration(value)}"`'
        case tuple():
            return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
        case BaseModel():
            return "none"
        case str():
            return f'`"{value}"`'
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - that is what it is for
