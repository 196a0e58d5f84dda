// SPDX-License-Identifier: GPL-2.0
/*
 * Prints the report for people: failures first, then configurations, paths and totals.
 */
#define _GNU_SOURCE
#include "report.h"

/* This much is enough to recognize a bug; the page, and FULL=1, show more. */
#define MAX_CASES	10
#define MAX_REASONS	3
#define MAX_KLOG_LINES	3
#define FULL_KLOG_LINES	10

const char * const verdict_words[NR_VERDICTS] = {
	[NOT_APPLICABLE] = "n/a",
	[PASS] = "ok",
	[KNOWN_BUG] = "KNOWN",
	[SKIP] = "SKIP",
	[FAIL] = "FAIL",
};

/**
 * print_verdict() - Print a verdict, in colour if wanted
 * @rep: the report
 * @verdict: the verdict
 */
void print_verdict(const struct report *rep, enum outcome verdict)
{
	static const char * const colours[NR_VERDICTS] = {
		[NOT_APPLICABLE] = "\033[34m",
		[PASS] = "\033[32m",
		[KNOWN_BUG] = "\033[33m",
		[SKIP] = "\033[33m",
		[FAIL] = "\033[31m",
	};

	printf("%s%s%s", rep->colour ? colours[verdict] : "",
	       verdict_words[verdict], rep->colour ? "\033[0m" : "");
}

/**
 * print_klog() - Print the first faults that the kernel logged in a case
 * @tc: the case
 * @indent: prefix of each line
 * @max: number of lines to print at most
 */
void print_klog(const struct testcase *tc, const char *indent, unsigned int max)
{
	json_t *line;
	size_t i;

	json_array_foreach(tc->klog, i, line) {
		if (i == max)
			break;
		printf("%s%s\n", indent, json_string_value(line));
	}
}

/**
 * reason_parts() - Shorten a reason, as one bug may make many counters wrong
 * @reason: the reason, a list of parts separated by "; "
 * @max: number of parts to keep
 *
 * Return: the first parts of the reason; if parts are left out, their number follows.
 */
const char *reason_parts(const char *reason, unsigned int max)
{
	const char *end = reason, *next;
	unsigned int nr = 0, left = 0;

	for (next = reason; next; next = strstr(next + 1, "; ")) {
		if (nr++ == max)
			end = next;
		left += nr > max;
	}
	return left ? format("%.*s; and %u more", (int)(end - reason), reason, left) : reason;
}

static void print_case(const struct report *rep, const struct results *res,
		       const struct testcase *tc)
{
	print_verdict(rep, tc->verdict);
	printf(" %s %s: %s", tc->test, tc->name,
	       rep->full ? tc->reason : reason_parts(tc->reason, MAX_REASONS));
	if (rep->nr_files > 1)
		printf(" [%s/%s]", res->bed, res->lane);
	putchar('\n');
	if (tc->verdict == FAIL)
		print_klog(tc, "    ", rep->full ? FULL_KLOG_LINES : MAX_KLOG_LINES);
}

/* If the file ended early, cases without a result are not listed as failures of their own. */
static bool is_lost(const struct report *rep, const struct results *res,
		    const struct testcase *tc)
{
	return res->failure && !tc->results && !rep->full;
}

static void print_cases(const struct report *rep, enum outcome verdict)
{
	const struct results *res;
	const struct testcase *tc;
	json_int_t nr = 0;

	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			if (tc->verdict != verdict || is_lost(rep, res, tc))
				continue;
			if (nr++ < MAX_CASES || rep->full)
				print_case(rep, res, tc);
		}
	}
	if (nr > MAX_CASES && !rep->full)
		printf("and %lld more: the page has them, and make report FULL=1\n",
		       nr - MAX_CASES);
}

static void print_lost(const struct report *rep, const struct results *res)
{
	const struct testcase *tc;
	unsigned int nr = 0;

	STAILQ_FOREACH(tc, &res->cases, next)
		nr += is_lost(rep, res, tc);
	if (nr)
		printf("    %u planned case%s no result\n", nr, nr == 1 ? " has" : "s have");
}

static bool same_reason(const struct results *a, const struct testcase *x,
			const struct results *b, const struct testcase *y)
{
	return x->verdict == y->verdict && !strcmp(a->mmu, b->mmu) &&
	       !strcmp(x->reason, y->reason);
}

/* Returns how many cases have the reason of @tc; 0 if @tc is not the first of them. */
static unsigned int count_reason(const struct report *rep, const struct results *res,
				 const struct testcase *tc)
{
	const struct results *other;
	const struct testcase *other_tc;
	unsigned int nr = 0;

	STAILQ_FOREACH(other, &rep->files, next) {
		STAILQ_FOREACH(other_tc, &other->cases, next) {
			if (!same_reason(res, tc, other, other_tc))
				continue;
			if (!nr++ && other_tc != tc)
				return 0;
		}
	}
	return nr;
}

/* Prints one line per reason, as the same reason often applies to many cases of an MMU. */
static void print_inapplicable(const struct report *rep)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int nr;

	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			nr = tc->verdict == NOT_APPLICABLE ? count_reason(rep, res, tc) : 0;
			if (!nr)
				continue;
			print_verdict(rep, NOT_APPLICABLE);
			printf(" %s: %s (%u case%s)\n", res->mmu, tc->reason, nr,
			       nr == 1 ? "" : "s");
		}
	}
}

/**
 * format_totals() - Count the cases of each verdict
 * @rep: the report, reconciled
 *
 * Return: one line.
 */
const char *format_totals(const struct report *rep)
{
	const json_int_t *cases = rep->total.cases;
	const char *rest = "";

	if (cases[NOT_APPLICABLE])
		rest = format(", %lld not applicable", cases[NOT_APPLICABLE]);
	if (cases[KNOWN_BUG])
		rest = format("%s, %lld known", rest, cases[KNOWN_BUG]);
	return format("%u cases: %lld passed, %lld failed, %lld skipped%s",
		      rep->nr_cases, cases[PASS], cases[FAIL], cases[SKIP], rest);
}

/* Prints the failures, which come first, and then the command that runs them again. */
static void print_failures(const struct report *rep)
{
	const char *command = rerun_command(rep);
	const struct results *res;

	STAILQ_FOREACH(res, &rep->files, next) {
		if (!res->failure)
			continue;
		print_verdict(rep, FAIL);
		printf(" %s: %s\n", res->name, res->failure);
		print_lost(rep, res);
	}
	print_cases(rep, FAIL);
	if (*command)
		printf("to run just what failed again, with the same seeds:\n  %s\n\n", command);
}

/* The name of the emulator says more than the name of the emulated CPU. */
static const char *machine_of(const struct results *res)
{
	return *res->emulator ? res->emulator : res->cpu;
}

static bool same_machine(const struct results *a, const struct results *b)
{
	return !strcmp(a->bed, b->bed) && !strcmp(a->kernel, b->kernel) &&
	       !strcmp(machine_of(a), machine_of(b));
}

static void print_machines(const struct report *rep)
{
	const struct results *res, *other;

	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(other, &rep->files, next)
			if (other == res || same_machine(other, res))
				break;
		if (other == res)
			printf("%s: kernel %s%s%s\n", res->bed, res->kernel,
			       *machine_of(res) ? ", " : "", machine_of(res));
	}
}

/* The columns of verdicts.  Without @always, a column is left out if no case has its verdict. */
static const struct {
	enum outcome verdict;
	const char *head;
	bool always;
} lane_verdicts[] = {
	{ PASS, "passed", true },
	{ FAIL, "failed", true },
	{ SKIP, "skipped", false },
	{ KNOWN_BUG, "known", false },
	{ NOT_APPLICABLE, "n/a", true },
};

static bool has_column(const struct report *rep, unsigned int i)
{
	return lane_verdicts[i].always || rep->total.cases[lane_verdicts[i].verdict];
}

/* Returns the next cell. */
static const char **fill_lane(const char **cell, const struct report *rep,
			      const struct results *res)
{
	json_int_t cases[NR_VERDICTS] = { 0 }, all = 0, ms = 0;
	const struct testcase *tc;
	unsigned int i;

	STAILQ_FOREACH(tc, &res->cases, next) {
		all++;
		cases[tc->verdict]++;
		ms += tc->duration_ms;
	}
	*cell++ = res->lane;
	*cell++ = res->mmu;
	*cell++ = format("%lld", all);
	for (i = 0; i < ARRAY_SIZE(lane_verdicts); i++)
		if (has_column(rep, i))
			*cell++ = format("%lld", cases[lane_verdicts[i].verdict]);
	*cell++ = format("%lld.%lld", ms / 1000, ms % 1000 / 100);
	return cell;
}

/* Prints a table with one line per configuration. */
static void print_lanes(const struct report *rep)
{
	const char *heads[4 + ARRAY_SIZE(lane_verdicts)] = { "configuration", "mmu", "cases" };
	unsigned int i, nr_cols = 3;
	const struct results *res;
	const char **cells, **cell;

	for (i = 0; i < ARRAY_SIZE(lane_verdicts); i++)
		if (has_column(rep, i))
			heads[nr_cols++] = lane_verdicts[i].head;
	heads[nr_cols++] = "seconds";
	cells = zalloc(nr_cols * (rep->nr_files + 1) * sizeof(*cells));
	memcpy(cells, heads, nr_cols * sizeof(*cells));
	cell = cells + nr_cols;
	STAILQ_FOREACH(res, &rep->files, next)
		cell = fill_lane(cell, rep, res);
	print_grid(cells, nr_cols, rep->nr_files + 1, "llrrrrrrr");
}

static void print_full(struct report *rep)
{
	const struct results *res;

	print_cases(rep, KNOWN_BUG);
	putchar('\n');
	STAILQ_FOREACH(res, &rep->files, next)
		printf("%s/%s: %s%s%s\n", res->bed, res->lane, res->params,
		       *res->params ? ", " : "", res->unit);
	if (!STAILQ_EMPTY(&rep->rows)) {
		putchar('\n');
		print_table(rep);
	}
	if (rep->total.cases[NOT_APPLICABLE])
		putchar('\n');
	print_inapplicable(rep);
}

/**
 * print_text() - Print the report for people
 * @rep: the report, reconciled
 *
 * If something failed, the table of paths is left out, so that the failures stay in view.
 */
void print_text(struct report *rep)
{
	bool failed = rep->total.cases[FAIL] || rep->failed_files;

	if (rep->title)
		printf("%s\n\n", rep->title);
	if (failed)
		print_failures(rep);
	print_cases(rep, SKIP);
	if (rep->total.cases[SKIP])
		putchar('\n');
	print_machines(rep);
	print_lanes(rep);
	if (rep->full)
		print_full(rep);
	else if (!failed)
		print_pivots(rep);
	putchar('\n');
	puts(format_totals(rep));
}
