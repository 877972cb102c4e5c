"""The door to a mailbox: IMAP (RFC 3501, RFC 9051), read-only.

imapclient connects, goes over to TLS and logs in; what a poll asks goes out as one batch of commands whose answers
are read together, since a round trip costs more than all the rest. Mailboxes are opened with EXAMINE and messages
read with BODY.PEEK alone: nothing here can change a flag.
"""

import contextlib
import imaplib
import io
import re
import ssl
from collections.abc import Iterable, Sequence
from typing import Any

import imapclient
from imapclient.exceptions import IMAPClientError

from toolkit.config.secret import SecretUnavailableError
from toolkit.config.settings import Mailbox
from toolkit.model.mailbox import FolderStatus
from toolkit.wire.channel import Channel, FloodError, WireError, describe, tls_context
from toolkit.wire.imap_answers import Answer, Listing, read_list, read_status

_LINE_LIMIT = 1 << 20
_BATCH = 400  # commands sent before their answers are read: both sides' socket buffers must hold them
_BARE_STATUS = re.compile(rb"((?:\*|[A-Z]+\d+) (?:OK|NO|BAD|BYE))\r\n")
_STATUS_ITEMS = b"(MESSAGES UIDNEXT UIDVALIDITY)"


class _Protocol(imaplib.IMAP4):
    """The standard library's protocol engine over a `Channel`."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        super().__init__(channel.host, channel.port)

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:  # noqa: ARG002 - imaplib's
        self.host, self.port, self.sock = host, port, self.channel.sock
        self._bounded = self.channel.reader()

    def over_tls(self, context: ssl.SSLContext) -> None:
        """What the server said before TLS is forgotten, buffered bytes too (RFC 9051, section 6.2.1)."""
        self.channel.start_tls(context)
        self.sock = self.channel.sock
        self._bounded = self.channel.reader()
        self._tls_established = True
        self.untagged_responses.clear()
        super()._get_capabilities()  # type: ignore[misc]

    def _get_capabilities(self) -> None:
        """The greeting may have them already, which saves a round trip."""
        if "CAPABILITY" in self.untagged_responses:
            data = self.untagged_responses.pop("CAPABILITY")[-1]
            words = data if isinstance(data, bytes) else b" ".join(data)
            self.capabilities = tuple(words.decode("ascii", "replace").upper().split())
        else:
            super()._get_capabilities()  # type: ignore[misc]

    def read(self, size: int) -> bytes:
        self.channel.claim(size)
        return self._bounded.read(size)

    def readline(self) -> bytes:
        line = self._bounded.readline(_LINE_LIMIT)
        if len(line) >= _LINE_LIMIT:
            raise FloodError(f"sends a line of more than {_LINE_LIMIT} bytes")
        # iCloud and Fastmail send status responses without text, which imaplib takes for garbage.
        bare = _BARE_STATUS.fullmatch(line)
        return bare[1] + b" \r\n" if bare else line

    def send(self, data: Any) -> None:
        self.channel.send(bytes(data))

    def shutdown(self) -> None:
        self.channel.close()


class _Client(imapclient.IMAPClient):  # type: ignore[misc]  # not typed
    """imapclient over a `Channel`."""

    def __init__(self, channel: Channel, *, tls: bool) -> None:
        self._channel = channel
        super().__init__(channel.host, port=channel.port, ssl=tls)

    def _create_IMAP4(self) -> _Protocol:  # noqa: N802 - imapclient's
        return _Protocol(self._channel)


class ImapSession:
    """One connection to a mailbox, for one thread at a time.

    Every method raises WireError where the conversation broke down; the session is closed then.
    """

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.idling = False
        self.selected: bytes | None = None  # raw name of the examined mailbox
        self.patience = mailbox.timeout.total_seconds()  # for one answer; never more than the configuration's
        self.channel: Channel | None = None
        self.capabilities: frozenset[str] = frozenset()
        self._client: _Client | None = None
        self._idle_tag = b""
        self._commands = 0

    @property
    def commands(self) -> int:
        """How many commands the batches sent."""
        return self._commands

    @property
    def connected(self) -> bool:
        """Whether there is a session."""
        return self._client is not None

    @property
    def gmail(self) -> bool:
        """Whether Gmail's extension is there: by capability, never by host name."""
        return "X-GM-EXT-1" in self.capabilities

    def fileno(self) -> int:
        """The socket's number, to wait on while the server idles."""
        assert self.channel is not None  # noqa: S101 - only a connected session is waited on
        return self.channel.sock.fileno()

    @property
    def _timeout(self) -> float:
        return min(self.mailbox.timeout.total_seconds(), self.patience)

    def connect(self) -> None:
        """Connect, TLS as configured, log in. Raises WireError with the reason."""
        with self._door():
            self._open()

    def _open(self) -> None:
        box = self.mailbox
        self.channel = channel = Channel(box.host, box.port, self._timeout)
        try:
            if box.security == "tls":
                channel.start_tls(tls_context(box.ca_file))
            channel.begin()
            client = _Client(channel, tls=box.security == "tls")
        except BaseException:
            channel.close()
            raise
        self._client = client
        protocol: _Protocol = client._imap  # noqa: SLF001 - the engine that imapclient wraps
        protocol.is_readonly = True
        if box.security == "starttls":
            if "STARTTLS" not in protocol.capabilities:
                raise WireError(
                    "tls", f"{box.host}:{box.port} does not offer STARTTLS, and the configuration asks for it"
                )
            channel.begin()
            self._batch([b"STARTTLS"])[0].expect("STARTTLS")
            protocol.over_tls(tls_context(box.ca_file))
        channel.begin()
        self._login(client)
        channel.begin()
        self.capabilities = frozenset(name.decode("ascii", "replace").upper() for name in client.capabilities())
        if "ID" in self.capabilities:  # Google asks for it
            self._run([b'ID ("name" "mailwhy")'])

    def _login(self, client: "_Client") -> None:
        box = self.mailbox
        offered = {str(name).upper() for name in client._imap.capabilities}  # noqa: SLF001 - as above
        try:
            if box.oauth is not None:
                client.oauth2_login(box.username, box.oauth.access_token.reveal())
            elif box.password is None:
                raise WireError("login", "no password and no oauth is configured for this mailbox")
            elif "LOGINDISABLED" in offered and "AUTH=PLAIN" not in offered:
                ways = ", ".join(sorted(name for name in offered if name.startswith("AUTH="))) or "no other way"
                raise WireError("login", f"{box.host} takes no password here (LOGINDISABLED); it offers {ways}")
            else:
                password = box.password.reveal()
                # LOGIN carries ASCII alone (RFC 9051, section 6.2.3), PLAIN carries UTF-8.
                plain = "LOGINDISABLED" in offered or not (box.username + password).isascii()
                if set("\r\n\0") & set(box.username + password):
                    raise WireError(
                        "secret", f"the login at {box.host} holds a line break: look at user name and password"
                    )
                if plain:
                    client.plain_login(box.username, password)
                else:  # imaplib quotes the password alone
                    client.login(quoted(box.username.encode()).decode(), password)
        except IMAPClientError as error:
            # imapclient calls a connection that broke during the login a failed login.
            if isinstance(error.__context__, imaplib.IMAP4.abort):
                raise error.__context__ from None
            raise WireError("login", f"{box.host} refuses the login of {box.username}: {error_text(error)}") from None

    # -- what is asked -----------------------------------------------------------------------------------------

    def list_folders(self, *, also: Sequence[bytes] = ()) -> Listing:
        """All mailboxes, with their status where the server gives both at once (RFC 5819), else without.

        One round trip. A session that idles stops to idle; `also` names mailboxes (raw) whose status is asked in the
        same breath where LIST cannot return it.
        """
        returns = []
        if "SPECIAL-USE" in self.capabilities and "LIST-EXTENDED" in self.capabilities:
            returns.append(b"SPECIAL-USE")
        if self.lists_status:
            returns.append(b"STATUS " + _STATUS_ITEMS)
        command = b'LIST "" "*"' + (b" RETURN (" + b" ".join(returns) + b")" if returns else b"")
        commands = [command]
        if not self.lists_status:
            commands += [b"STATUS " + quoted(name) + b" " + _STATUS_ITEMS for name in also]
        answers = self._run_afresh(commands)
        listed = answers[0].expect("LIST")
        folders, broken = read_list(listed.untagged.get("LIST", []))
        status: dict[bytes, FolderStatus] = {}
        for answer in answers:
            status |= read_status(answer.untagged.get("STATUS", []))
        return Listing(folders, status, broken)

    @property
    def lists_status(self) -> bool:
        """Whether one LIST returns the status of every mailbox."""
        return {"LIST-STATUS", "LIST-EXTENDED"} <= self.capabilities or "LIST-STATUS" in self.capabilities

    def status(self, names: Sequence[bytes]) -> dict[bytes, FolderStatus]:
        """The status of each named mailbox, in one round trip; one that gave no answer is absent."""
        if not names:
            return {}
        commands = [b"STATUS " + quoted(name) + b" " + _STATUS_ITEMS for name in names]
        found: dict[bytes, FolderStatus] = {}
        for answer in self._run_afresh(commands):
            found |= read_status(answer.untagged.get("STATUS", []))
        return found

    def examine_each(
        self, commands: Iterable[tuple[bytes, Sequence[bytes]]], *, budget: int = 4 << 20
    ) -> list[tuple[Answer, list[Answer]]]:
        """For each (raw name, commands): EXAMINE it, then the commands there. One round trip for all of them.

        Returns, in the same order, the answer of EXAMINE and those of the commands; where EXAMINE was refused, the
        commands' answers are refusals too.
        """
        asked = list(commands)
        lines = [line for name, inner in asked for line in (b"EXAMINE " + quoted(name), *inner)]
        answers = iter(self._run(lines, budget=budget))
        results = []
        for name, inner in asked:
            opened = next(answers)
            self.selected = name if opened.ok else None
            results.append((opened, [next(answers) for _ in inner]))
        return results

    def idle(self, name: bytes) -> bool:
        """Examine `name` and let the server tell what is new there (RFC 2177). False where it will not."""
        if "IDLE" not in self.capabilities or self.idling:
            return self.idling
        with self._door():
            client, channel = self._live()
            channel.begin()
            protocol = client._imap  # noqa: SLF001 - as above
            commands = [] if self.selected == name else [b"EXAMINE " + quoted(name)]
            tags = self._send([*commands, b"IDLE"])
            for tag in tags[:-1]:
                self.selected = name if self._collect(tag).ok else None
            self._idle_tag = tags[-1]
            while protocol._get_response() is not None:  # noqa: SLF001 - as above
                if protocol.tagged_commands.get(self._idle_tag) is not None:
                    protocol.tagged_commands.pop(self._idle_tag)
                    self.capabilities -= {"IDLE"}
                    return False
            self.idling = True
            return True

    def pending(self) -> bool:
        """Whether the server has told of new mail since it idles, or has said something that waits to be read."""
        if self._client is None or self.channel is None:
            return False
        return "EXISTS" in self._client._imap.untagged_responses or self.channel.pending()  # noqa: SLF001 - as above

    def abort(self) -> None:
        """Break the connection under whoever waits for it in another thread."""
        if self.channel is not None:
            self.channel.abort()

    def close(self) -> None:
        """Log out politely if that costs nothing, and close. Never raises."""
        if self._client is not None and self.channel is not None:
            with contextlib.suppress(OSError, imaplib.IMAP4.error):
                self.channel.begin(timeout=1)
                self.channel.send((b"DONE\r\n" if self.idling else b"") + b"ZZ LOGOUT\r\n")
        self._drop()

    # -- how a batch travels -----------------------------------------------------------------------------------

    def _run(self, commands: list[bytes], *, budget: int = 4 << 20) -> list[Answer]:
        with self._door():
            _, channel = self._live()
            channel.timeout = self._timeout
            answers: list[Answer] = []
            for start in range(0, len(commands), _BATCH):
                channel.begin(budget=budget)
                answers += self._batch(commands[start : start + _BATCH])
            return answers

    def _run_afresh(self, commands: list[bytes]) -> list[Answer]:
        """As `_run`, the open mailbox opened anew before: its status would else be that of our last look.

        NOOP would not do: Dovecot puts it off until the other commands of the batch are done.
        """
        if self.selected is None:
            return self._run(commands)
        opened, *answers = self._run([b"EXAMINE " + quoted(self.selected), *commands])
        if not opened.ok:
            self.selected = None
        return answers

    def _batch(self, commands: list[bytes]) -> list[Answer]:
        tags = self._send(commands)
        return [self._collect(tag) for tag in tags]

    def _send(self, commands: list[bytes]) -> list[bytes]:
        client, channel = self._live()
        protocol = client._imap  # noqa: SLF001 - as above
        out = io.BytesIO()
        ended = self._idle_tag if self.idling else None
        if ended is not None:
            out.write(b"DONE\r\n")
        tags = []
        for command in commands:
            tag = protocol._new_tag()  # noqa: SLF001 - as above
            tags.append(tag)
            out.write(tag + b" " + command + b"\r\n")
        self._commands += len(commands)
        if ended is None:
            protocol.untagged_responses.clear()
        channel.send(out.getvalue())
        if ended is not None:
            self.idling = False
            self._collect(ended)
        return tags

    def _collect(self, tag: bytes) -> Answer:
        """Read until the command's end. What came untagged until then is its answer: a server works in order."""
        client, _ = self._live()
        protocol = client._imap  # noqa: SLF001 - as above
        while protocol.tagged_commands.get(tag) is None:
            protocol._check_bye()  # noqa: SLF001 - as above
            protocol._get_response()  # noqa: SLF001 - as above
        status, data = protocol.tagged_commands.pop(tag)
        answer = Answer(status, error_text(data[-1]), dict(protocol.untagged_responses), tag)
        protocol.untagged_responses.clear()
        return answer

    def _live(self) -> tuple["_Client", Channel]:
        if self._client is None or self.channel is None:
            raise WireError("closed", f"no connection to {self.mailbox.host}")
        return self._client, self.channel

    @contextlib.contextmanager
    def _door(self) -> Any:
        """Exceptions of sockets and libraries become WireError here, and the session is closed."""
        box = self.mailbox
        try:
            yield
        except WireError:
            self._drop()
            raise
        except SecretUnavailableError as error:
            self._drop()
            raise WireError("secret", str(error)) from None
        except imaplib.IMAP4.error as error:
            self._drop()
            raise _imap_problem(error, box) from None
        except (OSError, EOFError) as error:
            self._drop()
            raise describe(error, box.host, box.port) from None
        except (ValueError, IndexError, KeyError, TypeError, UnicodeError) as error:
            # imaplib and imapclient raise these on answers that are no IMAP.
            self._drop()
            raise WireError("protocol", f"{box.host} answered with what is no IMAP: {error}") from None

    def _drop(self) -> None:
        self.idling, self.selected, self._client = False, None, None
        if self.channel is not None:
            self.channel.close()


def quoted(name: bytes) -> bytes:
    """A quoted string (RFC 9051, section 4.3). Raises WireError for what only a literal could carry."""
    if any(byte in name for byte in b"\r\n\0"):
        raise WireError("protocol", f"the name {name!r} cannot be written in a command")
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def error_text(value: object) -> str:
    """What a server or a library said, as text: imaplib mixes bytes, texts and exceptions."""
    if isinstance(value, BaseException):
        value = value.args[0] if value.args else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = str(value)
    if text.startswith(("b'", 'b"')) and text.endswith(text[1]):
        text = text[2:-1]  # imapclient puts the bytes' repr into its messages
    return text.strip()[:500]


def _imap_problem(error: imaplib.IMAP4.error, box: Mailbox) -> WireError:
    text = error_text(error)
    where = f"{box.host}:{box.port}"
    if "EOF" in text:
        return WireError("closed", f"{where} closed the connection")
    if "unexpected response" in text or "unterminated" in text or "not IMAP4" in text:
        return WireError("protocol", f"{where} answered with what is no IMAP: {text}")
    if isinstance(error, imaplib.IMAP4.abort):
        return WireError("closed", f"{where} ended the session: {text or 'without a word'}")
    return WireError("said-no", f"{where} refuses: {text}")
