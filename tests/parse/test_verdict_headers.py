"""What each content filter's own fields say."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.model.placement import FilterVerdict, Header
from toolkit.parse.verdict_headers import READERS, VERDICTS, read_verdicts

FOREFRONT = "X-Forefront-Antispam-Report"
DELIVERY = "X-Microsoft-Antispam-Mailbox-Delivery"


def verdicts(*fields: tuple[str, str]) -> tuple[FilterVerdict, ...]:
    """What is read of these fields."""
    return read_verdicts([Header(name, value) for name, value in fields])


def one(*fields: tuple[str, str]) -> FilterVerdict:
    """The only verdict in these fields."""
    (found,) = verdicts(*fields)
    return found


def report(**values: str) -> tuple[str, str]:
    """X-Forefront-Antispam-Report."""
    defaults = {"CIP": "2001:db8::1", "CTRY": "DE", "LANG": "de", "SRV": "", "IPV": "NLI", "SFS": "(13230040)"}
    return FOREFRONT, ";".join(f"{key}:{value}" for key, value in (defaults | values).items()) + ";"


def delivery(text: str) -> tuple[str, str]:
    """X-Microsoft-Antispam-Mailbox-Delivery."""
    return DELIVERY, f"abwl:0;wl:0;kl:0;ucf:0;jmr:0;auth:1;{text};ENG:(5062000308)(920221119095);"


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ([report(SFV="NSPM", SCL="1")], "not-spam"),
        ([report(SFV="SPM", SCL="5", CAT="SPM")], "spam"),
        ([report(SFV="SPM", SCL="5"), delivery("dest:J;OFR:SpamFilterAuthJ")], "spam"),
        ([report(SFV="NSPM", SCL="1"), delivery("dest:C;OFR:CustomRules")], "user-rule"),
        ([report(SFV="NSPM", SCL="1"), delivery("dest:J;OFR:CustomRules")], "user-rule"),
        ([report(SFV="BLK", SCL="6"), delivery("dest:J")], "user-blocked"),
        ([report(SFV="SKB", SCL="6")], "user-blocked"),
        ([report(SFV="SFE", SCL="-1")], "user-allowed"),
        ([report(SFV="SPM", SCL="5"), delivery("dest:I;OFR:TrustedSenderList")], "user-allowed"),
        ([report(SFV="NSPM", SCL="1"), delivery("dest:J;OFR:ExclusiveSettings")], "spam"),
        ([report(SFV="NSPM", SCL="1"), delivery("dest:J;RF:JunkEmail")], "spam"),
        ([report(SFV="SKS", SCL="9")], "spam"),
        ([report(SFV="SKN", SCL="-1")], "not-spam"),
        ([report(SCL="1", CAT="PHSH")], "spam"),
        ([delivery("dest:I")], "not-spam"),
        ([("X-MS-Exchange-Organization-SCL", "6")], "spam"),
        ([("X-Microsoft-Antispam", "BCL:4;")], "unknown"),
    ],
)
def test_microsoft(fields: list[tuple[str, str]], verdict: str) -> None:
    """The recipient's own doing comes before the filter's."""
    found = one(*fields)
    assert (found.by, found.verdict) == ("microsoft", verdict)


def test_microsofts_tokens_are_kept_as_written() -> None:
    """Rules cite SFV:SPM or OFR:CustomRules; list flags only where they are set."""
    found = one(
        report(SFV="SPM", SCL="6", CAT="SPM", DIR="INB"),
        ("X-Microsoft-Antispam", "BCL:7;ARA:1444111002"),
        (DELIVERY, "abwl:0;kl:1;ucf:1;jmr:0;dest:J;OFR:CustomRules"),
        ("X-CustomSpam", "Empty Message"),
    )
    assert (found.score, found.required) == (6.0, 5.0)
    assert found.symbols == (
        "SFV:SPM", "SCL:6", "CAT:SPM", "IPV:NLI", "DIR:INB", "BCL:7", "dest:J", "OFR:CustomRules", "ucf:1", "jmr:0",
        "kl:1", "X-CustomSpam:Empty Message",
    )  # fmt: skip


def test_what_a_senders_own_microsoft_wrote_on_the_way_out_is_no_verdict() -> None:
    """DIR:OUT is the outbound scan; the receiver's report above it counts."""
    assert verdicts(report(SFV="SPM", SCL="5", DIR="OUT"), ("X-Microsoft-Antispam", "BCL:0;")) == ()
    assert one(report(SFV="NSPM", SCL="1", DIR="INB"), report(SFV="SPM", DIR="OUT")).verdict == "not-spam"


@pytest.mark.parametrize(
    ("fields", "verdict", "score", "symbols"),
    [
        ([("UI-InboundReport", "notjunk:1;M01:P0:Mb6ajNHamrc=;jhDGG8")], "not-spam", None, ("notjunk:1",)),
        ([("UI-InboundReport", "junk:10;M01:P0:x")], "spam", None, ("junk:10",)),
        ([("UI-InboundReport", "unknown:2;M01:P0:x")], "unknown", None, ("unknown:2",)),
        ([("X-UI-Filterresults", "junk:10;V03:K0:x")], "spam", None, ("junk:10",)),
        ([("X-GMX-Antispam", "0 (Mail was not recognized as spam); Detail=V3;")], "not-spam", 0.0,
         ("0 (Mail was not recognized as spam)",)),
        ([("X-GMX-Antispam", "6 (nemesis text pattern profiler); Detail=V3;")], "spam", 6.0,
         ("6 (nemesis text pattern profiler)",)),
        ([("X-GMX-Antispam", "-2 (white list); Detail=V3;")], "user-allowed", -2.0, ("-2 (white list)",)),
        ([("X-GMX-Antispam", "6 (x)"), ("UI-InboundReport", "notjunk:1;")], "not-spam", 6.0, ("notjunk:1", "6 (x)")),
        ([("X-GMX-Antispam", "6 (x)"), ("UI-InboundReport", "unknown:2;")], "spam", 6.0, ("unknown:2", "6 (x)")),
    ],
)  # fmt: skip
def test_gmx_and_webde(
    fields: list[tuple[str, str]], verdict: str, score: float | None, symbols: tuple[str, ...]
) -> None:
    """The report's word decides; the older number where it has none."""
    assert one(*fields) == FilterVerdict("gmx", verdict, score, None, symbols)


@pytest.mark.parametrize(
    "field",
    [
        ("X-UI-Out-Filterresults", "junk:10;V03:K0:x"),
        ("UI-OutboundReport", "junk:10;M01:P0:x"),
        ("X-TOI-EXPURGATEID", "150726::1674294474-16FFC778-9EAF997E/0/0 SPAM SUSPECT"),
        ("X-Proofpoint-Spam-Details", "rule=outbound_spam policy=outbound score=99"),
        ("X-YMailISG", "abc"),
        ("X-Yandex-Spam", "4"),
        ("UI-InboundReport", "garbage"),
        ("X-GMX-Antispam", ""),
        ("X-Spam-Status", ""),
    ],
)
def test_outbound_and_unreadable_fields_are_no_verdict(field: tuple[str, str]) -> None:
    """What a relay of the sender wrote says nothing of the receiver."""
    assert verdicts(field) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            [("X-Spam-Status", "No, score=-0.8 required=5.0 tests=BAYES_00,DKIM_SIGNED,\n\tDKIM_VALID autolearn=ham")],
            FilterVerdict("spamassassin", "not-spam", -0.8, 5.0, ("BAYES_00", "DKIM_SIGNED", "DKIM_VALID")),
        ),
        (
            [("X-Spam-Status", "Yes, hits=9.1 required=5 tests=A=1.2, B=3 autolearn=no"), ("X-Spam-Flag", "YES")],
            FilterVerdict("spamassassin", "spam", 9.1, 5.0, ("A=1.2", "B=3")),
        ),
        ([("X-Spam-Status", "Yes,score=7.5")], FilterVerdict("spamassassin", "spam", 7.5)),
        ([("X-Spam-Status", "No, score=0.1 tests=none")], FilterVerdict("spamassassin", "not-spam", 0.1)),
        ([("X-Spam-Flag", "YES")], FilterVerdict("x-spam-flag", "spam")),
        ([("X-Spam-Flag", "NO"), ("X-Spam-Score", "1.5 (+)")], FilterVerdict("spamassassin", "not-spam", 1.5)),
        (
            [
                (
                    "X-Spamd-Result",
                    "default: False [-0.66 / 15.00]; SUSPICIOUS_RECIPS(1.50)[]; DMARC_ALLOW(-0.50)[a.b]; R_X(0)[+ip]",
                )
            ],
            FilterVerdict("rspamd", "not-spam", -0.66, 15.0, ("SUSPICIOUS_RECIPS", "DMARC_ALLOW", "R_X")),
        ),
        ([("X-Spamd-Result", "default: True [20.00 / 15.00]")], FilterVerdict("rspamd", "spam", 20.0, 15.0)),
        ([("X-Spamd-Result", "default: False [8.00 / 15.00]")], FilterVerdict("rspamd", "unknown", 8.0, 15.0)),
        (
            [("X-Spamd-Result", "default: False [8.00 / 15.00]"), ("X-Rspamd-Action", "add header")],
            FilterVerdict("rspamd", "spam", 8.0, 15.0),
        ),
        ([("X-Rspamd-Action", "no action"), ("X-Rspamd-Score", "1.1")], FilterVerdict("rspamd", "not-spam", 1.1)),
        ([("X-Rspamd-Action", "soft reject")], FilterVerdict("rspamd", "unknown")),
        ([("X-Spam", "Yes")], FilterVerdict("x-spam", "spam")),
        (
            [
                (
                    "X-Barracuda-Spam-Status",
                    "No, SCORE=1.28 using global scores of TAG_LEVEL=3.5 QUARANTINE_LEVEL=10 KILL_LEVEL=7 tests=BSF_X",
                )
            ],
            FilterVerdict("barracuda", "not-spam", 1.28, 3.5, ("BSF_X",)),
        ),
        (
            [("X-Proofpoint-Spam-Details", "rule=notspam policy=default score=0 spamscore=0")],
            FilterVerdict("proofpoint", "not-spam", 0.0, None, ("rule=notspam", "policy=default")),
        ),
        (
            [("X-Proofpoint-Spam-Details", rule) for rule in ("rule=outbound_notspam", "rule=spam score=99")],
            FilterVerdict("proofpoint", "spam", 99.0, None, ("rule=spam",)),
        ),
        ([("X-Mimecast-Spam-Score", "0.001")], FilterVerdict("mimecast", "unknown", 0.001)),
        (
            [("X-Gm-Spam", "0"), ("X-Gm-Phishy", "1")],
            FilterVerdict("google", "spam", symbols=("x-gm-spam:0", "x-gm-phishy:1")),
        ),
    ],
)
def test_other_filters(fields: list[tuple[str, str]], expected: FilterVerdict) -> None:
    """Verdict, score, threshold and symbols of each."""
    assert one(*fields) == expected


def test_several_filters_speak_side_by_side_and_the_topmost_field_counts() -> None:
    """A gateway before a mailbox: both verdicts, each from the last server that wrote it."""
    found = verdicts(("X-Spam-Status", "No, score=1"), report(SFV="NSPM"), ("X-Spam-Status", "Yes, score=9"))
    assert [(verdict.by, verdict.verdict) for verdict in found] == [
        ("microsoft", "not-spam"),
        ("spamassassin", "not-spam"),
    ]


NAMES = sorted({name for reader in READERS for name in reader.names})
BODIES = st.text(max_size=80) | st.sampled_from(
    ["SFV:SPM;SCL:9", "DIR:OUT", "default: True [1 / 2]; A(1)[", "Yes, score=", "rule=", "junk:1", "-1 (", "tests="]
)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.builds(Header, st.sampled_from([*NAMES, "Subject"]), BODIES), max_size=6))
def test_no_field_crashes_it(headers: list[Header]) -> None:
    """Whatever stands there, a verdict is one of the six, and each filter speaks once."""
    found = read_verdicts(headers)
    assert {verdict.verdict for verdict in found} <= VERDICTS
    assert len({verdict.by for verdict in found}) == len(found)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_fields_take_linear_time(name: str) -> None:
    """A quarter of a megabyte of the grammar's own pieces, each reader under two seconds in all."""
    start = process_time()
    for unit in ("a:b;", "A(1)[", "junk", "tests=", "a,", "A_B ", "rule=x ", "1", "-", " ", ": "):
        verdicts((name, unit * (250_000 // len(unit))), (name, "default: True [1 / 2]; " + unit * 50_000))
    assert process_time() - start < 4
