// SPDX-License-Identifier: GPL-2.0
/*
 * Prints tables on the terminal.
 */
#define _GNU_SOURCE
#include "report.h"

/* Returns the width on the terminal: bytes that continue a UTF-8 sequence take no column. */
static int width_of(const char *s)
{
	int width = 0;

	for (; *s; s++)
		width += (*s & 0xc0) != 0x80;
	return width;
}

/**
 * print_grid() - Print cells in columns
 * @cells: all cells of the first row, then those of the second row, etc.
 * @nr_cols: number of columns
 * @nr_rows: number of rows
 * @sides: alignment of each column, 'l' for left or 'r' for right
 */
void print_grid(const char * const *cells, unsigned int nr_cols, unsigned int nr_rows,
		const char *sides)
{
	int *widths = zalloc(nr_cols * sizeof(*widths)), width, pad;
	unsigned int i, col, nr = nr_cols * nr_rows;

	for (i = 0; i < nr; i++) {
		width = width_of(cells[i]);
		if (width > widths[i % nr_cols])
			widths[i % nr_cols] = width;
	}
	for (i = 0; i < nr; i++) {
		col = i % nr_cols;
		pad = widths[col] - width_of(cells[i]);
		if (sides[col] == 'r')
			printf("%*s%s", pad, "", cells[i]);
		else
			printf("%s%*s", cells[i], col == nr_cols - 1 ? 0 : pad, "");
		fputs(col == nr_cols - 1 ? "\n" : "  ", stdout);
	}
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
 * @rep: the report, reconciled; a report can be printed only once
 */
void print_table(struct report *rep)
{
	const char *header[NR_COLUMNS];
	int widths[NR_COLUMNS] = { 0 };
	struct row *row;

	fill_rows(rep, header);
	widen(widths, header);
	STAILQ_FOREACH(row, &rep->rows, next)
		widen(widths, row->cells);

	print_cells(header, widths);
	puts("verdict");
	STAILQ_FOREACH(row, &rep->rows, next) {
		print_cells(row->cells, widths);
		print_verdict(rep, row->verdict);
		putchar('\n');
	}

	/* A row has room for one unit only. */
	STAILQ_FOREACH(row, &rep->rows, next) {
		if (row->other_unit)
			printf("NOTE %s %s: the cost in %s measured by %s/%s is not in the table\n",
			       row->first->mmu, row->path, row->other_unit->unit,
			       row->other_unit->bed, row->other_unit->lane);
	}
}
