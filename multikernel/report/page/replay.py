"""An operation of a traced system as one page to step through: the machine's cores at their places,
a message a step, what each core holds of the page, and a sentence.

Guarantees: every step is in the page once, in order, as data; without a script the list of steps
is still there to read. One file, with nothing fetched and no library; whatever stands in it is
escaped. Idea: the step-by-step animations of algorithm textbooks; the arrows of a sequence chart
over a floor plan.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multikernel.markup import Markup, element, joined
from multikernel.report.draw.looks import PAGE_STYLE
from multikernel.timeline.steps import Step

APART, RADIUS, MARGIN, GAP, BEND = 48.0, 14.0, 30.0, 30.0, 60.0
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
STATES = {
    "map": ("not mapped", "reserved", "mapped"),
    "unmap": ("mapped", "locked", "not mapped"),
    "protect": ("as before", "locked", "with its new rights"),
}
"""What a core holds of the page: before, once it has voted, once it is decided."""
Box = tuple[float, float, float]
"""Its left upper corner, and how wide and high it is."""
FILLS = ("#fff", "#f0c75e", "#7fc8e8")
STYLE = """
.stage{background:#fff;border-radius:.25rem;padding:.4rem;overflow-x:auto}
.stage svg{display:block;max-width:100%;height:auto}
.panel{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:.8rem 0}
.panel button{font:inherit;padding:.25rem .8rem}
.panel input{flex:1 1 12rem}
.sentence{min-height:3.2rem;font-size:1.12rem}
ol.steps{max-width:none;max-height:22rem;overflow-y:auto;position:relative}
ol.steps li{cursor:pointer;padding:.12rem .4rem}
ol.steps li.now{background:var(--tint);font-weight:600}
.key span{display:inline-block;width:.9rem;height:.9rem;border:1px solid #1b1e23;border-radius:50%;
margin:0 .3rem 0 .9rem;vertical-align:-.1rem}
"""
SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const at = number => document.querySelector('[data-core="' + number + '"]');
const slider = document.getElementById("where"), arrow = document.getElementById("arrow");
const word = document.getElementById("word"), steps = document.querySelector("ol.steps");
const list = [...document.querySelectorAll("ol.steps li")];
let now = 0, timer = null;
function show(number) {
  now = Math.max(0, Math.min(data.steps.length - 1, number));
  const step = data.steps[now];
  slider.value = now;
  document.getElementById("sentence").textContent = (now + 1) + " of " + data.steps.length + ", "
    + step.sent.toFixed(2) + " \\u00b5s: " + step.sentence;
  data.states[now].forEach((state, core) => at(core).setAttribute("fill", data.fills[state]));
  const from = data.places[step.sender], to = data.places[step.receiver];
  for (const one of [arrow, word])
    one.setAttribute("visibility", step.kind === "message" ? "visible" : "hidden");
  if (step.kind === "message") {
    // Bent, so that it passes by the cores between them.
    const x = to[0] - from[0], y = to[1] - from[1], r = data.radius;
    const much = Math.min(0.4, data.bend / (Math.hypot(x, y) || 1));
    const bend = [(from[0] + to[0]) / 2 + y * much, (from[1] + to[1]) / 2 - x * much];
    const edge = (place, away) => {
      const across = bend[0] - place[0], down = bend[1] - place[1];
      const long = Math.hypot(across, down) || 1;
      return [place[0] + across / long * away, place[1] + down / long * away];
    };
    arrow.setAttribute("d",
      "M" + edge(from, r) + " Q" + bend + " " + edge(to, r + 3));
    word.textContent = step.name;
    word.setAttribute("x", (from[0] + 2 * bend[0] + to[0]) / 4);
    word.setAttribute("y", (from[1] + 2 * bend[1] + to[1]) / 4 - 4);
  }
  data.places.forEach((_, core) => at(core).setAttribute("stroke-width",
    core === step.sender || core === step.receiver ? 3 : 1));
  list.forEach((item, number) => item.classList.toggle("now", number === now));
  steps.scrollTop = list[now].offsetTop - steps.clientHeight / 2;
}
function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
const play = document.getElementById("play");
play.onclick = () => {
  if (timer) return stop();
  if (now === data.steps.length - 1) show(0);
  play.textContent = "Pause";
  timer = setInterval(() => now === data.steps.length - 1 ? stop() : show(now + 1), 900);
};
document.getElementById("back").onclick = () => { stop(); show(now - 1); };
document.getElementById("step").onclick = () => { stop(); show(now + 1); };
slider.oninput = () => { stop(); show(Number(slider.value)); };
list.forEach((item, number) => item.onclick = () => { stop(); show(number); });
document.onkeydown = event => {
  if (event.target === slider) return;
  if (event.key === "ArrowRight") { stop(); show(now + 1); }
  if (event.key === "ArrowLeft") { stop(); show(now - 1); }
};
show(0);
"""


@dataclass(frozen=True, slots=True)
class Replay:
    """operation: map, unmap or protect; machine: in words; groups: the cores of each package, or of
    each of its memory nodes, by what it is called; simulated: in virtual time; note: what must be
    known, or "".
    """

    operation: str
    machine: str
    groups: Mapping[str, Sequence[int]]
    steps: Sequence[Step]
    simulated: bool = False
    note: str = ""

    @property
    def cores(self) -> int:
        return sum(map(len, self.groups.values()))


def states(replay: Replay) -> list[list[int]]:
    """By step what each core holds: an index into STATES."""
    holds, found = [0] * replay.cores, []
    for step in replay.steps:
        phase = step.name.partition(" ")[2]
        both = (step.sender, step.receiver)
        for core in both if step.kind == "message" else ():
            if phase == "prepare":
                holds[core] = max(holds[core], 1)
            elif phase in ("commit", "apply"):
                holds[core] = 2
            elif phase == "abort":
                holds[core] = 0
        if step.kind == "done" and step.sentence.endswith(": ok"):
            holds[step.sender] = 2
        found.append(list(holds))
    return found


def whole(replay: Replay) -> bool:
    """Whether the operation was answered, and every message that is answered has its answer."""
    requests = sum(
        step.kind == "message" and step.name.endswith(("prepare", "commit", "abort", "apply"))
        for step in replay.steps
    )
    messages = sum(step.kind == "message" for step in replay.steps)
    done = sum(step.kind == "done" for step in replay.steps)
    return messages == 2 * requests and done == 1


def places(replay: Replay) -> tuple[dict[int, tuple[float, float]], list[Box]]:
    """By core where it stands; and each group's box."""
    groups = list(replay.groups.values())
    side = max(1, math.ceil(math.sqrt(max(map(len, groups)))))
    columns = max(1, math.ceil(math.sqrt(len(groups))))
    box = side * APART + 12
    at, boxes = {}, list[Box]()
    for number, cores in enumerate(groups):
        x = MARGIN + number % columns * (box + GAP)
        y = MARGIN + number // columns * (box + GAP)
        boxes.append((x, y, box))
        for place, core in enumerate(cores):
            at[core] = (
                x + 6 + APART * (place % side + 0.5), y + 6 + APART * (place // side + 0.5)
            )  # fmt: skip
    return at, boxes


def page(replay: Replay) -> str:
    """The whole file."""
    title = f"{replay.operation} on {replay.cores} cores, message by message"
    simulated = " Simulated: the times are those of a model." if replay.simulated else ""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"/>'),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        Markup(f"<style>{PAGE_STYLE}{STYLE}</style>"),
    )
    listed = joined(element("li", str(step)) for step in replay.steps)
    key = joined(
        joined((Markup(f'<span style="background:{fill}"></span>'), state))
        for fill, state in zip(FILLS, STATES[replay.operation], strict=True)
    )
    body = element(
        "body",
        element("header", element("h1", title), element("p", replay.machine + "." + simulated)),
        element("p", replay.note) if replay.note else Markup(),
        element("div", _stage(replay), class_="stage"),
        element("p", "A core's page:", key, class_="key"),
        element("p", "", id="sentence", class_="sentence", aria_live="polite"),
        element(
            "div",
            element("button", "Back", id="back", type="button"),
            element("button", "Step", id="step", type="button"),
            element("button", "Play", id="play", type="button"),
            Markup(
                f'<input id="where" type="range" min="0" max="{len(replay.steps) - 1}" value="0"'
                ' aria-label="step"/>'
            ),
            class_="panel",
        ),
        element("p", "Left and right arrow keys step, too.", class_="quiet"),
        element("noscript", element("p", "Without JavaScript: all steps, to be read in order.")),
        element("ol", listed, class_="steps"),
        Markup(f'<script type="application/json" id="data">{_data(replay)}</script>'),
        Markup(f"<script>{SCRIPT}</script>"),
    )
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _data(replay: Replay) -> str:
    at, _ = places(replay)
    data = {
        "steps": [
            {
                "kind": step.kind, "name": step.name, "sender": step.sender,
                "receiver": step.receiver, "sent": round(step.sent, 3),
                "received": round(step.received, 3), "sentence": step.sentence,
            }
            for step in replay.steps
        ],
        "states": states(replay),
        "places": [at[core] for core in range(replay.cores)],
        "fills": FILLS,
        "radius": RADIUS,
        "bend": BEND,
    }  # fmt: skip
    return json.dumps(data).replace("<", "\\u003c")


def _stage(replay: Replay) -> Markup:
    at, boxes = places(replay)
    drawn: list[Markup] = []
    for label, (x, y, side) in zip(replay.groups, boxes, strict=True):
        drawn.append(
            element("rect", x=x, y=y, width=side, height=side, rx=6, fill="#f5f6f7",
                    stroke="#c9cdd3")
        )  # fmt: skip
        drawn.append(element("text", label, x=x + 2, y=y - 5, font_size=11, fill="#5b626d"))
    for core, (x, y) in sorted(at.items()):
        drawn.append(
            element("circle", cx=x, cy=y, r=RADIUS, fill="#fff", stroke="#1b1e23", data_core=core)
        )
        drawn.append(
            element("text", str(core), x=x, y=y + 4, font_size=11, text_anchor="middle",
                    fill="#1b1e23")
        )  # fmt: skip
    head = element(
        "marker", element("path", d="M0 0 L8 4 L0 8 z", fill="#d55e00"), id="head",
        viewBox="0 0 8 8", refX=7, refY=4, markerWidth=7, markerHeight=7, orient="auto",
    )  # fmt: skip
    arrow = element(
        "path", id="arrow", fill="none", stroke="#d55e00", stroke_width=2.5,
        marker_end="url(#head)", visibility="hidden",
    )  # fmt: skip
    # What is drawn last lies on top; the word has an edge of the ground's colour.
    word = element(
        "text", "", id="word", font_size=11, text_anchor="middle", fill="#9a4400", stroke="#fff",
        stroke_width=3, paint_order="stroke", visibility="hidden",
    )  # fmt: skip
    width = max(x + side for x, _, side in boxes) + MARGIN
    height = max(y + side for _, y, side in boxes) + MARGIN
    return element(
        "svg", element("defs", head), *drawn, arrow, word, viewBox=f"0 0 {width:g} {height:g}",
        width=width, height=height, role="img", aria_label="the machine's cores",
        style="font-family:sans-serif",
    )  # fmt: skip
