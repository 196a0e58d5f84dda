# SPDX-License-Identifier: GPL-2.0
# Run the tests of a payload.  Sourced by beds/init, in a guest, and by beds/host/run; both also source
# lanes/LANE.conf of the payload.
#
# $payload is the payload's folder, $modules is the folder of the modules in use.

# wanted TEST: whether this set of modules asks for the test.  A set without a list asks for all tests.
wanted() {
	asked=" $(cat "$modules/tests" 2>/dev/null) "
	short=${1#mmu_root_}
	case $asked in
	'  ' | *" ${short%_test} "*) return 0 ;;
	esac
	return 1
}

# quieten_memory: stop what moves, merges or samples memory by itself.  A page that was moved is faulted in
# again, and tests count faults.  So does a page that DAMON samples if its SPTE has no accessed bit, as L2's have
# with EPT.  khugepaged fills the holes that tests make in huge pages; it cannot be stopped, but it can be made to
# look at one page and sleep for weeks.
quieten_memory() {
	khugepaged=/sys/kernel/mm/transparent_hugepage/khugepaged
	for setting in /proc/sys/kernel/numa_balancing=0 /proc/sys/vm/compaction_proactiveness=0 \
		/sys/module/damon_stat/parameters/enabled=N \
		$khugepaged/defrag=0 $khugepaged/pages_to_scan=1 $khugepaged/scan_sleep_millisecs=4000000000; do
		[ ! -e "${setting%=*}" ] || echo "${setting#*=}" >"${setting%=*}"
	done
}

# with_tests RESULTS COMMAND...: run the command with rootrun's arguments.  set -f, as rootrun matches
# the pattern of --filter, and the shell must not expand it.
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

# on_real_cpu: adapt the lane to a real CPU.  The TSC counts cycles, and skips do not fail a case, as
# the CPU may lack features that the emulated CPUs have.
on_real_cpu() {
	UNIT=cycles
	ROOTRUN_ARGS=$(echo " $ROOTRUN_ARGS " | sed 's/ --no-skip / /')
}
