"""A configuration without fault that tests change in one place, and what they say about it."""

from pathlib import Path

from toolkit.config.fault import ConfigError
from toolkit.config.load import load_settings

STREAM = """
[[stream]]
name = "reminder"
kind = "transactional"
from = "Salon Belmont <termine@belmont.example>"
subject = "Ihr Termin"
text = "Guten Tag"
"""

ROUTE = """
[[route]]
name = "main"
host = "127.0.0.1"
port = 2525
security = "none"
"""

INBOX = """
[[inbox]]
name = "gmx-1"
provider = "gmx"
address = "probe1@gmx.example"
host = "127.0.0.1"
port = 2143
security = "none"
username = "probe1"
password = { value = "top-secret" }
"""

GOOD = STREAM + ROUTE + INBOX


def write(folder: Path, text: str) -> Path:
    """The file, written into `folder`."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    """The lines that a user is shown for this file; none where it is without fault."""
    try:
        load_settings(write(folder, text))
    except ConfigError as error:
        return [str(fault) for fault in error.faults]
    return []
