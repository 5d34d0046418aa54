"""Hosts that withhold something, for one process and what it starts: system calls, resources,
control groups, file systems.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from multikernel.runtime import segments

NUMBERS = {
    "x86_64": {
        "pidfd_open": 434, "prctl": 157, "memfd_create": 319, "sched_setaffinity": 203,
        "timer_create": 222, "fallocate": 285, "tgkill": 234, "move_pages": 279,
        "perf_event_open": 298, "pidfd_send_signal": 424, "sigaltstack": 131,
    },
    "aarch64": {
        "pidfd_open": 434, "prctl": 167, "memfd_create": 279, "sched_setaffinity": 122,
        "timer_create": 107, "fallocate": 47, "tgkill": 131, "move_pages": 239,
        "perf_event_open": 241, "pidfd_send_signal": 424, "sigaltstack": 132,
    },
}.get(platform.machine(), {})  # fmt: skip
_REFUSED, _KILLED, _ALLOWED = 0x00050001, 0x80000000, 0x7FFF0000
_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2

USES = """
import multikernel, sys
from multikernel.errors import MultikernelError
try:
    with multikernel.boot({cores}, **{options!r}) as system:
        page = system.map(system.allocate(4096))
        system.cores[-1].write(page, 0, b"there")
        print(system.cores[0].read(page, 0, 5), system.cores[-1].run(abs, -3))
        system.unmap(page)
except MultikernelError as error:
    print(type(error).__name__, error)
"""
"""A program that uses a system, or prints why there is none."""
USED = "b'there' 3\n"


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def forbids(*calls: str, kills: bool = False) -> Callable[[], None]:
    """For preexec_fn: from here on these answer EPERM, or kill the process that makes them. Skips
    where that cannot be.
    """
    if any(call not in NUMBERS for call in calls):
        pytest.skip(f"the numbers of system calls are not known for {platform.machine()}")
    numbers = [NUMBERS[call] for call in calls]
    rows = [(0x20, 0, 0, 0)]  # load the number
    rows += [(0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    rows += [(0x06, 0, 0, _ALLOWED), (0x06, 0, 0, _KILLED if kills else _REFUSED)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = _Program(len(rows), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)

    def set_filter() -> None:
        assert code
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(
            _SECCOMP, _FILTER, ctypes.byref(program), 0, 0
        ):
            os._exit(77)

    return set_filter


def limits(**soft: int) -> Callable[[], None]:
    """For preexec_fn: RLIMIT_… by name, both the soft and the hard one."""
    numbers = {getattr(resource, f"RLIMIT_{name}"): value for name, value in soft.items()}

    def set_limits() -> None:
        for number, value in numbers.items():
            resource.setrlimit(number, (value, value))

    return set_limits


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    status: int
    said: str
    errors: str


def python(
    program: str,
    *,
    before: Callable[[], object] | None = None,
    within: Sequence[str] = (),
    cwd: str | None = None,
    given: str = "",
    **environment: str | None,
) -> Done:
    """Runs it. before: in the child, before it begins; within: a command that runs commands;
    given: to standard input;
    environment: changes of it, None to take a name out.
    """
    changed = {**os.environ, **environment}
    done = subprocess.run(
        [*within, sys.executable, "-c", program],
        preexec_fn=before,
        env={name: text for name, text in changed.items() if text is not None},
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("system-call filters cannot be set here")
    return Done(done.returncode, done.stdout, done.stderr)


def use(cores: int = 2, **options: object) -> str:
    """The program."""
    return USES.format(cores=cores, options=options)


def one_sentence(done: Done, *words: str) -> None:
    """It ended well, and said one line with those words and a remedy."""
    assert (done.status, done.errors) == (0, ""), done
    assert done.said.count("\n") == 1, done
    assert re.match(r"[A-Z]\w+ ", done.said), done
    assert "; " in done.said, done
    for word in words:
        assert word in done.said, done


def mounts(*commands: str) -> list[str]:
    """A command in a mount namespace of its own, after those commands. Skips where there is
    none.
    """
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("mounting needs root and unshare")
    script = "".join(f"{command} && " for command in commands) + 'exec "$@"'
    within = ["unshare", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"no mount namespaces, or no {commands} in one")
    return within


@contextmanager
def control_group(controller: str, **settings: int | str) -> Iterator[list[str]]:
    """A command that runs commands in a new group of it, with those settings (files without the
    controller's name; in version 2 as in 1).
    """
    group = _new_group(controller)
    try:
        for name, value in settings.items():
            (group / f"{controller}.{_name(group, name)}").write_text(str(value))
        yield ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh"]
    finally:
        for _ in range(100):
            try:
                group.rmdir()
                break
            except OSError:
                time.sleep(0.05)


def _name(group: Path, name: str) -> str:
    old = {"limit_in_bytes": "max", "max": "limit_in_bytes"}
    here = next(iter(group.glob(f"*.{name}")), None)
    return name if here is not None else old.get(name, name)


def _new_group(controller: str) -> Path:
    for base in (Path("/sys/fs/cgroup", controller), Path("/sys/fs/cgroup")):
        group = base / f"mk-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        if list(group.glob(f"{controller}.*")):
            return group
        group.rmdir()
    pytest.skip(f"no control group for {controller} can be made here")


def is_private_and_backs(descriptor: int) -> None:
    """What a segment of two pages is, whoever made it: its user's alone, and one page backed when
    that is asked for.
    """
    assert os.fstat(descriptor).st_mode & 0o777 == 0o600
    assert not os.get_inheritable(descriptor)
    segments.back(descriptor, 4096, 4096)
    assert os.fstat(descriptor).st_blocks * 512 == 4096
