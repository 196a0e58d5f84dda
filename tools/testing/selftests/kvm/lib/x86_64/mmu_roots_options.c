// SPDX-License-Identifier: GPL-2.0
/*
 * Options of a test's own, beside those of the kselftest harness.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "test_util.h"
#include "mmu_roots_options.h"

static void take_number(const struct mmu_roots_option *option, const char *arg)
{
	*option->number = atoi_positive(option->name, arg);
	if (!option->max || *option->number <= option->max)
		return;
	fprintf(stderr, "%s: at most %u, not %s\n", option->name, option->max, arg);
	exit(KSFT_FAIL);
}

static const struct mmu_roots_option *find(const struct mmu_roots_option *options,
					   const char *name)
{
	for (; options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

/**
 * mmu_roots_take_options() - Set what a test's own options say, and remove them from @argv
 * @argc: number of arguments, with the program's name
 * @argv: the arguments; what is left is for test_harness_run(), which does not know these options
 * @options: ends with an option without a name
 *
 * Bad arguments end the program with a line on standard error.
 *
 * Return: number of arguments that are left.
 */
int mmu_roots_take_options(int argc, char **argv, const struct mmu_roots_option *options)
{
	const struct mmu_roots_option *option;
	int i, kept = 1;

	for (i = 1; i < argc; i++) {
		option = find(options, argv[i]);
		if (!option) {
			argv[kept++] = argv[i];
		} else if (option->flag) {
			*option->flag = true;
		} else if (i + 1 == argc) {
			fprintf(stderr, "%s: an argument is missing\n", option->name);
			exit(KSFT_FAIL);
		} else if (option->number) {
			take_number(option, argv[++i]);
		} else {
			option->take(argv[++i]);
		}
	}
	argv[kept] = NULL;
	return kept;
}
