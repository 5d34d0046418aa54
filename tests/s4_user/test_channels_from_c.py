"""C programs with a side of a channel, by the installed header: the page's example, bytes of
any length there and back, and what a program is told that is given no side.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import multikernel
from multikernel.errors import ChannelClosed
from multikernel.user import channels
from multikernel.user.channels import FifoEnd

PAGE = Path(multikernel.__file__).parent / "user" / "channels" / "README.md"
ECHO = """
#define MULTIKERNEL_CHANNEL_IMPLEMENTATION
#include <multikernel/channel.h>
int main(int argc, char **argv)
{
    struct channel_side side;
    struct channel channel;
    void *data;
    uint64_t length;
    if (argc != 2 || channel_side_parse(argv[1], &side) || channel_side_open(&channel, &side))
        return 2;
    while (channel_receive_bytes(&channel, &data, &length, -1) == CHANNEL_OK) {
        if (channel_send_bytes(&channel, data, length, -1) != CHANNEL_OK)
            return 3;
        free(data);
    }
    channel_close(&channel);
    return 0;
}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def compiled(source: str, into: Path) -> Path:
    (into / "program.c").write_text(source)
    compiler = os.environ.get("CC", "cc")
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-I", str(channels.C_HEADERS)]
    subprocess.run([compiler, *flags, into / "program.c", "-o", into / "double"], check=True)
    return into / "double"


@contextmanager
def talking(program: Path, form: Any = "used-ring") -> Iterator[FifoEnd]:
    ours, theirs = channels.pair(form)
    with subprocess.Popen([program, str(theirs)], pass_fds=theirs.descriptors) as process:
        theirs.close()
        with ours.open() as end:
            assert isinstance(end, FifoEnd)
            end.timeout = 60
            yield end
        assert process.wait(60) == 0


def test_the_pages_example_doubles(tmp_path: Path) -> None:
    (program,) = blocks("c")
    compiled(program, tmp_path)
    (python,) = [block for block in blocks("python") if "Popen" in block]
    done = subprocess.run([sys.executable, "-c", python], cwd=tmp_path, capture_output=True,
                          text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
    for form in ("epoch-ring", "call-line", "socket", "pipe"):
        with talking(tmp_path / "double", form) as end:
            for number in range(300):
                end.send_words((number, 5))
                assert end.receive_words()[:2] == (2 * number, 5)


@pytest.mark.parametrize("form", ["used-ring", "call-line", "socket", "pipe"])
def test_bytes_of_any_length_go_there_and_back(tmp_path: Path, form: str) -> None:
    with talking(compiled(ECHO, tmp_path), form) as end:
        for length in (0, 1, 48, 49, 5000, 700_000):
            data = os.urandom(length)
            end.send_bytes(data)
            assert end.receive_bytes() == data


def test_a_program_that_is_killed_or_given_no_side_is_missed(tmp_path: Path) -> None:
    program = compiled(blocks("c")[0], tmp_path)
    done = subprocess.run([program, "used-ring:0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no side of a channel" in done.stderr
    ours, theirs = channels.pair()
    with subprocess.Popen([program, str(theirs)], pass_fds=theirs.descriptors) as process:
        theirs.close()
        with ours.open() as end:
            assert isinstance(end, FifoEnd)
            end.send_words((1,), timeout=60)
            assert end.receive_words(timeout=60)[0] == 2
            process.kill()
            with pytest.raises(ChannelClosed):
                end.receive_words(timeout=60)
