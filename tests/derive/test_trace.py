"""What was written on the way, and on which side of our own header it stands."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.derive.hops import Skew, hops, skews
from toolkit.derive.latency import Latency, Stamps, arrival_stamps, time_to_deliver
from toolkit.derive.trace import Trace, receiving_side, trace
from toolkit.model.placement import Header, Hop
from toolkit.parse.headers import parse_headers

SENT = parse_headers(
    b"DKIM-Signature: v=1; d=shop.example;\n b=abc\nFrom: a@shop.example\nTo: b@inbox.example\n"
    b"Subject: Termin\nX-Tag: one\nX-Tag: two\nMessage-ID: <1@shop.example>\n"
)


def header(name: str, value: str = "x") -> Header:
    """A field."""
    return Header(name, value)


def test_what_was_not_sent_was_added_above_or_below() -> None:
    """Trace fields on top, a verdict at the end; the order stays."""
    found = [
        header("Return-Path"),
        header("Received", "1"),
        header("Received", "2"),
        *SENT,
        header("X-Spam-Flag", "NO"),
    ]
    result = trace(found, SENT)
    assert result == Trace(tuple(found[:3]), (found[-1],))
    assert receiving_side(found, SENT) == result.added == (*found[:3], found[-1])


def test_folding_and_case_of_names_are_no_change() -> None:
    """Relays fold anew and respell names."""
    found = parse_headers(
        b"Received: 1\nDkim-Signature: v=1;\n\td=shop.example;\n b=abc\nFROM: a@shop.example\nto: b@inbox.example\n"
        b"Subject:  Termin \nX-Tag: one\nX-Tag: two\nMessage-Id: <1@shop.example>\n"
    )
    assert trace(found, SENT) == Trace((header("Received", "1"),), ())


def test_a_second_field_like_ours_is_added() -> None:
    """Each of our fields answers for one; what a server repeats on top is not ours."""
    found = [header("X-Tag", "one"), header("Received"), *SENT]
    assert trace(found, SENT).above == (header("X-Tag", "one"), header("Received"))


def test_a_field_of_ours_that_was_changed_is_added_and_noted() -> None:
    """A gateway that marks the subject."""
    found = [header("Received"), *(header("Subject", "[SPAM] Termin") if h.name == "Subject" else h for h in SENT)]
    result = trace(found, SENT)
    assert result.above == (header("Received"),)
    assert result.below == (header("Subject", "[SPAM] Termin"),)
    assert result.notes == ("Subject: changed on the way",)


def test_a_field_of_ours_that_is_gone_is_noted() -> None:
    """A relay that removes one of our fields."""
    result = trace([field for field in SENT if field.name != "Message-ID"], SENT)
    assert result == Trace((), (), ("Message-ID: removed on the way",))


def test_a_forged_result_among_our_own_fields_is_below() -> None:
    """Only what stands above our topmost field can be a receiver's Authentication-Results."""
    found = [header("Received"), SENT[0], header("Authentication-Results", "forged"), *SENT[1:]]
    assert trace(found, SENT).above == (header("Received"),)


def test_where_nothing_of_ours_is_left_nothing_is_believed() -> None:
    """No boundary: everything counts as below."""
    found = [header("Authentication-Results"), header("X")]
    assert trace(found, SENT).above == ()
    assert trace(found, ()).below == tuple(found)


def test_a_message_rewritten_whole_has_its_changed_fields_as_boundary() -> None:
    """Every body of ours was changed; the topmost of those names is where our header begins."""
    found = [header("Received"), *(header(field.name, field.value + "!") for field in SENT)]
    assert trace(found, SENT).above == (header("Received"),)


FIELDS = st.lists(st.builds(Header, st.sampled_from(["A", "a", "B", "Received"]), st.sampled_from(["1", " 1", "2", ""])), max_size=8)  # fmt: skip  # noqa: E501 - one strategy


@settings(deadline=None, derandomize=True)
@given(FIELDS, FIELDS)
def test_every_found_field_is_ours_or_added(found: list[Header], sent: list[Header]) -> None:
    """No field is lost or made up, whatever was sent."""
    result = trace(found, sent)
    assert len(found) - len(sent) <= len(result.added) <= len(found)
    remaining = iter(found)
    assert all(field in remaining for field in result.added)  # in the order found


@settings(deadline=None, derandomize=True)
@given(FIELDS, FIELDS, FIELDS)
def test_what_servers_put_around_our_header_is_told_apart(
    above: list[Header], sent: list[Header], below: list[Header]
) -> None:
    """Prepended is above, appended is below, as long as nothing was appended that equals our own."""
    named = [Header("X-" + field.name, field.value) for field in below]
    result = trace([*above, *sent, *named], sent)
    if sent:
        assert result == Trace(tuple(above), tuple(named))


AT = datetime(2026, 11, 18, 8, 0, 0, tzinfo=UTC)


def received(by: str, at: datetime | None, client: str | None = None) -> Header:
    """A Received field."""
    origin = f"from {client} " if client else ""
    return header("Received", f"{origin}by {by} with ESMTP id 1" + (f"; {at:%d %b %Y %H:%M:%S %z}" if at else ""))


def test_hops_come_in_the_order_of_travel_with_their_delays() -> None:
    """The bottommost Received is the first hop."""
    berlin = timezone(timedelta(hours=1))
    way = (
        received("c.example", (AT + timedelta(seconds=65)).astimezone(berlin), "b.example"),
        header("Authentication-Results"),
        received("b.example", AT + timedelta(seconds=5), "a.example"),
        received("a.example", AT),
    )
    found = hops(Trace(way, ()))
    assert [(hop.from_, hop.by, hop.seconds) for hop in found] == [
        (None, "a.example", None),
        ("a.example", "b.example", 5.0),
        ("b.example", "c.example", 60.0),
    ]
    assert skews(found) == ()


def test_clocks_that_contradict_give_no_negative_delay() -> None:
    """A hop stamped before the one that handed it over took zero seconds, and the skew has names."""
    found = hops(Trace((received("b.example", AT - timedelta(hours=1)), received("a.example", AT)), ()))
    assert [hop.seconds for hop in found] == [None, 0.0]
    assert skews(found) == (Skew("a.example", "b.example", 3600.0),)


def test_a_hop_without_a_stamp_or_a_meaning_is_still_a_hop() -> None:
    """What is not known is None, and no delay is made up across it."""
    found = hops(Trace((received("c.example", AT), received("b.example", None), header("Received", "???")), ()))
    assert found[0] == Hop(None, None, None, None)
    assert [(hop.by, hop.seconds) for hop in found[1:]] == [("b.example", None), ("c.example", None)]


def at(seconds: float) -> datetime:
    """Seconds after the accepting reply."""
    return AT + timedelta(seconds=seconds)


def test_stamps_within_our_interval_are_taken() -> None:
    """Polls every ten seconds; the provider says 13."""
    stamps = Stamps(first=at(0), last=at(11), internal=at(13))
    assert time_to_deliver(AT, at(10), at(20), stamps) == Latency(13.0, 10.0, 20.0, 0.0)


def test_a_clock_that_is_years_off_does_not_matter() -> None:
    """Stamps of one wrong clock differ rightly; one wrong stamp among right ones cannot leave our interval."""
    years = timedelta(days=4000)
    wrong = Stamps(first=at(0) - years, last=at(12) - years, internal=at(12) - years)
    assert time_to_deliver(AT, at(10), at(20), wrong) == Latency(12.0, 10.0, 20.0, -years.total_seconds())
    mixed = Stamps(first=at(0), last=at(14), internal=at(12) + years)
    assert time_to_deliver(AT, at(10), at(20), mixed).seconds == 14.0


@pytest.mark.parametrize(
    ("first", "last", "seconds"),
    [(0, 9.2, 10.0), (0, 20.9, 20.0), (0, 500, 20.0), (500, 0, 10.0)],
)
def test_an_estimate_outside_becomes_the_nearer_bound(first: float, last: float, seconds: float) -> None:
    """Our own polls prove the interval."""
    found = time_to_deliver(AT, at(10), at(20), Stamps(first=at(first), last=at(last)))
    assert (found.seconds, found.lower, found.upper) == (seconds, 10.0, 20.0)


def test_without_stamps_the_upper_bound_is_said() -> None:
    """It took no longer than this."""
    assert time_to_deliver(AT, None, at(7), Stamps()) == Latency(7.0, 0.0, 7.0, None)
    assert time_to_deliver(AT, None, at(7), Stamps(internal=at(3))) == Latency(7.0, 0.0, 7.0, None)


def test_a_message_seen_before_the_reply_took_no_time() -> None:
    """A mailbox that is quicker than the reply: nothing below zero."""
    assert time_to_deliver(AT, at(-5), at(-1), Stamps(first=at(-2), last=at(-2))) == Latency(0.0, 0.0, 0.0, -2.0)


def test_stamps_come_from_the_hops() -> None:
    """First and last stamp of the way, hops without one left out."""
    way = (
        Hop(None, "a", None, None),
        Hop(None, "b", at(1), None),
        Hop(None, "c", at(2), 1.0),
        Hop(None, "d", None, None),
    )
    assert arrival_stamps(way, at(3)) == Stamps(at(1), at(2), at(3))
    assert arrival_stamps((), None) == Stamps()


MOMENTS = st.one_of(st.datetimes(timezones=st.just(UTC)), st.datetimes())


@settings(deadline=None, derandomize=True)
@given(MOMENTS, st.none() | MOMENTS, MOMENTS, st.builds(Stamps, st.none() | MOMENTS, st.none() | MOMENTS, st.none() | MOMENTS))  # fmt: skip  # noqa: E501 - one strategy
def test_time_to_deliver_never_leaves_what_our_clock_proves(
    accepted: datetime, last: datetime | None, first: datetime, stamps: Stamps
) -> None:
    """Whatever the stamps say."""
    found = time_to_deliver(accepted, last, first, stamps)
    assert 0 <= found.lower <= found.seconds <= found.upper
