#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# CPUs that run in parallel, on a kernel that watches its locks: every case is a
# test point, and any report of lockdep fails one.

exec env REUSE=1 BED=qemu-svm CONFIG=race REPORT_ARGS=--tap scripts/run.sh
