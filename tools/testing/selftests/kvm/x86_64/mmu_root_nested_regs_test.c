// SPDX-License-Identifier: GPL-2.0
/*
 * Who else has a hand in what L2 runs on: L1, which writes to page tables of L2 and
 * has entries refused, and userspace, which sets registers while the vCPU is in L2.
 *
 * The counts are derived in docs/nested.md of kvm-mmu-roots.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Even, for flips to cancel out, and pages to be back. */
#define NR_OPS			50
#define NR_WARM_UP_ROUNDS	2

/* What L2 is to see; written by L1. */
static int l2_page;

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(l2_page);
		guest_l2_call();
	}
}

/* As many as L1 alternates between. */
#define NR_PAGES		2

static void l1_write_tables(void)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		for (i = 0; i < NR_OPS; i++) {
			l2_page = i % NR_PAGES;
			guest_map_own_page(0, l2_page);
			guest_l2_run_to_call(0, 0);
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(tables) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(tables) {
	const char *name;
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(tables, plain) { "L2-PTE", false };
FIXTURE_VARIANT_ADD(tables, nested_paging) { "L2-PTE+NPT", true };

FIXTURE_SETUP(tables)
{
	printf("#@ path=%s\n", variant->name);
	mmu_root_nested_require(variant->nested_paging);
	mmu_roots_require_applicable(!host_cpu_is_intel || !variant->nested_paging,
				     "with EPT it takes INVEPT for L2 to see that");
	mmu_root_path_vm_create(&self->vcpu, l1_write_tables);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PAGES);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(tables)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * Each entry switches to a cached root, of which the last page table is out of date:
 * nested_svm_transition_tlb_flush() has it synchronized.  That write-protects the page
 * table for L1, and unmaps L2's page: two faults, and nothing else.  A page table that
 * is walked by the CPU is not shadowed, and costs none.
 */
static void expect_entries(struct mmu_roots *roots, const struct mmu_roots_snapshot *before,
			   const struct mmu_roots_snapshot *after, uint64_t nr_faults)
{
	const struct {
		enum mmu_root_stat stat;
		uint64_t growth;
	} expected[] = {
		{ MMU_RESET, 0 },
		{ MMU_ROOT_LOAD, 0 },
		{ MMU_ROOT_ALLOC, 0 },
		{ MMU_ROOT_INVALIDATE, 0 },
		{ MMU_ROOT_FREE, 0 },
		{ MMU_ROOT_CACHE_HIT, 2 * NR_OPS },
		{ MMU_ROOT_CACHE_MISS, 0 },
		{ PAGES_4K, 0 },
		{ PF_TAKEN, nr_faults },
		{ PF_FIXED, nr_faults },
	};
	unsigned int i;

	mmu_roots_report(roots->name, NR_OPS, before, after);
	mmu_roots_expect_value(roots, before, MMU_ROOT_ALLOC, NR_L1_L2_ROOTS);
	for (i = 0; i < ARRAY_SIZE(expected); i++)
		mmu_roots_expect_growth(roots, before, after, expected[i].stat,
					expected[i].growth);
	/*
	 * With VMX it is the flush that synchronizes page tables, and that may ask for
	 * another one, see kvm_vcpu_flush_tlb_guest().
	 */
	if (!host_cpu_is_intel)
		mmu_roots_expect_growth(roots, before, after, TLB_FLUSH, 2 * NR_OPS);
}

TEST_F(tables, are_seen_as_they_are)
{
	bool shadowed = variant->nested_paging || mmu_root_mmu() == MMU_ROOT_SHADOW_MMU;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	mmu_root_nested_run(self->vcpu, roots, &storm);

	expect_entries(roots, &warm, &storm, shadowed ? 2 * NR_OPS : 0);
	for (i = 0; i < NR_PAGES; i++)
		mmu_root_nested_expect_visits(roots, i,
					      (NR_WARM_UP_ROUNDS + 1) * NR_OPS / NR_PAGES);
}

/* Any that is legal, as generic_svm_setup() has it. */
#define LEGAL_ASID		1

static void guest_be_refused(void)
{
	uint64_t cr0 = get_cr0(), cr3 = get_cr3(), cr4 = get_cr4(), efer = rdmsr(MSR_EFER);
	enum mmu_root_l2_exit exit;
	int i;

	guest_l2_set_asid(0, 0);
	for (i = 0; i < NR_OPS; i++) {
		exit = guest_l2_run(0, 0);
		__GUEST_ASSERT(exit == L2_ENTRY_EXITED, "the entry ended with %u", exit);
		guest_touch_data(i);
	}
	guest_l2_set_asid(0, LEGAL_ASID);
	GUEST_ASSERT(get_cr0() == cr0 && get_cr3() == cr3 && get_cr4() == cr4 &&
		     rdmsr(MSR_EFER) == efer);
	GUEST_SYNC(guest_checksum_data());
}

static void l1_be_refused(void)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_run_to_call(0, 0);
	for (i = 0; i <= NR_WARM_UP_ROUNDS; i++)
		guest_be_refused();
	guest_l2_run_to_call(0, 0);
	GUEST_DONE();
}

FIXTURE(refused) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(refused) {
	const char *name;
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(refused, plain) { "VMRUN-refused", false };
FIXTURE_VARIANT_ADD(refused, nested_paging) { "VMRUN-refused+NPT", true };

FIXTURE_SETUP(refused)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_be_refused);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, 1);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(refused)
{
	mmu_roots_vm_free(&self->roots);
}

/* nested_svm_vmrun() looks at VMCB12 before anything else, and has not left L1. */
TEST_F(refused, costs_nothing)
{
	const struct mmu_root_counts c = { .roots = NR_L1_L2_ROOTS };
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm, done;
	struct ucall uc;
	int i;

	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, &c, NR_OPS);

	/* L2 runs before and after, and not in between. */
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	mmu_roots_read(roots, &done);
	mmu_roots_expect_growth(roots, &storm, &done, MMU_ROOT_LOAD, 0);
	mmu_root_nested_expect_visits(roots, 0, 2);
}

static void l2_sync(void)
{
	for (;;) {
		guest_l2_visit(0);
		GUEST_SYNC(guest_checksum_data());
	}
}

static void l1_enter(void *l2_code)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_code, L1_INTERCEPTS_NOTHING);
	guest_l2_run(0, 0);
	__GUEST_ASSERT(0, "L2 was left");
}

/* Each of the tests has a path of its own. */
FIXTURE(in_l2) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	uint64_t other_cr3;
};

/*
 * @tdp: what KVM_SET_SREGS and the next entry cost with two-dimensional paging
 * @shadow: what they cost with shadow paging
 */
FIXTURE_VARIANT(in_l2) {
	const char *sregs_name;
	const char *smm_name;
	bool nested_paging;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/* As if L2 flipped it, but that userspace has the TLB flushed in either direction. */
FIXTURE_VARIANT_ADD(in_l2, plain) {
	"SREGS-in-L2", "SMM-flag-in-L2", false,
	.tdp = { .resets = 1, .loads = 1, .found = 1, .roots = 2, .flushes = 2 },
	.shadow = { .resets = 1, .loads = 1, .found = 1, .roots = 3, .flushes = 2 },
};

FIXTURE_VARIANT_ADD(in_l2, nested_paging) {
	"SREGS-in-L2+NPT", "SMM-flag-in-L2+NPT", true,
	.tdp = { .resets = 1, .loads = 1, .found = 1, .roots = 2, .flushes = 2 },
};

FIXTURE_SETUP(in_l2)
{
}

FIXTURE_TEARDOWN(in_l2)
{
	mmu_roots_vm_free(&self->roots);
}

static void create_in_l2(FIXTURE_DATA(in_l2) * self, const FIXTURE_VARIANT(in_l2) * variant,
			 const char *name)
{
	const struct mmu_root_counts *c = mmu_root_nested_pick(&variant->tdp, &variant->shadow);
	const char *path = mmu_root_nested_name(name);

	printf("#@ path=%s\n", path);
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_require(PATH_CR4_SMEP);
	mmu_root_path_require(PATH_SMM);
	mmu_root_path_vm_create(&self->vcpu, l1_enter);
	vcpu_args_set(self->vcpu, 1, l2_sync);
	self->other_cr3 = vm_alloc_page_table(self->vcpu->vm);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, 1);
	memcpy(addr_gpa2hva(self->vcpu->vm, self->other_cr3),
	       addr_gpa2hva(self->vcpu->vm, self->vcpu->vm->pgd), PAGE_SIZE);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, path, c->roots);
}

static void flip_smep_and_run(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			      struct mmu_roots_snapshot *snap)
{
	int i;

	for (i = 0; i < NR_OPS; i++) {
		mmu_root_path_flip_by_host(vcpu, PATH_CR4_SMEP);
		mmu_root_nested_run(vcpu, roots, snap);
	}
}

/* __set_sregs() resets whatever the vCPU is on. */
TEST_F(in_l2, sregs_reset)
{
	const struct mmu_root_counts *c = mmu_root_nested_pick(&variant->tdp, &variant->shadow);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;

	create_in_l2(self, variant, variant->sregs_name);
	mmu_root_nested_run(self->vcpu, roots, &warm);
	flip_smep_and_run(roots, self->vcpu, &warm);
	flip_smep_and_run(roots, self->vcpu, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, c, NR_OPS);
	mmu_root_nested_expect_visits(roots, 0, 1 + 2 * NR_OPS);
}

/* With nested paging it is no root of KVM's that changes, and still it has to be loaded. */
TEST_F(in_l2, sregs_cr3_is_what_it_runs_on)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;
	struct kvm_sregs sregs;
	uint64_t cr3;
	int i;

	create_in_l2(self, variant, variant->sregs_name);
	mmu_root_nested_run(self->vcpu, roots, &before);
	for (i = 0; i < NR_OPS; i++) {
		vcpu_sregs_get(self->vcpu, &sregs);
		cr3 = sregs.cr3 ^ self->vcpu->vm->pgd ^ self->other_cr3;
		sregs.cr3 = cr3;
		vcpu_sregs_set(self->vcpu, &sregs);
		mmu_root_nested_run(self->vcpu, roots, &after);
		vcpu_sregs_get(self->vcpu, &sregs);
		mmu_roots_check(roots, sregs.cr3 == cr3, "L2 has CR3 %#llx, expected %#lx",
				sregs.cr3, cr3);
	}
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, NR_OPS);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, NR_OPS);
}

/* On, and off again. */
#define NR_SMM_CHANGES		2

static bool is_in_l2(struct kvm_vcpu *vcpu)
{
	return mmu_root_nested_state_get(vcpu)->flags & KVM_STATE_NESTED_GUEST_MODE;
}

/* KVM_SET_VCPU_EVENTS leaves L2 first, as guest mode and SMM exclude each other. */
TEST_F(in_l2, smm_flag_leaves_it)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;

	create_in_l2(self, variant, variant->smm_name);
	mmu_root_nested_run(self->vcpu, roots, &before);
	mmu_roots_check(roots, is_in_l2(self->vcpu), "the vCPU is not in L2");
	mmu_root_path_flip_smm(self->vcpu);
	mmu_roots_check(roots, !is_in_l2(self->vcpu), "the vCPU is in L2 and in SMM");
	mmu_root_path_flip_smm(self->vcpu);
	mmu_roots_check(roots, !is_in_l2(self->vcpu), "the vCPU is back in L2");
	mmu_roots_read(roots, &after);
	mmu_roots_report(roots->name, NR_SMM_CHANGES, &before, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, NR_SMM_CHANGES);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
}

static void l2_flip_wp(void)
{
	int i;

	for (;;) {
		for (i = 0; i < NR_OPS; i++) {
			mmu_root_paths[PATH_CR0_WP].guest_op();
			guest_touch_data(i);
		}
		guest_l2_visit(0);
		GUEST_SYNC(guest_checksum_data());
	}
}

/* What each change of CR0 by the guest comes to, if it exits. */
#define SET_CR0_FUNCTION	"kvm_set_cr0"

FIXTURE(wp) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int set_cr0;
};

FIXTURE_VARIANT(wp) {
	const char *name;
	bool nested_paging;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

FIXTURE_VARIANT_ADD(wp, plain) {
	"L2-CR0.WP", false,
	.tdp = { .roots = 2 },
	.shadow = { .resets = 1, .loads = 1, .found = 1, .roots = 3 },
};

FIXTURE_VARIANT_ADD(wp, nested_paging) {
	"L2-CR0.WP+NPT", true,
	.tdp = { .roots = 2 },
};

FIXTURE_SETUP(wp)
{
	const struct mmu_root_counts *c = mmu_root_nested_pick(&variant->tdp, &variant->shadow);
	const char *name = mmu_root_nested_name(variant->name);

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(variant->nested_paging);
	self->set_cr0 = mmu_roots_calls_open(SET_CR0_FUNCTION);
	__TEST_REQUIRE(self->set_cr0 >= 0, "cannot count calls of " SET_CR0_FUNCTION
		       "(): the kernel needs CONFIG_KPROBE_EVENTS, and the test to be root: %s",
		       strerror(-self->set_cr0));
	mmu_root_path_vm_create(&self->vcpu, l1_enter);
	vcpu_args_set(self->vcpu, 1, l2_flip_wp);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, 1);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, c->roots);
}

FIXTURE_TEARDOWN(wp)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * L1 does not intercept CR0, but KVM does, as it would in L1: with nested paging, too,
 * where L2's CR0 is in no role, but KVM's emulator goes by it.
 */
TEST_F(wp, of_l2_is_what_kvm_sees)
{
	uint64_t expected = mmu_root_path_exits(PATH_CR0_WP) ? NR_OPS : 0, before, nr_calls;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	before = mmu_roots_event_read(self->set_cr0);
	mmu_root_nested_run(self->vcpu, roots, &storm);
	nr_calls = mmu_roots_event_read(self->set_cr0) - before;

	mmu_roots_check(roots, nr_calls == expected, "KVM sees %lu changes of CR0, expected %lu",
			nr_calls, expected);
	mmu_root_nested_expect_storm(roots, &warm, &storm,
				     mmu_root_nested_pick(&variant->tdp, &variant->shadow), NR_OPS);
	mmu_root_nested_expect_visits(roots, 0, NR_WARM_UP_ROUNDS + 1);
}

TEST_HARNESS_MAIN
