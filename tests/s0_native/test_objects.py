"""Objects in several forms: nothing is lost, done twice or in part while the form changes under
load; recorded histories are linearizable; nobody waits for a core that is stopped; and every seeded
bug is caught.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from dataclasses import replace

import pytest
from s0_native.building import HERE, NATIVE, Compiler, Shell, sanitizer_prefix
from s0_native.linearizable import (
    Model,
    Operation,
    State,
    counters,
    first_wrong_round,
    mapping,
    mappings_of,
    queue_of,
    states_after,
)
from s0_native.object_bugs import BUGS, EXPLORED
from seeded import Bug, every

ROOMS = ("object", "locks", "capability")
OBJECT = [path for room in ROOMS for path in sorted((NATIVE / room).glob("*.c"))]
CLIENTS = {"sums": "object_client.c", "history": "object_history.c"}
CLIENTS |= {"overtaken": "object_overtaken.c", "late": "object_late.c"}
STEPS = ("-include", str(HERE / "atomic_steps.h"))
"""Every atomic operation is a function of the client."""
COUNTERS, MAP, QUEUE, MAPPINGS = range(4)
FORMS = 10
LOCKED, FIFO, OPTIMISTIC, DELEGATED, REPLICATED, LOCKFREE = (1 << i for i in range(6))
TWO_PHASE, ONE_PHASE, OWNER, COMBINED = (1 << i for i in range(6, FORMS))
AGREED = TWO_PHASE | ONE_PHASE | OWNER
ALL = LOCKED | FIFO | OPTIMISTIC | DELEGATED | REPLICATED | COMBINED
KINDS = [(COUNTERS, 4, ALL), (COUNTERS, 1, ALL | LOCKFREE), (MAP, 256, ALL)]
KINDS += [(QUEUE, 16, ALL | LOCKFREE), (MAPPINGS, 32, ALL & ~OPTIMISTIC)]
"""Types, shapes, and the forms that suit them."""
HISTORIES = [(COUNTERS, 3, ALL), (COUNTERS, 1, ALL | LOCKFREE), (MAP, 16, ALL)]
HISTORIES += [(QUEUE, 2, ALL | LOCKFREE), (MAPPINGS, 8, ALL & ~OPTIMISTIC)]
HISTORIES = [(kind, shape, forms | AGREED) for kind, shape, forms in HISTORIES]
SANITIZER = ("-fsanitize=thread", "-O1", "-Wno-tsan", "-DTHREADS")


def run(
    compiler: Compiler, client: str, *arguments: int, bug: Bug | None = None, stuck: int = 60
) -> subprocess.CompletedProcess[str]:
    flags = (f"-DSTUCK_SECONDS={stuck}", *(STEPS if client == "overtaken" else ()))
    program = compiler.build(CLIENTS[client], *OBJECT, flags=flags, bug=bug)
    command = [str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def model_of(kind: int, shape: int) -> tuple[Model, State]:
    match kind:
        case 0:
            return counters, (0,) * shape
        case 1:
            return mapping, (-1,) * 4
        case 2:
            return queue_of(shape), ()
        case _:
            return mappings_of(shape), (0,) * shape


def wrong_round(
    compiler: Compiler, *arguments: int, bug: Bug | None = None
) -> list[Operation] | None:
    done = run(compiler, "history", *arguments, bug=bug)
    assert done.returncode == 0, (arguments, done.stderr)
    return first_wrong_round(*model_of(*arguments[1:3]), done.stdout.splitlines())


# --- Sums and histories of each key ---


@pytest.mark.sampled(one_in=4)
@pytest.mark.parametrize("flight", [0, 1])
@pytest.mark.parametrize(
    ("cores", "log", "lazy"),
    [(2, 256, 0), (2, 16, 1), pytest.param(3, 16, 1, marks=pytest.mark.full)],
)
@pytest.mark.parametrize(("kind", "shape", "forms"), KINDS)
def test_nothing_is_lost_while_the_form_changes(
    compiler: Compiler,
    kind: int,
    shape: int,
    forms: int,
    cores: int,
    log: int,
    lazy: int,
    flight: int,
) -> None:
    arguments = (5, kind, shape, cores, log, forms, 10_000, 20, 50, 0, flight, lazy)
    done = run(compiler, "sums", *arguments)
    assert done.returncode == 0, (arguments, done.stderr)


# Fewer, for each operation takes as long as the others are not running.
@pytest.mark.sampled(one_in=6)
@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize("switches", [200, pytest.param(20_000, marks=pytest.mark.full)])
@pytest.mark.parametrize("agreed", [TWO_PHASE, AGREED, 0])
@pytest.mark.parametrize(("kind", "shape", "forms"), KINDS)
def test_nothing_is_lost_while_cores_agree(
    compiler: Compiler, kind: int, shape: int, forms: int, agreed: int, switches: int, cores: int
) -> None:
    chosen = agreed or forms | AGREED
    arguments = (5, kind, shape, cores, 64, chosen, switches, 10, 50, 0, switches % 3 == 2, 0)
    done = run(compiler, "sums", *arguments)
    assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "shape", "forms"), KINDS)
def test_nothing_is_lost_in_a_million_changes(
    compiler: Compiler, kind: int, shape: int, forms: int, seed: int
) -> None:
    each, log = random.Random(seed).choice([(5, 16), (20, 256), (100, 64), (20, 16)])
    arguments = (seed, kind, shape, 2, log, forms, 1_000_000, each, 50, 0, seed % 2, 0)
    done = run(compiler, "sums", *arguments)
    assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "form", [LOCKED, FIFO, OPTIMISTIC, DELEGATED, REPLICATED, AGREED, COMBINED, ALL]
)
def test_cores_on_one_cpu_make_progress(compiler: Compiler, form: int) -> None:
    done = run(compiler, "sums", 3, COUNTERS, 4, 3, 64, form, 300, 20, 50, 1)
    assert done.returncode == 0, done.stderr
    assert all(int(one) > 0 for one in done.stdout.split())


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1, 5))
def test_who_joins_late_is_not_waited_for(compiler: Compiler, seed: int) -> None:
    """Of plain words: the owner goes round the log many times before the other has its replica."""
    forms = LOCKED | REPLICATED
    done = run(compiler, "sums", seed, MAPPINGS, 32, 2, 16, forms, 60, 20_000, 20, 1, stuck=20)
    assert done.returncode == 0, done.stderr


# In which nobody waits for a core that does not run: what the owner does meanwhile goes round the
# log eight times.
@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("flight", [0, 1])
@pytest.mark.parametrize(
    ("kind", "shape", "forms"),
    [
        (COUNTERS, 8, REPLICATED),
        (MAP, 4096, REPLICATED),
        (COUNTERS, 1, REPLICATED | LOCKFREE),
        (QUEUE, 16, REPLICATED | LOCKFREE),
    ],
)
def test_nobody_waits_for_a_core_that_is_stopped(
    compiler: Compiler, kind: int, shape: int, forms: int, flight: int
) -> None:
    arguments = (3, kind, shape, 3, 64, forms, 3000, 20, 50, 0, flight, 0, 2000)
    done = run(compiler, "sums", *arguments)
    assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        (COUNTERS, 4, 64, 40),
        (MAP, 256, 16, 40),
        pytest.param((MAP, 1024, 64, 1000), marks=pytest.mark.full),
    ],
)
def test_who_was_overtaken_waits_for_nobody(compiler: Compiler, arguments: tuple[int, ...]) -> None:
    """All others are stopped: in the middle of a change of a replica, and of a snapshot."""
    done = run(compiler, "overtaken", 1, *arguments, stuck=20)
    assert done.returncode == 0, done.stderr


def test_a_node_that_does_nothing_is_helped(compiler: Compiler) -> None:
    done = run(compiler, "overtaken", 1, COUNTERS, 4, 64, 40, 9, stuck=20)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", [4, 9])
def test_what_begins_late_does_nothing(compiler: Compiler, form: int) -> None:
    """Gaps in the log of a later mode keep a close, which leads to other operations."""
    done = run(compiler, "late", 16, form, stuck=20)
    assert done.returncode == 0, done.stderr


def under_sanitizer(
    compiler: Compiler, *arguments: int, bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    """The state is plain memory here, and whoever touches it out of order a race."""
    program = compiler.build("object_client.c", *OBJECT, flags=SANITIZER, bug=bug)
    prefix = sanitizer_prefix(compiler.build("sanitized.c", flags=SANITIZER[:2]))
    environment = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1 exitcode=66"}
    command = [*prefix, str(program), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_out_of_order(compiler: Compiler, seed: int) -> None:
    forms = LOCKED | FIFO | DELEGATED | AGREED | COMBINED
    arguments = (seed, COUNTERS, 4, 3, 64, forms, 300, 20, 50, 0, seed % 2)
    done = under_sanitizer(compiler, *arguments)
    assert done.returncode == 0, (arguments, done.stderr)


# --- Histories ---


def forms_of(forms: int) -> list[int]:
    """Each alone, and all with changes among them."""
    return [*(1 << i for i in range(FORMS) if forms >> i & 1), forms]


@pytest.mark.sampled(one_in=6)
@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize(
    ("kind", "shape", "forms"),
    [(kind, shape, form) for kind, shape, forms in HISTORIES for form in forms_of(forms)],
)
def test_histories_are_linearizable(
    compiler: Compiler, kind: int, shape: int, forms: int, cores: int
) -> None:
    each = 0 if forms & (forms - 1) == 0 else 3
    for flight in range(2):
        arguments = (7, kind, shape, cores, 16, forms, 300, 5, each, flight)
        wrong = wrong_round(compiler, *arguments)
        assert not wrong, (arguments, wrong)


@pytest.mark.full(one_in=4)
@pytest.mark.parametrize("seed", range(100, 140))
def test_many_histories_are_linearizable(compiler: Compiler, seed: int) -> None:
    chosen = random.Random(seed)
    kind, shape, forms = chosen.choice(HISTORIES)
    forms = chosen.choice([forms, forms, forms & chosen.randrange(1, 1 << FORMS) or forms])
    arguments = (seed, kind, shape, chosen.choice([2, 3]), 16, forms, 3000, 5, 3, seed % 2)
    wrong = wrong_round(compiler, *arguments)
    assert not wrong, (arguments, wrong)


def test_the_checker_sees_an_order_that_there_is_not() -> None:
    add = Operation(0, 0, 10, 20, 1, 0, 1, 0, 0)
    sees_it = Operation(0, 1, 15, 30, 2 | 0x80, 0, 1, 0, 1)
    too_early = replace(sees_it, begin=5, end=9)
    too_late = replace(sees_it, begin=25, result=0)
    assert states_after(counters, (0,), [add, sees_it]) == {(1,)}
    assert states_after(counters, (0,), [add, replace(sees_it, result=0)]) == {(1,)}
    assert not states_after(counters, (0,), [add, too_early])
    assert not states_after(counters, (0,), [add, too_late])
    assert not states_after(counters, (0,), [add, replace(add, core=1)])


# --- Every order of events ---


def explore(
    compiler: Compiler, arguments: str, bug: Bug | None = None
) -> subprocess.CompletedProcess[str]:
    program = compiler.build("object_explorer.c", *OBJECT, flags=STEPS, bug=bug)
    command = [program, *arguments.split()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Type, cores, and the forms in turn: 0 locked, 1 FIFO, 2 optimistic, 3 delegated, 4 replicated,
# 5 lock-free, 6 agreed in two phases, 7 in one, 8 by the owner, 9 combined; 0/2: of two nodes.
@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    "arguments",
    [
        *("0 2 0 3", "0 2 3 0", "0 2 1 3 1", "0 2 2 3 2", "0 2 0 4", "0 2 4 5", "0 2 5 4"),
        *("0 2 3 4 3", "0 2 5 2", "0 3 5 3", "2 2 5", "2 2 5 3", "2 2 3 5"),
        *("0 2 6", "0 aa,ssa 6", "0 aa,ssas 7", "0 aa,ssas 8", "0 2 0 6 0", "0 axxa,sas 3 6 4"),
        *("0 2 2 7 1", "0 axxa,ss 3 7 4", "0 axxa,ss 4 8 3", "0 axxa,ss 6 7 8", "0 axa,sss 8 6"),
        *("0 2 5 7 6 5", "0 axa,sss 7 0", "0 a,s,ss 6", "0 a,sa,s 7", "0 a,s,sa 8"),
        *("0 2 0 9 0", "0/2 2 9", "0/2 2 3 9 3", "0/2 axas,ss 9 4", "0/2 axa,s 4 9", "2/2 p,t 9"),
    ],
)
def test_every_order_of_events_is_right(compiler: Compiler, arguments: str) -> None:
    done = explore(compiler, arguments)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "arguments",
    [
        *("0 3 3 0", "0 3 1 3", "0 3 3 4", "2 3 5", "2 2 6", "2 2 7 6", "0 3 7 8", "2/2 2 9"),
        *("0/2 a,a,s 9", "0/2 axa,sas 4 9"),
        *("0 a,a,ss 6", "0 a,ss,sa 6", "0 a,sss,sss 7", "0 aa,ss,sa 7", "0 a,ssa,ss 8"),
    ],
)
def test_every_order_of_events_of_three_cores_is_right(compiler: Compiler, arguments: str) -> None:
    done = explore(compiler, arguments)
    assert done.returncode == 0, done.stderr


WAIT = {
    "WAITS_WITHOUT_SERVING", "THE_YOUNGER_WAITS_TOO", "DECIDED_AND_TAKEN_FOR_OPEN",
    "SWITCH_WITHOUT_THE_LOCK",
}  # fmt: skip
"""What is met first, in the order in which the explorer tries."""
LONG = {"ABORTED_AND_NOT_UNDONE", "DECIDED_AND_TAKEN_FOR_OPEN"}


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=pytest.mark.full) if one in LONG else one for one in EXPLORED],
)
def test_the_explorer_finds_the_order_that_goes_wrong(compiler: Compiler, name: str) -> None:
    done = explore(compiler, EXPLORED[name], BUGS[name])
    # An assertion of the product may be what sees it.
    assert done.returncode in (1, -signal.SIGABRT), (done.stdout, done.stderr)
    waits = "wait for each other" in done.stderr
    assert waits == (name in WAIT), done.stderr


# --- Types ---


@pytest.fixture(scope="module")
def shell_program(compiler: Compiler) -> str:
    return str(compiler.build("object_shell.c", *OBJECT))


def a_mapping(chosen: random.Random, kind: int, slots: int) -> tuple[int, int]:
    """A key and a value of such an operation: one of many ranges that nest, meet, or are copies."""
    page = 4096 * chosen.randrange(6)
    if kind & 0x80:
        return page, 4096 * chosen.randint(1, 3)
    size = 4096 * chosen.choice([1, 1, 2, 4]) - chosen.choice([0] * 9 + [1])
    return chosen.randrange(slots + 1), page | size << 24 | chosen.choice([1, 1, 2, 2, 2, 3]) << 48


@pytest.mark.sampled(one_in=3)
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("kind", "shape"),
    [(COUNTERS, 5), (MAP, 8), (MAP, 64), (QUEUE, 4), (MAPPINGS, 8), (MAPPINGS, 64)],
)
def test_types_do_what_the_model_does(shell_program: str, kind: int, shape: int, seed: int) -> None:
    """And check says beforehand whether something will change; and undo takes it back."""
    shell, chosen = Shell(shell_program), random.Random(seed)  # type: ignore[arg-type]
    keys = shape if kind == MAP else 0
    most = shape - shape // 8
    model, state = {
        COUNTERS: (counters, (0,) * shape),
        MAP: (mapping, (-1,) * (keys + 1)),
        QUEUE: (queue_of(shape), ()),
        MAPPINGS: (mappings_of(shape), (0,) * shape),
    }[kind]
    kinds = {
        COUNTERS: [1, 0x82],
        MAP: [0x81, 2, 2, 3, 4],
        QUEUE: [1, 1, 2, 0x83],
        MAPPINGS: [1] * 9 + [2, 2, 3, 0x84, 0x84, 0x85],
    }[kind]
    shell.ask_lines(("make", kind, shape))
    for _ in range(600):
        one, key = chosen.choice(kinds), chosen.randint(1, max(keys, 1))
        value = chosen.randrange(1, 99)
        if kind == COUNTERS:
            key = chosen.randrange(shape)
            value = chosen.randint(1, shape - key)
        if kind == MAPPINGS:
            key, value = a_mapping(chosen, one, shape)
        operation = Operation(0, 0, 0, 0, one, key, value, 0, 0)
        after, answer = model(state, operation)
        if kind == MAP and sum(v >= 0 for v in after) > most:
            after, answer = state, (2, 0)
        ((would, *said),) = shell.ask_lines(("apply", one, key, value))
        assert tuple(said) == answer, operation
        changes = not one & 0x80 and answer[0] in ((0, 1) if one in (2, 4) else (0,))
        if kind == MAPPINGS:
            changes = after != state
        assert would == changes, operation
        if chosen.randrange(3):
            state = after
        else:
            shell.ask("undo")
    shell.close()


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ((COUNTERS, 4, 1, 4, 1), 4),
        ((COUNTERS, 4, 1, 0, 5), 4),
        ((COUNTERS, 4, 1, 0, 0), 4),
        ((COUNTERS, 4, 1, (1 << 64) - 1, 2), 4),
        ((COUNTERS, 4, 9, 0, 1), 4),
        ((MAP, 8, 2, 0, 1), 4),
        ((MAP, 8, 7, 1, 1), 4),
        ((QUEUE, 4, 1, 0, 1 << 32), 4),
        ((QUEUE, 4, 9, 0, 1), 4),
    ],
)
def test_bad_operations_do_nothing(
    shell_program: str, operation: tuple[int, ...], status: int
) -> None:
    shell = Shell(shell_program)  # type: ignore[arg-type]
    kind, shape, *rest = operation
    shell.ask_lines(("make", kind, shape))
    ((would, *said),) = shell.ask_lines(("apply", *rest))
    assert (would, said) == (0, [status, 0])
    shell.close()


@pytest.mark.parametrize(
    ("geometry", "says"),
    [
        ((9, 1, 2, 0, 64, 0, 0), "type"),
        ((COUNTERS, 0, 2, 0, 64, 0, 0), "shape"),
        ((COUNTERS, 33, 2, 0, 64, 0, 0), "shape"),
        ((MAP, 24, 2, 0, 64, 0, 0), "shape"),
        ((MAP, 0, 2, 0, 64, 0, 0), "shape"),
        ((QUEUE, 1, 2, 0, 64, 0, 0), "shape"),
        ((MAPPINGS, 24, 2, 0, 64, 0, 0), "shape"),
        ((MAPPINGS, 512, 2, 0, 64, 0, 0), "shape"),
        ((MAP, 64, 0, 0, 64, 0, 0), "cores"),
        ((MAP, 64, 65, 0, 64, 0, 0), "cores"),
        ((MAP, 64, 2, 2, 64, 0, 0), "cores"),
        ((MAP, 64, 2, 0, 100, 0, 0), "log"),
        ((MAP, 64, 2, 0, 4096, 0, 0), "log"),
        ((MAP, 64, 2, 0, 64, 3, 0), "locks"),
        ((MAP, 64, 2, 0, 64, 0, 3), "nodes"),
    ],
)
def test_what_there_is_not_is_refused_by_name(
    shell_program: str, geometry: tuple[int, ...], says: str
) -> None:
    done = subprocess.run(
        [shell_program],
        input="bytes " + " ".join(map(str, geometry)),
        capture_output=True,
        text=True,
        check=True,
    )
    length, verdict, words = done.stdout.split(maxsplit=2)
    assert length == "0"
    assert verdict != "0"
    assert says in words


@pytest.mark.parametrize(
    ("kind", "shape", "form", "says"),
    [(MAPPINGS, 32, OPTIMISTIC, "no optimistic form"), (MAP, 256, LOCKFREE, "no lock-free form")],
)
def test_forms_that_a_type_has_not_are_refused(
    compiler: Compiler, kind: int, shape: int, form: int, says: str
) -> None:
    for forms in (form, form | LOCKED):  # at first, and as the next
        done = run(compiler, "sums", 1, kind, shape, 2, 64, forms, 50, 5, 50, stuck=10)
        assert done.returncode == 1
        assert says in done.stderr


# --- Seeded bugs ---


@pytest.mark.sampled(one_in=3)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "name", every(4, [name for name in BUGS if not BUGS[name].seen_by[0].startswith("orders")])
)
def test_a_seeded_bug_is_caught(compiler: Compiler, name: str) -> None:
    bug = BUGS[name]
    client, *rest = bug.seen_by[0].split()
    arguments = tuple(map(int, rest))
    for seed in range(1, 21):
        if client == "history":
            if wrong_round(compiler, seed, *arguments, bug=bug):
                return
        elif client == "threads":
            if under_sanitizer(compiler, seed, *arguments, bug=bug).returncode == 66:
                return
        elif run(compiler, client, seed, *arguments, bug=bug, stuck=3).returncode:
            return
    pytest.fail(f"{name} ran {seed} times without being noticed")
