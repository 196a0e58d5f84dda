// SPDX-License-Identifier: GPL-2.0
/*
 * Which writes of control registers load the PDPTRs of PAE paging, and which do not.
 *
 * A load checks the PDPTEs: one that is present and has a reserved bit makes the write a
 * #GP.  Host userspace puts such an entry where nothing is translated by it, and the guest
 * writes a register: a write that loads kills the guest, which has no handlers, and one that
 * does not load lets the guest go on.  Intel SDM, "PDPTE Registers": CR3, changes of CD, NW
 * and PG in CR0, and of PAE, PGE, PSE and SMEP in CR4.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_modes.h"
#include "mmu_roots_paths.h"

/* Even, so that the flips before leave the guest's registers as they were. */
#define NR_WARM_OPS	2

/* Neither the code's nor the data's. */
#define UNUSED_PDPTE	2

/* PDPTEs of PAE paging have no W: bit 1 is reserved. */
#define BAD_PDPTE	(PT_PRESENT_MASK | PT_WRITABLE_MASK)

FIXTURE(pdptrs) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: what is written
 * @op: how
 * @mask: the bits that it changes
 * @loads: whether it loads the PDPTRs
 * @path: a path that needs the same of CPU and KVM, or PATH_NULL_EXIT
 */
FIXTURE_VARIANT(pdptrs) {
	const char *name;
	enum mmu_root_mode_op op;
	uint32_t mask;
	bool loads;
	enum mmu_root_path_id path;
};

FIXTURE_VARIANT_ADD(pdptrs, cr3) { "CR3", MODE_OP_PDPTE, 0, true, PATH_NULL_EXIT };
FIXTURE_VARIANT_ADD(pdptrs, cr0_cd) { "CR0.CD", MODE_OP_CR0, X86_CR0_CD, true, PATH_NULL_EXIT };
/* NW without CD is illegal. */
FIXTURE_VARIANT_ADD(pdptrs, cr0_cd_nw) {
	"CR0.CD+NW", MODE_OP_CR0, X86_CR0_CD | X86_CR0_NW, true, PATH_NULL_EXIT
};

FIXTURE_VARIANT_ADD(pdptrs, cr4_pge) { "CR4.PGE", MODE_OP_CR4, X86_CR4_PGE, true, PATH_CR4_PGE };
FIXTURE_VARIANT_ADD(pdptrs, cr4_pse) { "CR4.PSE", MODE_OP_CR4, X86_CR4_PSE, true, PATH_NULL_EXIT };
FIXTURE_VARIANT_ADD(pdptrs, cr4_smep) {
	"CR4.SMEP", MODE_OP_CR4, X86_CR4_SMEP, true, PATH_CR4_SMEP
};

FIXTURE_VARIANT_ADD(pdptrs, cr0_wp) { "CR0.WP", MODE_OP_CR0, X86_CR0_WP, false, PATH_CR0_WP };
FIXTURE_VARIANT_ADD(pdptrs, cr0_am) { "CR0.AM", MODE_OP_CR0, X86_CR0_AM, false, PATH_NULL_EXIT };
FIXTURE_VARIANT_ADD(pdptrs, cr4_smap) {
	"CR4.SMAP", MODE_OP_CR4, X86_CR4_SMAP, false, PATH_CR4_SMAP
};

FIXTURE_VARIANT_ADD(pdptrs, cr4_pke) { "CR4.PKE", MODE_OP_CR4, X86_CR4_PKE, false, PATH_CR4_PKE };
FIXTURE_VARIANT_ADD(pdptrs, cr4_mce) { "CR4.MCE", MODE_OP_CR4, X86_CR4_MCE, false, PATH_CR4_MCE };
FIXTURE_VARIANT_ADD(pdptrs, cr4_tsd) { "CR4.TSD", MODE_OP_CR4, X86_CR4_TSD, false, PATH_NULL_EXIT };

FIXTURE_SETUP(pdptrs)
{
	printf("#@ path=PDPTRs-%s\n", variant->name);
	mmu_root_path_require(variant->path);
	mmu_roots_require_applicable(variant->op != MODE_OP_PDPTE || host_cpu_is_intel ||
				     !kvm_is_tdp_enabled(),
				     "SVM has no PDPTRs with nested paging, and CR3 does not exit");
	/* Bochs loads them for CR0.WP, too. */
	mmu_roots_require_applicable(mmu_root_path_exits(variant->path),
				     "the guest owns %s: it is the CPU that loads or not",
				     variant->name);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(pdptrs)
{
	mmu_roots_vm_free(&self->roots);
}

/* Whether the guest dies of the next operation.  If it does not, it has left by its port. */
static bool next_operation_kills(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rbp = 1;
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	return vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN;
}

/* With no IDT at all the first exception is a shutdown. */
static void take_handlers(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.idt.limit = 0;
	vcpu_sregs_set(vcpu, &sregs);
}

TEST_F(pdptrs, are_loaded_by_what_loads_them)
{
	uint64_t *pdpte = addr_gpa2hva(self->vcpu->vm, MMU_ROOT_MODE_PDPTE(UNUSED_PDPTE));
	struct mmu_roots *roots = &self->roots;
	bool killed;

	take_handlers(self->vcpu);
	mmu_root_mode_start(self->vcpu, variant->op, variant->mask);
	mmu_root_mode_enter(self->vcpu, MODE_PAE);
	mmu_root_mode_run(self->vcpu, NR_WARM_OPS);
	mmu_root_mode_clean_pdptes(self->vcpu->vm);
	*pdpte = BAD_PDPTE;
	killed = next_operation_kills(self->vcpu);

	mmu_roots_check(roots, killed || self->vcpu->run->exit_reason == KVM_EXIT_IO,
			"the guest left with exit reason %u, expected %u or %u",
			self->vcpu->run->exit_reason, KVM_EXIT_IO, KVM_EXIT_SHUTDOWN);
	mmu_roots_check(roots, killed == variant->loads,
			"a PDPTE with a reserved bit %s the guest that writes %s",
			killed ? "kills" : "does not kill", variant->name);
}

TEST_HARNESS_MAIN
