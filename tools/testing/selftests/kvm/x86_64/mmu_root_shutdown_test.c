// SPDX-License-Identifier: GPL-2.0
/*
 * Triple faults, in SMM and in L2: a shutdown leaves the vCPU in L1 or in no VM at all, outside
 * of SMM, and what goes on then, be it L1 or what userspace makes of the vCPU, has the roots
 * and the memory that are its own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "vmx.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define NR_WARM_OPS		2
#define NR_OPS			4

/* What L2 runs on; without nested paging, L1 is on the first one. */
#define L2_PGD			1
#define NR_PGDS			2

/* What KVM makes of an SMI before the handler runs: see docs/counters.md. */
#define NR_SMI_RESETS		2

/* SMM begins without an IDT, so that ud2 is all that it takes. */
static const uint8_t smi_handler[] = { 0x0f, 0x0b };

/* Leave for userspace, which saves the registers: no call, for the stack not to matter. */
static inline void leave(void)
{
	asm volatile("inb %0, %%al" : : "i" (MMU_ROOT_EXIT_PORT) : "rax", "memory");
}

static void triple_fault(void)
{
	const struct desc_ptr no_idt = {};

	asm volatile("lidt %0; ud2" : : "m" (no_idt));
}

FIXTURE(shutdown) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

FIXTURE_SETUP(shutdown)
{
}

FIXTURE_TEARDOWN(shutdown)
{
	mmu_roots_vm_free(&self->roots);
}

/* The guest has left() for its registers to be saved. */
static void save(FIXTURE_DATA(shutdown) * self)
{
	mmu_root_path_run_for_good(self->vcpu);
	vcpu_run_complete_io(self->vcpu);
	vcpu_regs_get(self->vcpu, &self->regs);
	vcpu_sregs_get(self->vcpu, &self->sregs);
}

static void restore(FIXTURE_DATA(shutdown) * self)
{
	vcpu_sregs_set(self->vcpu, &self->sregs);
	vcpu_regs_set(self->vcpu, &self->regs);
}

/* SVM's VMCB is undefined by then, and KVM makes an INIT of it: shutdown_interception(). */
static void expect_init(FIXTURE_DATA(shutdown) * self)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(self->vcpu, &sregs);
	mmu_roots_check(&self->roots, !(sregs.cr0 & (X86_CR0_PG | X86_CR0_PE)) && !sregs.cr3 &&
			!sregs.cr4 && !(sregs.efer & ~EFER_SVME),
			"after a shutdown: CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx, expected INIT's",
			sregs.cr0, sregs.cr3, sregs.cr4, sregs.efer);
}

static void guest_look(void)
{
	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		leave();
		GUEST_SYNC(guest_checksum_data());
	}
}

/*
 * The vCPU was restored outside of SMM, unless the shutdown has taken it out, and looks at its
 * memory.
 */
static void shut_down_in_smm(FIXTURE_DATA(shutdown) * self, struct mmu_roots_snapshot *snap)
{
	struct mmu_roots *roots = &self->roots;

	vcpu_ioctl(self->vcpu, KVM_SMI, NULL);
	mmu_root_expect_exit(roots, self->vcpu, KVM_EXIT_SHUTDOWN, "SMI");
	mmu_roots_check(roots, mmu_root_is_in_smm(self->vcpu) == host_cpu_is_intel,
			"the vCPU is%s in SMM after a shutdown",
			host_cpu_is_intel ? " not" : "");
	if (host_cpu_is_intel)
		mmu_root_path_flip_smm(self->vcpu);
	else
		expect_init(self);
	restore(self);
	mmu_root_nested_run(self->vcpu, roots, snap);
	/* For the registers to be those of the next SMI. */
	mmu_root_path_run_for_good(self->vcpu);
	vcpu_run_complete_io(self->vcpu);
}

/*
 * Two resets to SMM, one out of it, and one for the registers that userspace restores; the
 * loads are SMM's and the guest's.  Real mode has four PAE roots if KVM shadows it.
 */
TEST_F(shutdown, in_smm)
{
	static const struct mmu_root_counts tdp = {
		.resets = NR_SMI_RESETS + 2, .loads = 2, .found = 2,
	}, shadow = {
		.resets = NR_SMI_RESETS + 2, .loads = 2, .found = 5,
	};
	const struct mmu_root_counts *c = mmu_root_nested_pick(&tdp, &shadow);
	struct mmu_roots_snapshot warm, storm;
	struct mmu_roots *roots = &self->roots;
	int i;

	printf("#@ path=shutdown-in-SMM\n");
	mmu_root_path_require(PATH_SMM);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, guest_look);
	mmu_root_path_set_smi_handler(smi_handler, sizeof(smi_handler));
	mmu_roots_open(roots, self->vcpu->vm, "shutdown-in-SMM");
	save(self);
	for (i = 0; i < NR_WARM_OPS; i++)
		shut_down_in_smm(self, &warm);
	for (i = 0; i < NR_OPS; i++)
		shut_down_in_smm(self, &storm);
	mmu_roots_expect_growth(roots, &warm, &storm, MMU_RESET, NR_OPS * c->resets);
	mmu_roots_expect_growth(roots, &warm, &storm, MMU_ROOT_LOAD, NR_OPS * c->loads);
	mmu_roots_expect_growth(roots, &warm, &storm, MMU_ROOT_REUSE, NR_OPS * c->found);
	mmu_roots_expect_growth(roots, &warm, &storm, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_no_refault(roots, &warm, &storm);
}

/* Written by the host: L1 intercepts the shutdown. */
static bool intercepted;

static void l2_triple_fault(void)
{
	guest_l2_visit(L2_PGD);
	triple_fault();
}

static void l2_smi(void)
{
	guest_l2_visit(L2_PGD);
	guest_exit();
	__GUEST_ASSERT(0, "L2 goes on");
}

static void l1_enter(void *l2_code)
{
	enum mmu_root_l2_exit exit;
	bool again = false;

	guest_path_init(PATH_NULL_EXIT);
	for (;; again = true) {
		leave();
		/* L2 starts anew. */
		if (again && host_cpu_is_intel)
			vmxoff();
		guest_l2_init_one(0, l2_code, READ_ONCE(intercepted) ? L1_INTERCEPTS_SHUTDOWN :
							    L1_INTERCEPTS_NOTHING);
		GUEST_SYNC(guest_own_page());
		exit = guest_l2_run(0, L2_PGD);
		__GUEST_ASSERT(exit == L2_EXIT_SHUTDOWN, "L2 was left for another reason");
		GUEST_SYNC(guest_own_page());
		GUEST_SYNC(guest_checksum_data());
	}
}

static void create_l1(FIXTURE_DATA(shutdown) * self, void *l2_code, bool nested_paging,
		      const char *name)
{
	printf("#@ path=%s\n", name);
	mmu_root_nested_require(nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_enter);
	vcpu_args_set(self->vcpu, 1, l2_code);
	mmu_root_path_set_smi_handler(smi_handler, sizeof(smi_handler));
	mmu_root_nested_create(self->vcpu, nested_paging, NR_PGDS);
	/* SMM's real mode has four roots if KVM shadows it. */
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, NR_L1_L2_ROOTS + 4);
	save(self);
}

/* L1 looks whose page tables it runs on. */
static void expect_l1(FIXTURE_DATA(shutdown) * self, bool nested_paging)
{
	uint64_t seen = mmu_root_l1_look(self->vcpu);

	mmu_roots_check(&self->roots, seen == (nested_paging ? MMU_ROOT_NOT_MAPPED : 0),
			"L1 sees the page of PGD %ld", seen);
	/* VMRUN and VMXON want them. */
	self->sregs.efer |= host_cpu_is_intel ? 0 : EFER_SVME;
	self->sregs.cr4 |= host_cpu_is_intel ? X86_CR4_VMXE : 0;
	if (host_cpu_is_intel) {
		mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu), "the vCPU is in L2");
		return;
	}
	mmu_root_l1_expect_regs(&self->roots, self->vcpu, &self->sregs, "after a shutdown of L2");
}

static void shut_down_for_good(FIXTURE_DATA(shutdown) * self, const char *when)
{
	mmu_root_expect_exit(&self->roots, self->vcpu, KVM_EXIT_SHUTDOWN, when);
	mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu),
			"the vCPU is in L2 after a shutdown");
	mmu_roots_check(&self->roots, !mmu_root_is_in_smm(self->vcpu),
			"the vCPU is in SMM after a shutdown");
	expect_init(self);
	restore(self);
}

/* It is an exit to L1, as any; with VMX always. */
static void in_l2_intercepted(FIXTURE_DATA(shutdown) * self, bool nested_paging,
			      const char *name)
{
	struct mmu_roots_snapshot snap;
	int i;

	create_l1(self, l2_triple_fault, nested_paging, name);
	intercepted = true;
	sync_global_to_guest(self->vcpu->vm, intercepted);
	for (i = 0; i < NR_OPS; i++) {
		expect_l1(self, nested_paging);
		expect_l1(self, nested_paging);
		mmu_root_nested_run(self->vcpu, &self->roots, &snap);
		mmu_root_path_run_for_good(self->vcpu);
	}
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, NR_OPS);
}

TEST_F(shutdown, in_l2_is_an_exit)
{
	in_l2_intercepted(self, false, "shutdown-in-L2");
}

TEST_F(shutdown, in_l2_with_nested_paging_is_an_exit)
{
	in_l2_intercepted(self, true, "shutdown-in-L2+NPT");
}

/* Of all of the vCPU, in the end: L1 has not asked to be told. */
static void in_l2_not_intercepted(FIXTURE_DATA(shutdown) * self, bool nested_paging, bool smi,
				  const char *name)
{
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel, "with VMX it is an exit to L1, always");
	if (smi)
		mmu_root_path_require(PATH_SMM);
	create_l1(self, smi ? l2_smi : l2_triple_fault, nested_paging, name);
	for (i = 0; i < NR_OPS; i++) {
		expect_l1(self, nested_paging);
		if (smi) {
			mmu_root_path_run_for_good(self->vcpu);
			vcpu_ioctl(self->vcpu, KVM_SMI, NULL);
		}
		shut_down_for_good(self, smi ? "SMI in L2" : "triple fault in L2");
	}
	expect_l1(self, nested_paging);
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, NR_OPS);
}

TEST_F(shutdown, in_l2)
{
	in_l2_not_intercepted(self, false, false, "shutdown-in-L2");
}

TEST_F(shutdown, in_l2_with_nested_paging)
{
	in_l2_not_intercepted(self, true, false, "shutdown-in-L2+NPT");
}

TEST_F(shutdown, in_smm_from_l2)
{
	in_l2_not_intercepted(self, false, true, "shutdown-in-SMM");
}

TEST_F(shutdown, in_smm_from_l2_with_nested_paging)
{
	in_l2_not_intercepted(self, true, true, "shutdown-in-SMM");
}

TEST_HARNESS_MAIN
