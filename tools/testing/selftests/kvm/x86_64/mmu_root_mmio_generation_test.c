// SPDX-License-Identifier: GPL-2.0
/*
 * MMIO that KVM remembers in its page tables, with the generation of the memslots: for as
 * long as these do not change, and no longer, not even when the generation wraps.
 *
 * A knob that only tests have makes it wrap after a few updates, see stress/ of
 * kvm-mmu-roots' patches; without it takes 2^17 of them, or 2^18.
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
 * MMIO_SPTE_GEN_MASK has 19 bits, or 18 since the hardware's bits of SPTEs are one more, and
 * a generation grows by the number of address spaces for each step: so many updates later it
 * is the same to an MMIO SPTE, either way.
 */
#define GENERATION_BITS		19
#define NR_AS_IDS		2
#define STEP			BIT(14)
#define NR_UPDATES		((int)(BIT(GENERATION_BITS) / NR_AS_IDS / STEP))

/* A memslot whose flags change, in the address space that the guest looks at. */
#define OTHER_GPA		0x60000000ul

/* Two, as each vCPU remembers its last MMIO, whatever the page tables have. */
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
	/* From the first memslot on, i.e. all generations are multiples of it. */
	snprintf(step, sizeof(step), "%lu", STEP);
	mmu_root_param_set("memslots_generation_step", step);
	mmu_root_leaf_create(&self->leaf, "MMIO-generation", variant->viewer, false);
	/* Roots that go with a memslot would take MMIO along. */
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

/* One update of the memslots, which is none of the guest's business. */
static void update(struct mmu_root_leaf *leaf, void *other, bool *is_logged)
{
	vm_set_user_memory_region(leaf->vcpu->vm, leaf->slot + 1,
				  *is_logged ? 0 : KVM_MEM_LOG_DIRTY_PAGES, OTHER_GPA, PAGE_SIZE,
				  other);
	*is_logged = !*is_logged;
}

/* Have the guest access a hole, of which KVM learns @nr_new pages. */
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
		/* All that has a generation goes when it wraps. */
		nr_wraps += after.stat[MMU_ROOT_INVALIDATE] != before.stat[MMU_ROOT_INVALIDATE];
		expect_mmio(leaf, NR_PAGES, &after);
		expect_mmio(leaf, 0, &after);
	}
	mmu_roots_check(&leaf->roots, nr_wraps == 1 || nr_wraps == 2,
			"roots were invalidated by %d of %d updates, expected 1, or 2 if a bit less is kept",
			nr_wraps, NR_UPDATES);
}

/* There is memory now where there was MMIO when the generation looked the same. */
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
