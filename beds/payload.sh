# SPDX-License-Identifier: GPL-2.0
# What a bed does with a payload, whether in the first process of a guest or on
# the host: sourced by beds/init and beds/host/run, beside lanes/LANE.conf.
#
# $payload is the folder, $modules the set of modules in use.

# wanted TEST: whether this set of modules asks for the test, or for none.
wanted() {
	asked=" $(cat "$modules/tests" 2>/dev/null) "
	short=${1#mmu_root_}
	case $asked in
	'  ' | *" ${short%_test} "*) return 0 ;;
	esac
	return 1
}

# with_tests RESULTS COMMAND...: calls the command with rootrun's command line.  A
# filter is a pattern for rootrun to match, not for the shell.
with_tests() {
	results_to=$1
	shift
	set -f
	set -- "$@" --output "$results_to" --bed "$BED" --lane "$LANE" --unit "$UNIT" $ROOTRUN_ARGS
	[ ! -e "$payload/known" ] || set -- "$@" --known "$payload/known"
	for test in $TESTS; do
		! wanted "$test" || set -- "$@" "$payload/tests/$test"
	done
	set +f
	"$@"
}

# What a lane is on a real CPU, which may well lack what the emulated ones have.  Its TSC
# counts cycles.
on_real_cpu() {
	UNIT=cycles
	ROOTRUN_ARGS=$(echo " $ROOTRUN_ARGS " | sed 's/ --no-skip / /')
}
