#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the tests of a lane on some mutants: mutant-batch.sh LANE TREE TESTS OUT PATCH...
# Writes the path of each results file to OUT/LANE.NAME.  Results are kept, keyed by
# content.
#
# They share a boot, as KVM's modules can be reloaded.  A mutant that kills the guest
# must not take others with it, and one that leaves something behind must not be
# blamed on the next: what is not a kill in a shared boot gets a boot of its own.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# More than the longest deadline of a case, and than a boot in Bochs beside other tests.
STALL_S=600

lane=$1 tree=$2 tests=$3 out=$4
shift 4
lane_define "$lane"
dir=$(mktemp -d "$BUILD/batch.XXXXXX")
at_exit "rm -rf '$dir'"

key=$(lane_key "${BED:-qemu-svm}" "$tests")

# kept NAME: where the results are, once there are any.
kept() {
	echo "$dir/$1/$key-$(cksum <"$dir/sets/$1/tests" | tr ' ' -)/$lane.jsonl"
}

# wanted_tests NAME: of ours, those that are to catch it; all of the kernel's own.
wanted_tests() {
	[ "$lane" = upstream ] || sed -n '/^diff --git/q; s/^Tests: //p' "$(mutant_patch "$1")"
}

# set_up NAME MODULES: what the guest gets, with the tests that are to be run.
set_up() {
	ln -s "$2" "$dir/$1"
	mkdir -p "$dir/sets/$1"
	ln -s "$2"/*.ko "$dir/sets/$1/"
	wanted_tests "$1" >"$dir/sets/$1/tests"
}

is_complete() {
	grep -qs '"type":"end"' "$1"
}

# boot OUT MODULES NAME
boot() {
	mkdir -p "$1"
	run env BED_ARGS="--timeout 3600 --stall $STALL_S" "$top/scripts/lane.sh" "$lane" \
		"$tree" "$2" "$tests" "$1" "$3" || :
}

# Leaves $dir/NAME.jsonl for each mutant that the guest has got to.
boot_together() {
	mkdir "$dir/chosen"
	for name in "$@"; do
		ln -s "$dir/sets/$name" "$dir/chosen/$name"
		rm -f "$dir/$name.jsonl"
	done
	boot "$dir/together" "$dir/chosen" "$lane of $1 and $(($# - 1)) more"
	awk -v dir="$dir" '
		/^{"type":"modules"/ { split($0, part, "\""); file = dir "/" part[8] ".jsonl"; printf "" >file; next }
		file { print >file }' "$dir/together/$lane.jsonl" || :
	rm -rf "$dir/chosen" "$dir/together"
}

# A mutant that kills the bed even alone has no end of results, which the judge
# sees, and which is not kept: it might have been something else.
run_alone() {
	boot "$dir/$1.alone" "$dir/sets/$1" "$lane of $1"
	if is_complete "$dir/$1.alone/$lane.jsonl"; then
		keep "$1" "$dir/$1.alone/$lane.jsonl"
	else
		mkdir -p "$out/died"
		cp "$dir/$1.alone/$lane.jsonl" "$out/died/$lane.$1.jsonl" 2>/dev/null || :
		echo "$out/died/$lane.$1.jsonl" >"$out/$lane.$1"
	fi
}

keep() {
	mkdir -p "$(dirname "$(kept "$1")")"
	mv "$2" "$(kept "$1").$$"
	mv "$(kept "$1").$$" "$(kept "$1")"
	found "$1"
}

found() {
	readlink -f "$(kept "$1")" >"$out/$lane.$1"
}

is_killed() {
	is_complete "$dir/$1.jsonl" &&
		{ [ "$lane" = upstream ] || "$BUILD/judge" --lane "$lane" "$(mutant_patch "$1")" "$dir/$1.jsonl" >&2; }
}

# Leaves in $todo those that the guest did not get to.
run_together() {
	boot_together "$@"
	todo=
	for name in "$@"; do
		if is_killed "$name"; then
			keep "$name" "$dir/$name.jsonl"
		elif [ -e "$dir/$name.jsonl" ] || [ "$name" = "$1" ]; then
			run_alone "$name"
		else
			todo="$todo $name"
		fi
	done
}

# In the order of their names, which is that of the guest.
todo=
for name in $(basename -s .patch "$@" | LC_ALL=C sort); do
	patch=$(mutant_patch "$name")
	run "$top/scripts/mutant-build.sh" "$patch" "$tree" >"$dir/built" || continue
	set_up "$name" "$(cat "$dir/built")"
	if [ -e "$(kept "$name")" ]; then
		found "$name"
	else
		todo="$todo $name"
	fi
done
while [ "$(echo "$todo" | wc -w)" -gt 1 ]; do
	run_together $todo
done
[ -z "$todo" ] || run_alone $todo
