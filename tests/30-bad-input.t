#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test bad input, and machines that lack something: the scripts must print one clear line with
# the remedy, and exit with status 2.

. tests/tap.sh

# A copy of the repository, which tests may break.
repo=$tmp/repo
mkdir -p "$repo" "$tmp/bin"
cp -r Makefile scripts beds patches mutants runner report tools "$repo"

# fake PROGRAM: replace a program of the system by the script on stdin
fake()
{
	{ echo '#!/bin/sh'; cat; } >"$tmp/bin/$1"
	chmod +x "$tmp/bin/$1"
}

# with_fakes COMMAND...: run a command with the fake programs in its PATH
with_fakes()
{
	env PATH="$tmp/bin:$PATH" "$@"
}

no_fakes()
{
	rm -f "$tmp/bin"/*
}

bed()
{
	beds/qemu-svm/run --kernel /dev/null --initrd /dev/null \
		--results "$tmp/results" --console "$tmp/console" "$@"
}

test_kernel()
{
	attempt env DEBIAN_VERSION=6.12.0-nowhere DEPS=0 scripts/kernel.sh
	one_line "no matching pair" 2 "no matching pair of linux-source-6.12 and linux-image-.* in version 6.12.0-nowhere: apt-get update, or"
	attempt env DEBIAN_VERSION=7.3.0-nowhere DEPS=0 scripts/kernel.sh
	one_line "no such version in a suite of our own" 2 "no kernel 7.3 in version 7.3.0-nowhere in trixie-backports"
	fake apt-cache <<-'END'
	exit 0
	END
	attempt with_fakes env KERNEL=6.12 DEPS=0 scripts/kernel.sh
	one_line "no packages at all" 2 "no matching pair"
	no_fakes
	# If the newest kernel cannot be downloaded, the next one is taken.
	fake apt-get <<-'END'
	case "$*" in
	*/apt/trixie-backports/*update*) echo "E: cannot be reached"; exit 100 ;;
	esac
	PATH=${PATH#*:} exec apt-get "$@"
	END
	# shellcheck disable=SC2016 # its own variables
	attempt with_fakes env -u KERNEL_DEFAULT XDG_CACHE_HOME="$tmp/cache" sh -c \
		'top=$PWD; . scripts/lib.sh; settle_kernel ""; echo "kernel $KERNEL_DEFAULT"'
	says "a suite that cannot be reached: another kernel is taken" 0 "^kernel 6.12$"
	says "a suite that cannot be reached: says so" 0 \
		"^  kernel 7.3 cannot be had: cannot fetch trixie-backports .*: DEBIAN_MIRROR= names another mirror; taking 6.12$"
	attempt with_fakes env KERNEL=7.3 XDG_CACHE_HOME="$tmp/cache" scripts/kernel.sh
	one_line "a suite that cannot be reached, and its kernel is told" 2 "cannot fetch trixie-backports"
	no_fakes
	fake df <<-'END'
	printf 'Filesystem 1M-blocks Used Available Capacity Mounted on\n/dev/sda 100 90 10 90%% /\n'
	END
	attempt with_fakes env XDG_CACHE_HOME="$tmp/cache" scripts/kernel.sh
	one_line "too little disk" 2 "too little disk: .* has 10 MiB free, 4000 are needed: free some, or set XDG_CACHE_HOME"
	no_fakes
	attempt env XDG_CACHE_HOME=/proc/nowhere scripts/kernel.sh
	says "a cache that cannot be written" 2 "cannot create .*"
}

# config LINE...: attempt to run a configuration of these lines
config()
{
	mkdir -p "$tmp/configs"
	printf '%s\n' "$@" >"$tmp/configs/mine.conf"
	attempt make -s run CONFIG=mine CONFIGS="$tmp/configs"
}

test_bed()
{
	attempt make -s run BED=moon
	one_line "no such bed" 2 "no such bed: moon: there are bochs-vmx host qemu-kvm qemu-svm"
	attempt make -s run CONFIG='suite moon'
	one_line "no such configuration" 2 "no such configuration: moon: there are bench .* and the sets default full"
	attempt make -s configs CONFIGS="$tmp/none"
	one_line "no folder of configurations" 2 "no configuration in .*/none"
	config 'about = mine' 'beds = moon' 'tests = -name a'
	one_line "a configuration for another bed" 2 "configuration mine is not for bed qemu-svm, but for: moon"
	config 'about = mine' '' '# comment' 'kmv = tdp_mmu=0'
	one_line "a key of a configuration that is none" 2 "mine.conf:4: no such key: kmv: configs/README.md lists them"
	config 'about = mine' 'tdp_mmu'
	one_line "a line of a configuration that is none" 2 "mine.conf:2: not KEY = VALUE: tdp_mmu"
	config 'about = mine' "kvm = a'b"
	one_line "a quote in a configuration" 2 "mine.conf:2: kvm has a quote"
	config 'kvm = tdp_mmu=0'
	one_line "a configuration without a description" 2 "mine.conf: no line about = "
	config 'about = mine' 'kernel = moon'
	one_line "no such kernel" 2 "no such kernel: moon: there are debug race"
	fake qemu-system-x86_64 <<-'END'
	echo "QEMU emulator version 5.2.0 (Debian 1:5.2+dfsg-11)"
	END
	attempt with_fakes make -s run
	one_line "QEMU too old" 2 "QEMU 5.2.0 is too old: install 7.2 or later"
	no_fakes
	# A PATH without QEMU, but with all other programs that the bed calls.
	for program in awk sed grep sort head tail ls dirname setpriv sh cat tr rm nproc; do
		ln -sf "$(command -v $program)" "$tmp/bin/"
	done
	attempt env PATH="$tmp/bin" "$PWD/beds/qemu-svm/run" --check
	one_line "QEMU missing" 2 "no qemu-system-x86_64: install its package, on Debian qemu-system-x86, on Fedora qemu-system-x86-core, on Arch qemu-system-x86$"
	attempt env PATH="$tmp/bin" "$PWD/beds/bochs-vmx/run" --check
	one_line "Bochs missing, which Debian alone has" 2 "no bochs-bin: install its package, on Debian bochs$"
	no_fakes
	attempt bed --memory 99999999
	one_line "too little memory" 2 "too little memory: [0-9]* MiB available, 100000511 are needed"
	attempt bed --timeout soon
	one_line "a timeout that is none" 2 "--timeout takes a number, not 'soon'"
	attempt bed --stall soon
	one_line "a stall that is none" 2 "--stall takes a number, not 'soon'"
	attempt bed --first now
	one_line "a time until the first result that is none" 2 "--first takes a number, not 'now'"
	attempt bed --icount --parallel
	one_line "two ways of time at once" 2 "--icount and --parallel do not go together: choose one"
	attempt bed --coffee 1
	one_line "an option that is none" 2 "no such option: --coffee: see --help"
	attempt beds/qemu-svm/run --kernel "$tmp/nowhere" --initrd /dev/null
	one_line "a kernel that is none" 2 "--kernel: cannot read '.*nowhere'"
	attempt beds/qemu-svm/run --help
	says "--help" 0 "^usage: beds/qemu-svm/run"
}

test_patches()
{
	base=$(scripts/kernel.sh) || bail_out "no kernel source"
	mkdir -p "$tmp/tree"
	cp -r --parents "$base/linux/arch/x86/kvm" "$base/linux/arch/x86/include/asm/kvm_host.h" \
		"$base/linux/Makefile" "$base"/linux/tools/testing/selftests/kvm/Makefile* "$tmp/tree"
	tree=$tmp/tree$base/linux
	sed -i 's/nx_lpage_splits;/nx_lpage_splits_renamed;/' "$tree/arch/x86/include/asm/kvm_host.h"
	attempt scripts/apply-series.sh "$tree"
	says "a patch that no longer applies: its name" 2 \
		"patch no longer applies: patches/linux-$(default_kernel)/stats/0001-.*: refresh it for $(default_kernel)"
	grep -q 'kvm_host.h.rej' "$tmp/err" && grep -q '| +.*mmu_root_alloc' "$tmp/err"
	result $? "a patch that no longer applies: its reject"
	echo stats/0009-nowhere.patch >>"$repo/patches/linux-$(default_kernel)/series"
	attempt "$repo/scripts/apply-series.sh" "$tree"
	says "a series that names a patch that is none" 2 "no such patch: .*0009-nowhere.patch: mend .*series"
	attempt make -s mutants MUTANTS=nowhere DEPS=0
	says "a mutant that is none" 2 "no such mutant: nowhere: see mutants/"
}

test_kernel_src()
{
	attempt make -s install-into
	one_line "no KERNEL_SRC" 2 "which tree\\? make install-into KERNEL_SRC=/path/to/linux"
	for verb in install-into run; do
		attempt make -s $verb KERNEL_SRC="$tmp/nowhere"
		one_line "$verb: no such folder" 2 "KERNEL_SRC=.*nowhere: no such folder"
		attempt make -s $verb KERNEL_SRC="$tmp"
		one_line "$verb: no kernel tree" 2 "is no kernel tree with KVM/x86: give the top of one"
	done
	attempt make -s run KERNEL=all KERNEL_SRC="$tmp/nowhere"
	one_line "all kernels, and a tree" 2 "KERNEL=all and KERNEL_SRC=.*nowhere do not go together: leave one out"
	attempt make -s run KERNEL=2.4
	one_line "a kernel that there are no patches for" 2 "no such kernel: 2.4: there are 6.12 7.3"
}

test_report()
{
	attempt env BUILD="$tmp/build" make -s report
	one_line "no results yet" 2 "no results in .*: make run"
	attempt make -s help
	says "make help" 0 "^  make run  *build all"
}

test_kernel
test_bed
test_patches
test_kernel_src
test_report
plan_done
