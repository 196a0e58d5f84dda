#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Unpack a kernel's source from Debian's source package: unpack-source.sh DEB FOLDER [OPTION...]
# The options are passed to tar, and say what to leave out.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

deb=$1 folder=$2
shift 2
mkdir -p "$folder"
# xz -T unpacks the blocks of the archive in parallel; tar does not call it with this option.
dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards '*/linux-source-*.tar.xz' | xz -dc -T "$JOBS" |
	tar -C "$folder" --strip-components=1 -x "$@"
