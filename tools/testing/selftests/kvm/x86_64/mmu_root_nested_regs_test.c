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
#include "mmu_roots_modes.h"
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
			mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
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

#define USER_PAGE		0
#define READ_INSN		"cmpl $0, (%[addr])"

/* CR4.SMAP, with which the data at USER_PAGE cannot be read, as the CPU and KVM see it. */
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
	/* With shadow paging, and CR0.WP clear, SMAP is in the role of L2's root. */
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, NR_L1_L2_ROOTS + 1);
}

FIXTURE_TEARDOWN(permission)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/*
 * With nested paging, L2's own paging is nothing that KVM has a root for, and it has to
 * follow it for its emulator: init_kvm_nested_mmu().
 */
TEST_F(permission, of_l2_is_enforced_by_cpu_and_emulator)
{
	mmu_root_path_sync(self->vcpu);
}

/*
 * An L2 that is not in 64-bit mode: its page tables have another format than L1's, and PAE
 * paging has PDPTRs, which each entry loads.  Userspace puts it there.
 */
#define NR_MODE_OPS_OF_L2	(2 * MMU_ROOT_DATA_PAGES)
#define NR_PDPTE_CHANGES	4

/* In the page of the code of all modes, which is shorter. */
#define CALL_GPA		(MMU_ROOT_MODE_GPA + 0xf00)

/* VMMCALL or VMCALL, and what guest_exit() does. */
static const uint8_t call_of_svm[] = { 0x0f, 0x01, 0xd9, 0xe4, MMU_ROOT_EXIT_PORT };
static const uint8_t call_of_vmx[] = { 0x0f, 0x01, 0xc1, 0xe4, MMU_ROOT_EXIT_PORT };

/* With shadow paging: L1's, L2's first one, and at most four PAE roots each of two kinds. */
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

/* With what each L2 has to have: VMRUN wants EFER.SVME, and VMX CR0.NE and CR4.VMXE. */
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
	mmu_roots_require_applicable(kvm_is_tdp_enabled() || variant->mode != MODE_UNPAGED,
				     "KVM loses L1's CR4 when it leaves such an L2, see docs/nested.md");
	create_vm_of_modes(&self->roots, &self->vcpu, variant->nested_paging);
}

FIXTURE_TEARDOWN(mode)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/* To L2, and there to its mode, in which it is to read. */
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

	/* L1 has a value of its own for L2's CR3. */
	vcpu_sregs_get(vcpu, &sregs);
	mmu_root_nested_replace_pgd(vcpu->vm, 0, sregs.cr3);
}

static void leave_l2(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	/* From where it has stopped to read. */
	vcpu_run_complete_io(vcpu);
	vcpu_regs_get(vcpu, &regs);
	regs.rip = CALL_GPA;
	vcpu_regs_set(vcpu, &regs);
	mmu_root_path_sync(vcpu);
	mmu_roots_check(roots, !is_in_l2(vcpu), "the vCPU is still in L2");
}

/* L2 is to read.  L1 has not kept its registers. */
static void reenter_l2(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	mmu_root_mode_clean_pdptes(vcpu->vm);
	mmu_root_path_run_for_good(vcpu);
	mmu_roots_check(roots, is_in_l2(vcpu), "the vCPU is still in L1");
	vcpu_run_complete_io(vcpu);
	mmu_root_mode_start(vcpu, MODE_OP_READ, 0);
}

/* To L1, and back to L2: it takes no reset. */
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

/* KVM translates for L2 as the CPU does: by page tables that reverse the data. */
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

/* The PDPTRs of an L2 with PAE paging. */
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

/* With EPT they are in the VMCS: Intel SDM, "Loading Page-Directory-Pointer-Table Entries". */
TEST_F(pdptrs, are_those_of_the_entry)
{
	struct mmu_roots *roots = &self->roots;
	bool mirrored = false;
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel || !variant->nested_paging,
				     "L1 has L2's PDPTRs in the VMCS");
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
				     "KVM is not who loads L2's PDPTRs");
}

static void restore_l2(struct kvm_vcpu *vcpu)
{
	vcpu_nested_state_set(vcpu, mmu_root_nested_state_get(vcpu));
}

/*
 * When L2 is restored, what PDPTRs KVM has loaded before may have been those of L1: they are
 * loaded again as the vCPU is run, see svm_get_nested_state_pages().
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

/* Unless userspace has brought them along. */
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
