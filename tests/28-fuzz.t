#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fuzz the parsers of rootrun and rootreport with libFuzzer, ASan and UBSan: first the corpus,
# which reaches most of their code, then FUZZ_RUNS new inputs for each.  This takes some 20
# seconds on an idle machine.

FUZZ_RUNS=${FUZZ_RUNS:-15000}
MEMORY_MIB=1500

. tests/tap.sh

flags='-g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all'

# build NAME CLANG-ARGUMENT...: build tests/fuzz/NAME.c
build()
{
	name=$1
	shift
	clang $flags -o "$tmp/$name" "tests/fuzz/$name.c" "$@" >"$tmp/make" 2>&1 || {
		sed 's/^/# /' "$tmp/make"
		bail_out "the fuzzer of $name does not build"
	}
}

# fuzz NAME CORPUS...: run a fuzzer
fuzz()
{
	name=$1
	shift
	attempt "$tmp/$name" -runs=0 -rss_limit_mb=$MEMORY_MIB "$@"
	result "$status" "$name: the corpus"
	[ "$status" -eq 0 ] || tail -n 30 "$tmp/err" | sed 's/^/# /'
	mkdir "$tmp/$name.new"
	attempt nice "$tmp/$name" -runs="$FUZZ_RUNS" -timeout=60 -rss_limit_mb=$MEMORY_MIB \
		-artifact_prefix="$tmp/" "$tmp/$name.new" "$@"
	result "$status" "$name: what is not in the corpus"
	[ "$status" -eq 0 ] || tail -n 30 "$tmp/err" | sed 's/^/# /'
	runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$tmp/err")
	[ "${runs:-0}" -ge "$FUZZ_RUNS" ]
	result $? "$name: $FUZZ_RUNS inputs"
}

# pointer-overflow is off, as obstack_alloc() of the C library first adds to a null pointer.
build report -fno-sanitize=pointer-overflow -Ireport $(xml2-config --cflags) \
	$(find report -name "*.c" ! -name rootreport.c) -ljansson -lxml2
build runner -Irunner runner/list.c runner/output.c runner/verdict.c -ljansson
fuzz report tests/fuzz/report tests/data/report
fuzz runner tests/fuzz/runner

# Test the fuzzer itself: it must find a buffer that was made too short.
sed 's/malloc(2 \* out->kept + 128)/malloc(out->kept)/' runner/output.c >"$tmp/output.c"
if cmp -s runner/output.c "$tmp/output.c"; then
	bail_out "runner/output.c has no buffer to shorten"
fi
build runner -Irunner runner/list.c "$tmp/output.c" runner/verdict.c -ljansson
attempt "$tmp/runner" -max_total_time=60 -artifact_prefix="$tmp/" tests/fuzz/runner
says "a buffer that is too short is found" 1 'AddressSanitizer: heap-buffer-overflow'
plan_done
