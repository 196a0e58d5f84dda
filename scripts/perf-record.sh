#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run a command under perf: perf-record.sh COMMAND...
# PERF_OUT is the folder for the records: stat.csv has counts of events on all CPUs, and
# kvm.data has each exit of a guest.  The exit status is that of the command.

# Events of roots, exits of guests, and the cost in the kernel.
TRACEPOINTS='kvmmmu:kvm_mmu_reset,kvmmmu:kvm_mmu_root_load,kvmmmu:kvm_mmu_root_invalidate,kvmmmu:kvm_mmu_root_free,kvm:kvm_exit,kvm:kvm_page_fault'
PMU='cycles:k,instructions:k,dTLB-load-misses:k'

set -eu
exec perf stat -a -x ';' -o "$PERF_OUT/stat.csv" -e "$TRACEPOINTS,$PMU" -- \
	perf kvm stat record -a -o "$PERF_OUT/kvm.data" -- "$@"
