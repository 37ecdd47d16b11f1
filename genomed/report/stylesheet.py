"""The look of risk.html: one constant, whose digest the page's security policy names.

Light and dark come from the reader's system, print is always light. The hues of the coverage bars
(blue, pale blue, amber, grey) differ in lightness and texture as well, so they survive colour
blindness and a black-and-white printer.
"""

__all__ = ["CSS"]

CSS = """
:root{color-scheme:light dark;
--bg:#f7f7f4;--card:#fff;--ink:#1b2530;--soft:#566270;--line:#dfe2e4;--grid:#eceeef;
--accent:#1d5c96;--link:#1a5a94;--found:#2468a6;--proved:#8fc1e3;--filled:#e5a52b;--dot:#7a4f00;
--lost:#e4e6e8;--hatch:#a3abb3;--bar:#7ba7cd;--mark:#b0361e;--curve:#56626f;
--ok:#17694a;--ok-bg:#e2f2ea;--care:#7d5200;--care-bg:#fbf0d6;--bad:#a3231a;--bad-bg:#fbe6e3;
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,sans-serif;
--serif:Charter,"Bitstream Charter","Sitka Text",Cambria,"Source Serif 4",Georgia,serif;
--mono:ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
@media (prefers-color-scheme:dark){:root{
--bg:#12171c;--card:#1a2127;--ink:#e6eaed;--soft:#a2aeb9;--line:#323c45;--grid:#283139;
--accent:#8bbfe9;--link:#8ec3ee;--found:#4a90cf;--proved:#a9d3ef;--filled:#d99a25;--dot:#3b2600;
--lost:#2c353d;--hatch:#66727d;--bar:#41719c;--mark:#ff9478;--curve:#b5c0ca;
--ok:#7fd6ae;--ok-bg:#15352a;--care:#f1c56b;--care-bg:#3a2d0f;--bad:#ffa498;--bad-bg:#441d19}}
@media print{:root{color-scheme:light;
--bg:#fff;--card:#fff;--ink:#111;--soft:#444;--line:#ccc;--grid:#e6e6e6;
--accent:#1d5c96;--link:#1a4a7a;--found:#2468a6;--proved:#8fc1e3;--filled:#e5a52b;--dot:#7a4f00;
--lost:#e4e6e8;--hatch:#949ca4;--bar:#8db3d3;--mark:#a5301a;--curve:#444;
--ok:#17694a;--ok-bg:#e2f2ea;--care:#7d5200;--care-bg:#fbf0d6;--bad:#a3231a;--bad-bg:#fbe6e3}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:3.6rem;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 var(--sans);
font-variant-numeric:tabular-nums lining-nums;overflow-wrap:break-word}
main,.head,.foot{max-width:1120px;margin:0 auto;padding:0 24px}
h1,h2,h3{font-family:var(--serif);line-height:1.2;font-weight:600;margin:0;text-wrap:balance}
h1{font-size:2.05rem;letter-spacing:-.01em}
h2{font-size:1.45rem;margin:0 0 .3rem}
h3{font-size:1.2rem}
h4{font-size:.78rem;letter-spacing:.05em;text-transform:uppercase;color:var(--soft);
margin:0 0 .4rem;font-weight:600}
p{margin:.3rem 0 .7rem;max-width:76ch}
a{color:var(--link);text-underline-offset:.15em;text-decoration-thickness:1px}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:3px}
.skip{position:absolute;left:-999px}.skip:focus{left:16px;top:8px;background:var(--card);
padding:.5rem 1rem;z-index:9}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
white-space:nowrap}
.defs{position:absolute}
.head{padding-top:34px;padding-bottom:16px}
.eyebrow{color:var(--accent);font-size:.8rem;font-weight:600;letter-spacing:.07em;
text-transform:uppercase;margin:0 0 .35rem}
.lead{font-size:1.06rem;color:var(--soft);margin:.5rem 0 0}
.nav{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line)}
.nav ul{list-style:none;display:flex;flex-wrap:nowrap;overflow-x:auto;gap:1.5rem;margin:0 auto;
padding:0 24px;max-width:1120px;white-space:nowrap}
.nav a{display:block;padding:.65rem 0;text-decoration:none;color:var(--soft);font-weight:500}
.nav a:hover{color:var(--ink)}
section{margin:34px 0 0}
.muted,.note{color:var(--soft)}
.note{font-size:.9rem}
bdi{overflow-wrap:anywhere}
code,.command{font-family:var(--mono);font-size:.86em}
.command{display:block;background:var(--lost);border-radius:6px;padding:.6rem .8rem;
white-space:pre-wrap;overflow-wrap:anywhere}
.warn{list-style:none;margin:18px 0 0;padding:0}
.warn li{border-left:4px solid var(--filled);background:var(--care-bg);padding:.55rem .9rem;
margin:0 0 .4rem;border-radius:0 6px 6px 0}
.verdicts{list-style:none;padding:0;margin:.9rem 0 0;display:grid;gap:8px}
.verdicts li{display:grid;grid-template-columns:9.6rem minmax(9rem,17rem) 1fr;gap:4px 18px;
align-items:baseline;background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:.75rem 1rem}
.verdicts p{margin:0}
.who{display:block;font-weight:600}.who+span{color:var(--soft);font-size:.92rem}
.pill{display:inline-block;border-radius:99px;padding:.1rem .7rem .14rem;font-weight:600;
font-size:.85rem;white-space:nowrap}
.usable{color:var(--ok);background:var(--ok-bg)}
.care,.part{color:var(--care);background:var(--care-bg)}
.none{color:var(--bad);background:var(--bad-bg)}
.chip{display:inline-block;border:1px solid var(--line);border-radius:5px;padding:0 .4rem;
font-size:.8rem;margin:0 .25rem .15rem 0;color:var(--soft);overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:22px 24px 20px;
margin:18px 0 0}
.card>header{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;margin-bottom:10px}
.card>header p{margin:0;color:var(--soft);flex:1 1 12rem;max-width:none}
.two{display:grid;grid-template-columns:minmax(0,1fr) 17rem;gap:20px 32px;align-items:start}
.half{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.35fr);gap:20px 32px;
margin-top:20px;align-items:start}
figure{margin:0}figcaption{color:var(--soft);font-size:.86rem;max-width:76ch}
.plot{display:block;width:100%;height:auto;min-width:420px}
.sheet{overflow-x:auto}
.facts{display:grid;grid-template-columns:auto 1fr;gap:.28rem 1rem;margin:0}
.facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right;font-weight:600}
.facts.keys{margin-top:.4rem;gap:0}
.facts.keys>*{border-bottom:1px solid var(--line);padding:.3rem 0}
.facts.keys dd{padding-left:1rem;white-space:nowrap}
.facts small{display:block;font-weight:400;color:var(--soft);font-size:.82rem}
.facts.wide{grid-template-columns:10.5rem 1fr}
.facts.wide dd{text-align:left;font-weight:400}
.t{font:12px var(--sans);fill:var(--soft);font-variant-numeric:tabular-nums}
.m{text-anchor:middle}.e{text-anchor:end}.strong{fill:var(--ink);font-weight:600}
.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round;fill:var(--ink)}
.grid{stroke:var(--grid);fill:none}.ax{stroke:var(--soft);fill:none}
.bar{fill:var(--bar)}.bar:hover{fill:var(--found)}
.normal{fill:none;stroke:var(--curve);stroke-width:1.6}
.mean{stroke:var(--ink);stroke-dasharray:4 3;fill:none}
.sd{stroke:var(--ink);stroke-width:4;fill:none}
.dots{fill:none;stroke-width:4;stroke-linecap:round}.ours{stroke:var(--ink);stroke-width:2.4}
.cross{fill:none;stroke:var(--mark);stroke-width:1.6}
.q0{stroke:#9cc3e6}.q1{stroke:#f3c178}.q2{stroke:#a5d6a7}.q3{stroke:#e6a5a0}.q4{stroke:#c7b2de}
.q5{stroke:#d9c9a3}.q6{stroke:#9fd4d1}.q7{stroke:#c5cad0}
.mark{stroke:var(--mark);fill:var(--mark);stroke-width:1}
.shares{display:block;border-radius:5px;overflow:hidden;background:var(--lost)}
.s{stroke:var(--card);stroke-width:1}
.found{fill:var(--found)}.proved{fill:var(--proved)}.filled{fill:url(#p-filled)}
.lost{fill:url(#p-lost)}.p-filled{fill:var(--filled)}.p-dot{fill:var(--dot)}
.p-lost{fill:var(--lost)}.p-line{fill:var(--hatch)}
.bars{display:grid;grid-template-columns:auto 1fr auto;gap:8px 14px;align-items:center;
margin:2px 0 8px}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;margin:0;
font-size:.86rem;color:var(--soft)}
.key svg{vertical-align:-1px;margin-right:.35rem;border-radius:2px}
.small{vertical-align:middle;margin-left:.5rem}.track{fill:var(--lost)}.fill{fill:var(--found)}
.scroll{overflow-x:auto;margin:.2rem 0 0}
table{border-collapse:collapse;width:100%;font-size:.9rem}
table.narrow{width:auto;min-width:min(100%,36rem)}
th,td{text-align:left;padding:.34rem 1.1rem .34rem 0;border-bottom:1px solid var(--line);
vertical-align:top;font-weight:400}
thead th{color:var(--soft);font-size:.8rem;font-weight:600;vertical-align:bottom;white-space:nowrap}
.whole{white-space:nowrap}
tbody th{font-weight:500}
.n{text-align:right;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
tbody tr:hover{background:var(--grid)}
tfoot td,tfoot th{border-bottom:0;font-weight:600}
.block{margin:22px 0 0}
.foot{padding-top:26px;padding-bottom:48px;color:var(--soft);font-size:.88rem}
@media screen and (max-width:820px){.two,.half{grid-template-columns:minmax(0,1fr)}
.verdicts li{grid-template-columns:minmax(0,1fr)}
.bars{grid-template-columns:1fr;gap:3px}
.facts.wide{grid-template-columns:1fr;gap:0}.facts.wide dd{margin-bottom:.5rem}
main,.head,.foot,.nav ul{padding-left:16px;padding-right:16px}.card{padding:16px}
tbody th{min-width:7.5rem}th.n{min-width:0}}
@media print{@page{margin:16mm 14mm}html{font-size:12px}body{font-size:12px}
table{font-size:.86em}.note{font-size:.95em}.two{grid-template-columns:minmax(0,1fr) 17rem;gap:12pt}
.half{gap:12pt 16pt}.plot{min-width:0}th,td{padding-right:.6rem}
.verdicts li{grid-template-columns:8.2rem 10rem 1fr}
.nav,.skip{display:none}
.card,.verdicts li,.block,figure{break-inside:avoid}.card{border:0;border-top:1.5pt solid #333;
border-radius:0;padding:12pt 0 0}.scroll,.sheet{overflow:visible}h2,h3,h4{break-after:avoid}
tr{break-inside:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
a{text-decoration:none}section{margin-top:20pt}main,.head,.foot{max-width:none;padding:0}}
"""
