"""`mailwhy probe`: send seeds, find them, say where they landed."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.exc import SQLAlchemyError

from jobs.exits import DONE, FOUND, PART, WRONG
from jobs.progress import SeedProgress
from toolkit.collect.probe import ProbeRun, Selection
from toolkit.config.duration import format_duration, parse_duration
from toolkit.config.fault import ConfigError, Fault
from toolkit.config.secrets_check import missing_secrets
from toolkit.config.settings import Settings
from toolkit.model.document import probe_document
from toolkit.model.placement import HandoffStatus, ProbeReport, Verdict
from toolkit.store.engine import StoreError
from toolkit.store.seeds import SeedStore


def probe(settings: Settings, options: argparse.Namespace) -> int:
    """Run one probe as the command line asks for it. Returns the exit status. Raises ConfigError."""
    try:
        fail_on = verdicts(options.fail_on)
        selection = Selection.of(settings, options.stream, options.inbox)
        if options.timeout:
            timing = settings.probe.model_copy(update={"timeout": parse_duration(options.timeout)})
            settings = settings.model_copy(update={"probe": timing})
    except ValueError as error:
        print(f"mailwhy probe: {error}", file=sys.stderr)
        return WRONG
    _require(settings, selection)
    try:
        store = SeedStore.open(settings.store.url)
    except StoreError as error:
        print(f"mailwhy probe: {error}", file=sys.stderr)
        return PART
    try:
        report = watched(ProbeRunner(settings, selection, store))
    except SQLAlchemyError as error:
        reason = getattr(error, "orig", None) or error
        print(f"mailwhy probe: the store failed: {reason}\nThe next probe goes on with this one.", file=sys.stderr)
        return PART
    finally:
        store.close()
    took = format_duration((report.finished_at - report.started_at).total_seconds())
    shown = show(report, settings, options, done=f"{len(report.seeds)} seeds in {took}.")
    return status(report, fail_on) or (DONE if shown else PART)


def verdicts(text: str) -> frozenset[Verdict]:
    """The verdicts of `--fail-on`. Raises ValueError for one that does not exist."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {verdict.value for verdict in Verdict}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--fail-on: no verdict is called {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    return frozenset(Verdict(name) for name in names)


def _require(settings: Settings, selection: Selection) -> None:
    """Whatever a probe cannot do without, each missing thing at once."""
    faults = [
        Fault(kind, f"none is configured: add a [[{kind}]] to the configuration")
        for kind, there in (("stream", selection.streams), ("route", selection.routes), ("inbox", selection.inboxes))
        if not there
    ]
    faults += missing_secrets(
        settings,
        streams=[stream.name for stream in selection.streams],
        routes=[route.name for route in selection.routes],
        inboxes=[inbox.name for inbox in selection.inboxes],
        lists=(),
    )
    if faults:
        raise ConfigError(faults)


class ProbeRunner:
    """A probe together with what a person sees of it."""

    def __init__(self, settings: Settings, selection: Selection, store: SeedStore) -> None:
        self.progress = SeedProgress()
        self.run = ProbeRun(settings, selection, store, notify=self.progress.notify)


def watched(runner: ProbeRunner) -> ProbeReport:
    """Run it with progress shown; SIGINT and SIGTERM let it finish what it is saying and leave."""
    with _stopped_by_signals(runner.run), runner.progress:
        return runner.run.run()


@contextmanager
def _stopped_by_signals(run: ProbeRun) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        run.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show(report: ProbeReport, settings: Settings, options: argparse.Namespace, *, done: str) -> bool:
    """The document or the table on standard output, and then the page where one is asked for.

    `done` says in a sentence what was done; it ends the table, with the place of the page. Returns False where the
    page could not be written, which has been said then.
    """
    if options.json:
        json.dump(probe_document(report), sys.stdout, ensure_ascii=False, indent=2)
        print()
    else:
        from rich.console import Console  # noqa: PLC0415 - only for people

        from reports.terminal import print_placements  # noqa: PLC0415 - only for people

        print_placements(
            report,
            Console(),
            lang=options.lang,
            timezone=reader_zone(settings),
            rules_inboxes=_with_rules(settings),
            page=bool(options.html),
        )
    if not options.html:
        if not options.json:
            print(done)
        return True
    try:
        write_placement_page(report, settings, Path(options.html), options.lang)
    except OSError as error:
        why = f"{error.filename or options.html}: {error.strerror or error}"
        print(f"mailwhy {options.command}: {options.html} cannot be written: {why}", file=sys.stderr)
        return False
    if not options.json:
        print(f"{done} The page is in {options.html}")
    return True


def write_placement_page(report: ProbeReport, settings: Settings, path: Path, lang: str) -> None:
    """Render the page of placements into `path`, its folder made where it is missing. Raises OSError."""
    from reports.placement import placement_view  # noqa: PLC0415 - heavy
    from reports.render import render_placement, write_page  # noqa: PLC0415 - heavy

    view = placement_view(
        report,
        sender_name=settings.sender.name,
        timezone=reader_zone(settings),
        lang="de" if lang == "de" else "en",
        generated_at=datetime.now(UTC),
        rules_inboxes=_with_rules(settings),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_page(path, render_placement(view))


def _with_rules(settings: Settings) -> list[str]:
    return [inbox.name for inbox in settings.inbox if inbox.role == "rules"]


def reader_zone(settings: Settings) -> ZoneInfo:
    """The zone that times are shown in: the configuration's, else this machine's, else UTC."""
    for name in (settings.ingest.timezone, _machine_zone()):
        if name:
            try:
                return ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError):
                continue
    return ZoneInfo("UTC")


def _machine_zone() -> str:
    from tzlocal import get_localzone_name  # noqa: PLC0415 - seldom needed

    try:
        return get_localzone_name() or ""
    except (LookupError, OSError, ValueError):
        return ""


def status(report: ProbeReport, fail_on: frozenset[Verdict] = frozenset()) -> int:
    """3 where a named verdict was met; 1 where some seed could not be sent or judged; else 0."""
    if any(seed.placement.verdict in fail_on for seed in report.seeds):
        return FOUND
    undone = any(
        seed.placement.verdict is Verdict.UNREADABLE
        or (
            seed.placement.verdict is Verdict.UNSENT
            and (seed.handoff is None or seed.handoff.status is not HandoffStatus.DEFERRED)
        )
        for seed in report.seeds
    )
    return PART if undone or report.notes else DONE
