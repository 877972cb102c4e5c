"""The page of providers, made from their data: `python -m toolkit.explain.reference > docs/providers.md`."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

_INTRODUCTION = """\
# Providers of test inboxes

<!-- Made by `python -m toolkit.explain.reference` from toolkit/data/providers.toml; a test compares the two. -->

What it takes to read a test inbox over IMAP, by provider. `mailwhy check` says the same when a login fails. Take a
mailbox that nobody else uses, opened with the provider as a customer would open it, and leave its spam filter as it is.

`key` is what `provider` of an `[[inbox]]` says. A provider that is not listed here works as `generic`. Where a fact is
marked *unverified*, it is general knowledge or was told by others, and nobody has seen it at the source; sources and
dates of all facts are in [`toolkit/data/providers.toml`](../toolkit/data/providers.toml).
"""

_LOGIN_NAMES = {
    "address": "the whole address",
    "local-part": "the part of the address before the @",
    "any": "the whole address, or the part before the @",
    "other": "a name of its own, which the provider shows",
}

_WAYS = {
    "password": "the account's password",
    "app-password": "an app password, made for this one program",
    "oauth": "OAuth 2, as an access token",
}


def reference() -> str:
    """The whole page, as Markdown."""
    text = resources.files("toolkit").joinpath("data", "providers.toml").read_text(encoding="utf-8")
    known = tomllib.loads(text)["provider"]
    parts = [_INTRODUCTION, "\n".join(_overview(known)), *("\n".join(_provider(one)) for one in known)]
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _overview(known: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "| provider | key | server | login with |"
    yield "|---|---|---|---|"
    for one in known:
        way = one["imap"][0]
        methods = ", ".join(one["auth"]["methods"])
        server = f"{way['host']}:{way['port']}, {way['security']}"
        yield f"| {one['name']} | `{one['key']}` | {server} | {methods} |"


def _provider(one: Mapping[str, Any]) -> Iterator[str]:
    first, *others = one["imap"]
    methods = one["auth"]["methods"]
    yield f"## {one['name']}"
    yield ""
    yield "```toml"
    yield f'provider = "{one["key"]}"'
    yield f'host = "{first["host"]}"'
    yield f"port = {first['port']}"
    yield f'security = "{first["security"]}"'
    yield 'oauth = { access_token = { env = "…" } }' if methods == ["oauth"] else 'password = { env = "…" }'
    yield "```"
    yield ""
    names = ", ".join(f"`{alias}`" for alias in one["aliases"])
    yield f"- looked up on {one['checked_on'].isoformat()}" + (f"; `provider` may also be {names}" if names else "")
    yield f"- server: {_server(first)}"
    yield from (f"- or: {_server(way)}" for way in others)
    yield f"- login name: {_LOGIN_NAMES[one['login_form']]}{_mark(one['login_verified'])}"
    yield f"- login with {', or '.join(_WAYS[way] for way in methods)}{_mark(one['auth']['verified'])}"
    yield from _advice(one.get("advice", ()))
    yield from (_limit(limit) for limit in one.get("limit", ()))


def _server(way: Mapping[str, Any]) -> str:
    hosts = [f"`{way['host']}`", *(f"any host in `{suffix}`" for suffix in way.get("host_suffix", ()))]
    return f"{' or '.join(hosts)}, port {way['port']}, security {way['security']}{_mark(way['verified'])}"


def _advice(advice: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What holds at any time, then what holds where the server says so."""
    always = [item for item in advice if "when" not in item]
    yield from dict.fromkeys(f"- {item['text']}{_mark(item['verified'])}" for item in always)
    told = {item["text"] for item in always}
    for item in advice:
        if "when" in item and item["text"] not in told:
            words = " or ".join(f'"{words}"' for words in item["when"])
            yield f"- where the server says {words}: {item['text']}{_mark(item['verified'])}"


def _limit(limit: Mapping[str, Any]) -> str:
    text = limit["text"] if "text" in limit else f"{limit['value']} {limit['unit']}"
    return f"- {limit['kind']}: {text}{_mark(limit['verified'])}"


def _mark(verified: bool) -> str:
    return "" if verified else " *(unverified)*"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - that is what it is for
