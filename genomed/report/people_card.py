"""The card that a row of the table of people opens: its script and its look.

The script writes text, never markup, so a name or a variant that pretends to be markup stays text.
"""

__all__ = ["CARD_CSS", "CARD_SCRIPT"]

CARD_CSS = """
.person{display:grid;gap:14px;grid-template-columns:repeat(2,minmax(0,1fr))}
.person>.wide,.person>.note{grid-column:1/-1}.one:not(.wide) .sides{grid-template-columns:none}
.person .one{background:var(--card);border:1px solid var(--line);border-radius:10px;
padding:12px 16px 14px}
.person .who{margin-bottom:.5rem}.person .who span{font-weight:400;color:var(--soft)}
.person .sides{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1.1fr);gap:10px 30px}
.person .facts{margin-top:.3rem;gap:.1rem 1rem}.person .facts dd{text-align:left;font-weight:500}
.person svg.scale{display:block;width:100%;max-width:420px;height:auto}
.person h5{font-size:.8rem;font-weight:600;color:var(--soft);margin:0 0 .3rem}
.moves{list-style:none;margin:0;padding:0;display:grid;gap:3px;font-size:.88rem}
.moves li{display:grid;grid-template-columns:minmax(6rem,1fr) 9rem 5.4rem;gap:8px;
align-items:center}
.moves b{font-weight:500;text-align:right;white-space:nowrap}
.moves svg{display:block;width:100%;height:14px}
.moves bdi{overflow-wrap:anywhere}
#people-table td{max-width:24rem}#people-table tr.more>td{max-width:none}
#people-table tbody tr:not(.more)>td:last-child{min-width:7rem}
#people-table tbody th{white-space:nowrap}
@media screen and (max-width:820px){.person{grid-template-columns:minmax(0,1fr);
position:sticky;left:.8rem;width:calc(100vw - 7rem)}tr.more>td{padding:.6rem .8rem}
.person .sides{grid-template-columns:minmax(0,1fr)}
.moves li{grid-template-columns:minmax(5rem,1fr) 4rem 5.2rem}}
"""

CARD_SCRIPT = """
genomed.details.person=function(card,box){
var make=genomed.make,NS="http://www.w3.org/2000/svg";
var all=genomed.people||(genomed.people=JSON.parse(
document.getElementById("people-context").textContent));
function draw(parent,tag,facts,text){var e=document.createElementNS(NS,tag),k;
for(k in facts)e.setAttribute(k,facts[k]);if(text)e.textContent=text;
parent.appendChild(e);return e;}
function share(x){return x>0&&x<.5?"<0.1%":x>999.4&&x<1000?">99.9%":
(x/10).toFixed(x%1000?1:0)+"%";}
function percentile(x){return x>=999.5?">99.9":x<.5?"<0.1":(x/10).toFixed(1);}
function scale(p,among){var s=document.createElementNS(NS,"svg"),x=function(v){return 12+v*.396;};
s.setAttribute("viewBox","0 0 420 52");s.setAttribute("class","scale");
s.setAttribute("role","img");s.setAttribute("aria-label","Percentile "+percentile(p)+" of 100");
draw(s,"rect",{x:12,y:20,width:396,height:10,rx:5,"class":"track"});
draw(s,"rect",{x:x(250),y:20,width:198,height:10,"class":"band"});
if(among!==null&&among!==undefined)draw(s,"circle",{cx:x(among),cy:25,r:5,"class":"knot"});
draw(s,"path",{d:"M"+x(p)+" 32v-14l-5 -9h10l-5 9","class":"here tail"});
[0,25,50,75,100].forEach(function(v){draw(s,"text",{x:x(v*10),y:47,"class":"t m"},String(v));});
return s;}
function facts(pairs){var list=make("dl",null,"facts");pairs.forEach(function(p){
if(p[1]===null||p[1]===undefined||p[1]==="")return;
list.appendChild(make("dt",p[0]));list.appendChild(make("dd",p[1]));});return list;}
function moves(flat){var list=make("ul",null,"moves"),most=0,i;
for(i=1;i<flat.length;i+=2)most=Math.max(most,Math.abs(flat[i]));
for(i=0;i<flat.length;i+=2){var size=flat[i+1],li=make("li"),half=50*Math.abs(size)/(most||1);
li.appendChild(make("bdi",all.terms[flat[i]]));
var s=document.createElementNS(NS,"svg");s.setAttribute("viewBox","0 0 100 14");
s.setAttribute("preserveAspectRatio","none");s.setAttribute("aria-hidden","true");
draw(s,"rect",{x:size<0?50-half:50,y:2,width:Math.max(half,.5),height:10,
"class":size<0?"down":"up"});draw(s,"path",{d:"M50 0v14","class":"zero"});li.appendChild(s);
li.appendChild(make("b",(size>0?"+":"")+size+(size<0?" \\u25bc":" \\u25b2")));list.appendChild(li);}
return list;}
var frame=make("div",null,"person");box.appendChild(frame);box=frame;
all.models.forEach(function(model,k){var c=card[k+1];if(!c)return;
var moved=c[6]&&c[6].length,one=make("div",null,moved?"one wide":"one");
var who=make("p",null,"who"),link=make("a",model.name);
link.href=model.link;who.appendChild(link);
if(model.trait&&model.trait!==model.name)who.appendChild(make("span"," "+model.trait));
one.appendChild(who);var sides=make("div",null,"sides"),left=make("div"),right=make("div");
if(c[0]!==null&&c[0]!==undefined)left.appendChild(scale(c[0],c[1]));
else left.appendChild(make("p","No score: too little of the model was called.","muted"));
var age=c[8];
left.appendChild(facts([
[model.unit.charAt(0).toUpperCase()+model.unit.slice(1),c[2]],
[model.interval.charAt(0).toUpperCase()+model.interval.slice(1),c[3]],
["Percentile here",c[0]===null||c[0]===undefined?null:percentile(c[0])+" of "+
model.scored.toLocaleString("en")+" people"],
["Among the like",c[1]===null||c[1]===undefined?null:percentile(c[1])+
" (reference people of the most similar population)"],
["By age "+(age?age[0]:""),age?age[1]+" (everybody: "+age[2]+")":null],
["Weight covered",c[4]===null||c[4]===undefined?null:share(c[4])],
["Filled in",c[5]?share(c[5]):null],
["Accuracy",c[7]===null||c[7]===undefined?null:all.terms[c[7]]]]));
if(moved){right.appendChild(make("h5","What moved it most"));
right.appendChild(moves(c[6]));
right.appendChild(make("p","Against the mean of those learned from; = copies of ALT, or the level "+
"of a covariate.","note"));}
sides.appendChild(left);sides.appendChild(right);one.appendChild(sides);box.appendChild(one);});
var rate=all.quality[card[0]];
if(rate)box.appendChild(make("p","Calls at "+share(rate*1000)+" of the variants that qc counts.",
"note"));
};
"""
