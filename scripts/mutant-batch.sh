#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the tests of a lane on some mutants: mutant-batch.sh LANE TREE TESTS OUT PATCH...
# OUT/LANE.NAME gets the path of each mutant's results file.  Results are cached, keyed by
# content.
#
# The mutants share a boot, which reloads KVM's modules for each.  But a mutant that crashes the
# guest must not spoil the results of others, and a mutant that leaves damage behind must not
# change the verdict on the next.  So a mutant that the tests do not catch in the shared boot
# gets a boot of its own.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"

# Longer than the longest deadline of a case, and than a boot in Bochs while other tests run.
STALL_S=600

lane=$1 tree=$2 tests=$3 out=$4
shift 4
lane_define "$lane"
dir=$(mktemp -d "$BUILD/batch.XXXXXX")
at_exit "rm -rf '$dir'"

key=$(lane_key "${BED:-qemu-svm}" "$tests")

# kept NAME: print the path of the mutant's cached results.
kept() {
	echo "$dir/$1/$key-$(cksum <"$dir/sets/$1/tests" | tr ' ' -)/$lane.jsonl"
}

# is_upstream: whether the lane has the kernel's own tests, which need not catch anything.
is_upstream() {
	case $lane in
	upstream*) return 0 ;;
	esac
	return 1
}

# wanted_tests NAME: print which of our tests have to catch the mutant.  Of the kernel's own tests, all
# are run, so print nothing.
wanted_tests() {
	is_upstream || sed -n '/^diff --git/q; s/^Tests: //p' "$(mutant_patch "$1")"
}

# set_up NAME MODULES: make the folder of modules that the guest gets, with the list of tests to run.
set_up() {
	ln -s "$2" "$dir/$1"
	mkdir -p "$dir/sets/$1"
	ln -s "$2"/*.ko "$dir/sets/$1/"
	wanted_tests "$1" >"$dir/sets/$1/tests"
}

is_complete() {
	grep -qs '"type":"end"' "$1"
}

# boot OUT MODULES NAME: run the lane with a folder of modules, or a folder of such folders.
boot() {
	mkdir -p "$1"
	run env BED_ARGS="--timeout 3600 --stall $STALL_S" "$top/scripts/lane.sh" "$lane" \
		"$tree" "$2" "$tests" "$1" "$3" || :
}

# boot_together NAME...: run the mutants in one boot.  $dir/NAME.jsonl has the results of each mutant
# that the guest has started.
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

# run_alone NAME: give the mutant a boot of its own.  If the bed dies again, the results have no end
# line, which the judge sees.  Such results are not cached, as the cause may be something else.
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
		{ is_upstream || "$BUILD/judge" --lane "$lane" "$(mutant_patch "$1")" "$dir/$1.jsonl" >&2; }
}

# run_together NAME...: run the mutants in one boot.  Give a boot of its own to each that was started
# but not killed, and to the first one if the guest did not start any.  Set $todo to the rest.
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

# Sort the mutants by name: the guest runs them in this order.
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
