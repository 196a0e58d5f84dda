#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print the differences between two results (files or folders).  A is the reference,
# e.g. patches/linux-7.3/profiles/qemu-svm-7.2-gcc12.jsonl, and B is the new result.
#
# BOUND is the highest ratio of the two costs of a path, in either direction, that is accepted.
# Exit status: 0 no difference, 1 a difference, 2 the results cannot be compared.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

for results in "${A:-}" "${B:-}"; do
	[ -n "$results" ] ||
		die "two results are needed: make compare A=$(profile_name "${BED:-qemu-svm}") B=$BUILD/results/latest"
	[ -r "$results" ] ||
		die "no results in $results: give a file or a folder of $BUILD/results"
done
run "$top/scripts/deps.sh" build
"$top/scripts/tools.sh"
exec "$BUILD/rootreport" --compare "${BOUND:-1.01}" "$A" "$B"
