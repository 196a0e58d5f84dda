#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Test which bed make run and make shell take without BED, and what they say about it.

. tests/tap.sh

# fake_bed NAME CODE: replace the bed by this shell code
fake_bed()
{
	mkdir -p "$tmp/top/beds/$1"
	printf '#!/bin/sh\n%s\n' "$2" >"$tmp/top/beds/$1/run"
	chmod +x "$tmp/top/beds/$1/run"
}

# chosen BEDS LINE WORDS CONFIGS CHECK NAME: test that BED=WORDS selects these beds for these
# configurations, and prints this line or nothing, if the shell code CHECK replaces qemu-kvm/run
chosen()
{
	fake_bed qemu-kvm "$5"
	# shellcheck disable=SC2016 # expanded in there
	attempt env BED="$3" sh -c 'top=$1; . scripts/lib.sh; . scripts/lanes.sh; beds_for "$2"' sh "$tmp/top" "$4"
	[ "$status" -eq 0 ] && [ "$(tr '\n' ' ' <"$tmp/out")" = "$1 " ]
	result $? "$6: $1"
	[ "$(cat "$tmp/err")" = "$2" ]
	ret=$?
	result $ret "$6: says why, or nothing"
	[ $ret -eq 0 ] || sed 's/^/# /' "$tmp/err"
}

refuses='echo "error: qemu-kvm: kvm_amd has nested=0: do something" >&2; exit 2'
no_qemu='echo "error: qemu-kvm: no qemu-system-x86_64: apt-get" >&2; exit 2'

test_choice()
{
	works='  bed qemu-kvm, as this machine has nested virtualization; BED=qemu-svm emulates it'
	refused='  bed qemu-svm, as kvm_amd has nested=0; BED=qemu-kvm says more'
	chosen qemu-kvm "$works" '' default 'exit 0' "nested virtualization"
	chosen qemu-svm "$refused" '' default "$refuses" "no nested virtualization"
	chosen qemu-kvm "$works" '' 'suite race' "$no_qemu" "no QEMU yet"
	chosen qemu-svm '' '' 'suite upstream' 'exit 0' "a configuration for the emulator"
	chosen qemu-svm '' '' full 'exit 0' "CONFIG=full"
	chosen qemu-svm '' qemu-svm default 'exit 0' "BED=qemu-svm"
	chosen qemu-kvm '' qemu-kvm default "$refuses" "BED=qemu-kvm"
}

# after_install NAME PATTERN SCRIPT [NAME=VALUE...]: run the script on a machine where scripts/deps.sh
# installs QEMU, and bed qemu-kvm then refuses; bed qemu-svm ends the run
after_install()
{
	name=$1 pattern=$2 script=$3
	shift 3
	rm -f "$tmp/installed"
	attempt env BED= BUILD="$tmp/build" KERNEL="$(default_kernel)" "$@" "$tmp/top/scripts/$script.sh"
	one_line "$name" 2 "$pattern"
	[ "$(grep -c '^  bed ' "$tmp/err")" -eq 1 ]
	result $? "$name: one bed is named"
	says "$name: says why" 2 '^  bed qemu-svm, as kvm_amd has nested=0; BED=qemu-kvm says more$'
}

test_install()
{
	cp -r scripts "$tmp/top/"
	ln -s "$PWD/patches" "$tmp/top/patches"
	printf '#!/bin/sh\n: >"%s"\n' "$tmp/installed" >"$tmp/top/scripts/deps.sh"
	fake_bed qemu-kvm "[ -e '$tmp/installed' ] || { $no_qemu; }; $refuses"
	fake_bed qemu-svm 'echo "error: qemu-svm: far enough" >&2; exit 2'
	after_install "make run: once QEMU is there, the bed refuses" "^error: qemu-svm: far enough" run
	after_install "make shell: once QEMU is there, the bed refuses" "^error: qemu-svm: far enough" shell
	after_install "make run: a configuration that only this bed has" \
		"^error: configuration restricted is not for bed qemu-svm, but for: bochs-vmx qemu-kvm" run CONFIG=restricted
}

for bed in host qemu-svm; do
	fake_bed $bed 'exit 0'
done
ln -s "$PWD/configs" "$tmp/top/configs"
test_choice
test_install
plan_done
