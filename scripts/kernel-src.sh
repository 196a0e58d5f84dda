# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that work on a user's kernel tree: check the tree, and choose the patches
# that apply to it.  Sourced after lib.sh.

is_git_tree() {
	if [ -e "$1/.git" ] && ! git -C "$1" rev-parse >/dev/null 2>&1; then
		die "KERNEL_SRC=$1: git refuses: $(git -C "$1" rev-parse 2>&1 | head -n 1)"
	fi
	git -C "$1" rev-parse --is-inside-work-tree >/dev/null 2>&1 &&
		[ "$(git -C "$1" rev-parse --show-toplevel)" = "$(cd "$1" && pwd -P)" ]
}

# check_kernel_src FOLDER: die unless it is a kernel tree with KVM.  A git tree must not have changes,
# which would be lost or mixed up with ours.
check_kernel_src() {
	[ -d "$1" ] || die "KERNEL_SRC=$1: no such folder"
	[ -f "$1/Makefile" ] && [ -f "$1/Kbuild" ] && [ -d "$1/arch/x86/kvm/mmu" ] &&
		grep -q '^PATCHLEVEL' "$1/Makefile" ||
		die "KERNEL_SRC=$1 is no kernel tree with KVM/x86: give the top of one"
	is_git_tree "$1" || return 0
	for path in rebase-apply rebase-merge MERGE_HEAD; do
		[ ! -e "$(cd "$1" && git rev-parse --git-path "$path")" ] ||
			die "KERNEL_SRC=$1 is in the middle of a rebase, am or merge: finish or abort it"
	done
	[ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] ||
		die "KERNEL_SRC=$1 has uncommitted changes: commit or stash them"
}

# has_series FOLDER: whether the tree has the series already; die if it has only a part of it.
has_series() {
	marks=0
	grep -qs mmu_root_alloc "$1/arch/x86/kvm/x86.c" && marks=$((marks + 1))
	grep -qs mmu_root_cache_hit "$1/arch/x86/kvm/x86.c" && marks=$((marks + 1))
	grep -qs kvm_mmu_root_load "$1/arch/x86/kvm/mmu/mmutrace.h" && marks=$((marks + 1))
	grep -qs mmu_reset_every "$1/arch/x86/kvm/x86.c" && marks=$((marks + 1))
	grep -qs 'mmu_roots' "$1"/tools/testing/selftests/kvm/Makefile* && marks=$((marks + 1))
	case $marks in
	0) return 1 ;;
	5) return 0 ;;
	*) die "KERNEL_SRC=$1 has a part of the series: take it out first, e.g. git reset" ;;
	esac
}

series_files() {
	grep -v -e '^#' -e '^$' "$SERIES_DIR/series"
}

# kernels_for TREE: print the kernels of patches/ in the order in which to try their patches on the
# tree: first the newest kernel that is not newer than the tree, then the others.
kernels_for() {
	tree_version=$(awk '$2 == "=" && $1 ~ /^(VERSION|PATCHLEVEL)$/ { printf "%s%s", dot, $3; dot = "." }' "$1/Makefile")
	kernel_names | awk -v tree="$tree_version" '
		function number(version, part) { split(version, part, "."); return part[1] * 1000 + part[2] }
		number($1) <= number(tree) { best = $1 }
		{ names[NR] = $1 }
		END {
			if (best == "")
				best = names[1]
			print best
			for (i = NR; i > 0; i--)
				if (names[i] != best)
					print names[i]
		}'
}

# copy_touched TREE FOLDER: copy the files that any kernel's patches touch.
copy_touched() {
	rm -rf "$2"
	for file in $(sed -n 's|^+++ b/||p' "$top"/patches/linux-*/*/0*.patch | sort -u) Makefile; do
		[ -e "$1/$file" ] || continue
		mkdir -p "$2/$(dirname "$file")"
		cp -p "$1/$file" "$2/$file"
	done
}

applies() {
	patch -d "$1" -p1 -s -f -N -F0 --dry-run <"$2" >/dev/null 2>&1
}

# choose_patches COPY KERNEL...: apply the series to the copy, and set $patches to its patches.  For each
# patch, use the first of the kernels whose version of it applies: KVM of a tree between two kernels may
# match one of them, and its selftests the other.  If no version applies, die and print the rejects of
# the first kernel's.
choose_patches() {
	choose_copy=$1
	shift
	patches=
	for file in $(SERIES_DIR=$top/patches/linux-$1 && series_files); do
		choose_patch=$top/patches/linux-$1/$file
		for choose_kernel in "$@"; do
			! applies "$choose_copy" "$top/patches/linux-$choose_kernel/$file" || {
				choose_patch=$top/patches/linux-$choose_kernel/$file
				break
			}
		done
		"$top/scripts/apply-series.sh" "$choose_copy" "$choose_patch"
		patches="$patches $choose_patch"
	done
}

# choose_series TREE [COPY]: set $patches to the patches that apply to the tree (none if the tree has
# them already), and KERNEL and SERIES_DIR to the kernel of the first patch.  COPY gets the patched
# files; the tree does not change.  If the user has set KERNEL=, only that kernel's patches are tried.
choose_series() {
	choose_dir=$(mktemp -d)
	at_exit "rm -rf '$choose_dir'"
	kernels=$KERNEL
	[ -n "$kernel_told" ] || kernels=$(kernels_for "$1")
	patches=
	KERNEL=${kernels%%[!0-9.]*}
	if ! has_series "$1"; then
		copy_touched "$1" "${2:-$choose_dir/copy}"
		choose_patches "${2:-$choose_dir/copy}" $kernels
		KERNEL=$(kernels_of "$patches" | head -n 1)
	fi
	SERIES_DIR=$top/patches/linux-$KERNEL
	# For the scripts that we call.
	export KERNEL
}

# kernels_of PATCHES: print the kernels that the patches belong to, one per line.
kernels_of() {
	echo "$1" | grep -o '/patches/linux-[^/]*' | sed 's|.*/linux-||' | awk '!seen[$0]++'
}
