"""What somebody gets who installs mailwhy: a whole package, pinned dependencies, a command that answers at once."""

import os
import re
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("toolkit", "jobs", "reports")
LOCKS = ("requirements-build.lock", "requirements.lock", "requirements-dev.lock")
HEAVY = frozenset({
    "aiosmtpd", "alembic", "apscheduler", "asyncio", "checkdmarc", "cryptography", "dkim", "dns", "imapclient",
    "jinja2", "pydantic", "publicsuffixlist", "rich", "spftrace", "sqlalchemy",
})  # fmt: skip


def _run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=50, check=False
    )


# -- the distributions -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and a source distribution, built as `make demo` builds: without isolation."""
    folder = tmp_path_factory.mktemp("dist")
    done = _run(sys.executable, "-m", "hatchling", "build", "-d", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_wheel_holds_every_file_of_the_packages(built: Path) -> None:
    """Code, data, templates, catalogues, migrations and type marks; and nothing of the tests."""
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == there
    for name in (
        "toolkit/py.typed",
        "toolkit/data/providers.toml",
        "toolkit/data/lab/zones/belmont.example.zone",
        "toolkit/store/migrations/script.py.mako",
        "toolkit/store/migrations/versions/0001_seeds.py",
        "jobs/py.typed",
        "reports/py.typed",
        "reports/templates/placement.html.jinja",
        "reports/templates/style.css",
        "reports/words/de.toml",
    ):
        assert name in there, name


def test_the_wheel_works_away_from_the_checkout(built: Path, tmp_path: Path) -> None:
    """Migrations, templates, catalogues and scenery are found in an installation."""
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    program = f"""
import toolkit, jobs.cli
from reports.render import environment
from reports.words import catalogue
from toolkit.explain.access import providers
from toolkit.lab.scenery import scenery, zone_text
from toolkit.store.seeds import SeedStore
assert toolkit.__file__.startswith({str(site)!r}), toolkit.__file__
SeedStore.open("sqlite:///{tmp_path}/mailwhy.db").close()
environment().get_template("placement.html.jinja")
assert catalogue("de").keys() == catalogue("en").keys()
assert providers() and scenery().mailboxes and zone_text("belmont.example")
"""
    done = _run(sys.executable, "-c", program, cwd=tmp_path, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr


def test_the_source_distribution_holds_what_the_readme_links_to(built: Path) -> None:
    """And what its two commands need."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    linked = re.findall(r"\]\(([^)#:]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert set(linked) <= names
    assert {"Makefile", ".ci/make-venv", "tests/servers/install.sh", "LICENSE", "README.md", *LOCKS} <= names


# -- the command -----------------------------------------------------------------------------------------------------

MAILWHY = Path(sys.executable).with_name("mailwhy")


def test_the_command_tells_its_version() -> None:
    """The one of pyproject.toml, which CHANGELOG.md knows too."""
    done = _run(MAILWHY, "--version")
    version = PROJECT["project"]["version"]
    assert (done.returncode, done.stdout) == (0, f"mailwhy {version}\n")
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("arguments", [["--help"], ["probe", "--help"], ["--version"]])
def test_help_answers_at_once(arguments: list[str]) -> None:
    """In less than 0.3 s for the whole process: the best of several, as the machine may be busy with other tests."""
    times = []
    for _ in range(8):
        began = time.perf_counter()
        done = _run(MAILWHY, *arguments)
        times.append(time.perf_counter() - began)
        assert done.returncode == 0, done.stderr
        if times[-1] < 0.3:
            break
    assert min(times) < 0.3, times


def test_help_imports_nothing_heavy() -> None:
    """The parser knows every command without the code of any."""
    program = "import sys; from jobs.cli import parser; parser().format_help(); print(*sys.modules)"
    done = _run(sys.executable, "-c", program)
    assert done.returncode == 0, done.stderr
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "argparse" in loaded
    assert not loaded & HEAVY


# -- the lock files --------------------------------------------------------------------------------------------------


def _pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", text, re.MULTILINE)
    }


def _requirements(texts: list[str | dict[str, str]]) -> Iterator[Requirement]:
    """Those of a dependency group, the groups that it includes too (PEP 735)."""
    for text in texts:
        if isinstance(text, dict):
            yield from _requirements(PROJECT["dependency-groups"][text["include-group"]])
        else:
            yield Requirement(text)


_BUILD = PROJECT["dependency-groups"]["build"]
_BASE = PROJECT["project"]["dependencies"]
_EXTRAS = [text for extra in PROJECT["project"]["optional-dependencies"].values() for text in extra]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements-build.lock", [*_BUILD, *PROJECT["build-system"]["requires"]]),
        ("requirements.lock", [*_BASE, *_BUILD]),
        ("requirements-dev.lock", [*_BASE, *_EXTRAS, *PROJECT["dependency-groups"]["dev"]]),
    ],
)
def test_a_lock_file_pins_each_direct_dependency_within_its_range(
    lock: str, wanted: list[str | dict[str, str]]
) -> None:
    """After a change of pyproject.toml, `make lock` is due."""
    pins = _pins(lock)
    for requirement in _requirements(wanted):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {lock}: run make lock"
        assert requirement.specifier.contains(version), f"{lock} has {requirement.name} {version}, not {requirement}"


def test_the_lock_files_agree() -> None:
    """Each one adds to the one before and changes nothing of it: tests run what users install."""
    build, base, dev = (_pins(lock) for lock in LOCKS)
    assert build.items() <= base.items() <= dev.items()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_has_a_hash_for_every_package_and_no_address(lock: str) -> None:
    """What is installed is what was locked, wherever it comes from: that is for pip's configuration to say."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(entries) == len(_pins(lock)) > 5
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry), entry
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


# -- make ------------------------------------------------------------------------------------------------------------


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_make_alone_lists_every_target() -> None:
    """With what each is for."""
    done = _run("make", "--no-print-directory", MAKEFLAGS="", MAKELEVEL="0")
    assert done.returncode == 0, done.stderr
    listed = re.findall(r"^make (\w+) +\S", done.stdout, re.MULTILINE)
    assert set(listed) == _targets()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_commands_of_a_page_exist(page: str) -> None:
    """As they are written there."""
    named = set(
        re.findall(r"^make ([a-z]+)\b|`make ([a-z]+)\b", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    )
    names = {one or other for one, other in named}
    assert {"test"} <= names <= _targets()


def test_too_old_a_python_is_said_so(tmp_path: Path) -> None:
    """In one line that names the version that is needed, the one that is there, and how to choose another."""
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    done = _run("sh", ROOT / ".ci" / "make-venv", tmp_path / "venv", PYTHON=str(old))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert all(words in done.stderr for words in ("Python 3.11 or newer", "Python 3.9.2", "make PYTHON="))
    assert not (tmp_path / "venv").exists()
