#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test that the patches cost little, and that the figures repeat, so that they can be trusted.

. tests/tap.sh

attempt make -s bench
says "no path costs more than 1.01 times what it costs without the patches" 0 "^qemu-svm/bench +CR4.SMEP .* ok"
sed 's/^/# /' "$tmp/out"

figures()
{
	awk '$3 == "instructions" { print $2, $4, $5 }' "$tmp/out"
}

figures >"$tmp/first"
# The folder with the results of the patched modules.
latest=$(sed -n "s/^measuring in .*; results go to //p" "$tmp/err")/patched
attempt make -s bench BOUND=0.5
says "the gate can close" 2 "^qemu-svm/bench +CR4.SMEP .* FAIL more"
figures >"$tmp/second"
# The figures differ a little, as each boot has another random seed, and so another memory layout
# (KASLR).  Differences of 1 to 3 instructions of 3000 to 25000 were seen.
[ -s "$tmp/first" ] && paste "$tmp/first" "$tmp/second" | awk '
	function far(a, b) { return (a > b ? a - b : b - a) * 1000 > a }
	$1 != $4 || far($2, $5) || far($3, $6) { print; bad = 1 }
	END { exit bad }' >"$tmp/diff"
ret=$?
result $ret "instructions are the same in two runs, to 1 in 1000"
[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/diff"
# CI compares with the bed's profile in the tree, which takes no second boot.  Another kernel executes
# other numbers of instructions, and needs another profile: make profile.
kernel_of()
{
	sed -n '1s/.*"kernel":"\([^"]*\)".*/\1/p' "$1"
}

# shellcheck disable=SC2016 # its own argument
profile=$(sh -c 'top=$PWD; . scripts/lib.sh; . scripts/lanes.sh; profile_name qemu-svm')
if [ ! -e "$profile" ]; then
	skip "the profile in the tree" "there is no $profile: make profile, and look at how it differs from others"
elif [ "$(kernel_of $profile)" = "$(kernel_of "$latest/bench.jsonl")" ]; then
	attempt make -s compare A=$profile B="$latest"
	says "no path costs more, or less, than the profile in the tree says" 0 "^1 lanes, 1[0-9] costs compared: 0 costs "
	sed 's/"path":"CR4.SMEP","min":\([0-9]*\)/"path":"CR4.SMEP","min":1\1/' $profile >"$tmp/profile.jsonl"
	attempt make -s compare A="$tmp/profile.jsonl" B="$latest"
	says "a path that costs less than in the profile is told" 2 "^qemu-svm/bench +CR4.SMEP .* FAIL less"
else
	skip "the profile in the tree" "it is of kernel $(kernel_of $profile): make profile, and look at what differs"
fi
plan_done
