// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that reads its control registers must see its own values, not those that KVM runs
 * the guest with: with shadow paging the CPU has KVM's root in CR3, and CR0.WP and CR4.PAE set.
 */
#include "kselftest_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_faults.h"
#include "mmu_roots_paths.h"

/* Each PGD has a root of its own with shadow paging; the guest flips CR4.MCE on each. */
#define NR_PGDS		3

static uint64_t pgds[NR_PGDS];

static void guest_expect_cr4(uint64_t cr4)
{
	uint64_t seen = get_cr4();

	__GUEST_ASSERT(seen == cr4, "the guest reads %lx from CR4, wrote %lx", seen, cr4);
}

static void guest_expect_cr3(uint64_t cr3)
{
	uint64_t seen;

	asm volatile("mov %0, %%cr3" : : "r" (cr3) : "memory");
	guest_touch_data(0);
	seen = get_cr3();
	__GUEST_ASSERT(seen == cr3, "the guest reads %lx from CR3, wrote %lx", seen, cr3);
}

static void guest_code(uint64_t cr0)
{
	uint64_t cr4 = guest_initial_cr4;
	int i;

	guest_path_init(PATH_NULL_EXIT);
	asm volatile("mov %0, %%cr0" : : "r" (cr0) : "memory");
	GUEST_ASSERT_EQ(get_cr0(), cr0);
	for (i = 0; i < NR_PGDS; i++) {
		guest_expect_cr3(pgds[i]);
		guest_expect_cr4(cr4);
		guest_flip_cr4(&cr4, X86_CR4_MCE);
		guest_expect_cr4(cr4);
	}
	GUEST_ASSERT_EQ(get_cr0(), cr0);
	GUEST_DONE();
}

FIXTURE(registers) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @cr0: bits that the guest sets.  KVM does not intercept reads of CR0 if the CPU has the
 *	 guest's value: with npt=0 the guest must have CR0.WP set for that, and CR0.CD clear.
 *	 Reads of CR3 and CR4 exit whatever CR0 is, see svm_set_cr0() and init_vmcb().
 */
FIXTURE_VARIANT(registers) {
	uint64_t cr0;
};

FIXTURE_VARIANT_ADD(registers, without_wp) { 0 };
FIXTURE_VARIANT_ADD(registers, with_wp) { X86_CR0_WP };
FIXTURE_VARIANT_ADD(registers, with_cd) { X86_CR0_CD };

FIXTURE_SETUP(registers)
{
	struct kvm_sregs sregs;
	struct kvm_vm *vm;
	int i;

	mmu_roots_require_no_fault(MMU_ROOTS_FAULT_CR_READS);
	vm = mmu_root_path_vm_create(&self->vcpu, guest_code);
	pgds[0] = mmu_roots_pgd(vm);
	for (i = 1; i < NR_PGDS; i++) {
		pgds[i] = vm_alloc_page_table(vm);
		memcpy(addr_gpa2hva(vm, pgds[i]), addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	}
	sync_global_to_guest(vm, pgds);
	vcpu_sregs_get(self->vcpu, &sregs);
	vcpu_args_set(self->vcpu, 1, sregs.cr0 | variant->cr0);
	mmu_roots_open(&self->roots, vm, "registers");
}

FIXTURE_TEARDOWN(registers)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(registers, are_the_guests_own)
{
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
}

TEST_HARNESS_MAIN
