"""The placement page answers first, then proves.

The golden pages are compared as a whole. After a change that was meant, run
`MAILWHY_UPDATE_GOLDEN=1 pytest tests/reports/test_placement_page.py` and read the difference before it is kept.
"""

import difflib
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from reports.words import LANGS, Lang, Words
from tests.reports import samples
from tests.reports.dom import Node, parse
from tests.reports.pages import page, view
from toolkit.model.placement import HandoffStatus, ReplyLine, Unsearched, Verdict

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("lang", LANGS)
def test_the_page_is_the_golden_page(lang: Lang) -> None:
    """Nothing on the page changes unnoticed; the difference is shown line by line."""
    made = page(samples.small(), lang)
    golden = GOLDEN / f"placement.{lang}.html"
    if os.environ.get("MAILWHY_UPDATE_GOLDEN"):
        golden.write_text(made, "utf-8")
    kept = golden.read_text("utf-8")
    changed = difflib.unified_diff(kept.splitlines(), made.splitlines(), str(golden), "the page now", lineterm="", n=1)
    difference = "\n".join(changed)
    assert not difference, f"\n{difference}"


def _part(root: Node, anchor: str) -> Node:
    """The section that a heading with this id heads, or the element with the id itself."""
    for node in root:
        if node.get("aria-labelledby") == anchor or (node.get("id") == anchor and node.tag == "details"):
            return node
    raise AssertionError(f"no part {anchor}")


def test_the_answer_comes_first() -> None:
    """How many of how many, how sure that is, what needs a look, and what nobody could judge: before all else."""
    root = parse(page(samples.small(), "en"))
    answer = _part(root, "answer")
    assert root.all("main")[0].all("section")[0] is answer
    assert answer.all("h2")[0].text == "2 of 5 messages are in the inbox."
    said = answer.text.replace("\u00a0", " ")
    assert "12\u201377 % is the range" in said
    assert "3 messages need a look: 1 refused, 1 in spam and 1 under a tab." in said
    assert "Could not be judged: 1 unreadable." in said


def test_what_could_not_be_judged_counts_neither_way() -> None:
    """A mailbox that nobody could read lowers no share, and neither does a message that was never sent."""
    seeds = [
        samples.seed("a"),
        samples.seed("b", placement=samples.placed(Verdict.UNREADABLE)),
        samples.seed("c", placement=samples.placed(Verdict.UNSENT), never_tried=True),
    ]
    head = view(samples.run(seeds), "en").head
    assert (head.share.hits, head.share.of) == (1, 1)
    assert head.answer == "The message is in the inbox."
    assert head.unjudged.replace("\u00a0", " ") == "Could not be judged: 1 unreadable and 1 never sent."


def test_where_nobody_could_look_the_answer_says_so() -> None:
    """No share is made of nothing, and "nothing needs a look" is not said."""
    seeds = [samples.seed(placement=samples.placed(Verdict.UNREADABLE, reason="login"))]
    answer = _part(parse(page(samples.run(seeds), "en")), "answer").text
    assert answer.startswith("Nobody could look: no message could be judged.")
    assert "Nothing needs a look" not in answer
    assert "%" not in answer


def test_a_run_without_messages_says_so() -> None:
    """An empty page says that it is empty, in every part."""
    text = parse(page(samples.run([]), "en")).all("main")[0].text
    assert text.startswith("No messages were sent in this run.")


def test_a_run_in_which_all_went_well_is_quiet() -> None:
    """Everything in the inbox: no list of trouble, and the answer says so."""
    root = parse(page(samples.run([samples.seed("a"), samples.seed("b")]), "en"))
    assert "All 2 messages are in the inbox." in _part(root, "answer").text
    assert "Nothing needs a look." in _part(root, "answer").text
    assert not view(samples.run([samples.seed()])).groups


def test_missing_and_unreadable_are_told_apart() -> None:
    """Missing was searched for everywhere; unreadable could not be. The page says which, and what the difference is."""
    root = parse(page(samples.every_verdict(), "en"))
    missing, unreadable = _part(root, "look-missing").text, _part(root, "look-unreadable").text
    assert "Every folder was searched until time ran out, and it is in none of them." in missing
    assert "nobody can say whether the message is there. That is not the same as missing." in unreadable
    german = parse(page(samples.every_verdict(), "de"))
    assert "Das heißt nicht, dass sie fehlt." in _part(german, "look-unreadable").text


def test_each_group_says_what_it_means_and_who_can_act() -> None:
    """Every message that is not simply in the inbox is in exactly one group, each with a first step."""
    made = view(samples.every_verdict(), "en")
    listed = [seed.anchor for group in made.groups for entry in group.entries for seed in entry.seeds]
    assert len(listed) == len(set(listed))
    plain = {seed.anchor for seed in made.seeds if seed.verdict is Verdict.INBOX and not seed.seen and not seed.late}
    assert set(listed) == {seed.anchor for seed in made.seeds} - plain
    assert {group.key for group in made.groups} == {
        *("refused", "bounced", "missing", "spam", "trash", "provider-folder", "archive", "tab", "seen", "late"),
        *("by-owner", "unreadable", "unsent"),
    }


def test_what_matters_most_to_the_sender_comes_first() -> None:
    """First mail that its reader does not get, then mail that comes but not as it should; in each the larger first."""
    made = view(samples.several_routes(), "en")
    assert [(group.key, group.size) for group in made.groups] == [
        *(("refused", 10), ("missing", 5), ("spam", 4), ("bounced", 2)),
        *(("provider-folder", 4), ("tab", 3)),
        ("unreadable", 5),
    ]
    assert (
        made.head.attention.replace("\u00a0", " ")
        == "28 messages need a look, first: 10 refused, 5 missing and 4 in spam."
    )
    owned = view(samples.every_verdict(), "en").groups
    assert [group.key for group in owned[-3:]] == ["unsent", "unreadable", "by-owner"]


def test_a_folder_of_the_provider_is_not_a_rule_of_the_owner() -> None:
    """WEB.DE's Unbekannt and a folder that somebody made are two things, with two first steps."""
    seeds = [
        samples.seed("a", placement=samples.placed(Verdict.FOLDER, folder="Unbekannt", sorted_by="provider")),
        samples.seed("b", placement=samples.placed(Verdict.FOLDER, folder="Friseur")),
    ]
    own, providers = view(samples.run(seeds), "de").groups
    assert (own.key, own.first[0].where) == ("folder", "Friseur")
    assert (providers.key, providers.first[0].where) == ("provider-folder", "Unbekannt")
    assert "vom Anbieter einsortiert" in providers.first[0].notes


def test_mailboxes_with_rules_are_shown_but_not_counted() -> None:
    """A mailbox set up to sort our mail away says nothing about the provider, so it lowers no share."""
    seeds = [
        samples.seed("plain"),
        samples.seed("regeln", placement=samples.placed(Verdict.TRASH, folder="Trash")),
    ]
    report = samples.run(seeds)
    counted = view(report, "en", rules=frozenset({"regeln"}))
    assert (counted.head.share.hits, counted.head.share.of) == (1, 1)
    assert "1 message went to a mailbox with rules" in counted.head.by_owner
    assert [row.share.of for row in counted.providers] == [1]
    assert [group.key for group in counted.groups] == ["by-owner"]
    everything = view(report, "en", rules=frozenset())
    assert (everything.head.share.hits, everything.head.share.of) == (1, 2)


def test_every_cell_leads_to_its_evidence() -> None:
    """Each message in the matrix links to an entry that shows the same message."""
    root = parse(page(samples.every_verdict(), "en"))
    cells = [node for node in root if "cell" in node.classes]
    assert len(cells) == len(samples.every_verdict().seeds)
    for cell in cells:
        (link,) = cell.all("a")
        entry = _part(root, link.get("href")[1:])
        assert link.text in entry.all("summary")[0].text


def test_a_cell_says_where_how_fast_and_what_the_server_said() -> None:
    """Verdict, tab, time, target, read mark and the reply that decided, without a click."""
    root = parse(page(samples.small(), "de"))
    cells = [node.text.replace("\u00a0", " ") for node in root if "cell" in node.classes]
    assert "▤ Reiter Werbung 7 s, rechtzeitig 250 2.0.0 Ok: queued as 4Zx81c2Mqz" in cells
    assert "! Spam Spamverdacht ! 6 min 52 s, zu spät (Ziel 5 min) 250 2.0.0 Ok: queued as 4Zx81c2Mqz" in cells
    refused = next(cell for cell in cells if "Abgelehnt" in cell)
    assert "550 5.7.1 Mail from 192.0.2.10 refused, see 550 5.7.1 https://postmaster.example/ticket" in refused
    unreadable = next(cell for cell in cells if "Nicht prüfbar" in cell)
    assert "Anmeldung abgelehnt" in unreadable


def test_the_evidence_is_complete() -> None:
    """Whoever has to argue with a provider finds every line: replies, encryption, folders, headers, hops, filters."""
    root = parse(page(samples.small(), "en"))
    entry = next(node for node in root.all("details") if "newsletter to gmx-1" in node.all("summary")[0].text)
    text = entry.text.replace("\u00a0", " ")
    (seed,) = (seed for seed in samples.small().seeds if (seed.inbox, seed.stream) == ("gmx-1", "newsletter"))
    assert seed.handoff
    for line in seed.handoff.replies:
        assert line.text in text
    for said in (
        f"<{seed.message_id}>",
        seed.seed_id,
        "TLSv1.3, TLS_AES_256_GCM_SHA384",
        "mx.example[192.0.2.25]",
        "INBOX , Spam , Archive , Trash",
        "dkim pass belmont.example mx.example",
        "spamassassin spam 6.2 of 5.0 HTML_IMAGE_ONLY_08, RDNS_NONE",
        "out.belmont.example mx.example 2026-11-20 14:02:13 1 s",
        "14:02:11.671 Message 250 2.0.0 Ok: queued as 4Zx81c2Mqz",
        "Return-Path: <termine@belmont.example>",
    ):
        assert said in text


def test_what_could_not_be_searched_is_listed_with_its_reason() -> None:
    """Folder by folder; a whole mailbox is called that."""
    places = (Unsearched("", "login"), Unsearched("Archiv", "NO such mailbox"))
    seeds = [samples.seed(placement=samples.placed(Verdict.UNREADABLE, searched=("INBOX",), unsearched=places))]
    text = parse(page(samples.run(seeds), "en")).text
    assert "the whole mailbox : login refused" in text
    assert "Archiv : In the original: NO such mailbox" in text


def test_replies_of_two_days_show_the_day() -> None:
    """A handover that was tried again after midnight is not read backwards."""
    later = samples.STARTED + timedelta(hours=12)
    again = samples.handoff(replies=(*samples.handoff().replies, ReplyLine(later, "quit", 221, "2.0.0", "221 Bye")))
    text = parse(page(samples.run([samples.seed(handed=again)]), "en")).text
    assert "2026-11-20 14:02:11.012 Greeting" in text
    assert "2026-11-21 02:02:11.000 QUIT 221 Bye" in text


def test_several_routes_stand_side_by_side() -> None:
    """One table, a column for each mail on each route: no cell mixes two of them."""
    made = view(samples.several_routes(), "en")
    (matrix,) = made.matrices
    assert matrix.caption == "Sent by way of direct, relay and listed"
    assert [column.label for column in matrix.columns] == [
        *("reminder via direct", "reminder via relay", "newsletter via direct", "newsletter via listed"),
        "invoice via direct",
    ]
    assert all(len(cell) == 1 for row in matrix.rows for cell in row.cells)


def test_many_routes_have_a_table_each() -> None:
    """Where the columns would not fit, each route is headed once; its table repeats the name for the ear alone."""
    streams, routes = ("a", "b", "c", "d"), ("main", "spare")
    seeds = [samples.seed(inbox, stream, route=route) for inbox in streams for stream in streams for route in routes]
    root = parse(page(samples.run(seeds), "en"))
    matrices = [node for node in root.all("table") if "matrix" in node.classes]
    captions = [node for table in matrices for node in table.all("caption")]
    assert [caption.text for caption in captions] == ["Sent by way of main", "Sent by way of spare"]
    assert all(caption.classes == {"unseen"} for caption in captions)
    headings = [node.text for node in root.all("h3")]
    assert headings.count("Sent by way of spare") == 1


def test_with_several_routes_each_message_says_its_own() -> None:
    """In lists and above the evidence; with one route, nobody is bothered with its name."""
    root = parse(page(samples.several_routes(), "de"))
    titles = [node.all("h3")[0].text for node in root.all("details") if "seed" in node.classes]
    assert len(titles) == len(set(titles)) == 40
    assert "newsletter an gmx-1 über listed" in titles
    listed = _part(root, "look-refused").text
    assert "unknown-1 : reminder , newsletter , invoice über direct ; newsletter über listed" in listed
    assert "über main" not in parse(page(samples.small(), "de")).text.replace("Versandt über main", "")


def test_a_reply_is_said_once() -> None:
    """The reason of a refusal is its reply: each place shows it once, line by line, and without signs for line ends."""
    html = page(samples.several_routes(), "en")
    root = parse(html)
    assert "\u240a" not in html
    listed = _part(root, "look-refused")
    shown = next(node for node in listed.all("li") if "gmx-1" in node.text)
    assert shown.text.count("554-No SMTP service") == 1
    (reply,) = [node for node in shown.all("code") if "reply" in node.classes]
    assert [node.text[:4] for node in reply.all("span")] == ["554-", "554-", "554-", "554 "]
    cells = [node for node in root if "cell" in node.classes and "Refused" in node.text]
    assert len(cells) == 10
    assert all(len(cell.all("code")) == 1 and not [n for n in cell if "note" in n.classes] for cell in cells)
    entry = next(node for node in root.all("details") if "newsletter to gmx-1 via listed" in node.text[:60])
    # The reply that decided, and its place in the order of all replies.
    assert entry.text.count("554-No SMTP service") == 2


def test_a_report_that_came_back_is_shown_whole_in_the_evidence() -> None:
    """The list leaves out a status that the words repeat; the evidence does not."""
    root = parse(page(samples.several_routes(), "en"))
    listed = _part(root, "look-bounced").text
    assert "5.2.2 552" not in listed
    assert f"reminder to full-1 via relay {samples.FULL}" in listed
    entry = next(node for node in root.all("details") if "reminder to full-1 via relay" in node.text[:60])
    assert f"Report that came back 5.2.2 {samples.FULL}" in entry.text


def test_a_german_reader_gets_german_reasons_with_the_original_as_evidence() -> None:
    """What a collector said in English is told in German; its own words stand in the evidence."""
    root = parse(page(samples.several_routes(), "de"))
    listed = _part(root, "look-unreadable").text
    assert "127.0.0.1:33539 nimmt keine Verbindungen an: Dort läuft kein Dienst" in listed
    assert "refuses connections" not in listed
    entry = next(node for node in root.all("details") if "reminder an closed-1 über direct" in node.text[:60])
    assert f"Im Original {samples.NOTHING_LISTENS}" in entry.text
    assert samples.NOTHING_LISTENS not in entry.all("summary")[0].text


def test_what_went_wrong_without_a_reply_is_no_reply() -> None:
    """A handover that no server answered shows what happened, and no line that a server never wrote."""
    trouble = "mx.example:25 did not answer in time"
    seeds = [
        samples.seed(
            placement=samples.placed(Verdict.UNSENT, searched=(), reason=trouble),
            handed=samples.handoff(trouble, HandoffStatus.FAILED),
        )
    ]
    text = parse(page(samples.run(seeds), "de")).text
    assert "Was misslang mx.example:25 hat nicht rechtzeitig geantwortet" in text
    assert "Entscheidende Antwort" not in text


def test_a_reply_of_several_lines_is_one_step() -> None:
    """EHLO's lines stand together, with the time of the first."""
    root = parse(page(samples.small(), "en"))
    log = next(node for node in root.all("table") if "log" in node.classes)
    rows = [row.text for row in log.all("tr")]
    assert "14:02:11.034 EHLO 250-mx.example 250 STARTTLS" in rows


def test_utc_is_called_utc() -> None:
    """Whatever the machine calls it."""
    words = Words("en", ZoneInfo("Etc/UTC"))
    assert words.zone == "UTC"
    assert Words("en", ZoneInfo("Europe/Berlin")).zone == "Europe/Berlin"


def test_a_time_below_the_resolution_is_said_as_that() -> None:
    """The stamps tell whole seconds: nothing arrives in no time."""
    text = parse(page(samples.several_routes(), "en")).text.replace("\u00a0", " ")
    assert "< 1 s, in time" in text
    assert " 0 s, in time" not in text


def test_a_way_that_was_not_taken_is_an_empty_cell() -> None:
    """A stream that has no seed for an inbox shows a dash that is also said in words."""
    seeds = [samples.seed("a"), samples.seed("b", "invoice")]
    root = parse(page(samples.run(seeds), "en"))
    empty = [node for node in root.all("td") if "not sent on this way" in node.text]
    assert len(empty) == 2


def test_time_to_deliver_is_told_per_stream() -> None:
    """How many were in time of how many measured, and how many never came."""
    rows = {row.name: row for row in view(samples.every_verdict(), "en", frozenset()).times}
    reminder = rows["reminder"]
    assert reminder.in_time == "6 of 7"
    assert not reminder.all_in_time
    assert (reminder.timed, reminder.not_found) == ("7", "1 did not arrive")
    assert reminder.slowest.replace("\u00a0", " ") == "Slowest: 12 min 22 s"
    assert reminder.dots[-1] == 100
    assert reminder.mark == pytest.approx(100 * 300 / 742, abs=0.01)


def test_the_page_tells_how_its_numbers_came_about() -> None:
    """Sent, read, unreadable, unsent, resumed: a reader can add them up."""
    rows = {row.name: row.value for row in view(samples.every_verdict(), "en").numbers}
    assert rows["Messages in this run"] == "27"
    assert int(rows["Judged"]) + int(rows["Mailbox could not be read"]) + int(rows["Never sent"]) == 27
    assert rows["Begun by an earlier run, finished by this one"] == "1"
    assert rows["Sent, but without a reply"] == "1"
    assert rows["Ended"] == "2026-11-20 14:13:15"


def test_what_else_went_wrong_is_told() -> None:
    """Notes of the run reach the reader."""
    text = parse(page(samples.every_verdict(), "en")).text
    assert "The mailbox for bounces could not be read for 40 s" in text


def test_a_doubtful_handover_is_marked() -> None:
    """A message whose reply never came is not passed off as refused or accepted."""
    seed = samples.seed(handed=samples.handoff("connection lost", HandoffStatus.FAILED, in_doubt=True))
    text = parse(page(samples.run([seed]), "en")).text
    assert "handover without a reply" in text
    assert "It may have been accepted." in text


def test_times_are_in_the_readers_zone_and_the_zone_is_named() -> None:
    """13:13 UTC is 14:13 in Berlin."""
    text = parse(page(samples.small(), "de")).text
    assert "Lauf beendet am 20. November 2026, 14:13 Uhr (Europe/Berlin)" in text
    assert "Alle Zeiten in Europe/Berlin." in text


def test_the_order_of_the_seeds_does_not_change_the_page() -> None:
    """The same run gives the same page, whatever finished first."""
    report = samples.small()
    # The streams keep the order of their first seed: the configuration's.
    turned = replace(report, seeds=(*report.seeds[:2], *reversed(report.seeds[2:])))
    assert page(report) == page(turned)


def test_quiet_inboxes_of_a_long_matrix_are_folded() -> None:
    """With two hundred inboxes, those with something to see stand first, and all others are still there."""
    (matrix,) = view(samples.wide(), "en").matrices
    shown = sum(len(band.rows) for band in matrix.bands)
    folded = sum(len(band.rows) for band in matrix.folded)
    assert (shown, folded) == (29, 171)
    assert matrix.folded_title.startswith("171 more inboxes")


def test_a_thousand_messages_are_rendered_quickly() -> None:
    """200 inboxes and 5 streams take about half a second; the bound leaves room for a busy machine."""
    report = samples.wide(200, 5)
    began = time.process_time()
    made = page(report)
    assert time.process_time() - began < 5
    assert len(made) < 12_000_000
