#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# CPUs that run in parallel, on a kernel that watches its locks: every case is a
# test point, and any report of lockdep fails one.  With FULL=1 on the default kernel, which
# takes another small kernel to be built.

. tests/tap.sh

KERNEL=$([ -n "${ALL:-}" ] && default_kernel || proven_kernel)
rm -rf "$tmp"
export KERNEL
exec env REUSE=1 BED=qemu-svm CONFIG=race REPORT_ARGS=--tap scripts/run.sh
