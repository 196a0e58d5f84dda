#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out which of the kernel's own KVM selftests pass on the bed: upstream.sh TREE
# Prints a folder of those.  It is kept.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# link_tests FOLDER NAME...
link_tests() {
	folder=$1
	shift
	rm -rf "$folder"
	mkdir -p "$folder"
	for test in "$@"; do
		ln -s "$tests/upstream/$test" "$folder/"
	done
}

# What may be tried, leaving the excluded ones out.
worth_trying() {
	find "$tests/upstream" -type f ! -name ".*" -printf "%f\n" | grep -vxF -e "$(awk '!/^#/ { print $1 }' "$excluded")"
}

passed() {
	sed -n 's/^{"type":"case","test":"\([^"]*\)".*"status":"pass".*/\1/p' "$out/upstream.jsonl"
}

try() {
	out=$BUILD/results/upstream-$$
	mkdir -p "$out"
	link_tests "$out/tests" $(worth_trying)
	run env BED_ARGS='--timeout 3600' "$top/scripts/lane.sh" upstream "$tree" \
		"$tree/modules" "$out/tests" "$out" ||
		die "the kernel's own tests kill the bed: list the one in $excluded, see $out/upstream.console"
	link_tests "$good" $(passed)
	rm -rf "$out/tests"
	touch "$good/.done"
}

tree=$1
excluded=$top/mutants/upstream-excluded
capture tests "$top/scripts/tests.sh" "$tree" upstream
good=$tests/upstream-${BED:-qemu-svm}-$(sha256sum <"$excluded" | cut -c1-8)
lock "upstream-$(basename "$tests")"
[ -e "$good/.done" ] || try
say "$(ls "$good" | wc -l) of $(ls "$tests/upstream" | wc -l) of the kernel's own tests pass here"
echo "$good"
