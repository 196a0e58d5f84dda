// SPDX-License-Identifier: GPL-2.0
/*
 * The table, a row a path and MMU: what was counted and measured on it in all
 * lanes with that MMU.
 */
#define _GNU_SOURCE
#include "report.h"

static const char * const count_keys[] = {
	"ops", "resets", "loads", "alloc", "reuse",
};

#define NR_COUNTS	ARRAY_SIZE(count_keys)

/* The verdict follows, which needs no padding, but may need colour. */
enum column {
	COL_MMU,
	COL_PATH,
	COL_COUNTS,
	COL_COST = COL_COUNTS + NR_COUNTS,
	COL_CONTROL,
	COL_RATIO,
	NR_COLUMNS,
};

struct row {
	STAILQ_ENTRY(row) next;
	const char *mmu;
	const char *path;
	bool counted[NR_COUNTS];
	unsigned long long counts[NR_COUNTS];

	/* NULL for as long as no cost was measured */
	const char *unit;
	const struct results *other_unit;
	json_int_t min;
	const char *control;
	json_int_t control_min;

	enum outcome verdict;
	const char *cells[NR_COLUMNS];
};

/* Rows of one MMU stay together, in the order of their appearance. */
static struct row *get_row(struct report *rep, const struct results *res,
			   const char *path)
{
	struct row *row, *last = NULL;

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (strcmp(row->mmu, res->mmu))
			continue;
		if (!strcmp(row->path, path))
			return row;
		last = row;
	}
	row = zalloc(sizeof(*row));
	row->mmu = res->mmu;
	row->path = path;
	if (last)
		STAILQ_INSERT_AFTER(&rep->rows, last, row, next);
	else
		STAILQ_INSERT_TAIL(&rep->rows, row, next);
	return row;
}

static int read_counts(const struct results *res, struct row *row,
		       json_t *entry)
{
	json_int_t value;
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++) {
		if (!json_object_get(entry, count_keys[i]))
			continue;
		if (unpack(res, entry, "{s:I}", count_keys[i], &value))
			return -1;
		if (value < 0)
			return bad_line(res, "negative count");
		row->counted[i] = true;
		row->counts[i] += value;
	}
	return 0;
}

/*
 * Noise only ever adds to a cost, so the lowest one is the best estimate. Its
 * control has to come from the same measurement, the ratio is void otherwise.
 */
static int read_cost(const struct results *res, struct row *row, json_t *entry)
{
	json_int_t min, control_min = 0;
	const char *control = NULL;

	if (unpack(res, entry, "{s:I, s?s}", "min", &min, "control", &control))
		return -1;
	if (control && unpack(res, entry, "{s:I}", "control_min", &control_min))
		return -1;
	if (min < 0 || control_min < 0)
		return bad_line(res, "negative cost");

	if (row->unit && strcmp(row->unit, res->unit)) {
		row->other_unit = res;
	} else if (!row->unit || min < row->min) {
		row->unit = res->unit;
		row->min = min;
		row->control = control;
		row->control_min = control_min;
	}
	return 0;
}

/**
 * read_data() - Add the data of a result to the table
 * @rep: the report
 * @res: the file it is from
 * @data: list of objects, or NULL
 * @count: false for a second result of the same case: its numbers are not added
 *         to the ones of the first, but its paths are named all the same
 *
 * Return: 0, or -1 after a complaint.
 */
int read_data(struct report *rep, const struct results *res, json_t *data,
	      bool count)
{
	const char *path, *kind;
	struct row *row;
	json_t *entry;
	int ret = 0;
	size_t i;

	json_array_foreach(data, i, entry) {
		kind = "";
		if (unpack(res, entry, "{s:s, s?s}", "path", &path,
			   "kind", &kind))
			return -1;
		row = get_row(rep, res, path);
		if (count && !strcmp(kind, "counts"))
			ret = read_counts(res, row, entry);
		else if (count && !strcmp(kind, "cost"))
			ret = read_cost(res, row, entry);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * worsen_row() - Apply the verdict of a case to the row of one of its paths
 * @rep: the report
 * @res: the file that the case is from
 * @path: the path
 * @verdict: of the case
 */
void worsen_row(struct report *rep, const struct results *res,
		const char *path, enum outcome verdict)
{
	struct row *row = get_row(rep, res, path);

	if (verdict > row->verdict)
		row->verdict = verdict;
}

/*
 * Lanes may differ in their unit. Usually only one kind of them measures cost,
 * else each row has to tell its unit, for which this returns NULL.
 */
static const char *common_unit(const struct report *rep)
{
	const char *unit = NULL;
	const struct row *row;

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (!row->unit)
			continue;
		if (unit && strcmp(unit, row->unit))
			return NULL;
		unit = row->unit;
	}
	return unit ?: STAILQ_FIRST(&rep->files)->unit;
}

static void fill_row(struct row *row, const char *unit)
{
	unsigned int i;

	for (i = 0; i < NR_COLUMNS; i++)
		row->cells[i] = "-";
	row->cells[COL_MMU] = row->mmu;
	row->cells[COL_PATH] = row->path;
	for (i = 0; i < NR_COUNTS; i++) {
		if (row->counted[i])
			row->cells[COL_COUNTS + i] = format("%llu",
							    row->counts[i]);
	}
	if (row->unit)
		row->cells[COL_COST] = format("%lld%s%s", row->min,
					      unit ? "" : " ",
					      unit ? "" : row->unit);
	if (row->control)
		row->cells[COL_CONTROL] = format("%lld %s", row->control_min,
						 row->control);
	if (row->control && row->control_min)
		row->cells[COL_RATIO] = format("%.2f", (double)row->min /
					       row->control_min);
}

/* On the terminal, that is: what continues a UTF-8 sequence takes no place. */
static int width_of(const char *s)
{
	int width = 0;

	for (; *s; s++)
		width += (*s & 0xc0) != 0x80;
	return width;
}

static void widen(int *widths, const char **cells)
{
	unsigned int col;
	int width;

	for (col = 0; col < NR_COLUMNS; col++) {
		width = width_of(cells[col]);
		if (width > widths[col])
			widths[col] = width;
	}
}

static void print_cells(const char **cells, const int *widths)
{
	unsigned int col;
	int pad;

	for (col = 0; col < NR_COLUMNS; col++) {
		pad = widths[col] - width_of(cells[col]);
		if (col == COL_MMU || col == COL_PATH || col == COL_CONTROL)
			printf("%s%*s  ", cells[col], pad, "");
		else
			printf("%*s%s  ", pad, "", cells[col]);
	}
}

/**
 * print_table() - Print the table, and notes on what it leaves out
 * @rep: the report, reconciled; to be called once
 */
void print_table(struct report *rep)
{
	const char *unit = common_unit(rep);
	const char *header[NR_COLUMNS] = {
		"mmu", "path", "ops", "resets", "root loads", "built", "reused",
		format("%s/op", unit ?: "cost"), "control", "ratio",
	};
	int widths[NR_COLUMNS] = { 0 };
	struct row *row;

	widen(widths, header);
	STAILQ_FOREACH(row, &rep->rows, next) {
		fill_row(row, unit);
		widen(widths, row->cells);
	}

	print_cells(header, widths);
	puts("verdict");
	STAILQ_FOREACH(row, &rep->rows, next) {
		print_cells(row->cells, widths);
		print_verdict(rep, row->verdict);
		putchar('\n');
	}

	/* Numbers in two units cannot share a row. */
	STAILQ_FOREACH(row, &rep->rows, next) {
		if (row->other_unit)
			printf("NOTE %s %s: the cost in %s measured by %s/%s is not in the table\n",
			       row->mmu, row->path, row->other_unit->unit,
			       row->other_unit->bed, row->other_unit->lane);
	}
}

static const struct row *find_cost(const struct report *rep, const struct row *like)
{
	const struct row *row;

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (!strcmp(row->path, like->path) && row->unit &&
		    !strcmp(row->unit, like->unit))
			return row;
	}
	return NULL;
}

/**
 * print_comparison() - Print the costs of two reports side by side
 * @base: the report to compare with
 * @rep: the report
 * @bound: a cost may be this many times that of @base, 1.0 being the same
 *
 * Return: whether there is something to compare, and nothing is out of bound.
 */
bool print_comparison(const struct report *base, const struct report *rep,
		      double bound)
{
	const struct row *row, *old;
	unsigned int compared = 0;
	bool good = true, within;

	printf("%-16s  %12s  %12s  %6s  verdict (at most %.3f)\n", "path",
	       "base", "new", "ratio", bound);
	STAILQ_FOREACH(row, &rep->rows, next) {
		old = row->unit ? find_cost(base, row) : NULL;
		if (!old)
			continue;
		within = row->min <= bound * old->min;
		good &= within;
		compared++;
		printf("%-16s  %12lld  %12lld  %6.3f  ", row->path, old->min,
		       row->min, old->min ? (double)row->min / old->min : 1);
		print_verdict(rep, within ? PASS : FAIL);
		putchar('\n');
	}
	if (!compared)
		puts("nothing to compare: no path was measured in both, in the same unit");
	return good && compared;
}
