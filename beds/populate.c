// SPDX-License-Identifier: GPL-2.0
/*
 * Gives a test the memory that KVM's selftest library is about to fill for a VM, all at once.  The
 * library loads the test's own program into each VM, which otherwise is a page fault a page: a
 * fifteenth of what a run in an emulated CPU executes.
 *
 * scripts/tests.sh links this into our tests with ld --wrap=madvise.  Results are the same without.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

/* The page tables and the program take about 390 pages of 4 KiB. */
#define FILLED_BYTES	(384ul * 4096)

int __real_madvise(void *addr, size_t length, int advice);

/*
 * The library's first call is for memslot 0 of the first VM (vm_mem_add() of lib/kvm_util.c).  What
 * a test does with other memory is its own affair.
 */
int __wrap_madvise(void *addr, size_t length, int advice)
{
	static bool called;
	int ret = __real_madvise(addr, length, advice);

	/* If the kernel does not know the advice (before Linux 5.14), pages fault as ever. */
	if (!called && advice == MADV_NOHUGEPAGE && length >= FILLED_BYTES)
		__real_madvise(addr, FILLED_BYTES, MADV_POPULATE_WRITE);
	called = true;
	return ret;
}
