"""Numbers -> tables, figures and one self-contained HTML page; nothing here opens a file.

content   what a page is made of: RiskPage, and the digest of each model that all parts share
verdicts  the same digest in words
markup    text -> HTML that is safe by construction
tables    numbers -> short text, rows -> HTML tables
figures   numbers -> SVG
page      RiskPage -> risk.html
summary   RiskPage -> the terminal
"""
