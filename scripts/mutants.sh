#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prove that the tests find bugs: run them on each mutant, in its lanes, but first on the
# kernel without a mutant.  MUTANTS="NAME..." selects mutants.  UPSTREAM=1 also runs the
# kernel's own KVM selftests on the mutants, and prints their results beside those of our tests;
# UNIT_TESTS=CLONE adds those of kvm-unit-tests.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# The maximum number of mutants that share a boot.
BATCH=${BATCH:-8}

# Run complete lanes with their own options: cached results must not depend on variables of one run.
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

# mutant_bed PATCH: print the bed in which the tests have to catch the mutant.
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

# only_wanted LANE: make a copy of the lane's configuration with only the tests that have to catch a
# mutant in this lane.
only_wanted() {
	mkdir -p "$out/configs"
	cp "$CONFIGS/$1.conf" "$out/configs/"
	names=$(xargs -a "$out/$1.patches" sed -s -n '/^diff --git/q; s/^Tests: //p' | tr ' ' '\n' |
		LC_ALL=C sort -u | sed '1! s/^/-o /; s/[^ ]*$/-name mmu_root_&_test/' | tr '\n' ' ')
	echo "tests = ( $names)" >>"$out/configs/$1.conf"
}

# has_passed LANE [CONFIGS]: whether the lane has passed before, unchanged.
has_passed() {
	lane_define "$@"
	[ -e "$(lane_passed "$bed")" ]
}

# Without a mutant, a lane need not run again if it has passed before, unchanged.
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

# upstream_lanes PATCH: print the lanes of the kernel's own tests that have the MMUs of the mutant's lanes.
upstream_lanes() {
	for lane in $("$BUILD/judge" --lanes "$1"); do
		case $lane in
		legacy*) echo upstream-legacy ;;
		shadow*) echo upstream-shadow ;;
		*) echo upstream ;;
		esac
	done | LC_ALL=C sort -u
}

if [ -n "${UPSTREAM:-}" ]; then
	for patch in $patches; do
		for lane in $(upstream_lanes "$patch"); do
			echo "$patch" >>"$out/$lane.upstream"
		done
	done
	for list in "$out"/*.upstream; do
		lane=$(basename "$list" .upstream)
		lane_prepare "$lane"
		capture upstream "$top/scripts/upstream.sh" "$tree" "$lane"
		xargs -a "$list" -n "$BATCH" echo "$lane" "$tree" "$upstream" "$out" >>"$out/batches"
	done
	JUDGE_ARGS=--upstream
fi

# Batches run in parallel: some build while the beds of others run.
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
