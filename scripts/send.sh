#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Write the patch series for the kernel's mailing lists to build/send, and send nothing:
# KERNEL_SRC=/path/to/linux [BASE=COMMIT] [RESULTS=FOLDER] [SIGNOFF="Name <mail>"]
#
# The series has a cover letter with the table of a run, the patches for upstream, and the
# selftests, with one topic per commit.  The script removes an older series, and does not change
# the kernel tree.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"
. "$top/scripts/lanes.sh"
. "$top/scripts/kernel-src.sh"

# The topics that are for upstream; the patches of other topics are only for tests.
TOPICS='stats selftests'
COVER=$top/patches/cover-letter
MESSAGE_WIDTH=72
# Checks of checkpatch.pl to ignore: the sender decides about the sign-off, and a quoted commit may be
# right even if this tree lacks it because its history is short.
IGNORED=FILE_PATH_CHANGES,MISSING_SIGN_OFF,NO_AUTHOR_SIGN_OFF,UNKNOWN_COMMIT_ID
# The folders that the commits touch, and those that checkpatch.pl reads.
NEEDED='/arch/x86/kvm/ /arch/x86/include/ /virt/kvm/ /include/ /tools/testing/selftests/kvm/ /scripts/ /Makefile'

[ -n "${KERNEL_SRC:-}" ] || die "which tree? make send KERNEL_SRC=/path/to/linux"
[ -d "$KERNEL_SRC" ] || die "KERNEL_SRC=$KERNEL_SRC: no such folder"
is_git_tree "$KERNEL_SRC" || die "KERNEL_SRC=$KERNEL_SRC is no git tree: what is sent is made from commits"
base=$(git -C "$KERNEL_SRC" rev-parse --verify -q "${BASE:-HEAD}^{commit}") ||
	die "KERNEL_SRC=$KERNEL_SRC has no commit '${BASE:-HEAD}'"
git var GIT_COMMITTER_IDENT >/dev/null 2>&1 ||
	die "git does not know who you are: git config --global user.name and user.email"
case ${SIGNOFF:-} in
'' | *?' <'?*@?*'>') ;;
*) die "SIGNOFF='$SIGNOFF' is not of the form 'Name <mail>'" ;;
esac
results=${RESULTS:-$BUILD/results/latest}
[ -d "$results" ] || die "RESULTS: no such folder: $results: make run first, whose table goes into the cover letter"

tmp=$(mktemp -d)
at_exit "rm -rf '$tmp'"
tree=$tmp/linux
kvm=tools/testing/selftests/kvm
out=$BUILD/send

tree_git() {
	git -C "$tree" "$@"
}

# check_out: clone the user's tree, with shared objects, and check out only the files that are needed.
check_out() {
	git clone -q -s -n "$KERNEL_SRC" "$tree"
	tree_git config core.sparseCheckout true
	printf '%s\n' $NEEDED >"$tree/.git/info/sparse-checkout"
	tree_git checkout -q --detach "$base"
}

# upstream_patches: print the patches that are for upstream, in the order of the series.
upstream_patches() {
	for file in $patches; do
		topic=$(basename "$(dirname "$file")")
		case " $TOPICS " in
		*" $topic "*) echo "$file" ;;
		esac
	done
}

# head_comment FILE: print the text of the comment at the head of the file.
head_comment() {
	sed -n '2,/\*\//{ s|^/\*$||; s|^ \*/$||; s|^ \* \{0,1\}||; p }' "$1" | sed '/./,$!d'
}

# commit SUBJECT FILE...: commit the files; the head comment of the first file is the message.
commit() {
	subject=$1
	shift
	(cd "$tree" && git add -- "$@" && {
		printf '%s\n\n' "$subject"
		head_comment "$1" | fmt -w "$MESSAGE_WIDTH"
	} | git commit -q -F -)
}

# files PATTERN...: print the files in the tree that overlay.sh has copied and that match.
files() {
	(cd "$tree" && for pattern in "$@"; do
		find $kvm -path "$kvm/$pattern" -name '*mmu_root*'
	done | LC_ALL=C sort)
}

commit_selftests() {
	"$top/scripts/overlay.sh" "$tree/tools/testing/selftests"
	models=$(files 'lib/*/mmu_roots_model.c' 'include/*/mmu_roots_model.h')
	nested=$(files 'lib/*/mmu_roots_nested*.[cS]' 'include/*/mmu_roots_nested*.h')
	rest=$(files 'lib/*' 'include/*' | grep -vxF -e "$models" -e "$nested")
	commit "KVM: selftests: Add a library that watches MMU roots" \
		$(echo "$rest" | grep '/mmu_roots\.c$') $rest
	commit "KVM: selftests: Add a model of the life cycle of MMU roots" $(echo "$models" | sort -r)
	commit "KVM: selftests: Add guests of guests that differ in their MMU roots" \
		$(echo "$nested" | grep '/mmu_roots_nested\.c$') $nested
	for file in $(files 'x86*/mmu_root_*_test.c'); do
		commit "KVM: selftests: Add $(basename "$file" .c)" "$file"
	done
}

# measured: print the report from its first table on, without colours.
measured() {
	"$BUILD/rootreport" $(results_in "$(readlink -f "$results")") | sed -n '/^qemu\|^bochs\|^host/,$p' | sed '/^the same as a page/d'
}

write_cover() {
	letter=$(ls "$out"/*0000-cover-letter.patch)
	measured >"$tmp/table"
	[ -s "$tmp/table" ] || die "RESULTS: $results has nothing to show: make run first"
	sed -n '/^$/,$p' "$COVER" | sed '1d' | sed -e "/^@TABLE@\$/{ r $tmp/table" -e 'd }' >"$tmp/text"
	sed -e "s/\*\*\* SUBJECT HERE \*\*\*/$(sed -n 's/^Subject: //p' "$COVER" | sed 's|[/&]|\\&|g')/" \
		-e "/^\*\*\* BLURB HERE \*\*\*\$/{ r $tmp/text" -e 'd }' "$letter" >"$tmp/letter"
	mv "$tmp/letter" "$letter"
}

check() {
	failed=0
	for file in "$out"/*.patch; do
		case $file in
		*0000-cover-letter.patch) continue ;;
		esac
		(cd "$tree" && ./scripts/checkpatch.pl --strict --no-tree -q --ignore "$IGNORED" "$file") >"$tmp/checked" 2>&1 || {
			failed=1
			say "checkpatch.pl on $(basename "$file"):"
			sed 's/^/    | /' "$tmp/checked" >&2
		}
	done
	[ "$failed" -eq 0 ] || die "not fit to be sent: $out has it all the same, to look at"
}

"$top/scripts/tools.sh"
say "writing what would be sent, on $(git -C "$KERNEL_SRC" log -1 --format='%h ("%s")' "$base")"
check_out
choose_series "$tree" "$tmp/copy"
[ -n "$patches" ] || die "KERNEL_SRC=$KERNEL_SRC has the series at ${BASE:-HEAD}: BASE=COMMIT is to be one without"
tree_git am -q --keep-non-patch $(upstream_patches) >"$tmp/am" 2>&1 || {
	sed 's/^/    | /' "$tmp/am" >&2
	die "git am failed"
}
commit_selftests
[ -z "${SIGNOFF:-}" ] || tree_git rebase -q --exec "git commit -q --amend --no-edit --trailer 'Signed-off-by: $SIGNOFF'" "$base" \
	>"$tmp/am" 2>&1 || die "cannot sign off: $(tail -n 1 "$tmp/am")"
rm -rf "$out"
version=$(sed -n 's/^Version: //p' "$COVER")
[ "$version" -gt 1 ] && reroll="-v $version" || reroll=
tree_git format-patch -q $reroll --cover-letter --base="$base" -o "$out" "$base"
write_cover
check
say "nothing is sent: read $out, then git send-email it; KVM's lists are in MAINTAINERS"
ls "$out"
