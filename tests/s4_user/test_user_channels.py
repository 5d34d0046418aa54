"""Channels between programs: over a segment handed to a child in every way there is, and over a
frame.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from typing import Any

import pytest

import multikernel
from multikernel.errors import BadInput
from multikernel.native._native import CallEnd, ChannelEnd
from multikernel.user import channels

FIFOS = ["used-ring", "epoch-ring", "call-line", "socket", "pipe"]

CHILD = """
import sys
from multikernel.user import channels
end = channels.Side.parse(sys.argv[1]).open()
end.send_words(tuple(word + 1 for word in end.receive_words()))
"""


def answer(side: channels.Side) -> None:
    end = side.open()
    assert isinstance(end, ChannelEnd)
    end.send_words(tuple(word + 1 for word in end.receive_words()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("form", FIFOS)
def test_a_side_goes_to_a_child_of_multiprocessing(form: Any, method: Any) -> None:
    if method == "spawn" and form != "used-ring":
        pytest.skip("one form is enough: the others' descriptors travel alike")
    ours, theirs = channels.pair(form)
    process = multiprocessing.get_context(method).Process(target=answer, args=(theirs,))
    process.start()
    theirs.close()
    end = ours.open()
    assert isinstance(end, ChannelEnd)
    end.timeout = 60
    end.send_words((1, 2, 3))
    assert end.receive_words() == (2, 3, 4, 1, 1, 1, 1)
    process.join()
    with pytest.raises(EOFError):
        end.receive_words()


def test_a_side_goes_to_a_program() -> None:
    ours, theirs = channels.pair("used-ring", 8)
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(theirs)], pass_fds=theirs.descriptors
    ) as process:
        theirs.close()
        end = ours.open()
        assert isinstance(end, ChannelEnd)
        end.timeout = 60
        end.send_words((41,))
        assert end.receive_words()[0] == 42
    assert process.returncode == 0


def test_a_pair_leaves_nothing_behind() -> None:
    before = set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd"))
    for form in (*FIFOS, "calls"):
        ours, theirs = channels.pair(form)  # type: ignore[arg-type]
        ours.open().close()
        theirs.close()
    assert (set(os.listdir("/dev/shm")), len(os.listdir("/proc/self/fd"))) == before


@pytest.mark.parametrize(
    ("form", "slots"),
    [("used-ring", 3), ("epoch-ring", 1), ("calls", 33), ("ring", 4), ("calls", -1)],
)
def test_what_cannot_be_is_refused(form: Any, slots: int) -> None:
    with pytest.raises(BadInput, match="no such channel"):
        channels.pair(form, slots)
    with pytest.raises(BadInput, match="no side"):
        channels.Side.parse(f"{form}:x")


def _serve(page: multikernel.Page) -> int:
    with channels.attach(page, "calls", 1) as end:
        assert isinstance(end, CallEnd)
        request, served = end.receive_words(), 0
        while request[0]:
            request, served = end.reply_receive((request[0] * 2,)), served + 1
        end.reply(())
        return served


def _call(page: multikernel.Page, count: int) -> list[int]:
    with channels.attach(page, "calls", 0) as end:
        assert isinstance(end, CallEnd)
        replies = [end.call((number,))[0] for number in range(1, count + 1)]
        end.call((0,))
        return replies


@pytest.mark.parametrize("kernel", ["multikernel", "shared"])
def test_programs_on_cores_talk_over_a_frame(kernel: Any) -> None:
    with multikernel.boot(cores=2, kernel=kernel) as system:
        page = system.map(system.allocate(channels.page_bytes("calls")))
        system.cores[0].run(channels.make, page, "calls")
        serving = system.cores[1].start(_serve, page)
        assert system.cores[0].run(_call, page, 500) == [2 * number for number in range(1, 501)]
        assert serving.result() == 500
        with pytest.raises(BadInput, match="too small"):
            system.cores[0].run(channels.make, page, "used-ring", 1024)
        system.unmap(page)  # nothing pins it any more
