#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1, as it takes a kernel to be built: CPUs that run in parallel, on a kernel that watches
# its locks.  Every case is a test point, and any report of lockdep fails one.

. tests/tap.sh

if [ -z "${ALL:-}" ]; then
	skip "CPUs that run in parallel" "make test FULL=1 runs them"
	plan_done
	exit
fi
rm -rf "$tmp"
exec env REUSE=1 BED=qemu-svm CONFIG=race REPORT_ARGS=--tap scripts/run.sh
