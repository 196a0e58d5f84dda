#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Print all cases, configurations and mutants, or those that FILTER, CONFIG and MUTANTS select, as in
# make run and make mutants.  With FILTER, print only mutants that at least one of the cases must
# catch.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# all_names: print all configurations, or those for the bed BED.
all_names() {
	names=$(config_names) || exit
	for name in $names; do
		lane_define "$name"
		[ -n "${BED:-}" ] && ! lane_is_possible "$BED" || echo "$name"
	done
}

if [ -n "${CONFIG:-}" ]; then
	names=$(lanes_in "${BED:-qemu-svm}" $CONFIG) || exit
else
	names=$(all_names) || exit
fi
run "$top/scripts/deps.sh" build
settle_kernel ''
"$top/scripts/tools.sh"
capture tree "$top/scripts/${KERNEL_SRC:+k}tree.sh"
capture tests "$top/scripts/tests.sh" "$tree"

echo "Cases (FILTER matches 'TEST CASE'):"
"$BUILD/rootrun" --list ${FILTER:+--filter "$FILTER"} "$tests"/bin/mmu_root_*_test >"$BUILD/list" || exit
sed 's/^/  /' "$BUILD/list"

echo
echo "Configurations (CONFIG):"
for name in $names; do
	lane_define "$name"
	printf '  %-14s %s\n' "$name" "$lane_about"
done

# mutant_line PATCH: print the mutant's name, its bed, and its bug.
mutant_line() {
	printf '  %-44s %-10s %s\n' "$(basename "$1" .patch)" \
		"$(sed -n '/^diff --git/q; s/^Bed: //p' "$1" | grep . || echo qemu-svm)" \
		"$(sed -n 's/^Subject: \[PATCH\] //p' "$1")"
}

# turns_red PATCH: whether one of the listed cases matches a line Red: of the mutant.
turns_red() {
	[ -n "${FILTER:-}" ] || return 0
	"$BUILD/judge" --reds "$1" <"$BUILD/list"
}

echo
echo "Mutants (MUTANTS):"
for name in ${MUTANTS:-$(mutant_names)}; do
	patch=$(mutant_patch "$name")
	[ -r "$patch" ] || die "no such mutant: $name: see mutants/*.patch"
	! turns_red "$patch" || mutant_line "$patch"
done
