"""Messages with one story are told in one line, and every one of them can still be reached."""

from reports.attention import Group
from tests.reports import samples
from tests.reports.pages import view
from toolkit.model.placement import HandoffStatus, ProbeReport, SeedReport, Verdict


def groups(report: ProbeReport) -> dict[str, Group]:
    """The groups of a run's page by key."""
    return {group.key: group for group in view(report, "en").groups}


def lines(report: ProbeReport, key: str) -> list[str]:
    """What a group's lines are about."""
    return [entry.names for entry in groups(report)[key].entries]


def refused(inbox: str, stream: str, text: str, route: str = "main") -> SeedReport:
    """A message that a server turned away with these words."""
    return samples.seed(
        inbox,
        stream,
        samples.placed(Verdict.REFUSED, searched=(), reason=text),
        handed=samples.handoff(text, HandoffStatus.REFUSED),
        route=route,
    )


def test_one_inbox_over_many_mails_is_one_line() -> None:
    """The inbox is named, then its mails, the route once for those that share it."""
    assert lines(samples.several_routes(), "refused") == [
        "unknown-1: reminder, newsletter, invoice via direct; newsletter via listed",
        "full-1: reminder, newsletter, invoice via direct; newsletter via listed",
        "newsletter via listed: gmx-1, webde-1",
    ]


def test_one_mail_over_many_inboxes_is_one_line() -> None:
    """Where a mail is what they have in common, the mail is named first, whatever each mailbox calls its folder."""
    assert lines(samples.several_routes(), "spam") == [
        "newsletter via listed: gmail-1, zoho-1",
        "invoice via direct: gmail-1, zoho-1",
    ]


def test_all_messages_of_an_inbox_need_not_be_listed() -> None:
    """Five of five: the line says so and leads to the first; the others stand below it."""
    (entry,) = groups(samples.several_routes())["missing"].entries
    assert entry.names == "discard-1: all 5 messages"
    assert [link.anchor for link in entry.links] == [entry.first.anchor]


def test_a_mailbox_that_could_not_be_read_is_one_line() -> None:
    """Its reason is given once, not once for each message that was sent there."""
    group = groups(samples.several_routes())["unreadable"]
    (entry,) = group.entries
    assert group.title == "1 mailbox could not be read in full: 5 messages"
    assert [reason.text for reason in entry.reasons] == [samples.NOTHING_LISTENS]


def test_other_reasons_are_other_lines() -> None:
    """The same inbox that refuses for two reasons is told twice."""
    seeds = [refused("a", "x", "550 one reason"), refused("a", "y", "550 another")]
    assert lines(samples.run(seeds), "refused") == ["x to a", "y to a"]


def test_replies_that_differ_in_numbers_are_one_reason_and_say_so() -> None:
    """Case numbers make no other story; but nobody takes the first reply for all of them."""
    group = groups(samples.several_routes())["refused"]
    unknown, full, _ = group.entries
    assert unknown.note == "The first of 4; only numbers and addresses differ."
    assert full.note == ""
    assert len(unknown.reply) == 2


def test_a_short_code_is_no_number_of_a_case() -> None:
    """S3140 and S3150 are two block lists."""
    seeds = [refused("a", "x", "550 5.7.1 block list (S3140)"), refused("b", "x", "550 5.7.1 block list (S3150)")]
    assert len(lines(samples.run(seeds), "refused")) == 2


def test_where_something_lies_parts_the_lines() -> None:
    """Two tabs are two stories."""
    tabs = groups(samples.several_routes())["tab"].entries
    assert [(entry.where, entry.names) for entry in tabs] == [
        ("Updates", "gmail-1: reminder via direct; reminder via relay"),
        ("Promotions", "newsletter to gmail-1 via direct"),
    ]


def test_lateness_is_told_with_each_message() -> None:
    """How late differs from message to message, and so does its time."""
    late = [samples.seed(name, placement=samples.placed(seconds=took)) for name, took in (("a", 400.0), ("b", 500.0))]
    (line,) = lines(samples.run([*late, samples.seed("c")]), "late")
    assert line.replace("\u00a0", " ") == "reminder: a (6 min 40 s), b (8 min 20 s)"


def test_a_long_line_is_cut_and_says_so() -> None:
    """Twelve inboxes are named; the matrix has the others."""
    seeds = [samples.seed(f"inbox-{number:02d}", placement=samples.placed(Verdict.SPAM)) for number in range(20)]
    (entry,) = groups(samples.run(seeds))["spam"].entries
    assert len(entry.links) == 12
    assert entry.names.endswith("inbox-11 … and 8 more")
    assert len(entry.seeds) == 20


def test_the_first_three_reasons_stand_open() -> None:
    """The others are one click away; a fourth alone is not worth the click."""
    stories = [refused(f"inbox-{number}", "x", f"550 {'no ' * (number + 1)}") for number in range(6)]
    group = groups(samples.run(stories))["refused"]
    assert (len(group.first), len(group.rest), group.rest_title) == (3, 3, "3 more messages")
    four = groups(samples.run(stories[:4]))["refused"]
    assert (len(four.first), len(four.rest)) == (4, 0)


def test_long_replies_are_cut_in_lists_alone() -> None:
    """Four lines of a reply, and how many more there are; the evidence has them all."""
    text = "\n".join([f"550-line {word}" for word in "abcdefg"] + ["550 end"])
    made = view(samples.run([refused("a", "x", text)]), "en")
    (entry,) = made.groups[0].entries
    assert entry.reply[-1] == "… and 4 more lines"
    assert len(made.seeds[0].reply) == 8
