"""Secrets by reference: the configuration names where one lies, and it is read only when it is used."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_SECRET: Final = 64 * 1024  # bytes of a secret file


class SecretUnavailableError(Exception):
    """The place that should hold the secret does not. The message names the place and never the secret."""


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A password, token or key: an environment variable, a file, or (for the lab and tests) a value."""

    kind: str  # env, file, value
    place: str

    def reveal(self) -> str:
        """The secret itself. A file's last line end is no part of it. Raises SecretUnavailableError."""
        if self.kind == "value":
            return self.place
        if self.kind == "env":
            found = os.environ.get(self.place)
            if not found:
                raise SecretUnavailableError(f"the environment variable {self.place} is not set")
            return found
        try:
            with Path(self.place).open("rb") as file:
                data = file.read(MAX_SECRET + 1)
            text = data.decode("utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a text file"
            raise SecretUnavailableError(f"{self.place} cannot be read: {why}") from None
        if len(data) > MAX_SECRET:
            raise SecretUnavailableError(f"{self.place} is larger than {MAX_SECRET // 1024} KiB: not a secret")
        if not text.strip():
            raise SecretUnavailableError(f"{self.place} is empty")
        return text.rstrip("\r\n")

    def __repr__(self) -> str:
        return f"Secret({self.kind}{'' if self.kind == 'value' else ': ' + self.place})"

    __str__ = __repr__
