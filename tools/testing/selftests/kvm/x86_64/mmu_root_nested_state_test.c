// SPDX-License-Identifier: GPL-2.0
/*
 * Test the MMU roots of a vCPU in L2 when INIT hits the vCPU, and when userspace saves and
 * restores its nested state.
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
#include "mmu_roots_paths.h"

/* These operations build all roots, and map all memory that the path uses. */
#define NR_WARM_UP_OPS		3
#define NR_OPS			20

/* Checksum of the data that L2 sees.  The guest writes this variable. */
static uint64_t l2_sum;

static void l2_until_init(void)
{
	guest_l2_visit(0);
	l2_sum = guest_checksum_data();
	guest_exit_for_good();
}

/* The AP starts here anew after each INIT-SIPI-SIPI. */
static void guest_ap(void)
{
	guest_l2_init(l2_until_init, L1_INTERCEPTS_NOTHING);
	guest_l2_run(0, 0);
	__GUEST_ASSERT(0, "L2 was left");
}

/*
 * With VMX, INIT does not stay pending, and may make L2 exit at any instruction.  L1 does
 * not preserve L2's registers then, so this L2 needs none.
 */
static void l2_without_registers(void)
{
	asm volatile("1: inb %0, %%al; jmp 1b" : : "i" (MMU_ROOT_EXIT_PORT));
}

/* L2 leaves for the host first, which has INIT sent before L2 goes on. */
static void l2_spin(void)
{
	guest_l2_visit(0);
	GUEST_SYNC(guest_checksum_data());
	for (;;)
		cpu_relax();
}

static void guest_ap_round(int nr_ops)
{
	enum mmu_root_l2_exit exit;
	int i;

	for (i = 0; i < nr_ops; i++) {
		exit = guest_l2_run(0, 0);
		__GUEST_ASSERT(exit == L2_EXIT_INIT, "INIT in L2 is not an exit to L1");
	}
	GUEST_SYNC(guest_checksum_data());
}

/* Number of INITs that were an exit to L1.  The guest writes this variable. */
static uint64_t nr_l1_exits;

static void guest_ap_vmx(void)
{
	enum mmu_root_l2_exit exit;

	guest_l2_init(l2_without_registers, L1_INTERCEPTS_INIT);
	for (;;) {
		exit = guest_l2_run(0, 0);
		__GUEST_ASSERT(exit == L2_EXIT_INIT, "INIT in L2 is not an exit to L1");
		nr_l1_exits++;
	}
}

static void guest_ap_intercepting_init(void)
{
	guest_l2_init(l2_spin, L1_INTERCEPTS_INIT);
	guest_ap_round(NR_WARM_UP_OPS);
	guest_ap_round(NR_WARM_UP_OPS);
	guest_ap_round(NR_OPS);
	__GUEST_ASSERT(0, "the vCPU went on instead of being reset by INIT");
}

FIXTURE(init) {
	struct mmu_roots roots;
	struct kvm_vcpu *bsp;
	struct kvm_vcpu *ap;
};

/*
 * @tdp: the counts with two-dimensional paging, of the TDP MMU and of tdp_mmu=0
 * @shadow: the counts with shadow paging, which has no nested paging
 */
FIXTURE_VARIANT(init) {
	const char *name;
	bool nested_paging;
	bool intercepted;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
};

/*
 * These are the costs of INIT-SIPI-SIPI, and of the entry to L2.  With shadow paging, the
 * guest switches CR3 in real mode, which has four PAE roots, and which is loaded four
 * times.
 */
FIXTURE_VARIANT_ADD(init, in_l2) {
	.name = "INIT-in-L2",
	.tdp = { .resets = 4, .loads = 5, .found = 5, .misses = 1, .roots = 2, .flushes = 6 },
	.shadow = { .resets = 4, .loads = 6, .found = 18, .misses = 2, .roots = 6, .flushes = 8 },
};

FIXTURE_VARIANT_ADD(init, in_l2_nested_paging) {
	.name = "INIT-in-L2+NPT", .nested_paging = true,
	.tdp = { .resets = 4, .loads = 5, .found = 5, .misses = 1, .roots = 2, .flushes = 6 },
};

/*
 * With SVM, INIT stays pending, and each entry to L2 exits at once.  With VMX, each INIT
 * costs an exit and an entry.
 */
FIXTURE_VARIANT_ADD(init, exits_l2) {
	.name = "INIT-exits-L2", .intercepted = true,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
	.shadow = { .hits = 2, .roots = 2, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(init, exits_l2_nested_paging) {
	.name = "INIT-exits-L2+NPT", .nested_paging = true, .intercepted = true,
	.tdp = { .hits = 2, .roots = 2, .flushes = 4 },
};

FIXTURE_SETUP(init)
{
	void *ap_code = !variant->intercepted ? guest_ap :
			host_cpu_is_intel ? guest_ap_vmx : guest_ap_intercepting_init;
	const char *name = mmu_root_nested_name(variant->name);
	struct kvm_regs regs;
	struct kvm_vm *vm;

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(variant->nested_paging);
	mmu_roots_require_applicable(variant->intercepted || !host_cpu_is_intel,
				     "INIT always leaves L2 with VMX");
	vm = mmu_root_path_vm_create(&self->bsp, guest_restart_ap);
	self->ap = mmu_root_path_vcpu_add(vm, MMU_ROOT_AP_ID, ap_code);
	vcpu_regs_get(self->ap, &regs);
	mmu_root_sipi_install(self->ap, ap_code, regs.rsp);
	mmu_root_nested_create(self->ap, variant->nested_paging, 1);
	mmu_root_nested_open(&self->roots, vm, name,
			     mmu_root_nested_pick(&variant->tdp, &variant->shadow)->roots);
}

FIXTURE_TEARDOWN(init)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * The vCPUs take turns in one thread: INIT is always pending when the AP runs, and always
 * hits it in L2, which makes the counts exact.
 */
static void init_storm(struct kvm_vcpu *bsp, struct kvm_vcpu *ap,
		       struct mmu_roots *roots, struct mmu_roots_snapshot *snap, int nr_ops)
{
	struct ucall uc;
	int i;

	for (i = 0; i < nr_ops; i++) {
		mmu_root_path_run(bsp, &uc, UCALL_SYNC);
		mmu_root_path_run_for_good(ap);
	}
	mmu_roots_read(roots, snap);
	sync_global_from_guest(ap->vm, l2_sum);
	mmu_roots_check(roots, l2_sum == mmu_root_path_checksum(ap->vm),
			"L2 sees other data than the host");
}

/* Make KVM accept the pending INIT, which only GIF still blocks, without running the vCPU. */
static void check_init_is_pending(struct mmu_roots *roots, struct kvm_vcpu *ap)
{
	struct mmu_roots_snapshot before, after;
	struct kvm_mp_state mp_state;

	mmu_roots_read(roots, &before);
	mmu_root_nested_state_set_gif(ap);
	vcpu_mp_state_get(ap, &mp_state);
	mmu_roots_read(roots, &after);

	mmu_roots_check(roots, mp_state.mp_state == KVM_MP_STATE_INIT_RECEIVED,
			"INIT left the AP in MP state %u", mp_state.mp_state);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 1);
}

/* Each INIT hits the AP in L2, and leaves it there after an exit and an entry. */
static void vmx_init_storm(struct kvm_vcpu *bsp, struct kvm_vcpu *ap,
			   struct mmu_roots *roots, struct mmu_roots_snapshot *snap, int nr_ops)
{
	uint64_t before;
	struct ucall uc;
	int i;

	sync_global_from_guest(ap->vm, nr_l1_exits);
	before = nr_l1_exits;
	for (i = 0; i < nr_ops; i++) {
		mmu_root_path_run(bsp, &uc, UCALL_SYNC);
		mmu_root_path_run_for_good(ap);
	}
	mmu_roots_read(roots, snap);
	sync_global_from_guest(ap->vm, nr_l1_exits);
	mmu_roots_check(roots, nr_l1_exits - before == nr_ops,
			"%lu exits of L2 for %u INITs", nr_l1_exits - before, nr_ops);
}

TEST_F(init, exact_counts)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	struct ucall uc;

	if (host_cpu_is_intel) {
		mmu_root_path_run_for_good(self->ap);
		vmx_init_storm(self->bsp, self->ap, roots, &warm, NR_WARM_UP_OPS);
		vmx_init_storm(self->bsp, self->ap, roots, &storm, NR_OPS);
	} else if (variant->intercepted) {
		mmu_root_path_run(self->ap, &uc, UCALL_SYNC);
		mmu_root_path_run(self->bsp, &uc, UCALL_SYNC);
		mmu_root_nested_run(self->ap, roots, &warm);
		mmu_root_nested_run(self->ap, roots, &warm);
		mmu_root_nested_run(self->ap, roots, &storm);
	} else {
		init_storm(self->bsp, self->ap, roots, &warm, NR_WARM_UP_OPS);
		init_storm(self->bsp, self->ap, roots, &storm, NR_OPS);
		mmu_root_nested_expect_visits(roots, 0, NR_WARM_UP_OPS + NR_OPS);
	}

	mmu_root_nested_expect_storm(roots, &warm, &storm,
				     mmu_root_nested_pick(&variant->tdp, &variant->shadow),
				     NR_OPS);
	if (variant->intercepted && !host_cpu_is_intel)
		check_init_is_pending(roots, self->ap);
}

/* The host writes this variable. */
static bool l2_leaves;

static void l2_sync(void)
{
	for (;;) {
		guest_l2_visit(0);
		GUEST_SYNC(guest_checksum_data());
		if (READ_ONCE(l2_leaves))
			guest_l2_call();
	}
}

static void l1_sync(bool nested_paging)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_sync, L1_INTERCEPTS_NOTHING);
	/*
	 * Make L1's CR4 differ from L2's: the role of nested NPT must have L1's CR4, also
	 * when userspace restores nested state, see nested_svm_init_mmu_context().  Without
	 * nested paging, L1 keeps its CR4: with shadow paging, a change would give L1
	 * another root.
	 */
	if (nested_paging && this_cpu_has(X86_FEATURE_SMEP))
		set_cr4(get_cr4() ^ X86_CR4_SMEP);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		GUEST_SYNC(guest_checksum_data());
	}
}

static void leave_l2(struct kvm_vm *vm, bool leave)
{
	l2_leaves = leave;
	sync_global_to_guest(vm, l2_leaves);
}

/* Each test creates its own VM, and restored_in_another_vm creates two. */
FIXTURE(nested_state) {
};

FIXTURE_VARIANT(nested_state) {
	const char *name;
	const char *migration;
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(nested_state, plain) {
	.name = "nested-state", .migration = "nested-migration",
};

FIXTURE_VARIANT_ADD(nested_state, nested_paging) {
	.name = "nested-state+NPT", .migration = "nested-migration+NPT", .nested_paging = true,
};

FIXTURE_SETUP(nested_state)
{
}

FIXTURE_TEARDOWN(nested_state)
{
}

static struct kvm_vcpu *create_l1_sync(const char *path, bool nested_paging)
{
	struct kvm_vcpu *vcpu;

	printf("#@ path=%s\n", path);
	mmu_root_nested_require(nested_paging);
	mmu_root_path_vm_create(&vcpu, l1_sync);
	vcpu_args_set(vcpu, 1, nested_paging);
	mmu_root_nested_create(vcpu, nested_paging, 1);
	return vcpu;
}

/*
 * The vCPU has all roots, and KVM switches to the root that is current.  With VMX, KVM
 * leaves L2 first, and drops all roots of guest_mmu, see vmx_leave_nested(): it flushes the
 * TLB for the exit, for the entry, and for a new VMCS02, see vmx_vcpu_load_vmcs().
 */
static const struct mmu_root_counts restore_svm = {
	.hits = 1, .roots = NR_L1_L2_ROOTS, .flushes = 2,
};

static const struct mmu_root_counts restore_vmx = {
	.hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 6,
};

static const struct mmu_root_counts restore_vmx_ept = {
	.loads = 1, .found = 1, .hits = 1, .misses = 1, .roots = NR_L1_L2_ROOTS, .flushes = 6,
};

TEST_F(nested_state, restored_in_place)
{
	const struct mmu_root_counts *restore = !host_cpu_is_intel ? &restore_svm :
		variant->nested_paging ? &restore_vmx_ept : &restore_vmx;
	const char *name = mmu_root_nested_name(variant->name);
	struct mmu_roots_snapshot warm, storm, left;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int i;

	vcpu = create_l1_sync(name, variant->nested_paging);
	mmu_root_nested_open(&roots, vcpu->vm, name, NR_L1_L2_ROOTS);
	for (i = 0; i < NR_WARM_UP_OPS; i++)
		mmu_root_nested_run(vcpu, &roots, &warm);

	for (i = 0; i < NR_OPS; i++) {
		vcpu_nested_state_set(vcpu, mmu_root_nested_state_get(vcpu));
		mmu_root_nested_run(vcpu, &roots, &storm);
	}
	mmu_root_nested_expect_storm(&roots, &warm, &storm, restore, NR_OPS);
	mmu_root_nested_expect_visits(&roots, 0, NR_WARM_UP_OPS + NR_OPS);

	/* L1 must be restored, too: L2 exits to it, and KVM finds its root. */
	leave_l2(vcpu->vm, true);
	mmu_root_nested_run(vcpu, &roots, &left);
	mmu_roots_expect_growth(&roots, &storm, &left, MMU_ROOT_CACHE_HIT, 1);
	mmu_roots_expect_growth(&roots, &storm, &left, MMU_ROOT_CACHE_MISS, 0);
	mmu_roots_expect_growth(&roots, &storm, &left, MMU_ROOT_LOAD, 0);
	mmu_roots_vm_free(&roots);
}

/* ASID 0 is the host's: AMD APM, "VMRUN". */
#define ILLEGAL_ASID		0

/*
 * With SVM, KVM checks the whole state before it changes anything.  With VMX, KVM leaves L2
 * first: vmx_set_nested_state().
 */
TEST_F(nested_state, refused_state_changes_nothing)
{
	const char *name = mmu_root_nested_name(variant->name);
	struct mmu_roots_snapshot before, refused, after;
	struct kvm_nested_state *state;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int ret;

	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	vcpu = create_l1_sync(name, variant->nested_paging);
	mmu_root_nested_open(&roots, vcpu->vm, name, NR_L1_L2_ROOTS);
	mmu_root_nested_run(vcpu, &roots, &before);

	state = mmu_root_nested_state_get(vcpu);
	mmu_root_nested_state_set_asid(state, ILLEGAL_ASID);
	ret = __vcpu_ioctl(vcpu, KVM_SET_NESTED_STATE, state);
	mmu_roots_check(&roots, ret == -1 && errno == EINVAL,
			"KVM_SET_NESTED_STATE takes what VMRUN would not");
	state = mmu_root_nested_state_get(vcpu);
	mmu_roots_check(&roots, state->flags & KVM_STATE_NESTED_GUEST_MODE,
			"the vCPU was taken out of L2");
	mmu_roots_read(&roots, &refused);
	mmu_roots_expect_storm(&roots, &before, &refused, &(struct mmu_root_counts) {}, 1);

	mmu_root_nested_run(vcpu, &roots, &after);
	mmu_roots_expect_growth(&roots, &refused, &after, MMU_ROOT_LOAD, 0);
	mmu_root_nested_expect_visits(&roots, 0, 2);
	mmu_roots_vm_free(&roots);
}

static struct kvm_vcpu *recreate(struct kvm_vcpu *vcpu, struct kvm_x86_state **state)
{
	struct kvm_vm *vm = vcpu->vm;

	*state = vcpu_save_state(vcpu);
	kvm_vm_release(vm);
	return vm_recreate_with_one_vcpu(vm);
}

/*
 * The new vCPU has no root yet: KVM_SET_SREGS resets its MMU, and KVM_SET_NESTED_STATE
 * switches to a PGD that is not in the cache.  KVM loads one root for L2, and another one
 * for L1.
 */
TEST_F(nested_state, restored_in_another_vm)
{
	const char *name = mmu_root_nested_name(variant->migration);
	struct mmu_roots_snapshot created, loaded, in_l2, in_l1, again;
	struct kvm_x86_state *state;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct ucall uc;

	vcpu = create_l1_sync(name, variant->nested_paging);
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	vcpu = recreate(vcpu, &state);
	mmu_root_nested_open(&roots, vcpu->vm, name, NR_L1_L2_ROOTS);
	mmu_roots_read(&roots, &created);

	vcpu_load_state(vcpu, state);
	kvm_x86_state_cleanup(state);
	mmu_roots_read(&roots, &loaded);
	mmu_roots_expect_growth(&roots, &created, &loaded, MMU_RESET, 1);
	mmu_roots_expect_growth(&roots, &created, &loaded, MMU_ROOT_CACHE_MISS, 1);
	mmu_roots_expect_growth(&roots, &created, &loaded, MMU_ROOT_LOAD, 0);

	mmu_root_nested_run(vcpu, &roots, &in_l2);
	mmu_roots_report(name, 1, &created, &in_l2);
	mmu_roots_expect_growth(&roots, &loaded, &in_l2, MMU_RESET, 0);
	mmu_roots_expect_growth(&roots, &loaded, &in_l2, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(&roots, &loaded, &in_l2, MMU_ROOT_ALLOC, 1);
	mmu_roots_expect_growth(&roots, &loaded, &in_l2, MMU_ROOT_CACHE_HIT, 0);
	mmu_roots_expect_growth(&roots, &loaded, &in_l2, MMU_ROOT_CACHE_MISS, 0);

	leave_l2(vcpu->vm, true);
	mmu_root_nested_run(vcpu, &roots, &in_l1);
	mmu_roots_expect_growth(&roots, &in_l2, &in_l1, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(&roots, &in_l2, &in_l1, MMU_ROOT_ALLOC, 1);
	mmu_roots_expect_growth(&roots, &in_l2, &in_l1, MMU_ROOT_CACHE_HIT, 0);
	mmu_roots_expect_growth(&roots, &in_l2, &in_l1, MMU_ROOT_CACHE_MISS, 1);

	mmu_root_nested_run(vcpu, &roots, &again);
	mmu_roots_expect_growth(&roots, &in_l1, &again, MMU_ROOT_LOAD, 0);
	mmu_roots_expect_growth(&roots, &in_l1, &again, MMU_ROOT_CACHE_HIT, 1);
	mmu_roots_expect_growth(&roots, &in_l1, &again, MMU_ROOT_CACHE_MISS, 0);
	/* L2 ran before the migration, after it, and after L1 entered L2 again. */
	mmu_root_nested_expect_visits(&roots, 0, 3);
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
