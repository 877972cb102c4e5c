"""Real mail and database servers for tests, each started unprivileged on free ports of 127.0.0.1.

How to use them
---------------
Ask for a fixture; a session starts each server at most once, at its first use:

    def test_a_rule_moves_the_seed(dovecot: Dovecot) -> None:
        reader = dovecot.add_user(folders=["Archiv"], sieve='require "fileinto"; fileinto "Archiv";')
        reader.deliver(message)                     # by LMTP, through the owner's rules and quota
        assert reader.messages("Archiv")            # over IMAP, nothing marked as read
        reader.address, reader.password, dovecot.imap_port, dovecot.imaps_port, dovecot.lmtp_port

- `certificates` (ca.py): a CA file to trust, and good, expired, misnamed and foreign server certificates.
- `dovecot` (dovecot.py, account.py): `add_user` makes a mailbox of its own for each test, with a namespace prefix,
  special-use marks, a quota, Sieve rules, or any other setting. `Account.fill` writes 20,000 messages in seconds.
- `postfix` (postfix.py): takes mail by SMTP (STARTTLS offered), hands inbox.example to `dovecot`, and sends real DSNs.
  Its master needs root. `relay=("127.0.0.1", postfix.port)` lets a Sieve redirect or reject leave through it.
- `postgres`, `postgres_url` (postgres.py): the cluster, and a fresh database for one test.
- latency.py: `LatencyProxy(port, round_trip=0.05)` delays and counts what passes: bytes, round trips, IMAP commands.

The faulty servers that no package brings are in tests/fakes.

Outside pytest every class is a context manager: `with Dovecot() as dovecot: ...`. A server ends with the thread that
started it, also when that is killed.

Where a server is not installed, its tests are skipped with the reason; with `CI=true` in the environment they fail
instead. `sh tests/servers/install.sh` installs what is missing.
"""
