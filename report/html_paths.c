// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the page's tables of paths: one row per path, with the actual and the expected counts
 * for each MMU.
 */
#define _GNU_SOURCE
#include "html.h"

/* For each MMU, the table shows the counts from this one on, per operation. */
#define FIRST_COUNT	RESETS
#define NR_SHOWN	(NR_COUNTS - FIRST_COUNT)

/* The other columns are the path, its verdict, ops, the cost, its control, and their ratio. */
#define NR_OTHERS	6

static const char * const count_names[NR_COUNTS] = {
	"ops", "resets", "loads", "built", "reused", "hits", "misses", "flushes",
};

static const char legend[] =
	"<p>Each number is a count per operation, with the <i class=\"key\">=expected one</i> beside it;\n"
	"<b>ops</b> is how many operations were counted. A count without an expected one has to obey\n"
	"laws only. A <span class=\"other\">coloured</span> count differs from that of the first MMU.\n"
	"Click on a path to see its cases, and where its counts are derived.</p>\n";

static bool is_known(const struct row *row, unsigned int i)
{
	return row->nr_expected[i] && row->nr_expected[i] == row->nr_counted;
}

/* Returns whether the count @i per operation differs from that of the first MMU. */
static bool differs(const struct path *path, const struct row *row, unsigned int i)
{
	const struct row *first = path->rows[0];

	return first && first != row && first->counted[i] && !row->varies &&
	       strcmp(per_operation(first->counts[i], first->counts[OPS]),
		      per_operation(row->counts[i], row->counts[OPS]));
}

/* Writes the actual and the expected count, e.g. "1 =1". */
static void write_count(struct document *doc, const struct path *path, const struct row *row,
			unsigned int i)
{
	bool good = row->counts[i] == row->expected[i], known = is_known(row, i);
	const char *class = "n";

	if (!row->counted[i]) {
		element(doc, "td", "n zero", "-");
		return;
	}
	if (known && !good)
		class = "n FAIL";
	else if (differs(path, row, i))
		class = "n other";
	else if (!row->counts[i])
		class = "n zero";
	tag_open(doc, "td");
	attribute(doc, "class", i == FIRST_COUNT ? format("%s begin", class) : class);
	text(doc, per_operation(row->counts[i], row->counts[OPS]));
	if (known)
		element(doc, "i", NULL,
			format("%s%s", good ? "=" : "\xe2\x89\xa0",
			       per_operation(row->expected[i], row->counts[OPS])));
	tag_close(doc);
}

static void write_mmu(struct document *doc, const struct path *path, const struct row *row)
{
	unsigned int i;

	if (row && row->nr_counted) {
		for (i = FIRST_COUNT; i < NR_COUNTS; i++)
			write_count(doc, path, row, i);
		return;
	}
	tag_open(doc, "td");
	attribute(doc, "colspan", format("%u", NR_SHOWN));
	attribute(doc, "class", row ? format("begin %s", verdict_classes[row->verdict]) : "begin");
	text(doc, row ? verdict_words[row->verdict] : "");
	tag_close(doc);
}

/* Returns the number of operations, or its range if the MMUs differ. */
static const char *ops_of(const struct pivot *pivot, const struct path *path)
{
	unsigned long long ops, min = -1ull, max = 0;
	unsigned int i;

	for (i = 0; i < pivot->nr_mmus; i++) {
		if (!path->rows[i] || !path->rows[i]->counted[OPS])
			continue;
		ops = path->rows[i]->counts[OPS];
		min = ops < min ? ops : min;
		max = ops > max ? ops : max;
	}
	if (min > max)
		return "-";
	return min == max ? format("%llu", min) : format("%llu-%llu", min, max);
}

static void write_cost(struct document *doc, const struct report *rep, const struct path *path)
{
	const struct row *row = path->costs;

	if (!row) {
		raw(doc, "<td class=\"n begin zero\">-</td><td></td><td></td>");
		return;
	}
	element(doc, "td", "n begin", common_unit(rep) ? format("%lld", row->min) :
						 format("%lld %s", row->min, row->unit));
	element(doc, "td", NULL, row->control ? format("%lld %s", row->control_min, row->control) :
						"-");
	element(doc, "td", "n", row->control && row->control_min ?
		format("%.2f", (double)row->min / row->control_min) : "-");
}

static void write_derivation(struct document *doc, const struct report *rep,
			     const struct section *section)
{
	const char *place;

	if (!section->doc)
		return;
	place = format("docs/%s", section->doc);
	text(doc, " derived in ");
	if (rep->docs_dir)
		link_to(doc, format("%s/%s", rep->docs_dir, section->doc), place);
	else
		element(doc, "span", NULL, place);
}

/* Links each case once: it may be in several files, and may name the path several times. */
static void write_namers(struct document *doc, const struct report *rep,
			 const struct pivot *pivot, const struct path *path)
{
	bool *seen = calloc(rep->nr_ids + 1, sizeof(*seen));
	const struct namer *namer;
	unsigned int i;

	if (!seen)
		err(EXIT_UNUSABLE, "out of memory");
	for (i = 0; i < pivot->nr_mmus; i++) {
		if (!path->rows[i])
			continue;
		STAILQ_FOREACH(namer, &path->rows[i]->namers, next) {
			if (seen[namer->tc->id])
				continue;
			seen[namer->tc->id] = true;
			raw(doc, "<br>");
			link_to(doc, format("#case-%u", namer->tc->id),
				format("%s %s", namer->tc->test, namer->tc->name));
		}
	}
	free(seen);
}

static void write_path(struct document *doc, const struct report *rep,
		       const struct pivot *pivot, const struct path *path)
{
	unsigned int i;

	raw(doc, "<tr class=\"path\"><th><details><summary>");
	text(doc, path->name);
	raw(doc, "</summary>");
	write_derivation(doc, rep, path->section);
	write_namers(doc, rep, pivot, path);
	raw(doc, "</details></th>");
	element(doc, "td", verdict_classes[path->worst], verdict_words[path->worst]);
	element(doc, "td", "n", ops_of(pivot, path));
	for (i = 0; i < pivot->nr_mmus; i++)
		write_mmu(doc, path, path->rows[i]);
	write_cost(doc, rep, path);
	raw(doc, "</tr>\n");
}

static void write_path_head(struct document *doc, const struct report *rep,
			    const struct pivot *pivot)
{
	const char *span = format("%u", NR_SHOWN);
	const char *unit = common_unit(rep) ?: "cost";
	unsigned int i, j;

	raw(doc, "<thead><tr><th rowspan=\"2\">path</th><th rowspan=\"2\"></th>");
	raw(doc, "<th class=\"n\" rowspan=\"2\">ops</th>");
	for (i = 0; i < pivot->nr_mmus; i++) {
		tag_open(doc, "th");
		attribute(doc, "class", "begin mmu");
		attribute(doc, "colspan", span);
		text(doc, pivot->mmus[i]->plain_mmu);
		tag_close(doc);
	}
	element(doc, "th", "begin mmu", pivot->costs && pivot->nr_mmus > 1 ?
		format("%s, %s", unit, pivot->costs->plain_mmu) : unit);
	raw(doc, "<th rowspan=\"2\">control</th><th rowspan=\"2\">ratio</th>");
	raw(doc, "</tr><tr>");
	for (i = 0; i < pivot->nr_mmus; i++)
		for (j = FIRST_COUNT; j < NR_COUNTS; j++)
			element(doc, "th", j == FIRST_COUNT ? "n begin" : "n", count_names[j]);
	raw(doc, "<th class=\"begin n\">one</th></tr></thead><tbody>\n");
}

static void write_path_section(struct document *doc, const struct report *rep,
			       const struct pivot *pivot, const struct section *section)
{
	raw(doc, "<tr class=\"section\"><th colspan=\"3\">");
	text(doc, section->title);
	raw(doc, "</th><td colspan=\"");
	raw(doc, format("%u\">", pivot->nr_mmus * NR_SHOWN + NR_OTHERS - 3));
	write_derivation(doc, rep, section);
	raw(doc, "</td></tr>\n");
}

/* Each path has a row, but those that apply to no MMU are only listed below the table. */
static void write_pivot(struct document *doc, const struct report *rep,
			const struct pivot *pivot)
{
	const struct section *last = NULL;
	const struct path *path;
	const char *none = "";

	raw(doc, "<div class=\"wide\"><table class=\"paths\">");
	write_path_head(doc, rep, pivot);
	for (path = pivot->paths; path < pivot->paths + pivot->nr_paths; path++) {
		if (path->worst == NOT_APPLICABLE) {
			none = format("%s%s%s", none, *none ? ", " : "", path->name);
			continue;
		}
		if (path->section != last)
			write_path_section(doc, rep, pivot, path->section);
		last = path->section;
		write_path(doc, rep, pivot, path);
	}
	raw(doc, "</tbody></table></div>\n");
	if (*none)
		element(doc, "p", NULL, format("Not applicable with any MMU: %s.", none));
}

/**
 * write_paths() - Write counts and costs of paths with each MMU, one table per bed
 * @doc: the page
 * @rep: the report, reconciled
 */
void write_paths(struct document *doc, const struct report *rep)
{
	const struct results *res = NULL;
	const struct pivot *pivot;

	if (STAILQ_EMPTY(&rep->rows))
		return;
	section(doc, "paths", "Paths");
	raw(doc, legend);
	while ((res = next_bed(rep, res))) {
		pivot = make_pivot(rep, res);
		if (!pivot->nr_paths)
			continue;
		element(doc, "h3", NULL, res->bed);
		write_pivot(doc, rep, pivot);
	}
}
