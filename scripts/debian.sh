# SPDX-License-Identifier: GPL-2.0
# Shared by what takes packages of a kernel from Debian: which there are, and their files.
# Sourced after lib.sh.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# How long the lists of a suite of our own are taken for new.
LISTS_DAYS=7

set -- $(sed -n 's/^debian //p' "$SERIES_DIR/kernel") "$@"
suite=$1 packaged=$2
shift 2
SOURCE_PACKAGE=linux-source-$packaged
own=$CACHE/apt/$suite

# For a suite of our own, apt's options; none of the system's sources and preferences.
apt_options=
[ "$suite" = - ] || apt_options="-o Dir::Etc::sourcelist=$own/sources.list -o Dir::Etc::sourceparts=/dev/null
	-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
	-o Dir::State::Lists=$own/lists -o Dir::Cache=$own/cache
	-o Acquire::Languages=none -o APT::Sandbox::User=root"

# Lines "package version" of all packages whose name matches $1.
versions() {
	names=$(apt-cache $apt_options search --names-only "$1" | awk '{ print $1 }')
	[ -z "$names" ] || apt-cache $apt_options madison $names | awk '{ print $1, $3 }'
}

# Prints "version image modules headers" of the newest kernel that has them, and source.  From
# 7.3 on the image's package is linux-binary, and has no modules.
newest_packages() {
	dotted=$(echo "$packaged" | sed 's/\./\\./g')
	{
		versions "^$SOURCE_PACKAGE\$"
		versions "^linux-(image|binary|modules|headers)-$dotted\.[^-]*-amd64(-unsigned)?\$"
	} | sort -u | awk -v want="${DEBIAN_VERSION:-}" '
		$1 ~ /^linux-source/ { source[$2] = 1 }
		$1 ~ /^linux-headers/ { headers[$2] = $1 }
		$1 ~ /^linux-modules/ { modules[$2] = $1 }
		$1 ~ /^linux-binary/ { binary[$2] = $1 }
		# Either will do; the unsigned one exists first.
		$1 ~ /^linux-image/ && (!($2 in image) || $1 ~ /unsigned$/) { image[$2] = $1 }
		END {
			for (v in source) {
				if (v in binary)
					image[v] = binary[v]
				if (!(v in modules))
					modules[v] = image[v]
				if (v in image && v in headers && (want == "" || v == want))
					print v, image[v], modules[v], headers[v]
			}
		}' | sort -V | tail -n 1
}

# Of what a search would see.
packages_state() {
	{
		echo "$packaged $suite ${DEBIAN_VERSION:-}"
		command -v apt-cache
		if [ "$suite" = - ]; then
			ls -lR --time-style=full-iso /var/lib/apt/lists /etc/apt/apt.conf* /etc/apt/sources.list* \
				/etc/apt/preferences*
		else
			ls -lR --time-style=full-iso "$own/lists"
		fi
	} 2>/dev/null | sha256sum | cut -c1-16
}

# A search takes seconds, and finds the same until apt's lists change.
kept_packages() {
	found=$CACHE/base/packages-$(packages_state)
	[ ! -s "$found" ] || {
		cat "$found"
		return
	}
	newest_packages >"$found.$$"
	cat "$found.$$"
	mv "$found.$$" "$found"
}

# The mirror that this machine's apt takes Debian from; security updates have another.
# shellcheck disable=SC2016 # apt's own variable
mirror() {
	echo "${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
		sed 's|/*$||' | grep -v security | head -n 1)}"
}

# Lists of a suite of our own, fetched by whoever we are.
update_own() {
	mirror=$(mirror)
	[ -n "$mirror" ] || die "apt has no mirror of Debian to take $suite from: name one with DEBIAN_MIRROR="
	[ -r "$KEYRING" ] || die "no $KEYRING, which tells whether a package is Debian's: install debian-archive-keyring"
	mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
	echo "deb [signed-by=$KEYRING] $mirror $suite main" >"$own/sources.list"
	say "  fetching the list of packages of $suite"
	# As it is, apt takes what it cannot fetch for no error.
	run apt-get -q $apt_options -o APT::Update::Error-Mode=any update >"$own/update.log" 2>&1 && touch "$own/updated" ||
		[ -e "$own/updated" ] || die "cannot fetch $suite of $mirror, see $own/update.log: DEBIAN_MIRROR= names another mirror"
}

# The system's lists may never have been fetched; to do so takes root.
update_system() {
	sudo=
	[ "$(id -u)" -eq 0 ] || sudo='sudo -n'
	say "  apt-get update${sudo:+, by sudo}"
	run $sudo apt-get -qq update >/dev/null 2>&1 || :
}

# Leaves in $packages what newest_packages prints, or dies.
resolve() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
		die "no apt-get here: give a kernel tree with KERNEL_SRC=~/linux"
	[ "$suite" = - ] || [ -n "$(find "$own/updated" -mtime -$LISTS_DAYS 2>/dev/null)" ] || update_own
	packages=$(kept_packages)
	if [ -z "$packages" ] && [ "$suite" = - ] && [ "${DEPS:-1}" != 0 ]; then
		update_system
		packages=$(kept_packages)
	fi
	[ -n "$packages" ] && return
	[ "$suite" = - ] || die "no kernel $packaged${DEBIAN_VERSION:+ in version $DEBIAN_VERSION} in $suite"
	die "no matching pair of $SOURCE_PACKAGE and linux-image-$packaged.*-amd64${DEBIAN_VERSION:+ in version $DEBIAN_VERSION}:" \
	    "apt-get update, or add a suite that has both (bookworm-security, bookworm-backports, trixie)"
}

# source_deb VERSION: where fetch() has put the source.
source_deb() {
	echo "$CACHE/debs/${SOURCE_PACKAGE}_$1.deb"
}

# fetch PACKAGE VERSION FOLDER: download a package to unpack it in the folder; its file is in $deb.
fetch() {
	mkdir -p "$CACHE/debs/$$"
	at_exit "rm -rf '$CACHE/debs/$$'"
	deb=$CACHE/debs/$1_$2.deb
	if [ ! -f "$deb" ]; then
		step "$3.log" "downloading $1 $2" env -C "$CACHE/debs/$$" \
			apt-get $apt_options -o APT::Sandbox::User=root download "$1=$2"
		mv "$CACHE/debs/$$"/*.deb "$deb"
	fi
	mkdir -p "$3"
}
