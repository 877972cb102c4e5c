"""A page on disk is whole, and its owner's alone."""

import os
import stat
from pathlib import Path

import pytest

from reports.render import write_page


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    """Addresses and Message-IDs are nobody else's business, whatever the umask and the old file allowed."""
    path = tmp_path / "index.html"
    path.write_text("old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write_page(path, "<p>ü</p>\n")
    finally:
        os.umask(before)
    assert path.read_bytes() == "<p>ü</p>\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_old_page_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves the page of yesterday, and no half file beside it."""
    path = tmp_path / "index.html"
    write_page(path, "yesterday")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_page(path, "today")
    assert path.read_text() == "yesterday"
    assert [entry.name for entry in tmp_path.iterdir()] == ["index.html"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The caller hears about it; no folder is made in silence."""
    with pytest.raises(FileNotFoundError):
        write_page(tmp_path / "nowhere" / "index.html", "x")
