"""`mailwhy demo`: the first thing that anybody runs."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.jobs.scene import mailwhy
from toolkit.model.placement import Verdict


@pytest.mark.timeout(150)
def test_the_demo_shows_every_situation_and_leaves_a_page(tmp_path: Path) -> None:
    """Status 0, well under a minute, a page, a document with every verdict, and not a word but it on standard output.

    It takes about 20 seconds: the slowest mailbox of the lab decides. Three times as long is allowed here, where
    other tests may share the machine.
    """
    started = time.monotonic()
    done = mailwhy("demo", "--json", "--lang", "de", "--out", tmp_path / "new" / "out", cwd=tmp_path)
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert seconds < 60
    found = {Verdict(seed["placement"]["verdict"]) for seed in document["seeds"]}
    assert found >= set(Verdict) - {Verdict.UNSENT}  # every door of the lab takes mail
    assert document["notes"] == []
    page = (tmp_path / "new" / "out" / "index.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    for seed in document["seeds"]:
        assert seed["inbox"] in page
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]


def test_a_place_for_the_page_that_cannot_be_made(tmp_path: Path) -> None:
    """Said before anything starts: status 1."""
    (tmp_path / "file").write_text("in the way")
    done = mailwhy("demo", "--out", tmp_path / "file" / "out", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"mailwhy demo: {tmp_path}/file/out cannot be made: ")
    assert len(done.stderr.splitlines()) == 1
