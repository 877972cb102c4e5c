"""Postfix (Debian 12: 3.7) as a route out: SMTP in on a free port of 127.0.0.1, and nothing leaves but where a table
says so.

Its own configuration, queue and data folders; no chroot, no DNS, no local delivery, no syslog. A domain without an
entry in `routes` bounces. Bounces are real DSNs (RFC 3464), and travel by the same table.

Its master process must be root (it binds, then its daemons drop to the user postfix): elsewhere it is unavailable.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.ca import ServerCertificate
from tests.servers.process import Identity, Server, ServerUnavailableError, find_program, free_ports, greets, wait_until

HOSTNAME = "mx.route.example"
_DAEMONS = Path("/usr/lib/postfix/sbin")
_QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")

_LONG_AGO = 1_700_000_000.0

# Master changes its user for a moment, and so loses the signal that is to end it with us. The shell keeps it, and
# hands it on.
_KEEPER = '"$@" & child=$!; trap "kill -TERM $child" TERM; wait $child; wait $child'

_MAIN = """\
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = {daemons}
queue_directory = {home}/queue
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
mail_owner = postfix
setgid_group = postdrop

myhostname = {hostname}
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
default_transport = error:5.4.4 no way out of this test for this domain
relay_transport = $default_transport
transport_maps = texthash:{home}/transport
smtpd_relay_restrictions = {restrictions}
smtpd_recipient_restrictions =
message_size_limit = {size_limit}
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
biff = no
notify_classes =
recipient_delimiter = +
smtp_tls_security_level = none
lmtp_tls_security_level = none
{tls}
{auth}

# What fails for now is tried again at once, so that a test sees the second try.
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
maximal_queue_lifetime = {lifetime}
bounce_queue_lifetime = {lifetime}
in_flow_delay = 0
lmtp_connect_timeout = 5s
smtp_connect_timeout = 5s
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 1 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
showq     unix  n - n - - showq
postlog   unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class NextHop:
    """Where a domain's mail goes: "lmtp" or "smtp" to a port of 127.0.0.1."""

    protocol: str
    port: int

    def __str__(self) -> str:
        """As the transport table has it."""
        kind = "lmtp:inet" if self.protocol == "lmtp" else "smtp"
        return f"{kind}:[127.0.0.1]:{self.port}"


class Postfix(Server):
    """A Postfix of our own; `port` is known once it runs.

    routes: next hops by domain ("inbox.example", or ".example" for all beneath); known from the start.
    certificate: with one, STARTTLS is offered.
    auth: the port of a Dovecot's authentication service; with one, SMTP AUTH is offered, and asked for.
    lifetime: how long what fails for now is tried (Postfix's notation: "1d", "5s").
    size_limit: bytes of the largest message that is taken.
    """

    label = "postfix"

    def __init__(
        self,
        routes: Mapping[str, NextHop],
        *,
        certificate: ServerCertificate | None = None,
        auth: int | None = None,
        lifetime: str = "1d",
        size_limit: int = 60_000_000,
    ) -> None:
        self._master = find_program("master", "postfix", folders=[str(_DAEMONS)])
        if os.geteuid() != 0:
            raise ServerUnavailableError("Postfix's master process must be started by root")
        self._daemon = Identity.named("postfix")
        super().__init__(Identity.current())
        self._certificate = certificate
        self._routes = dict(routes)
        self._auth = auth
        self._lifetime = lifetime
        self._size_limit = size_limit
        self.port = 0

    # --- its process ---

    def configure(self) -> None:
        """A fresh port, folders, and every file of the configuration."""
        (self.port,) = free_ports(1)
        home = self.home
        home.path.chmod(0o755)  # its daemons, which are not root, pass through
        home.folder("queue", mode=0o755)
        home.folder("queue/pid", mode=0o755)
        for name in _QUEUES:
            self._daemon.own(home.folder(f"queue/{name}"))
        # Postfix's own tools submit through these two; nothing here does, but its daemons look at them.
        self._daemon.own(home.folder("queue/maildrop", mode=0o730))
        self._daemon.own(home.folder("queue/public", mode=0o710))
        self._daemon.own(home.folder("data"))
        tls = auth = ""
        if self._certificate is not None:
            certificate = home.write("server.pem", self._certificate.certificate)
            key = home.write("server.key", self._certificate.key)
            tls = (
                f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {certificate}\nsmtpd_tls_key_file = {key}\n"
                "smtpd_tls_received_header = yes"
            )
        restrictions = "permit_mynetworks, reject"
        if self._auth is not None:
            restrictions = "permit_sasl_authenticated, reject"
            auth = (
                f"smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\n"
                f"smtpd_sasl_path = inet:127.0.0.1:{self._auth}\nsmtpd_sasl_authenticated_header = yes"
            )
        table = "".join(f"{domain} {hop}\n" for domain, hop in self._routes.items())
        text = _MAIN.format(
            home=home.path,
            daemons=self._master.parent,
            hostname=HOSTNAME,
            restrictions=restrictions,
            tls=tls,
            auth=auth,
            lifetime=self._lifetime,
            size_limit=self._size_limit,
        )
        # Postfix reads a file that is younger than a moment again and again until it is sure that nobody writes to it.
        for name, content in (("main.cf", text), ("master.cf", _MASTER.format(port=self.port)), ("transport", table)):
            file = home.write(name, content, mode=0o644)
            os.utime(file, (_LONG_AGO, _LONG_AGO))

    def arguments(self) -> list[str | Path]:
        """The master process, which `postfix start` would start after checks that we need not, under a shell."""
        return ["/bin/sh", "-c", _KEEPER, "keeper", self._master, "-c", self.home.path, "-s"]

    def ready(self) -> bool:
        """Whether SMTP greets."""
        return greets(self.port, b"220 ")

    # --- what became of a message ---

    def wait_for(self, pattern: str, *, seconds: float = 15.0) -> re.Match[str]:
        """The first place of the log where the regular expression matches, waited for."""
        expression = re.compile(pattern)
        return wait_until(lambda: expression.search(self.log()), seconds=seconds, what=f"{pattern!r} in Postfix's log")

    def queued(self) -> int:
        """How many messages are in its queue."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self.home.path / "queue/public/showq"))
            reply = b"".join(iter(lambda: connection.recv(65536), b""))
        return reply.count(b"queue_id\0")
