// SPDX-License-Identifier: GPL-2.0
/*
 * TLB flushes that a guest requests by hypercalls of Hyper-V, for its own vCPU and for others.
 *
 * KVM must flush the vCPUs that the hypercall names, and no other vCPU.  KVM may flush once for
 * each entry of a list, or once for all entries, see kvm_hv_vcpu_flush_tlb(): the test expects at
 * least one flush, and at most one for each entry.  The guest may put anything into a list: KVM
 * must neither trust the entries nor complain about them.
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

/* KVM replaces a longer list by one flush of everything: KVM_HV_TLB_FLUSH_FIFO_SIZE, less one. */
#define MAX_ENTRIES		15
#define TOO_MANY_ENTRIES	(MAX_ENTRIES + 1)

/* Canonical with four levels of page tables, and with five. */
#define ADDRESS			0x10000000ull
/* Canonical with neither. */
#define NO_ADDRESS		0x8000000000000000ull
/* Bits 11:0 of an entry are the number of pages after the first one. */
#define MORE_PAGES		3
/* The last page below the hole with four levels: the pages after it are not canonical. */
#define LAST_PAGES		(0x00007ffffffff000ull | MORE_PAGES)

/*
 * Input of the hypercalls, in words: an address space, flags, the vCPUs, and the list.  The vCPUs
 * are a word of bits; or, for hypercalls of the kind "Ex", a sparse set: Hyper-V TLFS,
 * "HvCallFlushVirtualAddressList" and "Sparse Virtual Processor Set".
 */
#define INPUT_WORDS		64

static uint64_t input[INPUT_WORDS] __aligned(4096);

/* Formats of a sparse set: of the vCPUs that it has, or of all vCPUs. */
#define SET_SPARSE		0
#define SET_ALL			1
/* A word of a sparse set, i.e. a bank, has so many vCPUs. */
#define VPS_PER_BANK		64
#define NR_BANKS		3
/* Index of the second vCPU where it is to be in the last bank. */
#define FAR_VP			(2 * VPS_PER_BANK + 2)

/* Address of the input, and the hypercall; written by the host. */
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
 * @entry: the value of each entry of the list
 * @flushed: the vCPUs that KVM must flush
 * @ex: the hypercall takes a sparse set
 * @all: the set is that of all vCPUs, whatever @processors is
 * @far: the second vCPU has the index FAR_VP
 */
FIXTURE_VARIANT(flush) {
	const char *name;
	uint64_t processors;
	unsigned int nr_entries;
	uint64_t entry;
	uint64_t flushed;
	bool ex;
	bool all;
	bool far;
};

FIXTURE_VARIANT_ADD(flush, space) { "space", VP(0) | VP(1), 0, 0, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, space_of_self) { "space", VP(0), 0, 0, VP(0) };
FIXTURE_VARIANT_ADD(flush, space_of_other) { "space", VP(1), 0, 0, VP(1) };
/* KVM takes an empty set of vCPUs for all vCPUs, as Windows Server 2012 expects. */
FIXTURE_VARIANT_ADD(flush, space_of_none) { "space", NO_VP, 0, 0, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, list) { "list", VP(0) | VP(1), 2, ADDRESS, VP(0) | VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_other) { "list", VP(1), 2, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_pages) { "list", VP(1), 2, ADDRESS | MORE_PAGES, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_most) { "list", VP(1), MAX_ENTRIES, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_too_long) { "list", VP(1), TOO_MANY_ENTRIES, ADDRESS, VP(1) };
FIXTURE_VARIANT_ADD(flush, list_of_no_addresses) { "list", VP(0), 2, NO_ADDRESS, VP(0) };
FIXTURE_VARIANT_ADD(flush, list_of_last_pages) { "list", VP(0), 2, LAST_PAGES, VP(0) };

FIXTURE_VARIANT_ADD(flush, ex_space) { "space-Ex", VP(0) | VP(1), 0, 0, VP(0) | VP(1), true };
FIXTURE_VARIANT_ADD(flush, ex_space_of_other) { "space-Ex", VP(1), 0, 0, VP(1), true };
/* An empty sparse set is one of no vCPUs. */
FIXTURE_VARIANT_ADD(flush, ex_space_of_none) { "space-Ex", NO_VP, 0, 0, NO_VP, true };
FIXTURE_VARIANT_ADD(flush, ex_space_of_all) {
	"space-Ex", NO_VP, 0, 0, VP(0) | VP(1), true, .all = true,
};

FIXTURE_VARIANT_ADD(flush, ex_space_of_far) {
	"space-Ex", VP(1), 0, 0, VP(1), true, .far = true,
};

FIXTURE_VARIANT_ADD(flush, ex_list_of_other) { "list-Ex", VP(1), 2, ADDRESS, VP(1), true };
FIXTURE_VARIANT_ADD(flush, ex_list_of_far) {
	"list-Ex", VP(0) | VP(1), 2, ADDRESS, VP(0) | VP(1), true, .far = true,
};

FIXTURE_VARIANT_ADD(flush, ex_list_of_all) {
	"list-Ex", NO_VP, 2, ADDRESS, VP(0) | VP(1), true, .all = true,
};

static void guest_caller(void)
{
	wrmsr(HV_X64_MSR_GUEST_OS_ID, HYPERV_LINUX_OS_ID);
	/* Not counted: KVM may have to patch the hypercall instruction the first time. */
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

/* Append the sparse set of the vCPUs to the input, and return the number of its banks. */
static unsigned int put_sparse_set(unsigned int *nr_words, const FIXTURE_VARIANT(flush) * variant)
{
	uint64_t bank[NR_BANKS] = {}, valid = 0;
	unsigned int i, vp;

	for (i = 0; i < NR_VCPUS; i++) {
		if (!(variant->processors & VP(i)))
			continue;
		vp = i && variant->far ? FAR_VP : i;
		bank[vp / VPS_PER_BANK] |= BIT_ULL(vp % VPS_PER_BANK);
		valid |= BIT_ULL(vp / VPS_PER_BANK);
	}
	input[(*nr_words)++] = variant->all ? SET_ALL : SET_SPARSE;
	input[(*nr_words)++] = valid;
	for (i = 0; i < NR_BANKS; i++)
		if (bank[i])
			input[(*nr_words)++] = bank[i];
	return __builtin_popcountll(valid);
}

/* Fill in the input, and return the hypercall. */
static uint64_t hypercall_of(const FIXTURE_VARIANT(flush) * variant)
{
	unsigned int nr_words = 0, nr_banks = 0, i;
	uint64_t code;

	input[nr_words++] = 0;
	input[nr_words++] = HV_FLUSH_ALL_VIRTUAL_ADDRESS_SPACES;
	if (variant->ex)
		nr_banks = put_sparse_set(&nr_words, variant);
	else
		input[nr_words++] = variant->processors;
	for (i = 0; i < variant->nr_entries; i++)
		input[nr_words++] = variant->entry;

	if (variant->ex)
		code = variant->nr_entries ? HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST_EX :
					     HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE_EX;
	else
		code = variant->nr_entries ? HVCALL_FLUSH_VIRTUAL_ADDRESS_LIST :
					     HVCALL_FLUSH_VIRTUAL_ADDRESS_SPACE;
	return code | (uint64_t)nr_banks << HV_HYPERCALL_VARHEAD_OFFSET |
	       (uint64_t)variant->nr_entries << HV_HYPERCALL_REP_COMP_OFFSET;
}

FIXTURE_SETUP(flush)
{
	unsigned int i;

	printf("#@ path=HvFlush-%s\n", variant->name);
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_HYPERV_TLBFLUSH));
	mmu_roots_require_applicable(variant->entry != LAST_PAGES || host_cpu_is_intel,
				     "SVM flushes any address");
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu[0], guest_caller);
	self->vcpu[1] = mmu_root_path_vcpu_add(self->vcpu[0]->vm, 1, guest_other);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_set_hv_cpuid(self->vcpu[i]);

	if (variant->far)
		vcpu_set_msr(self->vcpu[1], HV_X64_MSR_VP_INDEX, FAR_VP);

	input_gpa = addr_gva2gpa(self->vcpu[0]->vm, (gva_t)input);
	control = hypercall_of(variant);
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
	/* KVM does not have to flush for an address that is not canonical. */
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
