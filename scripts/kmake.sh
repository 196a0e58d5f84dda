#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run make in a kernel tree, as Debian's kernels are built: kmake.sh TREE RELEASE ARG...
#
# Without -g, as debug information triples the build time and nobody looks at it;
# without rustc, as Debian's kernels have no Rust.
# With a RELEASE only modules are built, which takes no resolve_btfids: that would be half of
# what is built to prepare for them.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

tree=$1 release=$2
shift 2

# The compiler that Debian built the image with, where it is to be had.
compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$tree/.config" 2>/dev/null || :)
command -v "${compiler:-none}" >/dev/null || compiler=gcc

ccache_for "$tree"
exec make -C "$tree" -j"$JOBS" ARCH=x86 ${release:+KERNELRELEASE="$release" CONFIG_DEBUG_INFO_BTF=} \
	CC="ccache $compiler" RUSTC=false KCFLAGS=-g0 "$@"
