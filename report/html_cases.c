// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the page's sections about cases: those that failed, were skipped or do not apply, and
 * the matrix of all cases.
 */
#define _GNU_SOURCE
#include <search.h>

#include "html.h"

/* The page shows the details of this many failures; the reader opens those of the others. */
#define MAX_OPEN	20

/**
 * struct cell - Verdicts of a test in a lane
 * @nr: number of cases of each verdict
 * @total: number of cases
 * @worst: the worst of the verdicts
 */
struct cell {
	unsigned int nr[NR_VERDICTS];
	unsigned int total;
	enum outcome worst;
};

/**
 * struct group - A test, with its cases of all lanes
 * @cells: one cell per lane
 * @cases: all cases, each from the first lane that has it
 */
struct group {
	STAILQ_ENTRY(group) next;
	const char *test;
	struct cell *cells;
	struct testcase **cases;
	unsigned int nr_cases;
	unsigned int max_cases;
};

struct matrix {
	STAILQ_HEAD(, group) groups;
	void *index;
};

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return strcmp(x->test, y->test);
}

static struct group *get_group(struct matrix *matrix, const struct report *rep,
			       const char *test)
{
	struct group *group = zalloc(sizeof(*group)), **found;

	group->test = test;
	found = tsearch(group, &matrix->index, compare_groups);
	if (!found)
		err(EXIT_UNUSABLE, "out of memory");
	if (*found == group) {
		group->cells = zalloc(rep->nr_files * sizeof(*group->cells));
		STAILQ_INSERT_TAIL(&matrix->groups, group, next);
	}
	return *found;
}

static void add_case(struct group *group, struct testcase *tc)
{
	struct testcase **more;

	if (group->nr_cases == group->max_cases) {
		group->max_cases = 2 * group->max_cases ?: 64;
		more = zalloc(group->max_cases * sizeof(*more));
		if (group->nr_cases)
			memcpy(more, group->cases, group->nr_cases * sizeof(*more));
		group->cases = more;
	}
	group->cases[group->nr_cases++] = tc;
}

static void fill_matrix(struct matrix *matrix, const struct report *rep)
{
	const struct results *res;
	unsigned int lane = 0;
	struct testcase *tc;
	struct group *group;
	struct cell *cell;

	STAILQ_INIT(&matrix->groups);
	matrix->index = NULL;
	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			group = get_group(matrix, rep, tc->test);
			cell = &group->cells[lane];
			cell->total++;
			cell->nr[tc->verdict]++;
			if (tc->verdict > cell->worst)
				cell->worst = tc->verdict;
			if (tc->first)
				add_case(group, tc);
		}
		lane++;
	}
}

/* Returns the number of cases of each verdict, e.g. "27 ok" or "25 ok, 2 FAIL". */
static const char *cell_text(const struct cell *cell)
{
	static const enum outcome order[] = { PASS, FAIL, SKIP, KNOWN_BUG, NOT_APPLICABLE };
	const char *all = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		if (cell->nr[order[i]])
			all = format("%s%s%u %s", all, *all ? ", " : "", cell->nr[order[i]],
				     verdict_words[order[i]]);
	}
	return all;
}

static void write_cell(struct document *doc, const struct cell *cell)
{
	if (!cell->total) {
		element(doc, "td", NULL, "");
		return;
	}
	element(doc, "td", verdict_classes[cell->worst], cell_text(cell));
}

static const char **lane_header(const struct report *rep, const char *first)
{
	const char **header = zalloc((rep->nr_files + 1) * sizeof(*header));
	const struct results *res;
	unsigned int i = 0;

	header[i++] = first;
	STAILQ_FOREACH(res, &rep->files, next)
		header[i++] = lane_of(res);
	return header;
}

static void write_case_row(struct document *doc, const struct report *rep,
			   const struct testcase *like)
{
	const struct results *res;
	const struct testcase *tc;

	raw(doc, "<tr class=\"case\"");
	raw(doc, format(" id=\"case-%u\">", like->id));
	element(doc, "td", NULL, like->name);
	STAILQ_FOREACH(res, &rep->files, next) {
		tc = find_case(res, like->test, like->name);
		element(doc, "td", tc ? verdict_classes[tc->verdict] : NULL,
			tc ? verdict_words[tc->verdict] : "");
	}
	raw(doc, "</tr>\n");
}

static void write_group_cases(struct document *doc, const struct report *rep,
			      const struct group *group)
{
	unsigned int i;

	raw(doc, "<details>");
	element(doc, "summary", NULL, format("%s: %u cases", group->test, group->nr_cases));
	table_begin(doc, format("cases-of-%s", group->test), lane_header(rep, "case"),
		    rep->nr_files + 1);
	for (i = 0; i < group->nr_cases; i++)
		write_case_row(doc, rep, group->cases[i]);
	table_end(doc);
	raw(doc, "</details>\n");
}

static void leave_it(void *group)
{
	/* The pool owns the group. */
	(void)group;
}

/**
 * write_matrix() - Write a table of tests and configurations, and a table of cases for each test
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_matrix(struct document *doc, const struct report *rep)
{
	const struct group *group;
	struct matrix matrix;
	unsigned int lane;

	fill_matrix(&matrix, rep);
	section(doc, "matrix", "Tests and configurations");
	table_begin(doc, "matrix-table", lane_header(rep, "test"), rep->nr_files + 1);
	STAILQ_FOREACH(group, &matrix.groups, next) {
		raw(doc, "<tr class=\"test\">");
		element(doc, "td", NULL, group->test);
		for (lane = 0; lane < rep->nr_files; lane++)
			write_cell(doc, &group->cells[lane]);
		raw(doc, "</tr>\n");
	}
	table_end(doc);
	STAILQ_FOREACH(group, &matrix.groups, next)
		write_group_cases(doc, rep, group);
	tdestroy(matrix.index, leave_it);
}

static const char *lines_of(const json_t *array)
{
	const char *lines = "";
	const json_t *line;
	size_t i;

	json_array_foreach(array, i, line)
		if (json_is_string(line))
			lines = format("%s%s\n", lines, json_string_value(line));
	return lines;
}

static const char *counters_of(const json_t *counters)
{
	const char *key, *all = "";
	json_t *value;
	char *name;

	json_object_foreach((json_t *)counters, key, value) {
		name = format("%s", key);
		clean_string(name);
		all = format("%s%s%s=%lld", all, *all ? "  " : "", name,
			     json_integer_value(value));
	}
	return all;
}

static void write_block(struct document *doc, const char *title, const char *content)
{
	if (!content || !*content)
		return;
	element(doc, "div", NULL, title);
	element(doc, "pre", NULL, content);
}

/*
 * Tests report a wrong counter as "CR4.SMEP: mmu_reset: before 2, after 3, grew by 1, expected 0".
 */
static bool write_growth(struct document *doc, const char *part)
{
	char *mark = strstr(part, ": before "), *name, *colon;
	long long grown, expected;
	unsigned long long before, after;

	if (!mark || sscanf(mark, ": before %llu, after %llu, grew by %lld, expected %lld", &before,
			    &after, &grown, &expected) != 4)
		return false;
	name = format("%.*s", (int)(mark - part), part);
	colon = strrchr(name, ':');
	raw(doc, "<tr class=\"growth\">");
	element(doc, "td", NULL, colon ? format("%.*s", (int)(colon - name), name) : "");
	element(doc, "td", NULL, colon ? colon + 1 + strspn(colon + 1, " ") : name);
	element(doc, "td", "n", format("%llu", before));
	element(doc, "td", "n", format("%llu", after));
	element(doc, "td", "n FAIL", format("%lld", grown));
	element(doc, "td", "n", format("%lld", expected));
	raw(doc, "</tr>\n");
	return true;
}

/* Writes a table with one row per wrong counter, and below it all other reasons. */
static void write_reasons(struct document *doc, const char *reason)
{
	static const char * const header[] = {
		"path", "counter", "before", "after", "grew by", "expected",
	};
	const char *next, *part, *rest = "";
	bool table = strstr(reason, ": before ");

	if (table)
		table_begin(doc, NULL, header, ARRAY_SIZE(header));
	for (; reason; reason = next ? next + 2 : NULL) {
		next = strstr(reason, "; ");
		part = next ? format("%.*s", (int)(next - reason), reason) : reason;
		if (!table || !write_growth(doc, part))
			rest = format("%s%s%s", rest, *rest ? "; " : "", part);
	}
	if (table)
		table_end(doc);
	if (*rest)
		element(doc, "p", NULL, rest);
}

static void write_failure(struct document *doc, const struct results *res,
			  const struct testcase *tc, bool open)
{
	tag_open(doc, "details");
	attribute(doc, "class", "failure");
	if (open)
		attribute(doc, "open", "open");
	tag_open(doc, "summary");
	element(doc, "span", "FAIL", "FAIL");
	text(doc, format(" %s %s %s", lane_of(res), tc->test, tc->name));
	tag_close(doc);
	write_reasons(doc, tc->reason);
	write_block(doc, "Faults in the kernel log:", lines_of(tc->klog));
	write_block(doc, "Output:", json_string_value(json_object_get(tc->doc, "log")));
	write_block(doc, "Kernel log:", lines_of(json_object_get(tc->doc, "kmsg")));
	write_block(doc, "Counters:", counters_of(json_object_get(tc->doc, "counters")));
	tag_close(doc);
	raw(doc, "\n");
}

/* If the file ended early, cases without a result are not listed as failures of their own. */
static bool is_lost(const struct results *res, const struct testcase *tc)
{
	return res->failure && !tc->results;
}

static void write_lost(struct document *doc, const struct results *res)
{
	const struct testcase *tc;
	unsigned int nr = 0;

	element(doc, "p", "FAIL", format("%s: %s", lane_of(res), res->failure));
	STAILQ_FOREACH(tc, &res->cases, next)
		nr += is_lost(res, tc);
	if (!nr)
		return;
	raw(doc, "<details>");
	element(doc, "summary", NULL, format("%u planned cases without a result", nr));
	raw(doc, "<ul>");
	STAILQ_FOREACH(tc, &res->cases, next)
		if (is_lost(res, tc))
			element(doc, "li", "failure", format("%s %s", tc->test, tc->name));
	raw(doc, "</ul></details>\n");
}

/**
 * write_failures() - Write which cases and files failed, with all details
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_failures(struct document *doc, const struct report *rep)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int nr = 0;

	if (!rep->total.cases[FAIL] && !rep->failed_files)
		return;
	section(doc, "failures", "Failures");
	STAILQ_FOREACH(res, &rep->files, next) {
		if (res->failure)
			write_lost(doc, res);
		STAILQ_FOREACH(tc, &res->cases, next)
			if (tc->verdict == FAIL && !is_lost(res, tc))
				write_failure(doc, res, tc, nr++ < MAX_OPEN);
	}
}

/**
 * write_verdicts() - Write which cases have a verdict, and why
 * @doc: the page
 * @rep: the report, reconciled
 * @verdict: the verdict
 * @address: name of the section for links
 * @title: headline of the section
 */
void write_verdicts(struct document *doc, const struct report *rep, enum outcome verdict,
		    const char *address, const char *title)
{
	static const char * const header[] = { "configuration", "case", "reason" };
	const struct results *res;
	const struct testcase *tc;

	if (!rep->total.cases[verdict])
		return;
	section(doc, address, title);
	table_begin(doc, "skip-table", header, ARRAY_SIZE(header));
	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			if (tc->verdict != verdict)
				continue;
			raw(doc, "<tr class=\"skip\">");
			element(doc, "td", NULL, lane_of(res));
			element(doc, "td", NULL, format("%s %s", tc->test, tc->name));
			element(doc, "td", "long", tc->reason);
			raw(doc, "</tr>\n");
		}
	}
	table_end(doc);
}

static const char *bare_reason(const struct testcase *tc)
{
	return tc->reason + strlen(INAPPLICABLE);
}

static unsigned int count_reason(const struct results *res, const struct testcase *like)
{
	const struct testcase *tc;
	unsigned int nr = 0;

	STAILQ_FOREACH(tc, &res->cases, next)
		nr += tc->verdict == NOT_APPLICABLE && !strcmp(tc->reason, like->reason);
	return nr;
}

static bool begins_reason(const struct report *rep, const struct testcase *like)
{
	const struct results *res;
	const struct testcase *tc;

	STAILQ_FOREACH(res, &rep->files, next)
		STAILQ_FOREACH(tc, &res->cases, next)
			if (tc->verdict == NOT_APPLICABLE && !strcmp(tc->reason, like->reason))
				return tc == like;
	return false;
}

static void write_reason_row(struct document *doc, const struct report *rep,
			     const struct testcase *tc)
{
	const struct results *res;
	unsigned int nr;

	raw(doc, "<tr class=\"na-reason\">");
	element(doc, "td", "long", bare_reason(tc));
	STAILQ_FOREACH(res, &rep->files, next) {
		nr = count_reason(res, tc);
		element(doc, "td", nr ? "n na" : "n", nr ? format("%u", nr) : "");
	}
	raw(doc, "</tr>\n");
}

/**
 * write_inapplicable() - Write why cases do not apply, one row per reason
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_inapplicable(struct document *doc, const struct report *rep)
{
	const struct results *res;
	const struct testcase *tc;

	if (!rep->total.cases[NOT_APPLICABLE])
		return;
	section(doc, "na", "Not applicable");
	element(doc, "p", NULL,
		"These cases do not exist with this MMU, CPU or module parameter. Nothing is missing.");
	table_begin(doc, "na-table", lane_header(rep, "reason"), rep->nr_files + 1);
	STAILQ_FOREACH(res, &rep->files, next)
		STAILQ_FOREACH(tc, &res->cases, next)
			if (tc->verdict == NOT_APPLICABLE && begins_reason(rep, tc))
				write_reason_row(doc, rep, tc);
	table_end(doc);
}
