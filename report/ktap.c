// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the report for machines: KTAP, see Documentation/dev-tools/ktap.rst.
 */
#include "report.h"

#define MAX_KLOG_LINES	10

/* A reader could take a bare '#' in a name for a directive that excuses a failure. */
static void print_name(const char *name)
{
	putchar(' ');
	for (; *name; name++) {
		if (*name == '#' || *name == '\\')
			putchar('\\');
		putchar(*name);
	}
}

static void print_case(const struct results *res, const struct testcase *tc,
		       unsigned int nr)
{
	printf("%sok %u -", tc->verdict == FAIL ? "not " : "", nr);
	print_name(res->lane);
	print_name(tc->test);
	print_name(tc->name);
	if (tc->verdict == KNOWN_BUG)
		printf(" # SKIP known bug: %s", tc->reason);
	else if (tc->verdict == SKIP || tc->verdict == NOT_APPLICABLE)
		printf(" # SKIP %s", tc->reason);
	putchar('\n');
	if (tc->verdict == FAIL) {
		printf("# %s\n", tc->reason);
		print_klog(tc, "#     ", MAX_KLOG_LINES);
	}
}

/**
 * print_ktap() - Print the report as KTAP, one test point per case and per file
 * @rep: the report, reconciled
 */
void print_ktap(const struct report *rep)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int nr = 0;

	puts("KTAP version 1");
	printf("1..%u\n", rep->nr_cases + rep->nr_files);
	if (rep->title)
		printf("# %s\n", rep->title);
	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next)
			print_case(res, tc, ++nr);
		printf("%sok %u -", res->failure ? "not " : "", ++nr);
		print_name(res->lane);
		puts(": run finished");
		if (res->failure)
			printf("# %s: %s\n", res->name, res->failure);
	}
}
