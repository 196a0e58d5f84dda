#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run the tests that pack.sh has packed.  In the package, this script is host/run: host/run FOLDER
# The results are in FOLDER.  Exit status: 0 nothing failed; 1 something failed, or a run
# ended early; 2 nothing could be run.
top=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
# The package has the patches folder of one kernel only.
KERNEL=$(cd "$top/patches" && ls -d linux-* | sed 's/^linux-//')
. "$top/scripts/lib.sh"

[ $# -eq 1 ] || die "where to put results? host/run FOLDER"
out=$1/host
mkdir -p "$out" || die "cannot create $out: give another folder"

ran='' failed=''
for payload in "$top"/payload/*; do
	lane=${payload##*/}
	lane_status=0
	run "$top/beds/host/run" --name "host/$lane" --payload "$payload" --tell \
		--results "$out/$lane.jsonl" --console "$out/$lane.console" ${BED_ARGS:-} || lane_status=$?
	[ "$lane_status" -eq "$EXIT_UNUSABLE" ] || ran=1
	[ "$lane_status" -eq 0 ] && grep -q '"type":"end".*"failed":0,' "$out/$lane.jsonl" || failed=1
done
[ -n "$ran" ] || exit "$EXIT_UNUSABLE"
[ -z "$failed" ]
