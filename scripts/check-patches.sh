#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Check the kernel patches one after the other, as a reviewer would: checkpatch
# --strict; a build of KVM after each; no new warnings from sparse and W=1.
# Speaks TAP.  What was built before, for the same patches, is not built again.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ "${KERNEL:-}" != all ] || exec "$top/scripts/each-kernel.sh" "$0"
. "$top/scripts/lib.sh"
. "$top/scripts/kernel-src.sh"

NEED_MIB=1500

# Upstream's history, which would tell commit ids, is not here; who submits the
# patches signs them off.
CHECKPATCH_ARGS='--strict --no-signoff --no-tree -q --ignore UNKNOWN_COMMIT_ID'

nr=0
failed=0

# result STATUS NAME [FILE]: FILE says more about a failure.
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

# Warnings without line numbers, which change with each patch.
warnings() {
	grep -E ': (warning|error):' "$1" | sed 's/:[0-9]*:[0-9]*:/:/' | LC_ALL=C sort -u >"$2"
}

# warn_build LOG: the files that the series touches, with all warnings on.
warn_build() {
	kmake W=1 C=2 CHECK=sparse $objects >"$1" 2>&1
}

# The source as it is without us, and the warnings that it has.
prepare_work() {
	say "# building what the patches touch, without them, to know its warnings"
	rm -rf "$work"
	mkdir -p "$work"
	cp -a "$base/linux" "$work/linux"
	warn_build "$work/stock.log"
	warnings "$work/stock.log" "$work/stock.warnings"
}

# Others change nothing that is built.
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

# Objects of what the whole series touches: the same set after each patch.
objects=$(series_files | sed "s|^|$SERIES_DIR/|" | xargs sed -n 's|^+++ b/\(arch/x86/kvm/.*\)\.c$|\1.o|p' | sort -u)

for file in $(series_files); do
	checkpatch "$SERIES_DIR/$file"
	result "$status" "checkpatch --strict: $file" "$out/checkpatch"
done
# The lines Red: of a mutant hold regular expressions, which do not wrap; Fixed-by: is no tag of the kernel's.
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
