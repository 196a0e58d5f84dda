// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the rows of the table.  There is one row for each path with each MMU of a bed: it has the
 * counts and costs of the path in all lanes with this MMU.
 */
#define _GNU_SOURCE
#include <stdarg.h>

#include "report.h"

const char * const count_keys[NR_COUNTS] = {
	"ops", "resets", "loads", "alloc", "reuse", "hits", "misses", "flushes",
};

/* Beds have different CPUs, so MMUs of the same name in two beds are different MMUs. */
static bool same_mmu(const struct results *a, const struct results *b)
{
	return !strcmp(a->mmu, b->mmu) && !strcmp(a->bed, b->bed);
}

/* Rows of one MMU stay together, in the order of their appearance. */
static struct row *get_row(struct report *rep, const struct results *res,
			   const char *path)
{
	struct row *row, *last = NULL;

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (!same_mmu(row->first, res))
			continue;
		if (!strcmp(row->path, path))
			return row;
		last = row;
	}
	row = zalloc(sizeof(*row));
	row->first = res;
	row->path = path;
	STAILQ_INIT(&row->namers);
	if (last)
		STAILQ_INSERT_AFTER(&rep->rows, last, row, next);
	else
		STAILQ_INSERT_TAIL(&rep->rows, row, next);
	return row;
}

/* Like unpack(), but returns the complaint instead of printing it. */
static const char *unpack_data(json_t *entry, const char *fmt, ...)
{
	json_error_t error;
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (json_vunpack_ex(entry, &error, 0, fmt, ap))
		text = format("%s", error.text);
	va_end(ap);
	if (text)
		clean_string(text);
	return text;
}

/* Any count may be absent, see docs/results.md: @value is -1 then. */
static const char *read_count(json_t *entry, unsigned int i, json_int_t *value)
{
	const char *bad;

	*value = -1;
	if (!json_object_get(entry, count_keys[i]))
		return NULL;
	bad = unpack_data(entry, "{s:I}", count_keys[i], value);
	return bad || *value >= 0 ? bad : "negative count";
}

static const char *read_counts(struct row *row, json_t *entry)
{
	json_int_t value;
	const char *bad;
	unsigned int i;

	row->nr_counted++;
	for (i = 0; i < NR_COUNTS; i++) {
		bad = read_count(entry, i, &value);
		if (bad)
			return bad;
		if (value < 0)
			continue;
		row->counted[i] = true;
		row->counts[i] += value;
	}
	return NULL;
}

static const char *read_expected(struct row *row, json_t *entry)
{
	json_int_t value;
	const char *bad;
	unsigned int i;

	for (i = 0; i < NR_COUNTS; i++) {
		bad = read_count(entry, i, &value);
		if (bad)
			return bad;
		if (value < 0)
			continue;
		row->nr_expected[i]++;
		row->expected[i] += value;
	}
	return NULL;
}

/*
 * Noise can only increase a cost, so the lowest cost is the best estimate.  The control has to
 * come from the same measurement; otherwise their ratio means nothing.
 */
static const char *read_cost(const struct results *res, struct row *row, json_t *entry)
{
	json_int_t min, control_min = 0;
	const char *control = NULL, *bad;

	bad = unpack_data(entry, "{s:I, s?s}", "min", &min, "control", &control);
	if (!bad && control)
		bad = unpack_data(entry, "{s:I}", "control_min", &control_min);
	if (bad || min < 0 || control_min < 0)
		return bad ?: "negative cost";

	if (row->unit && strcmp(row->unit, res->unit)) {
		row->other_unit = res;
	} else if (!row->unit || min < row->min) {
		row->unit = res->unit;
		row->min = min;
		row->control = control;
		row->control_min = control_min;
	}
	return NULL;
}

/* A case with counts is about the path, so it decides on the section; other cases only name it. */
static void place_row(struct report *rep, struct row *row, const struct testcase *tc,
		      bool counts)
{
	if (!row->section || (counts && !row->order))
		row->section = find_section(tc);
	if (counts && !row->order)
		row->order = ++rep->nr_orders;
}

static const char *read_entry(struct report *rep, const struct results *res,
			      const struct testcase *tc, json_t *entry, bool count)
{
	const char *path, *kind = "", *vary = "", *bad;
	struct row *row;

	bad = unpack_data(entry, "{s:s, s?s}", "path", &path, "kind", &kind);
	if (bad)
		return bad;
	row = get_row(rep, res, path);
	place_row(rep, row, tc, !strcmp(kind, "counts"));
	json_unpack(entry, "{s:s}", "counts", &vary);
	row->varies |= !strcmp(vary, "vary");
	if (count && !strcmp(kind, "counts"))
		return read_counts(row, entry);
	if (count && !strcmp(kind, "expected"))
		return read_expected(row, entry);
	if (count && !strcmp(kind, "cost"))
		return read_cost(res, row, entry);
	return NULL;
}

/**
 * read_data() - Add the data of a result to the table
 * @rep: the report
 * @res: the file that has the result
 * @tc: the case
 * @data: list of objects, or NULL
 * @count: false for a second result of the same case: its paths get rows, but its numbers are not
 *         added to those of the first result
 *
 * Return: NULL, or what is wrong with the data.
 */
const char *read_data(struct report *rep, const struct results *res,
		      const struct testcase *tc, json_t *data, bool count)
{
	const char *bad = NULL, *last;
	json_t *entry;
	size_t i;

	json_array_foreach(data, i, entry) {
		last = read_entry(rep, res, tc, entry, count);
		bad = bad ?: last;
	}
	return bad;
}

/**
 * worsen_row() - Apply the verdict of a case to the row of one of its paths
 * @rep: the report
 * @res: the file that has the case
 * @tc: the case
 * @path: the path
 */
void worsen_row(struct report *rep, const struct results *res,
		const struct testcase *tc, const char *path)
{
	struct row *row = get_row(rep, res, path);
	struct namer *namer;

	place_row(rep, row, tc, false);
	if (tc->verdict > row->verdict)
		row->verdict = tc->verdict;
	/* A case may name a path several times, and may be in several files with the same MMU. */
	if (row->last_id == tc->id)
		return;
	namer = zalloc(sizeof(*namer));
	row->last_id = tc->id;
	namer->tc = tc;
	STAILQ_INSERT_TAIL(&row->namers, namer, next);
}

/**
 * common_unit() - Find the unit of all costs
 * @rep: the report
 *
 * Lanes may have different units.  Usually all lanes that measure costs have the same unit;
 * otherwise each row has to name its unit.
 *
 * Return: the unit, or NULL if there are two.
 */
const char *common_unit(const struct report *rep)
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
	row->cells[COL_MMU] = row->first->mmu;
	row->cells[COL_PATH] = row->path;
	for (i = 0; i < NR_TABLE_COUNTS; i++) {
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

/**
 * fill_rows() - Fill in the cells of all rows
 * @rep: the report, reconciled
 * @header: receives the headlines of NR_COLUMNS columns
 */
void fill_rows(struct report *rep, const char **header)
{
	static const char * const names[NR_COLUMNS] = {
		"mmu", "path", "ops", "resets", "root loads", "built", "reused",
		"", "control", "ratio",
	};
	const char *unit = common_unit(rep);
	struct row *row;

	memcpy(header, names, sizeof(names));
	header[COL_COST] = format("%s/op", unit ?: "cost");
	STAILQ_FOREACH(row, &rep->rows, next)
		fill_row(row, unit);
}
