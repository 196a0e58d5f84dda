#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Apply the series to a source tree without git: apply-series.sh TREE [PATCH...]
# Stops at the first patch that does not apply, with its name and the reject.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

series() {
	grep -v -e '^#' -e '^$' "$SERIES_DIR/series" | sed "s|^|$SERIES_DIR/|"
}

show_rejects() {
	find "$1" -name '*.rej' | while read -r reject; do
		say "    ${reject#"$1"/}:"
		sed 's/^/    | /' "$reject" >&2
	done
}

tree=$1
shift
# shellcheck disable=SC2046 # paths of this repository, without spaces in their names
[ $# -gt 0 ] || set -- $(cd "$SERIES_DIR" && series)

for file in "$@"; do
	[ -r "$file" ] || die "no such patch: $file: mend $SERIES_DIR/series"
	patch -d "$tree" -p1 -s -f -N --no-backup-if-mismatch <"$file" >"$tree/.apply.log" 2>&1 || {
		sed 's/^/    | /' "$tree/.apply.log" >&2
		show_rejects "$tree"
		die "patch no longer applies: ${file#"$top"/}: refresh it for $(make -s -C "$tree" kernelversion)"
	}
	rm -f "$tree/.apply.log"
done
