#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the patches cost, and that the figures can be trusted: they repeat.

. tests/tap.sh

attempt make -s bench
says "no path costs more than 1.01 times what it costs with Debian's modules" 0 "^CR4.SMEP .* ok"
sed 's/^/# /' "$tmp/out"

figures()
{
	awk '$2 ~ /^[0-9]+$/ && $3 ~ /^[0-9]+$/ { print $1, $2, $3 }' "$tmp/out"
}

figures >"$tmp/first"
attempt make -s bench BOUND=0.5
says "the gate can close" 2 "^CR4.SMEP .* FAIL"
figures >"$tmp/second"
# Not to the instruction: each boot has another seed, and with it another layout
# (KASLR).  1 to 3 instructions of 3000 to 25000 were seen.
[ -s "$tmp/first" ] && paste "$tmp/first" "$tmp/second" | awk '
	function far(a, b) { return (a > b ? a - b : b - a) * 1000 > a }
	$1 != $4 || far($2, $5) || far($3, $6) { print; bad = 1 }
	END { exit bad }' >"$tmp/diff"
ret=$?
result $ret "instructions are the same in two runs, to 1 in 1000"
[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/diff"
plan_done
