// SPDX-License-Identifier: GPL-2.0
/*
 * Test when KVM frees MMU roots that a vCPU holds in prev_roots[]: at the vCPU's next entry
 * to the guest, KVM must free all obsolete roots, and no others.
 *
 * Commit 527d5cd7eece ("KVM: x86/mmu: Zap only obsolete roots if a root shadow page is
 * zapped") tested the current root instead of each previous one, and nobody noticed until
 * v5.18 was released.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Beyond everything that the library and mmu_root_path_vm_create() map. */
#define SPARE_SLOT		3
#define SPARE_GPA		0x50000000ul

/*
 * The cache holds the roots of all of these PGDs at once: guest_mmu those of nested paging,
 * root_mmu those of L2's CR3s beside L1's root.
 */
#define NR_NESTED_PAGING_PGDS	4
#define NR_PLAIN_PGDS		3

enum l1_command {
	ENTER_ALL_PGDS,
	ENTER_LAST_BUT_ONE_FIRST,
	WRITE_PGD,
	DO_NOTHING,
};

/* L2 is on this PGD.  L1 or the host writes the variable, whichever of them moves L2. */
static int l2_pgd;

/* The host writes these variables. */
static enum l1_command command;
static int nr_pgds;
static int written_pgd;

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(l2_pgd);
		guest_l2_call();
	}
}

static void guest_enter_all_pgds(void)
{
	for (l2_pgd = 0; l2_pgd < nr_pgds; l2_pgd++)
		guest_l2_run_to_call(0, l2_pgd);
}

/*
 * Enter L2 on the last PGD but one first.  If the last PGD has lost its root, the root of
 * the last PGD but one is the first in the cache.  KVM must move it from there without
 * leaving a gap, or else the load of the last PGD's root evicts another root.
 */
static void guest_enter_last_but_one_first(void)
{
	l2_pgd = nr_pgds - 2;
	guest_l2_run_to_call(0, l2_pgd);
	l2_pgd = nr_pgds - 1;
	guest_l2_run_to_call(0, l2_pgd);
	for (l2_pgd = nr_pgds - 3; l2_pgd >= 0; l2_pgd--)
		guest_l2_run_to_call(0, l2_pgd);
}

static void l1_commands(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		switch (READ_ONCE(command)) {
		case ENTER_ALL_PGDS:
			guest_enter_all_pgds();
			break;
		case ENTER_LAST_BUT_ONE_FIRST:
			guest_enter_last_but_one_first();
			break;
		case WRITE_PGD:
			guest_write_pgd(written_pgd);
			break;
		case DO_NOTHING:
			break;
		}
		GUEST_SYNC(guest_checksum_data());
	}
}

static void run_command(struct kvm_vcpu *vcpu, struct mmu_roots *roots,
			enum l1_command cmd, struct mmu_roots_snapshot *snap)
{
	command = cmd;
	sync_global_to_guest(vcpu->vm, command);
	mmu_root_nested_run(vcpu, roots, snap);
}

FIXTURE(obsolete) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	/* Roots shadow PGDs: KVM zaps the root of a PGD that is no page table anymore. */
	bool pgds_are_roots;
	uint64_t nr_roots;
};

FIXTURE_VARIANT(obsolete) {
	bool nested_paging;
	int nr_pgds;
};

FIXTURE_VARIANT_ADD(obsolete, plain) {
	.nr_pgds = NR_PLAIN_PGDS,
};

FIXTURE_VARIANT_ADD(obsolete, nested_paging) {
	.nested_paging = true, .nr_pgds = NR_NESTED_PAGING_PGDS,
};

static void set_spare_slot(struct kvm_vm *vm, bool present)
{
	vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, present ? PAGE_SIZE : 0,
				  addr_gpa2hva(vm, mmu_roots_pgd(vm)));
}

FIXTURE_SETUP(obsolete)
{
	const char *name = mmu_root_nested_name(variant->nested_paging ? "obsolete+NPT" :
								       "obsolete");
	bool pgds_are_shadowed = variant->nested_paging || !kvm_is_tdp_enabled();
	struct mmu_roots_snapshot warm;
	struct kvm_vm *vm;

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(variant->nested_paging);
	self->nr_roots = pgds_are_shadowed ? 1 + variant->nr_pgds : NR_L1_L2_ROOTS;

	vm = mmu_root_path_vm_create(&self->vcpu, l1_commands);
	/* A passthrough root shadows no PGD, but the shadow page below it does. */
	self->pgds_are_roots = pgds_are_shadowed &&
			       !(variant->nested_paging && mmu_root_npt_is_passthrough(vm));
	mmu_root_nested_create(self->vcpu, variant->nested_paging, variant->nr_pgds);
	nr_pgds = variant->nr_pgds;
	sync_global_to_guest(vm, nr_pgds);
	mmu_root_nested_open(&self->roots, vm, name, self->nr_roots);
	set_spare_slot(vm, true);

	run_command(self->vcpu, &self->roots, ENTER_ALL_PGDS, &warm);
	mmu_roots_expect_value(&self->roots, &warm, MMU_ROOT_ALLOC, self->nr_roots);
}

FIXTURE_TEARDOWN(obsolete)
{
	mmu_roots_vm_free(&self->roots);
}

/* All roots become obsolete.  KVM must not free any before the vCPU that holds them enters. */
TEST_F(obsolete, memslot_deletion_frees_all_at_next_entry)
{
	struct mmu_roots_snapshot before, deleted, entered, after;
	struct mmu_roots *roots = &self->roots;

	run_command(self->vcpu, roots, DO_NOTHING, &before);
	set_spare_slot(roots->vm, false);
	mmu_roots_read(roots, &deleted);
	mmu_roots_expect_growth(roots, &before, &deleted, MMU_ROOT_INVALIDATE, self->nr_roots);
	mmu_roots_expect_growth(roots, &before, &deleted, MMU_ROOT_FREE, 0);

	run_command(self->vcpu, roots, DO_NOTHING, &entered);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_FREE, self->nr_roots);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_ALLOC, 1);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_LOAD, 1);

	run_command(self->vcpu, roots, ENTER_ALL_PGDS, &after);
	mmu_roots_expect_growth(roots, &entered, &after, MMU_ROOT_FREE, 0);
	mmu_roots_expect_growth(roots, &entered, &after, MMU_ROOT_ALLOC, self->nr_roots - 1);
	mmu_roots_expect_growth(roots, &entered, &after, MMU_ROOT_CACHE_MISS, self->nr_roots - 1);
	mmu_roots_expect_growth(roots, &entered, &after, MMU_RESET, 0);
}

/*
 * L1 writes to a PGD.  Only the root of that PGD becomes obsolete, whether it is L2's
 * current root or a previous one.  All other roots stay in the cache.
 */
static void write_one_pgd(struct mmu_roots *roots, struct kvm_vcpu *vcpu, int pgd,
			  uint64_t nr_ended, enum l1_command enter)
{
	struct mmu_roots_snapshot before, written, after;

	written_pgd = pgd;
	sync_global_to_guest(vcpu->vm, written_pgd);
	run_command(vcpu, roots, DO_NOTHING, &before);
	run_command(vcpu, roots, WRITE_PGD, &written);
	mmu_roots_expect_growth(roots, &before, &written, MMU_ROOT_INVALIDATE, nr_ended);
	mmu_roots_expect_growth(roots, &before, &written, MMU_ROOT_FREE, nr_ended);
	mmu_roots_expect_growth(roots, &before, &written, MMU_ROOT_LOAD, 0);

	run_command(vcpu, roots, enter, &after);
	mmu_roots_expect_growth(roots, &written, &after, MMU_ROOT_ALLOC, nr_ended);
	mmu_roots_expect_growth(roots, &written, &after, MMU_ROOT_LOAD, nr_ended);
	mmu_roots_expect_growth(roots, &written, &after, MMU_ROOT_FREE, 0);
	mmu_roots_expect_growth(roots, &written, &after, MMU_ROOT_CACHE_MISS, nr_ended);
	mmu_roots_expect_growth(roots, &written, &after, MMU_ROOT_CACHE_HIT,
				2 * nr_pgds - nr_ended);
}

TEST_F(obsolete, zapped_previous_root_is_freed_alone)
{
	write_one_pgd(&self->roots, self->vcpu, 1, self->pgds_are_roots, ENTER_ALL_PGDS);
}

TEST_F(obsolete, zapped_last_root_is_freed_alone)
{
	/*
	 * The last PGD's root is the current root of guest_mmu, or the latest of
	 * prev_roots[] in root_mmu.
	 */
	write_one_pgd(&self->roots, self->vcpu, nr_pgds - 1, self->pgds_are_roots,
		      variant->nested_paging ? ENTER_LAST_BUT_ONE_FIRST : ENTER_ALL_PGDS);
}

/* This fixture has a vCPU whose guest_mmu has no current root, but previous ones. */
FIXTURE(no_current_root) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

static void l2_sync(void)
{
	for (;;) {
		guest_l2_visit(l2_pgd);
		GUEST_SYNC(guest_checksum_data());
	}
}

static void l1_sync(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_sync, L1_INTERCEPTS_NOTHING);
	guest_l2_run(0, 0);
	__GUEST_ASSERT(0, "L2 was left");
}

FIXTURE_SETUP(no_current_root)
{
	const char *name = mmu_root_nested_name("obsolete+NPT");

	printf("#@ path=%s\n", name);
	mmu_root_nested_require(true);
	mmu_root_path_vm_create(&self->vcpu, l1_sync);
	mmu_root_nested_create(self->vcpu, true, 2);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, name, NR_L1_L2_ROOTS);
	set_spare_slot(self->vcpu->vm, true);
}

FIXTURE_TEARDOWN(no_current_root)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * Userspace moves L2 to a PGD that has no root yet, and deletes a memslot.
 *
 * With VMX, KVM_SET_NESTED_STATE leaves VMX operation first, and thereby drops all roots of
 * guest_mmu, see free_nested(): no vCPU holds the root of the old PGD anymore.
 */
TEST_F(no_current_root, memslot_deletion_frees_all_at_next_entry)
{
	uint64_t nr_not_held = host_cpu_is_intel ? 1 : 0;
	struct mmu_roots_snapshot before, moved, deleted, entered;
	struct mmu_roots *roots = &self->roots;
	struct kvm_nested_state *state;

	mmu_root_nested_run(self->vcpu, roots, &before);
	l2_pgd = 1;
	sync_global_to_guest(roots->vm, l2_pgd);
	state = mmu_root_nested_state_get(self->vcpu);
	mmu_root_nested_state_set_pgd(state, l2_pgd);
	vcpu_nested_state_set(self->vcpu, state);
	mmu_roots_read(roots, &moved);
	mmu_roots_expect_growth(roots, &before, &moved, MMU_ROOT_CACHE_MISS, 1);

	set_spare_slot(roots->vm, false);
	mmu_roots_read(roots, &deleted);
	mmu_roots_expect_growth(roots, &moved, &deleted, MMU_ROOT_INVALIDATE, NR_L1_L2_ROOTS);
	mmu_roots_expect_growth(roots, &moved, &deleted, MMU_ROOT_FREE, nr_not_held);

	mmu_root_nested_run(self->vcpu, roots, &entered);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_FREE,
				NR_L1_L2_ROOTS - nr_not_held);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_ALLOC, 1);
	mmu_roots_expect_growth(roots, &deleted, &entered, MMU_ROOT_LOAD, 1);
	mmu_root_nested_expect_visits(roots, 0, 1);
	mmu_root_nested_expect_visits(roots, 1, 1);
}

TEST_HARNESS_MAIN
