"""Whether the secrets that a configuration names can be had, and whether others can read them.

No sentence of this module holds a secret.
"""

import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from toolkit.config.fault import Fault
from toolkit.config.secret import Secret, SecretUnavailableError
from toolkit.config.settings import Server, Settings


def missing_secrets(
    settings: Settings,
    *,
    routes: Collection[str] | None = None,
    inboxes: Collection[str] | None = None,
    streams: Collection[str] | None = None,
    collect: Collection[str] | None = None,
    lists: Collection[str] | None = None,
) -> tuple[Fault, ...]:
    """A fault for each secret that is named but cannot be read: an unset variable, a missing or empty file.

    Each argument names the entries to look at; None: all of that kind, empty: none of them. `lists` are zones of
    block lists.
    """
    chosen = {"stream": streams, "route": routes, "inbox": inboxes, "collect": collect, "reputation": lists}
    faults = []
    for kind, name, key, secret in _secrets(settings):
        wanted = chosen[kind]
        if wanted is not None and name not in wanted:
            continue
        try:
            secret.reveal()
        except SecretUnavailableError as error:
            faults.append(Fault(_place(kind, name, key), str(error)))
    return tuple(faults)


def config_warnings(settings: Settings, path: Path) -> tuple[Fault, ...]:
    """What works, and should not stay so: secrets in files that every user of this machine can read.

    `path` is the configuration file that `settings` were read from.
    """
    warnings = []
    if _readable_by_all(path):
        places = [_place(kind, name, key) for kind, name, key, secret in _secrets(settings) if secret.kind == "value"]
        if "@" in settings.store.url and ":" in settings.store.url.partition("://")[2].rpartition("@")[0]:
            places.insert(0, "store: url")
        advice = f'every user of this machine can read {path}: chmod 640 it, or use {{ env = "NAME" }}'
        warnings += [Fault(place, f"holds its secret in the file, and {advice}") for place in places]
    for kind, name, key, secret in _secrets(settings):
        if secret.kind == "file" and _readable_by_all(Path(secret.place)):
            advice = f"every user of this machine can read {secret.place}: chmod 640 it"
            warnings.append(Fault(_place(kind, name, key), advice))
    return tuple(warnings)


def _place(kind: str, name: str, key: str) -> str:
    return f'reputation: keys."{name}"' if kind == "reputation" else f'{kind} "{name}": {key}'


def _secrets(settings: Settings) -> Iterator[tuple[str, str, str, Secret]]:
    """Kind, name, key and reference of every secret that is named."""
    for stream in settings.stream:
        if stream.dkim:
            yield "stream", stream.name, "dkim.key", stream.dkim.key
    servers: list[tuple[str, tuple[Server, ...]]] = [
        ("route", settings.route),
        ("inbox", settings.inbox),
        ("collect", settings.collect),
    ]
    for kind, entries in servers:
        for server in entries:
            if server.password:
                yield kind, server.name, "password", server.password
            if server.oauth:
                yield kind, server.name, "oauth.access_token", server.oauth.access_token
    for zone, key in settings.reputation.keys.items():
        yield "reputation", zone, "key", key


def _readable_by_all(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False
