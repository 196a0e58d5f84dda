#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fuzzing of the parsers of rootrun and rootreport with libFuzzer, ASan and UBSan:
# first what was found to reach most of their code, then FUZZ_S seconds of the new
# for each.

FUZZ_S=${FUZZ_S:-10}
MEMORY_MIB=1500

. tests/tap.sh

flags='-g -O1 -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all'

# build NAME CLANG-ARGUMENT...
build()
{
	name=$1
	shift
	clang $flags -o "$tmp/$name" "tests/fuzz/$name.c" "$@" >"$tmp/make" 2>&1 || {
		sed 's/^/# /' "$tmp/make"
		bail_out "the fuzzer of $name does not build"
	}
}

# fuzz NAME CORPUS...
fuzz()
{
	name=$1
	shift
	attempt "$tmp/$name" -runs=0 -rss_limit_mb=$MEMORY_MIB "$@"
	result "$status" "$name: the corpus"
	[ "$status" -eq 0 ] || tail -n 30 "$tmp/err" | sed 's/^/# /'
	mkdir "$tmp/$name.new"
	attempt nice "$tmp/$name" -max_total_time="$FUZZ_S" -timeout=60 -rss_limit_mb=$MEMORY_MIB \
		-artifact_prefix="$tmp/" "$tmp/$name.new" "$@"
	result "$status" "$name: $FUZZ_S s of what is not in the corpus"
	[ "$status" -eq 0 ] || tail -n 30 "$tmp/err" | sed 's/^/# /'
	runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$tmp/err")
	[ "${runs:-0}" -gt 1000 ]
	result $? "$name: which is more than 1000 runs"
}

# obstack_alloc() of the C library adds to a null pointer when it begins.
build report -fno-sanitize=pointer-overflow -Ireport $(xml2-config --cflags) \
	$(find report -name "*.c" ! -name rootreport.c) -ljansson -lxml2
build runner -Irunner runner/list.c runner/output.c runner/verdict.c -ljansson
fuzz report tests/fuzz/report tests/data/report
fuzz runner tests/fuzz/runner

# A fuzzer that finds nothing may be blind: one byte too few has to be seen.
sed 's/malloc(2 \* out->kept + 128)/malloc(out->kept)/' runner/output.c >"$tmp/output.c"
if cmp -s runner/output.c "$tmp/output.c"; then
	bail_out "runner/output.c has no buffer to shorten"
fi
build runner -Irunner runner/list.c "$tmp/output.c" runner/verdict.c -ljansson
attempt "$tmp/runner" -max_total_time=60 -artifact_prefix="$tmp/" tests/fuzz/runner
says "a buffer that is too short is found" 1 'AddressSanitizer: heap-buffer-overflow'
plan_done
