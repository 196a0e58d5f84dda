#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run a command under perf: perf-record.sh COMMAND...
# PERF_OUT is a folder for what is recorded: stat.csv, counts of events on all CPUs,
# and kvm.data, each exit of a guest.  The exit status is that of the command.

# The life of roots, what guests exit for, and what the kernel pays for it.
TRACEPOINTS='kvmmmu:kvm_mmu_reset,kvmmmu:kvm_mmu_root_load,kvmmmu:kvm_mmu_root_invalidate,kvmmmu:kvm_mmu_root_free,kvm:kvm_exit,kvm:kvm_page_fault'
PMU='cycles:k,instructions:k,dTLB-load-misses:k'

set -eu
exec perf stat -a -x ';' -o "$PERF_OUT/stat.csv" -e "$TRACEPOINTS,$PMU" -- \
	perf kvm stat record -a -o "$PERF_OUT/kvm.data" -- "$@"
