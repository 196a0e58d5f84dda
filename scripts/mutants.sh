#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prove that the tests notice what they are there for: run the suite on each
# mutant, and on the kernel without one first.  MUTANTS="NAME..." picks some.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# All of the suite, as it is: what is kept must not depend on the day.
unset FILTER ROOTRUN_ARGS BEFORE_TESTS BED_ARGS LANES

begin=$(now)
"$top/scripts/deps.sh" build run
"$top/beds/${BED:-qemu-svm}/run" --check
need_space "$CACHE" 1500
capture tree "$top/scripts/${KERNEL_SRC:+k}tree.sh"
capture tests "$top/scripts/tests.sh" "$tree"
"$top/scripts/tools.sh"

patches=
for name in ${MUTANTS:-$(cd "$top/mutants" && ls ./*.patch | sed 's|^./||; s/\.patch$//')}; do
	[ -r "$top/mutants/$name.patch" ] || die "no such mutant: $name: see mutants/*.patch"
	patches="$patches $top/mutants/$name.patch"
done

out=$BUILD/results/mutants-$$
mkdir -p "$out"
at_exit "rm -rf '$out'"

say "the kernel without a mutant has to pass first"
run env LANES=suite REPORT_ARGS='' "$top/scripts/run.sh" >"$out/unmutated" || {
	cat "$out/unmutated"
	die "the suite fails without a mutant: mend that first"
}

# One builds while the others' beds run, one CPU each.
say "running $(echo "$patches" | wc -w) mutants"
for patch in $patches; do
	echo "$patch $tree $tests $out/$(basename "$patch").results"
done >"$out/list"
run xargs -a "$out/list" -P $((JOBS + 1)) -L 1 \
	setpriv --pdeathsig TERM -- "$top/scripts/mutant.sh" || :

set --
for patch in $patches; do
	results=$(cat "$out/$(basename "$patch").results" 2>/dev/null || :)
	set -- "$@" "$patch" "${results:-/nonexistent}"
done
say "finished in $(($(now) - begin)) s"
"$BUILD/judge" ${JUDGE_ARGS:-} "$@"
