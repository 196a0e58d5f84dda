// SPDX-License-Identifier: GPL-2.0
/*
 * Prints a profile: results without all that differs from run to run, for later comparisons.
 */
#define _GNU_SOURCE
#include "report.h"

/* Keys of the lines "run" and "case" that differ from run to run, and say nothing about KVM. */
static const char * const left_out[] = {
	"start", "duration_ms", "seed", "counters", "samples", "klog", "kmsg",
	"taint", "log",
};

/*
 * Only records have a type; the other documents are the arrays of struct testcase.  Each record
 * is one line, so that a new profile differs in one line per path.
 */
static bool is_record(const json_t *doc)
{
	return json_is_object(doc) && json_object_get(doc, "type");
}

/**
 * print_profile() - Print a report's results as a file of results
 * @rep: the report, reconciled
 */
void print_profile(const struct report *rep)
{
	json_t *doc;
	size_t i, j;

	json_array_foreach(rep->docs, i, doc) {
		if (!is_record(doc))
			continue;
		for (j = 0; j < ARRAY_SIZE(left_out); j++)
			json_object_del(doc, left_out[j]);
		json_dumpf(doc, stdout, JSON_COMPACT);
		putchar('\n');
	}
}
