// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the pivot table: one row per path and one column per MMU, so that the reader sees how
 * the MMUs differ.
 */
#define _GNU_SOURCE
#include <search.h>

#include "report.h"

/* Up to this number of paths, e.g. after a run of some cases only, the summary shows all. */
#define MAX_SUMMARY	15

/* The columns of a cost: the cost, its control, and their ratio. */
#define NR_COST_COLUMNS	3

static bool first_of_mmu(const struct report *rep, const struct results *res)
{
	const struct results *other;

	STAILQ_FOREACH(other, &rep->files, next) {
		if (other == res)
			return true;
		if (!strcmp(other->bed, res->bed) && !strcmp(other->plain_mmu, res->plain_mmu))
			return false;
	}
	return true;
}

/* TDP, which runs most guests, comes first, then tdp_mmu=0, then all others. */
static unsigned int mmu_rank(const struct results *res)
{
	static const char * const names[] = { "TDP", "tdp_mmu=0" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(res->plain_mmu, names[i], strlen(names[i])))
			break;
	return i;
}

static void find_mmus(const struct report *rep, struct pivot *pivot)
{
	const struct results *res;
	unsigned int i;

	pivot->mmus = zalloc(rep->nr_files * sizeof(*pivot->mmus));
	STAILQ_FOREACH(res, &rep->files, next) {
		if (strcmp(res->bed, pivot->bed) || !first_of_mmu(rep, res))
			continue;
		for (i = pivot->nr_mmus++; i && mmu_rank(pivot->mmus[i - 1]) > mmu_rank(res); i--)
			pivot->mmus[i] = pivot->mmus[i - 1];
		pivot->mmus[i] = res;
	}
}

static int compare_names(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static struct path *get_path(struct pivot *pivot, void **index, const struct row *row)
{
	struct path *path = &pivot->paths[pivot->nr_paths], **found;

	path->name = row->path;
	found = tsearch(path, index, compare_names);
	if (!found)
		err(EXIT_UNUSABLE, "out of memory");
	if (*found != path)
		return *found;
	path->section = row->section;
	path->rows = zalloc(pivot->nr_mmus * sizeof(*path->rows));
	pivot->nr_paths++;
	return path;
}

static void add_row(struct pivot *pivot, struct path *path, struct row *row)
{
	unsigned int i = 0;

	while (strcmp(pivot->mmus[i]->plain_mmu, row->first->plain_mmu))
		i++;
	path->rows[i] = row;
	if (row->verdict > path->worst)
		path->worst = row->verdict;
}

/* Gives the path the order and section that it has with the first MMU that has counts. */
static void place_path(const struct pivot *pivot, struct path *path)
{
	unsigned int i;

	for (i = 0; i < pivot->nr_mmus; i++) {
		if (!path->rows[i] || !path->rows[i]->order)
			continue;
		path->order = path->rows[i]->order;
		path->section = path->rows[i]->section;
		return;
	}
}

/* qsort() is not stable, so each path has an order of its own, see place_path(). */
static int compare_paths(const void *a, const void *b)
{
	const struct path *x = a, *y = b;

	if (x->section != y->section)
		return x->section < y->section ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static void leave_it(void *path)
{
	/* The pool owns the path. */
	(void)path;
}

/* A summary has room for the costs with one MMU only: the first one whose costs were measured. */
static void find_costs(struct pivot *pivot)
{
	struct path *path, *end = pivot->paths + pivot->nr_paths;
	unsigned int i;

	for (i = 0; i < pivot->nr_mmus && !pivot->costs; i++) {
		for (path = pivot->paths; path < end; path++) {
			if (!path->rows[i] || !path->rows[i]->unit)
				continue;
			path->costs = path->rows[i];
			pivot->costs = pivot->mmus[i];
		}
	}
}

/**
 * make_pivot() - Sort the rows of a bed by path and MMU
 * @rep: the report, reconciled
 * @like: any file of the bed
 *
 * Return: the pivot, in the pool.
 */
const struct pivot *make_pivot(const struct report *rep, const struct results *like)
{
	struct pivot *pivot = zalloc(sizeof(*pivot));
	unsigned int i, nr = 1;
	void *index = NULL;
	struct row *row;

	pivot->bed = like->bed;
	find_mmus(rep, pivot);
	STAILQ_FOREACH(row, &rep->rows, next)
		nr++;
	/* One element more, as get_path() enters a path before it looks for the same path. */
	pivot->paths = zalloc(nr * sizeof(*pivot->paths));
	STAILQ_FOREACH(row, &rep->rows, next) {
		if (!strcmp(row->first->bed, like->bed))
			add_row(pivot, get_path(pivot, &index, row), row);
	}
	tdestroy(index, leave_it);
	for (i = 0; i < pivot->nr_paths; i++) {
		pivot->paths[i].order = rep->nr_orders + 1 + i;
		place_path(pivot, &pivot->paths[i]);
	}
	qsort(pivot->paths, pivot->nr_paths, sizeof(*pivot->paths), compare_paths);
	find_costs(pivot);
	return pivot;
}

/**
 * next_bed() - Find the first file of the next bed
 * @rep: the report
 * @res: the file that the last call returned; NULL for the first bed
 *
 * Return: the file, or NULL.
 */
const struct results *next_bed(const struct report *rep, const struct results *res)
{
	const struct results *other;

	for (res = res ? STAILQ_NEXT(res, next) : STAILQ_FIRST(&rep->files); res;
	     res = STAILQ_NEXT(res, next)) {
		STAILQ_FOREACH(other, &rep->files, next)
			if (!strcmp(other->bed, res->bed))
				break;
		if (other == res)
			return res;
	}
	return NULL;
}

/**
 * per_operation() - Divide a sum by the number of operations
 * @value: the sum
 * @ops: number of operations; 0: the number is not known, the result is the sum
 *
 * Return: the result with up to two digits after the point, without trailing zeros.
 */
const char *per_operation(unsigned long long value, unsigned long long ops)
{
	char *text, *end;

	if (!ops || !(value % ops))
		return format("%llu", ops ? value / ops : value);
	text = format("%.2f", (double)value / ops);
	end = text + strlen(text);
	while (end[-1] == '0')
		*--end = '\0';
	if (end[-1] == '.')
		*--end = '\0';
	return text;
}

/*
 * Returns "resets/loads/built/reused", and the verdict if cases failed, were skipped or have a
 * known bug.  Without counts, it returns the verdict only.
 */
static const char *counts_text(const struct row *row)
{
	const char *text = "";
	unsigned int i;

	if (!row)
		return "-";
	for (i = RESETS; i < NR_TABLE_COUNTS && row->nr_counted; i++)
		text = format("%s%s%s", text, *text ? "/" : "", row->counted[i] ?
			      per_operation(row->counts[i], row->counts[OPS]) : "-");
	if (*text && (row->verdict == PASS || row->verdict == NOT_APPLICABLE))
		return text;
	return format("%s%s%s", text, *text ? " " : "", verdict_words[row->verdict]);
}

/*
 * The summary shows all paths that apply if they are few, else those of the guest in 64-bit mode
 * and those with a cost.
 */
static bool is_shown(const struct path *path, unsigned int nr_applicable)
{
	if (path->worst == NOT_APPLICABLE)
		return false;
	return nr_applicable <= MAX_SUMMARY || path->section->own || path->costs;
}

static unsigned int count_paths(const struct pivot *pivot, enum outcome worst)
{
	unsigned int i, nr = 0;

	for (i = 0; i < pivot->nr_paths; i++)
		nr += pivot->paths[i].worst == worst;
	return nr;
}

/* Returns the next cell. */
static const char **fill_costs(const char **cell, const struct row *row, bool tell_unit)
{
	bool ratio = row && row->control && row->control_min;

	*cell++ = !row ? "-" : format("%lld%s%s", row->min, tell_unit ? " " : "",
				      tell_unit ? row->unit : "");
	*cell++ = row && row->control ? format("%lld %s", row->control_min, row->control) : "-";
	*cell++ = ratio ? format("%.2f", (double)row->min / row->control_min) : "-";
	return cell;
}

static void print_heading(const struct report *rep, const struct pivot *pivot)
{
	if (next_bed(rep, next_bed(rep, NULL)))
		printf("%s: ", pivot->bed);
	fputs("resets/loads/built/reused per operation", stdout);
	if (pivot->costs)
		printf("; what one costs with %s", pivot->costs->plain_mmu);
	putchar('\n');
}

static const char **fill_head(const char **cell, const struct pivot *pivot, const char *costs)
{
	unsigned int i;

	*cell++ = "path";
	for (i = 0; i < pivot->nr_mmus; i++)
		*cell++ = pivot->mmus[i]->plain_mmu;
	if (costs) {
		*cell++ = costs;
		*cell++ = "control";
		*cell++ = "ratio";
	}
	return cell;
}

/* Says how many paths the summary does not show, and how to see them. */
static void print_rest(const struct pivot *pivot, const unsigned int *shown)
{
	static const char * const words[NR_VERDICTS] = {
		[PASS] = "ok", [KNOWN_BUG] = "with a known bug", [SKIP] = "skipped",
		[FAIL] = "failed",
		[NOT_APPLICABLE] = "not applicable",
	};
	static const enum outcome order[] = { PASS, KNOWN_BUG, SKIP, FAIL, NOT_APPLICABLE };
	unsigned int i, nr, all = 0;
	const char *list = "";

	for (i = 0; i < ARRAY_SIZE(order); i++) {
		nr = count_paths(pivot, order[i]) - shown[order[i]];
		all += nr;
		if (nr)
			list = format("%s%s%u %s", list, *list ? ", " : "", nr, words[order[i]]);
	}
	if (all)
		printf("and %u more path%s: %s; all rows: make report FULL=1\n", all,
		       all == 1 ? "" : "s", list);
}

static void print_pivot(const struct report *rep, const struct pivot *pivot)
{
	unsigned int nr_applicable = pivot->nr_paths - count_paths(pivot, NOT_APPLICABLE);
	unsigned int nr_cols, nr_rows = 1, i, j, shown[NR_VERDICTS] = { 0 };
	const char **cells, **cell, *unit = common_unit(rep), *sides;
	bool costs = pivot->costs;

	nr_cols = 1 + pivot->nr_mmus + (costs ? NR_COST_COLUMNS : 0);
	cells = zalloc((pivot->nr_paths + 1) * nr_cols * sizeof(*cells));
	cell = fill_head(cells, pivot, costs ? unit ?: "cost" : NULL);
	sides = format("%.*s%s", nr_cols - (costs ? NR_COST_COLUMNS : 0),
		       (char *)memset(zalloc(nr_cols + 1), 'l', nr_cols), "rlr");
	for (i = 0; i < pivot->nr_paths; i++) {
		if (!is_shown(&pivot->paths[i], nr_applicable))
			continue;
		shown[pivot->paths[i].worst]++;
		nr_rows++;
		*cell++ = pivot->paths[i].name;
		for (j = 0; j < pivot->nr_mmus; j++)
			*cell++ = counts_text(pivot->paths[i].rows[j]);
		if (costs)
			cell = fill_costs(cell, pivot->paths[i].costs, !unit);
	}
	if (nr_rows > 1) {
		print_heading(rep, pivot);
		print_grid(cells, nr_cols, nr_rows, sides);
	}
	print_rest(pivot, shown);
}

/**
 * print_pivots() - Print the most important paths, for each bed
 * @rep: the report, reconciled
 */
void print_pivots(const struct report *rep)
{
	const struct results *res = NULL;
	const struct pivot *pivot;

	while ((res = next_bed(rep, res))) {
		pivot = make_pivot(rep, res);
		if (!pivot->nr_paths)
			continue;
		putchar('\n');
		print_pivot(rep, pivot);
	}
}
