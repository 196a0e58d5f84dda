#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Get the newest Debian 6.12 kernel whose image, headers and source are all to be
# had, and prepare its source to build modules for the image.
# Prints the folder: linux/ (source), boot/ and modules/ (image), release.
#
# DEBIAN_VERSION=6.12.115-2~deb12u1 asks for one version instead of the newest.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

SOURCE_PACKAGE=linux-source-6.12
NEED_MIB=4000
# Modules that KVM needs from the image; the others are not unpacked.
IMAGE_MODULES='irqbypass ccp kvm kvm-amd kvm-intel'

# Lines "package version" of all packages whose name matches $1.
versions() {
	names=$(apt-cache search --names-only "$1" | awk '{ print $1 }')
	[ -z "$names" ] || apt-cache madison $names | awk '{ print $1, $3 }'
}

# Prints "version image headers" of the newest pair.
newest_pair() {
	{
		versions "^$SOURCE_PACKAGE\$"
		versions '^linux-image-6\.12\.[^-]*-amd64(-unsigned)?$'
		versions '^linux-headers-6\.12\.[^-]*-amd64$'
	} | sort -u | awk -v want="${DEBIAN_VERSION:-}" '
		$1 ~ /^linux-source/ { source[$2] = 1 }
		$1 ~ /^linux-headers/ { headers[$2] = $1 }
		# Either will do; the unsigned one exists first.
		$1 ~ /^linux-image/ && (!($2 in image) || $1 ~ /unsigned$/) { image[$2] = $1 }
		END {
			for (v in source)
				if (v in image && v in headers && (want == "" || v == want))
					print v, image[v], headers[v]
		}' | sort -V | tail -n 1
}

# Of what a search would see.
packages_state() {
	{
		echo "${DEBIAN_VERSION:-}"
		command -v apt-cache
		ls -lR --time-style=full-iso /var/lib/apt/lists /etc/apt/apt.conf* /etc/apt/sources.list* \
			/etc/apt/preferences*
	} 2>/dev/null | sha256sum | cut -c1-16
}

# A search takes seconds, and finds the same until apt's lists change.
kept_pair() {
	found=$CACHE/base/pair-$(packages_state)
	[ ! -s "$found" ] || {
		cat "$found"
		return
	}
	newest_pair >"$found.$$"
	cat "$found.$$"
	mv "$found.$$" "$found"
}

# The lists may never have been fetched; to do so takes root.
update() {
	sudo=
	[ "$(id -u)" -eq 0 ] || sudo='sudo -n'
	say "  apt-get update${sudo:+, by sudo}"
	run $sudo apt-get -qq update >/dev/null 2>&1 || :
}

resolve() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		die "no apt-get here: give a kernel tree with KERNEL_SRC=~/linux"
	pair=$(kept_pair)
	if [ -z "$pair" ] && [ "${DEPS:-1}" != 0 ]; then
		update
		pair=$(kept_pair)
	fi
	[ -n "$pair" ] && return
	die "no matching pair of $SOURCE_PACKAGE and linux-image-6.12.*-amd64${DEBIAN_VERSION:+ in version $DEBIAN_VERSION}:" \
	    "apt-get update, or add a suite that has both (bookworm-security, bookworm-backports, trixie)"
}

# fetch PACKAGE VERSION FOLDER: download a package and unpack it.
fetch() {
	mkdir -p "$CACHE/debs/$$"
	at_exit "rm -rf '$CACHE/debs/$$'"
	deb=$CACHE/debs/$1_$2.deb
	if [ ! -f "$deb" ]; then
		step "$3.log" "downloading $1 $2" sh -c "cd '$CACHE/debs/$$' &&
			apt-get -o APT::Sandbox::User=root download '$1=$2'"
		mv "$CACHE/debs/$$"/*.deb "$deb"
	fi
	mkdir -p "$3"
}

unpack_image() {
	fetch "$image" "$version" "$base/image"
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$base/image" -x --wildcards \
		'./boot/vmlinuz-*' $(printf -- "*/%s.ko* " $IMAGE_MODULES)
	mkdir -p "$base/boot" "$base/modules"
	mv "$base"/image/boot/vmlinuz-* "$base/boot/vmlinuz"
	"$top/scripts/unpack-kernel.sh" "$base/boot/vmlinuz" "$base/boot/vmlinux"
	basename "$(echo "$base"/image/lib/modules/* "$base"/image/usr/lib/modules/* |
		tr ' ' '\n' | grep -v '\*$')" >"$base/release"
	find "$base/image" -name '*.ko*' | while read -r module; do
		out=$base/modules/$(basename "$module" | sed 's/\.ko.*//').ko
		decompress "$module" >"$out"
	done
	rm -rf "$base/image"
}

# Sources of drivers and the like take most of the room, and are not needed for
# KVM's modules; Kconfig files and headers are.
unpack_source() {
	fetch "$SOURCE_PACKAGE" "$version" "$base/source"
	step "$base/unpack.log" "unpacking $SOURCE_PACKAGE" "$top/scripts/unpack-source.sh" \
		"$deb" "$base/linux" \
		--exclude='*/drivers/*.[chS]' --exclude='*/sound/*.[ch]' \
		--exclude='*/net/*.c' --exclude='*/fs/*.c' --exclude='*/crypto/*.c' \
		--exclude='*/arch/[!x]*/*.[chSd]*' --exclude='*/Documentation/*.rst' \
		--exclude='*/Documentation/devicetree/*'
	rm -rf "$base/source"
}

# Module.symvers has the version of each symbol that the image exports.
unpack_headers() {
	fetch "$headers" "$version" "$base/headers"
	dpkg-deb --fsys-tarfile "$deb" | tar -C "$base/headers" -x --wildcards \
		'*/linux-headers-*-amd64/.config' '*/linux-headers-*-amd64/Module.symvers'
	find "$base/headers" -type f -name .config -exec cp {} "$base/linux/" \;
	find "$base/headers" -type f -name Module.symvers -exec cp {} "$base/linux/" \;
	rm -rf "$base/headers"
}

prepare() {
	need_space "$CACHE" "$NEED_MIB"
	rm -rf "$base"
	mkdir -p "$base"
	say "preparing Debian's kernel $version"
	unpack_image
	unpack_source
	unpack_headers
	cp "$base/linux/.config" "$base/config.debian"
	step "$base/prepare.log" "preparing to build modules" \
		"$top/scripts/kmake.sh" "$base/linux" "$(cat "$base/release")" \
		olddefconfig modules_prepare headers
	# A configuration that differs may lay out the kernel's structs differently.
	diff "$base/config.debian" "$base/linux/.config" >"$base/config.diff" ||
		die "this machine cannot reproduce Debian's configuration, see $base/config.diff"
	touch "$base/done"
}

need_space "$CACHE/base" 1
resolve
set -- $pair
version=$1 image=$2 headers=$3
base=$CACHE/base/$version
lock base
[ -e "$base/done" ] || prepare
echo "$base"
