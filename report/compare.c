// SPDX-License-Identifier: GPL-2.0
/*
 * Compares two reports: finds differences in counts, costs and verdicts.
 */
#define _GNU_SOURCE
#include "report.h"

static const struct results *find_lane(const struct report *rep,
				       const struct results *like)
{
	const struct results *res;

	STAILQ_FOREACH(res, &rep->files, next)
		if (!strcmp(res->bed, like->bed) && !strcmp(res->lane, like->lane))
			return res;
	return NULL;
}

static struct difference *add_difference(struct comparison *c, const struct results *res)
{
	struct difference *diff = zalloc(sizeof(*diff));

	diff->res = res;
	STAILQ_INSERT_TAIL(&c->differences, diff, next);
	return diff;
}

static void add_note(struct comparison *c, const struct results *res, const char *text)
{
	struct difference *diff = add_difference(c, res);

	diff->kind = DIFF_NOTE;
	diff->text = text;
}

static void note_lanes(struct comparison *c, const struct report *in,
		       const struct report *other, const char *where)
{
	const struct results *res;

	STAILQ_FOREACH(res, &in->files, next)
		if (!find_lane(other, res))
			add_note(c, res, format("only in %s, not compared", where));
}

/* Costs in instructions may differ only if kernel, emulator or parameters differ. */
static void note_kernels(struct comparison *c, const struct results *base,
			 const struct results *res)
{
	if (strcmp(base->kernel, res->kernel))
		add_note(c, res, format("kernels are %s and %s", base->kernel, res->kernel));
	if (strcmp(base->emulator, res->emulator))
		add_note(c, res, format("emulators are %s and %s", base->emulator, res->emulator));
	if (strcmp(base->params, res->params))
		add_note(c, res, format("parameters are %s and %s", base->params, res->params));
}

/* Counts that depend on a race or a timer differ in each run, so they are not compared. */
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

/* A case may have several entries of a path: returns the one that follows @nr others. */
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

/* Counts the entries of @kind and @path before the index @end. */
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
	struct difference *diff;
	const json_t *a, *b;
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++) {
		a = json_object_get(old, count_keys[i]);
		b = json_object_get(new, count_keys[i]);
		/* Results of another version may have more or fewer counts. */
		if (!a || !b || json_integer_value(a) == json_integer_value(b))
			continue;
		c->counts++;
		diff = add_difference(c, res);
		diff->kind = DIFF_COUNT;
		diff->sense = CHANGED;
		diff->path = path;
		diff->what = count_keys[i];
		diff->base = json_integer_value(a);
		diff->new = json_integer_value(b);
	}
}

static void compare_costs(struct comparison *c, const struct results *res, const char *path,
			  const json_t *old, const json_t *new)
{
	json_int_t a = json_integer_value(json_object_get(old, "min"));
	json_int_t b = json_integer_value(json_object_get(new, "min"));
	struct difference *diff = add_difference(c, res);

	diff->kind = DIFF_COST;
	diff->path = path;
	diff->what = res->unit;
	diff->base = a;
	diff->new = b;
	if (b > c->bound * a)
		diff->sense = MORE;
	else if (b * c->bound < a)
		diff->sense = LESS;
	c->costs++;
	c->beyond += diff->sense != NO_DIFFERENCE;
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

/* A higher rank is a worse verdict.  A missing case ranks as one that does not apply. */
static int rank(const struct testcase *tc)
{
	static const int ranks[NR_VERDICTS] = {
		[PASS] = 0, [NOT_APPLICABLE] = 1, [KNOWN_BUG] = 1, [SKIP] = 1, [FAIL] = 2,
	};

	return tc ? ranks[tc->verdict] : ranks[NOT_APPLICABLE];
}

static void add_case(struct comparison *c, const struct results *res, bool worse,
		     const char *text)
{
	struct difference *diff = add_difference(c, res);

	diff->kind = DIFF_CASE;
	diff->sense = worse ? WORSE : BETTER;
	diff->text = text;
	c->verdicts += worse;
}

static void compare_case(struct comparison *c, const struct results *res,
			 const struct testcase *old, const struct testcase *tc)
{
	const char *was = old ? verdict_words[old->verdict] : "not there";
	const char *text;

	/* A new case that passes is no improvement: it only counts as added. */
	c->added += !old;
	if (rank(tc) == rank(old) || (!old && rank(tc) < rank(old)))
		return;
	text = format("%s %s: was %s, is %s", tc->test, tc->name, was, verdict_words[tc->verdict]);
	if (tc->reason)
		text = format("%s: %s", text, tc->reason);
	add_case(c, res, rank(tc) > rank(old), text);
}

static void compare_verdicts(struct comparison *c, const struct results *base,
			     const struct results *res)
{
	const struct testcase *tc;

	STAILQ_FOREACH(tc, &res->cases, next)
		compare_case(c, res, find_case(base, tc->test, tc->name), tc);
	STAILQ_FOREACH(tc, &base->cases, next)
		if (!find_case(res, tc->test, tc->name))
			add_case(c, base, true, format("%s %s: is gone", tc->test, tc->name));
	if (res->failure && !base->failure)
		add_case(c, res, true, format("run finished: %s", res->failure));
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

/* Counts and costs of all lanes come first, as they are printed as one table. */
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
		note_kernels(c, base, res);
		compare_verdicts(c, base, res);
	}
}

/**
 * compare_reports() - Find what differs between two reports
 * @c: receives the differences
 * @base: the report to compare with, reconciled
 * @rep: the report, reconciled
 * @bound: largest ratio of two costs, in either direction, that is no difference
 */
void compare_reports(struct comparison *c, const struct report *base,
		     const struct report *rep, double bound)
{
	*c = (struct comparison){ .base = base, .rep = rep, .bound = bound };
	STAILQ_INIT(&c->differences);
	compare_lanes(c);
	note_lanes(c, base, rep, "base");
	note_lanes(c, rep, base, "new");
}

static void print_numbers(const struct comparison *c, const struct difference *diff,
			  bool header)
{
	static const char * const words[] = {
		[NO_DIFFERENCE] = "", [CHANGED] = " changed", [MORE] = " more", [LESS] = " less",
	};
	const char *ratio = diff->base ? format("%.3f", (double)diff->new / diff->base) : "-";

	if (header)
		printf("%-20s  %-24s  %-12s  %12s  %12s  %6s  verdict (at most %.3f)\n", "lane",
		       "path", "what", "base", "new", "ratio", c->bound);
	printf("%-20s  %-24s  %-12s  %12lld  %12lld  %6s  ",
	       format("%s/%s", diff->res->bed, diff->res->lane), diff->path, diff->what,
	       diff->base, diff->new, ratio);
	print_verdict(c->rep, diff->sense == NO_DIFFERENCE ? PASS : FAIL);
	puts(words[diff->sense]);
}

static void print_differences(const struct comparison *c)
{
	const struct difference *diff;
	unsigned int lines = 0;

	STAILQ_FOREACH(diff, &c->differences, next) {
		if (diff->kind == DIFF_COUNT || diff->kind == DIFF_COST) {
			print_numbers(c, diff, !lines++);
		} else if (diff->kind == DIFF_NOTE) {
			printf("NOTE %s/%s: %s\n", diff->res->bed, diff->res->lane, diff->text);
		} else if (diff->sense == WORSE) {
			print_verdict(c->rep, FAIL);
			printf(" %s/%s %s\n", diff->res->bed, diff->res->lane, diff->text);
		}
	}
}

/**
 * print_comparison() - Compare two reports, and print the differences
 * @base: the report to compare with, reconciled
 * @rep: the report, reconciled; &struct report.bound is the largest ratio of two costs, in either
 *       direction, that is no difference
 *
 * Return: exit status: EXIT_PASSED if nothing differs, EXIT_FAILED if something differs,
 * EXIT_UNUSABLE if there is nothing to compare.
 */
int print_comparison(const struct report *base, const struct report *rep)
{
	struct comparison c;

	compare_reports(&c, base, rep, rep->bound);
	print_differences(&c);
	if (!c.lanes) {
		warnx("nothing to compare: no lane is in both; give two runs of the same lanes");
		return EXIT_UNUSABLE;
	}
	printf("%u lanes, %u costs compared: ", c.lanes, c.costs);
	printf("%u costs differ by more than %.3f, %u counts changed, %u cases got worse\n",
	       c.beyond, c.bound, c.counts, c.verdicts);
	return c.beyond || c.counts || c.verdicts ? EXIT_FAILED : EXIT_PASSED;
}
