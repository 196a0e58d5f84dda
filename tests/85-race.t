#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With FULL=1, run the tests on CPUs that are emulated in parallel, on a kernel with lockdep, which has
# to be built first.  Each case is a test point, and any report of lockdep fails a case.

. tests/tap.sh

if [ -z "${ALL:-}" ]; then
	skip "CPUs that run in parallel" "make test FULL=1 runs them"
	plan_done
	exit
fi
rm -rf "$tmp"
exec env REUSE=1 BED=qemu-svm CONFIG=race REPORT_ARGS=--tap scripts/run.sh
