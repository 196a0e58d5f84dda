// SPDX-License-Identifier: GPL-2.0
/*
 * KVM must remember MMIO in its page tables for as long as the memslots do not change, and no
 * longer, not even when the generation of the memslots wraps.
 *
 * KVM stores the generation in each MMIO SPTE.  A test-only knob has the generation wrap after a
 * few updates of the memslots, see stress/ of kvm-mmu-roots' patches; without the knob, a wrap
 * takes 2^17 updates, or 2^18.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_params.h"
#include "mmu_roots_paths.h"

/*
 * MMIO_SPTE_GEN_MASK has 19 bits, or 18 in kernels that leave one more bit of SPTEs to the
 * hardware.  Each update adds STEP times the number of address spaces to the generation.  With
 * either number of bits, MMIO SPTEs have the same generation again after NR_UPDATES updates.
 */
#define GENERATION_BITS		19
#define NR_AS_IDS		2
#define STEP			BIT(14)
#define NR_UPDATES		((int)(BIT(GENERATION_BITS) / NR_AS_IDS / STEP))

/* The memslot whose flags change, in the address space that the guest accesses. */
#define OTHER_GPA		0x60000000ul

/* Two pages, as each vCPU remembers its last MMIO, whatever the page tables have. */
#define NR_PAGES		2

static const uint64_t pages[NR_PAGES] = { 0, 1 };

FIXTURE(generation) {
	struct mmu_root_leaf leaf;
	void *other;
	bool is_logged;
};

FIXTURE_VARIANT(generation) {
	enum mmu_root_leaf_viewer viewer;
};

FIXTURE_VARIANT_ADD(generation, normal) { LEAF_NORMAL };
FIXTURE_VARIANT_ADD(generation, smm) { LEAF_SMM };
FIXTURE_VARIANT_ADD(generation, l2_npt) { LEAF_L2_NPT };

FIXTURE_SETUP(generation)
{
	char step[16];

	printf("#@ path=MMIO-generation\n");
	__TEST_REQUIRE(mmu_root_param_writable("memslots_generation_step"),
		       "no module parameter kvm.memslots_generation_step: apply patches/*/stress");
	/* Set the step before the first memslot: all generations are multiples of the step. */
	snprintf(step, sizeof(step), "%lu", STEP);
	mmu_root_param_set("memslots_generation_step", step);
	mmu_root_leaf_create(&self->leaf, "MMIO-generation", variant->viewer, false);
	/* If roots went with each deleted memslot, the MMIO SPTEs would go with them. */
	mmu_root_path_keep_roots(self->leaf.vcpu->vm);
	mmu_root_leaf_delete_slot(&self->leaf);
	self->other = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(self->other != MAP_FAILED, "mmap() a page");
}

FIXTURE_TEARDOWN(generation)
{
	mmu_root_params_restore();
	mmu_root_leaf_free(&self->leaf);
	munmap(self->other, PAGE_SIZE);
}

/* Update the memslots once, without a change of what the guest accesses. */
static void update(struct mmu_root_leaf *leaf, void *other, bool *is_logged)
{
	vm_set_user_memory_region(leaf->vcpu->vm, leaf->slot + 1,
				  *is_logged ? 0 : KVM_MEM_LOG_DIRTY_PAGES, OTHER_GPA, PAGE_SIZE,
				  other);
	*is_logged = !*is_logged;
}

/* Have the guest access pages without a memslot; KVM creates @nr_new MMIO SPTEs. */
static void expect_mmio(struct mmu_root_leaf *leaf, uint64_t nr_new,
			struct mmu_roots_snapshot *after)
{
	struct mmu_roots_snapshot before;

	mmu_roots_read(&leaf->roots, &before);
	mmu_root_leaf_expect_mmio(leaf, LEAF_READ, pages, NR_PAGES);
	mmu_roots_read(&leaf->roots, after);
	mmu_roots_expect_growth(&leaf->roots, &before, after, PF_MMIO_SPTE_CREATED, nr_new);
}

TEST_F(generation, is_that_of_the_memslots)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	int nr_wraps = 0, i;

	for (i = 0; i < NR_UPDATES; i++) {
		mmu_roots_read(&leaf->roots, &before);
		update(leaf, self->other, &self->is_logged);
		mmu_roots_read(&leaf->roots, &after);
		/* KVM invalidates all roots when the generation wraps. */
		nr_wraps += after.stat[MMU_ROOT_INVALIDATE] != before.stat[MMU_ROOT_INVALIDATE];
		expect_mmio(leaf, NR_PAGES, &after);
		expect_mmio(leaf, 0, &after);
	}
	mmu_roots_check(&leaf->roots, nr_wraps == 1 || nr_wraps == 2,
			"roots were invalidated by %d of %d updates, expected 1, or 2 if a bit less is kept",
			nr_wraps, NR_UPDATES);
}

/* The guest has memory now where it had MMIO when MMIO SPTEs had the same generation. */
TEST_F(generation, is_not_that_of_the_last_time)
{
	struct mmu_roots_snapshot after;
	struct mmu_root_leaf *leaf = &self->leaf;
	int times, i;

	update(leaf, self->other, &self->is_logged);
	for (times = 0; times < 2; times++) {
		expect_mmio(leaf, NR_PAGES, &after);
		for (i = 0; i < NR_UPDATES - 1; i++)
			update(leaf, self->other, &self->is_logged);
		mmu_root_leaf_set_slot(leaf, 0);
		mmu_root_leaf_access(leaf, LEAF_READ, pages, NR_PAGES);
		mmu_root_leaf_delete_slot(leaf);
	}
}

TEST_HARNESS_MAIN
