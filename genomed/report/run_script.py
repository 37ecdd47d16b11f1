"""The script of a report: tables that are searched, sorted and paged, and light or dark by choice.

The page is whole without it. It writes text only, never markup, so what stands in a table stays
text. Other modules add functions to ``genomed.details``, which show more of one row of a table.
"""

__all__ = ["SCRIPT_AFTER", "SCRIPT_BEFORE"]

SCRIPT_BEFORE = """
"use strict";
var genomed={details:{}};
genomed.make=function(tag,text,look){var e=document.createElement(tag);
if(text!==undefined&&text!==null)e.textContent=text;if(look)e.className=look;return e;};
"""

SCRIPT_AFTER = """
(function(){
var make=genomed.make,root=document.documentElement,THEMES=["auto","light","dark"];
function stored(value){try{if(value===undefined)return localStorage.getItem("genomed-theme");
localStorage.setItem("genomed-theme",value);}catch(e){}return null;}
function setTheme(name){if(name==="auto")root.removeAttribute("data-theme");
else root.setAttribute("data-theme",name);}
setTheme(THEMES.indexOf(stored())>0?stored():"auto");
function themeButton(){var box=document.querySelector(".theme");if(!box)return;
var now=THEMES.indexOf(stored());if(now<0)now=0;
function show(){box.textContent="Theme: "+THEMES[now];}
box.hidden=false;show();
box.addEventListener("click",function(){now=(now+1)%3;stored(THEMES[now]);setTheme(THEMES[now]);show();});}

function number(text){if(text===null)return NaN;
var t=String(Array.isArray(text)?text[0]:text).replace(/[,%<>\\u2212+\\s]/g,function(c){
return c==="\\u2212"?"-":"";});return t===""?NaN:parseFloat(t);}
function textOf(cell){return cell===null?"":String(Array.isArray(cell)?cell[0]:cell);}

function Grid(box){var self=this;this.box=box;this.size=+box.dataset.page;
this.table=box.querySelector("table");this.body=this.table.tBodies[0];
this.data=JSON.parse(box.querySelector("script.rows").textContent);
this.rows=this.data.rows;this.order=this.rows.map(function(_,i){return i;});
this.found=this.order;this.page=0;this.sorted=-1;this.down=false;this.words=null;
var rest=box.querySelector(".rest");if(rest)rest.remove();
if(this.rows.length>this.size)this.tools();
Array.prototype.forEach.call(this.table.tHead.rows[0].cells,function(th,i){self.heading(th,i);});
this.draw();}
Grid.prototype.tools=function(){var self=this,bar=make("div",null,"tools");
var find=make("label","Search "),input=make("input");input.type="search";
input.setAttribute("aria-label","Search in "+this.box.dataset.caption);find.appendChild(input);
this.status=make("span","","status");this.status.setAttribute("role","status");
this.back=make("button","\\u2039 Previous");this.next=make("button","Next \\u203a");
this.back.type=this.next.type="button";
this.back.addEventListener("click",function(){self.page--;self.draw();});
this.next.addEventListener("click",function(){self.page++;self.draw();});
var waiting;input.addEventListener("input",function(){clearTimeout(waiting);
waiting=setTimeout(function(){self.find(input.value);},120);});
[find,this.status,this.back,this.next].forEach(function(e){bar.appendChild(e);});
this.box.insertBefore(bar,this.box.firstChild);};
Grid.prototype.find=function(text){var rows=this.rows,words=text.toLowerCase().split(/\\s+/)
.filter(Boolean);
if(!this.words)this.words=rows.map(function(r){return r.map(textOf).join("\\t").toLowerCase();});
var all=this.words;this.found=!words.length?this.order:this.order.filter(function(i){
return words.every(function(w){return all[i].indexOf(w)>=0;});});this.page=0;this.draw();
this.sought=text;};
Grid.prototype.heading=function(th,i){var self=this,button=make("button",th.textContent,"sort");
button.type="button";if(th.title)button.title=th.title;th.textContent="";th.appendChild(button);
button.addEventListener("click",function(){self.sort(i);});};
Grid.prototype.sort=function(i){this.down=this.sorted===i?!this.down:false;this.sorted=i;
var rows=this.rows,sign=this.down?-1:1,numeric=this.data.numeric[i];
var keys=rows.map(function(r){return numeric?number(r[i]):textOf(r[i]).toLowerCase();});
this.order=rows.map(function(_,k){return k;}).sort(function(a,b){var x=keys[a],y=keys[b];
if(numeric){if(isNaN(x))return isNaN(y)?a-b:1;if(isNaN(y))return-1;return sign*(x-y)||a-b;}
return x===y?a-b:sign*(x<y?-1:1);});
Array.prototype.forEach.call(this.table.tHead.rows[0].cells,function(th,k){
if(k===i)th.setAttribute("aria-sort",sign>0?"ascending":"descending");
else th.removeAttribute("aria-sort");});
this.found=this.order;this.page=0;if(this.sought)this.find(this.sought);else this.draw();};
Grid.prototype.draw=function(){var n=this.found.length,from=this.page*this.size;
var to=Math.min(n,from+this.size),body=this.body,part=document.createDocumentFragment();
for(var k=from;k<to;k++)part.appendChild(this.row(this.found[k]));
body.textContent="";body.appendChild(part);
if(!this.status)return;
this.status.textContent=n?(from+1).toLocaleString("en")+"\\u2013"+to.toLocaleString("en")+" of "+
n.toLocaleString("en"):"nothing found";
this.back.disabled=this.page===0;this.next.disabled=to>=n;};
Grid.prototype.row=function(i){var tr=make("tr"),self=this,cells=this.rows[i];
cells.forEach(function(cell,k){var td=make(k?"td":"th");if(!k)td.scope="row";
if(self.data.numeric[k])td.className="n";
var inner;if(cell===null)inner=make("span","\\u2014");
else if(Array.isArray(cell)){inner=make("span",null,cell[1]);
inner.appendChild(make("bdi",cell[0]));}
else inner=make("bdi",cell);
if(!k&&self.data.details&&self.data.details[i]!==null)inner=self.opener(inner,tr,i);
td.appendChild(inner);tr.appendChild(td);});return tr;};
Grid.prototype.opener=function(inner,tr,i){var self=this,button=make("button",null,"open");
button.type="button";button.setAttribute("aria-expanded","false");button.appendChild(inner);
button.addEventListener("click",function(){
var open=button.getAttribute("aria-expanded")==="true";
button.setAttribute("aria-expanded",String(!open));
if(open){tr.parentNode.removeChild(tr.nextSibling);return;}
var more=make("tr",null,"more"),td=make("td");td.colSpan=tr.cells.length;more.appendChild(td);
genomed.details[self.data.render](self.data.details[i],td);
tr.parentNode.insertBefore(more,tr.nextSibling);});return button;};

document.addEventListener("DOMContentLoaded",function(){themeButton();
Array.prototype.forEach.call(document.querySelectorAll(".long"),function(box){new Grid(box);});});
})();
"""
