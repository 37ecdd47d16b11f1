"""Numbers -> tables, figures and one self-contained HTML page; nothing here opens a file.

content   what a page is made of: RiskPage, and the digest of each model that all parts share
verdicts  the same digest in words
markup    text -> HTML that is safe by construction
tables    numbers -> short text, rows -> HTML tables
svg       what every figure is drawn into
figures   numbers -> SVG
page      RiskPage -> risk.html
summary   RiskPage -> the terminal
terminal  what the summaries of all commands are printed with

report.html, the page of a whole directory of results, is made of modules that begin with run_:

run_records  what a chapter is given (runs, tables, people) and what it makes (Part, Finding)
run_page     chapters -> the page; its list CHAPTERS is where a new one is added
run_plots, run_sankey, run_grid   figures, and tables of any length
"""
