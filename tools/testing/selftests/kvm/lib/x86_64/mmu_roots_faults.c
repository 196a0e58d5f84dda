// SPDX-License-Identifier: GPL-2.0
/*
 * Known faults of the emulated CPU that KVM runs on.
 */
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "test_util.h"
#include "mmu_roots.h"
#include "mmu_roots_faults.h"

/**
 * mmu_roots_has_fault() - Ask whether the CPU that KVM runs on has a known fault
 * @name: MMU_ROOTS_FAULT_*
 *
 * The bed lists the faults in the environment variable MMU_ROOTS_FAULTS, separated by
 * commas.  Without a bed, no fault is known.
 *
 * Return: true if the CPU has the fault.
 */
bool mmu_roots_has_fault(const char *name)
{
	const char *faults = getenv("MMU_ROOTS_FAULTS") ?: "";
	size_t len;

	for (; *faults; faults += len + strspn(faults + len, ",")) {
		len = strcspn(faults, ",");
		if (len == strlen(name) && !strncmp(faults, name, len))
			return true;
	}
	return false;
}

/**
 * mmu_roots_require_no_fault() - Skip the test if the CPU has a fault that makes it fail
 * @name: MMU_ROOTS_FAULT_*
 */
void mmu_roots_require_no_fault(const char *name)
{
	mmu_roots_require_applicable(!mmu_roots_has_fault(name),
				     "the emulated CPU has the known fault %s", name);
}
