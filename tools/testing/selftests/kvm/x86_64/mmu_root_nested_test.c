// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a nested hypervisor finds the MMU roots of its L2s again.
 *
 * A vCPU caches its current root and KVM_MMU_NUM_PREV_ROOTS previous ones, for
 * L1 and its L2s in root_mmu, and for nested paging in guest_mmu.  Each path is
 * operated many times.  Per operation, the number of PGD switches that the cache
 * serves and doesn't serve is exact, for either kind of MMU; over all operations
 * no root may be built, no page may be faulted in again, and each L2 must see
 * the memory of the PGD that it runs on.
 *
 * The counts are derived in docs/nested.md of kvm-mmu-roots.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_traits.h"
#include "mmu_roots_paths.h"

/*
 * Multiples of the number of PGDs, so that each round begins where the cache was
 * at the beginning of the one before; and even, for flips to cancel out.
 */
#define NR_WARM_UP_OPS		60
#define NR_OPS			60

/* Twice, to also have mapped what follows the exit of a round to the host. */
#define NR_WARM_UP_ROUNDS	2
#define NR_ALL_OPS		(NR_WARM_UP_ROUNDS * NR_WARM_UP_OPS + NR_OPS)

/* Written by L1 only; L2 shares L1's memory. */
static void (*l2_op)(uint64_t i, uint64_t nr_pgds);
static uint64_t l2_nr_pgds;
static int l2_pgd;

/* The copy of CR4 of whoever operates the path: L2 starts with L1's. */
static uint64_t operator_cr4;

static void op_enter(uint64_t i, uint64_t nr_pgds)
{
	l2_pgd = i % nr_pgds;
	guest_l2_run_to_call(0, l2_pgd);
}

static void op_enter_another_l2(uint64_t i, uint64_t nr_pgds)
{
	l2_pgd = i % nr_pgds;
	guest_l2_run_to_call(i % MMU_ROOT_MAX_L2S, l2_pgd);
}

/* L1 never runs on it, nor on one that L2 does. */
static void op_enter_last(uint64_t i, uint64_t nr_pgds)
{
	l2_pgd = nr_pgds - 1;
	guest_l2_run_to_call(0, l2_pgd);
}

static void op_reset_and_enter(uint64_t i, uint64_t nr_pgds)
{
	mmu_root_paths[PATH_CR4_SMEP].guest_op(&operator_cr4);
	op_enter(i, nr_pgds);
}

static void op_wp_and_enter(uint64_t i, uint64_t nr_pgds)
{
	mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
	op_enter(i, nr_pgds);
}

static void op_nx_and_enter(uint64_t i, uint64_t nr_pgds)
{
	mmu_root_paths[PATH_EFER_NX].guest_op(NULL);
	op_enter(i, nr_pgds);
}

/* The next one, as L2 was entered on the first one. */
static void op_l2_cr3(uint64_t i, uint64_t nr_pgds)
{
	guest_l2_write_cr3((i + 1) % nr_pgds);
	guest_l2_visit((i + 1) % nr_pgds);
}

static void op_l2_cr3_nested_paging(uint64_t i, uint64_t nr_pgds)
{
	guest_l2_write_cr3((i + 1) % nr_pgds);
	guest_l2_visit(0);
}

static void op_l2_smep(uint64_t i, uint64_t nr_pgds)
{
	mmu_root_paths[PATH_CR4_SMEP].guest_op(&operator_cr4);
	guest_l2_visit(0);
}

static void op_l2_smi(uint64_t i, uint64_t nr_pgds)
{
	mmu_root_paths[PATH_SMM].guest_op(NULL);
	guest_l2_visit(0);
}

static void guest_round(void (*op)(uint64_t i, uint64_t nr_pgds), uint64_t nr_pgds,
			uint64_t nr_ops)
{
	uint64_t i;

	for (i = 0; i < nr_ops; i++) {
		op(i, nr_pgds);
		guest_touch_data(i);
	}
	GUEST_SYNC(guest_checksum_data());
}

/* Run by whoever operates the path, L1 or L2. */
static void guest_rounds(void (*op)(uint64_t i, uint64_t nr_pgds), uint64_t nr_pgds)
{
	int i;

	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		guest_round(op, nr_pgds, NR_WARM_UP_OPS);
	guest_round(op, nr_pgds, NR_OPS);
}

static void l2_guest_code(void)
{
	if (l2_op) {
		guest_rounds(l2_op, l2_nr_pgds);
		guest_l2_call();
	}

	for (;;) {
		guest_l2_visit(l2_pgd);
		guest_l2_call();
	}
}

static void l1_guest_code(void (*op)(uint64_t i, uint64_t nr_pgds), bool in_l2,
			  uint64_t nr_pgds)
{
	uint64_t cr0, cr3, cr4, efer;

	guest_path_init(PATH_NULL_EXIT);
	x2apic_enable();
	guest_l2_init(l2_guest_code, L1_INTERCEPTS_NOTHING);
	cr0 = get_cr0();
	cr3 = get_cr3();
	cr4 = get_cr4();
	operator_cr4 = cr4;
	efer = rdmsr(MSR_EFER);

	if (in_l2) {
		l2_op = op;
		l2_nr_pgds = nr_pgds;
		guest_l2_run_to_call(0, 0);
	} else {
		guest_rounds(op, nr_pgds);
	}
	/*
	 * Not so with SVM after an SMI in L2: svm_enter_smm() saves L1's registers from
	 * VMCB01, where they have bits that are KVM's own: CR4.MCE if the host has
	 * it, and with shadow paging CR0.WP.
	 */
	__GUEST_ASSERT((op == op_l2_smi && host_cpu_is_amd) ||
		       (get_cr0() == cr0 && get_cr4() == cr4 && rdmsr(MSR_EFER) == efer),
		       "L1 has CR0 %lx, CR4 %lx, EFER %lx, had %lx, %lx, %lx",
		       get_cr0(), get_cr4(), rdmsr(MSR_EFER), cr0, cr4, efer);
	/* L2 was on another one, if it was on more than one. */
	__GUEST_ASSERT(!guest_reads_exit || get_cr3() == cr3, "L1 has CR3 %lx, had %lx",
		       get_cr3(), cr3);
	GUEST_DONE();
}

static bool has_smep(void)
{
	return mmu_root_paths[PATH_CR4_SMEP].supported();
}

static bool has_smm(void)
{
	return mmu_root_paths[PATH_SMM].supported();
}

FIXTURE(path) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @in_l2: L2 operates the path, rather than L1
 * @tdp: the counts with two-dimensional paging, of the TDP MMU and of tdp_mmu=0
 * @shadow: the counts with shadow paging, which has no nested paging
 * @vmx_tdp: what @tdp is with VMX, if it differs
 * @vmx_shadow: what @shadow is with VMX, if @vmx_tdp is given
 */
FIXTURE_VARIANT(path) {
	const char *name;
	void (*op)(uint64_t i, uint64_t nr_pgds);
	bool in_l2;
	bool nested_paging;
	int nr_pgds;
	bool (*supported)(void);
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
	struct mmu_root_counts vmx_tdp;
	struct mmu_root_counts vmx_shadow;
};

/* One PGD switch and TLB flush each way, between the roots of L1 and of guest mode. */
FIXTURE_VARIANT_ADD(path, enter) {
	.name = "L1<->L2", .op = op_enter, .nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 2, .flushes = 4 },
};

/* The same in two MMUs, where the current root is the right one. */
FIXTURE_VARIANT_ADD(path, enter_nested_paging) {
	.name = "L1<->L2+NPT", .op = op_enter, .nested_paging = true, .nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
};

/*
 * L2 is never on L1's CR3, so that with shadow paging a root too many shows if L1 goes
 * on in the role of L2.
 */
FIXTURE_VARIANT_ADD(path, enter_other_cr3) {
	.name = "L1<->L2-CR3", .op = op_enter_last, .nr_pgds = 2,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 2, .flushes = 4 },
};

/* All CR3s are one root with two-dimensional paging. */
FIXTURE_VARIANT_ADD(path, two_l2s) {
	.name = "L1<->2xL2", .op = op_enter_another_l2, .nr_pgds = 2,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 3, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, two_l2s_nested_paging) {
	.name = "L1<->2xL2+NPT", .op = op_enter_another_l2, .nested_paging = true, .nr_pgds = 2,
	.tdp = { .hits = 2, .roots = 3, .flushes = 4 },
	/* VMPTRLD drops all roots of guest_mmu, see nested_release_vmcs12(). */
	.vmx_tdp = { .loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = 3, .flushes = 4 },
};

/* root_mmu holds four roots, one of them L1's. */
FIXTURE_VARIANT_ADD(path, cr3_3) {
	.name = "CR3-3", .op = op_enter, .nr_pgds = 3,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 4, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, cr3_4) {
	.name = "CR3-4", .op = op_enter, .nr_pgds = 4,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = 5, .flushes = 4 },
};

/* guest_mmu holds four roots, all of them L2's.  L1's is found in root_mmu. */
FIXTURE_VARIANT_ADD(path, ncr3_4) {
	.name = "nCR3-4", .op = op_enter, .nested_paging = true, .nr_pgds = 4,
	.tdp = { .hits = 2, .roots = 5, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, ncr3_5) {
	.name = "nCR3-5", .op = op_enter, .nested_paging = true, .nr_pgds = 5,
	.tdp = { .loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = 6, .flushes = 4 },
};

/* KVM intercepts CR3 only for shadow paging. */
FIXTURE_VARIANT_ADD(path, l2_cr3_4) {
	.name = "L2-CR3-4", .op = op_l2_cr3, .in_l2 = true, .nr_pgds = 4,
	.tdp = { .roots = 2 },
	.shadow = { .hits = 1, .roots = 5, .flushes = 2 },
};

FIXTURE_VARIANT_ADD(path, l2_cr3_5) {
	.name = "L2-CR3-5", .op = op_l2_cr3, .in_l2 = true, .nr_pgds = 5,
	.tdp = { .roots = 2 },
	.shadow = { .loads = 1, .found = 1, .misses = 1, .roots = 6, .flushes = 2 },
};

FIXTURE_VARIANT_ADD(path, l2_cr3_nested_paging) {
	.name = "L2-CR3+NPT", .op = op_l2_cr3_nested_paging, .in_l2 = true,
	.nested_paging = true, .nr_pgds = 5,
	.tdp = { .roots = 2 },
};

/*
 * The reset drops the roots of L2, too: the entry misses, and the exit hits.  The
 * root's role has CR4.SMEP if CR0.WP is 0, as in all guests of the library: one of
 * L1 or, with NPT, which takes CR4 from L1, one of L2 is two roots.  EPT does not, nor
 * does NPT if mmu_roots_smep_is_in_role().
 */
FIXTURE_VARIANT_ADD(path, reset_in_l1) {
	.name = "CR4.SMEP,L1<->L2", .op = op_reset_and_enter, .nr_pgds = 1,
	.supported = has_smep,
	.tdp = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 2,
		 .flushes = 5 },
	.shadow = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 3,
		    .flushes = 5 },
};

FIXTURE_VARIANT_ADD(path, reset_in_l1_nested_paging) {
	.name = "CR4.SMEP,L1<->L2+NPT", .op = op_reset_and_enter, .nested_paging = true,
	.nr_pgds = 1, .supported = has_smep,
	.tdp = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 3,
		 .flushes = 5 },
	.vmx_tdp = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 2,
		     .flushes = 5 },
};

/*
 * CR0.WP of L1 is not in the role of L2's root, which has L2's own, or with nested
 * paging none, see nested_svm_init_mmu_context().  L1 is not reset, but with shadow
 * paging, where it has two roots.
 */
FIXTURE_VARIANT_ADD(path, wp_in_l1) {
	.name = "CR0.WP,L1<->L2", .op = op_wp_and_enter, .nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 3,
		    .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, wp_in_l1_nested_paging) {
	.name = "CR0.WP,L1<->L2+NPT", .op = op_wp_and_enter, .nested_paging = true,
	.nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
};

/* EFER.NX of L1 is the format of NPT, and two roots of L2; EPT has its own. */
FIXTURE_VARIANT_ADD(path, nx_in_l1_nested_paging) {
	.name = "EFER.NX,L1<->L2+NPT", .op = op_nx_and_enter, .nested_paging = true,
	.nr_pgds = 1,
	.tdp = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 3,
		 .flushes = 4 },
	.vmx_tdp = { .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1, .roots = 2,
		     .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, reset_in_l2) {
	.name = "L2-CR4.SMEP", .op = op_l2_smep, .in_l2 = true, .nr_pgds = 1,
	.supported = has_smep,
	.tdp = { .resets = 1, .loads = 1, .found = 1, .roots = 2, .flushes = 1 },
	.shadow = { .resets = 1, .loads = 1, .found = 1, .roots = 3, .flushes = 1 },
};

FIXTURE_VARIANT_ADD(path, reset_in_l2_nested_paging) {
	.name = "L2-CR4.SMEP+NPT", .op = op_l2_smep, .in_l2 = true, .nested_paging = true,
	.nr_pgds = 1, .supported = has_smep,
	.tdp = { .resets = 1, .loads = 1, .found = 1, .roots = 2, .flushes = 1 },
};

/*
 * Neither the exit to L1 before SMM nor RSM's entry to L2 finds a root, as the
 * other one's resets dropped all of them; but only L2's and SMM's are loaded.
 * With shadow paging, SMM's real mode has four PAE roots.
 *
 * VMX takes EFER.LMA and EFER.LME from L2's VMCS only: RSM sets EFER.NX afterwards,
 * which is one more reset.
 *
 * The exit is a flush, the entry another one.  L2's CR3 is loaded with TLB_FLUSH_GUEST
 * with two-dimensional paging, else with TLB_FLUSH_CURRENT, see kvm_invalidate_pcid():
 * one more where the entry asks for the other of the two, as of SVM and VMX.
 */
FIXTURE_VARIANT_ADD(path, smi) {
	.name = "SMI-in-L2", .op = op_l2_smi, .in_l2 = true, .nr_pgds = 1,
	.supported = has_smm,
	.tdp = { .resets = 3, .loads = 2, .found = 2, .misses = 2, .roots = 3, .flushes = 6 },
	.shadow = { .resets = 3, .loads = 2, .found = 5, .misses = 2, .roots = 6, .flushes = 4 },
	.vmx_tdp = { .resets = 4, .loads = 2, .found = 2, .misses = 2, .roots = 3, .flushes = 4 },
	.vmx_shadow = { .resets = 4, .loads = 2, .found = 5, .misses = 2, .roots = 6,
			.flushes = 6 },
};

FIXTURE_VARIANT_ADD(path, smi_nested_paging) {
	.name = "SMI-in-L2+NPT", .op = op_l2_smi, .in_l2 = true, .nested_paging = true,
	.nr_pgds = 1, .supported = has_smm,
	.tdp = { .resets = 3, .loads = 2, .found = 2, .misses = 2, .roots = 3, .flushes = 6 },
	.vmx_tdp = { .resets = 4, .loads = 2, .found = 2, .misses = 2, .roots = 3, .flushes = 4 },
};

static const struct mmu_root_counts *counts_of(const FIXTURE_VARIANT(path) * variant)
{
	bool use_vmx = host_cpu_is_intel;

	/* Neither EPT nor, by then, NPT takes CR4 from L1. */
	if (variant->op == op_reset_and_enter && mmu_roots_smep_is_in_role())
		use_vmx = true;
	if (use_vmx && variant->vmx_tdp.roots)
		return mmu_root_nested_pick(&variant->vmx_tdp, &variant->vmx_shadow);
	return mmu_root_nested_pick(&variant->tdp, &variant->shadow);
}

FIXTURE_SETUP(path)
{
	const char *name = mmu_root_nested_name(variant->name);
	uint64_t nr_roots = counts_of(variant)->roots;

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(variant->nested_paging);
	__TEST_REQUIRE(!variant->supported || variant->supported(),
		       "KVM does not support %s on this host", variant->name);

	mmu_root_path_vm_create(&self->vcpu, l1_guest_code);
	vcpu_args_set(self->vcpu, 3, variant->op, variant->in_l2, variant->nr_pgds);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, variant->nr_pgds);
	/* In the end, with SVM, L1 has one more root, with the CR0.WP that isn't its own. */
	if (variant->op == op_l2_smi && mmu_root_mmu() == MMU_ROOT_SHADOW_MMU)
		nr_roots++;
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, nr_roots);
}

FIXTURE_TEARDOWN(path)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(path, exact_counts)
{
	const struct mmu_root_counts *c;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	struct kvm_sregs sregs;
	struct ucall uc;
	int i, first, nr_seen;

	c = counts_of(variant);
	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	/* All roots but the first one, L1's, are new to the cache once. */
	if (!c->resets && !c->misses)
		mmu_roots_expect_value(roots, &warm, MMU_ROOT_CACHE_MISS, c->roots - 1);

	mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, c, NR_OPS);
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	vcpu_sregs_get(self->vcpu, &sregs);
	mmu_roots_check(roots, sregs.cr3 == guest_initial_cr3,
			"KVM has L1 on CR3 %#llx, expected %#lx",
			sregs.cr3, guest_initial_cr3);

	/* What L2 does on its own with its CR3 does not change its nested CR3. */
	first = variant->op == op_enter_last ? variant->nr_pgds - 1 : 0;
	nr_seen = first || (variant->nested_paging && variant->in_l2) ? 1 : variant->nr_pgds;
	for (i = first; i < first + nr_seen; i++)
		mmu_root_nested_expect_visits(roots, i, NR_ALL_OPS / nr_seen);

	if (variant->op == op_l2_smi)
		mmu_roots_check(roots, mmu_root_path_nr_smis(self->vcpu->vm) == NR_ALL_OPS,
				"%lu SMIs handled, expected %u",
				mmu_root_path_nr_smis(self->vcpu->vm), NR_ALL_OPS);
}

TEST_HARNESS_MAIN
