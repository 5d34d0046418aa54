"""bench.peers: the run of our channels beside others, in its smallest size, and what it does with
those that fail.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from multikernel.errors import BadInput
from multikernel.machine.host.clock import tsc_rate

ROOT = Path(__file__).resolve().parents[2]
SHM = Path("/dev/shm")


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    monkeypatch.syspath_prepend(ROOT)
    names = ("peer", "run", "table", "stdlib")
    return {name: importlib.import_module(f"bench.peers.{name}") for name in names}


def two() -> tuple[int, int]:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("needs two CPUs")
    return allowed[0], allowed[1]


def left() -> set[str]:
    return {path.name for path in SHM.glob("mkpeers-*")}


def test_smoke() -> None:
    cpus = two()
    before = left()
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.peers", "--quick", "--rounds", "1", "--only",
            "ours,stdlib",
            "--cpus", f"{cpus[0]},{cpus[1]}", "--json", "-", "--markdown",
        ],
        cwd=ROOT, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["skipped"] == []
    rows = {row["key"]: row for row in document["rows"]}
    assert list(rows) == [
        "floor", "call-line", "epoch-ring", "used-ring", "python-call-line",
        "python-call-line-into", "python-ring",
        "python-ring-batches",
        "shared-memory", "os-pipe", "unix-socket", "mp-pipe", "mp-queue",
    ]  # fmt: skip
    assert rows["floor"]["over_floor"]["median"] == 1
    for key, row in rows.items():
        trip, rate = row["round_trip_ns"], row["million_messages_a_second"]
        assert (trip is None) == (key == "python-ring-batches")
        assert (rate is None) == (key in ("floor", "call-line"))
        for spread in filter(None, (trip, rate, row["over_floor"])):
            assert 0 < spread["min"] <= spread["median"] <= spread["max"]
            assert len(spread["rounds"]) == 1
        assert f"| {row['name']} |" in done.stderr
        # Lines that cross between two CPUs cost more than loads from the next cache, a message more
        # than a cycle.
        assert trip is None or trip["min"] >= tsc_rate().to_ns(20)
        assert rate is None or 1e3 / rate["max"] >= tsc_rate().to_ns(1)
    assert left() <= before


def fakes(peer: ModuleType) -> list[Any]:
    class Steady(peer.Peer):  # type: ignore[name-defined,misc]
        key, name, group = "floor", "the steady one", "fakes"

        def measure(self, place: Any, plan: Any) -> Any:
            return peer.Slice(100.0, 2e6)

    class Missing(Steady):
        key, name = "missing", "the missing one"
        requires, module = "no-such-distribution", "no_such_module_at_all"

    class Second(Steady):
        key, name, turns = "second", "the one that fails the second time", 0

        def measure(self, place: Any, plan: Any) -> Any:
            self.turns += 1
            if self.turns == 2:
                raise peer.Failed("had enough")
            return peer.Slice(250.0, None)

    class NotBegun(Steady):
        key, name = "not-begun", "the one that does not begin"

        def begin(self, place: Any) -> None:
            raise peer.Failed("no memory for it")

    return [Steady(), Missing(), Second(), NotBegun()]


def test_who_is_missing_or_fails_is_named(peers: dict[str, ModuleType]) -> None:
    run, table = peers["run"], peers["table"]
    document = run.run(fakes(peers["peer"]), (0, 1), 3, run.QUICK)
    assert [row["key"] for row in document["rows"]] == ["floor", "second"]
    assert document["rows"][1]["over_floor"]["rounds"] == [2.5]
    assert {one["key"]: (one["reason"], one["rounds_measured"]) for one in document["skipped"]} == {
        "missing": ("no-such-distribution is not installed", 0),
        "second": ("had enough", 1),
        "not-begun": ("no memory for it", 0),
    }
    for shown in (table.text(document), table.markdown(document)):
        assert "the missing one (missing): skipped, no-such-distribution is not installed" in shown
        assert "stopped after 1 rounds, had enough" in shown
    json.dumps(document)


@pytest.mark.sampled(one_in=2)
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("raises", "OSError: no luck"),
        ("dies", "its process ended: a last word"),
        ("hangs", "no answer within 1 s"),
        ("garbles", "Failed: what arrived is not what was sent"),
    ],
)
def test_a_process_that_fails_is_named(
    peers: dict[str, ModuleType],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    why: str,
) -> None:
    # Workers import the class, so it lies in a module of its own.
    (tmp_path / "broken_peer.py").write_text(
        "import os, sys, time\n"
        "from bench.peers.stdlib import OsPipe\n"
        "class Broken(OsPipe):\n"
        "    key = name = 'broken'\n"
        f"    how = {how!r}\n"
        "    def open(self, side, role):\n"
        "        if self.how == 'raises':\n"
        "            raise OSError('no luck')\n"
        "        if self.how == 'dies':\n"
        "            print('a last word', file=sys.stderr, flush=True)\n"
        "            os._exit(3)\n"
        "        end = super().open(side, role)\n"
        "        if self.how == 'hangs':\n"
        "            end.receive = lambda: time.sleep(1000)\n"
        "        if self.how == 'garbles':\n"
        "            end.content = lambda received: bytes(64)\n"
        "        return end\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_peer", raising=False)
    broken = importlib.import_module("broken_peer").Broken()
    plan = peers["peer"].Plan(seconds=0.01, most=1000, timeout=1.0 if how == "hangs" else 20.0)
    document = peers["run"].run([broken], two(), 2, plan)
    assert document["rows"] == []
    (skipped,) = document["skipped"]
    assert skipped["reason"].startswith(why)


def test_it_leaves_nothing_when_killed() -> None:
    cpus, before = two(), left()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.peers", "--only", "stdlib", "--rounds", "50", "--cpus",
        f"{cpus[0]},{cpus[1]}"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    # Once a worker has begun: the second turn is announced when the first has ended.
    for line in process.stderr:
        if "round 1" in line and left() - before:
            break
    process.kill()
    # The pipe ends when the last process that holds it has ended.
    process.stderr.read()
    process.wait()
    process.stderr.close()
    assert left() <= before


def test_what_cannot_be_is_refused_in_a_sentence(peers: dict[str, ModuleType]) -> None:
    run = peers["run"]
    with pytest.raises(BadInput, match=r"unknown peer: carrier-pigeon \(--only\); one of .*pyzmq"):
        run.selected(["carrier-pigeon"])
    with pytest.raises(BadInput, match="number of rounds: 0"):
        run.run([], (0, 1), 0, run.QUICK)
    one = sorted(os.sched_getaffinity(0))[0]
    program = (
        f"import os, runpy, sys; os.sched_setaffinity(0, {{{one}}}); "
        "sys.argv = ['peers']; runpy.run_module('bench.peers', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "between two CPUs, and this process may use only one" in done.stderr
    for wrong in ("0", "0,0"):
        two()
        with pytest.raises(BadInput):
            run.two_cpus(wrong)
