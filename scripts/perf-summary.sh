#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print what perf-record.sh has recorded: perf-summary.sh FOLDER
set -eu

# Columns of perf stat -x ';': count; unit; event; and more.
counts() {
	awk -F ';' '
		$3 == "" { next }
		{ nr++; event[nr] = $3; count[nr] = $1 }
		$3 == "kvmmmu:kvm_mmu_reset" { resets = $1 }
		END {
			printf "%-34s%16s%12s\n", "event, on all CPUs", "count", "per reset"
			for (i = 1; i <= nr; i++) {
				per = count[i] ~ /^[0-9]+$/ && resets > 0 ? sprintf("%.2f", count[i] / resets) : "-"
				printf "%-34s%16s%12s\n", event[i], count[i], per
			}
		}' "$1"
}

echo
counts "$1/stat.csv"
[ ! -s "$1/kvm.data" ] || {
	echo
	# Errors of perf are dropped: it prints lines about events that it could not sort.
	perf kvm stat report --stdio -i "$1/kvm.data" 2>/dev/null | grep -v '^ *$' || :
}
