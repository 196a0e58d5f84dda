#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The main job on the default bed, with each of its MMUs: every case is a test point.

exec env LANES=all REPORT_ARGS=--tap scripts/run.sh
