/* SPDX-License-Identifier: GPL-2.0 */
#ifndef STYLE_H
#define STYLE_H

/* Of the page, which has to do without any other file. */
static const char style[] =
	":root { color-scheme: light dark; --fg: #1f2328; --bg: #ffffff; --soft: #f2f4f7;\n"
	"  --line: #d0d7de; --ok: #1a7f37; --skip: #8a6100; --fail: #cf222e; --na: #57606a;\n"
	"  --ok-bg: #dafbe1; --skip-bg: #fff3c4; --fail-bg: #ffdcdc; --na-bg: #eaeef2 }\n"
	"@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117;\n"
	"  --soft: #161b22; --line: #30363d; --ok: #56d364; --skip: #e3b341; --fail: #ff7b72;\n"
	"  --na: #9ea7b3; --ok-bg: #12361f; --skip-bg: #3a2d05; --fail-bg: #4a1515;\n"
	"  --na-bg: #21262d } }\n"
	"body { margin: 2em auto; max-width: 80em; padding: 0 1em; color: var(--fg);\n"
	"  background: var(--bg); font: 15px/1.45 system-ui, sans-serif }\n"
	"h1 { margin-bottom: 0 } h2 { margin-top: 2em; border-bottom: 1px solid var(--line) }\n"
	"nav a { margin-right: 1.5em; color: inherit }\n"
	".wide { overflow-x: auto }\n"
	"table { border-collapse: collapse; font-variant-numeric: tabular-nums }\n"
	"th, td { padding: .2em .7em; border: 1px solid var(--line); text-align: left;\n"
	"  white-space: nowrap }\n"
	"thead th { background: var(--soft); position: sticky; top: 0 }\n"
	"td.n { text-align: right }\n"
	"td.long { white-space: normal; overflow-wrap: anywhere }\n"
	".ok { color: var(--ok); background: var(--ok-bg) }\n"
	".SKIP { color: var(--skip); background: var(--skip-bg) }\n"
	".FAIL { color: var(--fail); background: var(--fail-bg); font-weight: 600 }\n"
	".na { color: var(--na); background: var(--na-bg) }\n"
	"p.ok, p.FAIL { padding: .5em .8em; border-radius: .3em; font-size: 115% }\n"
	"pre { background: var(--soft); border: 1px solid var(--line); padding: .6em;\n"
	"  overflow: auto; max-height: 30em; white-space: pre-wrap; overflow-wrap: anywhere }\n"
	"details { margin: .5em 0 } summary { cursor: pointer; overflow-wrap: anywhere }\n"
	"details.failure { border-left: 4px solid var(--fail); padding-left: .8em }\n"
	"svg { width: 100%; height: auto }\n"
	"svg [color=black] { color: var(--fg) }\n"
	"svg [stroke=black] { stroke: var(--fg) }\n"
	"svg [fill=black] { fill: var(--fg) }\n"
	"figure { margin: 1em 0; max-width: 60em }\n"
	".plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(24em, 1fr));\n"
	"  gap: 1em } .plots figure { margin: 0; overflow-wrap: anywhere }\n"
	"@media print { details > * { display: block } pre { max-height: none } }\n";

#endif /* STYLE_H */
