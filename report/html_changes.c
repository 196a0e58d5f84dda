// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the page's section about what differs from the run before.
 */
#define _GNU_SOURCE
#include "html.h"

/* Two boots of the same kernel may differ by this ratio in a cost, see docs/counters.md. */
#define DEFAULT_BOUND	1.01

/* The largest number of cases that a list has; the matrix has all cases. */
#define MAX_LISTED	20

static bool is_number(const struct difference *diff)
{
	return diff->kind == DIFF_COUNT || diff->kind == DIFF_COST;
}

static void write_number(struct document *doc, const struct difference *diff)
{
	raw(doc, "<tr class=\"change\">");
	element(doc, "td", NULL, lane_of(diff->res));
	element(doc, "td", NULL, diff->path);
	element(doc, "td", NULL, diff->what);
	element(doc, "td", "n", format("%lld", diff->base));
	element(doc, "td", "n", format("%lld", diff->new));
	element(doc, "td", "n", diff->base ? format("%.3f", (double)diff->new / diff->base) : "-");
	raw(doc, "</tr>\n");
}

static void write_numbers(struct document *doc, const struct comparison *c)
{
	static const char * const header[] = {
		"configuration", "path", "what", "before", "now", "ratio",
	};
	const struct difference *diff;

	if (!c->counts && !c->beyond)
		return;
	table_begin(doc, "change-table", header, ARRAY_SIZE(header));
	STAILQ_FOREACH(diff, &c->differences, next)
		if (is_number(diff) && diff->sense != NO_DIFFERENCE)
			write_number(doc, diff);
	table_end(doc);
}

/*
 * Writes a list of the cases that got worse or better, or of the notes.  The list is bounded: if
 * a bed died, all of its cases got worse for the same reason.
 */
static void write_texts(struct document *doc, const struct comparison *c, int sense,
			const char *class)
{
	const struct difference *diff;
	unsigned int nr = 0;

	raw(doc, "<ul>");
	STAILQ_FOREACH(diff, &c->differences, next) {
		if (is_number(diff) || (int)diff->sense != sense || nr++ >= MAX_LISTED)
			continue;
		tag_open(doc, "li");
		if (class)
			element(doc, "span", class, sense == WORSE ? "worse" : "better");
		text(doc, format(" %s: %s", lane_of(diff->res), diff->text));
		tag_close(doc);
	}
	if (nr > MAX_LISTED)
		element(doc, "li", NULL, format("and %u more", nr - MAX_LISTED));
	raw(doc, "</ul>\n");
}

static unsigned int count_better(const struct comparison *c)
{
	const struct difference *diff;
	unsigned int nr = 0;

	STAILQ_FOREACH(diff, &c->differences, next)
		nr += diff->sense == BETTER;
	return nr;
}

/**
 * write_changes() - Write what changed since the run before, if there was one
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_changes(struct document *doc, const struct report *rep)
{
	const struct results *first;
	struct comparison c;

	if (!rep->before)
		return;
	compare_reports(&c, rep->before, rep, rep->bound ?: DEFAULT_BOUND);
	first = STAILQ_FIRST(&rep->before->files);
	section(doc, "changes", "Since the run before");
	element(doc, "p", NULL,
		format("Compared with the run of %s: %u configurations are in both.",
		       *first->start ? first->start : first->name, c.lanes));
	element(doc, "p", c.verdicts ? "FAIL" : "ok",
		format("%u cases got worse, %u better, %u are new; %u counts changed", c.verdicts,
		       count_better(&c), c.added, c.counts));
	element(doc, "p", NULL,
		format("%u of %u costs grew or fell by a factor of more than %.2f.", c.beyond,
		       c.costs, c.bound));
	write_texts(doc, &c, WORSE, "FAIL");
	write_texts(doc, &c, BETTER, "ok");
	write_numbers(doc, &c);
	write_texts(doc, &c, NO_DIFFERENCE, NULL);
}
