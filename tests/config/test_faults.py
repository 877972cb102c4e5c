"""Each kind of fault is told in a sentence that says where it is, what is expected, and what to do."""

from pathlib import Path

import pytest

from tests.config.files import GOOD, INBOX, ROUTE, STREAM, faults


def changed(old: str, new: str) -> str:
    """The file without fault, with one thing changed."""
    assert GOOD.count(old) == 1, f"{old!r} must stand exactly once"
    return GOOD.replace(old, new)


CASES = {
    # keys
    "a key that is misspelt": (
        changed("port = 2143", "port = 2143\nprot = 1"),
        'inbox "gmx-1": unknown key `prot`: did you mean `port`?',
    ),
    "a key that nobody knows": (
        GOOD + "[ingest]\nzzzz = 1\n",
        "ingest: unknown key `zzzz`: known here are timezone",
    ),
    "a section that is misspelt": (
        GOOD + '[[inboxes]]\nname = "a"\n',
        'unknown section "inboxes": did you mean [[inbox]]?',
    ),
    "a section that nobody knows": (
        GOOD + "[zzzz]\n",
        (
            'unknown section "zzzz": the sections are [store], [dns], [sender], [[stream]], [[route]], [[inbox]], '
            "[[collect]], [reputation], [ingest], [probe]"
        ),
    ),
    "a role of a folder that is misspelt": (
        changed('username = "probe1"', 'username = "probe1"\nfolders = { spamm = "X" }'),
        'inbox "gmx-1": folders: unknown key `spamm`: did you mean `spam`?',
    ),
    "a missing key": (
        changed("port = 2143\n", ""),
        'inbox "gmx-1": port: missing: the server\'s port, from 1 to 65535',
    ),
    "a missing name: the number of the entry": (
        changed('name = "gmx-1"\n', ""),
        "inbox 1: name: missing: what it is called in commands and reports",
    ),
    "one bracket too few": (
        STREAM + ROUTE.replace("[[route]]", "[route]"),
        "route: is a list: write each entry under [[route]], with two brackets",
    ),
    "a value where a section belongs": (
        "probe = 3\n" + GOOD,
        "probe: is a section: write [probe], with its settings below",
    ),
    "a value where a table belongs": (
        changed('text = "Guten Tag"', 'text = "Guten Tag"\ndkim = "s1"'),
        'stream "reminder": dkim: must be a table, such as { selector = …, domain = …, key = …, algorithm = … }',
    ),
    # types
    "a number where text belongs": (
        changed('subject = "Ihr Termin"', "subject = 7"),
        'stream "reminder": subject: must be text in quotes, such as "…"',
    ),
    "text where a number belongs": (
        changed("port = 2143", 'port = "2143"'),
        'inbox "gmx-1": port: must be a whole number from 1 to 65535, without quotes',
    ),
    "a truth value where a number belongs": (
        changed("port = 2143", "port = true"),
        'inbox "gmx-1": port: must be a whole number from 1 to 65535',
    ),
    "a number out of range": (
        GOOD + "[probe]\nconcurrency = 0\n",
        "probe: concurrency: must be a whole number from 1 to 512",
    ),
    "one value where a list belongs": (
        GOOD + '[dns]\nnameservers = "127.0.0.1"\n',
        'dns: nameservers: must be a list in square brackets, such as ["…", "…"]',
    ),
    "a number where a path belongs": (
        changed("port = 2525", "port = 2525\nca_file = 3"),
        'route "main": ca_file: must be a path in quotes, such as "folder/file"',
    ),
    "none of the allowed values": (
        changed('kind = "transactional"', 'kind = "weekly"'),
        'stream "reminder": kind: write "transactional" or "marketing"',
    ),
    "nearly one of the allowed values": (
        changed('port = 2143\nsecurity = "none"', 'port = 2143\nsecurity = "startls"'),
        'inbox "gmx-1": security: write "tls", "starttls" or "none" (did you mean "starttls"?)',
    ),
    "the one allowed value": (
        GOOD + INBOX.replace("[[inbox]]", "[[collect]]").replace('provider = "gmx"', 'kinds = ["arf"]'),
        'collect "gmx-1": kinds, entry 1: the only value is "dsn"',
    ),
    # durations
    "a duration that is a number": (
        GOOD + "[dns]\ntimeout = 3\n",
        'dns: timeout: a duration has a unit: write a number and a unit in quotes, such as "90s", "10m" or "14d"',
    ),
    "a duration that is none": (
        GOOD + '[dns]\ntimeout = "soon"\n',
        'dns: timeout: "soon" is not a duration: write a number and a unit, such as "90s", "10m" or "14d"',
    ),
    "a duration of nothing": (GOOD + '[dns]\ntimeout = "0s"\n', "dns: timeout: must be longer than zero"),
    "a duration beyond reason": (GOOD + '[dns]\ntimeout = "53w"\n', "dns: timeout: is longer than a year"),
    "a duration beyond arithmetic": (
        GOOD + f'[dns]\ntimeout = "{"9" * 400}w"\n',
        "dns: timeout: is longer than a year",
    ),
    "a time-out that is no longer than the poll": (
        GOOD + '[probe]\ntimeout = "5s"\n',
        "probe: timeout: must be longer than poll (5s), or no mailbox is looked into twice",
    ),
    # secrets
    "a password written out": (
        changed('password = { value = "top-secret" }', 'password = "top-secret"'),
        (
            'inbox "gmx-1": password: a secret is named, not written out: use { env = "NAME" }, { file = "path" }, '
            'or for the lab and tests { value = "…" }'
        ),
    ),
    "a secret in two places": (
        changed('{ value = "top-secret" }', '{ value = "top-secret", env = "X" }'),
        'inbox "gmx-1": password: use exactly one of { env = "NAME" }, { file = "path" } and { value = "…" }',
    ),
    "a password and oauth": (
        changed(
            'password = { value = "top-secret" }',
            'password = { value = "top-secret" }\noauth = { access_token = { value = "top-secret" } }',
        ),
        'inbox "gmx-1": oauth: stands beside a password: give one of them',
    ),
    "a password without a username": (
        changed('username = "probe1"\n', ""),
        'inbox "gmx-1": username: missing: password needs a login name',
    ),
    "a username without a password": (
        changed("port = 2525", 'port = 2525\nusername = "probe"'),
        'route "main": password: missing: the login needs a password or oauth',
    ),
    "a mailbox without a login": (
        changed('username = "probe1"\npassword = { value = "top-secret" }\n', ""),
        'inbox "gmx-1": username: missing: a mailbox is read with a username and a password or oauth',
    ),
    # names and texts
    "a name with a line break": (
        changed('name = "gmx-1"', 'name = "gmx\\r\\n1"'),
        "inbox 1: name: a name has 1 to 64 letters a-z, digits, dots, hyphens or underscores, a letter or digit first",
    ),
    "a name that stands twice": (
        GOOD + INBOX,
        'inbox "gmx-1": name: entries 1 and 2 of [[inbox]] have the same name: rename one',
    ),
    "a subject with a line break": (
        changed('subject = "Ihr Termin"', 'subject = "Ihr\\r\\nBcc: a@b.example"'),
        'stream "reminder": subject: must be one line without control characters (a line break or tab is among them)',
    ),
    "a username with a line break": (
        changed('username = "probe1"', 'username = "probe1\\r\\nA1 LOGOUT"'),
        'inbox "gmx-1": username: must be one line without control characters (a line break or tab is among them)',
    ),
    "an empty subject": (
        changed('subject = "Ihr Termin"', 'subject = " "'),
        'stream "reminder": subject: must not be empty',
    ),
    "a text with a control character": (
        changed('text = "Guten Tag"', 'text = "Guten\\u0007Tag"'),
        'stream "reminder": text: must not contain control characters other than line breaks and tabs',
    ),
    # addresses and domains
    "an address without a domain": (
        changed("probe1@gmx.example", "probe1"),
        'inbox "gmx-1": address: "probe1" is not an address: write one as "name@domain.example"',
    ),
    "an address with a wrong domain": (
        changed("probe1@gmx.example", "probe1@gmx..example"),
        'inbox "gmx-1": address: "probe1@gmx..example": the part after the @ is not a domain name',
    ),
    "an address with a wrong local part": (
        changed("probe1@gmx.example", "pro be@gmx.example"),
        'inbox "gmx-1": address: "pro be@gmx.example": the part before the @ may not be written so (RFC 5321)',
    ),
    "an address that is too long": (
        changed("probe1@gmx.example", f"{'a' * 65}@gmx.example"),
        f'inbox "gmx-1": address: "{"a" * 59}…" is too long: 64 signs before the @, 254 in all',
    ),
    "a domain with an umlaut": (
        GOOD + '[sender]\ndomains = ["müller.example"]\n',
        'sender: domains, entry 1: "müller.example" must be in its ASCII form: write "xn--mller-kva.example"',
    ),
    "a domain that is one word": (
        GOOD + '[sender]\ndomains = ["belmont"]\n',
        'sender: domains, entry 1: "belmont" is not a whole domain name, such as "belmont.example"',
    ),
    "an IP address that is none": (
        GOOD + '[sender]\nips = ["192.0.2.10", "192.0.2.300"]\n',
        'sender: ips, entry 2: "192.0.2.300" is not an IP address, such as "192.0.2.10" or "2001:db8::10"',
    ),
    "a From without an address": (
        changed("Salon Belmont <termine@belmont.example>", "Salon Belmont"),
        (
            'stream "reminder": from: "Salon Belmont" is not one sender: write "Name <name@domain.example>", '
            "a name with signs such as , : @ in quotation marks of its own"
        ),
    ),
    "a From with a comma in its name": (
        changed("Salon Belmont <termine@belmont.example>", "Belmont, Salon <termine@belmont.example>"),
        (
            'stream "reminder": from: "Belmont, Salon <termine@belmont.example>" is not one sender: '
            'write "Name <name@domain.example>", a name with signs such as , : @ in quotation marks of its own'
        ),
    ),
    "a domain of DKIM that is none": (
        changed(
            'text = "Guten Tag"',
            'text = "Guten Tag"\ndkim = { selector = "s1", domain = "belmont_.example", key = { value = "x" } }',
        ),
        'stream "reminder": dkim.domain: "belmont_.example" is not a domain name',
    ),
    "a key of DKIM that is written out": (
        changed(
            'text = "Guten Tag"',
            'text = "Guten Tag"\ndkim = { selector = "s1", domain = "belmont.example", key = "top-secret" }',
        ),
        (
            'stream "reminder": dkim.key: a secret is named, not written out: use { env = "NAME" }, '
            '{ file = "path" }, or for the lab and tests { value = "…" }'
        ),
    ),
    "an unsubscribe URL without TLS": (
        changed('text = "Guten Tag"', 'text = "Guten Tag"\nunsubscribe = { https = "http://a.example/x" }'),
        (
            'stream "reminder": unsubscribe.https: "http://a.example/x" is not an https URL: '
            'write "https://host/path", without spaces, in ASCII'
        ),
    ),
    "an unsubscribe address that is none": (
        changed('text = "Guten Tag"', 'text = "Guten Tag"\nunsubscribe = { mailto = "a@b.example?subject=x" }'),
        (
            'stream "reminder": unsubscribe.mailto: "a@b.example?subject=x" is not a mailto URL: '
            'write "mailto:name@domain.example?subject=leave"'
        ),
    ),
    # servers
    "a host with a port": (
        changed(
            'host = "127.0.0.1"\nport = 2143\nsecurity = "none"', 'host = "a.example:993"\nport = 1\nsecurity = "tls"'
        ),
        'inbox "gmx-1": host: "a.example:993" holds a port: write host = "a.example" and port = 993',
    ),
    "a host that is a URL": (
        changed('host = "127.0.0.1"\nport = 2143\nsecurity = "none"', 'host = "imaps://a"\nport = 1\nsecurity = "tls"'),
        'inbox "gmx-1": host: "imaps://a" is a URL: give the host name alone',
    ),
    "a host that is half an address": (
        changed('host = "127.0.0.1"\nport = 2143\nsecurity = "none"', 'host = "127.1"\nport = 1\nsecurity = "tls"'),
        'inbox "gmx-1": host: "127.1" is neither a host name nor an IP address',
    ),
    "no TLS off loopback": (
        changed('host = "127.0.0.1"\nport = 2143', 'host = "imap.gmx.net"\nport = 2143'),
        (
            'inbox "gmx-1": security: "none" would send passwords and mail unprotected to "imap.gmx.net": '
            'write "tls" or "starttls" ("none" is for 127.0.0.0/8, ::1 and localhost)'
        ),
    ),
    "no TLS off loopback for a route": (
        changed('host = "127.0.0.1"\nport = 2525', 'host = "localhost.example"\nport = 2525'),
        (
            'route "main": security: "none" would send passwords and mail unprotected to "localhost.example": '
            'write "tls" or "starttls" ("none" is for 127.0.0.0/8, ::1 and localhost)'
        ),
    ),
    "a name server by name": (
        GOOD + '[dns]\nnameservers = ["127.0.0.1", "dns.example"]\n',
        (
            'dns: nameservers, entry 2: "dns.example" is not a name server: give an IP address, with a port or '
            'without, such as "192.0.2.53", "127.0.0.1:5353" or "[::1]:5353"'
        ),
    ),
    "a name server with a wrong port": (
        GOOD + '[dns]\nnameservers = ["127.0.0.1:99999"]\n',
        'dns: nameservers, entry 1: "127.0.0.1:99999": the port must be a whole number from 1 to 65535',
    ),
    "a database that nobody knows": (
        GOOD + '[store]\nurl = "mysql://u:top-secret@h/d"\n',
        (
            "store: url: is not a URL of a known database: "
            'write "sqlite:///file.db" or "postgresql+psycopg://user@host/database"'
        ),
    ),
    "PostgreSQL without its driver": (
        GOOD + '[store]\nurl = "postgres://u:top-secret@h/d"\n',
        (
            "store: url: is not a URL of a known database, with +psycopg in its name: "
            'write "sqlite:///file.db" or "postgresql+psycopg://user@host/database"'
        ),
    ),
    "PostgreSQL without a database": (
        GOOD + '[store]\nurl = "postgresql+psycopg://u:top-secret@h"\n',
        'store: url: must name host and database, such as "postgresql+psycopg://user@host/database"',
    ),
    "SQLite without a file": (
        GOOD + '[store]\nurl = "sqlite://"\n',
        'store: url: SQLite needs a file: write "sqlite:///file.db", with four slashes for an absolute path',
    ),
    # across the file
    "a route that does not exist": (
        changed('text = "Guten Tag"', 'text = "Guten Tag"\nroutes = ["mian"]'),
        'stream "reminder": routes: no [[route]] is named "mian": did you mean "main"?',
    ),
    "a stream without a body": (
        changed('text = "Guten Tag"\n', ""),
        'stream "reminder": has no body: give template, or text, or html, or text and html',
    ),
    "a time zone that is misspelt": (
        GOOD + '[ingest]\ntimezone = "Europe/Belrin"\n',
        'ingest: timezone: "Europe/Belrin" is not a time zone: did you mean "Europe/Berlin"?',
    ),
    "a time zone that is a folder": (
        GOOD + '[ingest]\ntimezone = "Europe"\n',
        'ingest: timezone: "Europe" is not a time zone: write one as "Europe/Berlin"',
    ),
    "a key of a list that is not asked": (
        GOOD + '[reputation]\nlists = ["bl.spamcop.net"]\n[reputation.keys]\n"bl.spamcob.net" = { env = "K" }\n',
        'reputation: keys: "bl.spamcob.net" is not among lists: did you mean "bl.spamcop.net"?',
    ),
    "a block list that is no name": (
        GOOD + '[reputation]\nlists = ["https://x/"]\n',
        (
            'reputation: lists, entry 1: "https://x/" is not a name in the DNS: '
            "letters, digits, hyphens, underscores and dots"
        ),
    ),
}


@pytest.mark.parametrize(("text", "sentence"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_told_alone_and_in_its_own_words(tmp_path: Path, text: str, sentence: str) -> None:
    """One wrong thing gives one line: its place, what is expected, what to do. No secret is in it."""
    assert faults(tmp_path, text) == [sentence]
    assert "top-secret" not in sentence


FILES = {
    "a template that is not there": (
        'template = "gone.eml"',
        "{folder}/gone.eml cannot be read: No such file or directory",
    ),
    "a template that is a folder": ('template = "."', "{folder} cannot be read: Is a directory"),
    "a template without a header": (
        'template = "prose.eml"',
        '{folder}/prose.eml is not a message: it must begin with header lines, such as "Subject: …"',
    ),
    "a template without its parts": (
        'template = "multipart.eml"',
        "{folder}/multipart.eml is a broken message: a message claimed to be a multipart but had no boundary parameter",
    ),
    "a template beside a text": (
        'template = "whole.eml"\ntext = "x"\nhtml = "y"',
        "stands beside text and html: give either a template, or text and html",
    ),
}


@pytest.mark.parametrize(("written", "sentence"), FILES.values(), ids=FILES.keys())
def test_a_template_that_cannot_be_sent_is_a_fault_of_the_file(tmp_path: Path, written: str, sentence: str) -> None:
    """A template is looked for in the folder of the configuration, and must be a message."""
    (tmp_path / "prose.eml").write_text("Guten Tag,\n\nprosa.\n")
    (tmp_path / "multipart.eml").write_text("Subject: x\nContent-Type: multipart/mixed\n\nbody\n")
    (tmp_path / "whole.eml").write_text("Subject: x\n\nbody\n")
    text = changed('text = "Guten Tag"', written)
    assert faults(tmp_path, text) == [f'stream "reminder": template: {sentence.format(folder=tmp_path)}']


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "{folder}/ca.pem cannot be read: No such file or directory"),
        ("no certificate", "{folder}/ca.pem holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "{folder}/ca.pem holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
        ),
    ],
    ids=["not there", "prose", "not a certificate inside"],
)
def test_a_ca_file_that_cannot_be_used_is_a_fault(tmp_path: Path, content: str | None, sentence: str) -> None:
    """It is better to hear that now than at the first TLS handshake."""
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    text = changed("port = 2525", 'port = 2525\nca_file = "ca.pem"')
    assert faults(tmp_path, text) == [f'route "main": ca_file: {sentence.format(folder=tmp_path)}']


def test_every_fault_is_listed_at_once_in_the_order_of_the_sections(tmp_path: Path) -> None:
    """One run tells all that must be mended, whatever kind of fault it is."""
    text = """
    wrong = 1
    [[inbox]]
    name = "gmx-1"
    port = 0
    security = "none"
    host = "imap.gmx.net"
    address = "probe1"
    [probe]
    poll = "1h"
    [[route]]
    name = "main"
    [[stream]]
    routes = ["gone"]
    [dns]
    timeout = "x"
    """
    places = [line.rsplit(": ", 1)[0] for line in faults(tmp_path, text)]
    kinds = [place.split(":")[0].split(" ")[0] for place in places]
    assert kinds == sorted(kinds, key=["dns", "stream", "route", "inbox", "probe", "unknown"].index)
    told = "\n".join(faults(tmp_path, text))
    for place in (
        "dns: timeout",
        "stream 1: name",
        "stream 1: has no body",
        'stream 1: routes: no [[route]] is named "gone"',
        'route "main": host: missing',
        'inbox "gmx-1": port',
        'inbox "gmx-1": security',
        'inbox "gmx-1": address',
        'inbox "gmx-1": username: missing',
        "probe: timeout: must be longer than poll (1h)",
        'unknown section "wrong"',
    ):
        assert place in told
