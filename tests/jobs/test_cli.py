"""The command line as a whole: options, configuration faults, exit statuses, the lab that one can talk to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.cli import main
from tests.jobs.scene import mailwhy, scene
from toolkit.lab.world import World

# -- options ----------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_status(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 0 where help was asked for; 2, on standard error, where nothing was."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    for word in ("demo", "check", "probe", "lab", "--config", "--json", "exit status"):
        assert word in out
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: mailwhy" in err


@pytest.mark.parametrize("arguments", [["fly"], ["probe", "--fly"], ["lab"], ["lab", "fly"], ["demo", "--lang", "fr"]])
def test_a_call_that_is_wrong(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and the usage, on standard error."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "usage: mailwhy" in err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mailwhy 0.")


def test_help_answers_before_anybody_wonders(tmp_path: Path) -> None:
    """What is heavy is not imported for it: the promise is 0.3 s on a quiet machine, of which this is the reason."""
    code = (
        "import sys; from jobs.cli import main\n"
        "try: main(['probe', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'sqlalchemy', 'rich', 'pydantic', 'imapclient', 'dns', 'dkim', 'jinja2', 'toolkit', 'reports'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("before", [[], ["-c"], ["--json"], ["-c", "--json"]])
def test_common_options_stand_before_or_after_the_command(
    before: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """-c and --json mean the same in both places."""
    with scene(tmp_path) as world:
        option = {"-c": ["-c", str(world.path)], "--json": ["--json"]}
        first = [part for name in before for part in option[name]]
        then = [part for name in option if name not in before for part in option[name]]
        assert main([*first, "probe", *then]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "mailwhy/probe/1"


def test_where_the_configuration_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config before MAILWHY_CONFIG before ./config.toml; a name of nothing is an error, not the next place."""
    monkeypatch.delenv("MAILWHY_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["probe"]) == 2
    assert "no configuration: there is no config.toml in" in capsys.readouterr().err
    (tmp_path / "one.toml").write_text("[one]\n")
    (tmp_path / "two.toml").write_text("[two]\n")
    (tmp_path / "config.toml").write_text("[three]\n")
    assert main(["probe"]) == 2
    assert "three" in capsys.readouterr().err
    monkeypatch.setenv("MAILWHY_CONFIG", "two.toml")
    assert main(["probe"]) == 2
    assert "two" in capsys.readouterr().err
    assert main(["probe", "-c", "one.toml"]) == 2
    assert "one" in capsys.readouterr().err
    assert main(["probe", "-c", "gone.toml"]) == 2
    assert "--config: there is no file gone.toml" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["probe", "check"])
def test_every_fault_of_the_configuration_at_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with its place, all on standard error, status 2; no secret is among them."""
    with scene(tmp_path) as world:
        world.config["inbox"][0] |= {"port": 70000, "colour": "blue", "password": "geheim"}
        world.config["route"][0] |= {"host": "mail.example.com", "security": "none"}
        world.config["probe"] = {"timeout": "ten minutes"}
        assert main([command, "--json", "-c", str(world.write())]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "5 faults in the configuration:" in err
    for place in (
        'inbox "box": port: ', 'inbox "box": unknown key `colour`', 'inbox "box": password: ',
        'route "main": security: ', "probe: timeout: ",
    ):  # fmt: skip
        assert f"\n  {place}" in err
    assert "geheim" not in err


def test_one_fault_is_one_fault(tmp_path: Path) -> None:
    """As a process: status 2, nothing on standard output, no traceback."""
    (tmp_path / "config.toml").write_text("[probe]\ntimeout = 1\n")
    done = mailwhy("probe", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mailwhy: 1 fault in the configuration:\n  probe: timeout: ")
    assert len(done.stderr.splitlines()) == 2


# -- check ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """A small lab with its configuration: Gmail, Outlook by OAuth, GMX by STARTTLS."""
    with World.start("small") as world:
        yield world, world.write_config(tmp_path_factory.mktemp("lab"))


def test_check_of_a_lab_that_is_well(small: tuple[World, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Every route, inbox and resolver of its configuration is usable; one line for each, and a document."""
    _, config = small
    assert main(["check", "-c", str(config)]) == 0
    table = capsys.readouterr().out
    for name in ("direct", "gmail-1", "outlook-1", "gmx-1"):
        assert name in table
    assert max(map(len, table.splitlines())) <= 80
    assert main(["check", "--json", "-c", str(config)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "mailwhy/check/1"
    assert {item["verdict"] for item in document["items"]} <= {"pass", "warn"}


def test_check_of_a_lab_where_something_is_wrong(small: tuple[World, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong password is found, told with its inbox, and is status 1; what works still passes."""
    _, config = small
    broken = config.parent / "broken.toml"
    broken.write_text(config.read_text().replace('"lab password"', '"wrong"', 1))
    assert main(["check", "--json", "-c", str(broken)]) == 1
    items: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["items"]
    assert [item["name"] for item in items if item["verdict"] == "fail"] == ["gmail-1"]
    assert [item["verdict"] for item in items if item["name"] == "gmx-1"] == ["pass"]


# -- the lab as a process ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`mailwhy lab serve` while it runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "lab", "serve", "--dir", str(folder / "lab"), *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _document(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it prints once it runs."""
    assert process.stdout is not None
    lines = []
    while (line := process.stdout.readline()) not in ("}\n", ""):
        lines.append(line)
    found: dict[str, Any] = json.loads("".join([*lines, line]))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_lab_that_is_served_can_be_probed_and_ends_when_asked(number: signal.Signals, tmp_path: Path) -> None:
    """It says where its configuration is; seeds go in and are found; a signal ends it at once, with status 0."""
    with served(tmp_path, "--json") as lab:
        document = _document(lab)
        config = document["config"]
        assert document["schema"] == "mailwhy/lab/1"
        if number is signal.SIGTERM:
            chosen = ["--stream", "reminder", "--inbox", "gmx-1", "--inbox", "gmail-1", "--inbox", "t-online-1"]
            done = mailwhy("probe", "--json", "-c", config, *chosen, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            found = {(s["inbox"], s["route"]): s["placement"]["verdict"] for s in json.loads(done.stdout)["seeds"]}
            assert found["gmx-1", "direct"] == "inbox"
            assert found["gmail-1", "direct"] == "tab"
            assert found["t-online-1", "direct"] == "refused"
            checked = mailwhy("check", "--json", "-c", config, cwd=tmp_path)
            assert checked.returncode == 1  # a dead server and a closed one are in that world
            items = json.loads(checked.stdout)["items"]
            wrong = {item["name"] for item in items if item["verdict"] in ("fail", "unknown")}
            assert wrong == {"dead-1", "closed-1"}
        asked = time.monotonic()
        lab.send_signal(number)
        _, err = lab.communicate(timeout=20)
        assert lab.returncode == 0
        assert "Traceback" not in err
        assert time.monotonic() - asked < 10


def test_a_lab_tells_people_what_to_type(tmp_path: Path) -> None:
    """Two commands that work as they stand."""
    with served(tmp_path) as lab:
        assert lab.stdout is not None
        lines = []
        while "Ctrl-C" not in (line := lab.stdout.readline()) and line:
            lines.append(line)
        config = tmp_path / "lab" / "config.toml"
        assert f"  mailwhy check -c {config}\n" in lines
        assert f"  mailwhy probe -c {config} --html out/index.html\n" in lines
        assert config.exists()


def test_a_lab_without_a_place_for_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1 and the reason."""
    (tmp_path / "file").write_text("in the way")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert main(["lab", "serve", "--dir", str(tmp_path / "file" / "lab")]) == 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "mailwhy lab: the lab cannot be started: " in capsys.readouterr().err
