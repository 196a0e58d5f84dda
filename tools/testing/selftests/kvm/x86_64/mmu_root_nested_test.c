// SPDX-License-Identifier: GPL-2.0
/*
 * Test that KVM finds the cached MMU roots of L1 and its L2s again when L1 enters and
 * leaves L2.
 *
 * A vCPU caches its current root and KVM_MMU_NUM_PREV_ROOTS previous ones in each of two
 * MMUs: root_mmu for L1 and for L2s without nested paging, guest_mmu for L2s with nested
 * paging.  The guest operates each path many times.  Each operation must cost an exact
 * number of PGD switches that hit the cache and that miss it, with either kind of MMU.
 * Over all operations, KVM must build no root, the guest must not fault in a page again,
 * and each L2 must see the memory of the PGD that it runs on.
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
 * Each operation touches one page of the guest's data, which has fewer: a round touches all
 * of them.
 */
#define MIN_OPS			24

/* Two rounds map all memory: the second one is the first to run the code behind GUEST_SYNC(). */
#define NR_WARM_UP_ROUNDS	2
#define NR_ROUNDS		(NR_WARM_UP_ROUNDS + 1)

/*
 * The number of operations in a round is a multiple of the number of PGDs, so that the
 * cache is in the same state at the start of each round.  The number is even, so that each
 * flip of a bit is undone.
 */
static uint64_t nr_ops(uint64_t nr_pgds)
{
	return (MIN_OPS + 2 * nr_pgds - 1) / (2 * nr_pgds) * (2 * nr_pgds);
}

/* L1 writes these variables; L2 reads them, as it shares L1's memory. */
static void (*l2_op)(uint64_t i, uint64_t nr_pgds);
static uint64_t l2_nr_pgds;
static int l2_pgd;

/* The CR4 of L1 or L2, whichever of them operates the path.  L2 starts with L1's CR4. */
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

/* L2 runs on the last PGD only.  L1 never runs on that PGD. */
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

/* L1 entered L2 on the first CR3, so the first operation switches to the second one. */
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

static void guest_round(void (*op)(uint64_t i, uint64_t nr_pgds), uint64_t nr_pgds)
{
	uint64_t i;

	for (i = 0; i < nr_ops(nr_pgds); i++) {
		op(i, nr_pgds);
		guest_touch_data(i);
	}
	GUEST_SYNC(guest_checksum_data());
}

/* L1 or L2 runs this, whichever of them operates the path. */
static void guest_rounds(void (*op)(uint64_t i, uint64_t nr_pgds), uint64_t nr_pgds)
{
	int i;

	for (i = 0; i < NR_ROUNDS; i++)
		guest_round(op, nr_pgds);
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
	 * With SVM, L1 does not get its registers back after an SMI in L2: svm_enter_smm()
	 * saves them from VMCB01, where they have bits that KVM sets for itself: CR4.MCE if
	 * the host has it, and with shadow paging CR0.WP.
	 */
	__GUEST_ASSERT((op == op_l2_smi && host_cpu_is_amd) ||
		       (get_cr0() == cr0 && get_cr4() == cr4 && rdmsr(MSR_EFER) == efer),
		       "L1 has CR0 %lx, CR4 %lx, EFER %lx, had %lx, %lx, %lx",
		       get_cr0(), get_cr4(), rdmsr(MSR_EFER), cr0, cr4, efer);
	/* If L2 has several CR3s, its last one differs from L1's. */
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
 * @vmx_tdp: @tdp with VMX, if it differs
 * @vmx_shadow: @shadow with VMX, if @vmx_tdp is given
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

/*
 * Entry and exit cost a PGD switch and a TLB flush each, between the roots of L1 and of
 * guest mode.
 */
FIXTURE_VARIANT_ADD(path, enter) {
	.name = "L1<->L2", .op = op_enter, .nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 2, .flushes = 4 },
};

/* The same switches between two MMUs: the current root of each MMU is already the right one. */
FIXTURE_VARIANT_ADD(path, enter_nested_paging) {
	.name = "L1<->L2+NPT", .op = op_enter, .nested_paging = true, .nr_pgds = 1,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
};

/*
 * L2 is never on L1's CR3: if L1 went on in the role of L2, KVM would build one root too
 * many with shadow paging.
 */
FIXTURE_VARIANT_ADD(path, enter_other_cr3) {
	.name = "L1<->L2-CR3", .op = op_enter_last, .nr_pgds = 2,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 2, .flushes = 4 },
};

/* With two-dimensional paging, L2s on different CR3s share one root. */
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

/* guest_mmu holds four roots, all of them L2's.  KVM finds L1's root in root_mmu. */
FIXTURE_VARIANT_ADD(path, ncr3_4) {
	.name = "nCR3-4", .op = op_enter, .nested_paging = true, .nr_pgds = 4,
	.tdp = { .hits = 2, .roots = 5, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(path, ncr3_5) {
	.name = "nCR3-5", .op = op_enter, .nested_paging = true, .nr_pgds = 5,
	.tdp = { .loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = 6, .flushes = 4 },
};

/* KVM intercepts writes of CR3 with shadow paging only. */
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
 * The reset drops L2's roots, too: the entry misses, and the exit hits.  A root's role has
 * CR4.SMEP if CR0.WP is 0, as in all guests of the library.  The flips of CR4.SMEP thus
 * give L1 two roots with shadow paging, and L2 two roots with NPT, whose role takes CR4
 * from L1.  The role of EPT has no CR4 of L1, nor has that of NPT if
 * mmu_roots_smep_is_in_role().
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
 * The role of L2's root never has L1's CR0.WP: it has L2's own, or none with nested paging,
 * see nested_svm_init_mmu_context().  L1's flip resets the MMU with shadow paging only,
 * where L1 has two roots.
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

/*
 * L1's EFER.NX defines the format of NPT, so its flips give L2 two roots.  EPT has its own
 * format.
 */
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
 * Both the exit to L1 before SMM and RSM's entry to L2 miss, as resets have dropped all
 * roots before each of them.  KVM loads only the roots of SMM and of L2, as L1 does not
 * run.  With shadow paging, SMM's real mode has four PAE roots.
 *
 * With VMX, the entry takes only EFER.LMA and EFER.LME from L2's VMCS: RSM sets EFER.NX
 * afterwards, which costs one more reset.
 *
 * The exit and the entry flush the TLB once each.  RSM's load of L2's CR3 requests
 * TLB_FLUSH_GUEST with two-dimensional paging, and TLB_FLUSH_CURRENT with shadow paging,
 * see kvm_invalidate_pcid().  This costs one more flush where the entry requests the other
 * of the two: TLB_FLUSH_CURRENT with SVM, TLB_FLUSH_GUEST with VMX.
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

	/* On such a kernel, neither EPT nor NPT takes CR4 from L1. */
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
	/* With SVM, L1 ends up with one more root, as it has a CR0.WP that isn't its own. */
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
	int i, first, nr_seen, nr_all_ops = NR_ROUNDS * nr_ops(variant->nr_pgds);

	c = counts_of(variant);
	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	/* Each root misses the cache once, except the first one, which is L1's. */
	if (!c->resets && !c->misses)
		mmu_roots_expect_value(roots, &warm, MMU_ROOT_CACHE_MISS, c->roots - 1);

	mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, c, nr_ops(variant->nr_pgds));
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	vcpu_sregs_get(self->vcpu, &sregs);
	mmu_roots_check(roots, sregs.cr3 == guest_initial_cr3,
			"KVM has L1 on CR3 %#llx, expected %#lx",
			sregs.cr3, guest_initial_cr3);

	/* L2's own writes of CR3 do not change its nested CR3. */
	first = variant->op == op_enter_last ? variant->nr_pgds - 1 : 0;
	nr_seen = first || (variant->nested_paging && variant->in_l2) ? 1 : variant->nr_pgds;
	for (i = first; i < first + nr_seen; i++)
		mmu_root_nested_expect_visits(roots, i, nr_all_ops / nr_seen);

	if (variant->op == op_l2_smi)
		mmu_roots_check(roots, mmu_root_path_nr_smis(self->vcpu->vm) == nr_all_ops,
				"%lu SMIs handled, expected %d",
				mmu_root_path_nr_smis(self->vcpu->vm), nr_all_ops);
}

TEST_HARNESS_MAIN
