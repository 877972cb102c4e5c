"""A route and mailboxes of fakes, a configuration that names them, and `mailwhy` in this process or in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.collect.harness import STREAM, Delivering, fake_inbox, smtp_route
from tests.fakes.imap_server import FakeImap
from tests.fakes.smtp_server import FakeSmtp
from tests.toml import to_toml

TEXT = {**STREAM, "subject": "Ihr Termin 💇 am Dienstag"}


@dataclass
class Scene:
    """`config` is the file's content; change it and `write` it."""

    folder: Path
    config: dict[str, Any]
    route: FakeSmtp
    boxes: dict[str, FakeImap] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The configuration."""
        return self.folder / "config.toml"

    def write(self) -> Path:
        """The configuration as it is now, on disk."""
        self.path.write_text(to_toml(self.config), encoding="utf-8")
        return self.path


@contextmanager
def scene(folder: Path, *names: str, steps: Mapping[Any, Any] | None = None) -> Iterator[Scene]:
    """Mailboxes of these names (one, `box`, where none is given), all reached by one route, which takes `steps`."""
    with ExitStack() as stack:
        boxes = {name: stack.enter_context(FakeImap()) for name in names or ("box",)}
        addresses = {f"{name}@faulty.example": box for name, box in boxes.items()}
        route = stack.enter_context(Delivering(addresses, steps=steps))
        config = {
            "store": {"url": f"sqlite:///{folder}/store.db"},
            "stream": [TEXT],
            "route": [smtp_route(route.port)],
            "inbox": [fake_inbox(box, name) for name, box in boxes.items()],
            "probe": {"timeout": "2s", "poll": "100ms", "settle": "100ms"},
        }
        world = Scene(folder, config, route, boxes)
        world.write()
        yield world


def mailwhy(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`mailwhy` as a shell runs it, with nothing of ours in its environment but what is given."""
    base = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "PYTHONPATH", "TMPDIR")}
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *map(str, arguments)],
        cwd=cwd,
        env={**base, "PYTHONPATH": _ROOT + os.pathsep + base.get("PYTHONPATH", ""), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


_ROOT = str(Path(__file__).parents[2])
