#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel patches, as a reviewer sees them.

exec scripts/check-patches.sh
