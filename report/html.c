// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the report as one HTML page, without scripts and without other files.
 */
#define _GNU_SOURCE
#include "html.h"
#include "style.h"

const char * const verdict_classes[NR_VERDICTS] = {
	[NOT_APPLICABLE] = "na",
	[KNOWN_BUG] = "SKIP",
	[PASS] = "ok",
	[SKIP] = "SKIP",
	[FAIL] = "FAIL",
};

/**
 * section() - Begin a section
 * @doc: the page
 * @id: name of the section for links
 * @title: headline of the section
 */
void section(struct document *doc, const char *id, const char *title)
{
	tag_open(doc, "h2");
	attribute(doc, "id", id);
	text(doc, title);
	tag_close(doc);
}

/**
 * table_begin() - Begin a table
 * @doc: the page
 * @id: name of the table for links, or NULL
 * @header: headlines of the columns
 * @nr: number of columns
 */
void table_begin(struct document *doc, const char *id, const char *const *header,
		 unsigned int nr)
{
	unsigned int i;

	raw(doc, "<div class=\"wide\">");
	tag_open(doc, "table");
	if (id)
		attribute(doc, "id", id);
	raw(doc, "<thead><tr>");
	for (i = 0; i < nr; i++)
		element(doc, "th", NULL, header[i]);
	raw(doc, "</tr></thead><tbody>\n");
}

/**
 * table_end() - End the table that table_begin() began
 * @doc: the page
 */
void table_end(struct document *doc)
{
	raw(doc, "</tbody>");
	tag_close(doc);
	raw(doc, "</div>\n");
}

/**
 * link_to() - Write a link
 * @doc: the page
 * @address: target of the link
 * @content: text of the link
 */
void link_to(struct document *doc, const char *address, const char *content)
{
	tag_open(doc, "a");
	attribute(doc, "href", address);
	text(doc, content);
	tag_close(doc);
}

/**
 * lane_of() - Name a file of results by its lane
 * @res: the file
 *
 * Return: "BED/CONFIGURATION".
 */
const char *lane_of(const struct results *res)
{
	return format("%s/%s", res->bed, res->lane);
}

static bool has_failed(const struct report *rep)
{
	return rep->total.cases[FAIL] || rep->failed_files;
}

static void write_summary(struct document *doc, const struct report *rep)
{
	const char *command = rerun_command(rep);

	element(doc, "h1", NULL, rep->title ?: "kvm-mmu-roots");
	element(doc, "p", has_failed(rep) ? "FAIL" : "ok", format_totals(rep));
	if (!*command)
		return;
	element(doc, "p", NULL, "To run just what failed again, with the same seeds:");
	element(doc, "pre", NULL, command);
}

static void write_lane(struct document *doc, const struct results *res)
{
	static const enum outcome order[] = { PASS, FAIL, SKIP, KNOWN_BUG, NOT_APPLICABLE };
	unsigned int nr[NR_VERDICTS] = { 0 }, all = 0, i;
	const struct testcase *tc;
	json_int_t ms = 0;

	STAILQ_FOREACH(tc, &res->cases, next) {
		all++;
		nr[tc->verdict]++;
		ms += tc->duration_ms;
	}
	raw(doc, "<tr class=\"lane\">");
	element(doc, "td", NULL, lane_of(res));
	element(doc, "td", NULL, res->plain_mmu);
	element(doc, "td", "n", format("%u", all));
	for (i = 0; i < ARRAY_SIZE(order); i++)
		element(doc, "td", nr[order[i]] ? format("n %s", verdict_classes[order[i]]) :
						  "n zero",
			format("%u", nr[order[i]]));
	element(doc, "td", "n", format("%lld.%lld", ms / 1000, ms % 1000 / 100));
	element(doc, "td", NULL, res->kernel);
	element(doc, "td", NULL, res->params);
	element(doc, "td", NULL, res->unit);
	element(doc, "td", NULL, res->cpu);
	element(doc, "td", NULL, *res->emulator ? res->emulator : "-");
	element(doc, "td", NULL, *res->start ? res->start : "-");
	raw(doc, "</tr>\n");
}

static void write_lanes(struct document *doc, const struct report *rep)
{
	static const char * const header[] = {
		"configuration", "MMU", "cases", "passed", "failed", "skipped", "known", "n/a",
		"seconds",
		"kernel", "parameters", "TSC counts", "CPU", "emulator", "started",
	};
	const struct results *res;

	section(doc, "lanes", "Configurations");
	table_begin(doc, "lane-table", header, ARRAY_SIZE(header));
	STAILQ_FOREACH(res, &rep->files, next)
		write_lane(doc, res);
	table_end(doc);
}

static bool has_costs(const struct report *rep)
{
	const struct row *row;

	STAILQ_FOREACH(row, &rep->rows, next)
		if (row->unit)
			return true;
	return false;
}

/* Writes links to those sections that the page has, in the order of the page. */
static void write_links(struct document *doc, const struct report *rep)
{
	const struct {
		bool there;
		const char *address;
		const char *title;
	} links[] = {
		{ has_failed(rep), "#failures", "Failures" },
		{ rep->before, "#changes", "Since the run before" },
		{ true, "#lanes", "Configurations" },
		{ !STAILQ_EMPTY(&rep->rows), "#paths", "Paths" },
		{ has_costs(rep), "#costs", "Costs" },
		{ true, "#matrix", "Tests" },
		{ rep->total.cases[KNOWN_BUG], "#known", "Known bugs" },
		{ rep->total.cases[SKIP], "#skips", "Skipped" },
		{ rep->total.cases[NOT_APPLICABLE], "#na", "Not applicable" },
	};
	unsigned int i;

	raw(doc, "<nav>");
	for (i = 0; i < ARRAY_SIZE(links); i++)
		if (links[i].there)
			link_to(doc, links[i].address, links[i].title);
	raw(doc, "</nav>\n");
}

static void write_head(struct document *doc, const struct report *rep)
{
	raw(doc, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
	raw(doc, "<meta name=\"viewport\" content=\"width=device-width\">\n");
	/* Without this empty icon, browsers request one from the server. */
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
	write_failures(&doc, rep);
	write_changes(&doc, rep);
	write_lanes(&doc, rep);
	write_paths(&doc, rep);
	write_costs(&doc, rep);
	write_storms(&doc, rep);
	write_matrix(&doc, rep);
	write_verdicts(&doc, rep, KNOWN_BUG, "known", "Known bugs");
	write_verdicts(&doc, rep, SKIP, "skips", "Skipped");
	write_inapplicable(&doc, rep);
	raw(&doc, "</body></html>\n");
	return document_end(&doc, rep->html);
}
