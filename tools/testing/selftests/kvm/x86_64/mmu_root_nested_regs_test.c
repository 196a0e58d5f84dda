// SPDX-License-Identifier: GPL-2.0
/*
 * Test changes to L2's MMU that L1 and userspace make: L1 writes to L2's page tables and
 * makes entries that KVM refuses, and userspace sets registers while the vCPU is in L2.
 * L2's own changes of CR0.WP and CR4.SMAP, and L2s outside 64-bit mode, are here, too.
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
#include "mmu_roots_modes.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* This number is even, so that flips are undone and pages are back at the end of a round. */
#define NR_OPS			20
#define NR_WARM_UP_ROUNDS	2

/* L2 must see the page of this PGD.  L1 writes this variable. */
static int l2_page;

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(l2_page);
		guest_l2_call();
	}
}

/* L1 alternates between this number of pages. */
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
				     "with EPT, L2 sees this only after INVEPT");
	mmu_root_path_vm_create(&self->vcpu, l1_write_tables);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PAGES);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(tables)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * Each entry switches to a cached root whose last shadow page is out of date:
 * nested_svm_transition_tlb_flush() requests that KVM synchronizes it.  The synchronization
 * write-protects the page table for L1 and unmaps L2's page: each operation takes two page
 * faults and nothing else.  KVM does not shadow a page table that the CPU walks, so there
 * are no faults then.
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
	 * With VMX, the TLB flush synchronizes page tables, and may request another flush,
	 * see kvm_vcpu_flush_tlb_guest().
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

/* Any legal ASID will do: this is generic_svm_setup()'s. */
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
	GUEST_ASSERT(get_cr0() == cr0 && rdmsr(MSR_EFER) == efer);
	GUEST_ASSERT(!guest_reads_exit || (get_cr3() == cr3 && get_cr4() == cr4));
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

/* nested_svm_vmrun() checks VMCB12 before it leaves L1. */
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

	/* L2 has run once before the refused entries and once after them, not in between. */
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

/* Each test has a path of its own, and creates the VM itself. */
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

/*
 * The costs are those of L2's own flips of CR4.SMEP, except that KVM_SET_SREGS flushes the
 * TLB for both directions of the flip.
 */
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
	       addr_gpa2hva(self->vcpu->vm, mmu_roots_pgd(self->vcpu->vm)), PAGE_SIZE);
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

/* __set_sregs() resets the MMU that the vCPU is on, which is L2's here. */
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

/*
 * With nested paging, KVM has no root for L2's CR3, but must load a root for the CPU to get
 * the new CR3.
 */
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
		cr3 = sregs.cr3 ^ mmu_roots_pgd(self->vcpu->vm) ^ self->other_cr3;
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

/* Userspace sets the SMM flag, and clears it again. */
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
			mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
			guest_touch_data(i);
		}
		guest_l2_visit(0);
		GUEST_SYNC(guest_checksum_data());
	}
}

/* Each change of CR0 by the guest that exits calls this function of KVM. */
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
 * L1 does not intercept L2's writes of CR0, but KVM must, as it does with L1's.  With
 * nested paging, no role contains L2's CR0, but KVM's emulator needs it.
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

#define USER_PAGE		0
#define READ_INSN		"cmpl $0, (%[addr])"

/*
 * L2 flips CR4.SMAP: while it is set, neither the CPU nor KVM may let L2 read the data at
 * USER_PAGE.
 */
static void l2_smap(void)
{
	uint64_t error_code, cr4 = get_cr4();
	uint8_t vector, expected;
	int i;

	for (i = 0; i < NR_OPS; i++) {
		mmu_root_paths[PATH_CR4_SMAP].guest_op(&cr4);
		expected = cr4 & X86_CR4_SMAP ? PF_VECTOR : 0;
		GUEST_ASSERT_EQ(kvm_asm_safe(READ_INSN, [addr] "r" (MMU_ROOT_DATA_GVA)), expected);
		asm volatile(KVM_ASM_SAFE_FEP(READ_INSN)
			     : KVM_ASM_SAFE_OUTPUTS(vector, error_code)
			     : [addr] "r" ((uint64_t)MMU_ROOT_DATA_GVA)
			     : KVM_ASM_SAFE_CLOBBERS, "memory");
		__GUEST_ASSERT(vector == expected, "emulated in L2: vector %u, expected %u",
			       vector, expected);
	}
	GUEST_SYNC(0);
}

FIXTURE(permission) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(permission) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(permission, plain) { false };
FIXTURE_VARIANT_ADD(permission, nested_paging) { true };

FIXTURE_SETUP(permission)
{
	const char *name = mmu_root_nested_name(variant->nested_paging ? "L2-CR4.SMAP+NPT" :
								       "L2-CR4.SMAP");

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_require(PATH_CR4_SMAP);
	mmu_roots_force_emulation();
	mmu_root_path_vm_create(&self->vcpu, l1_enter);
	vcpu_args_set(self->vcpu, 1, l2_smap);
	mmu_root_path_pte(self->vcpu->vm, USER_PAGE, PT_USER_MASK, 0, 0);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, 1);
	/* With shadow paging and CR0.WP clear, SMAP is in the role of L2's root. */
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, NR_L1_L2_ROOTS + 1);
}

FIXTURE_TEARDOWN(permission)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/*
 * With nested paging, KVM has no root for L2's own paging, but must track that paging for
 * its emulator: init_kvm_nested_mmu().
 */
TEST_F(permission, of_l2_is_enforced_by_cpu_and_emulator)
{
	mmu_root_path_sync(self->vcpu);
}

/*
 * Nested page tables have no protection keys, whatever the CR4 of L1 and PKRU are: the bits that
 * hold a key in other page tables are L1's to use, AMD APM, "Nested Paging".
 */
#define PKEY			1
#define PTE_PKEY		((uint64_t)PKEY << 59)
#define PKRU_DENY_PKEY		(3u << 2 * PKEY)

static void l1_with_pkeys(void)
{
	uint64_t cr4 = guest_initial_cr4;

	guest_path_init(PATH_CR4_PKE);
	mmu_root_paths[PATH_CR4_PKE].guest_op(&cr4);
	wrpkru(PKRU_DENY_PKEY);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		GUEST_SYNC(guest_checksum_data());
	}
}

TEST(protection_keys_are_not_of_nested_paging)
{
	struct mmu_roots_snapshot snap;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	uint64_t *entry;
	int i;

	printf("#@ path=%s\n", mmu_root_nested_name("CR4.PKE,L1<->L2+NPT"));
	mmu_root_nested_require(true);
	mmu_root_path_require(PATH_CR4_PKE);
	mmu_root_path_vm_create(&vcpu, l1_with_pkeys);
	mmu_root_nested_create(vcpu, true, 1);
	/* This is the first entry of its table. */
	entry = addr_gpa2hva(vcpu->vm, mmu_root_nested_own_table(vcpu->vm, 0));
	TEST_ASSERT(*entry == mmu_root_nested_own_entry(vcpu->vm, 0), "not the entry of L2's page");
	*entry |= PTE_PKEY;
	mmu_root_nested_open(&roots, vcpu->vm, "CR4.PKE,L1<->L2", NR_L1_L2_ROOTS);
	for (i = 0; i < NR_WARM_UP_ROUNDS; i++)
		mmu_root_nested_run(vcpu, &roots, &snap);
	mmu_root_nested_expect_visits(&roots, 0, NR_WARM_UP_ROUNDS);
	mmu_roots_vm_free(&roots);
}

/*
 * Test an L2 that is not in 64-bit mode, where userspace puts it: L2's page tables have
 * another format than L1's, and each entry loads PDPTRs if L2 has PAE paging.
 */
#define NR_MODE_OPS_OF_L2	(2 * MMU_ROOT_DATA_PAGES)
#define NR_PDPTE_CHANGES	4

/* L2's call to L1 is in the page of the code of all modes, behind that code. */
#define CALL_GPA		(MMU_ROOT_MODE_GPA + 0xf00)

/* L2 executes VMMCALL or VMCALL, and then the instruction of guest_exit(). */
static const uint8_t call_of_svm[] = { 0x0f, 0x01, 0xd9, 0xe4, MMU_ROOT_EXIT_PORT };
static const uint8_t call_of_vmx[] = { 0x0f, 0x01, 0xc1, 0xe4, MMU_ROOT_EXIT_PORT };

/* Shadow paging has L1's root, L2's first one, and at most four PAE roots each of two kinds. */
#define NR_SHADOW_ROOTS		(NR_L1_L2_ROOTS + 8)

static void l2_exit(void)
{
	guest_exit_for_good();
}

static void l1_enter_again(void)
{
	guest_l2_init(l2_exit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		GUEST_SYNC(0);
	}
}

FIXTURE(mode) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(mode) {
	enum mmu_root_mode mode;
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(mode, unpaged) { MODE_UNPAGED, false };
FIXTURE_VARIANT_ADD(mode, 32bit) { MODE_32BIT, false };
FIXTURE_VARIANT_ADD(mode, pae) { MODE_PAE, false };
FIXTURE_VARIANT_ADD(mode, compat) { MODE_COMPAT, false };
FIXTURE_VARIANT_ADD(mode, unpaged_nested_paging) { MODE_UNPAGED, true };
FIXTURE_VARIANT_ADD(mode, 32bit_nested_paging) { MODE_32BIT, true };
FIXTURE_VARIANT_ADD(mode, pae_nested_paging) { MODE_PAE, true };
FIXTURE_VARIANT_ADD(mode, compat_nested_paging) { MODE_COMPAT, true };

/* Keep the bits that every L2 must have: VMRUN requires EFER.SVME, VMX CR0.NE and CR4.VMXE. */
static void enter_mode(struct kvm_vcpu *vcpu, enum mmu_root_mode mode)
{
	struct kvm_sregs sregs, of_mode;

	vcpu_sregs_get(vcpu, &sregs);
	of_mode = sregs;
	mmu_root_mode_sregs(mode, &of_mode);
	of_mode.cr0 |= sregs.cr0 & X86_CR0_NE;
	of_mode.cr4 |= sregs.cr4 & X86_CR4_VMXE;
	of_mode.efer |= sregs.efer & EFER_SVME;
	vcpu_sregs_set(vcpu, &of_mode);
}

static void create_vm_of_modes(struct mmu_roots *roots, struct kvm_vcpu **vcpu,
			       bool nested_paging)
{
	const char *name = mmu_root_nested_name(nested_paging ? "L2-modes+NPT" : "L2-modes");
	struct kvm_vm *vm;

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(nested_paging);
	vm = mmu_root_path_vm_create(vcpu, l1_enter_again);
	mmu_root_mode_install(*vcpu);
	memcpy(addr_gpa2hva(vm, CALL_GPA), host_cpu_is_intel ? call_of_vmx : call_of_svm,
	       sizeof(call_of_svm));
	mmu_root_nested_create(*vcpu, nested_paging, 1);
	mmu_root_nested_open(roots, vm, name, kvm_is_tdp_enabled() ?
			     NR_L1_L2_ROOTS : NR_SHADOW_ROOTS);
}

FIXTURE_SETUP(mode)
{
	mmu_roots_require_applicable(!host_cpu_is_intel || variant->mode != MODE_UNPAGED,
				     "VMX has no L2 without paging, unless it is unrestricted");
	create_vm_of_modes(&self->roots, &self->vcpu, variant->nested_paging);
}

FIXTURE_TEARDOWN(mode)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/* Run L1 until it has entered L2, and put L2 into @mode, where L2 is about to read. */
static void run_to_l2(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
		      enum mmu_root_mode mode, bool nested_paging)
{
	struct mmu_roots_snapshot before, after;
	struct kvm_sregs sregs;

	mmu_root_path_run_for_good(vcpu);
	vcpu_run_complete_io(vcpu);
	mmu_roots_read(roots, &before);
	enter_mode(vcpu, mode);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 1);
	mmu_root_mode_start(vcpu, MODE_OP_READ, 0);
	if (nested_paging)
		return;

	/* L1 sets L2's CR3 at each entry: tell L1 the CR3 of the mode. */
	vcpu_sregs_get(vcpu, &sregs);
	mmu_root_nested_replace_pgd(vcpu->vm, 0, sregs.cr3);
}

static void leave_l2(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	/* L2 has left with a port read at the end of its reads: complete that. */
	vcpu_run_complete_io(vcpu);
	vcpu_regs_get(vcpu, &regs);
	regs.rip = CALL_GPA;
	vcpu_regs_set(vcpu, &regs);
	mmu_root_path_sync(vcpu);
	mmu_roots_check(roots, !is_in_l2(vcpu), "the vCPU is still in L2");
}

/* L1 enters L2, which is about to read.  The test sets L2's registers, as L1 has not kept them. */
static void reenter_l2(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	mmu_root_mode_clean_pdptes(vcpu->vm);
	mmu_root_path_run_for_good(vcpu);
	mmu_roots_check(roots, is_in_l2(vcpu), "the vCPU is still in L1");
	vcpu_run_complete_io(vcpu);
	mmu_root_mode_start(vcpu, MODE_OP_READ, 0);
}

/* L2 exits to L1, and L1 enters L2 again: neither of the two takes a reset. */
static void expect_data_by_l1(struct mmu_roots *roots, struct kvm_vcpu *vcpu, bool mirrored)
{
	struct mmu_roots_snapshot before, after;

	mmu_roots_read(roots, &before);
	leave_l2(roots, vcpu);
	reenter_l2(roots, vcpu);
	mmu_root_mode_expect_data(roots, vcpu, mirrored);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
}

TEST_F(mode, l2_sees_its_memory)
{
	struct mmu_roots *roots = &self->roots;

	run_to_l2(roots, self->vcpu, variant->mode, variant->nested_paging);
	mmu_root_mode_expect_data(roots, self->vcpu, false);
	expect_data_by_l1(roots, self->vcpu, false);
}

/* KVM must translate for L2 as the CPU does: by page tables that reverse the pages of the data. */
TEST_F(mode, emulated_reads_of_l2)
{
	bool mirrored = mmu_root_mode_is_mirrored(variant->mode);
	struct mmu_roots *roots = &self->roots;

	mmu_roots_force_emulation();
	mmu_root_mode_emulate(self->vcpu);
	run_to_l2(roots, self->vcpu, variant->mode, variant->nested_paging);
	mmu_root_mode_expect_data(roots, self->vcpu, mirrored);
	expect_data_by_l1(roots, self->vcpu, mirrored);
}

/* These tests are about the PDPTRs of an L2 with PAE paging. */
FIXTURE(pdptrs) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(pdptrs) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(pdptrs, plain) { false };
FIXTURE_VARIANT_ADD(pdptrs, nested_paging) { true };

FIXTURE_SETUP(pdptrs)
{
	create_vm_of_modes(&self->roots, &self->vcpu, variant->nested_paging);
	run_to_l2(&self->roots, self->vcpu, MODE_PAE, variant->nested_paging);
}

FIXTURE_TEARDOWN(pdptrs)
{
	mmu_roots_vm_free(&self->roots);
}

static void set_pdpte(struct kvm_vm *vm, bool mirrored)
{
	*(uint64_t *)addr_gpa2hva(vm, MMU_ROOT_MODE_PDPTE(1)) = mmu_root_mode_pdpte(mirrored);
	mmu_root_mode_clean_pdptes(vm);
}

TEST_F(pdptrs, follow_cr3)
{
	struct mmu_roots *roots = &self->roots;
	uint32_t sum;

	mmu_root_mode_start(self->vcpu, MODE_OP_PDPTE,
			    mmu_root_mode_pdpte(false) ^ mmu_root_mode_pdpte(true));
	sum = mmu_root_mode_run(self->vcpu, NR_MODE_OPS_OF_L2);
	mmu_root_mode_check_sum(roots, sum, NR_MODE_OPS_OF_L2, true, false);
}

/* With EPT, PDPTRs are in the VMCS: Intel SDM, "Loading Page-Directory-Pointer-Table Entries". */
TEST_F(pdptrs, are_those_of_the_entry)
{
	struct mmu_roots *roots = &self->roots;
	bool mirrored = false;
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel || !variant->nested_paging,
				     "VMCS12 has L2's PDPTRs");
	for (i = 0; i < NR_PDPTE_CHANGES; i++) {
		mmu_root_mode_expect_data(roots, self->vcpu, mirrored);
		leave_l2(roots, self->vcpu);
		mirrored = !mirrored;
		set_pdpte(self->vcpu->vm, mirrored);
		reenter_l2(roots, self->vcpu);
	}
}

static void require_pdptrs_in_kvm(bool nested_paging)
{
	mmu_roots_require_applicable(!host_cpu_is_intel,
				     "VMX leaves L2 before it restores it: vmx_set_nested_state()");
	mmu_roots_require_applicable(!nested_paging && !kvm_is_tdp_enabled(),
				     "KVM does not load L2's PDPTRs here");
}

static void restore_l2(struct kvm_vcpu *vcpu)
{
	vcpu_nested_state_set(vcpu, mmu_root_nested_state_get(vcpu));
}

/*
 * When userspace restores L2, the PDPTRs that KVM has loaded before may be those of L1: KVM
 * must load them again when the vCPU runs, see svm_get_nested_state_pages().
 */
TEST_F(pdptrs, are_loaded_again_when_l2_is_restored)
{
	struct mmu_roots *roots = &self->roots;

	require_pdptrs_in_kvm(variant->nested_paging);
	mmu_root_mode_expect_data(roots, self->vcpu, false);
	vcpu_run_complete_io(self->vcpu);
	set_pdpte(self->vcpu->vm, true);
	restore_l2(self->vcpu);
	mmu_root_mode_expect_data(roots, self->vcpu, true);
}

/* KVM must not load PDPTRs again if userspace has set them. */
TEST_F(pdptrs, of_userspace_are_kept_when_l2_is_restored)
{
	struct mmu_roots *roots = &self->roots;
	struct kvm_sregs2 sregs;

	require_pdptrs_in_kvm(variant->nested_paging);
	__TEST_REQUIRE(kvm_has_cap(KVM_CAP_SREGS2), "KVM lacks KVM_SET_SREGS2");
	mmu_root_mode_expect_data(roots, self->vcpu, false);
	vcpu_run_complete_io(self->vcpu);
	vcpu_ioctl(self->vcpu, KVM_GET_SREGS2, &sregs);
	sregs.pdptrs[1] = mmu_root_mode_pdpte(true);
	vcpu_ioctl(self->vcpu, KVM_SET_SREGS2, &sregs);
	restore_l2(self->vcpu);
	mmu_root_mode_expect_data(roots, self->vcpu, true);
}

TEST_HARNESS_MAIN
