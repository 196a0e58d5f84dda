// SPDX-License-Identifier: GPL-2.0
/*
 * TLB flushes that a guest asks for by Hyper-V's hypercalls, of its own vCPU and of others.
 *
 * Each flush is one of the vCPUs that the hypercall names, and of no other.  KVM may flush for
 * each entry of a list, or all at once, see kvm_hv_vcpu_flush_tlb(): it has to flush, and no more
 * often than it was asked to.  What a list has in it is up to the guest: KVM neither believes
 * it nor complains.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "hyperv.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"

#define NR_VCPUS		2
#define VP(n)			BIT_ULL(n)
#define NO_VP			0

/* More entries make one flush of all: KVM_HV_TLB_FLUSH_FIFO_SIZE, less one. */
#define MAX_ENTRIES		15
#define TOO_MANY_ENTRIES	(MAX_ENTRIES + 1)

/* Canonical with four levels of page tables, and with five. */
#define ADDRESS			0x10000000ull
/* Canonical with neither. */
#define NO_ADDRESS		0x8000000000000000ull
/* Bits 11:0 of an entry are the number of pages after the first one. */
#define MORE_PAGES		3

/* Input of the hypercalls: Hyper-V TLFS, "HvCallFlushVirtualAddressList". */
static struct {
	uint64_t address_space;
	uint64_t flags;
	uint64_t processors;
	uint64_t entry[TOO_MANY_ENTRIES];
} input __aligned(4096);

/* Known to the guest. */
static uint64_t input_gpa;
static uint64_t control;

FIXTURE(flush) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu[NR_VCPUS];
};

/*
 * @name: what is flushed
 * @processors: the vCPUs that the hypercall names
 * @nr_entries: length of its list; 0 if it flushes an address space
 * @entry: what the list has in it
 * @flushed: the vCPUs that are to be flushed
 */
FIXTURE_VARIANT(flush) {
	const char *name;
	uint64_t processors;
	unsigned int nr_entries;
	uint64_t entry;
	uint64_t flushed;
};

FIXTURE_VARIANT_ADD(flush, space) { "space", VP(0) | VP(1), 0, 0, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, space_of_self) { "space", VP(0), 0, 0, VP(0) };
FIXTURE_VARIANT_ADD(flush, space_of_other) { "space", VP(1), 0, 0, VP(1) };
/* KVM takes none for all, as Windows Server 2012 does. */
FIXTURE_VARIANT_ADD(flush, space_of_none) { "space", NO_VP, 0, 0, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, list) { "list", VP(0) | VP(1), 2, ADDRESS, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_other) { "list", VP(1), 2, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_pages) { "list", VP(1), 2, ADDRESS | MORE_PAGES, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_most) { "list", VP(1), MAX_ENTRIES, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_too_long) { "list", VP(1), TOO_MANY_ENTRIES, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_no_addresses) { "list", VP(0), 2, NO_ADDRESS, VP(0) };

static void guest_caller(void)
{
	wrmsr(HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
	/* KVM may have to write its own instruction there, the first time. */
	hyperv_hypercall(HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE, input_gpa, 0);
	GUEST_SYNC(0);
	hyperv_hypercall(control, input_gpa, 0);
	GUEST_SYNC(1);
}

static void guest_other(void)
{
	for (;;)
		GUEST_SYNC(2);
}

static uint64_t hypercall_of(unsigned int nr_entries)
{
	if (!nr_entries)
		return HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE;
	return HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST |
	       (uint64_t)nr_entries << HV_HYPERCALL_REP_COMP_OFFSET;
}

FIXTURE_SETUP(flush)
{
	unsigned int i;

	printf("#@ path=HvFlush-%s\n", variant->name);
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_TLBFLUSH));
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu[0], guest_caller);
	self->vcpu[1] = mmu_root_path_vcpu_add(self->vcpu[0]->vm, 1, guest_other);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_set_hv_cpuid(self->vcpu[i]);

	input.flags = HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES;
	input.processors = variant->processors;
	for (i = 0; i < variant->nr_entries; i++)
		input.entry[i] = variant->entry;
	input_gpa = addr_gva2gpa(self->vcpu[0]->vm, (gva_t)&input);
	control = hypercall_of(variant->nr_entries);
	sync_global_to_guest(self->vcpu[0]->vm, input);
	sync_global_to_guest(self->vcpu[0]->vm, input_gpa);
	sync_global_to_guest(self->vcpu[0]->vm, control);
	mmu_roots_open(&self->roots, self->vcpu[0]->vm, variant->name);
}

FIXTURE_TEARDOWN(flush)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(flush, is_of_those_named)
{
	/* Of what is no address there is nothing to flush. */
	uint64_t least = variant->entry != NO_ADDRESS;
	uint64_t most = max(variant->nr_entries, 1u);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;
	uint64_t flushes;
	struct ucall uc;
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		mmu_root_path_run(self->vcpu[i], &uc, UCALL_SYNC);
	mmu_roots_read(roots, &before);
	for (i = 0; i < NR_VCPUS; i++)
		mmu_root_path_run(self->vcpu[i], &uc, UCALL_SYNC);
	mmu_roots_read(roots, &after);

	for (i = 0; i < NR_VCPUS; i++) {
		bool named = variant->flushed & VP(i);

		flushes = mmu_roots_vcpu_stat(&after, i, TLB_FLUSH) -
			  mmu_roots_vcpu_stat(&before, i, TLB_FLUSH);
		mmu_roots_check(roots, named ? flushes >= least && flushes <= most : !flushes,
				"vCPU %u was flushed %lu times, expected %lu to %lu times",
				i, flushes, named ? least : 0, named ? most : 0);
	}
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
}

TEST_HARNESS_MAIN
