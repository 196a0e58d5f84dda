#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the patches cost, and that the figures can be trusted: instructions repeat
# exactly, the mark of -icount.

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
[ -s "$tmp/first" ] && diff "$tmp/first" "$tmp/second" >"$tmp/diff"
ret=$?
result $ret "instructions are the same in two runs"
[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/diff"
plan_done
