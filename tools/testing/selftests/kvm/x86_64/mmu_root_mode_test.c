// SPDX-License-Identifier: GPL-2.0
/*
 * Resets outside 64-bit mode, where the guest can turn paging on and off, and where the paging
 * mode depends on bits that are fixed in 64-bit mode.
 *
 * Each path flips one bit of a control register in one paging mode, and reads from memory after
 * each flip.  The guest must see the data that its current mode maps, although with
 * two-dimensional paging the root is always the same.  KVM must see the same data when it emulates
 * an instruction.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_modes.h"

/* Even, so that flips leave the guest's registers as they were. */
#define NR_OPS			40

/* Operations with reads that KVM emulates. */
#define NR_EMULATED_OPS		16

/* So many operations map all of the data by each root of a path, see guest_path_storm(). */
#define NR_WARM_OPS		MMU_ROOT_DATA_PAGES

/* Without paging, and with 32-bit paging, each load has four PAE roots. */
#define NR_PAE_ROOTS		4

/* With PAE paging, each load has one root for each PDPTE that is present. */
#define NR_PDPTES		2

FIXTURE(mode) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: the path
 * @mode: the mode in which the guest starts, and is after every other operation
 * @op: the operation, i.e. the register or entry that it flips
 * @mask: the bits to flip; if 0, the bits of a PDPTE that reverse the pages of the data
 * @pdpte: the PDPTE that maps the data in PAE paging; 0 if it is of no interest
 * @exits_as: a path that exits exactly if this one does
 * @feature: name of the CPU feature that the path needs; NULL if all CPUs have it
 * @cpu_has: whether this host's CPU has the feature
 * @supported: whether KVM supports the path on this host; NULL if always
 * @tdp: what two operations cost with two-dimensional paging
 * @shadow: what two operations cost with shadow paging
 */
FIXTURE_VARIANT(mode) {
	const char *name;
	enum mmu_root_mode mode;
	enum mmu_root_mode_op op;
	uint32_t mask;
	unsigned int pdpte;
	enum mmu_root_path_id exits_as;
	const char *feature;
	bool (*cpu_has)(void);
	bool (*supported)(void);
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/* Two operations flip a role bit, and nothing else; they flush @f times. */
#define TDP_RESET(f)	{ .resets = 2, .loads = 2, .found = 2, .roots = 1, .flushes = 2 * (f) }
#define TDP_NO_RESET	{ .roots = 1 }
#define UNPAGED_RESET(f)	{					\
	.resets = 2, .loads = 2, .found = 2 * NR_PAE_ROOTS,		\
	.roots = NR_PAE_ROOTS, .flushes = 2 * (f),			\
}

/* Without paging, the role of page tables has none of the guest's bits. */
#define UNPAGED_NO_RESET	{ .roots = NR_PAE_ROOTS }

/* The roots with paging and those without take turns. */
#define TURNS_32BIT	{						\
	.resets = 2, .loads = 2, .found = 2 * NR_PAE_ROOTS,		\
	.roots = 2 * NR_PAE_ROOTS, .flushes = 2,			\
}

#define TURNS_PAE	{						\
	.resets = 2, .loads = 2, .found = NR_PDPTES + NR_PAE_ROOTS,	\
	.roots = NR_PDPTES + NR_PAE_ROOTS, .flushes = 2,		\
}

#define TURNS_LONG	{						\
	.resets = 2, .loads = 2, .found = 1 + NR_PAE_ROOTS,		\
	.roots = 1 + NR_PAE_ROOTS, .flushes = 2,			\
}

/* The PDPTRs determine the roots: one for the data in each of two states, and one for the code. */
#define OTHER_PDPTRS	{						\
	.loads = 2, .found = 2 * NR_PDPTES, .roots = NR_PDPTES + 1, .flushes = 4, \
}

static bool cpu_has_la57(void)
{
	return this_cpu_has(X86_FEATURE_LA57);
}

static bool has_la57(void)
{
	return kvm_cpu_has(X86_FEATURE_LA57);
}

static bool has_smep(void)
{
	return kvm_cpu_has(X86_FEATURE_SMEP);
}

FIXTURE_VARIANT_ADD(mode, unpaged_cr4_pse) {
	.name = "CR4.PSE", .mode = MODE_UNPAGED, .op = MODE_OP_CR4, .mask = X86_CR4_PSE,
	.tdp = TDP_RESET(0), .shadow = UNPAGED_RESET(0),
};

FIXTURE_VARIANT_ADD(mode, unpaged_cr4_pae) {
	.name = "CR4.PAE", .mode = MODE_UNPAGED, .op = MODE_OP_CR4, .mask = X86_CR4_PAE,
	.tdp = TDP_RESET(2), .shadow = UNPAGED_RESET(2),
};

FIXTURE_VARIANT_ADD(mode, unpaged_cr4_la57) {
	.name = "CR4.LA57", .mode = MODE_UNPAGED, .op = MODE_OP_CR4, .mask = X86_CR4_LA57,
	.supported = has_la57, .feature = "LA57", .cpu_has = cpu_has_la57,
	.tdp = TDP_RESET(0), .shadow = UNPAGED_RESET(0),
};

FIXTURE_VARIANT_ADD(mode, unpaged_cr4_smep) {
	.name = "CR4.SMEP-unpaged", .mode = MODE_UNPAGED, .op = MODE_OP_CR4,
	.mask = X86_CR4_SMEP, .supported = has_smep,
	.tdp = TDP_RESET(1), .shadow = UNPAGED_RESET(1),
};

FIXTURE_VARIANT_ADD(mode, unpaged_cr0_wp) {
	.name = "CR0.WP-unpaged", .mode = MODE_UNPAGED, .op = MODE_OP_CR0, .mask = X86_CR0_WP,
	.tdp = TDP_NO_RESET, .shadow = UNPAGED_NO_RESET,
};

FIXTURE_VARIANT_ADD(mode, unpaged_efer_lme) {
	.name = "EFER.LME", .mode = MODE_UNPAGED_PAE, .op = MODE_OP_EFER, .mask = EFER_LME,
	.tdp = TDP_RESET(0), .shadow = UNPAGED_RESET(0),
};

FIXTURE_VARIANT_ADD(mode, unpaged_efer_nx) {
	.name = "EFER.NX-unpaged", .mode = MODE_UNPAGED, .op = MODE_OP_EFER, .mask = EFER_NX,
	.tdp = TDP_RESET(0), .shadow = UNPAGED_RESET(0),
};

FIXTURE_VARIANT_ADD(mode, cr4_pse_32bit) {
	.name = "CR4.PSE-32bit", .mode = MODE_32BIT, .op = MODE_OP_CR4, .mask = X86_CR4_PSE,
	.tdp = TDP_RESET(0), .shadow = UNPAGED_RESET(0),
};

FIXTURE_VARIANT_ADD(mode, cr0_pg_32bit) {
	.name = "CR0.PG-32bit", .mode = MODE_32BIT, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_32BIT,
};

/* A change of CR0.WP alone takes no reset without paging, nor with two-dimensional paging. */
FIXTURE_VARIANT_ADD(mode, cr0_pg_wp_32bit) {
	.name = "CR0.PG+WP-32bit", .mode = MODE_32BIT, .op = MODE_OP_CR0,
	.mask = X86_CR0_PG | X86_CR0_WP,
	.tdp = TDP_RESET(1), .shadow = TURNS_32BIT,
};

/* A KVM that forgets CR4.PSE takes the page of 4 MiB for a page table that maps other data. */
FIXTURE_VARIANT_ADD(mode, large_pages_32bit) {
	.name = "CR0.PG-4MiB", .mode = MODE_32BIT_PSE, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_32BIT,
};

FIXTURE_VARIANT_ADD(mode, cr0_pg_pae) {
	.name = "CR0.PG-PAE", .mode = MODE_PAE, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_PAE,
};

FIXTURE_VARIANT_ADD(mode, cr0_pg_long) {
	.name = "CR0.PG-long", .mode = MODE_COMPAT, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_LONG,
};

FIXTURE_VARIANT_ADD(mode, cr0_pg_la57) {
	.name = "CR0.PG-LA57", .mode = MODE_COMPAT_LA57, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.supported = has_la57, .feature = "LA57", .cpu_has = cpu_has_la57,
	.tdp = TDP_RESET(1), .shadow = TURNS_LONG,
};

/* KVM reloads the PDPTRs, and with shadow paging also the roots, which depend on the PDPTRs. */
FIXTURE_VARIANT_ADD(mode, pdptrs) {
	.name = "CR3-PDPTRs", .mode = MODE_PAE, .op = MODE_OP_PDPTE, .pdpte = 1,
	.tdp = TDP_NO_RESET, .shadow = OTHER_PDPTRS,
};

/* KVM must look at all four PDPTRs, also at the last one. */
FIXTURE_VARIANT_ADD(mode, pdptr_3) {
	.name = "CR3-PDPTR3", .mode = MODE_PAE, .op = MODE_OP_PDPTE, .pdpte = 3,
	.tdp = TDP_NO_RESET, .shadow = OTHER_PDPTRS,
};

/* A change of CR4.PGE reloads the PDPTRs, too: Intel SDM, "PDPTE Registers". */
FIXTURE_VARIANT_ADD(mode, cr4_pge_pdptrs) {
	.name = "CR4.PGE-PDPTRs", .mode = MODE_PAE, .op = MODE_OP_PGE, .pdpte = 1,
	.exits_as = PATH_CR4_PGE,
	.tdp = { .roots = 1, .flushes = 4 }, .shadow = OTHER_PDPTRS,
};

FIXTURE_SETUP(mode)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(!variant->feature || variant->cpu_has(),
				     "the CPU has no %s", variant->feature);
	__TEST_REQUIRE(!variant->supported || variant->supported(),
		       "KVM does not support %s on this host", variant->name);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(mode)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/* Start the guest as a variant says.  The mode comes last, as entering it loads the PDPTRs. */
static void start(struct kvm_vcpu *vcpu, enum mmu_root_mode mode, enum mmu_root_mode_op op,
		  uint32_t mask, unsigned int pdpte)
{
	mmu_root_mode_start(vcpu, op, mask ?:
			    mmu_root_mode_pdpte(false) ^ mmu_root_mode_pdpte(true));
	if (pdpte)
		mmu_root_mode_move_data(vcpu, pdpte);
	mmu_root_mode_enter(vcpu, mode);
}

TEST_F(mode, exact_counts)
{
	struct mmu_root_counts counts = kvm_is_tdp_enabled() ? variant->tdp : variant->shadow;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	bool mirror = variant->pdpte;
	uint32_t sum;

	/* Without an exit, the CPU flushes, and KVM does not. */
	if (!mmu_root_path_exits(variant->exits_as))
		counts.flushes = 0;

	start(self->vcpu, variant->mode, variant->op, variant->mask, variant->pdpte);
	sum = mmu_root_mode_run(self->vcpu, NR_WARM_OPS);
	mmu_root_mode_check_sum(roots, sum, NR_WARM_OPS, mirror, false);
	mmu_roots_read(roots, &warm);
	sum = mmu_root_mode_run(self->vcpu, NR_OPS);
	mmu_roots_read(roots, &storm);

	mmu_roots_report(variant->name, NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts.roots);
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS / 2);
	mmu_root_mode_check_sum(roots, sum, NR_OPS, mirror, false);
}

/*
 * When KVM emulates an instruction, KVM must translate addresses as the CPU does in its current
 * mode, whatever the root.  For that KVM has its own notion of the guest's paging, which a reset
 * refreshes as well, see kvm_init_mmu().
 *
 * The guest's page tables map the pages of the data in reverse order.  A flip changes that: of
 * CR0.PG, of CR4.PSE, which makes one large page of the data, or of a PDPTE.
 */
TEST_F(mode, emulated_reads)
{
	bool mirror = mmu_root_mode_is_mirrored(variant->mode);
	struct mmu_roots *roots = &self->roots;
	uint64_t before = 0, after = 0;
	uint32_t sum;
	int ret;

	mmu_roots_force_emulation();
	mmu_root_mode_emulate(self->vcpu);
	start(self->vcpu, variant->mode, variant->op, variant->mask, variant->pdpte);
	ret = mmu_roots_read_debugfs(roots, "insn_emulation", &before);
	sum = mmu_root_mode_run(self->vcpu, NR_EMULATED_OPS);
	ret = ret ?: mmu_roots_read_debugfs(roots, "insn_emulation", &after);

	mmu_root_mode_check_sum(roots, sum, NR_EMULATED_OPS, false, mirror);
	/* KVM is free to emulate more instructions than the guest asks for. */
	mmu_roots_check(roots, !ret && after - before >= NR_EMULATED_OPS,
			"%lu instructions emulated, expected %u at least",
			after - before, NR_EMULATED_OPS);
}

/*
 * An SMI takes a CPU out of its mode until RSM, and INIT takes the CPU out of its mode for good.
 * KVM has to notice, whatever the mode was.
 */
FIXTURE(event) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(event) {
	const char *name;
	enum mmu_root_mode mode;
};

FIXTURE_VARIANT_ADD(event, unpaged) { "SMI+RSM-unpaged", MODE_UNPAGED };
FIXTURE_VARIANT_ADD(event, 32bit) { "SMI+RSM-32bit", MODE_32BIT };
FIXTURE_VARIANT_ADD(event, pae) { "SMI+RSM-PAE", MODE_PAE };
FIXTURE_VARIANT_ADD(event, compat) { "SMI+RSM-compat", MODE_COMPAT };

FIXTURE_SETUP(event)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	mmu_root_mode_enter(self->vcpu, variant->mode);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(event)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * enter_smm() resets as SMM begins, and again when it has set the registers.  RSM resets as SMM
 * ends, and once more for each register in which the guest has bits of the role that SMM clears.
 */
#define SMM_RESETS	3

static uint64_t resets_of_smi(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	return SMM_RESETS + !!(sregs.cr0 & X86_CR0_PG) +
	       !!(sregs.cr4 & MMU_ROOT_CR4_ROLE) + !!(sregs.efer & MMU_ROOT_EFER_ROLE);
}

TEST_F(event, smi_returns_to_the_mode)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;
	uint64_t resets, nr_smis;

	mmu_root_path_require(PATH_SMM);
	mmu_root_mode_expect_data(roots, self->vcpu, false);
	resets = resets_of_smi(self->vcpu);
	mmu_roots_read(roots, &before);
	mmu_root_mode_clean_pdptes(self->vcpu->vm);
	vcpu_ioctl(self->vcpu, KVM_SMI, NULL);
	mmu_root_mode_expect_data(roots, self->vcpu, false);
	mmu_roots_read(roots, &after);

	mmu_roots_report(variant->name, 1, &before, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, resets);
	nr_smis = mmu_root_path_nr_smis(self->vcpu->vm);
	mmu_roots_check(roots, nr_smis == 1, "%lu SMIs handled, expected 1", nr_smis);
}

/* INIT resets the MMU only if paging was on: kvm_vcpu_reset(). */
TEST_F(event, init_leaves_the_mode)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;
	struct kvm_sregs sregs;
	uint64_t cr0;

	mmu_root_mode_expect_data(roots, self->vcpu, false);
	vcpu_sregs_get(self->vcpu, &sregs);
	cr0 = sregs.cr0;
	mmu_roots_read(roots, &before);
	mmu_root_path_init(self->vcpu);
	mmu_roots_read(roots, &after);

	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, !!(cr0 & X86_CR0_PG));
	vcpu_sregs_get(self->vcpu, &sregs);
	/* Intel SDM, "Processor State After Reset": INIT keeps CD and NW. */
	cr0 = X86_CR0_ET | (cr0 & (X86_CR0_CD | X86_CR0_NW));
	mmu_roots_check(roots, sregs.cr0 == cr0 && !sregs.cr4,
			"after INIT CR0 is %llx, expected %lx, and CR4 is %llx",
			sregs.cr0, cr0, sregs.cr4);
}

TEST_HARNESS_MAIN
