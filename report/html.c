// SPDX-License-Identifier: GPL-2.0
/*
 * The report as one page of HTML, without scripts and without other files.
 */
#define _GNU_SOURCE
#include <search.h>

#include "plot.h"
#include "report.h"
#include "style.h"
#include "xml.h"

/* Open from the start; the others have to be asked for. */
#define MAX_OPEN	20
/* Cases whose counters are drawn over time: races, then those with most resets. */
#define MAX_PLOTS	12

#define NO_GNUPLOT	"There is no plot without gnuplot: apt-get install gnuplot-nox"

static const char * const classes[NR_VERDICTS] = {
	[NOT_APPLICABLE] = "na",
	[PASS] = "ok",
	[SKIP] = "SKIP",
	[FAIL] = "FAIL",
};

static void section(struct document *doc, const char *id, const char *title)
{
	tag_open(doc, "h2");
	attribute(doc, "id", id);
	text(doc, title);
	tag_close(doc);
}

/* A table with its headlines; ends with table_end(). */
static void table_begin(struct document *doc, const char *id, const char *const *header,
			unsigned int nr)
{
	unsigned int i;

	raw(doc, "<div class=\"wide\">");
	tag_open(doc, "table");
	attribute(doc, "id", id);
	raw(doc, "<thead><tr>");
	for (i = 0; i < nr; i++)
		element(doc, "th", NULL, header[i]);
	raw(doc, "</tr></thead><tbody>\n");
}

static void table_end(struct document *doc)
{
	raw(doc, "</tbody>");
	tag_close(doc);
	raw(doc, "</div>\n");
}

static const char *lane_of(const struct results *res)
{
	return format("%s/%s", res->bed, res->lane);
}

static void write_summary(struct document *doc, const struct report *rep)
{
	bool failed = rep->total.cases[FAIL] || rep->failed_files;
	const char *commands = rerun_command(rep);

	element(doc, "h1", NULL, rep->title ?: "kvm-mmu-roots");
	element(doc, "p", failed ? "FAIL" : "ok", format_totals(rep));
	if (!*commands)
		return;
	element(doc, "p", NULL, "To run just what failed again, with the same seeds:");
	element(doc, "pre", NULL, commands);
}

static void write_lanes(struct document *doc, const struct report *rep)
{
	static const char * const header[] = {
		"configuration", "MMU", "kernel", "parameters", "TSC counts", "CPU", "started",
	};
	const struct results *res;

	section(doc, "lanes", "Configurations");
	table_begin(doc, "lane-table", header, ARRAY_SIZE(header));
	STAILQ_FOREACH(res, &rep->files, next) {
		raw(doc, "<tr>");
		element(doc, "td", NULL, lane_of(res));
		element(doc, "td", NULL, res->mmu);
		element(doc, "td", NULL, res->kernel);
		element(doc, "td", "long", res->params);
		element(doc, "td", NULL, res->unit);
		element(doc, "td", "long", res->cpu);
		element(doc, "td", NULL, *res->start ? res->start : "-");
		raw(doc, "</tr>\n");
	}
	table_end(doc);
}

/**
 * struct cell - What a test came to in a lane
 * @nr: number of cases of each verdict
 * @total: number of cases
 * @worst: of the verdicts
 */
struct cell {
	unsigned int nr[NR_VERDICTS];
	unsigned int total;
	enum outcome worst;
};

/**
 * struct group - A test, with its cases of all lanes
 * @cells: one a lane
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

/* Whether no file before @res has the case. */
static bool is_first(const struct report *rep, const struct results *res,
		     const struct testcase *tc)
{
	const struct results *other;

	STAILQ_FOREACH(other, &rep->files, next) {
		if (other == res)
			return true;
		if (find_case(other, tc->test, tc->name))
			return false;
	}
	return true;
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
			if (is_first(rep, res, tc))
				add_case(group, tc);
		}
		lane++;
	}
}

/* "27 ok", or what else there is: "25 ok, 2 FAIL" */
static const char *cell_text(const struct cell *cell)
{
	static const enum outcome order[] = { PASS, FAIL, SKIP, NOT_APPLICABLE };
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
	element(doc, "td", classes[cell->worst], cell_text(cell));
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

static void write_group_cases(struct document *doc, const struct report *rep,
			      const struct group *group)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int i;

	raw(doc, "<details>");
	element(doc, "summary", NULL, format("%s: %u cases", group->test, group->nr_cases));
	table_begin(doc, format("cases-of-%s", group->test), lane_header(rep, "case"),
		    rep->nr_files + 1);
	for (i = 0; i < group->nr_cases; i++) {
		raw(doc, "<tr class=\"case\">");
		element(doc, "td", NULL, group->cases[i]->name);
		STAILQ_FOREACH(res, &rep->files, next) {
			tc = find_case(res, group->test, group->cases[i]->name);
			element(doc, "td", tc ? classes[tc->verdict] : NULL,
				tc ? verdict_words[tc->verdict] : "");
		}
		raw(doc, "</tr>\n");
	}
	table_end(doc);
	raw(doc, "</details>\n");
}

static void leave_it(void *group)
{
	/* The pool has it. */
	(void)group;
}

static void write_matrix(struct document *doc, const struct report *rep)
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

static void write_failure(struct document *doc, const struct results *res,
			  const struct testcase *tc, bool open)
{
	tag_open(doc, "details");
	attribute(doc, "class", "failure");
	if (open)
		attribute(doc, "open", "open");
	tag_open(doc, "summary");
	element(doc, "span", "FAIL", "FAIL");
	text(doc, format(" %s %s %s: %s", lane_of(res), tc->test, tc->name, tc->reason));
	tag_close(doc);
	write_block(doc, "Faults in the kernel log:", lines_of(tc->klog));
	write_block(doc, "Output:", json_string_value(json_object_get(tc->doc, "log")));
	write_block(doc, "Kernel log:", lines_of(json_object_get(tc->doc, "kmsg")));
	write_block(doc, "Counters:", counters_of(json_object_get(tc->doc, "counters")));
	tag_close(doc);
	raw(doc, "\n");
}

static void write_failures(struct document *doc, const struct report *rep)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int nr = 0;

	if (!rep->total.cases[FAIL] && !rep->failed_files)
		return;
	section(doc, "failures", "Failures");
	STAILQ_FOREACH(res, &rep->files, next) {
		if (res->failure)
			element(doc, "p", "FAIL", format("%s: %s", lane_of(res), res->failure));
		STAILQ_FOREACH(tc, &res->cases, next)
			if (tc->verdict == FAIL)
				write_failure(doc, res, tc, nr++ < MAX_OPEN);
	}
}

static void write_skips(struct document *doc, const struct report *rep)
{
	static const char * const header[] = { "verdict", "configuration", "case", "reason" };
	const struct results *res;
	const struct testcase *tc;

	if (!rep->total.cases[SKIP] && !rep->total.cases[NOT_APPLICABLE])
		return;
	section(doc, "skips", "Skipped");
	raw(doc, "<details>");
	element(doc, "summary", NULL, format("%lld skipped, %lld not applicable",
					     rep->total.cases[SKIP],
					     rep->total.cases[NOT_APPLICABLE]));
	table_begin(doc, "skip-table", header, ARRAY_SIZE(header));
	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			if (tc->verdict != SKIP && tc->verdict != NOT_APPLICABLE)
				continue;
			raw(doc, "<tr class=\"skip\">");
			element(doc, "td", classes[tc->verdict], verdict_words[tc->verdict]);
			element(doc, "td", NULL, lane_of(res));
			element(doc, "td", NULL, format("%s %s", tc->test, tc->name));
			element(doc, "td", "long", tc->reason);
			raw(doc, "</tr>\n");
		}
	}
	table_end(doc);
	raw(doc, "</details>\n");
}

static void write_paths(struct document *doc, struct report *rep)
{
	const char *header[NR_COLUMNS + 1];
	const struct row *row;
	unsigned int col;

	if (STAILQ_EMPTY(&rep->rows))
		return;
	fill_rows(rep, header);
	header[NR_COLUMNS] = "verdict";
	section(doc, "paths", "Paths");
	table_begin(doc, "path-table", header, NR_COLUMNS + 1);
	STAILQ_FOREACH(row, &rep->rows, next) {
		raw(doc, "<tr class=\"path\">");
		for (col = 0; col < NR_COLUMNS; col++)
			element(doc, "td", col < COL_COUNTS ? NULL : "n", row->cells[col]);
		element(doc, "td", classes[row->verdict], verdict_words[row->verdict]);
		raw(doc, "</tr>\n");
	}
	table_end(doc);
}

static void write_plot(struct document *doc, const char *caption, const char *svg)
{
	raw(doc, "<figure>");
	if (svg)
		raw(doc, svg);
	else
		element(doc, "p", NULL, NO_GNUPLOT);
	element(doc, "figcaption", NULL, caption);
	raw(doc, "</figure>\n");
}

/* Whether no row before @row has a cost of the same unit with the same MMU. */
static bool begins_costs(const struct report *rep, const struct row *row)
{
	const struct row *other;

	STAILQ_FOREACH(other, &rep->rows, next) {
		if (other == row)
			return row->unit;
		if (other->unit && row->unit && !strcmp(other->first->mmu, row->first->mmu) &&
		    !strcmp(other->unit, row->unit))
			return false;
	}
	return false;
}

static void write_costs(struct document *doc, const struct report *rep)
{
	const struct row *row;
	bool any = false;

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (!begins_costs(rep, row))
			continue;
		if (!any)
			section(doc, "costs", "Costs");
		any = true;
		write_plot(doc, format("%s: the cheapest operation of each path, in %s",
				       row->first->mmu, row->unit), plot_costs(rep, row));
	}
}

/**
 * struct storm - A case with samples
 * @races: its counts are never the same in two runs
 * @resets: how many there were at once
 */
struct storm {
	const struct results *res;
	const struct testcase *tc;
	bool races;
	json_int_t resets;
};

static int compare_storms(const void *a, const void *b)
{
	const struct storm *x = a, *y = b;

	if (x->races != y->races)
		return y->races - x->races;
	return (x->resets < y->resets) - (x->resets > y->resets);
}

static bool is_race(const struct testcase *tc)
{
	const char *counts;
	json_t *entry;
	size_t i;

	json_array_foreach(tc->data, i, entry) {
		counts = json_string_value(json_object_get(entry, "counts"));
		if (counts && !strcmp(counts, "vary"))
			return true;
	}
	return false;
}

/* The same case in another lane is no news. */
static bool is_among(const struct storm *storms, unsigned int nr, const struct testcase *tc)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(storms[i].tc->test, tc->test) && !strcmp(storms[i].tc->name, tc->name))
			return true;
	return false;
}

/* Returns how many there are to show, the most telling first. */
static unsigned int find_storms(const struct report *rep, struct storm *storms)
{
	const struct results *res;
	const struct testcase *tc;
	unsigned int i, nr = 0, shown = 0;

	STAILQ_FOREACH(res, &rep->files, next) {
		STAILQ_FOREACH(tc, &res->cases, next) {
			storms[nr] = (struct storm) {
				.res = res, .tc = tc, .races = is_race(tc),
				.resets = samples_max(json_object_get(tc->doc, "samples"),
						      "mmu_reset"),
			};
			nr += storms[nr].resets > 0;
		}
	}
	qsort(storms, nr, sizeof(*storms), compare_storms);
	for (i = 0; i < nr && shown < MAX_PLOTS; i++)
		if (!is_among(storms, shown, storms[i].tc))
			storms[shown++] = storms[i];
	return shown;
}

static void write_storms(struct document *doc, const struct report *rep)
{
	/* One more, as a case is entered before it is known to have samples. */
	struct storm *storms = zalloc((rep->nr_cases + 1) * sizeof(*storms));
	unsigned int i, nr = find_storms(rep, storms);

	if (!nr)
		return;
	section(doc, "storms", "Counters over time");
	element(doc, "p", NULL,
		"Of races, and of the cases with most resets; sums over the virtual machines that live.");
	raw(doc, "<div class=\"plots\">");
	for (i = 0; i < nr; i++)
		write_plot(doc, format("%s %s %s", lane_of(storms[i].res), storms[i].tc->test,
				       storms[i].tc->name),
			   plot_samples(json_object_get(storms[i].tc->doc, "samples")));
	raw(doc, "</div>\n");
}

/* Sections that are there, in the order of the page. */
static void write_links(struct document *doc, const struct report *rep)
{
	raw(doc, "<nav><a href=\"#matrix\">Tests and configurations</a>");
	if (rep->total.cases[FAIL] || rep->failed_files)
		raw(doc, "<a href=\"#failures\">Failures</a>");
	raw(doc, "<a href=\"#paths\">Paths</a><a href=\"#costs\">Costs</a>\n");
	raw(doc, "<a href=\"#storms\">Counters over time</a></nav>\n");
}

static void write_head(struct document *doc, const struct report *rep)
{
	raw(doc, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
	raw(doc, "<meta name=\"viewport\" content=\"width=device-width\">\n");
	/* Or browsers ask for it. */
	raw(doc, "<link rel=\"icon\" href=\"data:,\">\n");
	element(doc, "title", NULL, rep->title ?: "kvm-mmu-roots");
	raw(doc, "<style>\n");
	raw(doc, style);
	raw(doc, "</style></head>\n<body>\n");
}

/**
 * write_html() - Write the report as a page
 * @rep: the report, reconciled
 *
 * Return: 0, or -1 after a complaint.
 */
int write_html(struct report *rep)
{
	struct document doc;

	document_begin(&doc);
	write_head(&doc, rep);
	write_summary(&doc, rep);
	write_links(&doc, rep);
	write_lanes(&doc, rep);
	write_matrix(&doc, rep);
	write_failures(&doc, rep);
	write_skips(&doc, rep);
	write_paths(&doc, rep);
	write_costs(&doc, rep);
	write_storms(&doc, rep);
	raw(&doc, "</body></html>\n");
	return document_end(&doc, rep->html);
}
