// SPDX-License-Identifier: GPL-2.0
/*
 * What cases a test has, where there is no KVM.
 *
 * Newer versions of KVM's library look for KVM in a constructor, kvm_selftest_init(), and end
 * the program if they find none, even if it is only to list its cases: what there is to run
 * is not to depend on the machine.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mmu_roots.h"

/*
 * After the constructors by which the harness gets to know its cases, KSELFTEST_PRIO_XFAIL at the
 * latest, and before those without a priority.
 */
#define PRIO_LIST	30000

/* The kernel's own tests are linked with this file, too, and may take -l for something else. */
#define OURS		"mmu_root_"

static void __attribute__((constructor(PRIO_LIST))) list_cases(int argc, char **argv)
{
	int status;

	if (argc != 2 || strcmp(argv[1], "-l") ||
	    strncmp(program_invocation_short_name, OURS, strlen(OURS)))
		return;

	/* Nothing to undo for exit(): most constructors have not run. */
	status = main(argc, argv);
	fflush(stdout);
	_exit(status);
}
