"""Where seeds are found in real mailboxes: Dovecot with Pigeonhole, folders of every kind, rules of their owners."""

from __future__ import annotations

from pathlib import Path

from tests.collect.harness import Probing, inbox_of, lmtp_route
from tests.servers.dovecot import Dovecot
from toolkit.model.placement import HandoffStatus, Verdict


def test_a_seed_in_the_inbox(dovecot: Dovecot, tmp_path: Path) -> None:
    """Nothing special: it is in the inbox, unread, and stays so."""
    account = dovecot.add_user()
    seed = Probing(tmp_path, [lmtp_route(dovecot.lmtp_port)], [inbox_of(account, "plain")]).run()["plain"]
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.placement.folder == "INBOX"
    assert not seed.placement.seen
    assert seed.handoff is not None
    assert seed.handoff.status is HandoffStatus.ACCEPTED
    assert account.flags() == [set()]
