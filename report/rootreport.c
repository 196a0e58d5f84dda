// SPDX-License-Identifier: GPL-2.0
/*
 * rootreport - one table and one verdict out of the results of a run
 *
 * A run of kvm-mmu-roots leaves one results file per lane, that is per boot of
 * the test bed: JSON lines, first a "run" line, then "plan" and "case" lines,
 * last an "end" line.
 *
 * The bed is a machine whose kernel is being provoked, so tests, their runner
 * and the machine itself can die at any point. Nothing is therefore concluded
 * from silence: what was planned has to show up exactly once, and every file
 * has to say that it is complete.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <unistd.h>

#include "report.h"

#define obstack_chunk_alloc	xmalloc
#define obstack_chunk_free	free

/* Nothing that allocates can fail, neither in the pool nor in libjansson. */
static void *xmalloc(size_t size)
{
	void *p = malloc(size);

	if (!p)
		err(EXIT_UNUSABLE, "out of memory");
	return p;
}

static int write_report(struct report *rep)
{
	if (rep->tap)
		print_tap(rep);
	else
		print_text(rep);

	/* Half a report must not pass for a whole one. */
	if (fflush(stdout) || ferror(stdout)) {
		warn("cannot write the report");
		return EXIT_UNUSABLE;
	}
	if (rep->total.cases[FAIL] || rep->failed_files)
		return EXIT_FAILED;
	return EXIT_PASSED;
}

/* The first file is compared with the second one. */
static int run_comparison(struct report *rep, char **paths)
{
	struct report base = {
		.files = STAILQ_HEAD_INITIALIZER(base.files),
		.rows = STAILQ_HEAD_INITIALIZER(base.rows),
		.docs = json_array(),
	};
	int ret = EXIT_UNUSABLE;

	if (!read_file(&base, paths[0]) && !check_plans(&base) &&
	    !read_file(rep, paths[1]) && !check_plans(rep)) {
		ret = print_comparison(&base, rep, rep->bound) ?
		      EXIT_PASSED : EXIT_FAILED;
	}
	json_decref(base.docs);
	return ret;
}

static int run_report(struct report *rep, char **paths)
{
	int ret = 0;

	/* Go on after a bad file, to complain about all of them at once. */
	for (; *paths; paths++)
		ret |= read_file(rep, *paths);
	if (ret || check_plans(rep))
		return EXIT_UNUSABLE;
	reconcile(rep);
	return write_report(rep);
}

static void print_usage(FILE *out)
{
	fputs("usage: rootreport [--tap] [--title TEXT] RESULTS.jsonl...\n"
	      "       rootreport --compare BOUND BASE.jsonl NEW.jsonl\n", out);
}

static void print_help(void)
{
	print_usage(stdout);
	puts("\n"
	     "Print one table, a row a path and MMU, from the results files of a run, then\n"
	     "every failed and skipped case. Counts of a row add up over all files with its\n"
	     "MMU; its cost is the lowest one measured, in the unit of the file that\n"
	     "measured it first. MMUs are in the order of the files.\n"
	     "\n"
	     "  --tap         print TAP instead of the table\n"
	     "  --title TEXT  print TEXT first\n"
	     "  --compare BOUND\n"
	     "                print the costs of two files; a failure is one that is\n"
	     "                more than BOUND times as high in NEW, e.g. 1.01\n"
	     "  --help        print this and exit\n"
	     "\n"
	     "Exit status: 0 everything planned ran and nothing failed, 1 a failure,\n"
	     "2 bad usage or unusable input.");
}

static double parse_bound(const char *arg)
{
	char *end;
	double bound = strtod(arg, &end);

	if (*end || !(bound > 0))
		errx(EXIT_UNUSABLE, "--compare takes a bound like 1.01, not '%s'", arg);
	return bound;
}

static void parse_options(struct report *rep, int argc, char **argv)
{
	static const struct option options[] = {
		{ "tap",	no_argument,		NULL,	'p' },
		{ "title",	required_argument,	NULL,	't' },
		{ "compare",	required_argument,	NULL,	'c' },
		{ "help",	no_argument,		NULL,	'h' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'p':
			rep->tap = true;
			break;
		case 't':
			clean_string(optarg);
			rep->title = optarg;
			break;
		case 'c':
			rep->bound = parse_bound(optarg);
			break;
		case 'h':
			print_help();
			exit(EXIT_PASSED);
		default:
			print_usage(stderr);
			exit(EXIT_UNUSABLE);
		}
	}
	if (optind == argc || (rep->bound && argc - optind != 2)) {
		warnx("%s", rep->bound ? "--compare takes two results files" :
		      "no results file given");
		print_usage(stderr);
		exit(EXIT_UNUSABLE);
	}
}

static bool want_colour(void)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && !(no_color && *no_color);
}

/**
 * main() - Report on the results files named on the command line
 * @argc: number of arguments
 * @argv: the arguments
 *
 * Return: 0 if everything planned ran and nothing failed, 1 if something
 * failed, 2 on bad usage or unusable input.
 */
int main(int argc, char **argv)
{
	struct report rep = {
		.files = STAILQ_HEAD_INITIALIZER(rep.files),
		.rows = STAILQ_HEAD_INITIALIZER(rep.rows),
		.colour = want_colour(),
	};
	int ret;

	parse_options(&rep, argc, argv);
	obstack_init(&pool);
	json_set_alloc_funcs(xmalloc, free);
	rep.docs = json_array();
	ret = rep.bound ? run_comparison(&rep, argv + optind) :
			  run_report(&rep, argv + optind);
	json_decref(rep.docs);
	obstack_free(&pool, NULL);
	return ret;
}
