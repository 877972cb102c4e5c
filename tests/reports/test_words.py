"""Both languages say everything, in the same terms, and nothing is said outside the catalogues."""

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from zoneinfo import ZoneInfo

import pytest
from jinja2.lexer import Lexer
from rich.console import Console

import reports
from reports.render import environment
from reports.terminal import print_placements
from reports.words import LANGS, Entry, Lang, UnknownTextError, Words, catalogue
from tests.reports import samples
from tests.reports.pages import BERLIN, page

SOURCES = Path(reports.__file__).parent
DE = Words("de", BERLIN)
EN = Words("en", BERLIN)

# Groups of names that a run may or may not bring up: what providers, tabs and servers call things.
NAMES = ("provider", "tab", "reason", "phase", "filter.said", "month", "handoff", "said")


def _texts(entry: Entry) -> list[str]:
    return [entry] if isinstance(entry, str) else [entry["one"], entry["other"]]


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_texts() -> None:
    """A German reader misses nothing that an English one reads, and the other way round."""
    assert catalogue("de").keys() == catalogue("en").keys()
    for key, german in catalogue("de").items():
        assert isinstance(german, str) == isinstance(catalogue("en")[key], str), key


def test_both_languages_use_the_same_values() -> None:
    """What one language tells, a number or a name, the other tells too; so do singular and plural."""
    for key, german in catalogue("de").items():
        used = [_placeholders(text) for text in (*_texts(german), *_texts(catalogue("en")[key]))]
        # "The message is in the inbox." needs no number.
        numbers = [names - {"n", "hits"} for names in used]
        assert all(names == numbers[0] for names in numbers), key
        plurals = [_placeholders(_texts(catalogue(lang)[key])[-1]) for lang in LANGS]
        assert plurals[0] == plurals[1], key


@pytest.mark.parametrize("lang", LANGS)
def test_no_text_shouts_or_is_empty(lang: Lang) -> None:
    """No exclamation marks, no blanks at the ends, nothing left out."""
    for key, entry in catalogue(lang).items():
        for text in _texts(entry):
            assert text.strip(), key
            assert "!" not in text, key
            assert text == text.rstrip(), key


def test_gmails_tabs_have_the_names_that_gmail_shows() -> None:
    """The reader finds on the page the very word that stands in Gmail."""
    tabs = ("primary", "promotions", "social", "updates", "forums")
    german = ["Allgemein", "Werbung", "Soziale Netzwerke", "Benachrichtigungen", "Foren"]
    assert [DE.name("tab", tab) for tab in tabs] == german
    assert [EN.name("tab", tab) for tab in tabs] == ["Primary", "Promotions", "Social", "Updates", "Forums"]


def test_every_text_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that no page and no terminal shows is a leftover that somebody would still translate."""
    used: set[str] = set()
    look_up = Words._entry

    def recorded(self: Words, key: str) -> Entry:
        used.add(key)
        return look_up(self, key)

    monkeypatch.setattr(Words, "_entry", recorded)
    quiet = samples.run([samples.seed()])
    alone = samples.seed(placement=samples.placed(samples.Verdict.UNREADABLE, searched=()), never_tried=True)
    places = (samples.Unsearched("A", "timeout"), samples.Unsearched("B", "timeout"))
    half = samples.placed(samples.Verdict.UNREADABLE, unsearched=places, reason="A: timeout; B: timeout")
    blind = samples.seed(placement=half)
    two_ways = samples.run([samples.seed("a"), samples.seed("b", "invoice", route="spare", deliver_within=None)])
    slow = samples.placed(seconds=273_600.0)
    mixed = samples.run([samples.seed("a", placement=slow), samples.seed("b", deliver_within=7_500.0)])
    folders = samples.run(
        [
            samples.seed("gmx-1", "a", samples.placed(samples.Verdict.FOLDER, folder="Termine")),
            samples.seed("gmx-2", "b"),
        ]
    )
    # One run for each group of what to look at, so that each stands in the answer once.
    single = [samples.run([seed]) for seed in samples.every_verdict().seeds]
    every = (
        *single,
        samples.small(),
        samples.every_verdict(),
        samples.several_routes(),
        samples.run([blind]),
        samples.hostile(),
        samples.wide(40, 2),
        samples.wide(2, 40),
        samples.wide(200, 5),
        samples.run([]),
        samples.run([alone]),
        quiet,
        two_ways,
        mixed,
        folders,
    )
    for report in every:
        page(report)
        with Path("/dev/null").open("w") as nowhere:
            print_placements(report, Console(file=nowhere, width=60))
    # Lists of more than a hundred entries, and replies of more than forty lines.
    long = samples.seed(
        placement=samples.placed(labels=tuple(f"label {number}" for number in range(120))),
        handed=samples.handoff("\n".join(f"250-{number}" for number in range(60))),
    )
    page(samples.run([long]))
    unused = {key for key in catalogue("en") if key not in used and not key.startswith(NAMES)}
    assert not unused


def test_templates_hold_no_text_of_their_own() -> None:
    """Every word on the page comes from a catalogue, so that no English is left on a German page."""
    lexer: Lexer = environment().lexer
    for template in sorted((SOURCES / "templates").glob("*.jinja")):
        kept = "".join(
            value if kind == "data" else "\x00" for _, kind, value in lexer.tokeniter(template.read_text("utf-8"), None)
        )
        kept = re.sub(r"@page \{[^}]*\}", "", kept)  # CSS
        for name, value in re.findall(r'(aria-label|title|alt|data-label|placeholder)="([^"]*)"', kept):
            assert not re.search(r"[^\W\d_]", value), f"{template.name}: {name}={value}"
        text = re.sub(r"<[^<>]*>", " ", kept.replace("<!DOCTYPE html>", ""))
        assert not re.findall(r"[^\W\d_]+", text), template.name


def test_python_holds_no_text_of_its_own() -> None:
    """Views put keys into words; a sentence in the code would be in one language only."""
    for source in sorted(SOURCES.glob("*.py")):
        tree = ast.parse(source.read_text("utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        documentation |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        raised = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if id(node) in documentation or id(node) in raised:
                    continue
                assert not re.search(r"[A-Za-zÄÖÜäöüß]{2,} [A-Za-zÄÖÜäöüß]{2,}", node.value), (
                    f"{source.name}: {node.value}"
                )


@pytest.mark.parametrize(
    ("seconds", "german", "english"),
    [
        (0, "0 s", "0 s"),
        (0.44, "0,4 s", "0.4 s"),
        (3.0, "3 s", "3 s"),
        (9.96, "10 s", "10 s"),
        (48.2, "48 s", "48 s"),
        (60, "1 min", "1 min"),
        (90, "90 s", "90 s"),
        (119.7, "2 min", "2 min"),
        (200, "3 min 20 s", "3 min 20 s"),
        (300, "5 min", "5 min"),
        (3_600, "1 h", "1 h"),
        (7_500, "2 h 5 min", "2 h 5 min"),
        (273_600, "3 d 4 h", "3 d 4 h"),
        (-3, "\u22123 s", "\u22123 s"),
    ],
)
def test_durations_are_short(seconds: float, german: str, english: str) -> None:
    """At most two units, in the language's own number format."""
    assert DE.duration(seconds).replace("\u00a0", " ") == german
    assert EN.duration(seconds).replace("\u00a0", " ") == english


def test_numbers_and_times_are_written_as_the_language_does() -> None:
    """1.048.576 in German, 1,048,576 in English; the month by its name, the time in the reader's zone."""
    at = datetime(2026, 3, 5, 23, 4, 5, 678_900, tzinfo=UTC)
    assert (DE.number(1_048_576), EN.number(1_048_576)) == ("1.048.576", "1,048,576")
    assert (DE.number(6.25, 1), EN.number(6.25, 1)) == ("6,2", "6.2")
    assert (DE.moment(at), EN.moment(at)) == ("6. März 2026, 00:04 Uhr", "6 March 2026, 00:04")
    assert DE.stamp(at) == "06.03.2026 00:04:05"
    assert EN.stamp(at, precise=True) == "2026-03-06 00:04:05.678"
    assert DE.stamp(at, precise=True, day=False) == "00:04:05,678"
    assert Words("en", ZoneInfo("UTC")).stamp(at) == "2026-03-05 23:04:05"


def test_things_in_a_row_read_as_a_sentence() -> None:
    """Nothing, one, two, three."""
    rows = [DE.listing(row) for row in ([], ["a"], ["a", "b"], ["a", "b", "c"])]
    assert rows == ["", "a", "a und b", "a, b und c"]


def test_a_text_that_does_not_exist_is_an_error() -> None:
    """No page goes out with a key where a sentence should be."""
    with pytest.raises(UnknownTextError):
        DE("no.such.text")
    with pytest.raises(UnknownTextError):
        DE("look.rest")
    with pytest.raises(UnknownTextError):
        DE.count("page.title", 2)
    with pytest.raises(KeyError):
        DE("page.zone")
