// SPDX-License-Identifier: GPL-2.0
/*
 * Two reports side by side: what differs in counts, costs and verdicts.
 */
#define _GNU_SOURCE
#include "report.h"

/**
 * struct comparison - What was found so far
 * @base: the report to compare with
 * @rep: the report
 * @lanes: lanes that are in both
 * @costs: costs that are in both, in the same unit
 * @beyond: costs that differ by more than the bound
 * @counts: counts that changed
 * @verdicts: cases that have become worse, are gone, or fail anew
 */
struct comparison {
	const struct report *base;
	const struct report *rep;
	unsigned int lanes;
	unsigned int costs;
	unsigned int beyond;
	unsigned int counts;
	unsigned int verdicts;
};

static const struct results *find_lane(const struct report *rep,
				       const struct results *like)
{
	const struct results *res;

	STAILQ_FOREACH(res, &rep->files, next)
		if (!strcmp(res->bed, like->bed) && !strcmp(res->lane, like->lane))
			return res;
	return NULL;
}

static void note_lanes(const struct report *in, const struct report *other,
		       const char *where)
{
	const struct results *res;

	STAILQ_FOREACH(res, &in->files, next)
		if (!find_lane(other, res))
			printf("NOTE %s/%s: only in %s, not compared\n", res->bed,
			       res->lane, where);
}

/* Instructions may differ for no other reason. */
static void note_kernels(const struct results *base, const struct results *res)
{
	if (strcmp(base->kernel, res->kernel))
		printf("NOTE %s/%s: kernels are %s and %s\n", res->bed, res->lane,
		       base->kernel, res->kernel);
	if (strcmp(base->params, res->params))
		printf("NOTE %s/%s: parameters are %s and %s\n", res->bed, res->lane,
		       base->params, res->params);
}

static void print_line(const struct row *row, const char *what, const char *base,
		       const char *new, const char *ratio)
{
	printf("%-11s  %-24s  %-12s  %12s  %12s  %6s  ", row->mmu, row->path, what,
	       base, new, ratio);
}

static const char *cell_of(const struct row *row, unsigned int i)
{
	return row->counted[i] ? format("%llu", row->counts[i]) : "-";
}

static void compare_counts(struct comparison *c, const struct row *old,
			   const struct row *row)
{
	unsigned int i;

	if (old->vary || row->vary)
		return;
	for (i = 0; i < NR_COUNTS; i++) {
		/* A case that was left out is told as such. */
		if (!old->counted[i] || !row->counted[i] || old->counts[i] == row->counts[i])
			continue;
		c->counts++;
		print_line(row, count_keys[i], cell_of(old, i), cell_of(row, i), "-");
		print_verdict(c->rep, FAIL);
		puts(" changed");
	}
}

static void compare_costs(struct comparison *c, const struct row *old,
			  const struct row *row)
{
	double bound = c->rep->bound;
	bool more, less;

	if (!old->unit || !row->unit || strcmp(old->unit, row->unit))
		return;
	more = row->min > bound * old->min;
	less = !more && row->min * bound < old->min;
	c->costs++;
	c->beyond += more || less;
	print_line(row, old->unit, format("%lld", old->min), format("%lld", row->min),
		   old->min ? format("%.3f", (double)row->min / old->min) : "-");
	print_verdict(c->rep, more || less ? FAIL : PASS);
	puts(more ? " more" : less ? " less" : "");
}

/* Whether there is less to rely on than before. */
static bool is_worse(const struct testcase *old, const struct testcase *tc)
{
	static const int ranks[NR_VERDICTS] = {
		[PASS] = 0, [NOT_APPLICABLE] = 1, [SKIP] = 1, [FAIL] = 2,
	};

	return ranks[tc->verdict] > (old ? ranks[old->verdict] : ranks[SKIP]);
}

static void tell_case(struct comparison *c, const struct results *res,
		      const struct testcase *tc, const char *what)
{
	c->verdicts++;
	print_verdict(c->rep, FAIL);
	printf(" %s/%s %s %s: %s\n", res->bed, res->lane, tc->test, tc->name, what);
}

static void tell_worse(struct comparison *c, const struct results *res,
		       const struct testcase *old, const struct testcase *tc)
{
	const char *was = old ? verdict_words[old->verdict] : "not there";

	tell_case(c, res, tc, format("was %s, is %s: %s", was, verdict_words[tc->verdict],
				     tc->reason));
}

static void compare_cases(struct comparison *c, const struct results *base,
			  const struct results *res)
{
	const struct testcase *tc, *old;

	STAILQ_FOREACH(tc, &res->cases, next) {
		old = find_case(base, tc->test, tc->name);
		if (is_worse(old, tc))
			tell_worse(c, res, old, tc);
	}
	STAILQ_FOREACH(tc, &base->cases, next)
		if (!find_case(res, tc->test, tc->name))
			tell_case(c, base, tc, "is gone");
	if (res->failure && !base->failure) {
		c->verdicts++;
		print_verdict(c->rep, FAIL);
		printf(" %s/%s: %s\n", res->bed, res->lane, res->failure);
	}
}

static void compare_lanes(struct comparison *c)
{
	const struct results *res, *base;

	STAILQ_FOREACH(res, &c->rep->files, next) {
		base = find_lane(c->base, res);
		if (!base)
			continue;
		c->lanes++;
		note_kernels(base, res);
		compare_cases(c, base, res);
	}
}

static void compare_rows(struct comparison *c)
{
	const struct row *row, *old;

	printf("%-11s  %-24s  %-12s  %12s  %12s  %6s  verdict (at most %.3f)\n", "mmu",
	       "path", "what", "base", "new", "ratio", c->rep->bound);
	STAILQ_FOREACH(row, &c->rep->rows, next) {
		old = find_row(c->base, row);
		if (!old)
			continue;
		compare_counts(c, old, row);
		compare_costs(c, old, row);
	}
}

/**
 * print_comparison() - Print two reports side by side
 * @base: the report to compare with, reconciled
 * @rep: the report, reconciled; a cost may be &struct report.bound times that of
 *       @base, or the other way round
 *
 * Return: exit status: EXIT_PASSED if nothing differs, EXIT_FAILED if something
 * does, EXIT_UNUSABLE if there is nothing to compare.
 */
int print_comparison(const struct report *base, const struct report *rep)
{
	struct comparison c = { .base = base, .rep = rep };

	compare_rows(&c);
	putchar('\n');
	note_lanes(base, rep, "base");
	note_lanes(rep, base, "new");
	compare_lanes(&c);
	if (!c.lanes) {
		warnx("nothing to compare: no lane is in both; give two runs of the same lanes");
		return EXIT_UNUSABLE;
	}
	printf("%u lanes, %u costs compared: ", c.lanes, c.costs);
	printf("%u costs differ by more than %.3f, %u counts changed, %u cases got worse\n",
	       c.beyond, rep->bound, c.counts, c.verdicts);
	return c.beyond || c.counts || c.verdicts ? EXIT_FAILED : EXIT_PASSED;
}
