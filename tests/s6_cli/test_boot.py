"""`boot`: a kernel to look at until Ctrl-C or SIGTERM, or a program in it, as Python itself would
run it.
"""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from s6_cli.command import assert_all_gone, await_cores, end, names_of, run, started

PROGRAM = """
import sys
import multikernel
import beside

system = multikernel.current()

def square(number):
    return number * number

assert __name__ == "__main__"
assert system is multikernel.current()
print(sys.argv[1:], system.kernel, [core.run(square, i) for i, core in enumerate(system.cores)])
page = system.map(system.allocate(4096))
page.write(0, b"hello")
print(system.cores[-1].read(page, 0, 5), system.cores[-1].run(beside.shout, "hello"))
system.unmap(page)
try:
    page.read(0, 5)
except multikernel.errors.PageFault:
    print("fault")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("def shout(text):\n    return text.upper()\n")
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("multikernel", ("--capabilities", "owner", "--memory", "8MiB")),
        ("multikernel", ("--transport", "socket")),
        ("shared", ()),
        ("shared", ("--lock-scope", "region")),
    ],
)
def test_a_program_runs_in_it_with_more_cores_than_cpus(
    kernel: str, options: tuple[str, ...], program: Path
) -> None:
    done = run(
        "boot", "--cores", "8", "--kernel", kernel, *options, "--", str(program), "one", "--two"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"['one', '--two'] {kernel} [0, 1, 4, 9, 16, 25, 36, 49]",
        "b'hello' HELLO",
        "fault",
    ]
    assert done.stderr == ""


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("end_of_program", "code", "said"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('no more')", 1, "no more\n"),
        ("raise SystemExit(300)", 300 & 0xFF, ""),
    ],
)
def test_its_exit_code_is_the_commands(
    end_of_program: str, code: int, said: str, program: Path
) -> None:
    program.write_text(f"import sys\n{end_of_program}\n")
    done = run("boot", "--cores", "1", "--", str(program))
    assert (done.returncode, done.stderr) == (code, said)


def test_its_exception_is_shown_with_its_own_traceback(program: Path) -> None:
    program.write_text(
        "import multikernel\n\ndef deep():\n    multikernel.current().allocate(0)\n\ndeep()\n"
    )
    done = run("boot", "--cores", "1", "--", str(program))
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "line 6, in <module>\n    deep()" in done.stderr
    assert "runpy" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "multikernel.errors.BadInput: a frame has at least one byte"
    )


def test_current_is_an_error_elsewhere(tmp_path: Path) -> None:
    import multikernel

    with pytest.raises(multikernel.errors.BadInput, match="multikernel boot"):
        multikernel.current()


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_shows_its_cores_and_leaves_nothing(number: signal.Signals) -> None:
    with started("boot", "--cores", "8") as process:
        family = await_cores(process, 8)
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in range(3 + 8)]
        assert lines[0].startswith("multikernel: 8 cores")
        crowded = len(os.sched_getaffinity(0)) < 8
        assert ("they share CPUs;" if crowded else "poll for 100 µs (the default: ") in lines[0]
        assert lines[1].split()[:4] == ["core", "CPU", "process", "state"]
        assert process.stdout.readline() == "\n"
        assert process.stdout.readline().startswith("try next")
        rows = [line.split() for line in lines[3:]]
        cores = {int(row[0]): psutil.Process(int(row[2])) for row in rows}
        for index, core in cores.items():
            assert core.name() == f"mk-core-{index}"
            assert core.cpu_affinity() == [int(rows[index][1])]
            assert rows[index][3] in ("polling", "parked")
        assert "mk-supervisor" in names_of(family)
        _, errors = end(process, number)
        assert (process.returncode, errors.strip()) == (128 + number, "")
        assert_all_gone(family)


def test_ctrl_c_reaches_the_program_and_nothing_is_left(program: Path) -> None:
    program.write_text(
        "import time\ntry:\n    time.sleep(3600)\n"
        "except KeyboardInterrupt:\n    print('asked to stop', flush=True)\n    raise\n"
    )
    with started("boot", "--cores", "2", "--", str(program)) as process:
        family = await_cores(process, 2)
        time.sleep(0.5)  # into the program's sleep
        output, errors = end(process, signal.SIGINT)
        assert process.returncode == 128 + signal.SIGINT
        assert output == "asked to stop\n"
        assert "Traceback" not in errors
        assert_all_gone(family)


def test_a_core_that_dies_ends_it_with_one_line() -> None:
    with started("boot", "--cores", "3") as process:
        family = await_cores(process, 3)
        assert process.stdout is not None
        process.stdout.readline()
        next(one for one in family if one.name() == "mk-core-1").kill()
        _, errors = process.communicate()
        assert process.returncode == 1
        assert errors.count("\n") == 1
        assert "core 1 died (killed by signal 9)" in errors
        assert_all_gone(family)
