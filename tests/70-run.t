#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The main job on the default bed: every case is a test point.

exec env REPORT_ARGS=--tap scripts/run.sh
