// SPDX-License-Identifier: GPL-2.0
/*
 * Writes the report for CI servers: JUnit XML with one suite per lane.  tests/junit.xsd is the
 * schema that such servers read.
 */
#define _GNU_SOURCE
#include <time.h>

#include "report.h"
#include "xml.h"

/* The sums in the attributes of a suite. */
struct sums {
	unsigned int tests;
	unsigned int failures;
	unsigned int skipped;
	json_int_t ms;
};

static struct sums sum_up(const struct results *res)
{
	const struct testcase *tc;
	struct sums sums = { };

	STAILQ_FOREACH(tc, &res->cases, next) {
		sums.tests++;
		sums.failures += tc->verdict == FAIL;
		sums.skipped += tc->verdict != PASS && tc->verdict != FAIL;
		sums.ms += tc->duration_ms;
	}
	return sums;
}

static const char *seconds(json_int_t ms)
{
	return format("%lld.%03lld", ms / 1000, ms % 1000);
}

static void property(struct document *doc, const char *name, const char *value)
{
	tag_open(doc, "property");
	attribute(doc, "name", name);
	attribute(doc, "value", value);
	tag_close(doc);
}

static void write_properties(struct document *doc, const struct results *res)
{
	tag_open(doc, "properties");
	property(doc, "kernel", res->kernel);
	property(doc, "cpu", res->cpu);
	if (*res->emulator)
		property(doc, "emulator", res->emulator);
	property(doc, "mmu", res->mmu);
	property(doc, "params", res->params);
	property(doc, "tsc_unit", res->unit);
	tag_close(doc);
}

/* Writes an element "failure", "skipped" or "error". */
static void write_problem(struct document *doc, const char *name, const char *message,
			  const char *details)
{
	tag_open(doc, name);
	attribute(doc, "message", message);
	text(doc, details);
	tag_close(doc);
}

static const char *klog_of(const struct testcase *tc)
{
	const char *lines = "";
	json_t *line;
	size_t i;

	json_array_foreach(tc->klog, i, line)
		lines = format("%s%s\n", lines, json_string_value(line));
	return lines;
}

static void write_case(struct document *doc, const struct testcase *tc)
{
	const char *log = json_string_value(json_object_get(tc->doc, "log"));

	tag_open(doc, "testcase");
	attribute(doc, "classname", tc->test);
	attribute(doc, "name", tc->name);
	attribute(doc, "time", seconds(tc->duration_ms));
	if (tc->verdict == FAIL)
		write_problem(doc, "failure", tc->reason, klog_of(tc));
	else if (tc->verdict != PASS)
		write_problem(doc, "skipped", tc->reason, "");
	if (tc->verdict == FAIL && log)
		element(doc, "system-out", NULL, log);
	tag_close(doc);
}

/* The early end of a file is not the failure of any case, so it has a case of its own. */
static void write_end(struct document *doc, const struct results *res)
{
	tag_open(doc, "testcase");
	attribute(doc, "classname", "rootreport");
	attribute(doc, "name", "run finished");
	attribute(doc, "time", seconds(0));
	if (res->failure)
		write_problem(doc, "error", res->failure, "");
	tag_close(doc);
}

/* Readers refuse a whole file because of one invalid time. */
static bool is_time(const char *text)
{
	struct tm tm;
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	return end && !*end;
}

static void write_suite(struct document *doc, const struct results *res)
{
	struct sums sums = sum_up(res);
	const struct testcase *tc;

	tag_open(doc, "testsuite");
	attribute(doc, "name", format("%s/%s", res->bed, res->lane));
	attribute(doc, "tests", format("%u", sums.tests + 1));
	attribute(doc, "failures", format("%u", sums.failures));
	attribute(doc, "errors", res->failure ? "1" : "0");
	attribute(doc, "skipped", format("%u", sums.skipped));
	attribute(doc, "time", seconds(sums.ms));
	if (is_time(res->start))
		attribute(doc, "timestamp", res->start);
	write_properties(doc, res);
	STAILQ_FOREACH(tc, &res->cases, next)
		write_case(doc, tc);
	write_end(doc, res);
	tag_close(doc);
}

/**
 * write_junit() - Write the report as JUnit XML
 * @rep: the report, reconciled
 *
 * Return: 0, or -1 after a complaint.
 */
int write_junit(const struct report *rep)
{
	const struct results *res;
	struct document doc;

	document_begin(&doc);
	xmlTextWriterSetIndent(doc.w, 1);
	xmlTextWriterStartDocument(doc.w, NULL, NULL, NULL);
	tag_open(&doc, "testsuites");
	attribute(&doc, "name", rep->title ?: "kvm-mmu-roots");
	STAILQ_FOREACH(res, &rep->files, next)
		write_suite(&doc, res);
	tag_close(&doc);
	xmlTextWriterEndDocument(doc.w);
	return document_end(&doc, rep->junit);
}
