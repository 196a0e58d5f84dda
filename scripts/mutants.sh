#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prove that the tests notice what they are there for: run them on each mutant, in
# its lanes, and on the kernel without one first.  MUTANTS="NAME..." picks some.
# UPSTREAM=1 runs the kernel's own KVM selftests on them, too, and prints what they
# notice beside what ours do.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# How many mutants share a boot, at most.
BATCH=${BATCH:-8}

# All of the lanes, as they are: what is kept must not depend on the day.
unset FILTER ROOTRUN_ARGS BEFORE_TESTS BED_ARGS CONFIG

bed=${BED:-qemu-svm}
begin=$(now)
run "$top/scripts/deps.sh" build run
settle_kernel ''
bed_check "$bed"
[ -z "$target" ] ||
	die "a mutant can take the machine with it: make mutants in a bed that boots, e.g. BED=qemu-svm"
need_space "$CACHE" 1500
"$top/scripts/tools.sh"

# mutant_bed PATCH: where it shows.
mutant_bed() {
	sed -n '/^diff --git/q; s/^Bed: //p' "$1" | grep . || echo qemu-svm
}

patches=
for name in ${MUTANTS:-$(mutant_names)}; do
	patch=$(mutant_patch "$name")
	[ -r "$patch" ] || die "no such mutant: $name: see mutants/*.patch"
	if [ "$(mutant_bed "$patch")" = "$bed" ]; then
		patches="$patches $patch"
	elif [ -n "${MUTANTS:-}" ]; then
		die "mutant $name does not show in bed $bed: BED=$(mutant_bed "$patch")"
	fi
done
[ -n "$patches" ] || die "no mutant shows in bed $bed"

out=$BUILD/results/mutants-$$
mkdir -p "$out"
at_exit "rm -rf '$out'"
for patch in $patches; do
	mutant_lanes=$("$BUILD/judge" --lanes "$patch") || exit
	for lane in $mutant_lanes; do
		lane_define "$lane"
		echo "$patch" >>"$out/$lane.patches"
	done
done
lanes=$(cd "$out" && ls ./*.patches | sed 's|^./||; s/\.patches$//' | tr '\n' ' ')

# only_wanted LANE: in a folder of configurations, the lane with no other tests than those
# that are to catch a mutant in it.
only_wanted() {
	mkdir -p "$out/configs"
	cp "$CONFIGS/$1.conf" "$out/configs/"
	names=$(xargs -a "$out/$1.patches" sed -s -n '/^diff --git/q; s/^Tests: //p' | tr ' ' '\n' |
		LC_ALL=C sort -u | sed '1! s/^/-o /; s/[^ ]*$/-name mmu_root_&_test/' | tr '\n' ' ')
	echo "tests = ( $names)" >>"$out/configs/$1.conf"
}

# has_passed LANE [CONFIGS]
has_passed() {
	lane_define "$@"
	[ -e "$(lane_passed "$bed")" ]
}

# What has passed, unchanged, need not pass again.
unproven=
for lane in $lanes; do
	lane_prepare "$lane"
	xargs -a "$out/$lane.patches" -n "$BATCH" echo "$lane" "$tree" "$tests/bin" "$out" >>"$out/batches"
	only_wanted "$lane"
	has_passed "$lane" || has_passed "$lane" "$out/configs" || unproven="$unproven $lane"
done
if [ -n "$unproven" ]; then
	say "the kernel without a mutant has to pass first, in:$unproven"
	run env BED="$bed" CONFIG="$unproven" CONFIGS="$out/configs" REPORT_ARGS='' "$top/scripts/run.sh" >"$out/unmutated" || {
		cat "$out/unmutated"
		die "the tests fail without a mutant: mend that first"
	}
fi

if [ -n "${UPSTREAM:-}" ]; then
	lane_prepare upstream
	capture upstream "$top/scripts/upstream.sh" "$tree"
	echo $patches | xargs -n "$BATCH" echo upstream "$tree" "$upstream" "$out" >>"$out/batches"
	JUDGE_ARGS=--upstream
fi

# Some build while the others' beds run.
say "running $(echo "$patches" | wc -w) mutants"
run xargs -a "$out/batches" -P $((JOBS * BOOTS_PER_CPU)) -L 1 \
	setpriv --pdeathsig TERM -- "$top/scripts/mutant-batch.sh" || :

set --
for patch in $patches; do
	set -- "$@" "$patch"
	for file in "$out"/*."$(basename "$patch" .patch)"; do
		[ ! -e "$file" ] || set -- "$@" "$(cat "$file")"
	done
done
say "finished in $(($(now) - begin)) s"
"$BUILD/judge" ${JUDGE_ARGS:-} "$@"
