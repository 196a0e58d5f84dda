// SPDX-License-Identifier: GPL-2.0
/*
 * Test VMLOAD and VMSAVE of an L2 whose L1 does not intercept them, on SVM: L2 must have what it
 * has loaded, and save what it has, from and to the memory of L1.
 *
 * VMRUN and #VMEXIT do not switch this state, so KVM has one copy of it for L1 and L2: L1 must have
 * what L2 has loaded, too.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* L2 runs on this PGD.  Without nested paging, L1 runs on PGD 0. */
#define L2_PGD			1
#define NR_PGDS			2

#define NR_OPS			4

/* L2 loads other values than this one each time. */
#define FIRST_MARK		0x1000ul

/* Where L2 loads its state from, and where it saves it; the host writes these variables. */
static uint64_t load_gpa, save_gpa;
static struct vmcb *loaded, *saved;

/* The value that L2 is to load, and the one that it has then; L1 and L2 write these variables. */
static uint64_t mark, seen;

static void l2_load_and_save(void)
{
	for (;;) {
		asm volatile("vmload %%rax" : : "a" (load_gpa) : "memory");
		seen = rdmsr(MSR_KERNEL_GS_BASE);
		/* If the CPU has executed VMLOAD, VMSAVE would write to memory of the host. */
		if (seen == mark)
			asm volatile("vmsave %%rax" : : "a" (save_gpa) : "memory");
		guest_l2_visit(L2_PGD);
		guest_l2_call();
	}
}

/* L1 syncs what L2 has loaded, what L2 has saved, and what L1 has then. */
static void l1_enter(void)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_load_and_save, L1_INTERCEPTS_NOTHING);
	asm volatile("vmsave %%rax" : : "a" (load_gpa) : "memory");
	for (i = 0; i < NR_OPS; i++) {
		mark = FIRST_MARK + i;
		loaded->save.kernel_gs_base = mark;
		guest_l2_run_to_call(0, L2_PGD);
		GUEST_SYNC4(seen, saved->save.kernel_gs_base, rdmsr(MSR_KERNEL_GS_BASE),
			    guest_checksum_data());
	}
	GUEST_DONE();
}

FIXTURE(vmload) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(vmload) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(vmload, plain) { false };
FIXTURE_VARIANT_ADD(vmload, nested_paging) { true };

FIXTURE_SETUP(vmload)
{
	struct kvm_vm *vm;

	printf("#@ path=L2-VMLOAD%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	loaded = (void *)vm_alloc_page(vm);
	saved = (void *)vm_alloc_page(vm);
	load_gpa = addr_gva2gpa(vm, (gva_t)loaded);
	save_gpa = addr_gva2gpa(vm, (gva_t)saved);
	sync_global_to_guest(vm, loaded);
	sync_global_to_guest(vm, saved);
	sync_global_to_guest(vm, load_gpa);
	sync_global_to_guest(vm, save_gpa);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, "L2-VMLOAD", NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(vmload)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(vmload, of_l2_is_of_its_state)
{
	struct mmu_roots *roots = &self->roots;
	uint64_t expected;
	struct ucall uc;
	int i;

	for (i = 0; i < NR_OPS; i++) {
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
		expected = FIRST_MARK + i;
		mmu_roots_check(roots, uc.args[0] == expected,
				"L2 has KernelGSbase %#lx after VMLOAD, expected %#lx", uc.args[0],
				expected);
		mmu_roots_check(roots, uc.args[1] == expected,
				"L2 has saved KernelGSbase %#lx, expected %#lx", uc.args[1],
				expected);
		mmu_roots_check(roots, uc.args[2] == expected,
				"L1 has KernelGSbase %#lx after VMLOAD of L2, expected %#lx",
				uc.args[2], expected);
		mmu_roots_check(roots, uc.args[3] == mmu_root_path_checksum(self->vcpu->vm),
				"L1 sees other data than the host");
	}
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	mmu_root_nested_expect_visits(roots, L2_PGD, NR_OPS);
}

TEST_HARNESS_MAIN
