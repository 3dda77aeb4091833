"""Starts programs, under another account if necessary, and signals all processes of a running one."""

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine that a program can be run as."""

    name: str
    uid: int
    gid: int


def unprivileged_account() -> Account | None:
    """Return the account to run PostgreSQL as, which refuses root; None when we are not root ourselves.

    Raises LookupError when we are root and the machine knows neither `postgres` nor `nobody`.
    """
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise LookupError("PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody` to run it as")


def run(
    command: Sequence[str | Path],
    account: Account | None = None,
    *,
    env: Mapping[str, str] | None = None,
    entered: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with `entered` as its input, and return its output, standard error included.

    Raises OSError when it cannot be started and subprocess.TimeoutExpired after 120 s.
    """
    return subprocess.run(  # noqa: S603 - runs the server programs that discovery found, never a shell
        [str(part) for part in command],
        input=entered,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
        # The account may not be allowed to enter the working directory.
        cwd="/",
        env=env,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def spawn(
    command: Sequence[str | Path],
    account: Account | None,
    *,
    output: BinaryIO,
    inherit: int,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server with its output in a file and one inherited descriptor, out of reach of the terminal's Ctrl-C."""
    return subprocess.Popen(  # noqa: S603 - starts the server program that discovery found, never a shell
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=env,
        pass_fds=(inherit,),
        start_new_session=True,
        umask=0o077,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def may_enter(directory: Path, account: Account | None) -> bool:
    """Say whether the account can reach what lies in a directory; asks the kernel, so that ACLs count too."""
    return run(["/bin/sh", "-c", 'test -x "$1"', "sh", directory], account).returncode == 0


def exists(pid: int) -> bool:
    """Say whether there is a process of this id; one that nobody has waited for counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def send_signal_to_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to what is left of the group that a process has led; ids of groups in use are not given away."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def send_signal_to_family(pid: int, number: signal.Signals) -> None:
    """Send a signal to a server and to its children, which lie in process groups of their own."""
    # A stopped parent starts no children that the list would miss.
    send_signal(pid, signal.SIGSTOP)
    for member in [*_children_of(pid), pid]:
        send_signal(member, number)


def _children_of(pid: int) -> list[int]:
    # Slim container images have no `ps`, macOS has no /proc.
    if not Path("/proc/self/stat").exists():
        pairs = [line.split() for line in run(["ps", "-axo", "pid=,ppid="]).stdout.splitlines()]
        return [int(child) for child, parent in pairs if int(parent) == pid]
    children = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # The name of the program may hold blanks and brackets; the parent is the second field after it.
            if int((entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]) == pid:
                children.append(int(entry.name))
    return children
