/* SPDX-License-Identifier: GPL-2.0 */
/* Options of a test's own, beside those of the kselftest harness. */
#ifndef SELFTEST_KVM_MMU_ROOTS_OPTIONS_H
#define SELFTEST_KVM_MMU_ROOTS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct mmu_roots_option - An option; one of @flag, @number and @take is set
 * @name: with its dash, e.g. "-s"
 * @flag: set to true by an option without an argument
 * @number: set to the argument, a positive number
 * @max: the greatest @number allowed, or 0
 * @take: called with the argument
 */
struct mmu_roots_option {
	const char *name;
	bool *flag;
	uint32_t *number;
	uint32_t max;
	void (*take)(char *arg);
};

int mmu_roots_take_options(int argc, char **argv, const struct mmu_roots_option *options);

#endif /* SELFTEST_KVM_MMU_ROOTS_OPTIONS_H */
