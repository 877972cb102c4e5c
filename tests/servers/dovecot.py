"""Dovecot with Pigeonhole (Debian 12: 2.3.19): IMAP, LMTP and ManageSieve on free ports of 127.0.0.1.

One running server has users of many manners, because user settings override the server's: a namespace prefix and
separator, special-use marks, a quota, a relay for redirects. So a test gets a mailbox of its own for the price of
one line in a file, and no test waits for a restart.

Ours is changed where the default would make a test slow or dishonest: no delay after a failed login, no limit of
ten connections per user, no fsync, and no way out for mail (redirect, reject) but the relay that a user names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import secrets
import smtplib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.account import Account
from tests.servers.ca import ServerCertificate
from tests.servers.process import Identity, Server, find_program, free_ports, greets

DOMAIN = "inbox.example"

_CONFIGURATION = """\
base_dir = {home}/base
state_dir = {home}/state
log_path = {home}/log
protocols = imap lmtp sieve
listen = 127.0.0.1
hostname = imap.{domain}
postmaster_address = postmaster@{domain}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
mail_home = {home}/mail/%u
mail_location = maildir:~/mail:LAYOUT=fs:INBOX=~/mail/INBOX
mail_fsync = never
mail_plugins = quota
mail_max_userip_connections = 2000
mailbox_idle_check_interval = 1s
recipient_delimiter = +
# Without a relay of the user's own, redirected and rejected mail has no way out of this machine.
sendmail_path = /bin/false
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
auth_verbose = yes
{tls}

passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {home}/oauth2.conf
}}
passdb {{
  driver = dict
  mechanisms = plain login
  args = {home}/users.conf
}}
userdb {{
  driver = dict
  args = {home}/users.conf
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
default_client_limit = 4000
service auth {{
  client_limit = 8000
  inet_listener {{
    port = {auth_port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  chroot =
  service_count = 0
  process_limit = 4
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
# A process serves one session at a time, as in the field, and then the next one, which saves a start for each.
service imap {{
  service_count = 0
  process_limit = 1000
}}
service lmtp {{
  service_count = 0
  process_limit = 20
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service managesieve-login {{
  chroot =
  service_count = 0
  process_limit = 4
  inet_listener sieve {{
    port = {sieve_port}
  }}
}}
protocol imap {{
  mail_plugins = quota imap_quota
}}
protocol lmtp {{
  mail_plugins = quota sieve
}}
plugin {{
  sieve = file:~/sieve;active=~/active.sieve
  sieve_extensions = +imap4flags
  quota = count:mailbox
  quota_vsizes = yes
}}
"""

_USERS = """\
uri = file:{home}/users
default_pass_scheme = PLAIN
iterate_disable = yes
key passdb {{
  key = passdb/%u
  format = json
}}
key userdb {{
  key = userdb/%u
  format = json
}}
passdb_objects = passdb
userdb_objects = userdb
"""

_OAUTH2 = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={home}/keys/
username_attribute = sub
active_attribute =
active_value =
"""


class Dovecot(Server):
    """A Dovecot of our own. With a `certificate` it has STARTTLS and IMAPS, without one neither.

    `imap_port`, `imaps_port`, `lmtp_port` and `sieve_port` are known once it runs; so is `auth_port`, where a Postfix
    can have its SMTP AUTH checked against the same users.
    """

    label = "dovecot"
    grace = 0.2  # left alone it takes seconds to see its idle processes off; its folder goes anyway

    def __init__(self, certificate: ServerCertificate | None = None) -> None:
        self._program = find_program("dovecot", "dovecot-imapd")
        self._sievec = find_program("sievec", "dovecot-sieve")
        find_program("lmtp", "dovecot-lmtpd", folders=["/usr/lib/dovecot"])
        find_program("managesieve", "dovecot-managesieved", folders=["/usr/lib/dovecot"])
        super().__init__(Identity.unprivileged("dovecot"))
        self._certificate = certificate
        self._users: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._token_key = secrets.token_bytes(32)
        self.imap_port = self.imaps_port = self.lmtp_port = self.sieve_port = self.auth_port = 0

    # --- its process ---

    @property
    def configuration(self) -> Path:
        """dovecot.conf, for Dovecot's own tools."""
        return self.home.path / "dovecot.conf"

    def configure(self) -> None:
        """Fresh ports, and every file of the configuration."""
        self.imap_port, self.imaps_port, self.lmtp_port, self.sieve_port, self.auth_port = free_ports(5)
        home = self.home
        tls = "ssl = no"
        if self._certificate is not None:
            certificate = home.write("server.pem", self._certificate.certificate)
            key = home.write("server.key", self._certificate.key)
            tls = f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{key}"
        else:
            self.imaps_port = 0
        home.folder("base", mode=0o755)
        home.folder("mail")
        home.folder("keys/default/HS256")
        home.write("keys/default/HS256/default", base64.b64encode(self._token_key))
        home.write("users.conf", _USERS.format(home=home.path))
        home.write("oauth2.conf", _OAUTH2.format(home=home.path))
        self._write_users()
        text = _CONFIGURATION.format(
            home=home.path,
            domain=DOMAIN,
            user=self.identity.name,
            group=self.identity.group,
            uid=self.identity.uid,
            gid=self.identity.gid,
            tls=tls,
            imap_port=self.imap_port,
            imaps_port=self.imaps_port,
            lmtp_port=self.lmtp_port,
            sieve_port=self.sieve_port,
            auth_port=self.auth_port,
        )
        home.write("dovecot.conf", text)

    def arguments(self) -> list[str | Path]:
        """Dovecot's master in the foreground."""
        return [self._program, "-F", "-c", self.configuration]

    def ready(self) -> bool:
        """Whether IMAP and LMTP greet."""
        return greets(self.imap_port, b"* OK") and greets(self.lmtp_port, b"220")

    # --- its users ---

    def add_user(
        self,
        name: str | None = None,
        *,
        password: str = "open sesame",
        prefix: str = "",
        separator: str = "/",
        special_use: Mapping[str, str] | None = None,
        folders: Sequence[str] = (),
        quota: str | None = None,
        relay: tuple[str, int] | None = None,
        sieve: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Account:
        r"""A new mailbox, `name`@inbox.example (left out: a fresh name), ready at once.

        prefix, separator: of the personal namespace: `prefix="INBOX.", separator="."` as Courier has it.
        special_use: folders with their RFC 6154 mark, e.g. `{"Spamverdacht": r"\Junk"}`; they are created.
        folders: more folders, without a mark. Names in both are plain Unicode, levels parted by "/", no prefix.
        quota: e.g. "100K".
        relay: host and port of the SMTP server that takes redirected and rejected mail. Without one they fail.
        sieve: the owner's rules.
        settings: any of Dovecot's settings for this user alone.
        """
        address = f"{name or f'user{next(self._numbers)}'}@{DOMAIN}"
        marks = dict(special_use or {})
        values = {"namespace/inbox/separator": separator}
        if prefix:  # an empty value would read as "yes"
            values["namespace/inbox/prefix"] = prefix
        if marks:
            values["namespace/inbox/mailbox"] = ",".join(f"m{number}" for number in range(len(marks)))
        for number, (folder, mark) in enumerate(marks.items()):
            section = f"namespace/inbox/mailbox/m{number}"
            values[f"{section}/name"] = folder.replace("/", separator)
            values[f"{section}/special_use"] = mark
            values[f"{section}/auto"] = "create"
        if quota is not None:
            values["quota_rule"] = f"*:storage={quota}"
        if relay is not None:
            values["submission_host"] = f"{relay[0]}:{relay[1]}"
        values.update(settings or {})
        with self._lock:
            if address in self._users:
                raise ValueError(f"there is a user {address} already")
            self._users[address] = ({"password": "{PLAIN}" + password}, values)
            self._write_users()
        account = Account(server=self, address=address, password=password, prefix=prefix, separator=separator)
        account.home.mkdir()
        account.home.chmod(0o700)
        self.identity.own(account.home)
        account.make_folders("INBOX", *folders)
        if sieve is not None:
            account.set_sieve(sieve)
        return account

    def set_password(self, account: Account, password: str) -> None:
        """Change a user's password; sessions that are open stay open."""
        with self._lock:
            self._users[account.address][0]["password"] = "{PLAIN}" + password
            self._write_users()

    def remove_user(self, account: Account) -> None:
        """Make the address unknown; its mail stays in the folder until the server stops."""
        with self._lock:
            del self._users[account.address]
            self._write_users()

    def _write_users(self) -> None:
        # Dovecot's file dictionary: a line for the key, a line for the value. The path of the file is looked at again
        # at every login, so a user exists as soon as the file is in place.
        lines: list[str] = []
        for address, (passdb, userdb) in self._users.items():
            lines += [f"shared/passdb/{address}", json.dumps(passdb), f"shared/userdb/{address}", json.dumps(userdb)]
        self.home.write("users", "".join(line + "\n" for line in lines))

    # --- its doors ---

    def token(self, address: str, *, seconds: float = 3600.0) -> str:
        """An OAuth 2 access token (a JWT, RFC 7519) for XOAUTH2 and OAUTHBEARER; stale with negative `seconds`."""
        now = int(time.time())
        claims = {"sub": address, "iat": now - 7200, "nbf": now - 7200, "exp": int(now + seconds)}
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        signature = hmac.new(self._token_key, signed, hashlib.sha256).digest()
        return (signed + b"." + _base64url(signature)).decode()

    def lmtp(
        self, message: bytes, *recipients: str, sender: str = "sender@origin.example"
    ) -> dict[str, tuple[int, str]]:
        """Deliver over LMTP, and every recipient's reply, code and text.

        That is the reply to RCPT where it was refused there, else the one after the data.
        """
        replies: dict[str, tuple[int, str]] = {}
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=20) as client:
            client.ehlo("origin.example")
            client.mail(sender)
            accepted = []
            for recipient in recipients:
                code, text = client.rcpt(recipient)
                replies[recipient] = (code, text.decode(errors="replace"))
                if code < 300:
                    accepted.append(recipient)
            if accepted:
                first = client.data(message)
                for number, recipient in enumerate(accepted):
                    code, text = first if number == 0 else client.getreply()
                    replies[recipient] = (code, text.decode(errors="replace"))
        return replies

    def compile_sieve(self, script: Path) -> None:
        """Compile a user's script as the server would, so that a fault in it shows now; `RuntimeError` says which."""
        self.identity.run([self._sievec, "-c", self.configuration, script], cwd=self.home.path)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
