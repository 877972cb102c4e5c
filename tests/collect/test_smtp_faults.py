"""Routes that go wrong: what was not handed over is unsent or refused, and nothing is ever sent twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.fakes import smtp_faults
from tests.fakes.imap_server import FakeImap
from tests.fakes.server import FakeServer
from tests.fakes.smtp_server import Act, FakeSmtp
from tests.servers.ca import Certificates
from toolkit.model.placement import HandoffStatus, SeedReport, Verdict


def probe(folder: Path, route: FakeSmtp, *, timeout: str = "2s", **more: object) -> SeedReport:
    """One seed by this route to a mailbox that nothing reaches but through it."""
    with ExitStack() as stack:
        box = stack.enter_context(FakeImap())
        stack.enter_context(route)
        if isinstance(route, Delivering):
            route.boxes["box@faulty.example"] = box
        probing = Probing(
            folder, [smtp_route(route.port, **more)], [fake_inbox(box, "box")], timing={"timeout": timeout}
        )
        return probing.run()["box"]


@pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA", "END"])
def test_a_permanent_reply_refuses_the_seed(phase: str, tmp_path: Path) -> None:
    """At whatever step: refused, with code and words, and tried once."""
    route = smtp_faults.refuses(phase, "554-5.7.1 first line\n554 5.7.1 second line")
    seed = probe(tmp_path, route)
    assert seed.placement.verdict is Verdict.REFUSED
    assert seed.handoff is not None
    assert (seed.handoff.status, seed.handoff.code, seed.handoff.enhanced) == (HandoffStatus.REFUSED, 554, "5.7.1")
    assert seed.handoff.text == "554-5.7.1 first line\n554 5.7.1 second line"
    assert len(route.transactions) == (1 if phase == "END" else 0)


def test_a_refusal_at_the_greeting(tmp_path: Path) -> None:
    """T-Online tells a sender without reputation in its greeting: the seed is refused, in these words."""
    text = "554 IP=192.0.2.10 - None/bad reputation. Ask your postmaster for help (NOWL)"
    seed = probe(tmp_path, smtp_faults.refuses("GREETING", text))
    assert seed.placement.verdict is Verdict.REFUSED
    assert seed.handoff is not None
    assert seed.handoff.text == text


@pytest.mark.parametrize("phase", ["GREETING", "MAIL", "RCPT", "DATA", "END"])
def test_421_and_then_better(phase: str, tmp_path: Path) -> None:
    """A server that shuts down in the middle is tried again; the seed is delivered once."""
    route = Delivering({}, steps={phase: ["421 4.3.2 shutting down"]})
    seed = probe(tmp_path, route, timeout="5s")
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.handoff is not None
    assert seed.handoff.attempts == 2
    assert len(route.accepted) == 1


def test_greylisting_is_waited_for(tmp_path: Path) -> None:
    """4xx at first, 250 later: delivered, and the handoff shows the last reply."""
    route = Delivering({}, steps={"RCPT": ["451 4.7.1 greylisted, try again"] * 2})
    seed = probe(tmp_path, route, timeout="5s")
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.handoff is not None
    assert (seed.handoff.code, seed.handoff.attempts) == (250, 3)


def test_still_deferred_at_the_end(tmp_path: Path) -> None:
    """Deferred until time is up: unsent, and the last reply says why."""
    seed = probe(tmp_path, smtp_faults.refuses("RCPT", "452 4.2.2 mailbox full"))
    assert seed.placement.verdict is Verdict.UNSENT
    assert seed.handoff is not None
    assert (seed.handoff.status, seed.handoff.code) == (HandoffStatus.DEFERRED, 452)
    assert "mailbox full" in (seed.placement.reason or "")


def test_no_reply_after_the_dot_is_not_sent_again(tmp_path: Path) -> None:
    """The server took the message and said nothing. It arrived: in the inbox, sent once."""
    route = Delivering({}, steps={"END": Act.CLOSE})
    seed = probe(tmp_path, route)
    assert len(route.transactions) == 1
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.handoff is not None
    assert seed.handoff.status is HandoffStatus.ACCEPTED


def test_no_reply_after_the_dot_and_nothing_arrived(tmp_path: Path) -> None:
    """Whether it was taken nobody knows: neither missing nor unsent, and never sent again."""
    route = smtp_faults.closes("END")
    seed = probe(tmp_path, route)
    assert len(route.transactions) == 1
    assert seed.placement.verdict is Verdict.UNREADABLE
    assert "not known" in (seed.placement.reason or "")


UNSENT: dict[str, tuple[Callable[[], FakeSmtp], str]] = {
    "never answers": (smtp_faults.silent, "did not answer in time"),
    "closes at the greeting": (lambda: smtp_faults.closes("GREETING"), "closed the connection"),
    "floods": (smtp_faults.floods, "sends a reply of more than"),
    "endless line": (lambda: smtp_faults.floods(lines=False), ""),
    "closes at MAIL": (lambda: smtp_faults.closes("MAIL"), "closed the connection"),
    "hangs at DATA": (lambda: smtp_faults.silent("DATA"), "did not answer in time"),
}


@pytest.mark.parametrize("fault", UNSENT)
def test_a_route_that_cannot_be_used_leaves_seeds_unsent(fault: str, tmp_path: Path) -> None:
    """In bounded time, with what happened, and without a doubt about whether anything was sent."""
    make, words = UNSENT[fault]
    route = make()
    started = time.monotonic()
    seed = probe(tmp_path, route)
    assert seed.placement.verdict is Verdict.UNSENT
    assert words in (seed.placement.reason or "")
    assert seed.handoff is not None
    assert seed.handoff.status is HandoffStatus.FAILED
    assert not seed.handoff.in_doubt
    assert route.transactions == []
    assert time.monotonic() - started < 15


def test_nothing_listens(tmp_path: Path) -> None:
    """A closed port: unsent after a few tries, and it says so."""
    with FakeServer() as gone:
        port = gone.port
    with FakeImap() as box:
        seed = Probing(tmp_path, [smtp_route(port)], [fake_inbox(box, "box")]).run()["box"]
    assert seed.placement.verdict is Verdict.UNSENT
    assert "refuses connections" in (seed.placement.reason or "")


def test_starttls_that_is_not_offered(certificates: Certificates, tmp_path: Path) -> None:
    """The configuration asks for TLS: nothing goes out without it."""
    route = FakeSmtp()
    seed = probe(tmp_path, route, security="starttls", ca_file=certificates.ca_file)
    assert seed.placement.verdict is Verdict.UNSENT
    assert "does not offer STARTTLS" in (seed.placement.reason or "")
    assert route.transactions == []


def test_a_certificate_that_does_not_verify(certificates: Certificates, tmp_path: Path) -> None:
    """No password and no message leaves for a server that is not the one named."""
    route = FakeSmtp(starttls=certificates.foreign.context(), auth=["PLAIN"])
    login = {"username": "probe", "password": {"value": "secret"}}
    seed = probe(tmp_path, route, security="starttls", ca_file=certificates.ca_file, **login)
    assert seed.placement.verdict is Verdict.UNSENT
    assert "does not verify" in (seed.placement.reason or "")
    assert not any(line.startswith(("AUTH", "MAIL")) for line in route.log)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2"])
def test_logging_in_over_tls(mechanism: str, certificates: Certificates, tmp_path: Path) -> None:
    """Each mechanism, over STARTTLS; the handoff says which TLS it was."""
    route = Delivering(
        {}, starttls=certificates.good.context(), auth=[mechanism], username="probe", password="geheim ü", token="t0ken"
    )
    login: dict[str, object] = {"username": "probe", "security": "starttls", "ca_file": certificates.ca_file}
    if mechanism == "XOAUTH2":
        login["oauth"] = {"access_token": {"value": "t0ken"}}
    else:
        login["password"] = {"value": "geheim ü"}
    seed = probe(tmp_path, route, **login)
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.handoff is not None
    assert seed.handoff.tls == "TLSv1.3"
    assert seed.handoff.cipher
    assert route.transactions[0].user == "probe"
    assert not any("geheim" in line.text or "t0ken" in line.text for line in seed.handoff.replies)


def test_a_login_that_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    """Unsent, in the server's words; nothing of the password shows anywhere."""
    route = smtp_faults.refuses_auth(starttls=certificates.good.context())
    login = {"username": "probe", "password": {"value": "wrong-Passwort"}, "security": "starttls"}
    seed = probe(tmp_path, route, ca_file=certificates.ca_file, **login)
    assert seed.placement.verdict is Verdict.UNSENT
    assert "535" in (seed.placement.reason or "")
    assert "wrong-Passwort" not in repr(seed)


def test_replies_of_lmtp_are_each_recipients_own(tmp_path: Path) -> None:
    """One mailbox is full after the message was sent, the other takes it."""
    with FakeImap() as one, FakeImap() as two:
        route = Delivering(
            {"one@faulty.example": one, "two@faulty.example": two},
            lmtp=True,
            steps={("END", "one@faulty.example"): "552 5.2.2 over quota"},
        )
        with route:
            settings = smtp_route(route.port, protocol="lmtp")
            seeds = Probing(tmp_path, [settings], [fake_inbox(one, "one"), fake_inbox(two, "two")]).run()
    assert seeds["one"].placement.verdict is Verdict.REFUSED
    assert seeds["two"].placement.verdict is Verdict.INBOX


def test_a_dead_route_spoils_no_other(tmp_path: Path) -> None:
    """Two routes, one of them dead: what goes by the other arrives."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as good, smtp_faults.silent() as bad:
        routes = [smtp_route(good.port), {**smtp_route(bad.port), "name": "dead", "timeout": "1s"}]
        probing = Probing(tmp_path, routes, [fake_inbox(box, "box")], streams=[STREAM])
        probing.run()
    by_route = {seed.route: seed for seed in probing.runs[0].seeds}
    assert by_route["main"].placement.verdict is Verdict.INBOX
    assert by_route["dead"].placement.verdict is Verdict.UNSENT
