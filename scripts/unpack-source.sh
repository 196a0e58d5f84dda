#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Unpack a kernel's source from Debian's package of it: unpack-source.sh DEB FOLDER [OPTION...]
# The options are those of tar, which say what to leave out.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

deb=$1 folder=$2
shift 2
mkdir -p "$folder"
# Its blocks can be unpacked at the same time, which tar does not tell xz.
dpkg-deb --fsys-tarfile "$deb" | tar -xO --wildcards '*/linux-source-*.tar.xz' | xz -dc -T "$JOBS" |
	tar -C "$folder" --strip-components=1 -x "$@"
