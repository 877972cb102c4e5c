"""The configuration file that leads mailwhy into a running lab."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.lab.certs import LAB_CA, authority, dkim_key

if TYPE_CHECKING:
    from toolkit.lab.host import MailboxHost
    from toolkit.lab.smtp_server import DoorSpec
    from toolkit.lab.world import World

CA_FILE = "lab-ca.pem"


def _value(value: Any) -> str:
    """A TOML value. JSON's strings, numbers and booleans are TOML's (toml.io 1.0, section "String")."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(head: str, values: dict[str, Any]) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in values.items() if value not in (None, "", (), [], {})]
    return "\n".join([head, *lines]) + "\n"


def _login(username: str, password: str | None, token: str | None) -> dict[str, Any]:
    if token is not None:
        return {"username": username, "oauth": {"access_token": {"value": token}}}
    return {"username": username, "password": {"value": password}}


def _server(port: int, security: str, timeout: str) -> dict[str, Any]:
    ca = {"ca_file": CA_FILE} if security != "none" else {}
    return {"host": "127.0.0.1", "port": port, "security": security, **ca, "timeout": timeout}


def _stream(stream: dict[str, Any], routes: set[str]) -> str:
    values = dict(stream)
    domain = values.pop("key")
    values["text"] = values["text"].strip() + "\n"
    values["dkim"] = {"selector": "s1", "domain": domain, "key": {"file": key_file(domain)}}
    values["routes"] = [route for route in values["routes"] if route in routes]
    return _table("[[stream]]", values)


def key_file(domain: str) -> str:
    """The name of the file that holds a domain's signing key."""
    return f"{domain}-s1.pem"


def _route(door: "DoorSpec", port: int, timeout: str) -> str:
    values: dict[str, Any] = {"name": door.name, "protocol": door.protocol, **_server(port, door.security, timeout)}
    credentials = door.credentials()
    if credentials is not None:
        values |= _login(credentials.username, credentials.password, credentials.token)
    values["helo"] = "mail.belmont.example"
    return _table("[[route]]", values)


def _mailbox(host: "MailboxHost", timeout: str) -> str:
    spec, credentials = host.spec, host.credentials
    login = _login(credentials.username, credentials.password, credentials.token)
    server = _server(host.imap.port, spec.security, timeout)
    if spec.in_config == "collect":
        return _table("[[collect]]", {"name": spec.name, "address": spec.address, **server, **login, "kinds": ["dsn"]})
    head = {"name": spec.name, "provider": host.manner.provider, "address": spec.address}
    return _table("[[inbox]]", {**head, **server, **login, "role": spec.role})


def settings_toml(world: "World") -> str:
    """`config.toml` for the world as it is now. Its paths are relative to the folder that `write_files` fills."""
    profile = world.profile
    routes = [name for name in profile.routes if name in world.doors]
    timeout = profile.answer_timeout
    streams = [stream for stream in world.scenery.streams if set(stream["routes"]) & set(routes)]
    parts = [
        "# Written by the embedded lab: it holds as long as the lab runs.\n",
        _table("[dns]", {"nameservers": [f"127.0.0.1:{world.dns_port}"], "timeout": "2s"}),
        _table("[sender]", world.scenery.sender),
        *(_stream(stream, set(routes)) for stream in streams),
        *(_route(world.doors[name].spec, world.doors[name].port, timeout) for name in routes),
        *(_mailbox(host, timeout) for host in world.hosts.values() if host.spec.in_config != "no"),
        _table("[reputation]", {"lists": list(world.scenery.blocklists)}),
        _table("[probe]", profile.probe),
    ]
    return "\n".join(parts)


def write_files(world: "World", folder: Path) -> Path:
    """Write the configuration, the lab's CA and the signing keys. Returns the path of `config.toml`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CA_FILE).write_text(authority(LAB_CA).ca_pem, encoding="ascii")
    for key in world.scenery.keys:
        path = folder / key_file(key.domain)
        path.touch(mode=0o600)
        path.write_text(dkim_key(key.domain).private_pem, encoding="ascii")
    config = folder / "config.toml"
    config.touch(mode=0o600)  # it holds passwords, if only the lab's
    config.write_text(settings_toml(world), encoding="utf-8")
    return config
