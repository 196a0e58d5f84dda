// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the page's plots: costs of paths, and counters over time.
 */
#define _GNU_SOURCE
#include "html.h"
#include "plot.h"

/* At most this many cases have a plot over time: races first, then those with most resets. */
#define MAX_PLOTS	4

#define NO_GNUPLOT	"There is no plot without gnuplot: install its package, " \
			"on Debian gnuplot-nox, on Fedora gnuplot-minimal, on Arch gnuplot"

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

/* Returns whether @row is the first one that has a cost with its MMU and in its unit. */
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

/**
 * write_costs() - Write a plot for each MMU whose costs were measured
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_costs(struct document *doc, const struct report *rep)
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
 * @races: the counts of the case differ in each run, e.g. because of a race
 * @resets: the highest sample of mmu_reset
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

/* A case has one plot only, even if it ran in several lanes. */
static bool is_among(const struct storm *storms, unsigned int nr, const struct testcase *tc)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (!strcmp(storms[i].tc->test, tc->test) && !strcmp(storms[i].tc->name, tc->name))
			return true;
	return false;
}

/* Finds the cases to show, in order of interest.  Returns their number. */
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

/**
 * write_storms() - Write plots of counters over time
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_storms(struct document *doc, const struct report *rep)
{
	/* One element more, as find_storms() enters a case before it checks for samples. */
	struct storm *storms = zalloc((rep->nr_cases + 1) * sizeof(*storms));
	unsigned int i, nr = find_storms(rep, storms);

	if (!nr)
		return;
	section(doc, "storms", "Counters over time");
	element(doc, "p", NULL,
		"The plots show cases with races, and those with most resets. Counters are sums over\n"
		"all virtual machines that exist.");
	raw(doc, "<div class=\"plots\">");
	for (i = 0; i < nr; i++)
		write_plot(doc, format("%s %s %s", lane_of(storms[i].res), storms[i].tc->test,
				       storms[i].tc->name),
			   plot_samples(json_object_get(storms[i].tc->doc, "samples")));
	raw(doc, "</div>\n");
}
