// SPDX-License-Identifier: GPL-2.0
/*
 * After a triple fault in SMM or in L2, the vCPU must run on the right roots and memory, and also
 * after L2 has turned off SVM.
 *
 * A shutdown of L2 is an exit to L1 if L1 intercepts the shutdown, and always with VMX.  Other
 * shutdowns are exits to userspace, which leave the vCPU outside of L2, and with SVM outside of
 * SMM; userspace then restores the vCPU's registers.  In either case, L1, or the guest that
 * userspace has restored, must find its own roots and memory.
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

/* L2 runs on this PGD.  Without nested paging, L1 runs on the first PGD. */
#define L2_PGD			1
#define NR_PGDS			2

/* KVM resets the MMU this often before the SMI handler runs: see docs/counters.md. */
#define NR_SMI_RESETS		2

/* SMM begins without an IDT, so the #UD of this ud2 becomes a triple fault. */
static const uint8_t smi_handler[] = { 0x0f, 0x0b };

/* Exit to userspace, which saves the registers.  Inline, so that the stack does not matter. */
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

/* Run the guest to its leave(), and save the registers that it has there. */
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

/* SVM's VMCB is undefined after a shutdown, so KVM performs INIT: shutdown_interception(). */
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
 * Shut the vCPU down in SMM, and have it look at its memory again.  With SVM the shutdown takes the
 * vCPU out of SMM; with VMX userspace does so, before it restores the registers.
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
	/* Run to leave(), so that the next SMI finds the registers that save() has saved. */
	mmu_root_path_run_for_good(self->vcpu);
	vcpu_run_complete_io(self->vcpu);
}

/*
 * KVM resets the MMU twice on the way to SMM, once on the way out, and once when userspace
 * restores the registers; one load is for SMM, one for the guest.  With shadow paging, real
 * mode has four PAE roots.
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
	/* __emulate_int_real() does not check the limit of the IDT. */
	mmu_roots_require_applicable(!mmu_root_smm_is_emulated(),
				     "KVM emulates all code in SMM, which does not shut down without an IDT");
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

/* The host tells L1 whether to intercept the shutdown. */
static bool intercepted;

static void l2_triple_fault(void)
{
	guest_l2_visit(L2_PGD);
	triple_fault();
}

static void l2_turn_off_svm(void)
{
	guest_l2_visit(L2_PGD);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SVME);
	guest_exit();
	__GUEST_ASSERT(0, "L2 goes on");
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
		/* L1 sets up L2 anew, which begins with VMXON. */
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
	/* With shadow paging, SMM's real mode has four roots. */
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, NR_L1_L2_ROOTS + 4);
	save(self);
}

/* Check that L1 runs on its own page tables, with its own registers. */
static void expect_l1(FIXTURE_DATA(shutdown) * self, bool nested_paging)
{
	uint64_t seen = mmu_root_l1_look(self->vcpu);

	mmu_roots_check(&self->roots, seen == (nested_paging ? MMU_ROOT_NOT_MAPPED : 0),
			"L1 sees the page of PGD %ld", seen);
	/* L1 has set these bits since save(), as VMRUN and VMXON need them. */
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

/* The shutdown is an ordinary exit to L1; with VMX it always is. */
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

/* L1 does not intercept the shutdown of L2, so the vCPU as a whole shuts down. */
static void in_l2_not_intercepted(FIXTURE_DATA(shutdown) * self, bool nested_paging, bool smi,
				  const char *name)
{
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel,
				     "with VMX, a shutdown of L2 always exits to L1");
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

/*
 * What the CPU does if L2 clears EFER.SVME is undefined: AMD APM, "EFER".  KVM cannot go on in L2,
 * and must not run L2's code as L1's, so it shuts down.  Userspace can restore L1 then.
 */
static void in_l2_without_svm(FIXTURE_DATA(shutdown) * self, bool nested_paging, const char *name)
{
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel, "L2 cannot clear CR4.VMXE");
	create_l1(self, l2_turn_off_svm, nested_paging, name);
	for (i = 0; i < NR_OPS; i++) {
		expect_l1(self, nested_paging);
		mmu_root_expect_exit(&self->roots, self->vcpu, KVM_EXIT_SHUTDOWN,
				     "L2 without EFER.SVME");
		mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu),
				"the vCPU is in L2 without EFER.SVME");
		restore(self);
	}
	expect_l1(self, nested_paging);
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, NR_OPS);
}

TEST_F(shutdown, in_l2_that_turns_off_svm)
{
	in_l2_without_svm(self, false, "SVME-off-in-L2");
}

TEST_F(shutdown, in_l2_with_nested_paging_that_turns_off_svm)
{
	in_l2_without_svm(self, true, "SVME-off-in-L2+NPT");
}

TEST_HARNESS_MAIN
