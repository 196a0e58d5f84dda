#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the tests on an emulated Intel CPU, in the default configuration, or with FULL=1 in all of them.
# Each case is a test point.

exec env REUSE=1 BED=bochs-vmx CONFIG="$([ -z "${ALL:-}" ] && echo suite || echo full)" REPORT_ARGS=--tap scripts/run.sh
