#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run mmu_root_soak_test, which does everything at once and at random, for HOURS (make soak).  The script runs
# no other test, even if configuration CONFIG has others.  SEED is the seed of the random choices.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# Time in seconds beyond HOURS: for the last round, which may hang, and for the boot.
CASE_S=400
BOOT_S=600
MAX_HOURS=500

hours=${HOURS:-1}
seed=${SEED:-$(($(date +%s) % 1000000 + 1))}
echo "$hours" | grep -Eqx '[0-9]{1,6}|[0-9]{0,6}\.[0-9]{1,6}' ||
	die "HOURS takes a number, such as 1 or 0.02, not '$hours'"
seconds=$(awk -v hours="$hours" 'BEGIN { printf "%d", hours * 3600 + 0.5 }')
[ "$seconds" -gt 0 ] && [ "$seconds" -le $((MAX_HOURS * 3600)) ] ||
	die "HOURS=$hours: from a second, 0.0003, to $MAX_HOURS"
echo "$seed" | grep -Eqx '[1-9][0-9]{0,8}' ||
	die "SEED takes a number from 1 to 999999999, not '$seed'"

CONFIG=${CONFIG:-soak}
FILTER='mmu_root_soak_test *'
lane_define soak
ROOTRUN_ARGS="$lane_rootrun --timeout $((seconds + CASE_S))"
BEFORE_TESTS="export MMU_ROOT_SOAK_SEED=$seed MMU_ROOT_SOAK_SECONDS=$seconds"
BED_ARGS="${BED_ARGS:-} --timeout $((seconds + CASE_S + BOOT_S))"
TAKES_S=$seconds
export CONFIG FILTER ROOTRUN_ARGS BEFORE_TESTS BED_ARGS TAKES_S
say "soaking for $seconds s from seed $seed: again by make soak HOURS=$hours SEED=$seed"
exec "$top/scripts/run.sh"
