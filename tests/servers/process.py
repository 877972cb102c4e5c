"""What every test server needs: a folder, a user to run as, free ports, a start that tells why it failed, a sure stop.

The servers run in the foreground as children of this process. `setpriv --pdeathsig` ends them with it, even when a
test run is killed. (The kernel takes the *thread* that started them for their parent: start servers in the main
thread, or in one that lives as long as they should. And it forgets the request where a process changes its user, as
Postfix does: see there.)
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_START_SECONDS = 20.0
_LOG_TAIL = 40
_PLENTY = 1 << 30

_T = TypeVar("_T")


class ServerUnavailableError(RuntimeError):
    """This machine cannot run the server; the text says why, and is fit for a skipped test."""


class ServerStartError(RuntimeError):
    """The server is installed but did not come up; the text ends with its log."""


def find_program(name: str, package: str, *, folders: Sequence[str] = ()) -> Path:
    """Path of a server's program, or `ServerUnavailableError` naming the Debian package that brings it.

    The sbin folders are searched too: an unprivileged user's PATH lacks them.
    """
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), _SYSTEM_PATH])
    found = shutil.which(name, path=path)
    if found is None:
        raise ServerUnavailableError(
            f"{name} is not installed (Debian package {package}; tests/servers/install.sh installs it)"
        )
    return Path(found)


@dataclass(frozen=True)
class Identity:
    """The user that a server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def unprivileged(cls, *preferred: str) -> Identity:
        """Ourselves, or, where we are root, the first of `preferred` that exists, else nobody."""
        if os.geteuid() != 0:
            me = pwd.getpwuid(os.geteuid())
            return cls(me.pw_name, me.pw_uid, me.pw_gid)
        for name in (*preferred, "nobody"):
            with contextlib.suppress(ServerUnavailableError):
                return cls.named(name)
        raise ServerUnavailableError("running as root, and there is no unprivileged user to run a server as")

    @classmethod
    def current(cls) -> Identity:
        """Ourselves, root included."""
        me = pwd.getpwuid(os.geteuid())
        return cls(me.pw_name, me.pw_uid, me.pw_gid)

    @classmethod
    def named(cls, name: str) -> Identity:
        """The user of that name, which a package made."""
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            raise ServerUnavailableError(f"there is no user {name} on this machine") from None
        return cls(user.pw_name, user.pw_uid, user.pw_gid)

    @property
    def group(self) -> str:
        """The group's name; its number where it has none."""
        try:
            return grp.getgrgid(self.gid).gr_name
        except KeyError:
            return str(self.gid)

    def command(self, arguments: Sequence[str | Path]) -> list[str]:
        """`arguments` run as this user, ended when we end."""
        prefix = [str(find_program("setpriv", "util-linux")), "--pdeathsig", "TERM"]
        if os.geteuid() == 0 and self.uid != 0:
            prefix += ["--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"]
        return [*prefix, *map(str, arguments)]

    def run(self, arguments: Sequence[str | Path], *, cwd: Path, timeout: float = 30.0) -> str:
        """Standard output of a command run as this user; `RuntimeError` with all it said when it fails."""
        done = subprocess.run(
            self.command(arguments),
            cwd=cwd,
            env=environment(),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()
            raise RuntimeError(f"{Path(arguments[0]).name} ended with status {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def own(self, path: Path) -> None:
        """Make this user the owner of `path`, where we may."""
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid)


def environment() -> dict[str, str]:
    """What a server sees of our environment: a path and a locale, nothing of the test run's."""
    return {"PATH": _SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _temporary() -> str:
    """Where servers' folders go: memory where there is plenty, for 20,000 small files; else the disk.

    Not the folder of pytest: sockets have names of 107 bytes at most, and other users have to get there.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _PLENTY:
        return str(memory)
    return "/tmp"


class Home:
    """A temporary folder that the server's user owns, readable by nobody else."""

    def __init__(self, label: str, owner: Identity) -> None:
        self.owner = owner
        self.path = Path(tempfile.mkdtemp(prefix=f"mailwhy-{label}-", dir=_temporary()))
        owner.own(self.path)

    def write(self, name: str, content: str | bytes, *, mode: int = 0o600) -> Path:
        """A file, in place of what was there in one step, so that a running server never reads half of it."""
        target = self.path / name
        data = content.encode() if isinstance(content, str) else content
        fresh = target.with_name(target.name + ".new")
        fresh.write_bytes(data)
        fresh.chmod(mode)
        self.owner.own(fresh)
        fresh.replace(target)
        return target

    def folder(self, name: str, *, mode: int = 0o700) -> Path:
        """A folder, and those above it."""
        path = self.path
        for part in Path(name).parts:
            path /= part
            if not path.is_dir():
                path.mkdir()
                path.chmod(mode)
                self.owner.own(path)
        return path

    def remove(self) -> None:
        """All of it, gone; files that a dying child still writes are no error."""
        shutil.rmtree(self.path, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that are free now. Another process may take one first: starts are tried again."""
    sockets = []
    try:
        for _ in range(count):
            one = socket.socket()
            sockets.append(one)
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_until(probe: Callable[[], _T | None], *, seconds: float, what: str, every: float = 0.02) -> _T:
    """The first true answer of `probe`, asked again and again; `TimeoutError` saying `what` was waited for."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() >= end:
            raise TimeoutError(f"waited {seconds:g} s for {what}")
        time.sleep(every)


def greets(port: int, greeting: bytes) -> bool:
    """Whether the server on 127.0.0.1:`port` welcomes a client with a line that begins so."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(512).startswith(greeting)
    except OSError:
        return False


class Process:
    """A server in the foreground, in a process group of its own, with its output in a file."""

    def __init__(self, arguments: Sequence[str | Path], *, identity: Identity, cwd: Path, output: Path) -> None:
        with output.open("ab") as sink:
            self._child = subprocess.Popen(
                identity.command(arguments),
                cwd=cwd,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self._child.pid

    @property
    def running(self) -> bool:
        """Whether it still lives."""
        return self._child.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if self.running:
            self._child.send_signal(number)

    def stop(self, number: signal.Signals, grace: float) -> None:
        """Ask it to end, wait `grace` seconds, then end what is left of its group: nothing outlives a stop."""
        self.send(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()


class Server:
    """A server with a folder and a process: `with Dovecot() as server`, or `start` and `stop`.

    A subclass writes its configuration in `configure` (called anew, with fresh ports, at each try), names its command
    in `arguments` and says in `ready` when it serves.
    """

    label = "server"
    tries = 3
    stop_signal = signal.SIGTERM
    grace = 5.0  # seconds between that signal and the end of its whole process group

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.home = Home(self.label, identity)
        self._process: Process | None = None

    # --- what a subclass gives ---

    def configure(self) -> None:
        """Choose ports and write the configuration."""
        raise NotImplementedError

    def arguments(self) -> list[str | Path]:
        """The command that stays in the foreground."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Whether it serves."""
        raise NotImplementedError

    # --- what it gets ---

    @property
    def log_path(self) -> Path:
        """Where the server logs."""
        return self.home.path / "log"

    @property
    def output_path(self) -> Path:
        """What it wrote to its standard output and error."""
        return self.home.path / "output"

    def log(self) -> str:
        """All that it has said so far."""
        files = (self.output_path, self.log_path)
        return "".join(file.read_text(errors="replace") for file in files if file.exists())

    @property
    def process(self) -> Process:
        """The running process; `RuntimeError` before `start` and after `stop`."""
        if self._process is None:
            raise RuntimeError(f"{self.label} is not running")
        return self._process

    def start(self) -> Self:
        """Bring it up, or raise `ServerStartError` with the end of its log."""
        try:
            self._bring_up()
        except BaseException:
            self.stop()
            raise
        return self

    def _bring_up(self) -> None:
        why = ""
        for _ in range(self.tries):
            why = self._try()
            if not why:
                return
        tail = "\n".join(self.log().splitlines()[-_LOG_TAIL:])
        raise ServerStartError(f"{why}; its log:\n{tail}")

    def _try(self) -> str:
        """Why it does not serve; empty when it does."""
        self.configure()
        process = Process(self.arguments(), identity=self.identity, cwd=self.home.path, output=self.output_path)
        self._process = process
        try:
            wait_until(
                lambda: self.ready() or not process.running, seconds=_START_SECONDS, what=f"{self.label} to serve"
            )
        except TimeoutError as error:
            process.stop(self.stop_signal, self.grace)
            return str(error)
        if process.running:
            return ""
        process.stop(self.stop_signal, self.grace)
        return f"{self.label} ended at once"

    def stop(self) -> None:
        """End it and remove its folder; harmless when it is not running."""
        if self._process is not None:
            self._process.stop(self.stop_signal, self.grace)
            self._process = None
        self.home.remove()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
