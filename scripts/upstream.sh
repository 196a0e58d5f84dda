#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out which of the kernel's own KVM selftests pass on the bed: upstream.sh TREE LANE
# With UNIT_TESTS, a clone of kvm-unit-tests, find out which of its tests pass, too.
# Prints a folder of the tests that pass.  The result is cached.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# worth_trying: print the kernel's own tests that mutants/upstream-excluded does not name, and all of
# kvm-unit-tests.
worth_trying() {
	find "$tests/upstream" -type f ! -name ".*" | grep -vE "/($(awk '!/^#/ { print $1 }' "$excluded" | paste -sd '|'))$"
	[ -z "$unit" ] || find "$unit" -maxdepth 1 -type f
}

# link_tests FOLDER: make the folder, with links to the tests whose paths are read from standard input.
link_tests() {
	rm -rf "$1"
	mkdir -p "$1"
	xargs -r ln -s -t "$1"
	[ -z "$unit" ] || ln -s "$unit/files" "$1/"
}

passed() {
	sed -n 's/^{"type":"case","test":"\([^"]*\)".*"status":"pass".*/\1/p' "$out/$lane.jsonl" | while read -r test; do
		readlink "$out/tests/$test"
	done
}

try() {
	out=$BUILD/results/$lane-$$
	mkdir -p "$out"
	worth_trying | link_tests "$out/tests"
	run env BED_ARGS='--timeout 7200' "$top/scripts/lane.sh" "$lane" "$tree" \
		"$tree/modules" "$out/tests" "$out" ||
		die "the kernel's own tests kill the bed: list the one in $excluded, see $out/$lane.console"
	passed | link_tests "$good"
	rm -rf "$out/tests"
	touch "$good/.done"
}

tree=$1 lane=$2
excluded=$top/mutants/upstream-excluded
capture tests "$top/scripts/tests.sh" "$tree" upstream
unit=
[ -z "${UNIT_TESTS:-}" ] || capture unit "$top/scripts/unit-tests.sh"
good=$tests/$lane-${BED:-qemu-svm}-$({ echo "$unit" && cat "$excluded"; } | sha256sum | cut -c1-8)
lock "$lane-$(basename "$tests")"
[ -e "$good/.done" ] || try
say "$(find "$good" -type l ! -name files | wc -l) of $(worth_trying | wc -l) of the kernel's own tests${unit:+ and of kvm-unit-tests} pass here, $lane"
echo "$good"
