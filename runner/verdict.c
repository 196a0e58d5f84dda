// SPDX-License-Identifier: GPL-2.0
/*
 * Derives the verdict of a case from what the test printed and how it ended.
 *
 * A test has failed unless it proves otherwise: by its exit status and, for the kselftest
 * harness, also by the result line of the one case that was run.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "rootrun.h"

#define DATA_PREFIX	"#@ "
#define COUNTER_PREFIX	"#= "
#define REASON_PREFIX	"#! "
/* The selftest library prints this at its start. */
#define SEED_PREFIX	"Random seed: "
#define SKIP_MARK	"# SKIP"
#define ASSERT_MARK	"==== Test Assertion Failure ===="
#define HARNESS_TIMEOUT	": Test terminated by timeout"
/* The harness prints this if a skipped case gave no reason. */
#define NO_REASON	"unknown"
/* rootrun's own reason if the test gave none. */
#define NO_REASON_GIVEN	"no reason given, see the log"

/**
 * verdict_fail() - Turn a verdict into a failure, or add to its reasons
 * @v: the verdict
 * @fmt: printf()-style reason
 */
void verdict_fail(struct verdict *v, const char *fmt, ...)
{
	size_t len;
	va_list ap;

	if (strcmp(v->status, "fail"))
		v->reason[0] = '\0';
	v->status = "fail";

	len = strlen(v->reason);
	if (len)
		len += snprintf(v->reason + len, sizeof(v->reason) - len, "; ");
	if (len >= sizeof(v->reason))
		return;
	va_start(ap, fmt);
	vsnprintf(v->reason + len, sizeof(v->reason) - len, fmt, ap);
	va_end(ap);
}

/* Returns the next key of "key=value key=value"; @value is NULL for a word without '='. */
static char *next_pair(char *line, char **save, char **value)
{
	char *word = strtok_r(line, " \r", save);

	*value = word ? strchr(word, '=') : NULL;
	if (*value)
		*(*value)++ = '\0';
	return word;
}

/* A number has only digits, and fits into json_int_t. */
static bool is_number(const char *value, json_int_t *number)
{
	char *end;

	errno = 0;
	*number = strtoll(value, &end, 10);
	return isdigit((unsigned char)*value) && !*end && !errno;
}

static void add_data(json_t *data, char *line)
{
	json_t *object = json_object();
	char *word, *value, *save = NULL;
	json_int_t number;

	for (word = next_pair(line, &save, &value); word; word = next_pair(NULL, &save, &value)) {
		if (value)
			json_object_set_new(object, word, is_number(value, &number) ?
					    json_integer(number) : text_json(value));
	}
	json_array_append_new(data, object);
}

/* A case may have several VMs, each with counters of its own: add them up. */
static void add_counters(json_t *counters, char *line)
{
	char *word, *value, *save = NULL;
	json_int_t number, sum;

	for (word = next_pair(line, &save, &value); word; word = next_pair(NULL, &save, &value)) {
		if (!value || !is_number(value, &number))
			continue;
		sum = json_integer_value(json_object_get(counters, word));
		if (!__builtin_add_overflow(sum, number, &sum))
			json_object_set_new(counters, word, json_integer(sum));
	}
}

/**
 * struct lines - What the lines of an output say
 * @ok: the result line of the harness says: passed or skipped
 * @not_ok: the result line of the harness says: failed
 * @skip: the test says that it was skipped
 * @skip_reason: why the test was skipped; empty if it does not say
 * @after_assert: lines since an assertion of the selftest library failed; -1: none failed
 * @where: the first of these lines: the place of the assertion
 * @assertion: the last of these lines: what the assertion is about
 */
struct lines {
	bool ok;
	bool not_ok;
	bool skip;
	char skip_reason[512];
	int after_assert;
	char where[256];
	char assertion[512];
};

static void note_skip(struct lines *l, const char *mark)
{
	const char *reason = mark + strlen(SKIP_MARK);

	while (*reason == ' ' || *reason == '-')
		reason++;
	l->skip = true;
	if (!l->skip_reason[0] && strcmp(reason, NO_REASON))
		snprintf(l->skip_reason, sizeof(l->skip_reason), "%s", reason);
}

/* The lines of an assertion end with the harness's next line, which begins with '#'. */
static void note_assertion(struct lines *l, const char *line)
{
	while (isspace((unsigned char)*line))
		line++;
	if (l->after_assert++ == 0)
		snprintf(l->where, sizeof(l->where), "%s", line);
	else if (line[0] == '#')
		l->after_assert = -1;
	else
		snprintf(l->assertion, sizeof(l->assertion), "%s", line);
}

static void read_line(struct lines *l, char *line, struct verdict *v)
{
	char *skip = strstr(line, SKIP_MARK);

	if (!strncmp(line, DATA_PREFIX, strlen(DATA_PREFIX)))
		add_data(v->data, line + strlen(DATA_PREFIX));
	else if (!strncmp(line, COUNTER_PREFIX, strlen(COUNTER_PREFIX)))
		add_counters(v->counters, line + strlen(COUNTER_PREFIX));
	else if (!strncmp(line, SEED_PREFIX, strlen(SEED_PREFIX)) && !v->seed[0])
		snprintf(v->seed, sizeof(v->seed), "%s", line + strlen(SEED_PREFIX));
	else if (!strncmp(line, REASON_PREFIX, strlen(REASON_PREFIX)))
		verdict_fail(v, "%s", line + strlen(REASON_PREFIX));
	else if (!strcmp(line, ASSERT_MARK))
		l->after_assert = 0;
	else if (l->after_assert >= 0)
		note_assertion(l, line);

	if (skip && (!strncmp(line, "ok ", 3) || !strncmp(line, "1..0", 4)))
		note_skip(l, skip);
	/* The deadline of the harness is shorter than rootrun's. */
	if (line[0] == '#' && strstr(line, HARNESS_TIMEOUT))
		verdict_fail(v, "hung: no progress, killed by the harness");
	if (!strncmp(line, "ok 1 ", 5))
		l->ok = true;
	if (!strncmp(line, "not ok 1 ", 9))
		l->not_ok = true;
}

static void judge_end(const struct ending *end, unsigned int timeout_s,
		      struct verdict *v)
{
	if (end->flooded)
		verdict_fail(v, "flooded its output: killed after %lu MiB", OUTPUT_MAX >> 20);
	else if (end->timed_out)
		verdict_fail(v, "hung: killed after %u s", timeout_s);
	else if (WIFSIGNALED(end->status))
		verdict_fail(v, "crashed: %s", strsignal(WTERMSIG(end->status)));
}

static void judge_failure(const struct lines *l, const struct ending *end,
			  struct verdict *v)
{
	/* The reason may only say that a process failed, and the assertion why. */
	if (l->where[0])
		verdict_fail(v, "%s (%s)", l->assertion, l->where);
	if (v->reason[0])
		return;
	if (l->not_ok)
		verdict_fail(v, NO_REASON_GIVEN);
	else
		verdict_fail(v, "exit status %d", WEXITSTATUS(end->status));
}

static void judge_skip(const struct lines *l, struct verdict *v)
{
	/* Without fixes/0016, test_assert() skips if errno is EACCES when an assertion fails. */
	if (!l->skip_reason[0])
		verdict_fail(v, "skipped without saying what is missing%s%s",
			     l->assertion[0] ? ": " : "", l->assertion);
	if (!strcmp(v->status, "fail"))
		return;

	v->status = "skip";
	snprintf(v->reason, sizeof(v->reason), "%s", l->skip_reason);
}

/**
 * verdict_of() - Judge a case
 * @text: what the test printed
 * @end: how the test ended
 * @harness: it was one case of a test that uses the kselftest harness
 * @timeout_s: the deadline of the case, in seconds
 * @v: the verdict; the caller frees its data and counters
 */
void verdict_of(const char *text, const struct ending *end, bool harness,
		unsigned int timeout_s, struct verdict *v)
{
	struct lines l = { .after_assert = -1 };
	char *copy = strdup(text), *line, *save = NULL;
	int code;

	memset(v, 0, sizeof(*v));
	v->status = "pass";
	v->data = json_array();
	v->counters = json_object();
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		read_line(&l, line, v);
	free(copy);

	judge_end(end, timeout_s, v);
	code = WIFEXITED(end->status) ? WEXITSTATUS(end->status) : KSFT_FAIL;

	if (l.not_ok || (code != KSFT_PASS && code != KSFT_SKIP))
		judge_failure(&l, end, v);
	/* The selftest library may end the program before the harness begins. */
	else if (harness && !l.ok && !(l.skip && code == KSFT_SKIP))
		verdict_fail(v, "no such case, or no result line");
	else if (l.skip || code == KSFT_SKIP)
		judge_skip(&l, v);
	if (strcmp(v->status, "pass") && !v->reason[0])
		snprintf(v->reason, sizeof(v->reason), NO_REASON_GIVEN);
}
