"""A replay's page: the steps of the run, each once and in order, over cores at their places."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from s6_cli.command import assert_one_line_and_code_2, run

import multikernel
from multikernel.native._native import INPUTS_TO_MONITORS, OPERATIONS_AGREED, TRACE
from multikernel.report.page import replay
from multikernel.timeline.steps import Step

VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """Balanced, with nothing fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.data = ""
        self.cores: list[int] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert not {"src", "srcset"} & given.keys()
        assert tag != "link" or given["href"] == "data:,"
        if "data-core" in given:
            self.cores.append(int(given["data-core"] or -1))
        if tag not in VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self.data = data


def data_of(text: str) -> tuple[dict[str, Any], list[int]]:
    page = Page(text)
    found: dict[str, Any] = json.loads(page.data)
    return found, page.cores


@pytest.mark.parametrize(
    "arguments",
    [("unmap",), ("map",), ("protect",), ("unmap", "--protocol", "one-phase"),
     ("unmap", "--machine", "8x4-amd", "--cores", "32", "--trees", "numa-aware")],
)  # fmt: skip
def test_a_page_has_a_run_that_took_place(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    file = tmp_path / "page.html"
    done = run("replay", *arguments, "-o", str(file))
    assert done.returncode == 0, done.stderr
    data, cores = data_of(file.read_text())
    assert "//" not in re.sub(r"^ *//.*$", "", file.read_text(), flags=re.MULTILINE)  # no address
    assert sorted(cores) == list(range(len(data["places"])))
    assert len({tuple(place) for place in data["places"]}) == len(cores)
    steps, states = data["steps"], data["states"]
    assert [step["sent"] for step in steps] == sorted(step["sent"] for step in steps)
    messages = [step for step in steps if step["kind"] == "message"]
    assert all(step["received"] >= step["sent"] for step in messages)
    assert len(states) == len(steps)
    assert len(messages) == len({(one["name"], one["sender"], one["receiver"]) for one in messages})
    assert set(states[-1]) == {2}  # decided everywhere in the end
    for before, after in pairwise(states):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    if "one-phase" not in arguments:
        # Nobody is told to commit before everybody has voted.
        names = [step["name"].partition(" ")[2] for step in messages]
        assert names.count("prepare") == names.count("vote") == len(cores) - 1
        last = max(at for at, name in enumerate(names) if name == "vote")
        tops = [at for at, step in enumerate(messages) if "commit" in step["name"]
                and step["sender"] == 0]  # fmt: skip
        assert last < min(tops) or "--trees" in arguments
    again = run("replay", *arguments, "-o", str(file))
    assert again.returncode == 2
    assert "--output" in again.stderr


def test_whatever_a_step_says_is_escaped() -> None:
    evil = "</script><script>alert(1)</script>"
    step = Step("message", "unmap prepare", 0, 1, 0.0, 1.0, evil)
    text = replay.page(replay.Replay("unmap", evil, {evil: [0], "package 1": [1]}, [step]))
    data, _ = data_of(text)
    assert data["steps"][0]["sentence"] == evil
    assert evil not in text


def test_what_is_watched_is_what_was_done() -> None:
    with multikernel.boot(cores=3, trace=True) as system:
        page = system.map(system.allocate(4096))
        with system.cores[1]._system.watching() as nothing:
            pass
        assert nothing == []
        with system.watching() as steps:
            system.unmap(page)
        assert [step.name for step in steps if step.kind != "message"] == ["unmap", "unmap done"]
    with (
        multikernel.boot(cores=2) as system,
        pytest.raises(multikernel.BadInput, match="trace"),
        system.watching(),
    ):
        pass


@pytest.mark.parametrize("machine", [{}, {"machine": "8x4-amd", "trees": "numa-aware"}])
def test_the_data_of_a_page_are_what_the_cores_kept(machine: dict[str, Any]) -> None:
    """Event by event, without the functions that find a message's two ends."""
    cores = 8 if machine else 3
    with multikernel.boot(cores, trace=True, **machine) as system:
        page = system.map(system.allocate(4096))
        with system.watching():  # everything of the mapping has arrived
            pass
        before = [one.count for one in system.traced(0).cores]
        with system.watching() as steps:
            system.unmap(page)
        traced = system.traced(0)
    kept = [
        (core, event)
        for core, (one, count) in enumerate(zip(traced.cores, before, strict=True))
        for event in one.events[count:]
    ]
    data, _ = data_of(
        replay.page(replay.Replay("unmap", "a machine", {"package 0": range(cores)}, steps))
    )
    shown = [step for step in data["steps"] if step["kind"] == "message"]
    came = {INPUTS_TO_MONITORS["message"], INPUTS_TO_MONITORS["reply"]}
    sent = sorted((int(event["time"]), core, int(event["peer"])) for core, event in kept
                  if event["kind"] == TRACE["sent"])  # fmt: skip
    received = sorted((int(event["time"]), int(event["peer"]), core) for core, event in kept
                      if event["kind"] == TRACE["began"] and event["what"] in came)  # fmt: skip
    [asked] = [int(event["time"]) for _, event in kept
               if event["kind"] == TRACE["began"] and event["what"] == INPUTS_TO_MONITORS["request"]
               and event["operation"] == OPERATIONS_AGREED["unmap"]]  # fmt: skip

    def microseconds(ends: list[tuple[int, int, int]]) -> list[tuple[float, int, int]]:
        return [(round((time - asked) / traced.hz * 1e6, 3), *ends) for time, *ends in ends]

    assert [(step["sent"], step["sender"], step["receiver"]) for step in shown] == microseconds(
        sent
    )
    assert sorted((step["received"], step["sender"], step["receiver"]) for step in shown) == sorted(
        microseconds(received)
    )
    assert len(sent) == 4 * (cores - 1)  # prepare, vote, commit, ack


def test_cores_stand_by_package_or_by_node_where_a_package_has_several(tmp_path: Path) -> None:
    for machine, groups in (("2x2", ["package 0", "package 1"]),
                            ("1 package, 2 nodes, 2 cores",
                             ["package 0, node 0", "package 0, node 1"])):  # fmt: skip
        file = tmp_path / f"{len(machine)}.html"
        assert run("replay", "--machine", machine, "-o", str(file)).returncode == 0
        assert re.findall(r">(package[^<]*)<", file.read_text()) == groups


def test_a_page_without_an_answer_is_not_whole() -> None:
    with multikernel.boot(4, machine="8x4-amd", trace=True) as system:
        page = system.map(system.allocate(4096))
        with system.watching() as steps:
            system.unmap(page)
    groups = {"package 0": range(4)}
    assert replay.whole(replay.Replay("unmap", "", groups, steps))
    for at, step in enumerate(steps):
        if step.kind != "asked":
            cut = steps[:at] + steps[at + 1 :]
            assert not replay.whole(replay.Replay("unmap", "", groups, cut)), step


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("unmpa",), ["unmpa", "did you mean unmap"]),
     (("wake",), ["wake", "unmap, map, protect"]),
     (("map", "--protocol", "one-phase"), ["one-phase", "--protocol", "map"]),
     (("--cores", "65"), ["65", "--cores", "64"]),
     (("--machine", "16x16"), ["256", "--cores", "64"]),
     (("--cores", "0"), ["0", "--cores"]),
     (("--machine", "8x4-amdd"), ["8x4-amdd", "--machine", "8x4-amd"]),
     (("--trees", "binry"), ["binry", "--trees", "binary"])],
)  # fmt: skip
def test_what_cannot_be_replayed_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], words: list[str]
) -> None:
    done = run("replay", *arguments, "-o", "page.html", cwd=tmp_path)
    assert_one_line_and_code_2(done, *words)
    assert not list(tmp_path.iterdir())


DOCUMENT = """
// As much of a document as the script asks for.
const cores = new Map(), made = new Map(), items = [];
const node = () => ({
  has: {}, classes: new Set(), textContent: "", offsetTop: 0, clientHeight: 0,
  setAttribute(name, value) { this.has[name] = value; },
  classList: null,
});
const named = name => { if (!made.has(name)) made.set(name, node()); return made.get(name); };
const page = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
named("data").textContent = JSON.stringify(page);
page.steps.forEach(() => {
  const item = node();
  item.classList = {toggle: (name, on) => on ? item.classes.add(name) : item.classes.delete(name)};
  items.push(item);
});
globalThis.document = {
  getElementById: named,
  querySelector(what) {
    const found = /^\\[data-core="(\\d+)"\\]$/.exec(what);
    if (!found) return named(what);
    if (!cores.has(found[1])) cores.set(found[1], node());
    return cores.get(found[1]);
  },
  querySelectorAll: () => items,
};
let tick = null;
globalThis.setInterval = function_ => { tick = function_; return 1; };
globalThis.clearInterval = () => { tick = null; };
"""
PRESSING = """
const seen = () => ({
  at: items.map((item, at) => item.classes.has("now") ? at : -1).filter(at => at >= 0),
  slider: Number(named("where").value), sentence: named("sentence").textContent,
  fills: page.places.map((_, core) => cores.get(String(core)).has.fill),
  arrow: named("arrow").has.visibility, path: named("arrow").has.d || "",
});
const all = [["start", seen()]];
const then = (what, press) => { press(); all.push([what, seen()]); };
const key = name => document.onkeydown({key: name, target: null});
for (let n = 0; n < page.steps.length + 1; n++) then("step", () => named("step").onclick());
then("back", () => named("back").onclick());
then("left", () => key("ArrowLeft"));
then("right", () => key("ArrowRight"));
then("slider", () => { named("where").value = "3"; named("where").oninput(); });
then("item", () => items[1].onclick());
then("play", () => named("play").onclick());
while (tick) then("tick", tick);
then("play again", () => named("play").onclick());
then("pause", () => named("play").onclick());
for (let n = 0; n < 2; n++) then("back", () => named("back").onclick());
process.stdout.write(JSON.stringify(all));
"""


def test_the_buttons_keys_and_slider_step_through_all_of_it(tmp_path: Path) -> None:
    """The script, run with what stands in for a document."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no interpreter of scripts here")
    with multikernel.boot(4, machine="8x4-amd", trace=True) as system:
        page = system.map(system.allocate(4096))
        with system.watching() as steps:
            system.unmap(page)
    data, _ = data_of(replay.page(replay.Replay("unmap", "", {"package 0": range(4)}, steps)))
    (tmp_path / "data.json").write_text(json.dumps(data))
    (tmp_path / "page.js").write_text(DOCUMENT + "{" + replay.SCRIPT + "}" + PRESSING)
    done = subprocess.run([node, tmp_path / "page.js", tmp_path / "data.json"], text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    last = len(steps) - 1
    expected = [*range(last + 1), last, last]  # a step behind the last one leads nowhere
    expected += [last - 1, last - 2, last - 1, 3, 1, 1]
    expected += [*range(2, last + 1), last, 0, 0, 0, 0]
    found = json.loads(done.stdout)
    assert [one["at"] for _, one in found] == [[at] for at in expected]
    for at, (what, one) in zip(expected, found, strict=True):
        assert one["slider"] == at, what
        assert steps[at].sentence in one["sentence"], what
        assert one["fills"] == [data["fills"][state] for state in data["states"][at]], what
        assert one["arrow"] == ("visible" if steps[at].kind == "message" else "hidden"), what
        assert "NaN" not in one["path"]
