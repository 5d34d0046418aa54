"""The looks of the report's pages and drawings.

Guarantees: drawings are in plain colours (the
Okabe-Ito set) on a light panel; nothing is said by colour alone; nothing is fetched.
"""

from __future__ import annotations

_FONT = 'system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif'
_INK, _SOFT = "#1b1e23", "#5b626d"
LOOKS: dict[str, dict[str, str | float]] = {
    "drawing": {"font_family": _FONT},
    "ground": {"fill": "#fff"},
    "heading": {"fill": _INK, "font_size": 13.0, "font_weight": 600},
    "axis": {"fill": _SOFT, "font_size": 10.5},
    "part": {"fill": _INK, "font_size": 9.0},
    "box": {"fill": "#fff", "stroke": "#c9cdd3"},
    "box even": {"fill": "#f5f6f7", "stroke": "#c9cdd3"},
    "core": {"fill": "#fff", "stroke": _INK, "stroke_width": 0.8},
    "core barred": {
        "fill": "#fff", "stroke": _SOFT, "stroke_width": 0.8, "stroke_dasharray": "2 2",
    },
}  # fmt: skip
"""Of our own drawings: attributes by what an element is. No style sheet, as not all that open SVG
read one.
"""

_LIGHT = """
--ground:#fff;--ink:#1b1e23;--soft:#5b626d;--rule:#c9cdd3;--grid:#e7e9ec;--tint:#f5f6f7;
--link:#0072b2;--good:#00704f;--bad:#a63f00;
"""
_DARK = """
--ground:#14171b;--ink:#e6e8eb;--soft:#a0a7b1;--rule:#3d434b;--grid:#262b31;--tint:#1b1f24;
--link:#56b4e9;--good:#3fc79b;--bad:#f0913a;
"""
_COLOURS = f"""
:root{{--sans:{_FONT};{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{{_LIGHT}}}}}
"""

PAGE_STYLE = (
    _COLOURS
    + """
*{box-sizing:border-box}
html{background:var(--ground);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:62rem;padding:2.2rem 1.1rem 4rem;line-height:1.5;font-size:1rem;
font-family:var(--sans);font-variant-numeric:tabular-nums;overflow-wrap:break-word}
h1,h2,h3{font-family:Charter,"Bitstream Charter","Iowan Old Style",Cambria,Georgia,"Noto Serif",
"DejaVu Serif",serif;line-height:1.2;font-weight:600;text-wrap:balance}
h1{font-size:1.9rem;margin:0 0 .3rem}
h2{font-size:1.4rem;margin:3rem 0 .9rem;padding-top:.8rem;border-top:1px solid var(--rule)}
h3{font-size:1.1rem;margin:1.9rem 0 .4rem}
figure>h3{font:600 .98rem/1.35 var(--sans);margin:0;grid-column:1/-1}
p{margin:.5rem 0;max-width:44rem}
header p{color:var(--soft);margin:.2rem 0}
a{color:var(--link)}
.lead{font-size:1.08rem;color:var(--ink)}
.answer{font-size:1.2rem;margin:1rem 0}
details>summary{cursor:pointer;color:var(--link)}
.quiet,figcaption,.note{color:var(--soft);font-size:.87rem;line-height:1.45}
.note{margin:.35rem 0}
section.machine>h2:first-child{border-top:2px solid var(--ink)}
ul{margin:.4rem 0 .9rem;padding:0;list-style:none;max-width:48rem}
li{margin:.42rem 0;padding-left:5.2rem;position:relative}
li>.tag{position:absolute;left:0;top:.14em}
li.plain{padding-left:1rem}
li.plain::before{content:"–";position:absolute;left:0;color:var(--soft)}
.tag{font-size:.76rem;letter-spacing:.02em;color:var(--soft);white-space:nowrap}
.tag.better{color:var(--good);font-weight:600}
.tag.worse{color:var(--bad);font-weight:600}
.codes{max-width:56rem}
.codes li{padding-left:0;display:grid;grid-template-columns:11.5rem minmax(0,1fr);gap:0 1rem}
.codes .tag{position:static;white-space:normal;padding-top:.2em}
.run{margin:2rem 0 0;font-weight:600;border-top:1px solid var(--grid);padding-top:.5rem}
figure{margin:1.3rem 0 1.8rem;display:grid;gap:.45rem 2rem;grid-template-columns:minmax(0,1fr)}
figure>.drawing{min-width:0;background:#fff;border-radius:.25rem;padding:.5rem}
figure svg{display:block;width:100%;height:auto;max-width:30rem}
figcaption{min-width:0}
.scroll{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.86rem;line-height:1.35;margin:.3rem 0 .6rem}
caption{text-align:left;font-weight:600;padding-bottom:.35rem}
thead th{border-top:1.5px solid var(--ink);
border-bottom:1px solid var(--ink);font-weight:600;vertical-align:bottom}
tbody tr:last-child>*{border-bottom:1.5px solid var(--ink)}
th,td{padding:.24rem .7rem .24rem 0;text-align:left;vertical-align:top}
th:last-child,td:last-child{padding-right:0}
tbody th{font-weight:400}
tbody tr+tr>*{border-top:1px solid var(--grid)}
tr.newsection>*{border-top:1px solid var(--rule)!important}
.number{text-align:right;white-space:nowrap}
thead .number{white-space:normal}
figcaption table,.paper-values table{font-size:.82rem;color:var(--ink)}
.facts th{color:var(--soft);white-space:nowrap;padding-right:1.2rem}
.facts td{overflow-wrap:anywhere}
.downloads{display:flex;flex-wrap:wrap;gap:.4rem 1.1rem}
footer{margin-top:3rem;border-top:1px solid var(--rule);padding-top:.6rem}
@media (min-width:54rem){figure{grid-template-columns:minmax(0,34rem) minmax(0,1fr)}
figure.wide{grid-template-columns:minmax(0,1fr)}}
@media (max-width:48rem){.series th,.series td{white-space:nowrap}}
@media (max-width:34rem){body{padding:1.2rem .8rem 3rem}h1{font-size:1.5rem}
li,.codes li{padding-left:0;display:block}
li>.tag{position:static;display:block}li.plain{padding-left:1rem}}
@media print{@page{margin:16mm 14mm}html{font-size:9.5pt}body{max-width:none;padding:0}
h2{margin-top:1.6rem}h2,h3{break-after:avoid}figure,tr,li{break-inside:avoid}
figure{grid-template-columns:minmax(0,10cm) minmax(0,1fr);gap:.15cm .6cm}.quiet{break-after:avoid}
figure.wide{grid-template-columns:minmax(0,1fr)}
.scroll{overflow:visible}.series{font-size:7pt}.series th,.series td{padding-right:.4rem}
section.machine+section.machine{break-before:page}.downloads{display:none}a{color:inherit;text-decoration:none}}
"""
)
