// SPDX-License-Identifier: GPL-2.0
/*
 * Resets outside 64-bit mode, where paging itself can be turned on and off, and
 * where its mode follows from bits that are fixed in 64-bit mode.
 *
 * Each path flips one bit of a control register in one paging mode, and reads from
 * its memory after each flip: what the guest sees follows from the mode, although
 * with two-dimensional paging the root is always the same.
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
#define NR_OPS			300

/* Maps the data by whichever of a path's roots, see guest_path_storm(). */
#define NR_WARM_OPS		MMU_ROOT_DATA_PAGES

/* Without paging, and with 32-bit paging, each load has four PAE roots. */
#define NR_PAE_ROOTS		4

/* With PAE paging it has those whose PDPTEs are present. */
#define NR_PDPTES		2

FIXTURE(mode) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: the path
 * @mode: where the guest starts, and is after every other operation
 * @op: what it flips
 * @mask: which bit of it
 * @feature: what the CPU has to have, by name; NULL if all have it
 * @cpu_has: whether this host's CPU has it
 * @supported: whether KVM can do it on this host; NULL if always
 * @tdp: what two operations cost with two-dimensional paging
 * @shadow: and with shadow paging
 */
FIXTURE_VARIANT(mode) {
	const char *name;
	enum mmu_root_mode mode;
	enum mmu_root_mode_op op;
	uint32_t mask;
	const char *feature;
	bool (*cpu_has)(void);
	bool (*supported)(void);
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/* A role bit changes twice, and nothing else. */
#define TDP_RESET(f)	{ .resets = 2, .loads = 2, .found = 2, .roots = 1, .flushes = 2 * (f) }
#define TDP_NO_RESET	{ .roots = 1 }
#define UNPAGED_RESET(f)	{					\
	.resets = 2, .loads = 2, .found = 2 * NR_PAE_ROOTS,		\
	.roots = NR_PAE_ROOTS, .flushes = 2 * (f),			\
}

/* The role of page tables without paging has none of the guest's bits. */
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

FIXTURE_VARIANT_ADD(mode, cr0_pg_pae) {
	.name = "CR0.PG-PAE", .mode = MODE_PAE, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_PAE,
};

FIXTURE_VARIANT_ADD(mode, cr0_pg_long) {
	.name = "CR0.PG-long", .mode = MODE_COMPAT, .op = MODE_OP_CR0, .mask = X86_CR0_PG,
	.tdp = TDP_RESET(1), .shadow = TURNS_LONG,
};

/* KVM reloads PDPTRs, and with shadow paging the roots that follow from them. */
FIXTURE_VARIANT_ADD(mode, pdptrs) {
	.name = "CR3-PDPTRs", .mode = MODE_PAE, .op = MODE_OP_PDPTE,
	.tdp = TDP_NO_RESET,
	.shadow = { .loads = 2, .found = 2 * NR_PDPTES, .roots = NR_PDPTES + 1, .flushes = 4 },
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
	mmu_root_mode_enter(self->vcpu, variant->mode);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(mode)
{
	mmu_roots_vm_free(&self->roots);
}

static void check_sum(struct mmu_roots *roots, uint32_t sum, uint32_t nr_ops, bool mirror_odd)
{
	uint32_t expected = mmu_root_mode_sum(nr_ops, mirror_odd, false);

	mmu_roots_check(roots, sum == expected,
			"the guest read data with checksum %#x, expected %#x", sum, expected);
}

TEST_F(mode, exact_counts)
{
	const struct mmu_root_counts *counts;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	bool mirror = variant->op == MODE_OP_PDPTE;
	uint32_t mask = variant->mask, sum;

	if (mirror)
		mask = mmu_root_mode_pdpte(false) ^ mmu_root_mode_pdpte(true);
	mmu_root_mode_start(self->vcpu, variant->op, mask);
	check_sum(roots, mmu_root_mode_run(self->vcpu, NR_WARM_OPS), NR_WARM_OPS, mirror);
	mmu_roots_read(roots, &warm);
	sum = mmu_root_mode_run(self->vcpu, NR_OPS);
	mmu_roots_read(roots, &storm);

	counts = kvm_is_tdp_enabled() ? &variant->tdp : &variant->shadow;
	mmu_roots_report(variant->name, NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts->roots);
	mmu_roots_expect_storm(roots, &warm, &storm, counts, NR_OPS / 2);
	check_sum(roots, sum, NR_OPS, mirror);
}

TEST_HARNESS_MAIN
