// SPDX-License-Identifier: GPL-2.0
/*
 * The report for people: lanes, table, failures and skips, summary.
 */
#define _GNU_SOURCE
#include "report.h"

#define MAX_KLOG_LINES	10

const char * const verdict_words[NR_VERDICTS] = {
	[NOT_APPLICABLE] = "n/a",
	[PASS] = "ok",
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
		[SKIP] = "\033[33m",
		[FAIL] = "\033[31m",
	};

	printf("%s%s%s", rep->colour ? colours[verdict] : "",
	       verdict_words[verdict], rep->colour ? "\033[0m" : "");
}

/**
 * print_klog() - Print the beginning of what the kernel logged
 * @tc: the case it was logged in
 * @indent: what to begin each line with
 */
void print_klog(const struct testcase *tc, const char *indent)
{
	json_t *line;
	size_t i;

	json_array_foreach(tc->klog, i, line) {
		if (i == MAX_KLOG_LINES)
			break;
		printf("%s%s\n", indent, json_string_value(line));
	}
}

static void print_cases(const struct report *rep, enum outcome verdict)
{
	const struct results *res;
	const struct testcase *tc;

	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			if (tc->verdict != verdict)
				continue;
			print_verdict(rep, verdict);
			printf(" %s %s: %s", tc->test, tc->name, tc->reason);
			if (rep->nr_files > 1)
				printf(" [%s/%s]", res->bed, res->lane);
			putchar('\n');
			if (verdict == FAIL)
				print_klog(tc, "    ");
		}
	}
}

static bool same_reason(const struct results *a, const struct testcase *x,
			const struct results *b, const struct testcase *y)
{
	return x->verdict == y->verdict && !strcmp(a->mmu, b->mmu) &&
	       !strcmp(x->reason, y->reason);
}

/* How many cases share the reason of @tc; 0 unless it is the first of them. */
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

/* A line a reason: what an MMU cannot do by its nature is no news in each case. */
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
 * format_totals() - How many cases there are of each verdict
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
	return format("%u cases: %lld passed, %lld failed, %lld skipped%s",
		      rep->nr_cases, cases[PASS], cases[FAIL], cases[SKIP], rest);
}

/**
 * print_text() - Print the report for people
 * @rep: the report, reconciled
 */
void print_text(struct report *rep)
{
	const struct results *res;
	const char *commands;

	if (rep->title)
		printf("%s\n\n", rep->title);
	STAILQ_FOREACH(res, &rep->files, next)
		printf("%s/%s: kernel %s, %s%s%s\n", res->bed, res->lane,
		       res->kernel, res->params, *res->params ? ", " : "",
		       res->unit);
	putchar('\n');
	if (!STAILQ_EMPTY(&rep->rows)) {
		print_table(rep);
		putchar('\n');
	}
	print_cases(rep, FAIL);
	print_cases(rep, SKIP);
	print_inapplicable(rep);
	STAILQ_FOREACH(res, &rep->files, next) {
		if (!res->failure)
			continue;
		print_verdict(rep, FAIL);
		printf(" %s: %s\n", res->name, res->failure);
	}
	puts(format_totals(rep));
	commands = rerun_commands(rep);
	if (*commands)
		printf("to run just what failed again, with the same seeds:\n%s", commands);
}
