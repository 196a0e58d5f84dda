// SPDX-License-Identifier: GPL-2.0
/*
 * judge - whether each mutant was killed, and for its own reason
 *
 * A mutant is a kernel patch whose changelog lists the test cases that must turn
 * red, and why:
 *
 *   Lanes: suite shadow
 *   Tests: reuse mode
 *   Red: TEST CASE REASON
 *   Red: [shadow] TEST CASE REASON
 *   Also: TEST CASE REASON
 *
 * TEST and CASE are fnmatch() patterns, REASON an extended regular expression.
 * The line holds in all lanes of the mutant, or in the one in brackets; without
 * Lanes: there is one, suite.  A mutant is killed if in each lane each line has a
 * case that matches it, each of these is red for its reason, and nothing else is
 * red: a case that is red for another reason has not understood the bug, and one
 * that is not listed has not been understood.  Where a bug shows in so many cases
 * that who catches it first is chance, lines Also: list those that may be red, for
 * a reason that is just as well understood.
 *
 * A case may not apply as the bed's emulator has a known fault.  A mutant that no other
 * case can catch is hidden by that fault: neither killed nor a survivor.
 *
 * With Tests:, only mmu_root_NAME_test of the names given are run.
 *
 * Lanes upstream, upstream-legacy and upstream-shadow have the kernel's own tests, of which nothing
 * is demanded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
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
#define ALSO_TAG	"Also: "
#define LANES_TAG	"Lanes: "
#define DEFAULT_LANE	"suite"
#define UPSTREAM_LANE	"upstream"
#define INAPPLICABLE	"not applicable: "
/* Of a case that does not apply, see mmu_roots_require_no_fault(). */
#define KNOWN_FAULT	"known fault "
#define MAX_LANES	8
#define MAX_TESTS	64
#define MAX_REDS	64
#define EXIT_USAGE	2

struct red {
	bool optional;
	char lane[32];
	char test[128];
	char name[256];
	char reason[512];
	regex_t regex;
	unsigned int nr_matched[MAX_LANES];
	bool hidden[MAX_LANES];
};

struct lane {
	char *name;
	bool ended;
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
	struct lane lanes[MAX_LANES];
	int nr_lanes;
	unsigned int nr_wrong;
	unsigned int nr_caught;
	char fault[64];
	/* Of the lane whose results are being read: what tells it from lane upstream. */
	char upstream_kind[32];
	unsigned int nr_upstream_ended;
	unsigned int nr_incomplete;
	char noticed[2048];
	char why[2048];
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "judge: %s: %s\n", what, why);
	exit(EXIT_USAGE);
}

/* What does not fit is cut off. */
static void __printf(3, 4) append(char *buf, size_t size, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
}

static void __printf(2, 3) wrong(struct mutant *m, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	m->nr_wrong++;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	append(m->why, sizeof(m->why), "\n    %s", line);
}

static int find_lane(const struct mutant *m, const char *name)
{
	int i;

	for (i = 0; i < m->nr_lanes; i++)
		if (!strcmp(m->lanes[i].name, name))
			return i;
	return -1;
}

static void add_lanes(struct mutant *m, const char *path, char *words)
{
	char *name, *save = NULL;

	for (name = strtok_r(words, "\n ", &save); name; name = strtok_r(NULL, "\n ", &save)) {
		if (m->nr_lanes == MAX_LANES)
			die(path, "too many lanes");
		m->lanes[m->nr_lanes++].name = strdup(name);
	}
}

static void add_red(struct mutant *m, const char *path, const char *line, bool optional)
{
	struct red *red = &m->reds[m->nr_reds++];
	int len = 0;

	if (m->nr_reds > MAX_REDS)
		die(path, "too many lines Red: and Also:");
	red->optional = optional;
	if (sscanf(line, "[%31[^]]]%n", red->lane, &len) == 1 && !len)
		die(path, "a line Red: or Also: has a bracket that is not closed");
	if (sscanf(line + len, "%127s %255s %511[^\n]", red->test, red->name, red->reason) != 3)
		die(path, "a line Red: or Also: needs a test, a case and a reason");
	if (regcomp(&red->regex, red->reason, REG_EXTENDED | REG_NOSUB))
		die(path, "a line Red: or Also: has a bad regular expression");
}

static void check_changelog(const struct mutant *m, const char *path)
{
	const struct red *red;
	bool required = false;

	for (red = m->reds; red < &m->reds[m->nr_reds]; red++) {
		required |= !red->optional;
		if (red->lane[0] && find_lane(m, red->lane) < 0)
			die(path, "a line Red: or Also: has a lane that is not among its Lanes:");
	}
	if (!required)
		die(path, "no line Red: which test cases must catch it?");
}

static void read_patch(struct mutant *m, char *path)
{
	char default_lane[] = DEFAULT_LANE;
	FILE *f = fopen(path, "r");
	char line[1024];

	if (!f)
		die(path, strerror(errno));
	while (fgets(line, sizeof(line), f) && strncmp(line, "diff --git", 10)) {
		if (!strncmp(line, RED_TAG, strlen(RED_TAG)))
			add_red(m, path, line + strlen(RED_TAG), false);
		else if (!strncmp(line, ALSO_TAG, strlen(ALSO_TAG)))
			add_red(m, path, line + strlen(ALSO_TAG), true);
		else if (!strncmp(line, LANES_TAG, strlen(LANES_TAG)))
			add_lanes(m, path, line + strlen(LANES_TAG));
	}
	fclose(f);
	if (!m->nr_lanes)
		add_lanes(m, path, default_lane);
	check_changelog(m, path);

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

static void judge_case(struct mutant *m, int lane, const char *test, const char *name,
		       bool is_red, const char *reason)
{
	const char *where = m->lanes[lane].name;
	bool listed = false, for_its_reason = false;
	struct red *red;

	for (red = m->reds; red < &m->reds[m->nr_reds]; red++) {
		if ((red->lane[0] && strcmp(red->lane, where)) ||
		    fnmatch(red->test, test, 0) || fnmatch(red->name, name, 0))
			continue;
		listed |= !red->optional;
		red->nr_matched[lane]++;
		for_its_reason |= is_red && !regexec(&red->regex, reason, 0, NULL, 0);
	}

	if (listed && !is_red)
		wrong(m, "[%s] should be red, but passed: %s %s", where, test, name);
	else if (listed && !for_its_reason)
		wrong(m, "[%s] red for another reason: %s %s: %s", where, test, name, reason);
	else if (!listed && is_red && !for_its_reason)
		wrong(m, "[%s] red, but not listed: %s %s: %s", where, test, name, reason);
}

/* Such a case cannot turn red here, whatever the mutant does. */
static void hide_case(struct mutant *m, int lane, const char *test, const char *name,
		      const char *fault)
{
	const char *where = m->lanes[lane].name;
	struct red *red;

	for (red = m->reds; red < &m->reds[m->nr_reds]; red++) {
		if ((red->lane[0] && strcmp(red->lane, where)) ||
		    fnmatch(red->test, test, 0) || fnmatch(red->name, name, 0))
			continue;
		red->hidden[lane] = true;
		snprintf(m->fault, sizeof(m->fault), "%s", fault);
	}
}

static void read_case(struct mutant *m, const char *path, int lane, json_t *line)
{
	const char *test = "", *name = "", *status = "", *reason = "";
	struct column *column;
	bool is_red;

	json_unpack(line, "{s?s, s?s, s?s, s?s}", "test", &test, "case", &name,
		    "status", &status, "reason", &reason);
	if (!*test || !*name || !*status)
		die(path, "a case without test, case or status");
	is_red = strcmp(status, "pass");
	if (lane < 0) {
		if (is_red)
			append(m->noticed, sizeof(m->noticed), " %s%s", test, m->upstream_kind);
		return;
	}
	/* Neither red nor green, and nothing to demand. */
	if (!strcmp(status, "known"))
		return;
	if (!strcmp(status, "skip") && !strncmp(reason, INAPPLICABLE, strlen(INAPPLICABLE))) {
		reason = strstr(reason, KNOWN_FAULT);
		if (reason)
			hide_case(m, lane, test, name, reason + strlen(KNOWN_FAULT));
		return;
	}

	column = find_column(m, test);
	column->nr_cases++;
	column->nr_red += is_red;
	judge_case(m, lane, test, name, is_red, reason);
}

/* The number of the lane, or -1 for those that are not judged. */
static int lane_of(struct mutant *m, const char *path, json_t *run)
{
	const char *name = json_string_value(json_object_get(run, "lane"));
	int lane = name ? find_lane(m, name) : -1;

	if (lane >= 0)
		return lane;
	if (!name || strncmp(name, UPSTREAM_LANE, strlen(UPSTREAM_LANE)))
		die(path, "not of a lane of this mutant");
	snprintf(m->upstream_kind, sizeof(m->upstream_kind), "%s", name + strlen(UPSTREAM_LANE));
	return lane;
}

/* Whether it is the line that ends the results. */
static bool read_line(struct mutant *m, const char *path, int *lane, json_t *line)
{
	const char *type = json_string_value(json_object_get(line, "type"));

	if (!type)
		return false;
	if (!strcmp(type, "run"))
		*lane = lane_of(m, path, line);
	else if (!strcmp(type, "case"))
		read_case(m, path, *lane, line);
	else if (!strcmp(type, "end") && *lane < 0)
		m->nr_upstream_ended++;
	else if (!strcmp(type, "end"))
		m->lanes[*lane].ended = true;
	return !strcmp(type, "end");
}

static void read_results(struct mutant *m, const char *path)
{
	FILE *f = fopen(path, "r");
	bool ended = false;
	char *text = NULL;
	size_t size = 0;
	json_t *line;
	int lane = -1;

	while (f && getline(&text, &size, f) > 0) {
		line = json_loads(text, 0, NULL);
		/* A bed that died leaves half a line; that it died is said below. */
		if (line)
			ended |= read_line(m, path, &lane, line);
		json_decref(line);
	}
	m->nr_incomplete += !ended;
	free(text);
	if (f)
		fclose(f);
}

static void judge_lane(struct mutant *m, int lane)
{
	const char *where = m->lanes[lane].name;
	struct red *red;

	if (!m->lanes[lane].ended) {
		wrong(m, "[%s] could not be built, or the bed died: that is no kill", where);
		return;
	}
	for (red = m->reds; red < &m->reds[m->nr_reds]; red++) {
		if (red->optional || (red->lane[0] && strcmp(red->lane, where)))
			continue;
		m->nr_caught += !!red->nr_matched[lane];
		if (!red->nr_matched[lane] && !red->hidden[lane])
			wrong(m, "[%s] no such case: %s %s", where, red->test, red->name);
	}
}

static void judge(struct mutant *m)
{
	int i;

	for (i = 0; i < m->nr_lanes; i++)
		judge_lane(m, i);
}

static bool is_hidden(const struct mutant *m)
{
	return !m->nr_wrong && !m->nr_caught;
}

static void print_verdict(const struct mutant *m)
{
	if (is_hidden(m))
		printf("  hidden by known fault %s\n", m->fault);
	else
		printf("  %s%s\n", m->nr_wrong ? "SURVIVED" : "killed", m->why);
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

/* Mutants may be for some tests only: the header has all that any of them saw. */
static struct mutant *all_columns(const struct mutant *mutants, int nr)
{
	static struct mutant all = { .name = "all mutants" };
	int i, j;

	for (i = 0; i < nr; i++)
		for (j = 0; j < mutants[i].nr_columns; j++)
			find_column(&all, mutants[i].columns[j].test);
	return &all;
}

static int print_matrix(const struct mutant *mutants, int nr)
{
	const struct mutant *header = all_columns(mutants, nr);
	int i, survived = 0, hidden = 0, width = strlen("mutant");

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
		print_verdict(&mutants[i]);
		survived += !!mutants[i].nr_wrong;
		hidden += is_hidden(&mutants[i]);
	}
	printf("\n%d mutants: %d killed, %d survived", nr, nr - survived - hidden, survived);
	if (hidden)
		printf(", %d hidden by known faults", hidden);
	printf("\n");
	return survived;
}

static int print_tap(struct mutant *mutants, int nr)
{
	int i, survived = 0;
	char *p;

	printf("1..%d\n", nr);
	for (i = 0; i < nr; i++) {
		printf("%sok %d - mutant %s is killed", mutants[i].nr_wrong ? "not " : "",
		       i + 1, mutants[i].name);
		if (is_hidden(&mutants[i]))
			printf(" # SKIP known fault %s", mutants[i].fault);
		printf("\n");
		for (p = mutants[i].why; (p = strchr(p, '\n')); p++)
			*p = '#';
		if (mutants[i].nr_wrong)
			printf("%s\n", mutants[i].why);
		survived += !!mutants[i].nr_wrong;
	}
	return survived;
}

static const char *seen_upstream(const struct mutant *m)
{
	if (!m->nr_upstream_ended || m->nr_incomplete)
		return " the bed died";
	return m->noticed[0] ? m->noticed : " none";
}

/* Beside what our tests see of a mutant, what the kernel's own see of it. */
static int print_upstream(const struct mutant *mutants, int nr)
{
	unsigned int red, cases;
	int i, j, failed = 0;

	printf("| mutant | red cases of ours | upstream tests that fail |\n|---|---|---|\n");
	for (i = 0; i < nr; i++) {
		red = 0;
		cases = 0;
		for (j = 0; j < mutants[i].nr_columns; j++) {
			red += mutants[i].columns[j].nr_red;
			cases += mutants[i].columns[j].nr_cases;
		}
		printf("| `%s` | %u of %u |%s |\n", mutants[i].name, red, cases,
		       seen_upstream(&mutants[i]));
		failed += !!mutants[i].nr_wrong;
	}
	return failed;
}

static void print_lanes(const struct mutant *m)
{
	int i;

	for (i = 0; i < m->nr_lanes; i++)
		printf("%s%c", m->lanes[i].name, i == m->nr_lanes - 1 ? '\n' : ' ');
}

/* Forgets all lanes but one. */
static void keep_lane(struct mutant *m, const char *name)
{
	int i = find_lane(m, name), j;

	if (i < 0)
		die(name, "not a lane of this mutant");
	m->lanes[0] = m->lanes[i];
	m->nr_lanes = 1;
	for (i = 0, j = 0; i < m->nr_reds; i++)
		if (!m->reds[i].lane[0] || !strcmp(m->reds[i].lane, name))
			m->reds[j++] = m->reds[i];
	m->nr_reds = j;
}

/* Whether a line of standard input, "TEST CASE", is one that the mutant must turn red. */
static bool turns_red(const struct mutant *m)
{
	char line[512], test[128], name[256];
	const struct red *red;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%127s %255s", test, name) != 2)
			continue;
		for (red = m->reds; red < &m->reds[m->nr_reds]; red++)
			if (!red->optional && !fnmatch(red->test, test, 0) &&
			    !fnmatch(red->name, name, 0))
				return true;
	}
	return false;
}

static bool is_patch(const char *path)
{
	size_t len = strlen(path);

	return len > 6 && !strcmp(path + len - 6, ".patch");
}

static void print_help(FILE *out)
{
	fputs("usage: judge [--tap | --upstream] {PATCH RESULTS...}...\n"
	      "       judge --lane LANE PATCH RESULTS\n"
	      "       judge --lanes PATCH\n"
	      "       judge --reds PATCH <CASES\n"
	      "Prints the matrix of mutants and tests; of one lane, what is wrong there; or\n"
	      "in which lanes a mutant is to be run; or tells whether it has to turn one of\n"
	      "CASES red, lines 'TEST CASE'.\n"
	      "Exit status: 0 all killed, or one of CASES; 1 a survivor, or none of CASES;\n"
	      "2 bad usage.\n", out);
}

static const char *parse_options(int argc, char **argv, const char **lane)
{
	static const struct option longs[] = {
		{ "tap", no_argument, NULL, 't' },
		{ "upstream", no_argument, NULL, 'u' },
		{ "lanes", no_argument, NULL, 's' },
		{ "reds", no_argument, NULL, 'r' },
		{ "lane", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static char mode[2];
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'h' || c == '?') {
			print_help(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : EXIT_USAGE);
		}
		mode[0] = c;
		if (c == 'l')
			*lane = optarg;
	}
	if (optind == argc || !is_patch(argv[optind])) {
		print_help(stderr);
		exit(EXIT_USAGE);
	}
	return mode;
}

/**
 * main() - Judge mutants by the results of their lanes
 * @argc: number of arguments
 * @argv: the arguments
 *
 * Return: 0 if all were killed, 1 if one survived, 2 on bad usage.
 */
int main(int argc, char **argv)
{
	const char *only_lane = NULL, *mode = parse_options(argc, argv, &only_lane);
	struct mutant *mutants = calloc(argc, sizeof(*mutants)), *m = NULL;
	int i, nr = 0;

	for (i = optind; i < argc; i++) {
		if (is_patch(argv[i])) {
			m = &mutants[nr++];
			read_patch(m, argv[i]);
			if (only_lane)
				keep_lane(m, only_lane);
		} else {
			read_results(m, argv[i]);
		}
	}
	if (*mode == 's') {
		print_lanes(mutants);
		return 0;
	}
	if (*mode == 'r')
		return !turns_red(mutants);
	for (i = 0; i < nr; i++)
		judge(&mutants[i]);
	if (only_lane && mutants->nr_wrong)
		printf("%s:%s\n", mutants->name, mutants->why);
	if (only_lane)
		return !!mutants->nr_wrong;
	if (*mode == 't')
		return !!print_tap(mutants, nr);
	return !!(*mode == 'u' ? print_upstream(mutants, nr) : print_matrix(mutants, nr));
}
