/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STYLE_H
#define STYLE_H

/*
 * The style of the page; it is part of the page, which uses no other file.  A wide table scrolls
 * in a box of its own.  The box scrolls vertically, too: the head of a table sticks to the top of
 * the box that scrolls, not to the top of the page.
 */
static const char style[] =
	":root { color-scheme: light dark; --fg: #1f2328; --bg: #ffffff; --soft: #f2f4f7;\n"
	"  --line: #d0d7de; --dim: #6e7781; --link: #0550ae; --other-bg: #ddeafc;\n"
	"  --ok: #1a7f37; --skip: #8a6100; --fail: #cf222e; --na: #57606a;\n"
	"  --ok-bg: #dafbe1; --skip-bg: #fff3c4; --fail-bg: #ffdcdc; --na-bg: #eaeef2 }\n"
	"@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117;\n"
	"  --soft: #161b22; --line: #30363d; --dim: #8b949e; --link: #79b8ff;\n"
	"  --other-bg: #17345c; --ok: #56d364; --skip: #e3b341; --fail: #ff7b72;\n"
	"  --na: #9ea7b3; --ok-bg: #12361f; --skip-bg: #3a2d05; --fail-bg: #4a1515;\n"
	"  --na-bg: #21262d } }\n"
	"body { margin: 1.5em auto; max-width: 110em; padding: 0 1em; color: var(--fg);\n"
	"  background: var(--bg); font: 15px/1.45 system-ui, sans-serif }\n"
	"h1 { margin-bottom: 0 } h3 { margin-bottom: .4em }\n"
	"h2 { margin-top: 2em; border-bottom: 1px solid var(--line) }\n"
	"a { color: var(--link) } nav a { display: inline-block; margin-right: 1.3em }\n"
	"p, li { max-width: 60em; overflow-wrap: anywhere }\n"
	".wide { overflow: auto; max-height: 85vh; width: fit-content; max-width: 100%;\n"
	"  border: 1px solid var(--line); margin: .6em 0 }\n"
	"table { border-collapse: separate; border-spacing: 0; font-size: 14px;\n"
	"  font-variant-numeric: tabular-nums }\n"
	"th, td { padding: .15em .6em; border-bottom: 1px solid var(--line); text-align: left;\n"
	"  white-space: nowrap; font-weight: normal }\n"
	"thead { position: sticky; top: 0; z-index: 2 }\n"
	"thead th { background: var(--soft); font-weight: 600; vertical-align: bottom }\n"
	".n { text-align: right }\n"
	"td.long { white-space: normal; min-width: 20em }\n"
	".ok { color: var(--ok); background: var(--ok-bg) }\n"
	".SKIP { color: var(--skip); background: var(--skip-bg) }\n"
	".FAIL { color: var(--fail); background: var(--fail-bg); font-weight: 600 }\n"
	".na { color: var(--na); background: var(--na-bg) }\n"
	".other { background: var(--other-bg); font-weight: 600 }\n"
	".zero, td i, i.key { color: var(--dim) }\n"
	"td i, i.key { font-style: normal; font-weight: normal; font-size: 80%; margin-left: .25em }\n"
	".begin { border-left: 1px solid var(--line) }\n"
	".paths th, .paths td { padding: .1em .35em }\n"
	".paths thead th { font-size: 12px } .paths thead th.mmu { font-size: 14px }\n"
	".paths tbody th { position: sticky; left: 0; z-index: 1; background: var(--bg) }\n"
	".paths thead th:first-child[rowspan] { position: sticky; left: 0; z-index: 3 }\n"
	".paths .section > * { background: var(--soft); padding-top: .5em }\n"
	".paths .section th { font-weight: 600 }\n"
	".paths details { margin: 0 } tr { scroll-margin-top: 4em }\n"
	"tr:target > * { box-shadow: inset 0 2px var(--link), inset 0 -2px var(--link) }\n"
	"p.ok, p.FAIL { padding: .5em .8em; border-radius: .3em; font-size: 115% }\n"
	"pre { background: var(--soft); border: 1px solid var(--line); padding: .6em;\n"
	"  overflow: auto; max-height: 30em; white-space: pre-wrap; overflow-wrap: anywhere }\n"
	"details { margin: .5em 0 } summary { cursor: pointer; overflow-wrap: anywhere }\n"
	"details.failure { border-left: 4px solid var(--fail); padding-left: .8em }\n"
	"svg { width: 100%; height: auto; min-width: 26em }\n"
	"svg [color=black] { color: var(--fg) }\n"
	"svg [stroke=black] { stroke: var(--fg) }\n"
	"svg [fill=black] { fill: var(--fg) }\n"
	"figure { margin: 1em 0; max-width: 60em; overflow-x: auto; overflow-wrap: anywhere }\n"
	".plots { display: grid; gap: 1em;\n"
	"  grid-template-columns: repeat(auto-fill, minmax(min(30em, 100%), 1fr)) }\n"
	".plots figure { margin: 0 }\n"
	"@media (max-width: 40em) { body { padding: 0 .6em; margin: .6em auto }\n"
	"  h1 { font-size: 150% } td.long { min-width: 14em } }\n"
	"@media print { details > * { display: block } pre, .wide { max-height: none } }\n";

#endif /* STYLE_H */
