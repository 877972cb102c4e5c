"""The documentation says what is so: links, commands, fields, names."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs import exits
from jobs.cli import parser
from toolkit.explain.reference import reference
from toolkit.lab.scenery import scenery
from toolkit.model import placement
from toolkit.model.document import probe_document

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as the usual renderers make them."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", _text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _rows(text: str, heading: str) -> list[str]:
    """The first cells of the table below a heading, without backticks."""
    below = re.split(rf"^#+ {re.escape(heading)}$", text, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", below, flags=re.MULTILINE)[0]
    return re.findall(r"^ *\| `?([^|`]+?)`? \|", section, re.MULTILINE)[1:]


def test_there_are_pages() -> None:
    """Those that the README names."""
    assert {"README.md", "docs/architecture.md", "docs/probe.md", "docs/lab.md"} <= {_name(page) for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files exist, and so do the headings that a fragment names."""
    for link in _LINK.findall(_text(page)):
        if "://" in link:
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not fragment or fragment in _anchors(target), link


def _calls(page: Path) -> Iterator[str]:
    """The calls of mailwhy in a page's code blocks; synopses with brackets are no calls."""
    for block in _FENCED.findall(_text(page)):
        for line in block.splitlines():
            found = re.search(r"(?:^ *|/|; |&& )mailwhy ((?:-|[a-z]+\b)[^>|&]*)", line)
            if found and "[" not in line:
                yield found[1]


def test_the_calls_that_the_pages_show_can_be_made() -> None:
    """Every command and option of a code block exists."""
    calls = [call for page in PAGES for call in _calls(page)]
    assert len(calls) >= 5
    for call in calls:
        parser().parse_args(shlex.split(call))


def _fields(value: type) -> list[str]:
    return [field.name.rstrip("_") for field in fields(value)]


_MODELS = {
    "seed": placement.SeedReport,
    "placement": placement.Placement,
    "unsearched": placement.Unsearched,
    "handoff": placement.Handoff,
    "reply": placement.ReplyLine,
    "auth": placement.AuthResult,
    "filter": placement.FilterVerdict,
    "hop": placement.Hop,
    "header": placement.Header,
}


@pytest.mark.parametrize("name", _MODELS)
def test_the_page_of_the_probe_names_every_field(name: str) -> None:
    """All of the document's objects, field by field, in their order."""
    assert is_dataclass(_MODELS[name])
    assert _rows(_text(ROOT / "docs/probe.md"), f"`{name}`") == _fields(_MODELS[name])


def test_the_page_of_the_probe_names_the_documents_own_fields() -> None:
    """Those around the seeds."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    document = probe_document(placement.ProbeReport("run", now, now, ()))
    page = _text(ROOT / "docs/probe.md")
    assert _rows(page, "`document`") == list(document)
    assert _rows(page, "`summary`") == list(document["summary"])


@pytest.mark.parametrize(("page", "heading"), [("README.md", "What the verdicts mean"), ("docs/probe.md", "Verdicts")])
def test_every_verdict_is_explained(page: str, heading: str) -> None:
    """And none that there is not."""
    assert _rows(_text(ROOT / page), heading) == [verdict.value for verdict in placement.Verdict]


def test_every_exit_status_is_explained() -> None:
    """By its number."""
    statuses = [str(value) for name, value in vars(exits).items() if name.isupper()]
    assert _rows(_text(ROOT / "docs/probe.md"), "Exit status") == statuses


def test_the_page_of_providers_is_current() -> None:
    """`python -m toolkit.explain.reference > docs/providers.md` after a change of the data."""
    assert _text(ROOT / "docs/providers.md") == reference()


def test_what_nobody_has_verified_is_marked() -> None:
    """A reader of the page can tell hearsay from fact."""
    page = reference()
    gmail = page.partition("## Gmail")[2].partition("\n## ")[0]
    assert "administrator may have forbidden IMAP for the mailbox. *(unverified)*" in gmail
    assert "server: `imap.gmail.com`, port 993, security tls\n" in gmail


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Senders", [stream["name"] for stream in scenery().streams]),
        ("Doors", [door["name"] for door in scenery().doors]),
        ("Mailboxes", [mailbox["name"] for mailbox in scenery().mailboxes]),
    ],
)
def test_the_page_of_the_lab_names_all_that_is_in_it(heading: str, names: list[str]) -> None:
    """In the order of the scenery."""
    assert _rows(_text(ROOT / "docs/lab.md"), heading) == names
