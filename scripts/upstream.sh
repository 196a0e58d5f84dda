#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Find out which of the kernel's own KVM selftests pass on the bed: upstream.sh TREE
# Prints a folder of those.  It is kept.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

passed() {
	sed -n 's/^{"type":"case","test":"\([^"]*\)".*"status":"pass".*/\1/p' "$out/upstream.jsonl"
}

tree=$1
capture tests "$top/scripts/tests.sh" "$tree" upstream
good=$tests/upstream-${BED:-qemu-svm}
lock "upstream-$(basename "$tests")"
if [ ! -e "$good/.done" ]; then
	out=$BUILD/results/upstream-$$
	mkdir -p "$out"
	run env BED_ARGS='--timeout 3600' "$top/scripts/lane.sh" upstream "$tree" \
		"$tree/modules" "$tests/upstream" "$out" ||
		die "the kernel's own tests kill the bed: list the one in mutants/upstream-excluded, see $out/upstream.console"
	rm -rf "$good"
	mkdir -p "$good"
	for test in $(passed); do
		ln -s "$tests/upstream/$test" "$good/"
	done
	touch "$good/.done"
fi
say "$(ls "$good" | wc -l) of $(ls "$tests/upstream" | wc -l) of the kernel's own tests pass here"
echo "$good"
