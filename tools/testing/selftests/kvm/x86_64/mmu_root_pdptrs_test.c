// SPDX-License-Identifier: GPL-2.0
/*
 * Which writes of control registers load the PDPTRs of PAE paging, and which do not.
 *
 * A load checks the PDPTEs in memory: the write raises #GP if a present PDPTE has a reserved
 * bit set.  Userspace makes such a PDPTE of one that translates nothing for the guest, and the
 * guest writes a register.  A write that loads the PDPTRs kills the guest, which has no exception
 * handlers; after any other write the guest goes on.  The CPU loads the PDPTRs for writes of CR3,
 * for changes of CD, NW and PG in CR0, and of PAE, PGE, PSE and SMEP in CR4: Intel SDM, "PDPTE
 * Registers".
 *
 * What was loaded must be used, and nothing else: userspace has another PDPTE map the data, and
 * the guest reads the data there after its write.  The CPU has no translation to keep, as that
 * PDPTE was not present before.
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

/* An even number of flips leaves the guest's registers as they were. */
#define NR_WARM_OPS	2

/* This PDPTE maps neither the guest's code nor its data. */
#define UNUSED_PDPTE	2

/* This PDPTE does not, either, until the test has moved the data there. */
#define NEW_PDPTE	3

/* PDPTEs of PAE paging have no W: bit 1 is reserved. */
#define BAD_PDPTE	(PT_PRESENT_MASK | PT_WRITABLE_MASK)

FIXTURE(pdptrs) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: the register, or the bits, that the guest writes
 * @op: the operation that writes them
 * @mask: the bits that the operation flips
 * @loads: whether the write loads the PDPTRs
 * @path: a path that needs the same features of CPU and KVM; PATH_NULL_EXIT if none
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
/* CR0.NW without CR0.CD is illegal. */
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
	/* Bochs loads the PDPTRs for CR0.WP, too. */
	mmu_roots_require_applicable(mmu_root_path_exits(variant->path),
				     "the guest owns %s, so KVM does not see the write",
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

/* Whether the next operation shuts the guest down; a guest that survives exits by its port. */
static bool next_operation_kills(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rbp = 1;
	vcpu_regs_set(vcpu, &regs);
	vcpu_run(vcpu);
	return vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN;
}

/* Without an IDT, the first exception becomes a triple fault, i.e. a shutdown. */
static void take_handlers(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.idt.limit = 0;
	vcpu_sregs_set(vcpu, &sregs);
}

/* After this, the next operation writes the register, and reads the data. */
static void warm_up(struct kvm_vcpu *vcpu, enum mmu_root_mode_op op, uint32_t mask)
{
	take_handlers(vcpu);
	mmu_root_mode_start(vcpu, op, mask);
	mmu_root_mode_enter(vcpu, MODE_PAE);
	mmu_root_mode_run(vcpu, NR_WARM_OPS);
	mmu_root_mode_clean_pdptes(vcpu->vm);
}

static void expect_end(struct mmu_roots *roots, struct kvm_vcpu *vcpu, bool killed)
{
	mmu_roots_check(roots, killed || vcpu->run->exit_reason == KVM_EXIT_IO,
			"the guest left with exit reason %u, expected %u or %u",
			vcpu->run->exit_reason, KVM_EXIT_IO, KVM_EXIT_SHUTDOWN);
}

TEST_F(pdptrs, are_loaded_by_what_loads_them)
{
	uint64_t *pdpte = addr_gpa2hva(self->vcpu->vm, MMU_ROOT_MODE_PDPTE(UNUSED_PDPTE));
	struct mmu_roots *roots = &self->roots;
	bool killed;

	warm_up(self->vcpu, variant->op, variant->mask);
	*pdpte = BAD_PDPTE;
	killed = next_operation_kills(self->vcpu);

	expect_end(roots, self->vcpu, killed);
	mmu_roots_check(roots, killed == variant->loads,
			"a PDPTE with a reserved bit %s the guest that writes %s",
			killed ? "kills" : "does not kill", variant->name);
}

TEST_F(pdptrs, are_used_when_they_are_loaded)
{
	/* AMD CPUs read PDPTEs from memory if nested paging is on: AMD APM, "Nested Paging". */
	bool cpu_reads = kvm_is_tdp_enabled() && host_cpu_is_amd;
	struct mmu_roots *roots = &self->roots;
	bool killed;

	warm_up(self->vcpu, variant->op, variant->mask);
	mmu_root_mode_move_data(self->vcpu, NEW_PDPTE);
	killed = next_operation_kills(self->vcpu);

	expect_end(roots, self->vcpu, killed);
	mmu_roots_check(roots, killed == !(variant->loads || cpu_reads),
			"the guest that writes %s %s the memory of a PDPTE that is new",
			variant->name, killed ? "does not see" : "sees");
}

/*
 * KVM loads the PDPTRs before it knows that the guest is about to use PAE paging, and must not look
 * for the reserved bits of the paging mode that the guest has had: with four levels, the entries of
 * a PDPT have W.
 */
TEST(are_checked_when_paging_is_turned_on)
{
	struct kvm_sregs sregs;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	bool killed;

	printf("#@ path=PDPTRs-CR0.PG\n");
	mmu_roots_pin();
	mmu_root_path_vm_create(&vcpu, NULL);
	mmu_root_mode_install(vcpu);
	mmu_roots_open(&roots, vcpu->vm, "CR0.PG");
	take_handlers(vcpu);
	mmu_root_mode_start(vcpu, MODE_OP_READ, 0);
	mmu_root_mode_enter(vcpu, MODE_COMPAT);
	mmu_root_mode_run(vcpu, NR_WARM_OPS);

	mmu_root_mode_start(vcpu, MODE_OP_CR0, X86_CR0_PG);
	vcpu_sregs_get(vcpu, &sregs);
	mmu_root_mode_sregs(MODE_PAE, &sregs);
	sregs.cr0 &= ~X86_CR0_PG;
	vcpu_sregs_set(vcpu, &sregs);
	mmu_root_mode_clean_pdptes(vcpu->vm);
	*(uint64_t *)addr_gpa2hva(vcpu->vm, MMU_ROOT_MODE_PDPTE(UNUSED_PDPTE)) = BAD_PDPTE;
	killed = next_operation_kills(vcpu);

	expect_end(&roots, vcpu, killed);
	mmu_roots_check(&roots, killed,
			"a PDPTE with a reserved bit does not kill the guest that sets CR0.PG");
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
