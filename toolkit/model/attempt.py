"""What became of an attempt to learn something: a value, a failure with its reason, or a skip.

Exceptions of the network end at the doors (`toolkit.wire`), which turn them into these values. What could not be
asked stays visible as `Failed`, and is never mistaken for an answer.
"""

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Got(Generic[T]):
    """The attempt gave `value`."""

    value: T


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt was made and gave no answer.

    `reason` is a short stable word for programs (`timeout`, `refused`, `login`), `detail` a sentence for people
    without secrets, `advice` what the reader can do about it, empty where nothing is known.
    """

    reason: str
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The attempt was not made, and why."""

    reason: str


Attempt: TypeAlias = Got[T] | Failed | Skipped
