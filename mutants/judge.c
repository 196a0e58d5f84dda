// SPDX-License-Identifier: GPL-2.0
/*
 * judge - whether each mutant was killed, and for its own reason
 *
 * A mutant is a kernel patch whose changelog lists the test cases that must turn
 * red, and why:
 *
 *   Red: TEST CASE REASON
 *
 * TEST and CASE are fnmatch() patterns, REASON an extended regular expression.
 * A mutant is killed if each case that matches a line is red for its reason, and
 * nothing else is red: a case that is red for another reason has not understood
 * the bug, and one that is not listed has not been understood.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <libgen.h>
#include <regex.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define __printf(a, b)	__attribute__((__format__(printf, a, b)))

#define RED_TAG		"Red: "
#define MAX_TESTS	16
#define MAX_REDS	32
#define EXIT_USAGE	2

struct red {
	char test[128];
	char name[256];
	char reason[512];
	regex_t regex;
	unsigned int nr_matched;
};

struct column {
	char *test;
	unsigned int nr_cases;
	unsigned int nr_red;
};

struct mutant {
	char *name;
	struct red reds[MAX_REDS];
	int nr_reds;
	struct column columns[MAX_TESTS];
	int nr_columns;
	bool ended;
	unsigned int nr_wrong;
	char why[2048];
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "judge: %s: %s\n", what, why);
	exit(EXIT_USAGE);
}

static void __printf(2, 3) wrong(struct mutant *m, const char *fmt, ...)
{
	size_t len = strlen(m->why);
	va_list ap;

	m->nr_wrong++;
	va_start(ap, fmt);
	len += snprintf(m->why + len, sizeof(m->why) - len, "\n    ");
	if (len < sizeof(m->why))
		vsnprintf(m->why + len, sizeof(m->why) - len, fmt, ap);
	va_end(ap);
}

static void add_red(struct mutant *m, const char *path, const char *line)
{
	struct red *red = &m->reds[m->nr_reds++];

	if (m->nr_reds > MAX_REDS)
		die(path, "too many lines Red:");
	if (sscanf(line, "%127s %255s %511[^\n]", red->test, red->name, red->reason) != 3)
		die(path, "a line Red: needs a test, a case and a reason");
	if (regcomp(&red->regex, red->reason, REG_EXTENDED | REG_NOSUB))
		die(path, "a line Red: has a bad regular expression");
}

static void read_patch(struct mutant *m, char *path)
{
	FILE *f = fopen(path, "r");
	char line[1024];

	if (!f)
		die(path, strerror(errno));
	while (fgets(line, sizeof(line), f) && strncmp(line, "diff --git", 10))
		if (!strncmp(line, RED_TAG, strlen(RED_TAG)))
			add_red(m, path, line + strlen(RED_TAG));
	fclose(f);
	if (!m->nr_reds)
		die(path, "no line Red: which test cases must catch it?");

	m->name = strdup(basename(path));
	m->name[strcspn(m->name, ".")] = '\0';
}

static struct column *find_column(struct mutant *m, const char *test)
{
	int i;

	for (i = 0; i < m->nr_columns; i++)
		if (!strcmp(m->columns[i].test, test))
			return &m->columns[i];
	if (i == MAX_TESTS)
		die(m->name, "too many tests");
	m->columns[i].test = strdup(test);
	m->nr_columns++;
	return &m->columns[i];
}

static void judge_case(struct mutant *m, const char *test, const char *name,
		       bool is_red, const char *reason)
{
	bool listed = false, for_its_reason = false;
	struct red *red;

	for (red = m->reds; red < &m->reds[m->nr_reds]; red++) {
		if (fnmatch(red->test, test, 0) || fnmatch(red->name, name, 0))
			continue;
		listed = true;
		red->nr_matched++;
		for_its_reason |= is_red && !regexec(&red->regex, reason, 0, NULL, 0);
	}

	if (listed && !is_red)
		wrong(m, "should be red, but passed: %s %s", test, name);
	else if (listed && !for_its_reason)
		wrong(m, "red for another reason: %s %s: %s", test, name, reason);
	else if (!listed && is_red)
		wrong(m, "red, but not listed: %s %s: %s", test, name, reason);
}

static void read_line(struct mutant *m, const char *path, json_t *line)
{
	const char *type = "", *test = "", *name = "", *status = "", *reason = "";
	struct column *column;
	bool is_red;

	json_unpack(line, "{s:s, s?s, s?s, s?s, s?s}", "type", &type, "test", &test,
		    "case", &name, "status", &status, "reason", &reason);
	m->ended |= !strcmp(type, "end");
	if (strcmp(type, "case"))
		return;
	if (!*test || !*name || !*status)
		die(path, "a case without test, case or status");

	column = find_column(m, test);
	is_red = strcmp(status, "pass");
	column->nr_cases++;
	column->nr_red += is_red;
	judge_case(m, test, name, is_red, reason);
}

static void read_results(struct mutant *m, const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	json_t *line;

	while (f && getline(&text, &size, f) > 0) {
		line = json_loads(text, 0, NULL);
		/* A bed that died leaves half a line; that it died is said below. */
		if (line)
			read_line(m, path, line);
		json_decref(line);
	}
	free(text);
	if (f)
		fclose(f);
}

static void judge(struct mutant *m)
{
	struct red *red;

	if (!m->ended)
		wrong(m, "could not be built, or the bed died: that is no kill");
	for (red = m->reds; m->ended && red < &m->reds[m->nr_reds]; red++)
		if (!red->nr_matched)
			wrong(m, "no such case: %s %s", red->test, red->name);
}

static void print_cells(const struct mutant *m, const struct mutant *header)
{
	const struct column *column;
	char cell[32];
	int i, j;

	for (i = 0; i < header->nr_columns; i++) {
		snprintf(cell, sizeof(cell), "-");
		for (j = 0; j < m->nr_columns; j++) {
			column = &m->columns[j];
			if (!strcmp(column->test, header->columns[i].test))
				snprintf(cell, sizeof(cell), "%u/%u", column->nr_red,
					 column->nr_cases);
		}
		printf("  %*s", (int)strlen(header->columns[i].test), cell);
	}
}

/* The one that saw the most tests names the columns. */
static const struct mutant *widest(const struct mutant *mutants, int nr)
{
	const struct mutant *best = mutants;
	int i;

	for (i = 1; i < nr; i++)
		if (mutants[i].nr_columns > best->nr_columns)
			best = &mutants[i];
	return best;
}

static int print_matrix(const struct mutant *mutants, int nr)
{
	const struct mutant *header = widest(mutants, nr);
	int i, survived = 0, width = strlen("mutant");

	for (i = 0; i < nr; i++)
		if ((int)strlen(mutants[i].name) > width)
			width = strlen(mutants[i].name);

	printf("%-*s", width, "mutant");
	for (i = 0; i < header->nr_columns; i++)
		printf("  %s", header->columns[i].test);
	printf("  verdict\n");

	for (i = 0; i < nr; i++) {
		printf("%-*s", width, mutants[i].name);
		print_cells(&mutants[i], header);
		printf("  %s%s\n", mutants[i].nr_wrong ? "SURVIVED" : "killed", mutants[i].why);
		survived += !!mutants[i].nr_wrong;
	}
	printf("\n%d mutants: %d killed, %d survived\n", nr, nr - survived, survived);
	return survived;
}

static int print_tap(struct mutant *mutants, int nr)
{
	int i, survived = 0;
	char *p;

	printf("1..%d\n", nr);
	for (i = 0; i < nr; i++) {
		printf("%sok %d - mutant %s is killed\n", mutants[i].nr_wrong ? "not " : "",
		       i + 1, mutants[i].name);
		for (p = mutants[i].why; (p = strchr(p, '\n')); p++)
			*p = '#';
		if (mutants[i].nr_wrong)
			printf("%s\n", mutants[i].why);
		survived += !!mutants[i].nr_wrong;
	}
	return survived;
}

int main(int argc, char **argv)
{
	bool tap = argc > 1 && !strcmp(argv[1], "--tap");
	int i, nr = (argc - 1 - tap) / 2;
	struct mutant *mutants;

	if (!nr || (argc - 1 - tap) % 2 || !strcmp(argv[1], "--help")) {
		fprintf(stderr,
			"usage: judge [--tap] {PATCH RESULTS}...\n"
			"Prints the matrix of mutants and tests.\n"
			"Exit status: 0 all killed, 1 a survivor, 2 bad usage.\n");
		return argc > 1 && !strcmp(argv[1], "--help") ? 0 : EXIT_USAGE;
	}

	mutants = calloc(nr, sizeof(*mutants));
	for (i = 0; i < nr; i++) {
		read_patch(&mutants[i], argv[1 + tap + 2 * i]);
		read_results(&mutants[i], argv[2 + tap + 2 * i]);
		judge(&mutants[i]);
	}
	return (tap ? print_tap(mutants, nr) : print_matrix(mutants, nr)) ? 1 : 0;
}
