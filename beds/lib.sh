# SPDX-License-Identifier: GPL-2.0
# Shared by all beds, but most of it is for those that boot a guest in an emulator: options,
# deadlines, progress, and the report on a guest that died.  The interface is in
# beds/README.md.  Sourced after scripts/lib.sh by a bed that has set
#   bed          its name
#   bed_about    where the guest boots, for --help
#   bed_results  where the guest writes its results, for --help
#   bed_timeout  default deadline in seconds
#   bed_pack     command that packs the initramfs (default: the one with the smallest result)
#   bed_smp      CPUs of the guest (default: one)
#   bed_real     set if its CPUs are real, so that faults of emulated ones excuse nothing (default: unset)
#   bed_note     a note for --help (default: none)

# Exit statuses, beside those of scripts/lib.sh.
EXIT_DIED=1
EXIT_DEADLINE=124

# Words for the kernel's command line that turn off slow features which no test needs.  lsm=: security
# modules check each read of a counter.  rcu_expedited: a process that creates and destroys VMs
# waits for RCU half of the time.  cgroup_disable: accounting of memory takes a twelfth of the time.
# The others take a thirtieth of a boot or more each: they test or load cryptography, search
# mappings that are writable and executable (rodata=off), and prepare names for formats of tracepoints.
QUICK='rcupdate.rcu_expedited=1 lsm= cgroup_disable=memory cryptomgr.notests rodata=off initcall_blacklist=jent_mod_init,crypto_kdf108_init,load_system_certificate_list,trace_eval_init'
# Two NUMA nodes, between which tests migrate memory.  NUMA balancing is off from the start, so that only
# tests migrate memory, see quieten_memory().
NODES='numa=fake=2 numa_balancing=disable'
LEAST_MEMORY_MIB=256
# Memory of the emulator itself, in addition to the guest's.
OVERHEAD_MIB=512
CONSOLE_LINES=20
POLL_S=1
PROGRESS_S=5

usage() {
	cat <<-END
	usage: beds/$bed/run --payload FOLDER --kernel FILE --results FILE --console FILE
	           [--name NAME] [--append WORDS] [--smp N] [--memory MIB]
	           [--timeout SECONDS] [--stall SECONDS] [--first SECONDS]
	           [--icount] [--parallel] [--tell]
	       beds/$bed/run --check
	       beds/$bed/run --machine [OPTION...]
	       beds/$bed/run --emulator
	Boots KERNEL, which runs the tests of PAYLOAD and powers off, in $bed_about.
	  --payload FOLDER modules, tests and what to do with them, see scripts/payload.sh
	  --initrd FILE    an initramfs, instead of one that is made of PAYLOAD
	  --results FILE   what the guest writes to $bed_results
	  --console FILE   the guest's console
	  --name NAME      what to call this run in messages (default: the bed's name)
	  --append WORDS   added to the kernel's command line
	  --smp N          CPUs of the guest (default: ${bed_smp:-1})
	  --memory MIB     the guest's memory (default: 1024)
	  --timeout SEC    deadline, in seconds (default: $bed_timeout for each lane)
	  --stall SEC      deadline for the next result, in seconds (default: none)
	  --first SEC      time until the first result, in seconds, after which the guest is
	                   booted once more (default: none)
	  --parallel       run the CPUs in parallel: only for kernels without JUMP_LABEL
	  --icount         the TSC counts instructions: slower, but it repeats
	  --tell           tell of cases that fail or are skipped as it happens
	  --shell          a prompt on the terminal, instead of the tests; not all beds have one
	  --check          only say whether this bed works on this machine
	  --machine        only print what OPTIONS make of the guest: with the same machine
	                   and kernel, configurations can share a boot
	  --emulator       only print what emulates the CPU, with its version
	Exit status: 0 the guest ended its results and powered off; 1 it did not;
	2 bad usage, or the bed does not work on this machine; 124 deadline passed.
	END
	[ -z "${bed_note:-}" ] || echo "$bed_note"
}

bed_die() {
	die "$bed: $*"
}

number() {
	case $2 in
	'' | *[!0-9]* | 0*) bed_die "$1 takes a number, not '$2'" ;;
	esac
}

readable() {
	[ -r "$2" ] || bed_die "$1: cannot read '$2'"
}

# packages_of WHAT: print the packages of an entry of scripts/packages, for messages.
packages_of() {
	awk -v what="$1" '
		$2 == what {
			text = "its package, on Debian " $3
			if ($4 != "-")
				text = text ", on Fedora " $4
			if ($5 != "-")
				text = text ", on Arch " $5
			print text
			exit
		}' "$top/scripts/packages"
}

# need_command COMMAND [PACKAGES]: die if the command is missing, and name its packages.
need_command() {
	command -v "$1" >/dev/null || bed_die "no $1: install ${2:-$(packages_of "$1")}"
}

need_memory() {
	free=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	[ "$free" -ge $((memory + OVERHEAD_MIB)) ] ||
		bed_die "too little memory: $free MiB available, $((memory + OVERHEAD_MIB)) are needed: stop something, or --memory less"
}

# check_cpu: look at the CPU's flags, not at /dev/kvm, which a KVM that cannot nest may have made.
check_cpu() {
	case $(grep -m 1 -o -w -e svm -e vmx /proc/cpuinfo) in
	svm*) vendor=kvm_amd ;;
	vmx*) vendor=kvm_intel ;;
	*) bed_die "this CPU shows neither vmx nor svm: turn virtualization on in the firmware, or nested virtualization in the hypervisor; or use BED=qemu-svm, which needs neither" ;;
	esac
}

# bed_options ARGUMENT...: set variables with the names of the options, and call the bed's
# check_machine.  Exit after --help, --check, --machine and --emulator.
bed_options() {
	kernel='' payload='' initrd='' results='' console='' name=$bed append='' smp=${bed_smp:-1} memory=1024
	timeout='' stall='' first='' icount='' parallel='' tell='' shell='' only=''
	while [ $# -gt 0 ]; do
		option=$1
		shift
		case $option in
		--help | -h) usage; exit 0 ;;
		--icount) icount=1; continue ;;
		--parallel) parallel=1; continue ;;
		--tell) tell=1; continue ;;
		--shell) shell=1; continue ;;
		--check | --machine | --emulator) only=${option#--}; continue ;;
		esac
		[ $# -gt 0 ] || bed_die "$option: no such option, or its value is missing: see --help"
		case $option in
		--kernel) kernel=$1 ;;
		--payload) payload=$1 ;;
		--initrd) initrd=$1 ;;
		--results) results=$1 ;;
		--console) console=$1 ;;
		--name) name=$1 ;;
		--append) append=$1 ;;
		--smp) smp=$1; number "$option" "$1" ;;
		--memory) memory=$1; number "$option" "$1" ;;
		--timeout) timeout=$1; number "$option" "$1" ;;
		--stall) stall=$1; number "$option" "$1" ;;
		--first) first=$1; number "$option" "$1" ;;
		*) bed_die "no such option: $option: see --help" ;;
		esac
		shift
	done

	case $only in
	machine) bed_machine; exit 0 ;;
	emulator) bed_emulator; exit 0 ;;
	esac
	check_machine
	[ -z "$only" ] || exit 0
	readable --kernel "$kernel"
	[ -n "$payload" ] || readable --initrd "$initrd"
	[ -z "$payload" ] || has_lanes
	[ -n "$results" ] || bed_die "--results is missing"
	[ -n "$console" ] || bed_die "--console is missing"
	[ "$memory" -ge "$LEAST_MEMORY_MIB" ] ||
		bed_die "--memory: Debian's kernel needs $LEAST_MEMORY_MIB MiB at least"
	: "${timeout:=$((bed_timeout * $(nr_lanes)))}"
	[ -z "$payload" ] || make_initrd
}

has_lanes() {
	[ -d "$payload/lanes" ] || bed_die "--payload: '$payload' has no lanes: scripts/payload.sh makes one"
}

nr_lanes() {
	[ -n "$payload" ] || payload_lanes=1
	[ -z "$payload" ] || payload_lanes=$(ls "$payload/lanes" | wc -l)
	echo "$payload_lanes"
}

# bed_machine: print what --machine prints; a bed may redefine it.
bed_machine() {
	echo "smp=$smp memory=$memory${parallel:+ parallel}${icount:+ icount} $append"
}

# unpacked_kernel: print the path of vmlinux beside vmlinuz, if scripts/unpack-kernel.sh has made it when
# the kernel was prepared.
unpacked_kernel() {
	[ "${kernel##*/}" != vmlinuz ] || [ ! -e "${kernel%z}x" ] || echo "${kernel%z}x"
}

# make_initrd: the kernel's configuration is found relative to boot/vmlinuz, in the folder of tree.sh.
make_initrd() {
	initrd=${results%.*}.initrd
	at_exit "rm -f '$initrd'"
	run env PACK="${bed_pack:-}" "$top/scripts/initramfs.sh" "$payload" "$initrd" "${kernel%/boot/*}/linux/.config"
}

show_console() {
	[ ! -e "$console" ] || tail -n "$CONSOLE_LINES" "$console" | tr -d '\r' | sed 's/^/    | /' >&2
}

# last_words: print the reason why the guest died, from a message of its kernel or of its first process.
last_words() {
	grep -a -m 1 -o -E '(Kernel panic|kernel BUG|BUG: |Oops: |init: |PANIC: ).*' "$console" 2>/dev/null |
		tr -d '\r' | grep . || echo "it does not say why"
}

count() {
	grep -c "\"type\":\"$1\"" "$results" 2>/dev/null || :
}

planned() {
	sed -n '/"type":"plan"/ { s/.*"cases":\[//; s/\].*//; s/,/\n/g; p }' "$results" 2>/dev/null | grep -c . || :
}

# progress SECONDS: print a line of progress.  If PROGRESS is set, write it to a file in this folder
# instead, for scripts/run.sh, which shows the progress of several beds at once.
progress() {
	planned_cases=$(planned)
	if [ "${planned_cases:-0}" -eq 0 ]; then
		progress_text=booting
	else
		progress_text="$(count case) of $planned_cases cases"
	fi
	if [ -n "${PROGRESS:-}" ]; then
		echo "$name $progress_text" >"$progress_file"
	else
		say "  $name: $progress_text, $1 s"
	fi
}

# done_text TEXT: print the last line of a bed that succeeded, but not if PROGRESS is set: the report
# then says the same.
done_text() {
	[ -n "${PROGRESS:-}" ] || say "  $name: $1"
}

# tell_verdicts: with --tell, print the cases that failed or were skipped since the last call, but not
# those that do not apply.
tell_verdicts() {
	[ -n "$tell" ] && [ -e "$results" ] || return 0
	lines=$(wc -l <"$results")
	[ "$lines" -gt "$told" ] || return 0
	head -n "$lines" "$results" | tail -n +$((told + 1)) |
		sed -n -e '/"reason":"not applicable: /d' -e 's/^{"type":"case","test":"\([^"]*\)","case":"\([^"]*\)","status":"\(fail\|skip\)","reason":"\(\([^"\\]\|\\.\)*\)".*/    \3: \1 \2: \4/p' |
		while IFS= read -r line; do
			say "$line"
		done
	told=$lines
}

stop_emulator() {
	end_group "$emulator_pid" KILL
	finish "$emulator_pid" 2>/dev/null || :
}

# What messages call the thing that may hang or die.
bed_runs='the guest'

# hang REASON: kill the guest, print the reason and the end of its console, and exit.
hang() {
	stop_emulator
	progress "$elapsed"
	say "$name: $bed_runs hangs: killed after $1; the end of its console:"
	show_console
	exit "$EXIT_DEADLINE"
}

check_deadlines() {
	[ "$elapsed" -lt "$timeout" ] || hang "$timeout s"
	[ -n "$stall" ] || return 0
	size=$(wc -c 2>/dev/null <"$results") || size=0
	if [ "$size" -ne "$last_size" ]; then
		last_size=$size
		last_result=$elapsed
	fi
	[ $((elapsed - last_result)) -lt "$stall" ] || hang "$stall s without a result"
}

# boot COMMAND...: run the emulator to its end, and set $emulator_status to its exit status.  Exit if
# a deadline passes.
boot() {
	# Results of an earlier run must not be taken for those of this run.
	rm -f "$results" "$console"
	start "$@" >"$console.emulator" 2>&1
	supervise
	check_guest
}

# stuck: whether the guest has to be booted once more because its first result takes too long.
stuck() {
	[ -z "${bed_real:-}" ] && [ -n "${first:-}" ] && [ "$elapsed" -ge "$first" ] && [ ! -s "$results" ]
}

# supervise: watch the process that start() has started, as boot() does.
supervise() {
	emulator_pid=$pid
	told=0
	elapsed=0
	begin=$(now)
	last=0
	last_result=0
	while kill -0 "$emulator_pid" 2>/dev/null; do
		sleep "$POLL_S"
		look_at_clock
		elapsed=$((now - begin))
		check_deadlines
		if [ $((elapsed - last)) -ge "$PROGRESS_S" ]; then
			last=$elapsed
			tell_verdicts
			progress "$elapsed"
		fi
		! rebooted && ! stuck || break
	done
	tell_verdicts
	if rebooted || stuck; then
		stop_emulator
		emulator_status=0
	else
		finish "$emulator_pid" && emulator_status=0 || emulator_status=$?
	fi
}

# check_guest: called when the guest has ended; a bed may redefine it to exit with a better message.
check_guest() {
	:
}

# rebooted: whether the guest restarts instead of powering off, so that the bed has to stop the
# emulator.  A bed redefines it if its emulator cannot be told to end on a restart.
rebooted() {
	false
}

# planned_ends: print how many runs of rootrun must end: one per lane and set of modules.  Of an initramfs
# from elsewhere (--initrd), only the runs that have begun are known.
planned_ends() {
	if [ -n "$payload" ]; then
		set -- "$payload"/modules/*
		echo $(($# * $(ls "$payload/lanes" | wc -l)))
	else
		count run
	fi
}

is_complete() {
	ended=$(count end)
	[ "${ended:-0}" -gt 0 ] && [ "$ended" = "$(planned_ends)" ]
}

begin_to_wait() {
	progress_file=${PROGRESS:-}/$(echo "$name" | tr / .)
	[ -z "${PROGRESS:-}" ] || at_exit "rm -f '$progress_file'"
	last_size=0
}

# bed_run COMMAND...: boot the guest with the emulator's command line, and exit with the verdict.
bed_run() {
	at_exit "rm -f '$console.emulator'"
	begin_to_wait
	boot "$@"
	# Boot once more if the guest died or hung before its first test: known faults 1 and 8 in beds/README.md,
	# which are those of emulators.  On real CPUs, this would hide a fault of the host's KVM.
	if [ -z "${bed_real:-}" ] && powered_off && [ ! -s "$results" ]; then
		why="died before its first test: $(last_words)"
		! stuck || why="has not begun its first test in $first s"
		say "$name: $bed_runs $why: booting once more"
		first=
		boot "$@"
	fi

	if powered_off && is_complete; then
		done_text "$(count case) cases, done in $(($(now) - begin)) s"
		exit 0
	fi
	if powered_off; then
		say "$name: $bed_runs died before its tests were done: $(last_words)"
	else
		say "$name: the emulator failed with status $emulator_status:"
		tail -n 5 "$console.emulator" | sed 's/^/    | /' >&2
	fi
	show_console
	exit "$EXIT_DIED"
}
