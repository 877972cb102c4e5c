"""The page of providers, made from their data: `python -m toolkit.explain.reference > docs/providers.md`."""

from collections.abc import Iterator

from toolkit.explain.access import Access, Advice, Limit, Provider, providers

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

_SECRETS = {"password": "password", "app-password": "password", "oauth": "oauth"}


def reference() -> str:
    """The whole page, as Markdown."""
    known = providers()
    parts = [_INTRODUCTION, "\n".join(_overview(known)), *("\n".join(_provider(one)) for one in known)]
    return "\n".join(f"{part.rstrip()}\n" for part in parts)


def _overview(known: tuple[Provider, ...]) -> Iterator[str]:
    yield "| provider | key | server | login with |"
    yield "|---|---|---|---|"
    for one in known:
        way = one.access[0]
        auth = ", ".join(one.auth)
        yield f"| {one.name} | `{one.key}` | {way.host}:{way.port}, {way.security} | {auth} |"


def _provider(one: Provider) -> Iterator[str]:
    yield f"## {one.name}"
    yield ""
    yield f"Looked up on {one.checked_on}."
    yield ""
    yield from _snippet(one)
    yield ""
    for way in one.access[1:]:
        yield f"- another way in: {_server(way)}"
    yield f"- login name: {_LOGIN_NAMES[one.login_form]}"
    yield f"- login with {', or '.join(_WAYS[way] for way in one.auth)}"
    yield from dict.fromkeys(_advice(advice) for advice in one.advice)
    for limit in one.limits:
        yield _limit(limit)


def _snippet(one: Provider) -> Iterator[str]:
    """The lines of an inbox that differ from provider to provider."""
    way = one.access[0]
    yield "```toml"
    yield f'provider = "{one.key}"'
    yield f'host = "{way.host}"'
    yield f"port = {way.port}"
    yield f'security = "{way.security}"'
    yield (
        'oauth = { access_token = { env = "…" } }'
        if {_SECRETS[auth] for auth in one.auth} == {"oauth"}
        else 'password = { env = "…" }'
    )
    yield "```"


def _server(way: Access) -> str:
    suffixes = f" and hosts that end in {', '.join(f'`{suffix}`' for suffix in way.suffixes)}" if way.suffixes else ""
    return f'`{way.host}`{suffixes}, port {way.port}, `security = "{way.security}"`{_mark(verified=way.verified)}'


def _advice(advice: Advice) -> str:
    return f"- {advice.text}{_mark(verified=advice.verified)}"


def _limit(limit: Limit) -> str:
    return f"- {limit.kind}: {limit.text}{_mark(verified=limit.verified)}"


def _mark(*, verified: bool) -> str:
    return "" if verified else " *(unverified)*"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - that is what it is for
