#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test the verdict of judge on mutants that are killed, and on mutants that are not.

. tests/tap.sh

make -s -C mutants O="$tmp" CFLAGS='-O2 -Werror' >"$tmp/make" 2>&1 || {
	sed 's/^/# /' "$tmp/make"
	bail_out "judge does not build"
}

# mutant LINE...: make a patch with these lines in its changelog
mutant()
{
	{
		printf 'Subject: [PATCH] A bug\n\n'
		printf '%s\n' "$@"
		printf -- '---\ndiff --git a/x b/x\nRed: this is not the changelog\n'
	} >"$tmp/bug.patch"
}

# results LANE [CASE STATUS REASON]...: make a complete results file
results()
{
	lane=$1
	shift
	{
		echo "{\"type\":\"run\",\"schema\":1,\"lane\":\"$lane\"}"
		while [ $# -gt 0 ]; do
			echo "{\"type\":\"case\",\"test\":\"t_test\",\"case\":\"$1\",\"status\":\"$2\",\"reason\":\"$3\"}"
			shift 3
		done
		echo '{"type":"end"}'
	} >"$tmp/$lane"
}

judge()
{
	attempt "$tmp/judge" "$@"
}

# judged NAME STATUS PATTERN CASE STATUS REASON...: test the verdict on these results
judged()
{
	judged_name=$1 judged_status=$2 judged_pattern=$3
	shift 3
	results suite "$@"
	judge "$tmp/bug.patch" "$tmp/suite"
	says "$judged_name" "$judged_status" "$judged_pattern"
}

test_one_lane()
{
	mutant 'Red: t_test a.* off by [0-9]+'
	judged "each case is red for its reason" 0 '^bug  *2/3  killed$' \
		a.1 fail 'off by 3' a.2 fail 'off by 4' b pass ''
	judged "a case that is listed passed" 1 '^    \[suite\] should be red, but passed: t_test a\.2$' \
		a.1 fail 'off by 3' a.2 pass '' b pass ''
	judged "red for another reason" 1 'red for another reason: t_test a\.1: no memory' \
		a.1 fail 'no memory' b pass ''
	judged "red, but not listed" 1 'red, but not listed: t_test b: off by 3' \
		a.1 fail 'off by 3' b fail 'off by 3'
	judged "a line without a case" 1 'no such case: t_test a\.\*' \
		b pass ''
	judged "a case that does not apply is no case" 1 'no such case: t_test a\.\*' \
		a.1 skip 'not applicable: no' b pass ''
	judged "and is not red, either" 0 ' killed$' \
		a.1 fail 'off by 3' b skip 'not applicable: no'
	results suite a.1 fail 'off by 3'
	sed -i '$d' "$tmp/suite"
	judge "$tmp/bug.patch" "$tmp/suite"
	says "a bed that died" 1 'could not be built, or the bed died: that is no kill'
	judge "$tmp/bug.patch" "$tmp/nowhere"
	says "no results" 1 'could not be built, or the bed died: that is no kill'
	results suite a.1 fail 'off by 3'
	sed 's/t_test/u_test/' "$tmp/bug.patch" >"$tmp/other.patch"
	sed 's/t_test/u_test/' "$tmp/suite" >"$tmp/other"
	judge "$tmp/bug.patch" "$tmp/suite" "$tmp/other.patch" "$tmp/other"
	says "a column for each test that any mutant saw" 0 '^mutant  t_test  u_test  verdict$'
	says "and nothing where one did not see it" 0 '^other        -     1/1  killed$'
	judge --tap "$tmp/bug.patch" "$tmp/nowhere"
	says "TAP" 1 '^not ok 1 - mutant bug is killed'
}

test_two_lanes()
{
	mutant 'Lanes: suite shadow' 'Red: t_test a off' 'Red: [shadow] t_test b off'
	judge --lanes "$tmp/bug.patch"
	says "the lanes of a mutant" 0 '^suite shadow$'
	results suite a fail off b pass ''
	results shadow a fail off b fail off
	judge "$tmp/bug.patch" "$tmp/suite" "$tmp/shadow"
	says "a line may be for one lane" 0 '^bug  *3/4  killed$'
	judge --lane suite "$tmp/bug.patch" "$tmp/suite"
	result "$status" "one lane alone"
	results shadow a fail off b pass ''
	judge --lane shadow "$tmp/bug.patch" "$tmp/shadow"
	says "one lane alone, with what is wrong" 1 '\[shadow\] should be red, but passed: t_test b'
	judge "$tmp/bug.patch" "$tmp/suite" "$tmp/shadow"
	says "green in one of two lanes" 1 '\[shadow\] should be red, but passed: t_test b'
	judge "$tmp/bug.patch" "$tmp/suite"
	says "one of two lanes was not run" 1 '\[shadow\] could not be built, or the bed died'
	results upstream main fail broken
	results shadow a fail off b fail off
	judge --upstream "$tmp/bug.patch" "$tmp/suite" "$tmp/shadow" "$tmp/upstream"
	says "what upstream's tests notice" 0 '^\| .bug. \| 3 of 4 \| t_test \|$'
	results upstream-shadow main fail broken
	judge --upstream "$tmp/bug.patch" "$tmp/suite" "$tmp/shadow" "$tmp/upstream" "$tmp/upstream-shadow"
	says "and with another MMU" 0 '^\| .bug. \| 3 of 4 \| t_test t_test-shadow \|$'
	: >"$tmp/upstream-shadow"
	judge --upstream "$tmp/bug.patch" "$tmp/suite" "$tmp/shadow" "$tmp/upstream" "$tmp/upstream-shadow"
	says "a bed that died with one of them" 0 '^\| .bug. \| 3 of 4 \| the bed died \|$'
	mutant 'Red: t_test a off'
	judge --lanes "$tmp/bug.patch"
	says "without Lanes: it is suite" 0 '^suite$'
}

test_also()
{
	mutant 'Red: t_test a off' 'Also: t_test b.* late'
	judged "a case that may be red" 0 ' killed$' \
		a fail off b.1 pass '' b.2 fail 'too late'
	judged "but not for another reason" 1 'red, but not listed: t_test b\.1: too early' \
		a fail off b.1 fail 'too early' b.2 fail 'too late'
	judged "nor in the place of one that must" 1 'should be red, but passed: t_test a' \
		a pass '' b.1 pass '' b.2 fail 'too late'
	mutant 'Also: t_test a off'
	judge "$tmp/bug.patch" "$tmp/suite"
	one_line "only cases that may be red" 2 'no line Red: which test cases must catch it'
}

test_usage()
{
	mutant 'No line that lists anything.'
	judge "$tmp/bug.patch" "$tmp/suite"
	one_line "no line Red:" 2 'no line Red: which test cases must catch it'
	mutant 'Red: t_test a'
	judge "$tmp/bug.patch" "$tmp/suite"
	one_line "no reason" 2 'a line Red: or Also: needs a test, a case and a reason'
	mutant 'Red: t_test a ('
	judge "$tmp/bug.patch" "$tmp/suite"
	one_line "a bad reason" 2 'a line Red: or Also: has a bad regular expression'
	mutant 'Red: [shadow] t_test a off'
	judge "$tmp/bug.patch" "$tmp/suite"
	one_line "a lane that is not among its lanes" 2 'a line Red: or Also: has a lane that is not among its Lanes:'
	mutant 'Red: t_test a off'
	results legacy a fail off
	judge "$tmp/bug.patch" "$tmp/legacy"
	one_line "results of another lane" 2 'legacy: not of a lane of this mutant'
	judge
	says "nothing to judge" 2 '^usage: judge'
	judge --help
	says "--help" 0 '^usage: judge'
}

test_one_lane
test_two_lanes
test_also
test_usage
plan_done
