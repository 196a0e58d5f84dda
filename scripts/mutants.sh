#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Prove that the tests notice what they are there for: run the suite on each
# mutant, and on the kernel without one first.  MUTANTS="NAME..." picks some.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

start=$(now)
"$top/scripts/deps.sh" build run
"$top/beds/${BED:-qemu-svm}/run" --check
need_space "$CACHE" 1500
tree=$("$top/scripts/tree.sh")
tests=$("$top/scripts/tests.sh" "$tree")
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
LANES=suite REPORT_ARGS='' "$top/scripts/run.sh" >"$out/unmutated" || {
	cat "$out/unmutated"
	die "the suite fails without a mutant: mend that first"
}

# One builds while the others' beds run, one CPU each.
say "running $(echo "$patches" | wc -w) mutants"
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\n' $patches | setpriv --pdeathsig TERM -- xargs -P $((JOBS + 1)) -I PATCH \
	setpriv --pdeathsig TERM -- sh -c '"$1" "$2" "$3" "$4" >"$5/$(basename "$2").results" || :' \
	- "$top/scripts/mutant.sh" PATCH "$tree" "$tests" "$out" &
xargs_pid=$!
at_exit "kill $xargs_pid 2>/dev/null && wait $xargs_pid || :"
wait "$xargs_pid" || :

set --
for patch in $patches; do
	results=$(cat "$out/$(basename "$patch").results")
	set -- "$@" "$patch" "${results:-/nonexistent}"
done
say "finished in $(($(now) - start)) s"
"$BUILD/judge" ${JUDGE_ARGS:-} "$@"
