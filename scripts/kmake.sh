#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run make in a kernel tree, as Debian's kernels are built: kmake.sh TREE RELEASE ARG...
#
# The build has no debug information (-g0), which would triple the build time and which nobody reads,
# and does not use rustc, as Debian's kernels have no Rust.
# With a RELEASE, only modules are built.  They do not need resolve_btfids, which would be half of the
# work to prepare the tree.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

tree=$1 release=$2
shift 2

# Use the compiler that Debian built the image with, if this machine has it.
compiler=$(sed -n 's/^CONFIG_CC_VERSION_TEXT="\([^ ]*\) .*/\1/p' "$tree/.config" 2>/dev/null || :)
command -v "${compiler:-none}" >/dev/null || compiler=gcc

ccache_for "$tree"
exec make -C "$tree" -j"$JOBS" ARCH=x86 ${release:+KERNELRELEASE="$release" CONFIG_DEBUG_INFO_BTF=} \
	CC="ccache $compiler" RUSTC=false KCFLAGS=-g0 "$@"
