// SPDX-License-Identifier: GPL-2.0
/*
 * rootreport - make one table and one verdict from the results of a run
 *
 * A run of kvm-mmu-roots leaves one results file per lane, that is per boot of the test bed.  The
 * file consists of JSON lines: first a "run" line, then "plan" and "case" lines, last an "end"
 * line, see docs/results.md.
 *
 * Tests provoke the kernel of the bed, so the tests, their runner and the machine itself can die
 * at any point.  rootreport therefore takes a missing line for a failure: each planned case must
 * have exactly one result, and each file must say that it is complete.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <unistd.h>

#include "report.h"

/* If the report cannot be written completely, the exit status must say so. */
static int flush_report(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		warn("cannot write the report");
		return EXIT_UNUSABLE;
	}
	return status;
}

static int write_report(struct report *rep)
{
	bool failed = rep->total.cases[FAIL] || rep->failed_files;
	int status = failed ? EXIT_FAILED : EXIT_PASSED;

	if (rep->profile)
		print_profile(rep);
	else if (rep->ktap)
		print_ktap(rep);
	else
		print_text(rep);
	if (rep->junit && write_junit(rep))
		status = EXIT_UNUSABLE;
	if (rep->html && write_html(rep))
		status = EXIT_UNUSABLE;
	return flush_report(status);
}

/* The first file or folder is compared with the second one. */
static int run_comparison(struct report *rep, char **paths)
{
	struct report base;
	int ret;

	init_report(&base);
	ret = read_path(&base, paths[0]) | read_path(rep, paths[1]);
	if (ret || check_plans(&base) || check_plans(rep)) {
		ret = EXIT_UNUSABLE;
	} else {
		reconcile(&base);
		reconcile(rep);
		ret = flush_report(print_comparison(&base, rep));
	}
	free_report(&base);
	return ret;
}

/* The run before has no effect on the verdict: if it is unusable, the page leaves it out. */
static void read_before(struct report *rep, struct report *before)
{
	if (!rep->before_path)
		return;
	if (read_path(before, rep->before_path) || check_plans(before)) {
		warnx("%s is left out of the page", clean_argument(rep->before_path));
		return;
	}
	reconcile(before);
	rep->before = before;
}

static int run_report(struct report *rep, char **paths)
{
	struct report before;
	int ret = 0;

	/* Continue after a bad file, to complain about all bad files at once. */
	for (; *paths; paths++)
		ret |= read_path(rep, *paths);
	if (ret || check_plans(rep))
		return EXIT_UNUSABLE;
	reconcile(rep);
	init_report(&before);
	read_before(rep, &before);
	ret = write_report(rep);
	free_report(&before);
	return ret;
}

static void print_usage(FILE *out)
{
	fputs("usage: rootreport [OPTION]... RESULTS...\n"
	      "       rootreport --compare BOUND BASE NEW\n", out);
}

static void print_help(void)
{
	print_usage(stdout);
	puts("\n"
	     "Print a summary of the results files of a run: first what failed, then a line a\n"
	     "configuration, and what paths of the guest cost with each MMU. With --full, a row\n"
	     "a path and MMU: its counts add up over all files with the MMU, its cost is the\n"
	     "lowest one measured, in the unit of the file that measured it first. MMUs are in\n"
	     "the order of the files. A folder stands for all its files *.jsonl.\n"
	     "\n"
	     "  -f, --full        print all rows, all cases that failed or were skipped, and why\n"
	     "                    cases do not apply\n"
	     "  -t, --tap         print KTAP instead of the summary\n"
	     "      --junit FILE  write JUnit XML to FILE, too\n"
	     "      --html FILE   write a page to FILE, too, with plots if there is gnuplot\n"
	     "      --before PATH show in the page what changed since these results\n"
	     "      --docs PATH   where the page finds docs/, for links to derivations\n"
	     "      --title TEXT  print TEXT first\n"
	     "      --rerun TEXT  the command that runs tests, for how to run what failed\n"
	     "                    again (default: make run)\n"
	     "      --profile     print the results without what differs from run to run\n"
	     "      --compare BOUND\n"
	     "                    print what differs between two files or folders: counts,\n"
	     "                    costs that are more than BOUND times those of the other,\n"
	     "                    e.g. 1.01, and cases that have become worse\n"
	     "  -h, --help        print this and exit\n"
	     "\n"
	     "Exit status: 0 everything planned ran and nothing failed, or differs; 1 a\n"
	     "failure or difference; 2 bad usage or unusable input.");
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
		{ "full",	no_argument,		NULL,	'f' },
		{ "tap",	no_argument,		NULL,	't' },
		{ "junit",	required_argument,	NULL,	'j' },
		{ "html",	required_argument,	NULL,	'w' },
		{ "before",	required_argument,	NULL,	'b' },
		{ "docs",	required_argument,	NULL,	'd' },
		{ "title",	required_argument,	NULL,	'i' },
		{ "rerun",	required_argument,	NULL,	'r' },
		{ "profile",	no_argument,		NULL,	'p' },
		{ "compare",	required_argument,	NULL,	'c' },
		{ "help",	no_argument,		NULL,	'h' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "fth", options, NULL)) != -1) {
		switch (opt) {
		case 'b':
			rep->before_path = optarg;
			break;
		case 'd':
			rep->docs_dir = clean_argument(optarg);
			break;
		case 'f':
			rep->full = true;
			break;
		case 't':
			rep->ktap = true;
			break;
		case 'j':
			rep->junit = optarg;
			break;
		case 'w':
			rep->html = optarg;
			break;
		case 'i':
			rep->title = clean_argument(optarg);
			break;
		case 'r':
			rep->rerun = clean_argument(optarg);
			break;
		case 'p':
			rep->profile = true;
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
		warnx("%s", rep->bound ? "--compare takes two results files or folders" :
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
	struct report rep;
	int ret;

	pool_init();
	init_report(&rep);
	rep.colour = want_colour();
	parse_options(&rep, argc, argv);
	ret = rep.bound ? run_comparison(&rep, argv + optind) :
			  run_report(&rep, argv + optind);
	free_report(&rep);
	obstack_free(&pool, NULL);
	return ret;
}
