# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that run lanes.  A lane is a configuration in a bed, see configs/README.md.
# Sourced after lib.sh.

CONFIG_SETS='default full'
# Boots to run at the same time per CPU: more than one, as tests of KVM spend a part of their time
# waiting for RCU grace periods.
BOOTS_PER_CPU=2
CONFIGS=${CONFIGS:-$top/configs}

# config_names: print the names of all configurations.
config_names() {
	(cd "$CONFIGS" && ls -- *.conf) 2>/dev/null | sed 's/\.conf$//' | grep . ||
		die "no configuration in $CONFIGS: set CONFIGS to a folder of *.conf"
}

# bed_names: print the names of all beds.
bed_names() {
	(cd "$top/beds" && ls -d ./*/ | tr -d './' | tr '\n' ' ')
}

# default_bed CONFIGS [quietly]: print qemu-kvm (real CPUs) if it works on this machine and runs all of
# the configurations, else qemu-svm.
default_bed() {
	for config in $1; do
		case " $CONFIG_SETS " in
		*" $config "*) continue ;;
		esac
		lane_define "$config"
		lane_is_possible qemu-kvm || {
			echo qemu-svm
			return
		}
	done
	default_refusal=$("$top/beds/qemu-kvm/run" --check 2>&1) && default_refusal=
	case $default_refusal in
	# A machine that only lacks QEMU is fine: scripts/deps.sh installs it.
	'' | *': no qemu-system-x86_64: '*)
		default_name=qemu-kvm
		default_why="this machine has nested virtualization; BED=qemu-svm emulates it"
		;;
	*)
		default_refusal=${default_refusal#error: qemu-kvm: }
		default_name=qemu-svm
		default_why="${default_refusal%%: *}; BED=qemu-kvm says more"
		;;
	esac
	[ -n "${2:-}" ] || say "  bed $default_name, as $default_why"
	echo "$default_name"
}

# beds_for CONFIGS [quietly]: print the beds to run the configurations in.  "full" runs in all emulated
# beds.  Say why if neither BED nor CONFIGS decide.
beds_for() {
	case ${BED:-}:$1 in
	:full) bed_names | tr ' ' '\n' | grep -vx -e host -e qemu-kvm ;;
	:*) default_bed "$@" ;;
	*) echo "$BED" ;;
	esac
}

# config_line WHERE LINE: set a variable from one line of a configuration.
config_line() {
	case $2 in
	*=*) ;;
	*) die "$1: not KEY = VALUE: $2" ;;
	esac
	config_key=${2%%=*}
	config_key=${config_key%"${config_key##*[! ]}"}
	config_value=${2#*=}
	config_value=${config_value#"${config_value%%[! ]*}"}
	case $config_key in
	about | sets | beds | kernel | kernel-beds | append | kvm | kvm-amd | kvm-intel | bed | tests | unit | rootrun) ;;
	*) die "$1: no such key: $config_key: configs/README.md lists them" ;;
	esac
	# The guest's shell reads the value between single quotes, see lane_payload().
	case $config_key=$config_value in
	about=*) ;;
	*"'"*) die "$1: $config_key has a quote" ;;
	esac
	case $config_key in
	*-*) config_key=${config_key%%-*}_${config_key#*-} ;;
	esac
	eval "lane_$config_key=\$config_value"
}

# lane_define CONFIG [CONFIGS]: set lane_KEY for each key of configs/README.md.
lane_define() {
	lane_about='' lane_sets='' lane_beds='' lane_kernel='' lane_kernel_beds='' lane_append=''
	lane_kvm='' lane_kvm_amd='' lane_kvm_intel='' lane_bed=''
	lane_tests='-name mmu_root_*_test ! -name mmu_root_perf_test ! -name mmu_root_soak_test'
	lane_unit=cycles lane_rootrun='--no-skip --hold kvmmmu/kvm_mmu_r*'
	config_file=${2:-$CONFIGS}/$1.conf
	[ -r "$config_file" ] ||
		die "no such configuration: $1: there are $(config_names | tr '\n' ' ')and the sets $CONFIG_SETS"
	config_nr=0
	while IFS= read -r config_text || [ -n "$config_text" ]; do
		config_nr=$((config_nr + 1))
		case $config_text in
		'' | '#'*) ;;
		*) config_line "$config_file:$config_nr" "$config_text" ;;
		esac
	done <"$config_file"
	[ -n "$lane_about" ] || die "$config_file: no line about = ..."
}

# lane_is_possible BED: whether the bed can run the defined configuration.
lane_is_possible() {
	case " ${lane_beds:-$1} " in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

# lane_is_allowed BED: whether the defined configuration may run there as part of a set.  Bed host does
# not reload KVM with other parameters without RELOAD=1.  Bed qemu-kvm leaves out configurations
# that only have parameters for Intel CPUs if the CPU is not one.
lane_is_allowed() {
	case $1 in
	host)
		[ "${RELOAD:-}" = 1 ] || [ -z "$lane_kvm$lane_kvm_amd$lane_kvm_intel" ] || {
			say "  configuration $config is left out: it loads modules with other parameters, which takes RELOAD=1"
			return 1
		}
		;;
	qemu-kvm)
		[ -z "$lane_kvm_intel" ] || [ -n "$lane_kvm_amd" ] || grep -q -m 1 -w vmx /proc/cpuinfo
		;;
	esac
}

# lanes_in BED WORD...: print the configurations for a list of names and sets.  Of a set, leave out
# those that the bed cannot run.
lanes_in() {
	lanes_bed=$1
	shift
	for word in "$@"; do
		case " $CONFIG_SETS " in
		*" $word "*)
			lanes_all=$(config_names) || exit
			for config in $lanes_all; do
				lane_define "$config"
				case " $lane_sets " in
				*" $word "*)
					lane_is_possible "$lanes_bed" && lane_is_allowed "$lanes_bed" && echo "$config"
					;;
				esac
			done
			;;
		*)
			lane_define "$word"
			lane_is_possible "$lanes_bed" || die "configuration $word is not for bed $lanes_bed, but for: $lane_beds"
			echo "$word"
			;;
		esac
	done
}

# lane_programs FOLDER: print the names of the lane's test programs in the folder.
lane_programs() {
	# find expands the patterns, not the shell.
	set -f
	find "$1" ! -xtype d $lane_tests -printf '%f\n' | LC_ALL=C sort | tr '\n' ' '
	set +f
}

# lane_boots BED CONFIG...: print one boot per line, as CONFIG+CONFIG.  Configurations with the same
# machine and kernel share boots, spread over as many boots as there are CPUs.
lane_boots() {
	boots_bed=$1
	shift
	for config in "$@"; do
		lane_define "$config"
		machine=$("$top/beds/$boots_bed/run" --machine --name "$config" --append "$lane_append" $lane_bed) ||
			exit
		printf '%s\t%s %s\n' "$config" "$machine" "$lane_kernel"
	done | awk -F '\t' -v jobs="$JOBS" '
		{ boot = $2 FS (nr[$2]++ % jobs) }
		!(boot in configs) { order[++n] = boot }
		{ configs[boot] = configs[boot] (configs[boot] ? "+" : "") $1 }
		END { for (i = 1; i <= n; i++) print configs[order[i]] }'
}

# quoted TEXT: print the text as it has to be between single quotes for a shell.
quoted() {
	printf '%s\n' "$1" | sed "s/'/'\\\\''/g"
}

# lane_payload BED CONFIG MODULES TESTS OUT: add all that a bed needs to run the defined configuration
# to the payload OUT, see payload.sh.
lane_payload() {
	programs=$(lane_programs "$4")
	[ -n "$programs" ] || die "lane $2 has no test: add one that matches: $lane_tests"
	case ${FILTER:-} in
	*\'*) die "FILTER has a quote, which no case has: $FILTER" ;;
	esac
	# Known bugs are those of Debian's kernel; a user's tree may or may not have them.
	[ -n "${KERNEL_SRC:-}" ] || [ ! -e "$SERIES_DIR/known-bugs" ] || {
		mkdir -p "$5"
		ln -sf "$SERIES_DIR/known-bugs" "$5/known"
	}
	"$top/scripts/payload.sh" "$5" "$2" "$3" "$4" "$BUILD/rootrun" <<-END
	BED='$1'
	LANE='$2'
	UNIT='$lane_unit'
	TESTS='$programs'
	KVM_PARAMS='$lane_kvm'
	KVM_AMD_PARAMS='$lane_kvm_amd'
	KVM_INTEL_PARAMS='$lane_kvm_intel'
	ROOTRUN_ARGS='${ROOTRUN_ARGS-$lane_rootrun} ${FILTER:+--filter $(echo "$FILTER" | tr ' ' '?')}'
	BEFORE_TESTS='$(quoted "${BEFORE_TESTS:-}")'
	MODULE_SETS='$(ls "$3"/*/kvm.ko >/dev/null 2>&1 && echo 1)'
	END
}

# mutant_names: print the names of all mutants for this kernel, planted bugs and real ones.
mutant_names() {
	find "$top/mutants" "$SERIES_DIR" -path '*/mutants/*.patch' | sed 's|.*/||; s/\.patch$//' | LC_ALL=C sort -u |
		grep -vxF -e "$(sed -n 's/^\([a-z0-9-]*\)\t.*/\1/p' "$SERIES_DIR/mutants/impossible" 2>/dev/null || :)"
}

# mutant_patch NAME: print its patch.  A kernel may have a patch of its own for a mutant.
mutant_patch() {
	if [ -e "$SERIES_DIR/mutants/$1.patch" ]; then
		echo "$SERIES_DIR/mutants/$1.patch"
	elif [ -e "$top/mutants/real/$1.patch" ]; then
		echo "$top/mutants/real/$1.patch"
	else
		echo "$top/mutants/$1.patch"
	fi
}

# results_in FOLDER: print the results files of the run in the folder.
results_in() {
	find "$1/" -mindepth 2 -maxdepth 2 -name '*.jsonl' -size +0 | LC_ALL=C sort
}

# profile_name BED: print the file with the costs of this kernel's paths in a bed, for this version of
# the emulator and this version of the compiler.
profile_name() {
	emulator=$("$top/beds/$1/run" --emulator) || exit
	echo "patches/linux-$KERNEL/profiles/$1$(echo "$emulator" | sed -n 's/^[A-Za-z]*\(-[0-9]*\.[0-9]*\).*/\1/p')-gcc$(gcc -dumpversion | cut -d . -f 1).jsonl"
}

# bed_check BED: die if the bed does not work on this machine; set $target to the kernel that the
# modules have to be built for, or to nothing if the bed boots the kernel that it is given.
bed_check() {
	target=''
	capture target "$top/beds/$1/run" --check
}

# lane_prepare CONFIG [TARGET [BED]]: build the kernel and the tests, and set $tree and $tests to them.
# TARGET comes from bed_check.
lane_prepare() {
	set -- "$1" "${2:-}" "${3:-qemu-svm}"
	lane_define "$1"
	case " ${lane_kernel_beds:-$3} " in
	*" $3 "*) ;;
	*) lane_kernel='' ;;
	esac
	[ "${lane_prepared-none}" != "$lane_kernel/$2" ] || return 0
	lane_prepared=$lane_kernel/$2
	[ -z "$lane_kernel" ] || [ -z "$2" ] ||
		die "configuration $1 wants a kernel of its own, '$lane_kernel', and the bed brings one: leave it out"
	capture tree env KERNEL_TARGET="${2%% *}" \
		DEBIAN_VERSION="$(echo "$2" | cut -d ' ' -f 2 -s | grep . || echo "${DEBIAN_VERSION:-}")" \
		"$top/scripts/${KERNEL_SRC:+k}tree.sh" $lane_kernel
	capture tests "$top/scripts/tests.sh" "$tree"
}

# lane_key BED TESTS: print a hash of all that a result depends on except the kernel and its modules.
lane_key() {
	(cd "$top" && {
		echo "$*${FILTER:+ $FILTER}"
		"$top/beds/$1/run" --emulator
		set | grep -e '^lane_' | grep -v -e '^lane_about' -e '^lane_sets' -e '^lane_beds' -e '^lane_prepared'
		[ ! -e "$SERIES_DIR/known-bugs" ] || cat "$SERIES_DIR/known-bugs"
		hash_files runner/*.[ch] beds/init beds/*.sh beds/*/run beds/*/*.[chS] scripts/lane.sh scripts/payload.sh \
			scripts/initramfs.sh
	} | sha256sum | cut -c1-16)
}

# lane_passed BED: print the file that has the results of the prepared lane if it has passed before,
# unchanged.  The file is removed together with the tree.
lane_passed() {
	echo "$tree/passed-$(lane_key "$1" "$tests/bin")"
}
