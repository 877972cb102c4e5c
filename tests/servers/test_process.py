"""Servers that cannot run say why, and the install script is quick where all is there."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers.fixtures import unavailable
from tests.servers.process import ServerUnavailableError, find_program

INSTALL = Path(__file__).with_name("install.sh")


def test_a_missing_program_names_the_package_that_brings_it() -> None:
    """The reason is enough to act on."""
    with pytest.raises(ServerUnavailableError, match=r"no-such-daemon is not installed \(Debian package no-such-pkg;"):
        find_program("no-such-daemon", "no-such-pkg")


def test_a_missing_server_skips_at_home_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """With CI=true nothing is skipped."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="dovecot is not installed"):
        unavailable("dovecot is not installed")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="dovecot is not installed"):
        unavailable("dovecot is not installed")


def run_install(folder: Path, *arguments: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """The script in a world of stand-in programs, each given by its shell text."""
    for name, text in programs.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", INSTALL, *arguments],
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_the_install_script_does_nothing_where_all_is_there(tmp_path: Path) -> None:
    """No word, no apt-get, status 0."""
    done = run_install(tmp_path, dpkg_query="echo installed", apt_get="exit 99")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_install_script_says_in_one_line_that_it_may_not(tmp_path: Path) -> None:
    """Neither root nor passwordless sudo: status 0, so that the tests run without; 1 with --strict."""
    world = {"dpkg_query": "echo not-installed", "apt_get": "exit 99", "id": "echo 1000", "sudo": "exit 1"}
    done = run_install(tmp_path, **world)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "it takes root or passwordless sudo" in done.stderr
    assert run_install(tmp_path, "--strict", **world).returncode == 1


def test_the_install_script_leaves_other_systems_alone(tmp_path: Path) -> None:
    """Without apt-get there is nothing to do but to say so."""
    done = run_install(tmp_path)
    assert done.returncode == 0
    assert "no apt-get on this system" in done.stderr
