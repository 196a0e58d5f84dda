// SPDX-License-Identifier: GPL-2.0
/*
 * Parses the list of cases that a test with the kselftest harness prints.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "rootrun.h"

/* Columns of "-l", see test_harness_list_tests() in kselftest_harness.h. */
#define VARIANT_COLUMN		21
#define TEST_COLUMN		47

/**
 * struct fixture - What "-l" says about one fixture
 *
 * The n-th row of a fixture has its n-th variant and its n-th test.  This does not mean that the
 * two belong together: the harness runs each test for each variant.
 */
struct fixture {
	char name[256];
	json_t *variants;
	json_t *tests;
};

static void column(const char *line, size_t from, size_t to, char *buf, size_t size)
{
	size_t len = strlen(line);

	buf[0] = '\0';
	if (from >= len)
		return;
	if (to > len)
		to = len;
	snprintf(buf, size, "%.*s", (int)(to - from), line + from);
	buf[strcspn(buf, " ")] = '\0';
}

static void add_cases(json_t *cases, struct fixture *f)
{
	json_t *variant, *test;
	char name[512];
	size_t i, j;

	if (!json_array_size(f->variants))
		json_array_append_new(f->variants, json_string(""));

	json_array_foreach(f->variants, i, variant) {
		json_array_foreach(f->tests, j, test) {
			const char *v = json_string_value(variant);

			snprintf(name, sizeof(name), "%s%s%s.%s", f->name,
				 v[0] ? "." : "", v, json_string_value(test));
			json_array_append_new(cases, text_json(name));
		}
	}
	json_decref(f->variants);
	json_decref(f->tests);
}

static void begin_fixture(struct fixture *f)
{
	f->name[0] = '\0';
	f->variants = json_array();
	f->tests = json_array();
}

/**
 * list_parse() - Read the list of cases that a test prints with "-l"
 * @text: what the test printed, from the line "# FIXTURE" on; list_parse() modifies it
 * @cases: array of strings; receives the cases, with their fixture and variant
 */
void list_parse(char *text, json_t *cases)
{
	char *line, *save = NULL, field[256];
	struct fixture f;

	begin_fixture(&f);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (line[0] == '#' || !strncmp(line, "----", 4)) {
			add_cases(cases, &f);
			begin_fixture(&f);
			/* A header precedes the first fixture, a line of dashes each other one. */
			continue;
		}
		column(line, 0, VARIANT_COLUMN - 1, field, sizeof(field));
		if (field[0] && !f.name[0])
			snprintf(f.name, sizeof(f.name), "%s", field);
		column(line, VARIANT_COLUMN, TEST_COLUMN - 1, field, sizeof(field));
		if (field[0])
			json_array_append_new(f.variants, text_json(field));
		column(line, TEST_COLUMN, -1, field, sizeof(field));
		if (field[0])
			json_array_append_new(f.tests, text_json(field));
	}
	add_cases(cases, &f);
}
