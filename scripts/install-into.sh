#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Apply the patches to a kernel tree, and copy our tests into its selftests.
# KERNEL_SRC=/path/to/linux; SIGNOFF="Name <mail>" adds a Signed-off-by to the patches.
#
# If a patch does not apply, the script leaves the tree as it was.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/kernel-src.sh"

[ -n "${KERNEL_SRC:-}" ] || die "which tree? make install-into KERNEL_SRC=/path/to/linux"
check_kernel_src "$KERNEL_SRC"
src=$(cd "$KERNEL_SRC" && pwd -P)
tmp=$(mktemp -d)
at_exit "rm -rf '$tmp'"
choose_series "$src" "$tmp/copy"

# collect: set $signed to the patches in their order, with a Signed-off-by if SIGNOFF is set.
collect() {
	case ${SIGNOFF:-} in
	'' | *?' <'?*@?*'>') ;;
	*) die "SIGNOFF='$SIGNOFF' is not of the form 'Name <mail>'" ;;
	esac
	mkdir "$tmp/series"
	for file in $patches; do
		out=$tmp/series/$(basename "$file")
		if [ -n "${SIGNOFF:-}" ]; then
			git interpret-trailers --trailer "Signed-off-by: $SIGNOFF" <"$file" >"$out"
		else
			cp "$file" "$out"
		fi
		set -- "$@" "$out"
	done
	signed=$*
}

undo() {
	git -C "$src" am --abort >/dev/null 2>&1 || :
	git -C "$src" reset -q --hard "$head"
}

apply() {
	if is_git_tree "$src"; then
		git -C "$src" var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
			die "git does not know who you are: git config --global user.name and user.email"
		head=$(git -C "$src" rev-parse HEAD)
		# shellcheck disable=SC2016 # evaluated on the way out
		at_exit '[ -n "${applied:-}" ] || undo'
		git -C "$src" am -q --keep-non-patch $signed >"$tmp/am.log" 2>&1 || {
			sed 's/^/    | /' "$tmp/am.log" >&2
			die "git am failed; $KERNEL_SRC is as it was"
		}
		applied=1
	else
		cp -r "$tmp/copy/." "$src/"
	fi
}

if [ -z "$patches" ]; then
	say "the series is in $KERNEL_SRC already: only the tests are refreshed"
else
	collect
	apply
	say "applied to $KERNEL_SRC: $(echo "$patches" | wc -w) patches, those for $(kernels_of "$patches" | paste -sd , | sed 's/,/ and /')"
fi
"$top/scripts/overlay.sh" "$src/tools/testing/selftests"
say "put into its selftests: $(cd "$src/tools/testing/selftests" && ls kvm/x86*/mmu_root_*_test.c | tr '\n' ' ')"
say "next, in that tree: make headers && make -C tools/testing/selftests TARGETS=kvm run_tests"
