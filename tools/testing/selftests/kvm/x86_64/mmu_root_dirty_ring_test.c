// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty ring of a vCPU must have each page that the guest has written since userspace last
 * reset the page's entry, once, and no other page.
 *
 * The guest writes in normal mode, in SMM, or in L2, whose pages KVM protects in other page tables
 * and memslots.  The order of the writes matters: when userspace resets entries, KVM puts those
 * together that are near each other, forwards or backwards, see kvm_dirty_ring_reset().
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* More than KVM reserves, whatever the CPU is, and than the test uses. */
#define NR_ENTRIES		4096
#define RING_SIZE		(NR_ENTRIES * sizeof(struct kvm_dirty_gfn))

/* Pages at both ends of what KVM resets at once, either way, and at those of huge pages. */
static const uint64_t near_pages[] = { 0, 1, 63, 64, 511, 512, MMU_ROOT_LEAF_PAGES - 1 };
static const uint64_t back_pages[] = { 1023, 960, 959, 512, 448, 447, 0 };
static const uint64_t far_pages[] = { 700, 5, 701, 4, 640, 68, 639 };

#define NR_WRITTEN		ARRAY_SIZE(near_pages)

kvm_static_assert(ARRAY_SIZE(back_pages) == NR_WRITTEN);
kvm_static_assert(ARRAY_SIZE(far_pages) == NR_WRITTEN);
kvm_static_assert(MMU_ROOT_LEAF_PAGES == 1024);

static const struct {
	const char *name;
	const uint64_t *pages;
} orders[] = {
	{ "forwards", near_pages },
	{ "backwards", back_pages },
	{ "to and fro", far_pages },
};

FIXTURE(ring) {
	struct mmu_root_leaf leaf;
	struct kvm_dirty_gfn *entries;
	uint32_t next;
};

/*
 * @viewer: who writes
 * @huge: the memory is huge pages
 */
FIXTURE_VARIANT(ring) {
	enum mmu_root_leaf_viewer viewer;
	bool huge;
};

FIXTURE_VARIANT_ADD(ring, small) { LEAF_NORMAL, false };
FIXTURE_VARIANT_ADD(ring, huge) { LEAF_NORMAL, true };
FIXTURE_VARIANT_ADD(ring, smm) { LEAF_SMM, false };
FIXTURE_VARIANT_ADD(ring, l2) { LEAF_L2, false };
FIXTURE_VARIANT_ADD(ring, l2_npt_small) { LEAF_L2_NPT, false };
FIXTURE_VARIANT_ADD(ring, l2_npt_huge) { LEAF_L2_NPT, true };

FIXTURE_SETUP(ring)
{
	printf("#@ path=dirty-ring\n");
	__TEST_REQUIRE(kvm_has_cap(KVM_CAP_DIRTY_LOG_RING), "KVM has no dirty rings");
	mmu_root_path_use_dirty_ring(RING_SIZE);
	mmu_root_leaf_create(&self->leaf, "dirty-ring", variant->viewer, variant->huge);
	self->entries = vcpu_map_dirty_ring(self->leaf.vcpu);
}

FIXTURE_TEARDOWN(ring)
{
	mmu_root_leaf_free(&self->leaf);
}

static int find(const uint64_t *pages, uint64_t page)
{
	int i;

	for (i = 0; i < NR_WRITTEN; i++)
		if (pages[i] == page)
			return i;
	return -1;
}

/* Take all new entries: the ring must have each of @pages once, and nothing if that is NULL. */
static void expect_entries(FIXTURE_DATA(ring) * self, const uint64_t *pages, const char *order,
			   const char *when)
{
	struct mmu_roots *roots = &self->leaf.roots;
	unsigned int count[NR_WRITTEN] = {};
	struct kvm_dirty_gfn *entry;
	int i;

	for (;; self->next++) {
		entry = &self->entries[self->next % NR_ENTRIES];
		if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			break;
		i = pages && entry->slot == self->leaf.slot ? find(pages, entry->offset) : -1;
		if (i >= 0)
			count[i]++;
		mmu_roots_check(roots, i >= 0, "%s, %s: the ring has page %llu of memslot %#x",
				order, when, entry->offset, entry->slot);
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
	}
	for (i = 0; pages && i < NR_WRITTEN; i++)
		mmu_roots_check(roots, count[i] == 1, "%s, %s: the ring has page %lu %u times",
				order, when, pages[i], count[i]);
}

static void reset_entries(FIXTURE_DATA(ring) * self, const char *order)
{
	int nr = kvm_vm_reset_dirty_ring(self->leaf.vcpu->vm);

	mmu_roots_check(&self->leaf.roots, nr == NR_WRITTEN,
			"%s: %d entries were reset, expected %lu", order, nr, NR_WRITTEN);
}

static void log_in_order(FIXTURE_DATA(ring) * self, const char *order, const uint64_t *pages)
{
	struct mmu_root_leaf *leaf = &self->leaf;
	int round;

	/* Pages that are mapped, and those that are mapped anew for the log. */
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_WRITTEN);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
	expect_entries(self, NULL, order, "begun");
	for (round = 0; round < 2; round++) {
		mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_WRITTEN);
		mmu_root_leaf_access(leaf, LEAF_READ, pages, NR_WRITTEN);
		expect_entries(self, pages, order, round ? "written after a reset" : "written");
		/* Until userspace resets the entries, KVM need not see more writes. */
		mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_WRITTEN);
		expect_entries(self, NULL, order, "written again");
		reset_entries(self, order);
	}
	mmu_root_leaf_set_slot(leaf, 0);
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_WRITTEN);
	expect_entries(self, NULL, order, "logged no more");
}

TEST_F(ring, has_what_was_written)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		log_in_order(self, orders[i].name, orders[i].pages);
}

TEST_HARNESS_MAIN
