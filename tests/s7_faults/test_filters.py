"""Containers whose filter of system calls answers EPERM: a kernel does without the call, or one
sentence names it; all the same nothing is left, whatever is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from s7_faults import hosts
from s7_faults.systems import all_gone

SCRIPT = Path(sys.executable).parent / "multikernel"
DONE_WITHOUT = (
    "pidfd_open", "memfd_create", "tgkill", "move_pages", "perf_event_open", "pidfd_send_signal",
)  # fmt: skip


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("call", DONE_WITHOUT)
def test_what_a_system_does_without(call: str, kernel: str) -> None:
    done = hosts.python(hosts.use(kernel=kernel), before=hosts.forbids(call))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


def test_all_of_these_at_once() -> None:
    done = hosts.python(hosts.use(3), before=hosts.forbids(*DONE_WITHOUT))
    assert (done.status, done.said, done.errors) == (0, hosts.USED, "")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "call", ["prctl", "sched_setaffinity", "timer_create", "fallocate", "sigaltstack"]
)
def test_what_it_needs_is_named(call: str) -> None:
    done = hosts.python(hosts.use(), before=hosts.forbids(call))
    hosts.one_sentence(done, "BootFailed", call, "Operation not permitted")


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("call", "who"),
    [("pidfd_open", "the supervisor ended: a"), ("timer_create", " died (killed by signal 31: a")],
)
def test_a_filter_that_kills_is_named(call: str, who: str) -> None:
    done = hosts.python(hosts.use(), before=hosts.forbids(call, kills=True))
    assert (done.status, done.errors) == (0, ""), done
    assert f"{who} system-call filter kills" in done.said


def test_the_doctor_tries_them() -> None:
    filters = hosts.forbids("prctl", "pidfd_open")
    done = subprocess.run(
        [SCRIPT, "doctor", "--json", "-"], preexec_fn=filters, capture_output=True, check=False
    )
    (found,) = (one for one in json.loads(done.stdout)["findings"] if one["code"] == "system-calls")
    assert (found["verdict"], found["value"]) == (
        "bad", "forbidden: pidfd_open, prctl; nothing boots without prctl",
    )  # fmt: skip
    assert "seccomp" in found["remedy"]


def test_the_doctor_says_where_memory_lies() -> None:
    within = hosts.mounts("mount -t tmpfs -o ro none /dev/shm")
    for filters, verdict, value in (
        (None, "matters", "read-only: memory files (memfd_create) where it does not suffice"),
        ("memfd_create", "bad", "read-only, and memory files (memfd_create) are forbidden"),
    ):
        done = subprocess.run(
            [*within, SCRIPT, "doctor", "--json", "-"],
            preexec_fn=hosts.forbids(filters) if filters else None,
            capture_output=True,
            check=False,
        )
        (found,) = (one for one in json.loads(done.stdout)["findings"] if one["code"] == "shm")
        assert (found["verdict"], found["value"]) == (verdict, value)


STAYS = """
import multikernel, os, sys, time
with multikernel.boot(2) as system:
    print(system.launched.process.pid, *(core.pid for core in system.cores), flush=True)
    if sys.argv[1:] == ["child"] and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(60)  # with a copy of the connection
        os._exit(0)
    while True:
        time.sleep(0.05)
        system.cores[0].counters()
"""


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("whom", ["launcher", "supervisor", "core", "launcher with a child"])
def test_kills_are_noticed_without_pidfds(whom: str) -> None:
    extra = ["child"] if "child" in whom else []
    launcher = subprocess.Popen(
        [sys.executable, "-c", STAYS, *extra],
        preexec_fn=hosts.forbids("pidfd_open"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout is not None
    supervisor, *cores = map(int, launcher.stdout.readline().split())
    child = int(launcher.stdout.readline()) if extra else None
    victim = {"core": cores[1], "supervisor": supervisor}.get(whom, launcher.pid)
    os.kill(victim, signal.SIGKILL)
    all_gone({supervisor, *cores})
    if child is not None:
        psutil.Process(child).kill()
    _, errors = launcher.communicate()
    if whom == "core":
        assert "CoreDied: core 1 died (killed by signal 9)" in errors
    elif whom == "supervisor":
        assert "its supervisor was killed" in errors


CHANNEL = """
import os, signal
from multikernel.errors import ChannelClosed
from multikernel.user import channels
ours, theirs = channels.pair("{form}")
child = os.fork()
if child == 0:
    end = theirs.open()
    os.kill(os.getpid(), signal.SIGKILL)
end = ours.open()
try:
    {asks}
except ChannelClosed:
    print("closed, unreaped:", os.waitid(os.P_PID, child, os.WEXITED).si_status)
"""


@pytest.mark.parametrize(("form", "asks"), [("calls", "end.call((1, 2, 3))"),
                                            ("used-ring", "end.receive_words()")])  # fmt: skip
def test_the_killed_side_of_a_channel_is_missed_without_pidfds(form: str, asks: str) -> None:
    program = CHANNEL.format(form=form, asks=asks)
    done = hosts.python(program, before=hosts.forbids("pidfd_open"))
    assert (done.status, done.said) == (0, "closed, unreaped: 9\n"), done
