// SPDX-License-Identifier: GPL-2.0
/*
 * List the cases of a test on a machine without KVM.
 *
 * Newer versions of KVM's library look for KVM in a constructor, kvm_selftest_init(), and end
 * the program if there is none, even if the program is only to list its cases.  But the list
 * must not depend on the machine, so a constructor that runs earlier prints it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mmu_roots.h"

/*
 * The constructor must run after those by which the harness registers its cases, the last of which
 * have KSELFTEST_PRIO_XFAIL, and before those without a priority, such as kvm_selftest_init().
 */
#define PRIO_LIST	30000

/* The kernel's own tests, which are linked with this file, too, may use -l for something else. */
#define OURS		"mmu_root_"

static void __attribute__((constructor(PRIO_LIST))) list_cases(int argc, char **argv)
{
	int status;

	if (argc != 2 || strcmp(argv[1], "-l") ||
	    strncmp(program_invocation_short_name, OURS, strlen(OURS)))
		return;

	/* Most constructors have not run, so exit() would have nothing to undo. */
	status = main(argc, argv);
	fflush(stdout);
	_exit(status);
}
