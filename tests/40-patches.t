#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Check the kernel patches as a reviewer would: checkpatch, sparse, W=1, and a build after each.

exec scripts/check-patches.sh
