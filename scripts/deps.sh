#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Install the Debian packages that a verb needs: deps.sh build|run|perf|test...
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

# One place for what is needed and why; the verbs add up.
# dwarves: CONFIG_DEBUG_INFO_BTF, and with it the layout of struct module, is
# dropped from Debian's configuration without pahole.
packages_build='gcc make libc6-dev flex bison bc libelf-dev libssl-dev dwarves
	ccache rsync patch cpio xz-utils zstd kmod libjansson-dev libnuma-dev libxml2-dev ca-certificates git'
packages_run='busybox-static cpio gzip zstd util-linux procps jq gnuplot-nox'
packages_qemu_svm='qemu-system-x86'
packages_bochs_vmx='bochs bochs-term bochsbios vgabios bsdutils'
packages_perf='linux-perf'
packages_test="sparse perl shellcheck valgrind libxml2-utils chromium clang libclang-rt-dev
	$packages_qemu_svm $packages_bochs_vmx"

# What the beds of this run need beside.
packages_beds() {
	for bed in ${BED:-qemu-svm}; do
		case $bed in
		qemu-svm) echo "$packages_qemu_svm" ;;
		bochs-vmx) echo "$packages_bochs_vmx" ;;
		esac
	done
}

missing() {
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s ' "$package"
	done
}

apt() {
	DEBIAN_FRONTEND=noninteractive $sudo apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
	die "no apt-get: this needs Debian 12"

wanted=
for verb in "$@"; do
	case $verb in
	build) wanted="$wanted $packages_build" ;;
	run) wanted="$wanted $packages_run $(packages_beds)" ;;
	perf) wanted="$wanted $packages_perf" ;;
	test) wanted="$wanted $packages_test" ;;
	*) die "deps.sh: no such verb: $verb" ;;
	esac
done

missing=$(missing $wanted)
[ -n "$missing" ] || exit 0

sudo=
[ "${DEPS:-1}" != 0 ] ||
	die "missing packages, and DEPS=0 forbids to install them: apt-get install $missing"
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null && sudo -n true 2>/dev/null ||
		die "missing packages, and neither root nor passwordless sudo: run as root: apt-get install $missing"
	sudo=sudo
fi

say "  installing packages: $missing"
apt update || say "    apt-get update failed; trying with the lists at hand"
apt install -y --no-install-recommends $missing >&2 ||
	die "cannot install packages: apt-get install $missing"
