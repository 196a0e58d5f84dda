#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# One step of "git bisect run", in a kernel tree: bisect-step.sh
# KERNEL_SRC is the tree, by default the current folder; FILTER and CONFIG select the
# cases that fail on a bad commit.
#
# Exit status: 0 good; 1 bad; 125 this commit cannot be built or booted; 128 this machine
# cannot test any commit, so the bisection should end.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

EXIT_SKIP=125
EXIT_ABORT=128

KERNEL_SRC=${KERNEL_SRC:-$PWD}
export KERNEL_SRC

# machine_is_ready: check everything that does not depend on the commit.
machine_is_ready() {
	(. "$top/scripts/kernel-src.sh" && check_kernel_src "$KERNEL_SRC") &&
		run "$top/scripts/deps.sh" build run && "$top/scripts/tools.sh" &&
		"$top/beds/${BED:-qemu-svm}/run" --check >/dev/null
}

machine_is_ready || exit "$EXIT_ABORT"
status=0
run "$top/scripts/run.sh" || status=$?
case $status in
0) verdict=good ;;
1) verdict=bad ;;
"$EXIT_UNUSABLE") verdict="cannot be built or booted" status=$EXIT_SKIP ;;
*) exit "$EXIT_ABORT" ;;
esac
say "bisect-step: $(git -C "$KERNEL_SRC" log -1 --format='%h %s' 2>/dev/null || echo "$KERNEL_SRC"): $verdict"
exit "$status"
