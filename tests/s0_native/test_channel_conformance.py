"""One conformance suite over every form of channel: rings, call lines, what the host carries
(channel_client.c).
"""

from __future__ import annotations

import os
import subprocess

import pytest
from s0_native.building import NATIVE, Compiler, sanitizer_prefix
from s0_native.channel_bugs import BUGS
from seeded import Bug

PARTS = ("in_memory", "by_host", "waiting", "side", "bell", "holders", "frame", "blocking")
SOURCES = [NATIVE / "channel" / f"{part}.c" for part in PARTS]
SANITIZER = ("-fsanitize=thread", "-O1")
FORMS = {
    "epoch-ring": (4, 64, 16384),
    "used-ring": (1, 16, 4096),
    "call-line": (1, 3, 32),
    "socket": (32,),
    "pipe": (32,),
}
CASES = [(form, slots) for form, sizes in FORMS.items() for slots in sizes]


def run(
    compiler: Compiler,
    *arguments: object,
    flags: tuple[str, ...] = (),
    bug: Bug | None = None,
) -> subprocess.CompletedProcess[str]:
    program = compiler.build("channel_client.c", *SOURCES, flags=flags, bug=bug)
    prefix: tuple[str, ...] = ()
    if flags:
        prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER))
    environment = {
        **os.environ,
        "TSAN_OPTIONS": "halt_on_error=1 exitcode=66 report_thread_leaks=0",
    }
    command = [*prefix, str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("seen", ["model", "bounded", "many", "threads", "processes", "killed"])
@pytest.mark.parametrize(("form", "slots"), CASES)
def test_a_channel_is_a_bounded_queue_each_way(
    compiler: Compiler, form: str, slots: int, seen: str
) -> None:
    done = run(compiler, form, seen, slots, 7 + slots)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("form", "slots"), [case for case in CASES if case[1] <= 64])
def test_what_was_sent_before_closing_arrives_and_then_nothing_does(
    compiler: Compiler, form: str, slots: int
) -> None:
    done = run(compiler, form, "closed", slots, 7)
    assert done.returncode == 0, done.stderr


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("form", FORMS)
def test_no_race(compiler: Compiler, form: str) -> None:
    done = run(
        compiler, form, "threads", FORMS[form][min(2, len(FORMS[form]) - 1)], 3, flags=SANITIZER
    )
    assert done.returncode == 0, done.stderr


# Bugs that the rings' own clients are shown, too: the suite sees through the interface.
@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("epoch-ring", "RING_CREDIT"),
        ("epoch-ring", "RING_RELEASE"),
        ("used-ring", "USED_CREDIT"),
        ("used-ring", "USED_ACQUIRE"),
    ],
)
def test_a_seeded_bug_is_caught(compiler: Compiler, form: str, name: str) -> None:
    flags = (*SANITIZER, "-DSTUCK_SECONDS=5")
    done = run(compiler, form, "threads", 8, 3, flags=flags, bug=BUGS[name])
    assert done.returncode in (1, 66, -14), done.stderr
