#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Apply the series to a source tree without git: apply-series.sh TREE [PATCH...]
# The script stops at the first patch that does not apply, and prints its name and the rejects.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

series() {
	grep -v -e '^#' -e '^$' "$SERIES_DIR/series" | sed "s|^|$SERIES_DIR/|"
}

kernel_version() {
	awk '$2 == "=" && $1 ~ /^(VERSION|PATCHLEVEL|SUBLEVEL)$/ { printf "%s%s", dot, $3; dot = "." }' "$1/Makefile"
}

show_rejects() {
	find "$1" -name '*.rej' | while read -r reject; do
		say "    ${reject#"$1"/}:"
		sed 's/^/    | /' "$reject" >&2
	done
}

tree=$1
shift
[ $# -gt 0 ] || set -- $(cd "$SERIES_DIR" && series)

for file in "$@"; do
	[ -r "$file" ] || die "no such patch: $file: mend $SERIES_DIR/series"
done
# -F0 forbids fuzz, as git am does: a patch that applies with fuzz may have changed the wrong place.
for file in "$@"; do
	patch -d "$tree" -p1 -s -f -N -F0 --no-backup-if-mismatch <"$file" >"$tree/.apply.log" 2>&1 || {
		sed 's/^/    | /' "$tree/.apply.log" >&2
		show_rejects "$tree"
		die "patch no longer applies: ${file#"$top"/}: refresh it for $(kernel_version "$tree")"
	}
	rm -f "$tree/.apply.log"
done
