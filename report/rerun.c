// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the command that runs the failed cases again, and nothing else.
 */
#define _GNU_SOURCE
#include <ctype.h>

#include "report.h"

/* Variables of the Makefile. */
#define BED_VARIABLE	"BED"
#define LANES_VARIABLE	"CONFIG"
#define FILTER_VARIABLE	"FILTER"

/* A longer pattern is too long to paste: the command then runs the whole lane. */
#define MAX_PATTERN	2000

struct command {
	STAILQ_ENTRY(command) next;
	const char *bed;
	const char *lanes;
	const char *pattern;
};

STAILQ_HEAD(commands, command);

/*
 * Makes a name safe for a shell's quotes and for a pattern: '?', which matches any character,
 * replaces each character that is not part of ordinary names.
 */
static const char *pattern_of(const char *name)
{
	char *copy = format("%s", name), *p;

	for (p = copy; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-+/=", *p))
			*p = '?';
	return copy;
}

/* Returns the pattern for rootrun's --filter of the cases that failed; NULL for all cases. */
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
	/* If the bed died, any case may be the cause. */
	if (!nr || res->failure)
		return NULL;
	return nr == 1 ? pattern : format("@(%s)", pattern);
}

static bool same_pattern(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Lanes of a bed share a command if the same cases failed in them. */
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
 * rerun_command() - Make the command that runs again what failed
 * @rep: the report, reconciled
 *
 * Return: the command as one line; empty if nothing failed.
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
