"""The page can be read by everyone: by ear, by keyboard, without colours, and without a network."""

import re
from itertools import pairwise

import pytest

from reports.verdicts import SYMBOLS, TONES
from reports.words import LANGS, Lang
from tests.reports import samples
from tests.reports.dom import Node, parse
from tests.reports.pages import page
from toolkit.model.placement import ProbeReport, Verdict

RUNS = {
    "small": samples.small(),
    "every": samples.every_verdict(),
    "wide": samples.wide(40, 3),
    "tall": samples.wide(3, 40),
    "empty": samples.run([]),
    "hostile": samples.hostile(),
}


@pytest.fixture(scope="module", params=[(name, lang) for name in RUNS for lang in LANGS], ids="-".join)
def root(request: pytest.FixtureRequest) -> Node:
    """Each sample's page in each language."""
    name, lang = request.param
    made = parse(page(RUNS[name], lang))
    assert made.get("lang") == lang
    return made


def test_one_heading_of_the_page_and_the_others_in_order(root: Node) -> None:
    """One h1; no level is skipped on the way down."""
    headings = [int(node.tag[1]) for node in root.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(headings))


def test_every_id_is_used_once_and_every_link_leads_somewhere(root: Node) -> None:
    """Each claim's link to its evidence ends at that evidence."""
    ids = [node.get("id") for node in root if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    targets = [node.get("href") for node in root.all("a")]
    assert all(target.startswith("#") for target in targets)
    assert {target[1:] for target in targets} <= set(ids)
    for node in root:
        for name in node.get("aria-labelledby").split():
            assert name in ids


def test_every_head_of_a_table_says_what_it_heads(root: Node) -> None:
    """Each th has a scope, each table a caption, and its roles survive being shown as cards."""
    roles = {"table": {"table"}, "tr": {"row"}, "td": {"cell"}, "th": {"columnheader", "rowheader"}}
    roles |= {"thead": {"rowgroup"}, "tbody": {"rowgroup"}}
    for table in root.all("table"):
        assert table.all("caption")[0].text
        columns = len([th for th in table.all("th") if th.get("role") == "columnheader"])
        for node in table:
            if node.tag in roles:
                assert node.get("role") in roles[node.tag]
            if node.tag == "th":
                assert node.get("scope") in {"col", "row", "rowgroup"}
            if node.tag == "td":
                assert node.get("data-label")
            if node.tag == "tr":
                cells = [child for child in node.children if isinstance(child, Node)]
                assert sum(int(cell.get("colspan") or 1) for cell in cells) == columns


def test_landmarks_and_a_way_past_them(root: Node) -> None:
    """A header, one main part, a navigation, a footer; and the first link leads to the main part."""
    for tag in ("main", "nav", "footer", "header"):
        assert len(root.all(tag)) == 1
    first = root.all("a")[0]
    assert first.classes == {"skip"}
    assert first.get("href") == "#" + root.all("main")[0].get("id")


def test_nothing_is_loaded_and_nothing_runs(root: Node) -> None:
    """No script, no frame, no picture, no address of another place, and a policy that forbids all of these."""
    assert not root.all("script", "iframe", "img", "link", "object", "embed", "form", "base", "svg")
    assert not [node.tag for node in root if {"src", "srcset", "action", "background"} & node.attributes.keys()]
    policies = [node.get("content") for node in root.all("meta") if node.get("http-equiv")]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]
    style = "".join(child for child in root.all("style")[0].children if isinstance(child, str))
    assert "url(" not in style
    assert "@import" not in style


def test_every_sign_has_its_word(root: Node) -> None:
    """A verdict is a sign and a word; the sign alone is not read out."""
    badges = [node for node in root if "badge" in node.classes]
    for node in badges:
        signs = [child for child in node if "sym" in child.classes]
        assert [sign.get("aria-hidden") for sign in signs] == ["true"]
        assert re.search(r"[^\W\d_]{2,}", node.text.replace(signs[0].text, ""))


def test_no_two_verdicts_share_a_sign() -> None:
    """Without colour, the sign and the word still tell all eleven apart."""
    assert SYMBOLS.keys() == TONES.keys() == set(Verdict)
    assert len(set(SYMBOLS.values())) == len(Verdict)


@pytest.mark.parametrize("lang", LANGS)
def test_the_title_says_whose_report_it_is(lang: Lang) -> None:
    """Ten open tabs are told apart."""
    title = parse(page(samples.small(), lang)).all("title")[0].text
    assert "Salon Belmont" in title


def test_focus_can_be_seen() -> None:
    """The stylesheet outlines what has the focus, and takes no outline away."""
    (style,) = parse(page(samples.run([]))).all("style")
    css = "".join(child for child in style.children if isinstance(child, str))
    assert re.search(r":focus-visible\s*\{[^}]*outline: [^}]*var\(--focus\)", css)
    assert not re.search(r"outline:\s*(none|0)", css)


def test_a_run_of_many_inboxes_says_each_name_once_a_row() -> None:
    """Whichever there are more of goes down: the page grows in length, not in width."""

    def columns(report: ProbeReport) -> int:
        table = next(node for node in parse(page(report)) if "matrix" in node.classes)
        return len([th for th in table.all("th") if th.get("scope") == "col"]) - 1

    assert columns(samples.wide(40, 3)) == 3
    assert columns(samples.wide(3, 40)) == 3
