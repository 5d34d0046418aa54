"""What `System.inspect` and a system's supervisor say of it, against what its capabilities and
replicas say themselves.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from resting import rest
from s4_user.capability_checks import held

import multikernel
from multikernel import CNODE, FRAME, GRANT, MAPPING, READ, System, errors
from multikernel.runtime import inspection_socket, wire
from multikernel.runtime.inspection_socket import Listener, Running, choose, fetch

PAGE = 4096
CORES = 3


@pytest.fixture(params=["multikernel", "shared"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    with multikernel.boot(cores=CORES, kernel=request.param) as booted:
        yield booted


def furnish(system: System) -> None:
    ram = system.ram(16 * PAGE)
    frames = ram.retype(FRAME, 3, PAGE)
    frames[0].copy(1).mint(READ | GRANT, 2)
    ram.copy(2)
    (cnode,) = ram.retype(CNODE, offset=8 * PAGE)
    system.ram(PAGE, to=cnode)
    frames[0].map([1, 2])


def supervisor(system: System) -> Running:
    return Running(system.launched.process.pid, os.getuid())


def test_it_shows_every_capability_where_it_is(system: System) -> None:
    furnish(system)
    seen = system.inspect()
    shown = {
        (
            copy["core"],
            copy["slot"],
            copy["generation"],
            one["type"],
            one["address"],
            one["size"],
            tuple(copy["rights"]),
        )
        for one in seen["objects"]
        for copy in one["copies"]
    }
    there = [
        one for core in range(CORES) for one in (system.cores[core].cnode, *held(system, core))
    ]
    assert shown == {
        (
            one.core, one.slot, one.reference >> 32, str(one.type), one.address, one.size,
            tuple((right.name or "").lower() for right in one.rights),
        )
        for one in there
    }  # fmt: skip
    assert [core["capabilities"] for core in seen["cores"]] == [
        sum(one.core == core for one in there) for core in range(CORES)
    ]
    assert [one["root"] for one in seen["objects"]].count(True) == CORES


def test_it_shows_what_came_of_what(system: System) -> None:
    furnish(system)
    objects = system.inspect()["objects"]
    for one in objects:
        if one["parent"] is None:
            assert one["depth"] == 0
            continue
        parent = objects[one["parent"]]
        assert one["depth"] == parent["depth"] + 1
        assert parent["address"] <= one["address"]
        assert one["address"] + one["size"] <= parent["address"] + parent["size"]
    of = {
        one["type"]: objects[one["parent"]]["type"] for one in objects if one["parent"] is not None
    }
    assert (of["Frame"], of["CNode"]) == ("RAM", "RAM")
    assert of.get("Mapping", "Frame") == "Frame"
    copies = {copy["core"] for one in objects if one["type"] == "Frame" for copy in one["copies"]}
    assert copies == {0, 1, 2}


def test_digests_are_the_replicas(system: System) -> None:
    furnish(system)
    rest(system)
    before = system.inspect()
    for core, shown in zip(system.cores, before["cores"], strict=True):
        digest, mapped, locked = core.digest()
        assert shown["mappings_digest"] == f"{digest:016x}"
        assert (shown["mapped"], shown["mappings_locked"]) == (mapped, locked)
        assert shown["invariants_hold"]
        assert (shown["pid"], shown["cpu"]) == (core.pid, core.cpu)
    assert before["replicas"] == {"compared": 3, "differing": []}
    system.ram(PAGE).copy(2)
    after = system.inspect()
    changed = [
        a["core"]
        for a, b in zip(before["cores"], after["cores"], strict=True)
        if a["capabilities_digest"] != b["capabilities_digest"]
    ]
    assert changed == [0, 2]


def still(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what goes on while nobody does anything."""
    for core in seen["cores"]:
        for name in ("mode", "served", "interrupts", "parks"):
            del core[name]
    return seen


def test_the_supervisor_says_the_same(system: System) -> None:
    furnish(system)
    seen = fetch(supervisor(system))
    assert still(seen) == still(json.loads(json.dumps(system.inspect())))
    assert seen["schema"] == "multikernel-inspection/1"
    assert choose(supervisor(system).pid) == choose(
        os.getpid() if len(mine()) == 1 else supervisor(system).pid
    )


def mine() -> list[Running]:
    parent = inspection_socket._parent
    return [one for one in inspection_socket.found() if parent(one.pid) == os.getpid()]


@pytest.mark.sampled(one_in=2)
def test_it_can_be_looked_at_at_work(system: System) -> None:
    """While its own launcher asks for operations, and while cores run programs."""
    ram = system.ram(64 * PAGE)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            copies = [ram.copy(core) for core in (1, 2)]
            copies[0].retype(FRAME, 4, PAGE)
            ram.revoke()

    worker = threading.Thread(target=work)
    worker.start()
    task = system.cores[2].start(time.sleep, 0.5)
    try:
        for _ in range(20):
            seen = fetch(supervisor(system))
            assert all(core["invariants_hold"] for core in seen["cores"])
            assert seen["objects"][0]["type"] == "RAM"
    finally:
        stop.set()
        worker.join()
        task.result()


@pytest.mark.full  # it takes five seconds, as long as the supervisor waits
def test_a_stopped_core_is_named_and_the_system_lives_on(system: System) -> None:
    os.kill(system.cores[1].pid, signal.SIGSTOP)
    try:
        with pytest.raises(errors.MultikernelError, match="a core does not answer: 1"):
            fetch(supervisor(system))
    finally:
        os.kill(system.cores[1].pid, signal.SIGCONT)
    assert len(fetch(supervisor(system))["cores"]) == CORES
    assert system.ram(PAGE).alive


def test_who_asks_and_stays_or_leaves_harms_nothing(system: System) -> None:
    (address,) = inspection_socket._addresses(supervisor(system).pid)
    asking = []
    for _ in range(4):
        one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        one.connect(address)
        asking.append(one)
    asking[0].close()
    assert len(fetch(supervisor(system))["cores"]) == CORES
    for one in asking:
        one.close()
    system.cores[0].run(os.getpid)


def test_nothing_is_left_when_it_is_killed() -> None:
    system = multikernel.boot(cores=2)
    running = supervisor(system)
    assert fetch(running)["system"] == system.plan.system
    os.kill(running.pid, signal.SIGKILL)
    system.launched.process.wait()
    with pytest.raises(errors.CoreDied):
        system.ask(0, "PING")
    with pytest.raises(errors.MultikernelError, match="starting or ending"):
        fetch(running)
    assert running not in inspection_socket.found()
    assert not inspection_socket._addresses(running.pid)


def answered_by(send: Callable[[socket.socket], object]) -> str:
    """What is said of an answer of this process, which only claims to be a supervisor."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(f"\0multikernel-inspect-{os.getpid()}-{secrets.token_hex(8)}")
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                send(connection)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(errors.MultikernelError) as caught:
            fetch(Running(os.getpid(), os.getuid()))
        answering.join()
    assert type(caught.value) is errors.MultikernelError
    assert str(caught.value).isprintable()
    assert f"supervisor {os.getpid()}" in str(caught.value)
    return str(caught.value)


def test_strange_answers_are_refused_in_a_sentence(system: System) -> None:
    good = json.loads(json.dumps(system.inspect()))
    core, thing = good["cores"][0], good["objects"][0]
    for strange in (
        b"\xff\xfe", b"", b"[", b"null", b"[1]", b"[" * 100_000, b'{"error": 1}', b"{}",
        json.dumps({**good, "schema": "multikernel-inspection/9"}).encode(),
        json.dumps({**good, "kernel": "\x1b[2J"}).encode(),
        json.dumps({**good, "memory": -1}).encode(),
        json.dumps({**good, "cores": [{**core, "mode": "x" * 5000}]}).encode(),
        json.dumps({**good, "cores": [{**core, "served": "many"}]}).encode(),
        json.dumps({**good, "objects": [{**thing, "depth": 10**9}]}).encode(),
        json.dumps({**good, "replicas": {"compared": 1, "differing": [[1]]}}).encode(),
    ):  # fmt: skip
        said = answered_by(lambda connection, data=strange: wire.send(connection, data))
        assert "what answers is no system of this version" in said
    refusal = json.dumps({"error": "\x1b]0;mine\x07\n" * 10}).encode()
    assert "mine" in answered_by(lambda connection: wire.send(connection, refusal))


def test_answers_without_end_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection_socket, "SECONDS", 0.1)
    for length in (300 << 20, 1 << 60):
        head = struct.pack("<Q", length)
        assert str(length) in answered_by(lambda connection, head=head: connection.sendall(head))

    # Every piece comes in time, and all of them never do.
    def drip(connection: socket.socket) -> None:
        connection.sendall(struct.pack("<Q", 1 << 20))
        while True:
            connection.sendall(b" ")
            time.sleep(0.01)

    assert "does not answer" in answered_by(drip)


def test_another_users_system_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as one user can try it: the numbers that the host gives are compared with others."""
    listener = Listener(lambda deadline: {"secret": 1})
    answered = threading.Thread(target=listener.answer)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        (address,) = inspection_socket._addresses(os.getpid())
        connection.connect(address)
        monkeypatch.setattr(inspection_socket, "_peer", lambda _: (1, 4711))
        answered.start()
        answered.join()
        received = inspection_socket.wire.receive(connection)
    assert received is not None
    assert json.loads(received[0]) == {"error": "this system is another user's"}
    with pytest.raises(errors.MultikernelError, match="somebody else answers in the system's name"):
        fetch(Running(os.getpid(), os.getuid()))
    listener._socket.close()

    monkeypatch.setattr(inspection_socket.os, "getuid", lambda: 4711)
    monkeypatch.setattr(inspection_socket, "found", lambda: [Running(10, 0), Running(11, 12)])
    with pytest.raises(errors.BadInput, match="no system of yours runs here; 2 of other users"):
        choose(None)
    with pytest.raises(errors.BadInput, match="another user's"):
        choose(10)
    monkeypatch.setattr(inspection_socket, "found", lambda: [Running(10, 4711), Running(11, 4711)])
    with pytest.raises(errors.BadInput, match="2 systems run here; name one by its pid: 10, 11"):
        choose(None)
    with pytest.raises(
        errors.BadInput, match="no system of that pid runs here: 99; there are 10, 11"
    ):
        choose(99)
    monkeypatch.setattr(inspection_socket, "found", list)
    with pytest.raises(errors.BadInput, match="no system of yours runs here; multikernel boot"):
        choose(None)


def test_mappings_are_shown_with_their_pages() -> None:
    with multikernel.boot(cores=2) as system:
        (frame,) = system.ram(PAGE).retype(FRAME)
        page = frame.map()
        (record,) = [one for one in system.inspect()["objects"] if one["type"] == MAPPING]
        assert (record["about"], record["address"]) == (page.address, frame.address)
        assert [core["mapped"] for core in system.inspect()["cores"]] == [1, 1]
