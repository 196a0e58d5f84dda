# SPDX-License-Identifier: GPL-2.0
# Shared by scripts that use Debian's kernel packages: find their versions, and download them.
# Sourced after lib.sh.
#
# patches/linux-KERNEL/kernel names the suite that has the packages: "-" is any suite that this
# machine's apt knows.  Any other suite gets an apt configuration of our own, in the cache.

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# Our own package lists are fetched again when they are older than this.
LISTS_DAYS=7

set -- $(sed -n 's/^debian //p' "$SERIES_DIR/kernel") "$@"
suite=$1 packaged=$2
shift 2
SOURCE_PACKAGE=linux-source-$packaged
own=$CACHE/apt/$suite

# The options that make apt use our own configuration, and ignore the system's sources and preferences.
apt_options=
[ "$suite" = - ] || apt_options="-o Dir::Etc::sourcelist=$own/sources.list -o Dir::Etc::sourceparts=/dev/null
	-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
	-o Dir::State::Lists=$own/lists -o Dir::Cache=$own/cache
	-o Acquire::Languages=none -o APT::Sandbox::User=root"

# versions REGEX: print lines "package version" of all packages whose name matches.
versions() {
	names=$(apt-cache $apt_options search --names-only "$1" | awk '{ print $1 }')
	[ -z "$names" ] || apt-cache $apt_options madison $names | awk '{ print $1, $3 }'
}

# newest_packages: print "version image modules headers" of the newest kernel for which Debian has
# these three packages and the source.  From 7.3 on, the image is in linux-binary, without modules.
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
		# Either image will do; Debian publishes the unsigned one first.
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

# packages_state: print a hash of everything that the result of a search depends on.
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

# kept_packages: like newest_packages, but cached until apt's lists change, as a search takes seconds.
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

# mirror: print the mirror from which this machine's apt gets Debian.  Security updates have another.
# shellcheck disable=SC2016 # apt's own variable
mirror() {
	echo "${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 2>/dev/null |
		sed 's|/*$||' | grep -v security | head -n 1)}"
}

# update_own: fetch the package lists for our own apt configuration.  This does not need root.
update_own() {
	mirror=$(mirror)
	[ -n "$mirror" ] || die "apt has no mirror of Debian to take $suite from: name one with DEBIAN_MIRROR="
	[ -r "$KEYRING" ] || die "no $KEYRING, which tells whether a package is Debian's: install debian-archive-keyring"
	mkdir -p "$own/lists/partial" "$own/cache/archives/partial"
	echo "deb [signed-by=$KEYRING] $mirror $suite main" >"$own/sources.list"
	say "  fetching the list of packages of $suite"
	# Without Error-Mode=any, apt-get update succeeds even if it cannot fetch a list.
	run apt-get -q $apt_options -o APT::Update::Error-Mode=any update >"$own/update.log" 2>&1 && touch "$own/updated" ||
		[ -e "$own/updated" ] || die "cannot fetch $suite of $mirror, see $own/update.log: DEBIAN_MIRROR= names another mirror"
}

# update_system: fetch the system's package lists, which may be missing.  This needs root.
update_system() {
	sudo=
	[ "$(id -u)" -eq 0 ] || sudo='sudo -n'
	say "  apt-get update${sudo:+, by sudo}"
	run $sudo apt-get -qq update >/dev/null 2>&1 || :
}

# resolve: set $packages to the output of newest_packages, or die.
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

# source_deb VERSION: print where fetch() puts the source package.
source_deb() {
	deb "$SOURCE_PACKAGE" "$1"
}

# deb PACKAGE VERSION: print where fetch() puts a package.
deb() {
	echo "$CACHE/debs/$1_$2.deb"
}

# fetch LOG VERSION PACKAGE...: download those packages that are not in the cache.
fetch() {
	fetch_log=$1 fetch_version=$2 fetch_wanted=
	shift 2
	for package in $(printf '%s\n' "$@" | LC_ALL=C sort -u); do
		[ -f "$(deb "$package" "$fetch_version")" ] || fetch_wanted="$fetch_wanted $package=$fetch_version"
	done
	[ -n "$fetch_wanted" ] || return 0
	mkdir -p "$CACHE/debs/$$"
	at_exit "rm -rf '$CACHE/debs/$$'"
	step "$fetch_log" "downloading Debian's kernel $fetch_version" env -C "$CACHE/debs/$$" \
		apt-get $apt_options -o APT::Sandbox::User=root download $fetch_wanted
	for package in $fetch_wanted; do
		mv "$CACHE/debs/$$/${package%%=*}"_*.deb "$(deb "${package%%=*}" "$fetch_version")"
	done
}
