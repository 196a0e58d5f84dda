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
 * @lines: lines of the table
 * @verdicts: cases that have become worse, are gone, or fail anew
 */
struct comparison {
	const struct report *base;
	const struct report *rep;
	unsigned int lanes;
	unsigned int costs;
	unsigned int beyond;
	unsigned int counts;
	unsigned int lines;
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

static void print_line(struct comparison *c, const struct results *res, const char *path,
		       const char *what, json_int_t base, json_int_t new)
{
	const char *ratio = base ? format("%.3f", (double)new / base) : "-";

	/* Only if there is something below it. */
	if (!c->lines++)
		printf("%-20s  %-24s  %-12s  %12s  %12s  %6s  verdict (at most %.3f)\n", "lane",
		       "path", "what", "base", "new", "ratio", c->rep->bound);
	printf("%-20s  %-24s  %-12s  %12lld  %12lld  %6s  ",
	       format("%s/%s", res->bed, res->lane), path, what, base, new, ratio);
}

/* Counts of a race, or of a timer, are never the same. */
static bool varies(const struct testcase *tc, const char *path)
{
	const char *its_path, *counts;
	json_t *entry;
	size_t i;

	json_array_foreach(tc->data, i, entry) {
		if (!json_unpack(entry, "{s:s, s:s}", "path", &its_path, "counts", &counts) &&
		    !strcmp(its_path, path) && !strcmp(counts, "vary"))
			return true;
	}
	return false;
}

static bool is_of(const json_t *entry, const char *kind, const char *path)
{
	const char *its_kind, *its_path;

	return !json_unpack((json_t *)entry, "{s:s, s:s}", "kind", &its_kind, "path", &its_path) &&
	       !strcmp(its_kind, kind) && !strcmp(its_path, path);
}

/* A case may tell of a path more than once: the time after @nr others. */
static json_t *find_entry(const struct testcase *tc, const char *kind, const char *path,
			  unsigned int nr)
{
	json_t *entry;
	size_t i;

	json_array_foreach(tc->data, i, entry)
		if (is_of(entry, kind, path) && !nr--)
			return entry;
	return NULL;
}

/* How many there are before the entry at @end. */
static unsigned int count_entries(const struct testcase *tc, const char *kind,
				  const char *path, size_t end)
{
	unsigned int nr = 0;
	size_t i;

	for (i = 0; i < end; i++)
		nr += is_of(json_array_get(tc->data, i), kind, path);
	return nr;
}

static void compare_counts(struct comparison *c, const struct results *res, const char *path,
			   const json_t *old, const json_t *new)
{
	json_int_t a, b;
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++) {
		a = json_integer_value(json_object_get(old, count_keys[i]));
		b = json_integer_value(json_object_get(new, count_keys[i]));
		if (a == b)
			continue;
		c->counts++;
		print_line(c, res, path, count_keys[i], a, b);
		print_verdict(c->rep, FAIL);
		puts(" changed");
	}
}

static void compare_costs(struct comparison *c, const struct results *res, const char *path,
			  const json_t *old, const json_t *new)
{
	json_int_t a = json_integer_value(json_object_get(old, "min"));
	json_int_t b = json_integer_value(json_object_get(new, "min"));
	bool more = b > c->rep->bound * a;
	bool less = !more && b * c->rep->bound < a;

	c->costs++;
	c->beyond += more || less;
	print_line(c, res, path, res->unit, a, b);
	print_verdict(c->rep, more || less ? FAIL : PASS);
	puts(more ? " more" : less ? " less" : "");
}

static void compare_data(struct comparison *c, const struct results *base,
			 const struct results *res, const struct testcase *old,
			 const struct testcase *tc)
{
	const char *kind, *path;
	json_t *entry, *other;
	size_t i;

	json_array_foreach(tc->data, i, entry) {
		if (json_unpack(entry, "{s:s, s:s}", "kind", &kind, "path", &path))
			continue;
		other = find_entry(old, kind, path, count_entries(tc, kind, path, i));
		if (!other)
			continue;
		if (!strcmp(kind, "counts") && !varies(old, path) && !varies(tc, path))
			compare_counts(c, res, path, other, entry);
		if (!strcmp(kind, "cost") && !strcmp(base->unit, res->unit))
			compare_costs(c, res, path, other, entry);
	}
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

static void compare_verdicts(struct comparison *c, const struct results *base,
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

static void compare_lane(struct comparison *c, const struct results *base,
			 const struct results *res)
{
	const struct testcase *tc, *old;

	STAILQ_FOREACH(tc, &res->cases, next) {
		old = find_case(base, tc->test, tc->name);
		if (old)
			compare_data(c, base, res, old, tc);
	}
}

/* What was measured first, as a table. */
static void compare_lanes(struct comparison *c)
{
	const struct results *res, *base;

	STAILQ_FOREACH(res, &c->rep->files, next) {
		base = find_lane(c->base, res);
		if (base)
			compare_lane(c, base, res);
	}
	STAILQ_FOREACH(res, &c->rep->files, next) {
		base = find_lane(c->base, res);
		if (!base)
			continue;
		c->lanes++;
		note_kernels(base, res);
		compare_verdicts(c, base, res);
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

	compare_lanes(&c);
	note_lanes(base, rep, "base");
	note_lanes(rep, base, "new");
	if (!c.lanes) {
		warnx("nothing to compare: no lane is in both; give two runs of the same lanes");
		return EXIT_UNUSABLE;
	}
	printf("%u lanes, %u costs compared: ", c.lanes, c.costs);
	printf("%u costs differ by more than %.3f, %u counts changed, %u cases got worse\n",
	       c.beyond, rep->bound, c.counts, c.verdicts);
	return c.beyond || c.counts || c.verdicts ? EXIT_FAILED : EXIT_PASSED;
}
