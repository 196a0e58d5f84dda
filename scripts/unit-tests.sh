#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build kvm-unit-tests from the user's clone, and make a program of each test in mutants/unit-tests:
# UNIT_TESTS=CLONE unit-tests.sh
# Prints a folder of such programs.  Each starts this machine's QEMU, which is in the folder, too, with
# the guest's KVM.  The clone is not changed.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# The firmware that QEMU needs to boot a multiboot kernel.
ROMS='bios-256k.bin kvmvapic.bin linuxboot_dma.bin multiboot.bin multiboot_dma.bin'

# params NAME: print what x86/unittests.cfg says of a test, as lines KEY VALUE.
params() {
	awk -v section="[$1]" '
		/^\[/ { ours = $0 == section }
		ours && /^(file|smp|qemu_params|test_args) *=/ { sub(/ *= */, " "); print }' "$src/x86/unittests.cfg"
}

# param KEY: print the value of one of the lines of params.
param() {
	sed -n "s/^$1 //p" "$out.params"
}

build() {
	rm -rf "$src"
	mkdir -p "$src"
	(cd "$UNIT_TESTS" && git archive HEAD) | tar -x -C "$src"
	cd "$src" || die "no folder $src"
	step "$out.log" "configuring kvm-unit-tests" ./configure --arch=x86_64
	step "$out.log" "building kvm-unit-tests" make -j "$JOBS"
	cd "$top" || die "no folder $top"
}

# install_qemu: copy QEMU, its libraries and its firmware.
install_qemu() {
	mkdir -p "$out/files/lib" "$out/files/roms"
	qemu=$(command -v qemu-system-x86_64)
	cp -L "$qemu" "$out/files/qemu"
	for lib in $(ldd "$qemu" | sed -n 's|^[^/]*\(/[^ ]*\) (0x.*|\1|p'); do
		cp -L "$lib" "$out/files/lib/"
	done
	qemu-system-x86_64 -L help | while read -r folder; do
		for rom in $ROMS; do
			[ ! -e "$folder/$rom" ] || cp -L "$folder/$rom" "$out/files/roms/"
		done
	done
}

# install_run: write the program that runs a test.  The options are those of x86/run of kvm-unit-tests.  The
# test's exit status N makes QEMU exit with 2 * N + 1; N is 0 if the test has passed.  QEMU that fails by itself
# exits with 1, too, but says why: as in scripts/vmm.bash of kvm-unit-tests, it may only print warnings.
install_run() {
	cat >"$out/files/run" <<-'END'
	#!/bin/sh
	kernel=$1 smp=$2 append=$3
	shift 3
	cd /tests/files
	exec 3>&1
	errors=$(lib/ld-linux-x86-64.so.2 --library-path lib ./qemu -L roms -machine accel=kvm --no-reboot -nodefaults \
		-global kvm-pit.lost_tick_policy=discard -device pc-testdev \
		-device isa-debug-exit,iobase=0xf4,iosize=0x4 -display none -serial stdio -device pci-testdev \
		-kernel "$kernel" -smp "$smp" -append "$append" "$@" </dev/null 2>&1 >&3)
	status=$?
	echo "$errors"
	[ "$status" -eq 1 ] && ! printf '%s' "$errors" | grep -qvi warning
	END
	chmod 755 "$out/files/run"
}

# install_test NAME [ARG...]: write the program of a test, which gets the arguments after its own.
install_test() {
	name=$1
	shift
	params "$name" >"$out.params"
	file=$(param file)
	[ -n "$file" ] || die "$UNIT_TESTS has no test $name: take it out of mutants/unit-tests"
	cp "$src/x86/$file" "$out/files/"
	smp=$(param smp)
	printf '#!/bin/sh\nexec /tests/files/run %s %s %s %s\n' "$file" "${smp:-1}" \
		"'$(param test_args | tr -d \"\') $*'" "$(param qemu_params)" >"$out/unit_$name"
	chmod 755 "$out/unit_$name"
}

[ -e "$UNIT_TESTS/x86/unittests.cfg" ] || die "$UNIT_TESTS is no clone of kvm-unit-tests: set UNIT_TESTS to one"
commit=$(git -C "$UNIT_TESTS" rev-parse HEAD) || die "$UNIT_TESTS is no clone of kvm-unit-tests: clone it with git"
key=$({ echo "$commit"; qemu-system-x86_64 --version; cat "$top/mutants/unit-tests" "$0"; } | sha256sum | cut -c1-16)
out=$CACHE/unit-tests/$key
src=$out.src
lock "unit-tests-$key"
if [ ! -e "$out/files/.done" ]; then
	mkdir -p "$CACHE/unit-tests"
	build
	rm -rf "$out"
	install_qemu
	install_run
	# The arguments have patterns, which the shell must not expand.
	set -f
	grep -v '^#' "$top/mutants/unit-tests" | cut -f 1 | while read -r test; do
		install_test $test
	done
	set +f
	rm -rf "$src" "$out.params"
	touch "$out/files/.done"
fi
echo "$out"
