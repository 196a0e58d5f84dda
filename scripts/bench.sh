#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measure what the patches cost: compare each path with Debian's own modules and with the patched
# modules.  If Debian built its modules with another compiler than this machine has, the script builds
# Debian's source without the patches and compares with that: another compiler makes more of a
# difference than the patches do.
#
# BOUND is the highest ratio of a path's cost with the patches to its cost without that is accepted.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

[ -z "${KERNEL_SRC:-}" ] ||
	die "make bench compares with Debian's own modules: without KERNEL_SRC, please"
run "$top/scripts/deps.sh" build run
settle_kernel "${BED:-}"
bed_check "${BED:-qemu-svm}"
[ -z "$target" ] ||
	die "make bench boots two kernels, and bed $BED runs the one there is: make run CONFIG=bench BED=$BED"
need_space "$BUILD" 200
capture base "$top/scripts/kernel.sh"
stock=$base stock_is="Debian's modules"
compiler() {
	grep '^CONFIG_CC_VERSION_TEXT=' "$1"
}
[ "$(compiler "$base/config.debian")" = "$(compiler "$base/linux/.config")" ] || {
	capture stock env STOCK=1 "$top/scripts/tree.sh"
	stock_is="Debian's source, built here"
}
capture tree "$top/scripts/tree.sh"
capture tests "$top/scripts/tests.sh" "$tree"
"$top/scripts/tools.sh"

out=$BUILD/results/bench-$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$out/stock" "$out/patched"
say "measuring in bed ${BED:-qemu-svm}; results go to $out"

# Modules without the patches have no counters and no mmu_reset_every, so tests that need these skip;
# empty ROOTRUN_ARGS drop --no-skip, which would fail them.
start env ROOTRUN_ARGS='' "$top/scripts/lane.sh" bench "$stock" "$stock/modules" \
	"$tests/bin" "$out/stock" stock
stock_pid=$pid
start "$top/scripts/lane.sh" bench "$tree" "$tree/modules" "$tests/bin" "$out/patched" patched
patched_pid=$pid
finish "$stock_pid" || die "no figures for $stock_is, see $out/stock/bench.console"
finish "$patched_pid" || die "no figures for the patched modules, see $out/patched/bench.console"

echo "Cost per operation: $stock_is (base), and with the patches (new)"
export A="$out/stock" B="$out/patched"
exec "$top/scripts/compare.sh"
