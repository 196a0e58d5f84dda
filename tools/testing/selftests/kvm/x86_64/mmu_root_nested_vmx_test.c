// SPDX-License-Identifier: GPL-2.0
/*
 * Test what only VMX has in nested virtualization: INVEPT, INVVPID, VMCLEAR and VMXOFF,
 * which drop roots; flags of EPT; VMFUNC; L1's registers after an exit; and VM-Entries that
 * fail.
 *
 * The counts are derived in docs/nested.md of kvm-mmu-roots.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "vmx.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* guest_mmu can hold this number of roots. */
#define NR_PGDS			4
#define NO_PGD			NR_PGDS

/* These numbers are even, so that flips are undone. */
#define NR_WARM_UP_OPS		60
#define NR_OPS			120

/* This number is also a multiple of the number of PGDs, so that all rounds begin alike. */
#define NR_ROUND_OPS		60

/* The host writes these variables. */
static int command;
static int target_pgd;
static bool other_flags;

/* L1 writes this variable; L2 reads it, as it shares L1's memory. */
static int l2_pgd;

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(l2_pgd);
		guest_l2_call();
	}
}

static void guest_enter_pgds(int nr_pgds)
{
	for (l2_pgd = 0; l2_pgd < nr_pgds; l2_pgd++)
		guest_l2_run_to_call(0, l2_pgd);
}

enum invept {
	INVEPT_NOTHING,
	INVEPT_SINGLE,
	INVEPT_GLOBAL,
	/* INVEPT fails, and does nothing. */
	INVEPT_UNKNOWN_TYPE,
};

static void l1_invept(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		if (READ_ONCE(command) != INVEPT_NOTHING) {
			bool failed;

			guest_l2_use_ept_ad(READ_ONCE(other_flags));
			failed = guest_l2_invept(command, guest_l2_pgd(target_pgd));
			GUEST_ASSERT_EQ(failed, command == INVEPT_UNKNOWN_TYPE);
			guest_l2_use_ept_ad(false);
		}
		guest_enter_pgds(NR_PGDS);
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(invept) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @command: the type of INVEPT
 * @pgd: number of the PGD that INVEPT names
 * @nr_dropped: number of roots that KVM has to look for again
 * @other_flags: INVEPT names the PGD by an EPTP with other flags than that of the L2s
 */
FIXTURE_VARIANT(invept) {
	const char *name;
	enum invept command;
	int pgd;
	uint64_t nr_dropped;
	bool other_flags;
};

FIXTURE_VARIANT_ADD(invept, single_current) {
	"INVEPT-single", INVEPT_SINGLE, NR_PGDS - 1, 1,
};

FIXTURE_VARIANT_ADD(invept, single_previous) { "INVEPT-single", INVEPT_SINGLE, 1, 1 };
FIXTURE_VARIANT_ADD(invept, single_last) { "INVEPT-single", INVEPT_SINGLE, 0, 1 };
/* INVEPT goes by the page table, EP4TA, not by the flags: Intel SDM, "INVEPT". */
FIXTURE_VARIANT_ADD(invept, single_other_flags) { "INVEPT-flags", INVEPT_SINGLE, 1, 1, true };
FIXTURE_VARIANT_ADD(invept, single_other) { "INVEPT-single", INVEPT_SINGLE, NO_PGD, 0 };
FIXTURE_VARIANT_ADD(invept, global) { "INVEPT-global", INVEPT_GLOBAL, 0, NR_PGDS };
FIXTURE_VARIANT_ADD(invept, unknown_type) { "INVEPT-unknown", INVEPT_UNKNOWN_TYPE, 0, 0 };

FIXTURE_SETUP(invept)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(true);
	if (variant->other_flags)
		mmu_root_nested_require_ept_ad();
	mmu_root_path_vm_create(&self->vcpu, l1_invept);
	/* No L2 runs on the last PGD. */
	mmu_root_nested_create(self->vcpu, true, NR_PGDS + 1);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, 1 + NR_PGDS);
}

FIXTURE_TEARDOWN(invept)
{
	mmu_roots_vm_free(&self->roots);
}

static void set_command(struct kvm_vm *vm, int cmd, int pgd, bool flags)
{
	command = cmd;
	target_pgd = pgd;
	other_flags = flags;
	sync_global_to_guest(vm, other_flags);
	sync_global_to_guest(vm, command);
	sync_global_to_guest(vm, target_pgd);
}

#define NR_INVEPTS		20

/*
 * INVEPT drops the vCPU's references to roots, whose page tables stay as ordinary shadow
 * pages.  L1 then enters L2 on each PGD again: KVM has to look for the roots that were
 * dropped.
 */
TEST_F(invept, drops_what_it_names)
{
	const struct mmu_root_counts c = {
		.loads = variant->nr_dropped, .found = variant->nr_dropped,
		.misses = variant->nr_dropped, .hits = 2 * NR_PGDS - variant->nr_dropped,
		.roots = 1 + NR_PGDS,
		/* Entries and exits flush the TLB.  INVEPT itself takes no flush. */
		.flushes = 2 * 2 * NR_PGDS,
	};
	struct mmu_roots_snapshot warm, storm;
	struct mmu_roots *roots = &self->roots;
	int i;

	set_command(roots->vm, INVEPT_NOTHING, 0, false);
	for (i = 0; i < 2; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	set_command(roots->vm, variant->command, variant->pgd, variant->other_flags);
	mmu_root_nested_run(self->vcpu, roots, &warm);
	for (i = 0; i < NR_INVEPTS; i++)
		mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, &c, NR_INVEPTS);
	for (i = 0; i < NR_PGDS; i++)
		mmu_root_nested_expect_visits(roots, i, 2 + 1 + NR_INVEPTS);
}

#define NR_INVVPIDS		20

/* root_mmu can hold the roots of this number of PGDs of L2 and of as many of L1's own. */
#define NR_INVVPID_PGDS		2

/* The types are those of Intel SDM, "INVVPID". */
enum invvpid {
	INVVPID_ADDRESS,
	INVVPID_SINGLE,
	INVVPID_ALL,
	INVVPID_SINGLE_BUT_GLOBALS,
	/* INVVPID fails, and does nothing. */
	INVVPID_UNKNOWN_TYPE,
};

/* After INVVPID, L1 visits both of its own roots, and then both of L2's. */
static void l1_invvpid(enum invvpid type)
{
	bool failed;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		failed = guest_l2_invvpid(type);
		GUEST_ASSERT_EQ(failed, type == INVVPID_UNKNOWN_TYPE);
		guest_l2_write_cr3(1);
		guest_l2_write_cr3(0);
		guest_enter_pgds(NR_INVVPID_PGDS);
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(invvpid) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @type: the type of INVVPID
 * @nr_dropped: number of roots that KVM has to look for again with shadow paging
 */
FIXTURE_VARIANT(invvpid) {
	const char *name;
	enum invvpid type;
	uint64_t nr_dropped;
};

FIXTURE_VARIANT_ADD(invvpid, address) { "INVVPID-address", INVVPID_ADDRESS, NR_INVVPID_PGDS };
FIXTURE_VARIANT_ADD(invvpid, single) { "INVVPID-single", INVVPID_SINGLE, NR_INVVPID_PGDS };
FIXTURE_VARIANT_ADD(invvpid, all) { "INVVPID-all", INVVPID_ALL, NR_INVVPID_PGDS };

FIXTURE_VARIANT_ADD(invvpid, single_but_globals) {
	"INVVPID-globals", INVVPID_SINGLE_BUT_GLOBALS, NR_INVVPID_PGDS,
};

FIXTURE_VARIANT_ADD(invvpid, unknown_type) { "INVVPID-unknown", INVVPID_UNKNOWN_TYPE, 0 };

FIXTURE_SETUP(invvpid)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	__TEST_REQUIRE(get_kvm_intel_param_bool("vpid"),
		       "KVM offers no INVVPID: module parameter vpid=1 of kvm_intel");
	mmu_root_nested_require(false);
	mmu_root_path_vm_create(&self->vcpu, l1_invvpid);
	vcpu_args_set(self->vcpu, 1, variant->type);
	mmu_root_nested_create(self->vcpu, false, NR_INVVPID_PGDS);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, 2 * NR_INVVPID_PGDS);
}

FIXTURE_TEARDOWN(invvpid)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * With shadow paging, L2's translations are those of L2's roots in root_mmu: INVVPID of any
 * type must drop all of these, and none of L1's, see handle_invvpid().  With EPT, KVM makes
 * the CPU drop translations, and roots do not matter.
 */
TEST_F(invvpid, drops_the_roots_of_l2)
{
	const struct mmu_root_counts tdp = {
		.hits = 2 * NR_INVVPID_PGDS, .roots = NR_L1_L2_ROOTS,
		.flushes = 2 * 2 * NR_INVVPID_PGDS,
	}, shadow = {
		/* L1's writes of CR3 are PGD switches, too. */
		.loads = variant->nr_dropped, .found = variant->nr_dropped,
		.misses = variant->nr_dropped, .hits = 3 * NR_INVVPID_PGDS - variant->nr_dropped,
		.roots = 2 * NR_INVVPID_PGDS, .flushes = 2 * 3 * NR_INVVPID_PGDS,
	};
	struct mmu_roots_snapshot warm, storm;
	struct mmu_roots *roots = &self->roots;
	int i;

	for (i = 0; i < 2; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	for (i = 0; i < NR_INVVPIDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, mmu_root_nested_pick(&tdp, &shadow),
				     NR_INVVPIDS);
	for (i = 0; i < NR_INVVPID_PGDS; i++)
		mmu_root_nested_expect_visits(roots, i, 2 + NR_INVVPIDS);
}

/* root_mmu can hold this number of roots beside L1's own. */
#define NR_SHADOWED_PGDS	(NR_PGDS - 1)

/* VMXOFF loses the contents of the current VMCS, so L2 starts anew: free_nested(). */
static void op_vmxoff(void)
{
	vmxoff();
	guest_l2_init_one(0, l2_visit, L1_INTERCEPTS_NOTHING);
}

static void op_vmclear_current(void)
{
	guest_l2_vmclear(0);
}

static void op_vmclear_other(void)
{
	guest_l2_vmclear(1);
}

static void l1_operate(void (*op)(void), int nr_pgds)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_enter_pgds(nr_pgds);
		op();
		guest_enter_pgds(nr_pgds);
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(operation) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @op: what L1 does between two rounds of its PGDs
 * @nested_paging: L1 uses nested paging
 * @drops: KVM has to look for the roots of nested paging again
 * @new_vmcs: KVM has a new VMCS02, whose load flushes the TLB: vmx_vcpu_load_vmcs()
 */
FIXTURE_VARIANT(operation) {
	const char *name;
	void (*op)(void);
	bool nested_paging;
	bool drops;
	bool new_vmcs;
};

FIXTURE_VARIANT_ADD(operation, vmxoff) { "VMXOFF", op_vmxoff, false, false, true };
FIXTURE_VARIANT_ADD(operation, vmxoff_ept) { "VMXOFF+EPT", op_vmxoff, true, true, true };

FIXTURE_VARIANT_ADD(operation, vmclear_current_ept) {
	"VMCLEAR-current+EPT", op_vmclear_current, true, true, false,
};

FIXTURE_VARIANT_ADD(operation, vmclear_current) {
	"VMCLEAR-current", op_vmclear_current, false, false, false,
};

FIXTURE_VARIANT_ADD(operation, vmclear_other_ept) {
	"VMCLEAR-other+EPT", op_vmclear_other, true, false, false,
};

FIXTURE_SETUP(operation)
{
	int nr_pgds = variant->nested_paging ? NR_PGDS : NR_SHADOWED_PGDS;

	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_operate);
	vcpu_args_set(self->vcpu, 2, variant->op, nr_pgds);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, nr_pgds);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, 1 + nr_pgds);
}

FIXTURE_TEARDOWN(operation)
{
	mmu_roots_vm_free(&self->roots);
}

#define NR_OPERATIONS		20

/* These operations may drop roots of nested paging only: the roots in root_mmu stay. */
TEST_F(operation, drops_what_it_is_about)
{
	const int nr_pgds = variant->nested_paging ? NR_PGDS : NR_SHADOWED_PGDS;
	const uint64_t nr_dropped = variant->drops ? nr_pgds : 0;
	const bool one_root = !variant->nested_paging && kvm_is_tdp_enabled();
	/* L1 enters and leaves L2 on each PGD, both before and after the operation. */
	const struct mmu_root_counts c = {
		.loads = nr_dropped, .found = nr_dropped, .misses = nr_dropped,
		.hits = 2 * 2 * nr_pgds - nr_dropped,
		.roots = one_root ? NR_L1_L2_ROOTS : 1 + nr_pgds,
		.flushes = 2 * (2 * 2 * nr_pgds + variant->new_vmcs),
	};
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < 2; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	for (i = 0; i < NR_OPERATIONS; i++)
		mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, &c, NR_OPERATIONS);
	for (i = 0; i < nr_pgds; i++)
		mmu_root_nested_expect_visits(roots, i, 2 * (2 + NR_OPERATIONS));
}

/*
 * Nested EPT has one root with accessed and dirty flags and another one without, which
 * differ in role.ad_disabled.  KVM sets the flags in L1's EPT only by the root that has
 * them: see nested_ept_new_eptp().
 */
static void l1_ept_ad(void)
{
	bool ad = false;
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_run_to_call(0, 0);
	GUEST_SYNC(guest_checksum_data());
	for (;;) {
		for (i = 0; i < NR_ROUND_OPS; i++) {
			ad = !ad;
			guest_l2_use_ept_ad(ad);
			guest_l2_run_to_call(0, 0);
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

/* Intel SDM, "Accessed and Dirty Flags for EPT". */
#define EPT_ACCESSED		BIT_ULL(8)
#define EPT_DIRTY		BIT_ULL(9)

static void expect_ept_flags(struct mmu_roots *roots, uint64_t expected)
{
	uint64_t flags = mmu_root_nested_own_entry(roots->vm, 0) & (EPT_ACCESSED | EPT_DIRTY);

	mmu_roots_check(roots, flags == expected, "EPT of L1 has the flags %lx, expected %lx",
			flags, expected);
}

TEST(ept_accessed_and_dirty)
{
	const struct mmu_root_counts c = {
		.hits = 2, .roots = 1 + 2, .flushes = 2 * 2,
	};
	struct mmu_roots_snapshot warm, storm;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;

	printf("#@ path=EPT-AD\n");
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(true);
	mmu_root_nested_require_ept_ad();
	mmu_root_path_vm_create(&vcpu, l1_ept_ad);
	mmu_root_nested_create(vcpu, true, 1);
	mmu_root_nested_open(&roots, vcpu->vm, "EPT-AD", c.roots);

	mmu_root_nested_run(vcpu, &roots, &warm);
	expect_ept_flags(&roots, 0);
	mmu_root_nested_run(vcpu, &roots, &warm);
	expect_ept_flags(&roots, EPT_ACCESSED | EPT_DIRTY);
	mmu_root_nested_run(vcpu, &roots, &warm);
	mmu_root_nested_run(vcpu, &roots, &storm);
	mmu_root_nested_expect_storm(&roots, &warm, &storm, &c, NR_ROUND_OPS);
	mmu_roots_vm_free(&roots);
}

/* L2 switches between this number of PGDs by itself, from the one that L1 entered it on. */
static int l2_nr_pgds;

static void l2_vmfunc(void)
{
	int i;

	for (;;) {
		for (i = 1; i <= NR_ROUND_OPS; i++) {
			guest_l2_vmfunc(i % l2_nr_pgds);
			guest_l2_visit(i % l2_nr_pgds);
			guest_touch_data(i);
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

static void l1_vmfunc(int nr_pgds)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_vmfunc, L1_INTERCEPTS_NOTHING);
	guest_l2_allow_vmfunc(0, nr_pgds);
	l2_nr_pgds = nr_pgds;
	guest_l2_run_to_call(0, 0);
}

FIXTURE(vmfunc) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(vmfunc) {
	const char *name;
	int nr_pgds;
	struct mmu_root_counts counts;
};

/* VMFUNC costs a PGD switch in guest_mmu, and a flush: nested_vmx_eptp_switching(). */
FIXTURE_VARIANT_ADD(vmfunc, all_cached) {
	"L2-VMFUNC-4", NR_PGDS, { .hits = 1, .roots = 1 + NR_PGDS, .flushes = 2 },
};

FIXTURE_VARIANT_ADD(vmfunc, one_too_many) {
	"L2-VMFUNC-5", NR_PGDS + 1,
	{ .loads = 1, .found = 1, .misses = 1, .roots = 2 + NR_PGDS, .flushes = 2 },
};

FIXTURE_SETUP(vmfunc)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(true);
	mmu_root_nested_require_vmfunc();
	mmu_root_path_vm_create(&self->vcpu, l1_vmfunc);
	vcpu_args_set(self->vcpu, 1, variant->nr_pgds);
	mmu_root_nested_create(self->vcpu, true, variant->nr_pgds);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, variant->counts.roots);
}

FIXTURE_TEARDOWN(vmfunc)
{
	mmu_roots_vm_free(&self->roots);
}

#define NR_VMFUNC_ROUNDS	5

TEST_F(vmfunc, finds_the_roots)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < 2; i++)
		mmu_root_nested_run(self->vcpu, roots, &warm);
	for (i = 0; i < NR_VMFUNC_ROUNDS; i++)
		mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, &variant->counts,
				     NR_VMFUNC_ROUNDS * NR_ROUND_OPS);
	for (i = 0; i < variant->nr_pgds; i++)
		mmu_root_nested_expect_visits(roots, i, (2 + NR_VMFUNC_ROUNDS) *
					      NR_ROUND_OPS / variant->nr_pgds);
}

/* HOST_CR3 of VMCS12 differs from the CR3 that L1 has when it enters L2. */
static void l1_host_cr3(bool nested_paging)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_vmcs_write(0, HOST_CR3, guest_l2_cr3(1), ~0ul);
	for (;;) {
		for (i = 0; i < NR_ROUND_OPS; i++) {
			guest_l2_run_to_call(0, 0);
			GUEST_ASSERT_EQ(get_cr3(), guest_l2_cr3(1));
			if (!nested_paging)
				guest_l2_visit(1);
			guest_l2_write_cr3(0);
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

/* L1 writes this variable. */
static uint64_t l1_cr0;

/*
 * L1 intercepts L2's changes of CR0.WP, and changes its own.  The bits of CR0 that KVM has
 * to ask the CPU for thus differ between L1 and L2, see load_vmcs12_host_state().
 */

static void l1_cr0_wp(bool nested_paging)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_vmcs_write(0, CR0_GUEST_HOST_MASK, X86_CR0_WP, 0);
	for (;;) {
		for (i = 0; i < NR_ROUND_OPS; i++) {
			guest_l2_run_to_call(0, 0);
			mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
		}
		l1_cr0 = get_cr0();
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(exit) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @l1: the code of L1
 * @nested_paging: L1 uses nested paging
 */
FIXTURE_VARIANT(exit) {
	const char *name;
	void (*l1)(bool nested_paging);
	bool nested_paging;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/* With shadow paging L1's writes of CR3 are PGD switches, too. */
FIXTURE_VARIANT_ADD(exit, host_cr3) {
	"HOST_CR3", l1_host_cr3, false,
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 },
	{ .hits = 3, .roots = NR_L1_L2_ROOTS + 1, .flushes = 6 },
};

FIXTURE_VARIANT_ADD(exit, host_cr3_ept) {
	"HOST_CR3+EPT", l1_host_cr3, true,
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 },
};

/*
 * With shadow paging, L1's write of CR0 resets the MMU: KVM has to look for L1's root and
 * L2's again.
 */
FIXTURE_VARIANT_ADD(exit, cr0_wp) {
	"L1-CR0.WP,L1<->L2", l1_cr0_wp, false,
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 },
	{ .resets = 1, .loads = 2, .found = 2, .hits = 1, .misses = 1,
	  .roots = NR_L1_L2_ROOTS + 1, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(exit, cr0_wp_ept) {
	"L1-CR0.WP,L1<->L2+EPT", l1_cr0_wp, true,
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 },
};

FIXTURE_SETUP(exit)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, variant->l1);
	vcpu_args_set(self->vcpu, 1, variant->nested_paging);
	/* L1 uses the second CR3 for itself. */
	mmu_root_nested_create(self->vcpu, variant->nested_paging, 2);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, NR_L1_L2_ROOTS + 1);
}

FIXTURE_TEARDOWN(exit)
{
	mmu_roots_vm_free(&self->roots);
}

/* Two rounds warm up, and the third one must have the exact counts. */
#define NR_ROUNDS		3

static void expect_rounds(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			  const struct mmu_root_counts *tdp,
			  const struct mmu_root_counts *shadow)
{
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 1; i < NR_ROUNDS; i++)
		mmu_root_nested_run(vcpu, roots, &warm);
	mmu_root_nested_run(vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, mmu_root_nested_pick(tdp, shadow),
				     NR_ROUND_OPS);
}

static void expect_cr0(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	sync_global_from_guest(roots->vm, l1_cr0);
	vcpu_sregs_get(vcpu, &sregs);
	mmu_roots_check(roots, sregs.cr0 == l1_cr0, "KVM takes CR0 %llx for L1's, which is %lx",
			sregs.cr0, l1_cr0);
}

TEST_F(exit, l1_has_its_registers)
{
	struct mmu_roots *roots = &self->roots;

	expect_rounds(roots, self->vcpu, &variant->tdp, &variant->shadow);
	if (variant->l1 == l1_cr0_wp)
		expect_cr0(roots, self->vcpu);
	mmu_root_nested_expect_visits(roots, 0, NR_ROUNDS * NR_ROUND_OPS);
}

/* L1 changes this PGD, which is not its own CR3: that is the other PGD. */
#define CHANGED_PGD		1

/* L1 maps the pages of this number of PGDs in turn. */
#define NR_OWNERS		(CHANGED_PGD + 1)

/*
 * Before each entry, L1 maps another page as the one that L2 sees.  INVEPT with nested
 * paging, or else the entry, must make L2 see the change: Intel SDM, "Operations that
 * Invalidate Cached Mappings".  L2 has no VPID.
 */
static void l1_change_pgd(bool nested_paging)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		for (i = 0; i < NR_ROUND_OPS; i++) {
			l2_pgd = i % NR_OWNERS;
			guest_map_own_page(CHANGED_PGD, l2_pgd);
			if (nested_paging)
				GUEST_ASSERT(!guest_l2_invept(INVEPT_SINGLE,
							      guest_l2_pgd(CHANGED_PGD)));
			guest_l2_run_to_call(0, CHANGED_PGD);
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(change) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(change) {
	const char *name;
	bool nested_paging;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/*
 * If KVM shadows the page table, L1's write takes a page fault, and so does L2's read, as
 * KVM drops what was mapped when it synchronizes the table.  The synchronization also takes
 * one more flush than entry and exit do, as it write-protects the table for L1:
 * mmu_sync_children().
 */
FIXTURE_VARIANT_ADD(change, of_cr3) {
	"L2-PTE", false,
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 },
	{ .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 6, .faults = 2 },
};

FIXTURE_VARIANT_ADD(change, of_ept) {
	"L2-PTE+EPT", true,
	{ .loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = NR_L1_L2_ROOTS,
	  .flushes = 6, .faults = 2 },
};

FIXTURE_SETUP(change)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_change_pgd);
	vcpu_args_set(self->vcpu, 1, variant->nested_paging);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_OWNERS);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(change)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(change, is_seen_by_l2)
{
	struct mmu_roots *roots = &self->roots;
	int i;

	expect_rounds(roots, self->vcpu, &variant->tdp, &variant->shadow);
	for (i = 0; i < NR_OWNERS; i++)
		mmu_root_nested_expect_visits(roots, i, NR_ROUNDS * NR_ROUND_OPS / NR_OWNERS);
}

/* L1 has these ways to make the entry to L2 fail. */
enum bad_entry {
	/*
	 * The virtual-APIC page is beyond all memory.  That is no error for the CPU, but
	 * KVM has no page to point VMCS02 to: KVM puts an illegal address there, which the
	 * CPU finds, see nested_get_vmcs12_pages().
	 */
	BAD_APIC_PAGE,
	/* KVM finds the error, and makes the instruction fail. */
	BAD_CONTROLS,
	/* KVM finds the error, and makes the entry exit. */
	BAD_GUEST_STATE,
};

/* Beyond everything that the library and mmu_root_path_vm_create() map. */
#define NO_MEMORY_GPA		0x60000000ul

/* No CPU has that many: Intel SDM, "VM Execution Control Fields". */
#define TOO_MANY_CR3_TARGETS	5

/* Intel SDM, "VM-Instruction Error Numbers". */
#define ERROR_INVALID_CONTROLS	7

/* L2 runs on this PGD, which is not L1's own CR3: without EPT, that is PGD 0. */
#define FAILED_PGD		1

static void guest_break_l2(enum bad_entry bad)
{
	switch (bad) {
	case BAD_APIC_PAGE:
		guest_l2_vmcs_write(0, CPU_BASED_VM_EXEC_CONTROL, CPU_BASED_TPR_SHADOW, 0);
		guest_l2_vmcs_write(0, VIRTUAL_APIC_PAGE_ADDR, NO_MEMORY_GPA, ~0ul);
		break;
	case BAD_CONTROLS:
		guest_l2_vmcs_write(0, CR3_TARGET_COUNT, TOO_MANY_CR3_TARGETS, ~0ul);
		break;
	case BAD_GUEST_STATE:
		guest_l2_vmcs_write(0, GUEST_CR0, 0, X86_CR0_NE);
		break;
	}
}

static void guest_mend_l2(enum bad_entry bad)
{
	switch (bad) {
	case BAD_APIC_PAGE:
		guest_l2_vmcs_write(0, CPU_BASED_VM_EXEC_CONTROL, 0, CPU_BASED_TPR_SHADOW);
		break;
	case BAD_CONTROLS:
		guest_l2_vmcs_write(0, CR3_TARGET_COUNT, 0, ~0ul);
		break;
	case BAD_GUEST_STATE:
		guest_l2_vmcs_write(0, GUEST_CR0, X86_CR0_NE, 0);
		break;
	}
}

static void guest_fail(enum bad_entry bad, uint64_t nr_ops)
{
	enum mmu_root_l2_exit wanted = bad == BAD_GUEST_STATE ? L2_ENTRY_EXITED : L2_ENTRY_FAILED;
	uint64_t cr0 = get_cr0(), cr3 = get_cr3(), cr4 = get_cr4(), efer = rdmsr(MSR_EFER);
	uint64_t i, exit;

	for (i = 0; i < nr_ops; i++) {
		exit = guest_l2_run(0, FAILED_PGD);
		__GUEST_ASSERT(exit == wanted, "the entry ended with %lu", exit);
		if (wanted == L2_ENTRY_FAILED)
			GUEST_ASSERT_EQ(vmreadz(VM_INSTRUCTION_ERROR),
					ERROR_INVALID_CONTROLS);
		guest_touch_data(i);
	}
	/* A failed entry must not change L1's registers. */
	GUEST_ASSERT(get_cr0() == cr0 && get_cr3() == cr3 && get_cr4() == cr4 &&
		     rdmsr(MSR_EFER) == efer);
	GUEST_SYNC(guest_checksum_data());
}

static void l1_fail(enum bad_entry bad)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	l2_pgd = FAILED_PGD;
	guest_l2_run_to_call(0, l2_pgd);
	/* L1 does not have this bit, and no root's role depends on it. */
	guest_l2_vmcs_write(0, GUEST_CR4, X86_CR4_MCE, 0);
	guest_break_l2(bad);
	guest_fail(bad, NR_WARM_UP_OPS);
	guest_fail(bad, NR_WARM_UP_OPS);
	guest_fail(bad, NR_OPS);
	guest_mend_l2(bad);
	guest_l2_run_to_call(0, l2_pgd);
	GUEST_DONE();
}

FIXTURE(entry) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(entry) {
	const char *name;
	bool nested_paging;
	enum bad_entry bad;
	struct mmu_root_counts counts;
};

/*
 * nested_vmx_restore_host_state() resets the MMU, which drops the roots of L1 and L2: KVM
 * looks for L1's root when L1 goes on, and for L2's at the next entry.
 */
#define UNWOUND		{							\
	.resets = 1, .loads = 2, .found = 2, .misses = 1, .roots = 2, .flushes = 2,	\
}

/* KVM finds the error before the vCPU is in guest mode: nothing has happened to its MMU. */
#define UNTOUCHED	{ .roots = 2 }

/* The exit switches to L1's PGD, whose root is the current one: load_vmcs12_host_state(). */
#define EXITED		{ .hits = 1, .roots = 2, .flushes = 2 }

FIXTURE_VARIANT_ADD(entry, refused_by_cpu) {
	"VM-Entry-hw", false, BAD_APIC_PAGE, UNWOUND,
};

FIXTURE_VARIANT_ADD(entry, refused_by_cpu_ept) {
	"VM-Entry-hw+EPT", true, BAD_APIC_PAGE, UNWOUND,
};

FIXTURE_VARIANT_ADD(entry, fails_in_kvm) {
	"VM-Entry-fail", false, BAD_CONTROLS, UNTOUCHED,
};

FIXTURE_VARIANT_ADD(entry, fails_in_kvm_ept) {
	"VM-Entry-fail+EPT", true, BAD_CONTROLS, UNTOUCHED,
};

FIXTURE_VARIANT_ADD(entry, exits_in_kvm) {
	"VM-Entry-exit", false, BAD_GUEST_STATE, EXITED,
};

FIXTURE_VARIANT_ADD(entry, exits_in_kvm_ept) {
	"VM-Entry-exit+EPT", true, BAD_GUEST_STATE, EXITED,
};

FIXTURE_SETUP(entry)
{
	printf("#@ path=%s\n", variant->name);
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_fail);
	vcpu_args_set(self->vcpu, 1, variant->bad);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, FAILED_PGD + 1);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, variant->name, variant->counts.roots);
}

FIXTURE_TEARDOWN(entry)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(entry, exact_counts)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	struct kvm_sregs created, sregs;
	struct ucall uc;

	vcpu_sregs_get(self->vcpu, &created);
	mmu_root_nested_run(self->vcpu, roots, &warm);
	mmu_root_nested_run(self->vcpu, roots, &warm);
	mmu_root_nested_run(self->vcpu, roots, &storm);
	mmu_root_nested_expect_storm(roots, &warm, &storm, &variant->counts, NR_OPS);
	/* KVM must see L1 with its own registers, and with the CR4.VMXE that L1 has set itself. */
	vcpu_sregs_get(self->vcpu, &sregs);
	mmu_roots_check(roots, sregs.cr3 == created.cr3 &&
			sregs.cr4 == (created.cr4 | X86_CR4_VMXE),
			"KVM takes CR3 %#llx and CR4 %#llx for L1's, which are %#llx and %#llx",
			sregs.cr3, sregs.cr4, created.cr3, created.cr4 | X86_CR4_VMXE);
	/* L2 has run once before the failed entries and once after them, not in between. */
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	mmu_root_nested_expect_visits(roots, FAILED_PGD, 2);
}

TEST_HARNESS_MAIN
