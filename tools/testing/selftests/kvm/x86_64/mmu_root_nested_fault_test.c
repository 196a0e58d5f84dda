// SPDX-License-Identifier: GPL-2.0
/*
 * Test that KVM describes a fault in nested page tables correctly to L1, on SVM: whether
 * NPT lacks one of L2's page tables or a page that they map, which access faulted, and at
 * which address.  Either the CPU or KVM's emulator walks the page tables.
 *
 * Facts are from AMD APM, "Nested versus Guest Page Faults, Fault Ordering": EXITINFO1 has
 * the error code of a page fault, as for a user access, and bit 33 if the fault is on a
 * guest's page table, or else bit 32.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define PATH_NAME		"nested-faults"

#define NR_OPS			4

/*
 * L2 accesses the page at HOLE_GVA, which NPT does not map, and the page at TABLE_GVA, whose
 * page table NPT does not map.  L1 has no memory at HOLE_GPA and TABLE_GPA either.
 */
#define HOLE_GVA		0x74000000ul
#define HOLE_GPA		0xa0000000ul
#define TABLE_GVA		0x60005000ul
#define TABLE_GPA		0xa0001000ul

/* Offsets of L2's access in its page, and of the entry for TABLE_GVA in its table. */
#define ACCESS_OFFSET		0x238ul
#define ENTRY_OFFSET		(TABLE_GVA / PAGE_SIZE % 512 * sizeof(uint64_t))

#define NPF_FINAL		BIT_ULL(32)
#define NPF_TABLE		BIT_ULL(33)
#define NPF_STAGES		(NPF_FINAL | NPF_TABLE)
#define ERROR_WRITE		BIT_ULL(1)
#define ERROR_USER		BIT_ULL(2)

/* The host writes these variables. */
static bool emulated, writes;
static uint64_t look_at;

/* L2 can read the variables above, as it shares L1's memory. */
static void l2_look(void)
{
	uint64_t *where = (uint64_t *)look_at;

	if (emulated && writes)
		asm volatile(KVM_FEP "mov %%rax, (%0)" : : "b" (where), "a" (0) : "memory");
	else if (emulated)
		asm volatile(KVM_FEP "mov (%0), %%rax" : : "b" (where) : "rax", "memory");
	else if (writes)
		WRITE_ONCE(*where, 0);
	else
		READ_ONCE(*where);
	__GUEST_ASSERT(0, "L2 has got what is not mapped");
}

/* L1 writes these variables. */
static uint64_t exit_info_1, exit_info_2;

static void l1_enter(void)
{
	struct svm_test_data *svm = guest_l2_svm(0);
	int i;

	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		GUEST_SYNC(guest_checksum_data());
		for (i = 0; i < NR_OPS; i++) {
			guest_l2_init_one(0, l2_look, L1_INTERCEPTS_NOTHING);
			guest_l2_run(0, 0);
			GUEST_ASSERT_EQ(svm->vmcb->control.exit_code, SVM_EXIT_NPF);
			exit_info_1 = svm->vmcb->control.exit_info_1;
			exit_info_2 = svm->vmcb->control.exit_info_2;
		}
		GUEST_SYNC(guest_own_page());
	}
}

FIXTURE(fault) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(fault) {
	bool emulated;
};

FIXTURE_VARIANT_ADD(fault, of_cpu) { false };
FIXTURE_VARIANT_ADD(fault, of_emulator) { true };

/* Move the last page table for @gva to TABLE_GPA, which NPT does not map. */
static void lose_page_table(struct kvm_vm *vm, uint64_t gva)
{
	uint64_t table = mmu_roots_pgd(vm), *pte = NULL;
	int level;

	virt_map(vm, gva, HOLE_GPA, 1);
	for (level = mmu_roots_pgtable_levels(vm); level > PG_LEVEL_4K; level--) {
		pte = (uint64_t *)addr_gpa2hva(vm, table) +
		      ((gva >> PG_LEVEL_SHIFT(level)) & 0x1ff);
		table = PTE_GET_PA(*pte);
	}
	*pte = (*pte & ~PHYSICAL_PAGE_MASK) | TABLE_GPA;
}

FIXTURE_SETUP(fault)
{
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "\n");
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(true);
	if (variant->emulated)
		mmu_roots_force_emulation();
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	virt_map(vm, HOLE_GVA, HOLE_GPA, 1);
	lose_page_table(vm, TABLE_GVA);
	mmu_root_nested_create(self->vcpu, true, 1);
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(fault)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/* After this, exit_info_1 and exit_info_2 are what L1 was told. */
static void run_to_fault(FIXTURE_DATA(fault) * self, const char *what, uint64_t gva, bool wr)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot snap;
	uint64_t seen;

	look_at = gva + ACCESS_OFFSET;
	writes = wr;
	sync_global_to_guest(roots->vm, look_at);
	sync_global_to_guest(roots->vm, writes);
	mmu_root_nested_run(self->vcpu, roots, &snap);
	seen = mmu_root_l1_look(self->vcpu);
	mmu_roots_check(roots, seen == MMU_ROOT_NOT_MAPPED, "%s: L1 sees the page of PGD %ld",
			what, seen);
	sync_global_from_guest(roots->vm, exit_info_1);
	sync_global_from_guest(roots->vm, exit_info_2);
}

static void expect_fault(FIXTURE_DATA(fault) * self, const char *what, uint64_t gva, bool wr,
			 uint64_t stage, uint64_t error, uint64_t address)
{
	struct mmu_roots *roots = &self->roots;

	run_to_fault(self, what, gva, wr);
	mmu_roots_check(roots, (exit_info_1 & NPF_STAGES) == stage,
			"%s: EXITINFO1 is %#lx, expected bit %u", what, exit_info_1,
			stage == NPF_FINAL ? 32 : 33);
	mmu_roots_check(roots, (exit_info_1 & (ERROR_WRITE | ERROR_USER)) == (error | ERROR_USER),
			"%s: EXITINFO1 is %#lx, expected error code %#lx", what, exit_info_1,
			error | ERROR_USER);
	mmu_roots_check(roots, (exit_info_2 & ~0xffful) == address,
			"%s: EXITINFO2 is %#lx, expected %#lx", what, exit_info_2, address);
}

/* A walk of L2's page tables writes accessed flags: NPT sees a write even if L2 only reads. */
TEST_F(fault, is_told_as_it_was)
{
	emulated = variant->emulated;
	sync_global_to_guest(self->roots.vm, emulated);
	expect_fault(self, "a read", HOLE_GVA, false, NPF_FINAL, 0, HOLE_GPA);
	expect_fault(self, "a write", HOLE_GVA, true, NPF_FINAL, ERROR_WRITE, HOLE_GPA);
	expect_fault(self, "a read by a table", TABLE_GVA, false, NPF_TABLE, ERROR_WRITE,
		     TABLE_GPA);
	expect_fault(self, "a write by a table", TABLE_GVA, true, NPF_TABLE, ERROR_WRITE,
		     TABLE_GPA);
}

static void expect_address(FIXTURE_DATA(fault) * self, const char *what, uint64_t gva, bool wr,
			   uint64_t address)
{
	run_to_fault(self, what, gva, wr);
	mmu_roots_check(&self->roots, exit_info_2 == address,
			"%s: EXITINFO2 is %#lx, expected %#lx", what, exit_info_2, address);
}

/*
 * The address is that of the access or, if the fault is on a page table, of the entry, not that
 * of the page or of the table.  An L1 that emulates devices for L2 depends on it.
 */
TEST_F(fault, is_told_with_its_offset)
{
	emulated = variant->emulated;
	sync_global_to_guest(self->roots.vm, emulated);
	expect_address(self, "a read", HOLE_GVA, false, HOLE_GPA + ACCESS_OFFSET);
	expect_address(self, "a write", HOLE_GVA, true, HOLE_GPA + ACCESS_OFFSET);
	expect_address(self, "a read by a table", TABLE_GVA, false, TABLE_GPA + ENTRY_OFFSET);
	expect_address(self, "a write by a table", TABLE_GVA, true, TABLE_GPA + ENTRY_OFFSET);
}

TEST_HARNESS_MAIN
