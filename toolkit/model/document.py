"""The documents that mailwhy prints and reads: `mailwhy/probe/1`.

Names are stable; fields may be added.
"""

from collections import Counter
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, cast

from pydantic import TypeAdapter

from toolkit.model.placement import ProbeReport, SeedReport

PROBE_SCHEMA = "mailwhy/probe/1"

Json = dict[str, Any]


def timestamp(moment: datetime) -> str:
    """An RFC 3339 time stamp in UTC, with milliseconds where there are any."""
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def plain(value: object) -> Any:
    """Dataclasses, enumerations and times as plain JSON values. A trailing underscore of a field's name is dropped."""
    if is_dataclass(value):
        return {field.name.rstrip("_"): plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return timestamp(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def seed_document(seed: SeedReport) -> Json:
    """One entry of `seeds` in `mailwhy/probe/1`."""
    return cast(Json, plain(seed))


@cache
def _reports() -> TypeAdapter[SeedReport]:
    return TypeAdapter(SeedReport)


def report_from_document(document: Json) -> SeedReport:
    """The seed that an entry of `seeds` describes. Raises ValueError where it is not of that shape."""
    hops = [{("from_" if key == "from" else key): value for key, value in hop.items()} for hop in document["hops"]]
    return _reports().validate_python({**document, "hops": hops})


def probe_document(report: ProbeReport) -> Json:
    """The document `mailwhy/probe/1`."""
    verdicts = Counter(seed.placement.verdict.value for seed in report.seeds)
    return {
        "schema": PROBE_SCHEMA,
        "run_id": report.run_id,
        "started_at": timestamp(report.started_at),
        "finished_at": timestamp(report.finished_at),
        "seeds": [seed_document(seed) for seed in report.seeds],
        "summary": {
            "seeds": len(report.seeds),
            "verdicts": dict(sorted(verdicts.items())),
            "resumed": sum(seed.resumed for seed in report.seeds),
        },
        "notes": list(report.notes),
    }
