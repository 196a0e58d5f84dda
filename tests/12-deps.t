#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test scripts/deps.sh: it names what is missing, with the packages of three distributions; it
# installs packages with apt where it may; and a machine without apt works, too.

. tests/tap.sh

# A folder with links to all programs of our PATH; tests remove links to hide programs.
bin=$tmp/bin
mkdir -p "$bin"
for folder in $(echo "$PATH" | tr : ' '); do
	ln -s "$folder"/* "$bin/" 2>/dev/null
done

# hide PROGRAM...: remove these programs from that PATH
hide()
{
	for program; do
		rm -f "$bin/$program"
	done
}

# show PROGRAM...: restore the system's programs in that PATH
show()
{
	for program; do
		rm -f "$bin/$program"
		! command -v "$program" >/dev/null || ln -s "$(command -v "$program")" "$bin/$program"
	done
}

# fake PROGRAM: replace a program by the script on stdin
fake()
{
	rm -f "$bin/$1"
	{ echo '#!/bin/sh'; cat; } >"$bin/$1"
	chmod +x "$bin/$1"
}

APT='apt apt-get apt-cache dpkg dpkg-deb dpkg-query'

# there [NAME=VALUE...] COMMAND...: attempt a command with that PATH, and with a new cache
there()
{
	attempt env PATH="$bin" BUILD="$tmp/build" XDG_CACHE_HOME="$tmp/cache" "$@"
}

test_list()
{
	sed 's/#.*//' scripts/packages | awk 'NF && NF < 6 { print; bad = 1 } END { exit bad }' >"$tmp/bad"
	result $? "each line of scripts/packages says what is needed for which verb, its packages, and why"
	sed 's/^/# /' "$tmp/bad"
	attempt scripts/deps.sh everything
	one_line "a verb that is none" 2 "no such verb: everything"
}

test_missing()
{
	hide $APT
	there DEPS=0 scripts/deps.sh build run
	result "$status" "nothing missing, without apt and dpkg"
	[ ! -s "$tmp/err" ]
	result $? "nothing missing: not a word"

	hide flex
	there DEPS=0 scripts/deps.sh build
	one_line "a program is missing, DEPS=0" 2 "^error: missing, and DEPS=0 forbids to install it: flex: as root,"
	says "what to type on Debian" 2 "^    Debian: apt-get install flex$"
	says "what to type on Fedora" 2 "^    Fedora: dnf install flex$"
	says "what to type on Arch" 2 "^    Arch: pacman -S flex$"
	there scripts/deps.sh build
	one_line "a program is missing, no apt" 2 "^error: missing, and no apt-get here to install it: flex: as root,"
	show flex

	ln -sf "$(command -v cat)" "$bin/busybox"
	there DEPS=0 scripts/deps.sh run
	one_line "busybox is not static" 2 "install it: a static busybox: as root,"
	says "busybox is not static: the package" 2 "Debian: apt-get install busybox-static$"
	show busybox

	hide bochs-bin
	there DEPS=0 scripts/deps.sh run
	result "$status" "what another bed needs is not missed"
	there DEPS=0 BED='qemu-svm bochs-vmx' scripts/deps.sh run
	says "what a bed needs is" 2 "install it: bochs-bin: as root,"
	show bochs-bin
}

# Headers, libraries and files, with a list of packages made for this test.
test_headers()
{
	mkdir -p "$tmp/repo"
	cp -r scripts "$tmp/repo/"
	cat >"$tmp/repo/scripts/packages" <<-'END'
	build	include:stdio.h		libc6-dev	glibc-devel	glibc	is there
	build	lib:libgcc.a		gcc		gcc		gcc	is where only the compiler looks
	build	include:nowhere.h	libnowhere-dev	nowhere-devel	nowhere	is not
	build	lib:libnowhere.a	libnowhere-dev	-		nowhere	is not
	build	file:/nowhere*/*.bin	nowhere-bin	-		-	is not
	END
	there DEPS=0 "$tmp/repo/scripts/deps.sh" build
	one_line "headers and libraries" 2 "install it: nowhere.h, libnowhere.a, /nowhere.*.bin: as root,"
	says "headers and libraries: Debian" 2 "Debian: apt-get install libnowhere-dev nowhere-bin$"
	says "headers and libraries: no package of Fedora" 2 "Fedora: dnf install nowhere-devel; no package has libnowhere.a /nowhere"
}

# fake_apt: an apt-get that installs flex
fake_apt()
{
	fake apt-get <<-END
	echo "\$*" >>"$tmp/apt"
	case "\$*" in
	*install*) echo "Unpacking flex"; ln -s "$(command -v flex)" "$bin/flex" ;;
	esac
	END
	fake dpkg <<-'END'
	exit 0
	END
}

test_install()
{
	fake_apt
	fake id <<-'END'
	echo 1000
	END
	fake sudo <<-'END'
	exit 1
	END
	hide flex
	there scripts/deps.sh build
	one_line "no root" 2 "^error: missing, and neither root nor passwordless sudo: flex: as root,"
	[ ! -e "$tmp/apt" ]
	result $? "no root: apt is not tried"

	# This sudo refuses a kill of a process group without "--": kill of procps 4.0.2 would kill all
	# processes of the machine, see kill_group() in scripts/deps.sh.
	fake sudo <<-END
	[ "\$1" != -n ] || shift
	case "\$*" in
	"kill "*" -- "*) ;;
	"kill "*) echo "\$*" >>"$tmp/dangerous"; exit 1 ;;
	esac
	exec "\$@"
	END
	there scripts/deps.sh build
	says "sudo: told before" 0 "^installing 1 packages, and what they need, as root by sudo \(DEPS=0 forbids it\):$"
	says "sudo: which" 0 "^    flex$"
	! grep -q Unpacking "$tmp/err" && grep -q Unpacking "$tmp/build/logs/apt.log"
	result $? "sudo: what apt says is in a log, not on the screen"
	[ ! -e "$tmp/dangerous" ]
	result $? "sudo: groups of processes are named to kill after --"
	show id sudo

	hide flex
	there scripts/deps.sh build
	says "root" 0 "^installing 1 packages, and what they need, as root \(DEPS=0"

	hide flex
	fake apt-get <<-'END'
	echo "E: no such package"
	exit 100
	END
	there scripts/deps.sh build
	says "apt fails" 2 "^error: failed: apt-get install"
	says "apt fails: why" 2 "E: no such package"
	show flex
	hide $APT
}

no_apt()
{
	! kill -0 "$(cat "$tmp/pid")" 2>/dev/null
}

# A signal to one process alone ends apt, which would go on for long, whichever verb has started it.
test_interrupted_install()
{
	fake_apt
	fake apt-get <<-END
	echo \$\$ >"$tmp/pid"
	exec sleep 1000
	END
	echo 'echo 0' | fake id
	hide flex
	for verb in run list shell; do
		rm -f "$tmp/pid"
		in_session PATH="$bin" BUILD="$tmp/build" XDG_CACHE_HOME="$tmp/cache" CONFIG=suite "scripts/$verb.sh" 2>"$tmp/err"
		eventually 20 test -s "$tmp/pid"
		result $? "SIGTERM of make $verb while apt installs: had begun"
		kill -TERM $run
		eventually 5 no_apt
		ret=$?
		result $ret "SIGTERM of make $verb while apt installs: apt ends"
		[ $ret -eq 0 ] || pkill -KILL -s $run
		wait $run
	done
	show flex id
	hide $APT
}

# A list of packages that is longer than a line.
test_long_list()
{
	names=$(seq -f 'a-package-with-number-%g' 12)
	for name in $names; do
		echo "build /nowhere/$name $name $name $name is missing"
	done >"$tmp/repo/scripts/packages"
	fake apt-get <<-'END'
	exit 0
	END
	fake dpkg <<-'END'
	exit 0
	END
	there "$tmp/repo/scripts/deps.sh" build
	says "a long list of packages: told before" 2 "^installing 12 packages, and what they need"
	sed -n '/^installing /,/apt-get install/ { s/^    //p }' "$tmp/err" >"$tmp/list"
	[ "$(tr ' ' '\n' <"$tmp/list")" = "$names" ]
	result $? "a long list of packages: all of them"
	! grep -q '.\{97\}' "$tmp/list"
	result $? "a long list of packages: no line has more than 100 columns"
	hide $APT
}

# make_kernel_tree: a fake kernel tree, which "builds" at once, and seems to have the series
make_kernel_tree()
{
	kvm=$src/arch/x86/kvm
	mkdir -p "$kvm/mmu" "$src/tools/testing/selftests/kvm"
	touch "$src/Kbuild"
	echo '/* mmu_root_alloc mmu_root_cache_hit mmu_reset_every */' >"$kvm/x86.c"
	echo '/* kvm_mmu_root_load */' >"$kvm/mmu/mmutrace.h"
	echo '# mmu_roots' >"$src/tools/testing/selftests/kvm/Makefile"
	cat >"$src/Makefile" <<-'END'
	PATCHLEVEL = 12
	allnoconfig: ; cat .config.wanted >.config
	bzImage: ; mkdir -p arch/x86/boot; touch arch/x86/boot/bzImage
	modules: ; echo 'int f(void) { return 0; }' | gcc -c -x c -o arch/x86/kvm/kvm.ko -
	headers: ;
	kernelrelease: ; @echo 6.12.0-nothing
	END
}

test_kernel()
{
	there scripts/kernel.sh
	one_line "Debian's kernel without apt" 2 "^error: no apt-get here: give a kernel tree with KERNEL_SRC=~/linux"

	src=$tmp/linux
	make_kernel_tree
	there KERNEL_SRC="$src" scripts/ktree.sh
	says "KERNEL_SRC, a folder, without apt" 0 "^$tmp/cache/"
	[ -e "$(cat "$tmp/out")/boot/vmlinuz" ]
	result $? "KERNEL_SRC, a folder, without apt: its kernel is there"
	git -C "$src" init -q
	git -C "$src" add -A
	git -C "$src" -c user.name=A -c user.email=a@example.org commit -qm 'A kernel tree'
	there KERNEL_SRC="$src" scripts/ktree.sh
	says "KERNEL_SRC, a git tree, without apt" 0 "^$tmp/cache/"
	there KERNEL_SRC="$src" DEBIAN_VERSION=6.12.0-1 scripts/ktree.sh
	says "Debian's kernel for KERNEL_SRC, without apt" 2 "^error: no apt-get here"

	# Even if the machine has apt, it must not be called.
	for program in $APT; do
		echo "echo $program \"\$*\" >>'$tmp/called'; exit 1" | fake "$program"
	done
	echo 'all: ;' >>"$src/Makefile"
	git -C "$src" -c user.name=A -c user.email=a@example.org commit -qam 'Another one'
	there KERNEL_SRC="$src" CONFIG=suite scripts/run.sh
	grep -q 'building the kernel' "$tmp/err" && grep -q "$tmp/cache/.*/trees/.*selftests" "$tmp/err"
	ret=$?
	result $ret "a run with KERNEL_SRC gets to building its tests, which that tree has not"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/err"
	[ ! -e "$tmp/called" ]
	ret=$?
	result $ret "a run with KERNEL_SRC calls neither apt nor dpkg"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/called"
}

test_list
test_missing
test_headers
test_install
test_interrupted_install
test_long_list
test_kernel
plan_done
