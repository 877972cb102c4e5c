"""The command `mailwhy`: one parser, each subcommand's work in a file of its own.

Nothing heavy is imported until a subcommand runs, so that --help answers at once.
"""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence

from jobs.exits import PART, WRONG

_EPILOG = """\
exit status:
  0  the work was done, whatever it found
  1  part of the work could not be done
  2  the call or the configuration is wrong
  3  something was found that --fail-on names
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "-c", "--config", metavar="FILE", help="the configuration (else MAILWHY_CONFIG, else ./config.toml)"
    )
    common.add_argument("--json", action="store_true", help="one JSON document on standard output")
    common.add_argument("-v", "--verbose", action="store_true", help="say on standard error what is done")

    top = argparse.ArgumentParser(
        prog="mailwhy",
        description="Finds out where a mail went, and why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    demo = commands.add_parser("demo", parents=[common], help="the whole cycle in the embedded lab, ending in a page")
    demo.add_argument("--out", metavar="DIR", default="out", help="where the page goes (default: out)")
    demo.add_argument("--lang", choices=("en", "de"), default="en", help="language of the page (default: en)")

    commands.add_parser("check", parents=[common], help="try every route, inbox and resolver, and say what is wrong")

    probe = commands.add_parser("probe", parents=[common], help="send seeds, find them, say where they landed")
    probe.add_argument("--stream", metavar="S", action="append", default=[], help="only this stream (may be repeated)")
    probe.add_argument("--inbox", metavar="I", action="append", default=[], help="only this inbox (may be repeated)")
    probe.add_argument("--timeout", metavar="TIME", help="how long to look for a seed, such as 10m")
    probe.add_argument("--html", metavar="FILE", help="write the page of placements there, too")
    probe.add_argument("--lang", choices=("en", "de"), default="en", help="language of table and page (default: en)")
    probe.add_argument(
        "--fail-on",
        metavar="VERDICT,...",
        default="",
        help="exit with 3 where a seed met one of these verdicts, such as spam,missing",
    )

    lab = commands.add_parser("lab", help="the embedded mail world, for trying things")
    actions = lab.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = actions.add_parser("serve", parents=[common], help="run it until it is interrupted")
    serve.add_argument("--dir", metavar="DIR", default="lab", help="where its config.toml and keys go (default: lab)")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns its exit status."""
    top = parser()
    options = top.parse_args(arguments)
    if options.version:
        from importlib.metadata import version  # noqa: PLC0415 - as everything heavy: when it is asked for

        print(f"mailwhy {version('mailwhy')}")
        return 0
    if options.command is None:
        top.print_help(sys.stderr)
        return WRONG
    for name in ("config", "json", "verbose"):
        setattr(options, name, getattr(options, name, None))
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if isinstance(sys.stdout, io.TextIOWrapper):
        # JSON is UTF-8 (RFC 8259, section 8.1), and half a surrogate pair is its escape there; a table is for a
        # terminal, and had better show a question mark than nothing.
        if options.json:
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        else:
            sys.stdout.reconfigure(errors="replace")
    try:
        status = _run(options)
        sys.stdout.flush()  # here, where a reader that has gone is no crash
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PART
    except KeyboardInterrupt:
        print("mailwhy: interrupted", file=sys.stderr)
        return PART
    return status


def _run(options: argparse.Namespace) -> int:
    if options.command == "demo":
        from jobs.demo import demo  # noqa: PLC0415 - heavy

        return demo(options)
    if options.command == "lab":
        from jobs.lab import serve  # noqa: PLC0415 - heavy

        return serve(options)
    from toolkit.config.fault import ConfigError  # noqa: PLC0415 - heavy
    from toolkit.config.load import find_config, load_settings  # noqa: PLC0415 - heavy

    try:
        path = find_config(options.config)
        settings = load_settings(path)
        if options.command == "check":
            from jobs.check import run  # noqa: PLC0415 - heavy

            return run(settings, as_json=bool(options.json), path=path)
        from jobs.probe import probe  # noqa: PLC0415 - heavy

        return probe(settings, options)
    except ConfigError as error:
        faults = error.faults
        print(f"mailwhy: {len(faults)} fault{'s' * (len(faults) != 1)} in the configuration:", file=sys.stderr)
        for fault in faults:
            print(f"  {fault}", file=sys.stderr)
        return WRONG


if __name__ == "__main__":
    sys.exit(main())
