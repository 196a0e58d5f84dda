// SPDX-License-Identifier: GPL-2.0
/*
 * The command that runs again what failed, and nothing else.
 */
#define _GNU_SOURCE
#include <ctype.h>

#include "report.h"

/* The variables of the Makefile. */
#define BED_VARIABLE	"BED"
#define LANES_VARIABLE	"CONFIG"
#define FILTER_VARIABLE	"FILTER"

/* Nobody wants to paste more; then all of the lane is run. */
#define MAX_PATTERN	2000

struct command {
	STAILQ_ENTRY(command) next;
	const char *bed;
	const char *lanes;
	const char *pattern;
};

STAILQ_HEAD(commands, command);

/*
 * Fit for a shell's quotes, and for a pattern: what is no part of an ordinary name
 * is matched by any character.
 */
static const char *pattern_of(const char *name)
{
	char *copy = format("%s", name), *p;

	for (p = copy; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-+/=", *p))
			*p = '?';
	return copy;
}

/* Pattern of rootrun's --filter for what failed in a file; NULL for all of it. */
static const char *failed_cases(const struct results *res)
{
	const struct testcase *tc;
	const char *pattern = "";
	unsigned int nr = 0;

	STAILQ_FOREACH(tc, &res->cases, next) {
		if (tc->verdict != FAIL)
			continue;
		pattern = format("%s%s%s %s", pattern, nr++ ? "|" : "",
				 pattern_of(tc->test), pattern_of(tc->name));
		if (strlen(pattern) > MAX_PATTERN)
			return NULL;
	}
	/* What died may have been anything. */
	if (!nr || res->failure)
		return NULL;
	return nr == 1 ? pattern : format("@(%s)", pattern);
}

static bool same_pattern(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Lanes of a bed where the same cases failed share a command. */
static void add_command(struct commands *commands, const struct results *res)
{
	const char *pattern = failed_cases(res), *lane = pattern_of(res->lane);
	const char *bed = pattern_of(res->bed);
	struct command *command;

	STAILQ_FOREACH(command, commands, next) {
		if (strcmp(command->bed, bed) || !same_pattern(command->pattern, pattern))
			continue;
		command->lanes = format("%s %s", command->lanes, lane);
		return;
	}
	command = zalloc(sizeof(*command));
	command->bed = bed;
	command->lanes = lane;
	command->pattern = pattern;
	STAILQ_INSERT_TAIL(commands, command, next);
}

static bool has_failed(const struct results *res)
{
	const struct testcase *tc;

	STAILQ_FOREACH(tc, &res->cases, next)
		if (tc->verdict == FAIL)
			return true;
	return res->failure;
}

/**
 * rerun_command() - What to type to run again what failed
 * @rep: the report, reconciled
 *
 * Return: one line, empty if nothing failed.
 */
const char *rerun_command(const struct report *rep)
{
	struct commands commands = STAILQ_HEAD_INITIALIZER(commands);
	const struct results *res;
	struct command *command;
	const char *text = "";

	STAILQ_FOREACH(res, &rep->files, next)
		if (has_failed(res))
			add_command(&commands, res);
	STAILQ_FOREACH(command, &commands, next) {
		text = format("%s%s%s " BED_VARIABLE "='%s' " LANES_VARIABLE "='%s'", text,
			      *text ? "; " : "", rep->rerun, command->bed, command->lanes);
		if (command->pattern)
			text = format("%s " FILTER_VARIABLE "='%s'", text, command->pattern);
	}
	return text;
}
