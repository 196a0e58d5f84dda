// SPDX-License-Identifier: GPL-2.0
/*
 * A profile: results without what differs from run to run, to compare with later.
 */
#define _GNU_SOURCE
#include "report.h"

/* Lines of a run, and of a case, that say nothing about KVM. */
static const char * const left_out[] = {
	"start", "duration_ms", "seed", "counters", "samples", "klog", "kmsg",
	"taint", "log",
};

/* So that a new profile differs in a line a path. */
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
