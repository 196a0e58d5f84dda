#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Patch a kernel tree, and put our tests into its selftests.
# KERNEL_SRC=/path/to/linux; SIGNOFF="Name <mail>" signs the patches off.
#
# All or nothing: if a patch does not apply, the tree is as it was.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/kernel-src.sh"

[ -n "${KERNEL_SRC:-}" ] || die "which tree? make install-into KERNEL_SRC=/path/to/linux"
check_kernel_src "$KERNEL_SRC"
src=$(cd "$KERNEL_SRC" && pwd -P)
choose_series "$src"
tmp=$(mktemp -d)
at_exit "rm -rf '$tmp'"

# The patches in their order, signed off if that was asked for.
collect() {
	case ${SIGNOFF:-} in
	'' | *?' <'?*@?*'>') ;;
	*) die "SIGNOFF='$SIGNOFF' is not of the form 'Name <mail>'" ;;
	esac
	for file in $(series_files); do
		mkdir -p "$tmp/series/$(dirname "$file")"
		if [ -n "${SIGNOFF:-}" ]; then
			git interpret-trailers --trailer "Signed-off-by: $SIGNOFF" \
				<"$SERIES_DIR/$file" >"$tmp/series/$file"
		else
			cp "$SERIES_DIR/$file" "$tmp/series/$file"
		fi
		set -- "$@" "$tmp/series/$file"
	done
	patches=$*
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
		git -C "$src" am -q --keep-non-patch $patches >"$tmp/am.log" 2>&1 || {
			sed 's/^/    | /' "$tmp/am.log" >&2
			die "git am failed; $KERNEL_SRC is as it was"
		}
		applied=1
	else
		cp -r "$tmp/copy/." "$src/"
	fi
}

if has_series "$src"; then
	say "the series is in $KERNEL_SRC already: only the tests are refreshed"
else
	try_series "$src" "$tmp/copy"
	collect
	apply
	say "applied to $KERNEL_SRC: $(series_files | wc -l) patches, those for $KERNEL"
fi
"$top/scripts/overlay.sh" "$src/tools/testing/selftests"
say "put into its selftests: $(cd "$src/tools/testing/selftests" && ls kvm/x86*/mmu_root_*_test.c | tr '\n' ' ')"
say "next, in that tree: make headers && make -C tools/testing/selftests TARGETS=kvm run_tests"
