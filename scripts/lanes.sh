# SPDX-License-Identifier: GPL-2.0
# What a lane is: one boot of a bed, with one MMU, that runs some of the tests.
# Sourced after lib.sh.

# What "make run" does, what it does with LANES=all, in the order of its table, and
# what there is beside.
LANES_DEFAULT='suite bench'
LANES_MMUS="$LANES_DEFAULT suite4 legacy legacy4 shadow"
LANES_ALL="$LANES_MMUS race"

# lane_define NAME: sets
#   lane_about   what it is, in a few words
#   lane_tests   which test programs: patterns for find, all of which must match
#   lane_unit    what the TSC counts: cycles or instructions
#   lane_config  which kernel: a scripts/kconfig-*, or nothing for Debian's
#   lane_bed     options of beds/NAME/run, see beds/README.md
#   lane_append  words for the kernel's command line
#   lane_rootrun options of rootrun
#   lane_kvm     parameters of kvm.ko
#   lane_tdp     0 for shadow paging: npt= of kvm-amd.ko, ept= of kvm-intel.ko
#   lane_kvm_intel parameters of kvm-intel.ko
#
# No test but that of costs depends on instructions, which only a single CPU
# executes in an order that repeats.
lane_define() {
	lane_tests='-name mmu_root_*_test ! -name mmu_root_perf_test'
	# These beds lack nothing that a test of ours needs.
	lane_rootrun=--no-skip
	lane_config=${CONFIG:-}
	lane_unit=cycles lane_bed='' lane_append='' lane_kvm='' lane_tdp='' lane_kvm_intel=''
	case $1 in
	suite)
		lane_about='TDP MMU, 5-level page tables'
		;;
	suite4)
		lane_about='TDP MMU, 4-level page tables'
		lane_append=no5lvl
		;;
	legacy)
		lane_about='tdp_mmu=0, 5-level page tables'
		lane_kvm=tdp_mmu=0
		;;
	legacy4)
		lane_about='tdp_mmu=0, 4-level page tables'
		lane_kvm=tdp_mmu=0 lane_append=no5lvl
		;;
	shadow)
		lane_about='shadow paging: npt=0 or ept=0'
		lane_tdp=0
		;;
	bench)
		lane_about='costs in instructions, TDP MMU'
		lane_tests='-name mmu_root_perf_test' lane_unit=instructions lane_bed=--icount
		;;
	race)
		lane_about='real concurrency: four CPUs in parallel, with lockdep'
		lane_config=race lane_bed='--smp 4 --parallel'
		# The small kernel has no huge pages; the SMP tests send SMIs, too.
		lane_tests="$lane_tests ! -name mmu_root_smm_test"
		;;
	upstream)
		lane_about="the kernel's own tests, for make mutants UPSTREAM=1"
		lane_tests='! -name mmu_root_* ! -name .*' lane_rootrun='--whole --timeout 60'
		lane_bed='--memory 2048'
		;;
	*)
		die "no such lane: $1: there are $LANES_ALL"
		;;
	esac
	# KASAN takes its time.
	[ "$lane_config" != debug ] || lane_bed="$lane_bed --timeout 1800"
}

# lane_programs FOLDER: names of the lane's test programs in it.
lane_programs() {
	# The patterns are for find.
	set -f
	find "$1" ! -type d $lane_tests -printf '%f\n' | LC_ALL=C sort | tr '\n' ' '
	set +f
}

# lane_results FOLDER: results files of a run in it, in the order of the lanes.
lane_results() {
	for lane_name in $LANES_ALL; do
		[ ! -s "$1/$lane_name.jsonl" ] || echo "$1/$lane_name.jsonl"
	done
}

# lane_prepare NAME: what to boot and to run: sets $tree and $tests.
lane_prepare() {
	lane_define "$1"
	[ "${lane_prepared-none}" != "$lane_config" ] || return 0
	lane_prepared=$lane_config
	capture tree "$top/scripts/${KERNEL_SRC:+k}tree.sh" $lane_config
	capture tests "$top/scripts/tests.sh" "$tree"
}

# lane_key TESTS: of all that a result depends on, beside the kernel and its modules.
lane_key() {
	(cd "$top" && {
		echo "$1 ${BED:-} ${FILTER:-}"
		set | grep '^lane_' | grep -v -e '^lane_about' -e '^lane_name' -e '^lane_prepared'
		hash_files runner/*.[ch] beds/init beds/*.sh beds/*/run scripts/lane.sh scripts/initramfs.sh
	} | sha256sum | cut -c1-16)
}
