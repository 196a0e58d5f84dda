#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Measure the cost of each path in a bed, and write a profile as a reference to compare with:
# patches/linux-KERNEL/profiles/BED-VERSION-COMPILER.jsonl, which has to be committed.  VERSION is that
# of the emulator: another version offers KVM other CPU features, and the costs depend on these.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

bed=${BED:-qemu-svm}
[ -z "${KERNEL_SRC:-}${FILTER:-}" ] ||
	die "a profile is of Debian's kernel and of all paths: without KERNEL_SRC and FILTER, please"
run "$top/scripts/deps.sh" build run
settle_kernel "${BED:-}"
bed_check "$bed"
need_space "$BUILD" 200
lane_prepare bench "$target"
"$top/scripts/tools.sh"

out=$BUILD/results/profile-$(date +%Y%m%d-%H%M%S)-$$
mkdir -p "$out" "$SERIES_DIR/profiles"
say "measuring in bed $bed; results go to $out"
run "$top/scripts/lane.sh" bench "$tree" "$tree/modules" "$tests/bin" "$out" profile ||
	die "no figures, see $out/bench.console"
"$BUILD/rootreport" --profile "$out/bench.jsonl" >"$out/profile" ||
	die "not all went well, so this is no profile: make report, or see $out/bench.jsonl"
profile=$(profile_name "$bed")
mv "$out/profile" "$top/$profile"
say "$profile is new: look at what differs, and commit it"
