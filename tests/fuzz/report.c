// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzes all code that reads a results file or prints a report on it.  The file is also the
 * run before, with which the report compares.
 *
 * Plots are left out: gnuplot only gets numbers, and names that consist of letters, and one
 * process per input is too slow.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "fuzzer.h"
#include "report.h"

#define BOUND	1.01

static int devnull(void)
{
	if (setenv("PATH", "/nonexistent", 1) || !freopen("/dev/null", "w", stdout))
		abort();
	/* Only drops the report's errors: sanitizers and libFuzzer use the descriptor. */
	stderr = fopen("/dev/null", "w");
	return 0;
}

static int read_copy(struct report *rep, const unsigned char *data, size_t size)
{
	FILE *in = fmemopen((void *)data, size, "r");
	int ret = read_stream(rep, "fuzz", in);

	fclose(in);
	return ret || check_plans(rep);
}

/* The JUnit XML and the page are written to memory completely; their files cannot be created. */
static void show(struct report *rep)
{
	print_text(rep);
	rep->full = true;
	print_text(rep);
	print_ktap(rep);
	write_junit(rep);
	write_html(rep);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return devnull();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct report rep, base;

	if (!size)
		return 0;
	pool_init();
	init_report(&rep);
	init_report(&base);
	rep.bound = BOUND;
	rep.junit = "/nonexistent/junit.xml";
	rep.html = "/nonexistent/page.html";
	if (!read_copy(&rep, data, size) && !read_copy(&base, data, size)) {
		reconcile(&rep);
		reconcile(&base);
		rep.before = &base;
		show(&rep);
		/* Any file must be equal to itself. */
		if (print_comparison(&base, &rep) != EXIT_PASSED)
			abort();
		print_profile(&rep);
	}
	free_report(&base);
	free_report(&rep);
	obstack_free(&pool, NULL);
	return 0;
}
