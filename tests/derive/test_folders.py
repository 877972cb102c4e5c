"""Which mailbox is what: marks first, then exact names, then nothing but the owner's folders."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.derive.folders import BY_ATTRIBUTE, classify, name_sets, unmatched
from toolkit.model.mailbox import ListedFolder, Role


def folder(name: str, *attributes: str, delimiter: str | None = "/") -> ListedFolder:
    """A LIST response."""
    return ListedFolder(name.encode(), name, delimiter, frozenset(attributes))


def roles(
    *listed: ListedFolder, provider: str = "generic", configured: dict[str, str] | None = None
) -> dict[str, Role]:
    """Roles by name, as `classify` sees them."""
    return {entry.name: entry.role for entry in classify(listed, provider=provider, configured=configured or {})}


def test_marks_decide_even_where_the_language_is_unknown() -> None:
    """A Gmail account in any language is read by its marks."""
    found = roles(
        folder("INBOX", "\\hasnochildren"),
        folder("[Gmail]", "\\noselect", "\\haschildren"),
        folder("[Gmail]/Összes levél", "\\all"),
        folder("[Gmail]/Spam", "\\junk"),
        folder("[Gmail]/Kuka", "\\trash"),
        folder("[Gmail]/Csillagozott", "\\flagged"),
        folder("[Gmail]/Fontos", "\\important"),
        folder("Kuka"),
        provider="gmail",
    )
    assert list(found.values()) == [
        Role.INBOX, Role.FOLDER, Role.ALL, Role.SPAM, Role.TRASH, Role.VIEW, Role.VIEW, Role.FOLDER,
    ]  # fmt: skip


def test_outlook_without_marks_is_read_by_its_german_names() -> None:
    """Junk-E-Mail is spam and Archiv the archive where the server marks nothing."""
    found = roles(
        folder("Inbox"), folder("Junk-E-Mail"), folder("Gelöschte Elemente"), folder("Archiv"), folder("Entwürfe"),
        folder("Gesendete Elemente"), folder("Postausgang"), folder("Notizen"), provider="outlook",
    )  # fmt: skip
    assert found == {
        "Inbox": Role.INBOX,
        "Junk-E-Mail": Role.SPAM,
        "Gelöschte Elemente": Role.TRASH,
        "Archiv": Role.ARCHIVE,
        "Entwürfe": Role.DRAFTS,
        "Gesendete Elemente": Role.SENT,
        "Postausgang": Role.FOLDER,
        "Notizen": Role.FOLDER,
    }


@pytest.mark.parametrize("name", ["Junk Drawer", "Spam reports", "Kein Spam", "Spamverdacht 2", "Archiv 2025"])
def test_a_name_that_only_contains_a_known_one_is_the_owners(name: str) -> None:
    """No substring matching: these are folders that people made."""
    assert roles(folder(name)) == {name: Role.FOLDER}


@pytest.mark.parametrize(
    ("name", "delimiter"), [("Kunden/Archiv", "/"), ("INBOX.Kunden.Spam", "."), ("Labels/Spam", "/")]
)
def test_a_known_name_deeper_down_is_the_owners(name: str, delimiter: str) -> None:
    """Kunden/Archiv is no archive."""
    assert roles(folder(name, delimiter=delimiter)) == {name: Role.FOLDER}


@pytest.mark.parametrize(
    ("name", "delimiter", "role"),
    [
        ("INBOX.Spam", ".", Role.SPAM),
        ("inbox/Papierkorb", "/", Role.TRASH),
        ("[Google Mail]/Spam", "/", Role.SPAM),
        ("[Gmail]/Alle Nachrichten", "/", Role.ALL),
        ("JUNK EMAIL", "/", Role.SPAM),
        ("Trash", None, Role.TRASH),
        ("Courrier indésirable", "/", Role.SPAM),
        ("Ongewenste e-mail", "/", Role.SPAM),
        ("INBOX.Spam", "/", Role.FOLDER),  # here the dot is part of the name
        ("Alle Nachrichten", "/", Role.FOLDER),  # Gmail's only below [Gmail]
        ("Wichtig", "/", Role.FOLDER),
    ],
)
def test_names_count_at_the_top_and_below_a_servers_prefix(name: str, delimiter: str | None, role: Role) -> None:
    """A namespace prefix does not hide a well-known folder."""
    assert roles(folder(name, delimiter=delimiter)) == {name: role}


def test_a_decomposed_name_is_the_same_name() -> None:
    """Servers on macOS write umlauts in two code points."""
    name = unicodedata.normalize("NFD", "Entwürfe")
    assert name != "Entwürfe"
    assert roles(folder(name)) == {name: Role.DRAFTS}


def test_a_mark_stands_against_the_name() -> None:
    """A folder named Archiv that the server marks as trash is trash."""
    assert roles(folder("Archiv", "\\trash"), folder("Spam", "\\sent")) == {"Archiv": Role.TRASH, "Spam": Role.SENT}


def test_all_mail_that_is_also_called_an_archive_is_a_view() -> None:
    """What lies in a view lies elsewhere too, so it must not count as archived."""
    assert roles(folder("Everything", "\\archive", "\\all")) == {"Everything": Role.ALL}


@pytest.mark.parametrize(
    ("name", "provider", "role"),
    [
        ("Bulk", "yahoo", Role.SPAM),
        ("Bulk Mail", "aol", Role.SPAM),
        ("Bulk", "gmx", Role.FOLDER),
        ("Werbung", "gmail", Role.FOLDER),
        ("Werbung", "icloud", Role.SPAM),
        ("Spamverdacht", "freenet", Role.SPAM),
    ],
)
def test_risky_names_count_for_their_provider_alone(name: str, provider: str, role: Role) -> None:
    """People name folders Werbung; only some providers mean spam by it."""
    assert roles(folder(name), provider=provider) == {name: role}


@pytest.mark.parametrize(
    ("name", "provider", "by"),
    [
        ("Unbekannt", "webde", "provider"),
        ("Unbekannt", "WEB.DE", "provider"),
        ("Unbekannt", "gmx", "provider"),
        ("Unbekannt", "outlook", None),
        ("Newsletter", "zoho", "provider"),
        ("Notification", "zoho", "provider"),
        ("Newsletter", "webde", None),
        ("Kunden/Unbekannt", "webde", None),
    ],
)
def test_a_folder_that_the_provider_fills_is_told_apart_from_the_owners(
    name: str, provider: str, by: str | None
) -> None:
    """WEB.DE's Unbekannt is a folder, sorted by the provider; elsewhere it is the owner's."""
    (found,) = classify([folder(name)], provider=provider, configured={})
    assert (found.role, found.sorted_by) == (Role.FOLDER, by)


def test_the_configuration_overrides_a_mark_that_misleads() -> None:
    """The configured folder is spam; the marked one becomes a plain folder; other roles stay."""
    found = roles(
        folder("Junk", "\\junk"), folder("Spamverdacht"), folder("Spam"), folder("Trash", "\\trash"), folder("X"),
        configured={"spam": "X"},
    )  # fmt: skip
    assert found == {
        "Junk": Role.FOLDER,
        "Spamverdacht": Role.FOLDER,
        "Spam": Role.FOLDER,
        "Trash": Role.TRASH,
        "X": Role.SPAM,
    }


def test_a_configured_folder_takes_its_role_from_the_configuration_even_if_marked() -> None:
    """A sent mark on a folder that the configuration calls the archive is the archive."""
    found = roles(folder("Ablage", "\\sent"), folder("Sent"), configured={"archive": "Ablage"})
    assert found == {"Ablage": Role.ARCHIVE, "Sent": Role.SENT}


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("INBOX.Müll", "INBOX.Müll"),  # in full
        ("Müll", "INBOX.Müll"),  # the last segment, nearest to the top
        ("müll", "INBOX.Müll"),  # without case
        ("MÜLL", "INBOX.MÜLL"),  # exact before folded
        ("INBOX.a.Müll", "INBOX.a.Müll"),
    ],
)
def test_a_configured_name_may_be_the_full_name_or_its_last_part(wanted: str, chosen: str) -> None:
    """The owner writes what his mail program shows."""
    names = ["INBOX", "INBOX.a.Müll", "INBOX.Müll", "INBOX.MÜLL"] if wanted == "MÜLL" else [
        "INBOX", "INBOX.a.Müll", "INBOX.Müll",
    ]  # fmt: skip
    found = roles(*(folder(name, delimiter=".") for name in names), configured={"spam": wanted})
    assert [name for name, role in found.items() if role is Role.SPAM] == [chosen]


def test_configured_names_that_match_nothing_are_reported() -> None:
    """A typo in the configuration is said, not swallowed."""
    listed = [folder("INBOX"), folder("Spam")]
    assert unmatched(listed, {"spam": "spam", "trash": "Müll", "bin": "Spam"}) == (("trash", "Müll"), ("bin", "Spam"))


def test_inbox_stays_an_inbox_beside_a_configured_one() -> None:
    """Mail in INBOX is in the inbox, whatever else the owner calls one."""
    found = roles(folder("INBOX"), folder("Freunde"), configured={"inbox": "Freunde"})
    assert found == {"INBOX": Role.INBOX, "Freunde": Role.INBOX}


def test_the_table_is_whole_and_contradicts_itself_nowhere() -> None:
    """Every set says where it comes from; no name has two roles for one provider."""
    titles = [entry.title for entry in name_sets()]
    assert len(set(titles)) == len(titles)
    languages = ("English", "German", "French", "Spanish", "Italian", "Dutch")
    assert set(languages) <= set(titles)
    assert all(entry.source and entry.checked_on for entry in name_sets())
    providers = {provider for entry in name_sets() for provider in entry.providers} | {"generic"}
    for provider in providers:
        for prefix in ("", "[gmail]"):
            seen: dict[str, object] = {}
            for entry in name_sets():
                if (entry.providers and provider not in entry.providers) or (entry.below and prefix not in entry.below):
                    continue
                for name, role in [*entry.roles.items(), *((name, "filled") for name in entry.provider_filled)]:
                    assert seen.setdefault(name, role) == role, (provider, name)


NAMES = st.one_of(
    st.sampled_from(["INBOX", "Spam", "INBOX.Spam", "Kunden/Archiv", "Unbekannt", "[Gmail]/Spam", "Trash", "Bulk"]),
    st.text(max_size=12),
)
LISTED = st.lists(
    st.builds(
        lambda name, delimiter, attributes: ListedFolder(name.encode("utf-8", "replace"), name, delimiter, attributes),
        NAMES,
        st.sampled_from(["/", ".", None, "", "\\"]),
        st.frozensets(st.sampled_from([name for name, _ in BY_ATTRIBUTE] + ["\\noselect", "x"]), max_size=3),
    ),
    max_size=12,
)


@settings(deadline=None, derandomize=True)
@given(
    listed=LISTED,
    provider=st.sampled_from(["generic", "webde", "yahoo", "", "ÄÖ.-"]),
    configured=st.dictionaries(st.sampled_from([*Role, "nonsense"]), NAMES, max_size=3),
    data=st.data(),
)
def test_roles_do_not_depend_on_the_order_of_the_list(
    listed: list[ListedFolder], provider: str, configured: dict[str, str], data: st.DataObject
) -> None:
    """Servers list in any order; each folder keeps its role, and nothing crashes."""
    shuffled = data.draw(st.permutations(listed))
    one = classify(listed, provider=provider, configured=configured)
    two = classify(shuffled, provider=provider, configured=configured)
    assert [entry.listed for entry in one] == listed
    assert sorted(map(repr, one)) == sorted(map(repr, two))
    assert set(unmatched(listed, configured)) == set(unmatched(shuffled, configured))
