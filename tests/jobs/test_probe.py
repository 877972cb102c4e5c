"""`mailwhy probe`: its exit status, its one document, its table, its page, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobs.cli import main
from jobs.probe import status, verdicts
from tests.jobs.scene import Scene, mailwhy, scene
from tests.servers.process import free_ports
from toolkit.model.placement import Handoff, HandoffStatus, Placement, ProbeReport, SeedReport, Verdict
from toolkit.store.seeds import SeedStore

REFUSED = {"RCPT": "550 5.1.1 no such user"}


def run(world: Scene, *options: str) -> int:
    """The exit status of a probe in this process."""
    return main(["probe", "-c", str(world.path), *options])


# -- status -----------------------------------------------------------------------------------------------------------


def _report(*verdicts_: Verdict, handoff: HandoffStatus = HandoffStatus.ACCEPTED, notes: tuple[str, ...] = ()) -> ProbeReport:  # fmt: skip  # noqa: E501
    from tests.store.samples import NOW  # noqa: PLC0415 - one time for all

    seeds = tuple(
        SeedReport(
            "id", "s", "r", "i", "generic", "a@b.example", "m@b.example", Placement(verdict),
            Handoff(handoff, None, None, "", "", None, NOW), NOW,
        )
        for verdict in verdicts_
    )  # fmt: skip
    return ProbeReport("run", NOW, NOW, seeds, notes)


@pytest.mark.parametrize(
    ("report", "fail_on", "expected"),
    [
        (_report(Verdict.INBOX, Verdict.SPAM, Verdict.MISSING, Verdict.REFUSED, Verdict.BOUNCED), "", 0),
        (_report(), "", 0),
        (_report(Verdict.INBOX, Verdict.UNREADABLE), "", 1),
        (_report(Verdict.UNSENT, handoff=HandoffStatus.FAILED), "", 1),
        (_report(Verdict.UNSENT, handoff=HandoffStatus.DEFERRED), "", 0),
        (_report(Verdict.INBOX, notes=("2 seeds are still open",)), "", 1),
        (_report(Verdict.INBOX, Verdict.SPAM), "spam", 3),
        (_report(Verdict.INBOX, Verdict.SPAM), "missing, spam ,refused", 3),
        (_report(Verdict.INBOX, Verdict.SPAM), "missing", 0),
        (_report(Verdict.SPAM, Verdict.UNREADABLE), "spam", 3),
        (_report(Verdict.SPAM, Verdict.UNREADABLE), "missing", 1),
        (_report(Verdict.UNREADABLE), "unreadable", 3),
    ],
)
def test_what_was_found_makes_the_status(report: ProbeReport, fail_on: str, expected: int) -> None:
    """0 whatever was found, 1 where part could not be done, 3 where --fail-on names it, which comes first."""
    assert status(report, verdicts(fail_on)) == expected


def test_every_verdict_can_be_named_to_fail_on() -> None:
    """And none that does not exist; the error lists those that do."""
    assert verdicts(",".join(Verdict)) == frozenset(Verdict)
    with pytest.raises(ValueError, match=r"no verdict is called Spam, junk; there are: archive, bounced, folder"):
        verdicts("inbox,Spam,junk")


# -- what goes out ----------------------------------------------------------------------------------------------------


def test_the_document_is_all_that_standard_output_gets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document of the contract's shape, signs beyond ASCII as they are."""
    with scene(tmp_path, "box", "other") as world:
        assert run(world, "--json") == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert document["schema"] == "mailwhy/probe/1"
    assert {seed["inbox"]: seed["placement"]["verdict"] for seed in document["seeds"]} == {
        "box": "inbox",
        "other": "inbox",
    }
    assert document["summary"] == {"seeds": 2, "verdicts": {"inbox": 2}, "resumed": 0}
    assert document["notes"] == []
    for seed in document["seeds"]:
        assert seed["handoff"]["status"] == "accepted"
        assert seed["handoff"]["code"] == 250
        assert seed["placement"]["searched"]
    assert "💇" in out
    assert out.endswith("}\n")
    assert "schema" not in err


def test_refused_seeds_are_work_that_was_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0, and 3 where a gate asks for it."""
    with scene(tmp_path, steps=REFUSED) as world:
        assert run(world, "--json") == 0
        assert json.loads(capsys.readouterr().out)["summary"]["verdicts"] == {"refused": 1}
        assert run(world, "--json", "--fail-on", "missing,refused") == 3
        assert json.loads(capsys.readouterr().out)["summary"]["verdicts"] == {"refused": 1}


def test_a_mailbox_that_cannot_be_read_is_work_not_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1: nobody knows where its seed lies. The other mailbox has its verdict."""
    with scene(tmp_path, "box", "other") as world:
        world.config["inbox"][1]["port"] = free_ports(1)[0]
        world.write()
        assert run(world, "--json") == 1
    found = {seed["inbox"]: seed["placement"]["verdict"] for seed in json.loads(capsys.readouterr().out)["seeds"]}
    assert found == {"box": "inbox", "other": "unreadable"}


@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_table_fits_a_terminal_of_80_columns(
    lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line is wider, whatever names and replies there are; every inbox is in it; no colour where none is wanted."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    reply = "550-5.7.1 [192.0.2.10      12] Our system has detected that this message is\n" * 3 + "550 5.7.1 suspicious"
    with scene(tmp_path, "box", "a-mailbox-with-a-long-name", steps={("RCPT", "box@faulty.example"): reply}) as world:
        world.config["stream"] = [{**world.config["stream"][0], "name": "a-stream-with-a-very-long-name-" + "x" * 30}]
        world.write()
        assert run(world, "--lang", lang) == 0
    out, _ = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in out
    assert "box" in out
    assert "a-mailbox-with" in out
    assert "5.7.1" in out


# -- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_written_where_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its folder is made; the table says where it is; with --json nothing else is on standard output."""
    page = tmp_path / "new" / "folder" / "page.html"
    with scene(tmp_path) as world:
        assert run(world, "--html", str(page), "--lang", "de") == 0
        assert f"The page is in {page}" in capsys.readouterr().out
        html = page.read_text()
        assert html.lower().startswith("<!doctype html>")
        assert 'lang="de"' in html
        page.unlink()
        assert run(world, "--html", str(page), "--json") == 0
        json.loads(capsys.readouterr().out)
        assert page.exists()


@pytest.mark.parametrize("as_json", [True, False])
def test_a_page_that_cannot_be_written_loses_no_result(
    as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The seeds were sent and found: table or document is printed all the same; an error, and status 1."""
    (tmp_path / "file").write_text("in the way")
    page = tmp_path / "file" / "page.html"
    with scene(tmp_path) as world:
        assert run(world, "--html", str(page), *(["--json"] if as_json else [])) == 1
        out, err = capsys.readouterr()
        assert run(world, "--html", str(page), "--fail-on", "inbox") == 3
    if as_json:
        assert json.loads(out)["summary"]["seeds"] == 1
    else:
        assert "box" in out
        assert "The page is in" not in out
    assert f"mailwhy probe: {page} cannot be written: {tmp_path}/file: File exists" in err
    assert "Traceback" not in err


# -- calls that are wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fail-on", "spam,junk"], "--fail-on: no verdict is called junk; there are: archive, bounced"),
        (["--stream", "newsletter"], "no stream is named newsletter; the configuration has: reminder"),
        (["--inbox", "gmx-1", "--inbox", "box"], "no inbox is named gmx-1; the configuration has: box, other"),
        (["--timeout", "10"], '"10" is not a duration: write a number and a unit'),
        (["--timeout", "0s"], "must be longer than zero"),
    ],
)
def test_a_wrong_option_says_what_there_is(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, one sentence on standard error, nothing sent and no store made."""
    with scene(tmp_path, "box", "other") as world:
        assert run(world, *options) == 2
        assert world.route.log == []
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "store.db").exists()


def test_only_what_was_asked_for_is_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--stream and --inbox may be repeated; --timeout holds for this probe."""
    with scene(tmp_path, "one", "two", "three") as world:
        second = {**world.config["stream"][0], "name": "invoice"}
        world.config["stream"].append(second)
        world.write()
        options = ["--stream", "invoice", "--inbox", "three", "--inbox", "one", "--timeout", "3s", "--json"]
        assert run(world, *options) == 0
        assert len(world.route.transactions) == 2
    seeds = json.loads(capsys.readouterr().out)["seeds"]
    assert {(seed["stream"], seed["inbox"]) for seed in seeds} == {("invoice", "one"), ("invoice", "three")}


def test_whatever_a_probe_lacks_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No route, no inbox, and each secret that is named but not there: all of it, with its place; status 2."""
    (tmp_path / "empty").write_text("\n")
    key = {"selector": "s1", "domain": "belmont.example", "key": {"file": "gone.pem"}}
    with scene(tmp_path, "one", "two") as world:
        world.config["stream"] = [{**world.config["stream"][0], "dkim": key}]
        world.config["inbox"][0]["password"] = {"env": "MAILWHY_TEST_UNSET"}
        world.config["inbox"][1]["password"] = {"file": "empty"}
        world.write()
        assert run(world) == 2
        secrets = capsys.readouterr().err
        world.config["route"], world.config["inbox"] = [], []
        world.write()
        assert run(world) == 2
        nothing = capsys.readouterr().err
    assert "3 faults in the configuration" in secrets
    assert f'stream "reminder": dkim.key: {tmp_path}/gone.pem cannot be read' in secrets
    assert 'inbox "one": password: the environment variable MAILWHY_TEST_UNSET is not set' in secrets
    assert f'inbox "two": password: {tmp_path}/empty is empty' in secrets
    assert "route: none is configured: add a [[route]]" in nothing
    assert "inbox: none is configured: add a [[inbox]]" in nothing
    assert "stream: none" not in nothing


def test_only_the_secrets_that_are_needed_are_asked_for(tmp_path: Path) -> None:
    """A password that is missing for another inbox does not stop this one."""
    with scene(tmp_path, "one", "two") as world:
        world.config["inbox"][1]["password"] = {"env": "MAILWHY_TEST_UNSET"}
        world.write()
        assert run(world, "--inbox", "one", "--json") == 0


# -- the store --------------------------------------------------------------------------------------------------------


def test_a_store_that_cannot_be_opened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 and the reason; nothing is sent that could not be written down."""
    (tmp_path / "letter.txt").write_text("Dear reader, " * 100)
    with scene(tmp_path) as world:
        world.config["store"] = {"url": f"sqlite:///{tmp_path}/letter.txt"}
        world.write()
        assert run(world, "--json") == 1
        assert world.route.transactions == []
    out, err = capsys.readouterr()
    assert out == ""
    assert "letter.txt cannot be used: file is not a database" in err


def test_a_store_that_fails_in_mid_probe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1 and the reason instead of a traceback; the next probe goes on, and sends nothing twice."""
    with scene(tmp_path) as world:
        with monkeypatch.context() as failing:

            def advance(*_: Any, **__: Any) -> bool:
                raise sa.exc.OperationalError("UPDATE", {}, Exception("database or disk is full"))

            failing.setattr(SeedStore, "advance", advance)
            assert run(world, "--json") == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert "mailwhy probe: the store failed: database or disk is full" in err
        assert "Traceback" not in err
        assert world.route.transactions == []
        assert run(world, "--json") == 0
        assert len(world.route.transactions) == 1


# -- as a process -----------------------------------------------------------------------------------------------------


def test_as_a_process_logs_go_to_standard_error(tmp_path: Path) -> None:
    """Verbose or not, standard output is the document; in a Latin-1 locale, too, it is UTF-8."""
    with scene(tmp_path) as world:
        done = mailwhy(
            "-v", "probe", "--json", "--html", tmp_path / "page.html", "-c", world.path,
            cwd=tmp_path, PYTHONIOENCODING="latin-1", LC_ALL="C.UTF-8",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seeds"][0]["subject"] == "Ihr Termin 💇 am Dienstag"
    assert (tmp_path / "page.html").exists()


def test_a_table_in_a_terminal_without_unicode(tmp_path: Path) -> None:
    """It has question marks instead of an error: the seeds are sent, so the result must be shown."""
    with scene(tmp_path, steps={"RCPT": "550 5.1.1 Empfänger unbekannt 💇"}) as world:
        done = mailwhy("probe", "-c", world.path, cwd=tmp_path, PYTHONIOENCODING="ascii", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert "box" in done.stdout
    assert done.stdout.isascii()
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_is_no_crash(tmp_path: Path) -> None:
    """`mailwhy probe --json | head -1`: no traceback, status 1."""
    with scene(tmp_path) as world:
        command = f"{sys.executable} -m jobs.cli probe --json -c {world.path} | true; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == ""
