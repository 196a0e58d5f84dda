# SPDX-License-Identifier: GPL-2.0
# Shared by what works on a kernel tree of the user's: what is fit to work on.
# Sourced after lib.sh.

is_git_tree() {
	if [ -e "$1/.git" ] && ! git -C "$1" rev-parse >/dev/null 2>&1; then
		die "KERNEL_SRC=$1: git refuses: $(git -C "$1" rev-parse 2>&1 | head -n 1)"
	fi
	git -C "$1" rev-parse --is-inside-work-tree >/dev/null 2>&1 &&
		[ "$(git -C "$1" rev-parse --show-toplevel)" = "$(cd "$1" && pwd -P)" ]
}

# check_kernel_src FOLDER: a kernel tree with KVM, and if it is a git tree, one
# without changes that would be lost or mixed up with ours.
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

# has_series FOLDER: whether the series is there already; dies if it is in part.
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

# kernels_for TREE: which kernels' patches may be for it, the likeliest first: the newest that is not
# newer than the tree, and then the others.
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

# copy_touched TREE FOLDER: what patches of any kernel touch.
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

# choose_patches COPY KERNEL...: apply the series to a copy, each patch from the first of the kernels whose patch
# of that name applies: a tree between two kernels may be as the one in KVM, and as the other in its selftests.
# Leaves them in $patches; dies with the reject of the first kernel's if none applies.
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

# choose_series TREE [COPY]: leaves in $patches those that apply to the tree, none if they are in it, in COPY what they
# make of the files that they touch, and in KERNEL and SERIES_DIR the kernel of the first.  The tree stays as
# it is.  KERNEL= decides instead, if it is told.
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
	# What we call, too.
	export KERNEL
}

# kernels_of PATCHES: whose they are, a line each.
kernels_of() {
	echo "$1" | grep -o '/patches/linux-[^/]*' | sed 's|.*/linux-||' | awk '!seen[$0]++'
}
