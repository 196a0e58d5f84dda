#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check the kernel patches one after the other, as a reviewer would: checkpatch
# --strict; a build of KVM after each; no new warnings from sparse and W=1.
# The output is TAP.  If the builds passed before with the same patches, they are not repeated.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/kernel-src.sh"

NEED_MIB=1500

# checkpatch cannot verify commit ids, as upstream's history is not here.  The patches have no
# Signed-off-by: the person who submits them adds it.
CHECKPATCH_ARGS='--strict --no-signoff --no-tree -q --ignore UNKNOWN_COMMIT_ID'

nr=0
failed=0

# result STATUS NAME [FILE]: print a test point, and the content of FILE if it failed.
result() {
	nr=$((nr + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $nr - $2"
		return
	fi
	failed=1
	echo "not ok $nr - $2"
	[ -z "${3:-}" ] || sed 's/^/# /' "$3"
}

checkpatch() {
	status=0
	(cd "$out" && "$base/linux/scripts/checkpatch.pl" $CHECKPATCH_ARGS "$@") \
		>"$out/checkpatch" 2>&1 || status=1
	[ ! -s "$out/checkpatch" ] || status=1
}

kmake() {
	"$top/scripts/kmake.sh" "$work/linux" "$release" "$@"
}

# warnings LOG OUT: the log's warnings without line numbers, which change with each patch.
warnings() {
	grep -E ': (warning|error):' "$1" | sed 's/:[0-9]*:[0-9]*:/:/' | LC_ALL=C sort -u >"$2"
}

# warn_build LOG: build the objects that the series touches with sparse and W=1.
warn_build() {
	kmake W=1 C=2 CHECK=sparse $objects >"$1" 2>&1
}

# prepare_work: copy the source without the series, and record the warnings that it already has.
prepare_work() {
	say "# building what the patches touch, without them, to know its warnings"
	rm -rf "$work"
	mkdir -p "$work"
	cp -a "$base/linux" "$work/linux"
	warn_build "$work/stock.log"
	warnings "$work/stock.log" "$work/stock.warnings"
}

# touches_kvm FILE: whether the patch changes code under arch/; the build does not contain anything else.
touches_kvm() {
	grep -q '^+++ b/arch/' "$1"
}

check_build() {
	log=$work/$(basename "$1")
	status=0
	{ patch -d "$work/linux" -p1 -s -f -N -F0 --no-backup-if-mismatch <"$SERIES_DIR/$1" &&
		kmake M=arch/x86/kvm modules; } >"$log.build" 2>&1 || status=1
	tail -n 15 "$log.build" >"$log.tail"
	result "$status" "KVM builds after $1" "$log.tail"

	status=0
	warn_build "$log.warn" || status=1
	warnings "$log.warn" "$log.warnings"
	LC_ALL=C comm -13 "$work/stock.warnings" "$log.warnings" >"$log.new"
	[ ! -s "$log.new" ] || status=1
	result "$status" "no new warnings from sparse and W=1 after $1" "$log.new"
}

run "$top/scripts/deps.sh" build test
settle_kernel ''
need_space "$CACHE" "$NEED_MIB"
capture base "$top/scripts/kernel.sh"
release=$(cat "$base/release")
mkdir -p "$BUILD"
out=$(mktemp -d "$BUILD/check.XXXXXX")
at_exit "rm -rf '$out'"

# The objects of all files that the series touches.  Every warn_build() builds the same set.
objects=$(series_files | sed "s|^|$SERIES_DIR/|" | xargs sed -n 's|^+++ b/\(arch/x86/kvm/.*\)\.c$|\1.o|p' | sort -u)

for file in $(series_files); do
	checkpatch "$SERIES_DIR/$file"
	result "$status" "checkpatch --strict: $file" "$out/checkpatch"
done
# checkpatch ignores long lines and unknown tags in mutants: lines Red: hold regular expressions, which
# cannot be wrapped, and the kernel has no tag Fixed-by:.
for file in "$top"/mutants/*.patch "$top"/mutants/real/*.patch "$SERIES_DIR"/mutants/*.patch; do
	[ -e "$file" ] || continue
	checkpatch --ignore COMMIT_LOG_LONG_LINE,BAD_SIGN_OFF,GIT_COMMIT_ID "$file"
	result "$status" "checkpatch --strict: ${file#"$top"/}" "$out/checkpatch"
done
for file in $(cd "$top/tools/testing/selftests" && find kvm -name '*.[ch]' | sort); do
	checkpatch -f "$top/tools/testing/selftests/$file"
	result "$status" "checkpatch --strict: $file" "$out/checkpatch"
done

key=$({ echo "$release"; series_files; series_files | sed "s|^|$SERIES_DIR/|" | xargs cat; } | sha256sum | cut -c1-16)
work=$CACHE/checks/$key
lock "check-$key"
if [ ! -e "$work/done" ]; then
	: "${first_build:=$nr}"
	prepare_work
	for file in $(series_files); do
		! touches_kvm "$SERIES_DIR/$file" || check_build "$file"
	done
	rm -rf "$work/linux"
	[ "$failed" -ne 0 ] || echo $((nr - first_build)) >"$work/done"
else
	result 0 "the series, unchanged, has built without new warnings before: $(cat "$work/done") checks"
fi
echo "1..$nr"
exit "$failed"
