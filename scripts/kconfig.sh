# SPDX-License-Identifier: GPL-2.0
# Shared by what configures a kernel of our own.  Sourced after lib.sh.

# kconfig_files [NAME]: what the configuration is made of.
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

# has_option TREE OPTION: whether the kernel has it; what was an option in one kernel may be built into
# another, always.
has_option() {
	grep -Eqrs --include='Kconfig*' "^[[:space:]]*(menu)?config ${2#CONFIG_}\$" "$1"
}

# configure_small TREE LOG [NAME]: what becomes visible by what we want stays off,
# too: allnoconfig.  Kconfig drops silently what cannot be had.
configure_small() {
	# What is said last counts.
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
