#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check that this machine has the programs and libraries that a verb needs:
# deps.sh build|run|perf|test...
# scripts/packages lists these, and the packages that contain them.
#
# If the machine has apt-get, the script installs what is missing, unless DEPS=0.  Otherwise, or
# if it is not allowed to, it fails and prints an install command for each distribution.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

PACKAGES=$top/scripts/packages
LOG=$BUILD/logs/apt.log
INCLUDES='/usr/include /usr/include/x86_64-linux-gnu /usr/local/include'
LIBS='/usr/lib /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/lib'
# Debian has kmod and parts of util-linux in these folders, which a user's PATH may lack.
PATH=$PATH:/usr/sbin:/sbin

# is_in FILE FOLDER...: whether one of the folders has the file.
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

# is_static PROGRAM: whether it is static.  Other programs name their interpreter, ld.so, in the first page.
is_static() {
	program=$(command -v "$1") && ! head -c 4096 "$program" | grep -aq '/ld-'
}

# is_there WHAT: the compiler is asked only if the usual folders do not have the file, as each
# question starts a process.
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

# wanted_verbs VERB...: print the verbs as scripts/packages names them; "run" adds those of this run's
# beds.
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
		# The tests run all beds that boot an emulator.
		test) verb="run run:qemu run:bochs-vmx test" ;;
		*) die "deps.sh: no such verb: $verb" ;;
		esac
		printf ' %s' "$verb"
	done
	echo ' '
}

# add_to VARIABLE WORD: add the word to the list in the variable, unless the list has it.
add_to() {
	eval "words=\${$1:-}"
	case " $words " in
	*" $2 "*) ;;
	*) eval "$1=\${words:+\$words }\$2" ;;
	esac
}

# add_package DISTRIBUTION PACKAGE WHAT: record the package, or WHAT if no package has it ("-").
add_package() {
	case $2 in
	-) add_to "$1_lacks" "$3" ;;
	*) add_to "$1" "$2" ;;
	esac
}

# name_of WHAT: the name of an entry of scripts/packages for messages.
name_of() {
	case $1 in
	static:*) echo "a static ${1#*:}" ;;
	*) echo "${1#*:}" ;;
	esac
}

# find_missing: set $missing to what this machine lacks, and $debian, $fedora and $arch to the packages.
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

# tell DISTRIBUTION COMMAND PACKAGES LACKS: print what to type; LACKS is what no package has.
tell() {
	say "    $1: ${3:+$2 $3}${4:+${3:+; }no package has $4}"
}

# give_up WHY: print one line with the error and a command for each distribution, and exit.
give_up() {
	say "error: missing, $1: $missing: as root,"
	tell Debian "apt-get install" "$debian" ''
	tell Fedora "dnf install" "$fedora" "$fedora_lacks"
	tell Arch "pacman -S" "$arch" "$arch_lacks"
	exit "$EXIT_UNUSABLE"
}

# become_root: set $sudo to the command that makes us root; empty if we are root.  The check runs
# without a terminal, as start() runs programs: sudo may remember a typed password per terminal.
become_root() {
	sudo=
	[ "$(id -u)" -ne 0 ] || return 0
	sudo='sudo -n'
	command -v sudo >/dev/null && setsid -w sudo -n true >/dev/null 2>&1 </dev/null ||
		give_up "and neither root nor passwordless sudo"
}

# kill_group -SIGNAL PID: replaces the function of lib.sh, as only root may kill processes of root.
# sudo runs kill of procps, and version 4.0.2 treats -1234 as -1 (all processes of the machine) unless
# it comes after "--".
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

# install_packages PACKAGE...: first finish an installation that was interrupted.
install_packages() {
	$sudo dpkg --configure -a
	apt update || echo "apt-get update failed; trying with the lists at hand"
	apt install -y --no-install-recommends "$@"
}

# step() runs this script again with --install, so that it can wait for the installation or kill it.
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
echo $debian | fmt -w $((${columns:-100} - 4)) | while read -r line; do
	say "    $line"
done
step "$LOG" "apt-get install, its output is in $(short "$LOG")" "$0" --install "$sudo" $debian
find_missing
[ -z "$missing" ] || give_up "although its packages are installed"
