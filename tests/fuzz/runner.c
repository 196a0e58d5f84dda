// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes all code that reads the output of a test, or its list of cases.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "fuzzer.h"
#include "rootrun.h"

/* Small, so that even a small input does not fit. */
#define KEPT		64
#define TIMEOUT_S	1

/* The text must be valid UTF-8: rootrun writes JSON, and libjansson refuses other text. */
static void check_text(const char *text)
{
	json_t *json = json_string(text);

	if (!json)
		abort();
	json_decref(json);
}

static void judge(const char *text, int status, bool harness)
{
	struct ending end = { .status = status };
	struct verdict v;
	char *dump;

	verdict_of(text, &end, harness, TIMEOUT_S, &v);
	/* A failed test must not pass, whatever it prints. */
	if (status && !strcmp(v.status, "pass"))
		abort();
	if (strcmp(v.status, "pass") && !v.reason[0])
		abort();
	dump = json_dumps(v.data, JSON_COMPACT);
	check_text(dump);
	free(dump);
	json_decref(v.data);
	json_decref(v.counters);
}

static void list(char *text)
{
	json_t *cases = json_array(), *name;
	size_t i;

	list_parse(text, cases);
	json_array_foreach(cases, i, name)
		if (!json_is_string(name))
			abort();
	json_decref(cases);
}

static void read_output(const unsigned char *data, size_t size, size_t kept)
{
	struct output out;
	char *text;

	output_init(&out, kept);
	output_add(&out, (const char *)data, size);
	text = output_text(&out);
	output_free(&out);
	check_text(text);
	judge(text, 0, false);
	judge(text, 0, true);
	/* Wait statuses, see wait(2): exit status 1, and killed by signal 9. */
	judge(text, 1 << 8, true);
	judge(text, 9, false);
	list(text);
	free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	read_output(data, size, KEPT);
	read_output(data, size, OUTPUT_KEPT);
	return 0;
}
