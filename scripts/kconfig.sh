# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that configure a kernel of our own.  Sourced after lib.sh.

# kconfig_files [NAME]: print the files that make up the configuration; the last one wins.
kconfig_files() {
	echo "$top/scripts/kconfig-small"
	[ -z "${1:-}" ] || {
		[ "$1" != small ] && [ -r "$top/scripts/kconfig-$1" ] ||
			die "no such kernel: $1: there are $(kconfig_names)"
		echo "$top/scripts/kconfig-$1"
	}
}

kconfig_names() {
	(cd "$top/scripts" && ls kconfig-* | sed 's/^kconfig-//' | grep -vx small | tr '\n' ' ')
}

# has_option TREE OPTION: whether the kernel has the option.  Another kernel may always build in the
# code that an option selects in this one.
has_option() {
	grep -Eqrs --include='Kconfig*' "^[[:space:]]*(menu)?config ${2#CONFIG_}\$" "$1"
}

# configure_small TREE LOG [NAME]: configure with our options on, and all others off (allnoconfig).
# Kconfig silently drops an option whose dependencies are not met, so the result is checked.
configure_small() {
	# The last line of an option wins.
	awk -F = '
		/^CONFIG_/ { line[$1] = $0 }
		END { for (option in line) print line[option] }' $(kconfig_files "${3:-}") >"$1/.config.wanted"
	step "$2" "configuring a small kernel" "$top/scripts/kmake.sh" "$1" "" \
		KCONFIG_ALLCONFIG="$1/.config.wanted" allnoconfig
	grep -E '^CONFIG_[^=]*=("|y|m)' "$1/.config.wanted" | while read -r option; do
		grep -qxF "$option" "$1/.config" || ! has_option "$1" "${option%%=*}" ||
			die "the kernel cannot be configured with $option: mend scripts/kconfig-*"
	done
}
