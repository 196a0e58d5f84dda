#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# See that there is what a verb needs: deps.sh build|run|perf|test...
# What that is, and the packages that have it, is in scripts/packages.
#
# Where apt-get is, it installs what is missing, unless DEPS=0; elsewhere, and if it may
# not, it ends with a command line for each distribution.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

PACKAGES=$top/scripts/packages
LOG=$BUILD/logs/apt.log
INCLUDES='/usr/include /usr/include/x86_64-linux-gnu /usr/local/include'
LIBS='/usr/lib /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/lib'
# Where a user's PATH may lack it, Debian's kmod and some of util-linux are.
PATH=$PATH:/usr/sbin:/sbin

# is_in FILE FOLDER...
is_in() {
	file=$1
	shift
	for folder in "$@"; do
		[ ! -e "$folder/$file" ] || return 0
	done
	return 1
}

is_any() {
	[ -e "$1" ]
}

# An interpreter, ld.so, is named within the first page of a program that has one.
is_static() {
	program=$(command -v "$1") && ! head -c 4096 "$program" | grep -aq '/ld-'
}

# The compiler is asked only about what is not where it usually is: that takes a process.
is_there() {
	case $1 in
	static:*) is_static "${1#*:}" ;;
	file:*) is_any ${1#*:} ;;
	include:*)
		is_in "${1#*:}" $INCLUDES ||
			echo "#include <${1#*:}>" | gcc -E -o /dev/null - 2>/dev/null
		;;
	lib:*)
		is_in "${1#*:}" $LIBS ||
			[ -e "$(gcc -print-file-name="${1#*:}" 2>/dev/null)" ]
		;;
	*) command -v "$1" >/dev/null ;;
	esac
}

# wanted_verbs VERB...: as they are in the list: with "run", of the beds of this run.
wanted_verbs() {
	for verb in "$@"; do
		case $verb in
		perf) ;;
		build) verb="build${KCONFIG:+ kconfig}" ;;
		run)
			for bed in ${BED:-qemu-svm}; do
				case $bed in
				qemu-*) bed=qemu ;;
				esac
				verb="$verb run:$bed"
			done
			;;
		# Tests run the beds that boot.
		test) verb="run run:qemu run:bochs-vmx test" ;;
		*) die "deps.sh: no such verb: $verb" ;;
		esac
		printf ' %s' "$verb"
	done
	echo ' '
}

# add_to VARIABLE WORD: unless it is there.
add_to() {
	eval "words=\${$1:-}"
	case " $words " in
	*" $2 "*) ;;
	*) eval "$1=\${words:+\$words }\$2" ;;
	esac
}

# add_package DISTRIBUTION PACKAGE WHAT: or, where no package has it, what.
add_package() {
	case $2 in
	-) add_to "$1_lacks" "$3" ;;
	*) add_to "$1" "$2" ;;
	esac
}

# In words of those who do not know the list.
name_of() {
	case $1 in
	static:*) echo "a static ${1#*:}" ;;
	*) echo "${1#*:}" ;;
	esac
}

# Leaves in $missing what is, and in $debian, $fedora and $arch what has that.
find_missing() {
	missing='' debian='' fedora='' arch='' fedora_lacks='' arch_lacks=''
	while read -r verb what on_debian on_fedora on_arch _; do
		case $wanted in
		*" ${verb:-#} "*) ;;
		*) continue ;;
		esac
		! is_there "$what" || continue
		missing="${missing:+$missing, }$(name_of "$what")"
		add_package debian "$on_debian" "${what#*:}"
		add_package fedora "$on_fedora" "${what#*:}"
		add_package arch "$on_arch" "${what#*:}"
	done <"$PACKAGES"
}

# tell DISTRIBUTION COMMAND PACKAGES LACKS
tell() {
	say "    $1: ${3:+$2 $3}${4:+${3:+; }no package has $4}"
}

# give_up WHY: as a line, and what to do for each distribution.
give_up() {
	say "error: missing, $1: $missing: as root,"
	tell Debian "apt-get install" "$debian" ''
	tell Fedora "dnf install" "$fedora" "$fedora_lacks"
	tell Arch "pacman -S" "$arch" "$arch_lacks"
	exit "$EXIT_UNUSABLE"
}

# Leaves in $sudo what makes root.  Programs that are started have no terminal, by which
# sudo may know a user who has typed a password.
become_root() {
	sudo=
	[ "$(id -u)" -ne 0 ] || return 0
	sudo='sudo -n'
	command -v sudo >/dev/null && setsid -w sudo -n true >/dev/null 2>&1 </dev/null ||
		give_up "and neither root nor passwordless sudo"
}

# Instead of that of lib.sh: only root may end what runs as root.  sudo runs the program of procps,
# and that of 4.0.2 takes -1234, unless it is after --, for -1: all processes of the machine.
kill_group() {
	if [ -n "$sudo" ]; then
		$sudo kill -s "${1#-}" -- "$2" 2>/dev/null
	else
		kill "$@" 2>/dev/null
	fi
}

apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive LC_ALL=C apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

# install_packages PACKAGE...: after what an interrupted installation has left undone.
install_packages() {
	$sudo dpkg --configure -a
	apt update || echo "apt-get update failed; trying with the lists at hand"
	apt install -y --no-install-recommends "$@"
}

# In a process of its own, to wait for and to end.
if [ "${1:-}" = --install ]; then
	sudo=$2
	shift 2
	install_packages "$@"
	exit
fi

sudo=
wanted=$(wanted_verbs "$@") || exit
find_missing
[ -n "$missing" ] || exit 0
[ "${DEPS:-1}" != 0 ] || give_up "and DEPS=0 forbids to install it"
command -v apt-get >/dev/null && command -v dpkg >/dev/null || give_up "and no apt-get here to install it"
become_root
say "installing $(echo $debian | wc -w) packages, and what they need, as root${sudo:+ by sudo} (DEPS=0 forbids it):"
say "    $debian"
step "$LOG" "apt-get install, its output is in $LOG" "$0" --install "$sudo" $debian
find_missing
[ -z "$missing" ] || give_up "although its packages are installed"
