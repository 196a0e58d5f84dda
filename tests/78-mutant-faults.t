#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test that mutants share a boot, and that one that crashes the guest does not spoil the results of the
# others.

. tests/tap.sh

tree=$(scripts/tree.sh) && tests=$(scripts/tests.sh "$tree") && scripts/tools.sh ||
	bail_out "nothing to boot"

# A copy of the repository, to which the test adds a mutant.
repo=$tmp/repo
mkdir -p "$repo" "$tmp/found"
cp -r scripts beds configs mutants patches runner "$repo"

# make_killer: make a mutant, killer, whose kernel panics as soon as a guest runs
make_killer()
{
	file=arch/x86/kvm/mmu/mmu.c
	awk '{ print }
		/^int kvm_mmu_load\(struct kvm_vcpu \*vcpu\)/ { here = 1 }
		here && /int r;/ { print "\n\tpanic(\"killed by a mutant\");"; here = 0 }' \
		"$tree/linux/$file" >"$tmp/mmu.c"
	{
		printf 'Red: * * .*\n---\ndiff --git a/%s b/%s\n' $file $file
		diff -u --label a/$file --label b/$file "$tree/linux/$file" "$tmp/mmu.c"
	} >"$repo/mutants/killer.patch"
}

# patch_of NAME: print the mutant's patch in the copy
patch_of()
{
	echo "$repo/$(mutant "$1")"
}

# finished NAME: whether the mutant has all of its results
finished()
{
	grep -q '"type":"end"' "$(cat "$tmp/found/suite.$1")"
}

# only_case NAME CASE: edit the mutant so that only this case, which the filter selects, must catch it
only_case()
{
	sed -i -e "/^Red: /{ / $2 /! d }" -e '/^Also: /d' "$(patch_of "$1")"
	grep -q '^Red: ' "$(patch_of "$1")" || bail_out "$1 does not turn red $2"
}

make_killer
only_case init-without-reset init.exact_counts
set --
for name in killer smm-without-reset init-without-reset; do
	set -- "$@" "$(patch_of "$name")"
done
# The filter makes each run short.  It is unique, so that the cache has no results for it.
attempt env BUILD="${BUILD:-$PWD/build}" FILTER="*_test init.exact_count[s$$]" \
	"$repo/scripts/mutant-batch.sh" suite "$tree" "$tests/bin" "$tmp/found" "$@"
result "$status" "a batch with a mutant that kills the guest"
grep -q 'suite of init-without-reset and 2 more: the guest died' "$tmp/err"
result $? "they share a boot"
finished init-without-reset && ! grep -q 'suite of init-without-reset: ' "$tmp/err"
result $? "the one before it is judged by that boot"
[ -s "$tmp/found/suite.killer" ] && ! finished killer && grep -q 'suite of killer: the guest died' "$tmp/err"
result $? "the killer dies once more, alone, and has no end of results"
finished smm-without-reset && grep -q 'suite of smm-without-reset: 1 cases, done' "$tmp/err"
result $? "the one after it has a boot of its own"
attempt env BUILD="${BUILD:-$PWD/build}" FILTER="*_test init.exact_count[s$$]" \
	"$repo/scripts/mutant-batch.sh" suite "$tree" "$tests/bin" "$tmp/found" "$3"
[ "$status" -eq 0 ] && finished init-without-reset && [ ! -s "$tmp/err" ]
result $? "what was seen of a mutant is not run again"

# Lane upstream runs all of the kernel's tests, whichever of our tests have to catch the mutant.
mkdir "$tmp/theirs"
printf '#!/bin/sh\necho "not ours"\n' >"$tmp/theirs/their_test"
chmod +x "$tmp/theirs/their_test"
attempt env BUILD="${BUILD:-$PWD/build}" \
	"$repo/scripts/mutant-batch.sh" upstream "$tree" "$tmp/theirs" "$tmp/found" "$3"
grep -q '"test":"their_test".*"status":"pass"' "$(cat "$tmp/found/upstream.init-without-reset")"
result $? "all of the kernel's own tests are run on it"
plan_done
