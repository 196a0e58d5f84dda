// SPDX-License-Identifier: GPL-2.0
/*
 * Test RSM to an L2 whose state was changed since an SMI hit it.
 *
 * The SMI handler may change L2's VMCB and the state in SMRAM, and userspace may restore
 * another nested state.  RSM must check that state as VM-Entry does.  If RSM cannot enter
 * L2, the vCPU must shut down: it is then neither in SMM nor in L2, and on the MMU of L1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define PATH_NAME		"RSM-to-L2"

/* L2 runs on this PGD.  Without nested paging, L1 runs on PGD 0. */
#define L2_PGD			1
#define NR_PGDS			2

/*
 * L1 and L2 have one root each, and SMM has one.  With shadow paging, SMM's real mode has
 * four roots, and L1 has one more, with the CR0.WP that L1 has after an SMI in L2: see
 * mmu_root_nested_test.c.
 */
#define NR_ROOTS		7

#define HOLE_GPA		0x78000000ul

/* The SMI handler leaves for userspace, and returns: inb; rsm. */
static const uint8_t smi_handler[] = { 0xe4, MMU_ROOT_EXIT_PORT, 0x0f, 0xaa };

/*
 * Offsets in the state that KVM saves at SMBASE: struct kvm_smram_state_64 in
 * arch/x86/kvm/smm.h.
 */
#define SMRAM_EFER		0xfed0
#define SMRAM_VMCB_GPA		0xfee0
#define SMRAM_CR4		0xff48
#define SMRAM_CR0		0xff58

static void l2_exit_and_call(void)
{
	for (;;) {
		guest_l2_visit(L2_PGD);
		guest_exit();
		guest_l2_call();
	}
}

static void l1_enter(void)
{
	guest_l1_run_l2(l2_exit_and_call, L2_PGD);
}

FIXTURE(rsm) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct mmu_root_l1 l1;
};

FIXTURE_VARIANT(rsm) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(rsm, plain) { false };
FIXTURE_VARIANT_ADD(rsm, nested_paging) { true };

static void *vmcb_of(FIXTURE_DATA(rsm) * self)
{
	return mmu_root_nested_svm_data(self->roots.vm, 0)->vmcb_hva;
}

FIXTURE_SETUP(rsm)
{
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_require(PATH_SMM);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	mmu_root_path_set_smi_handler(smi_handler, sizeof(smi_handler));
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, NR_ROOTS);
	mmu_root_l1_save(&self->l1, &self->roots, self->vcpu, variant->nested_paging);
}

FIXTURE_TEARDOWN(rsm)
{
	mmu_root_l1_free(&self->l1);
	mmu_roots_vm_free(&self->roots);
}

/* L1 must be about to enter L2.  Run L2, and have an SMI hit it. */
static void run_to_smm(FIXTURE_DATA(rsm) * self, const char *what)
{
	struct mmu_roots *roots = &self->roots;

	mmu_root_l1_run_to_exit(self->vcpu);
	mmu_roots_check(roots, mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is not in L2", what);
	vcpu_ioctl(self->vcpu, KVM_SMI, NULL);
	mmu_root_l1_run_to_exit(self->vcpu);
	mmu_roots_check(roots, mmu_root_is_in_smm(self->vcpu) && !mmu_root_is_in_l2(self->vcpu),
			"%s: the vCPU is not in SMM, or still in L2", what);
}

/* RSM returns to L2, which calls L1, and L1 runs to its next exit to userspace. */
static void expect_l2(FIXTURE_DATA(rsm) * self, const char *what)
{
	struct mmu_roots_snapshot snap;

	mmu_root_l1_run_to_exit(self->vcpu);
	mmu_roots_check(&self->roots, !mmu_root_is_in_smm(self->vcpu), "%s: the vCPU is in SMM",
			what);
	mmu_roots_read(&self->roots, &snap);
}

static void expect_shutdown(FIXTURE_DATA(rsm) * self, const char *what)
{
	struct mmu_roots *roots = &self->roots;

	mmu_root_expect_exit(roots, self->vcpu, KVM_EXIT_SHUTDOWN, what);
	mmu_roots_check(roots, !mmu_root_is_in_smm(self->vcpu), "%s: the vCPU is in SMM", what);
	mmu_roots_check(roots, !mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is in L2", what);
}

static void no_asid(struct vmcb *vmcb, void *smram)
{
	vmcb->control.asid = 0;
}

static void vmrun_not_intercepted(struct vmcb *vmcb, void *smram)
{
	vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_VMRUN);
}

static void nested_cr3_beyond(struct vmcb *vmcb, void *smram)
{
	vmcb->control.nested_cr3 |= mmu_root_gpa_limit();
}

static void no_svme(struct vmcb *vmcb, void *smram)
{
	vmcb->save.efer &= ~EFER_SVME;
}

/* KVM does not look at CR3 before it is in L2 unless L2 is in long mode. */
static void pae_cr3_beyond(struct vmcb *vmcb, void *smram)
{
	vmcb->save.efer &= ~(EFER_LME | EFER_LMA);
	vmcb->save.cs.attrib &= ~SVM_SELECTOR_L_MASK;
	vmcb->save.cr3 |= mmu_root_gpa_limit();
}

static void smram_vmcb_in_hole(struct vmcb *vmcb, void *smram)
{
	*(uint64_t *)(smram + SMRAM_VMCB_GPA) = HOLE_GPA;
}

static void smram_no_svme(struct vmcb *vmcb, void *smram)
{
	*(uint64_t *)(smram + SMRAM_EFER) &= ~EFER_SVME;
}

static void smram_cr4_reserved(struct vmcb *vmcb, void *smram)
{
	*(uint64_t *)(smram + SMRAM_CR4) |= CR4_RESERVED;
}

static void smram_nw_without_cd(struct vmcb *vmcb, void *smram)
{
	uint64_t *cr0 = smram + SMRAM_CR0;

	*cr0 = (*cr0 & ~X86_CR0_CD) | X86_CR0_NW;
}

/**
 * struct change - A change that is made in the handler of an SMI
 * @what: name of the change, for messages
 * @spoil: makes the state that RSM returns to illegal
 * @npt_only: the change exists with nested paging only
 */
struct change {
	const char *what;
	void (*spoil)(struct vmcb *vmcb, void *smram);
	bool npt_only;
};

/* KVM finds these errors before it is in L2. */
static const struct change early_changes[] = {
	{ "ASID 0", no_asid },
	{ "VMRUN that is not intercepted", vmrun_not_intercepted },
	{ "a nested CR3 beyond MAXPHYADDR", nested_cr3_beyond, true },
	{ "EFER without SVME", no_svme },
	{ "SMRAM with a VMCB in a hole", smram_vmcb_in_hole },
	{ "SMRAM with EFER without SVME", smram_no_svme },
};

/* KVM finds this error when it is in L2 already: enter_svm_guest_mode(). */
static const struct change cr3_changes[] = {
	{ "PAE paging with a CR3 beyond MAXPHYADDR", pae_cr3_beyond },
};

/* KVM loads the registers in SMRAM last, when it is in L2 already. */
static const struct change late_changes[] = {
	{ "SMRAM with a reserved bit of CR4", smram_cr4_reserved },
	{ "SMRAM with CR0.NW without CD", smram_nw_without_cd },
};

static void expect_shutdowns(FIXTURE_DATA(rsm) * self, bool nested_paging,
			     const struct change *changes, unsigned int nr_changes)
{
	uint64_t nr_visits = 0;
	unsigned int i;

	for (i = 0; i < nr_changes; i++) {
		if (changes[i].npt_only && !nested_paging)
			continue;
		run_to_smm(self, changes[i].what);
		changes[i].spoil(vmcb_of(self), mmu_root_path_smram(true));
		expect_shutdown(self, changes[i].what);
		mmu_root_l1_recover(&self->l1, changes[i].what);
		nr_visits++;
	}
	run_to_smm(self, "what is legal again");
	expect_l2(self, "what is legal again");
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, nr_visits + 1);
}

TEST_F(rsm, to_what_smm_has_made_illegal)
{
	mmu_roots_require_applicable(!host_cpu_is_intel,
				     "VMX keeps the current VMCS in KVM, not in memory");
	expect_shutdowns(self, variant->nested_paging, early_changes, ARRAY_SIZE(early_changes));
}

TEST_F(rsm, to_a_cr3_that_is_illegal)
{
	mmu_roots_require_applicable(!host_cpu_is_intel,
				     "VMX keeps the current VMCS in KVM, not in memory");
	expect_shutdowns(self, variant->nested_paging, cr3_changes, ARRAY_SIZE(cr3_changes));
}

TEST_F(rsm, to_registers_that_are_illegal)
{
	mmu_roots_require_applicable(!host_cpu_is_intel, "not tried with VMX");
	expect_shutdowns(self, variant->nested_paging, late_changes, ARRAY_SIZE(late_changes));
}

/* An illegal EPTP, and registers that KVM checks only when it loads them. */
static const struct {
	const char *what;
	unsigned int vmcs12_offset;
	uint64_t set;
	uint64_t clear;
	bool ept_only;
	bool cr3;
} restores[] = {
	{ "a reserved bit of EPTP", VMCS12_EPT_POINTER, EPTP_RESERVED, 0, true },
	{ "CR0.PG without PE", VMCS12_GUEST_CR0, 0, X86_CR0_PE, false },
	{ "a CR3 beyond MAXPHYADDR", VMCS12_GUEST_CR3, 0, 0, false, true },
};

static void restore_changed(FIXTURE_DATA(rsm) * self, unsigned int i)
{
	struct kvm_nested_state *state = mmu_root_nested_state_get(self->vcpu);
	uint64_t *field = (void *)state->data.vmx->vmcs12 + restores[i].vmcs12_offset;
	int ret;

	*field = (*field & ~restores[i].clear) | restores[i].set;
	if (restores[i].cr3)
		*field |= mmu_root_gpa_limit();
	ret = __vcpu_ioctl(self->vcpu, KVM_SET_NESTED_STATE, state);
	mmu_roots_check(&self->roots, !ret, "%s: KVM_SET_NESTED_STATE in SMM: %s",
			restores[i].what, strerror(errno));
}

/* KVM_SET_NESTED_STATE does not check the state that a vCPU in SMM is to enter after SMM. */
TEST_F(rsm, to_what_userspace_has_made_illegal)
{
	uint64_t nr_visits = 0;
	unsigned int i;

	mmu_roots_require_applicable(host_cpu_is_intel,
				     "SVM keeps the VMCB that RSM enters in memory");
	/* handle_invalid_guest_state() does not look for KVM_REQ_TRIPLE_FAULT. */
	mmu_roots_require_applicable(!mmu_root_smm_is_emulated(),
				     "KVM emulates all code in SMM, and goes on after a shutdown");
	for (i = 0; i < ARRAY_SIZE(restores); i++) {
		if (restores[i].ept_only && !variant->nested_paging)
			continue;
		run_to_smm(self, restores[i].what);
		restore_changed(self, i);
		expect_shutdown(self, restores[i].what);
		mmu_root_l1_recover(&self->l1, restores[i].what);
		nr_visits++;
	}
	run_to_smm(self, "what is legal again");
	expect_l2(self, "what is legal again");
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, nr_visits + 1);
}

/*
 * A vCPU in SMM that is to return to L2 has no root of L2, and leaves no root when it is
 * destroyed.
 */
TEST_F(rsm, that_never_comes)
{
	run_to_smm(self, "SMI");
}

TEST_HARNESS_MAIN
