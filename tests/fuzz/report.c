// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzing of all that reads, and of all that shows, a results file, also as the run before.
 *
 * Plots are left out: what gnuplot is told is numbers, and names without anything
 * that is not a letter, and a process a time is too slow.
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
	/* Complaints, that is: sanitizers and libFuzzer have the descriptor. */
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

/* Documents go to files that cannot be created, when all has been written to memory. */
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
		/* A file does not differ from itself, whatever is in it. */
		if (print_comparison(&base, &rep) != EXIT_PASSED)
			abort();
		print_profile(&rep);
	}
	free_report(&base);
	free_report(&rep);
	obstack_free(&pool, NULL);
	return 0;
}
