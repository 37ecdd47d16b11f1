"""The look of a report beyond that of the other pages: tiles, grids, flows, and a theme by choice.

Colours are those of genomed.report.stylesheet. A reader's choice of light or dark is an attribute
of the root, which wins over the system's; print is light whatever was chosen.
"""

from __future__ import annotations

from genomed.report.stylesheet import CSS

__all__ = ["RUN_CSS"]


def _variables(rule: str) -> str:
    """The declarations of a rule of the stylesheet, up to its first closing brace."""
    return CSS.partition(rule)[2].partition("}")[0]


_LIGHT = _variables("\n:root{")
_DARK = _variables("@media (prefers-color-scheme:dark){:root{")
# Eight hues that people of any colour vision tell apart, and that stand out from both cards: after
# Okabe and Ito (2008), darkened or lightened. Marks differ in shape as well.
_HUES_LIGHT = (
    "--h0:#0b62a4;--h1:#c25400;--h2:#00795a;--h3:#a8497f;--h4:#6b5b00;--h5:#2f8fc9;--h6:#7a3db8;"
    "--h7:#5b6670;"
)
_HUES_DARK = (
    "--h0:#6fb4ec;--h1:#f29a4a;--h2:#43c79f;--h3:#e391bf;--h4:#d8c64a;--h5:#a8dcff;--h6:#bd96f0;"
    "--h7:#a3afb9;"
)

THEME_CSS = (
    f":root{{{_HUES_LIGHT}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_HUES_DARK}}}}}"
    f"@media print{{:root{{{_HUES_LIGHT}}}}}"
    f"@media screen{{:root[data-theme=light]{{color-scheme:light;{_LIGHT};{_HUES_LIGHT}}}"
    f":root[data-theme=dark]{{color-scheme:dark;{_DARK};{_HUES_DARK}}}}}"
)

RUN_CSS = (
    CSS
    + THEME_CSS
    + """
.top{display:flex;justify-content:space-between;align-items:flex-start;gap:1rem}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:7px;
padding:.22rem .7rem;cursor:pointer}
button:hover:not(:disabled){border-color:var(--accent)}button:disabled{opacity:.55;cursor:default}
.theme{font-size:.85rem;color:var(--soft);white-space:nowrap;background:var(--card)}
.theme[hidden]{display:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:12px;
margin:1rem 0 0;padding:0;list-style:none}
.tiles li{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:.8rem 1rem .75rem}
.tiles b{display:block;font:600 1.55rem/1.15 var(--serif);letter-spacing:-.01em}
.tiles span{color:var(--soft);font-size:.88rem;display:block}
.tiles a{color:inherit}
section{margin-top:46px}
section>h2{padding-bottom:.35rem;border-bottom:2px solid var(--line);margin-bottom:.8rem}
.run{margin:26px 0 0}.run>h3{margin-bottom:.2rem}
.run>h3 small{font:400 .85rem var(--sans);color:var(--soft);margin-left:.5rem}
.told{color:var(--soft);background:var(--lost)}
.verdicts.few li{grid-template-columns:9.6rem minmax(9rem,15rem) 1fr}
.source{font-size:.8rem;color:var(--soft);margin:.45rem 0 0;max-width:none}
.source code,.file code{font-size:.95em}
a.from{color:inherit;text-decoration:underline dotted var(--hatch) 1px}
a.from:hover{color:var(--link);text-decoration-style:solid}
.figures{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:18px;margin:16px 0 0;
grid-auto-flow:dense}
.figures figcaption{margin-top:.3rem}.figures .key{margin-top:.35rem}
.figures>.card{margin:0}.figures>.wide{grid-column:1/-1}
.card>h4{margin-bottom:.6rem}
.card .plot{min-width:360px}
.long{margin:.6rem 0 0;min-width:0}
.tools{display:flex;flex-wrap:wrap;gap:.5rem .8rem;align-items:center;margin:0 0 .5rem;
font-size:.88rem;color:var(--soft)}
.tools input{font:inherit;color:var(--ink);background:var(--bg);border:1px solid var(--hatch);
border-radius:7px;padding:.22rem .6rem;width:13rem;max-width:60vw}
.tools .status{margin-left:auto}
.sort{border:0;padding:0;font-weight:600;border-radius:2px;text-align:inherit}
.sort:hover{color:var(--ink)}
th[aria-sort=ascending] .sort::after{content:" ▲";font-size:.75em}
th[aria-sort=descending] .sort::after{content:" ▼";font-size:.75em}
.open{border:0;padding:0;text-align:left;font-weight:inherit}
.open::before{content:"▸ ";color:var(--soft)}.open[aria-expanded=true]::before{content:"▾ "}
.open:hover{color:var(--link)}
tr.more>td{background:var(--bg);padding:.8rem 1rem}
tr.more:hover>td{background:var(--bg)}
.h0{--c:var(--h0)}.h1{--c:var(--h1)}.h2{--c:var(--h2)}.h3{--c:var(--h3)}.h4{--c:var(--h4)}
.h5{--c:var(--h5)}.h6{--c:var(--h6)}.h7{--c:var(--h7)}
.pt{fill:none;stroke:var(--c);stroke-width:1.5;stroke-linecap:round;stroke-linejoin:round}
.pt.full{stroke-width:6}.pt.many{stroke-width:1}.pt.full.many{stroke-width:3.6}.pt.odd{stroke:var(--mark);stroke-width:2}
.hb{fill:var(--bar)}.hb:hover{fill:var(--found)}.hb.bad{fill:var(--filled)}
.limit{stroke:var(--mark);stroke-dasharray:5 4;fill:none;stroke-width:1.4}
.link{fill:var(--bar);opacity:.42}.link:hover{opacity:.7}
.link.out{fill:var(--filled);opacity:.55}.link.out:hover{opacity:.85}
.node{fill:var(--found)}.node.out{fill:var(--filled)}
.nl{fill:var(--ink)}
.runline{stroke-width:2;fill:none;stroke:var(--c);stroke-linejoin:round}
.d1{stroke-dasharray:7 4}.d2{stroke-dasharray:2 3}.d3{stroke-dasharray:9 3 2 3}
.d4{stroke-dasharray:12 4}.d5{stroke-dasharray:4 2}
.d6{stroke-dasharray:1 3}.d7{stroke-dasharray:6 6}
details{margin:.7rem 0 0}summary{cursor:pointer;color:var(--link)}
details>*:not(summary){margin-top:.6rem}
.runs{display:grid;gap:8px;margin-top:.8rem}
.runs details{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.6rem 1rem}
.runs summary{color:var(--ink)}.runs summary b{font-weight:600}
.runs summary span{color:var(--soft);margin-left:.6rem}
.chapter{display:block;color:var(--soft);font-size:.85rem}
.warn .who{display:inline;margin-right:.5rem}
@media screen and (max-width:900px){.figures{grid-template-columns:minmax(0,1fr)}}
@media screen and (max-width:820px){.verdicts.few li{grid-template-columns:minmax(0,1fr)}
.tools .status{margin-left:0}}
@media print{.tools,.theme{display:none}.figures{gap:10pt}.figures>.card{border-top:1pt solid #999}
section{break-before:auto}details:not([open])>*:not(summary){display:none}
a.from{text-decoration:none}.open::before{content:""}.card .plot{min-width:0}}
"""
)
