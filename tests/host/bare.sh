# SPDX-License-Identifier: GPL-2.0
# Test bed host on a host without debugfs.

. tests/host/lib.sh

modprobe kvm_amd || bail_out "no KVM"
mkdir -p "$journal_dir"
remember
RELOAD=1 bed --timeout 60
refused "no debugfs" "debugfs is not mounted on /sys/kernel/debug and cannot be: boot a kernel that has it"
