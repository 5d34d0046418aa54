"""The report's looks: one style sheet for drawings, one for pages.

Guarantees: colours differ for people who see few of them (the Okabe-Ito set, lightened on dark
ground), and nothing is said by colour alone; light, dark and print come from the same classes; no
font, image or sheet is fetched from anywhere.
"""

_LIGHT = """
--ground:#fff;--ink:#1b1e23;--soft:#5b626d;--rule:#c9cdd3;--grid:#e7e9ec;--tint:#f5f6f7;
--multikernel:#0072b2;--shared:#d55e00;--linux:#8f4f76;--raw:#6f7680;--good:#00704f;--bad:#a63f00;
--c0:#0072b2;--c1:#d55e00;--c2:#00835d;--c3:#a8527f;--c4:#9a7200;--c5:#2a94cf;--c6:#50565f;
"""
_DARK = """
--ground:#14171b;--ink:#e6e8eb;--soft:#a0a7b1;--rule:#3d434b;--grid:#262b31;--tint:#1b1f24;
--multikernel:#56b4e9;--shared:#f0913a;--linux:#d99bc0;--raw:#98a0ab;--good:#3fc79b;--bad:#f0913a;
--c0:#56b4e9;--c1:#f0913a;--c2:#3fc79b;--c3:#e19cc4;--c4:#e3c341;--c5:#3f8fd0;--c6:#aab1bb;
"""

_COLOURS = f"""
:root{{{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{{_LIGHT}}}}}
"""

_MARKS = "".join(
    f".{name}{{fill:var(--{name});stroke:var(--{name});color:var(--{name})}}"
    for name in ("multikernel", "shared", "linux", "raw", "c0", "c1", "c2", "c3", "c4", "c5", "c6")
)

FIGURE_STYLE = f"""{_COLOURS}
svg.figure{{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums}}
.figure .ground{{fill:var(--ground)}}
.figure text{{fill:var(--ink);font-size:12px;
stroke:var(--ground);stroke-width:3px;stroke-linejoin:round;
paint-order:stroke}}
.figure text.heading{{font-size:13px;font-weight:600}}
.figure text.group{{font-size:12px;font-weight:600}}
.figure text.axis,.figure text.soft{{fill:var(--soft);font-size:10.5px}}
.figure .grid{{stroke:var(--grid);stroke-width:1}}
.figure .base{{stroke:var(--rule);stroke-width:1}}
.figure .mark{{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:4 3;fill:none}}
.figure .whisker{{stroke:var(--ink);stroke-width:1.3;fill:none}}
.figure .paper{{fill:var(--ground);stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 2}}
.figure .paper-point{{fill:var(--ground);stroke:var(--soft);stroke-width:1.3}}
.figure .paper-line{{fill:none;stroke:var(--soft);stroke-width:1.2;stroke-dasharray:3 3}}
{_MARKS}
.figure .bar{{stroke:none}}
.figure .bar.control{{fill-opacity:.45}}
.figure .joint{{fill:none;stroke-width:1.6}}
.figure .point{{stroke-width:1.4}}
.figure .hollow{{fill:var(--ground)}}
.figure .cell{{stroke:var(--ground);stroke-width:.6}}
.figure text.cell-dark{{fill:#fff;font-size:9px;stroke:none}}
.figure text.cell-light{{fill:#10202e;font-size:9px;stroke:none}}
.figure .box{{fill:var(--ground);stroke:var(--rule);stroke-width:1}}
.figure .box.even{{fill:var(--tint)}}
.figure .core{{fill:var(--ground);stroke:var(--ink);stroke-width:.8}}
.figure .core.barred{{stroke:var(--soft);stroke-dasharray:2 2}}
.figure text.part{{font-size:9px;stroke:none}}
.figure .void{{fill:var(--tint);stroke:var(--ground);stroke-width:.6}}
"""

PAGE_STYLE = """
*{box-sizing:border-box}
html{background:var(--ground);color:var(--ink);-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:62rem;padding:2.2rem 1.1rem 4rem;line-height:1.5;font-size:1rem;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:break-word}
h1,h2,h3{font-family:Charter,"Bitstream Charter","Iowan Old Style",Cambria,
Georgia,"Noto Serif","DejaVu Serif",serif;
line-height:1.2;font-weight:600;text-wrap:balance}
h1{font-size:1.9rem;margin:0 0 .3rem}
h2{font-size:1.4rem;margin:3rem 0 .9rem;padding-top:.8rem;border-top:1px solid var(--rule)}
h3{font-size:1.1rem;margin:1.9rem 0 .4rem}
figure>h3{font:600 .98rem/1.35 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"DejaVu Sans",sans-serif;
margin:0;grid-column:1/-1}
p{margin:.5rem 0;max-width:44rem}
header p{color:var(--soft);margin:.2rem 0}
a{color:var(--multikernel);fill:none;stroke:none}
.lead{font-size:1.08rem;color:var(--ink)}
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
figure>.drawing{min-width:0}
figure svg{display:block;width:100%;height:auto;max-width:34rem}
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
