// SPDX-License-Identifier: GPL-2.0
/*
 * KVM must map a memslot by as many huge pages as the memslot, the host's memory and the use of
 * its pages allow, and by no more.
 *
 * The test moves a memslot, cuts it, makes it read-only, and has the guest execute code there.
 * Each time the guest must see the memory of the memslot, and KVM must map as many huge pages as
 * possible.  Without huge pages, a fault must map the neighbours of a page, too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_paths.h"

#define HUGE			MMU_ROOT_HUGE_PAGES

/* How often KVM recovers huge pages, and how long the test waits for that at most. */
#define RECOVERY_PERIOD_MS	"20"
#define RECOVERY_TRIES		500
#define RECOVERY_STEP_US	5000

FIXTURE(leaf) {
	struct mmu_root_leaf leaf;
	uint64_t nr_huge_before;
};

FIXTURE_VARIANT(leaf) {
	enum mmu_root_leaf_viewer viewer;
	bool keep_roots;
};

FIXTURE_VARIANT_ADD(leaf, normal) { LEAF_NORMAL, false };
FIXTURE_VARIANT_ADD(leaf, no_quirk) { LEAF_NORMAL, true };
FIXTURE_VARIANT_ADD(leaf, smm) { LEAF_SMM, false };
FIXTURE_VARIANT_ADD(leaf, l2) { LEAF_L2, false };
FIXTURE_VARIANT_ADD(leaf, l2_npt) { LEAF_L2_NPT, true };

FIXTURE_SETUP(leaf)
{
	struct mmu_roots_snapshot snap;

	printf("#@ path=memslot-leaves\n");
	mmu_root_leaf_create(&self->leaf, "memslot-leaves", variant->viewer, true);
	if (variant->keep_roots)
		mmu_root_path_keep_roots(self->leaf.vcpu->vm);
	mmu_roots_read(&self->leaf.roots, &snap);
	self->nr_huge_before = snap.stat[PAGES_2M];
}

FIXTURE_TEARDOWN(leaf)
{
	mmu_root_params_restore();
	mmu_root_leaf_free(&self->leaf);
}

/* Pick the memslot's pages in which a mapping that is too large, or off by some pages, shows. */
static int some_pages(struct mmu_root_leaf *leaf, uint64_t *pages)
{
	static const uint64_t offsets[] = { 0, 1, HUGE / 2 - 1, HUGE / 2, HUGE - 1 };
	uint64_t page, from;
	int i, nr = 0;

	for (from = 0; from < leaf->nr_pages; from += HUGE) {
		for (i = 0; i < ARRAY_SIZE(offsets); i++) {
			page = from + offsets[i];
			if (page < leaf->nr_pages)
				pages[nr++] = page;
		}
	}
	if (pages[nr - 1] != leaf->nr_pages - 1)
		pages[nr++] = leaf->nr_pages - 1;
	return nr;
}

static void expect_huge(struct mmu_root_leaf *leaf, uint64_t nr, const char *when)
{
	struct mmu_roots_snapshot snap;

	mmu_roots_read(&leaf->roots, &snap);
	mmu_roots_check(&leaf->roots, snap.stat[PAGES_2M] == nr,
			"%s: pages_2m is %lu, expected %lu", when, snap.stat[PAGES_2M], nr);
}

/* Have the guest read and write all over the memslot, which takes @nr_huge huge pages. */
static void use(struct mmu_root_leaf *leaf, uint64_t nr_huge, const char *when)
{
	uint64_t pages[32];
	int nr = some_pages(leaf, pages);

	mmu_root_leaf_access(leaf, LEAF_READ, pages, nr);
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, nr);
	mmu_root_leaf_access(leaf, LEAF_READ, pages, nr);
	expect_huge(leaf, nr_huge, when);
}

static void expect_nothing_at(struct mmu_root_leaf *leaf, uint64_t gpa, uint64_t page)
{
	uint64_t now = leaf->gpa;

	leaf->gpa = gpa;
	mmu_root_leaf_expect_mmio(leaf, LEAF_READ, &page, 1);
	leaf->gpa = now;
}

/* Only the memslot's address in the guest changes, and is aligned as the host's address, or not. */
TEST_F(leaf, moves)
{
	static const struct {
		uint64_t page;
		uint64_t nr_huge;
	} places[] = {
		{ 0, 2 }, { 1, 0 }, { HUGE, 2 }, { HUGE + HUGE / 2, 0 }, { HUGE / 2, 0 }, { 0, 2 },
	};
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t old;
	int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		old = leaf->gpa;
		leaf->gpa = MMU_ROOT_LEAF_GPA + places[i].page * PAGE_SIZE;
		if (i)
			mmu_root_leaf_set_slot(leaf, 0);
		use(leaf, self->nr_huge_before + places[i].nr_huge, "moved");
		if (leaf->gpa > old)
			expect_nothing_at(leaf, old, 0);
		if (leaf->gpa < old)
			expect_nothing_at(leaf, old, MMU_ROOT_LEAF_PAGES - 1);
	}
}

/* KVM must not map a huge page of which the memslot has only a part. */
TEST_F(leaf, is_cut)
{
	static const struct {
		uint64_t page;
		uint64_t offset;
		uint64_t nr_pages;
		uint64_t nr_huge;
	} cuts[] = {
		{ 0, 0, 2 * HUGE, 2 },
		{ 0, 0, 2 * HUGE - 1, 1 },
		{ 1, 1, 2 * HUGE - 1, 1 },
		{ 1, 1, 2 * HUGE - 2, 0 },
		{ HUGE / 2, HUGE / 2, HUGE, 0 },
		{ 1, 0, 2 * HUGE, 0 },
		{ 0, 1, 2 * HUGE - 1, 0 },
		{ HUGE, 0, 2 * HUGE, 2 },
		{ 0, HUGE, HUGE, 1 },
	};
	struct mmu_root_leaf *leaf = &self->leaf;
	int i;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		mmu_root_leaf_delete_slot(leaf);
		leaf->gpa = MMU_ROOT_LEAF_GPA + cuts[i].page * PAGE_SIZE;
		leaf->offset = cuts[i].offset * PAGE_SIZE;
		leaf->nr_pages = cuts[i].nr_pages;
		mmu_root_leaf_set_slot(leaf, 0);
		use(leaf, self->nr_huge_before + cuts[i].nr_huge, "cut");
		expect_nothing_at(leaf, leaf->gpa, leaf->nr_pages);
	}
}

/* The host gives back one page of a huge page, and cannot map the rest by one entry anymore. */
TEST_F(leaf, loses_a_page)
{
	static const uint64_t lost = HUGE + 5;
	struct mmu_root_leaf *leaf = &self->leaf;

	use(leaf, self->nr_huge_before + 2, "whole");
	TEST_ASSERT(!madvise(mmu_root_leaf_hva(leaf, lost), PAGE_SIZE, MADV_DONTNEED),
		    "MADV_DONTNEED");
	expect_huge(leaf, self->nr_huge_before + 1, "without a page");
	mmu_root_leaf_access(leaf, LEAF_READ, &lost, 1);
	mmu_root_leaf_access(leaf, LEAF_WRITE, &lost, 1);
	use(leaf, self->nr_huge_before + 1, "with a new page");
}

static int set_flags(struct mmu_root_leaf *leaf, uint32_t flags)
{
	return __vm_set_user_memory_region(leaf->vcpu->vm, leaf->slot, flags, leaf->gpa,
					   leaf->nr_pages * PAGE_SIZE, leaf->hva + leaf->offset) ?
		errno : 0;
}

static void expect_refused(struct mmu_root_leaf *leaf, uint32_t flags, int err)
{
	int ret = set_flags(leaf, flags);

	mmu_roots_check(&leaf->roots, ret == err, "flags %#x: error %d (%s), expected %d",
			flags, ret, strerror(ret), err);
}

/* Userspace can make a memslot read-only only at its creation, and KVM refuses a later change. */
TEST_F(leaf, is_read_only)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t log[MMU_ROOT_LEAF_PAGES / BITS_PER_LONG] = {}, pages[32];
	int nr = some_pages(leaf, pages), i;

	use(leaf, self->nr_huge_before + 2, "writable");
	mmu_roots_read(&leaf->roots, &before);
	expect_refused(leaf, KVM_MEM_READONLY, EINVAL);
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, TLB_FLUSH_REQUESTS, 0);
	use(leaf, self->nr_huge_before + 2, "still writable");

	mmu_root_leaf_delete_slot(leaf);
	mmu_roots_read(&leaf->roots, &before);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_READONLY);
	mmu_root_leaf_access(leaf, LEAF_READ, pages, nr);
	mmu_root_leaf_expect_mmio(leaf, LEAF_WRITE, pages, nr);
	expect_refused(leaf, 0, EINVAL);
	mmu_root_leaf_expect_mmio(leaf, LEAF_WRITE, pages, nr);

	/* Read-only memory has nothing to log, so KVM must not protect anything for the log. */
	mmu_roots_read(&leaf->roots, &before);
	expect_refused(leaf, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES, 0);
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, TLB_FLUSH_REQUESTS, 0);
	mmu_root_leaf_expect_mmio(leaf, LEAF_WRITE, pages, nr);
	mmu_root_leaf_access(leaf, LEAF_READ, pages, nr);
	kvm_vm_get_dirty_log(leaf->vcpu->vm, leaf->slot, log);
	for (i = 0; i < ARRAY_SIZE(log); i++)
		mmu_roots_check(&leaf->roots, !log[i],
				"word %d of the dirty log of read-only memory is %#lx", i, log[i]);
	expect_huge(leaf, self->nr_huge_before + 2, "read-only");
}

static uint64_t splits(struct mmu_roots *roots)
{
	uint64_t val = 0;
	int ret = mmu_roots_read_debugfs(roots, "nx_lpage_splits", &val);

	mmu_roots_check(roots, !ret, "cannot read nx_lpage_splits");
	return val;
}

/*
 * Have KVM recover, once, the huge pages that KVM has split for code.  KVM must flush if KVM unmaps
 * small pages for that (before 048f49809c52, KVM did not).
 */
static void recover(struct mmu_root_leaf *leaf, bool is_unmapped)
{
	struct mmu_roots_snapshot before, after;
	int tries = RECOVERY_TRIES;
	bool flushed;

	mmu_roots_read(&leaf->roots, &before);

	mmu_root_param_set("nx_huge_pages_recovery_period_ms", RECOVERY_PERIOD_MS);
	mmu_root_param_set("nx_huge_pages_recovery_ratio", "1");
	while (splits(&leaf->roots) && --tries)
		usleep(RECOVERY_STEP_US);
	mmu_roots_check(&leaf->roots, tries, "huge pages are not given back");
	/*
	 * KVM decrements nx_lpage_splits, and then zaps and flushes, under mmu_lock.  Wait for the
	 * lock: KVM takes it to set the limit of shadow pages, and the same limit changes nothing.
	 */
	vm_ioctl(leaf->vcpu->vm, KVM_SET_NR_MMU_PAGES, (void *)MMU_ROOT_SHADOW_PAGES);
	mmu_roots_read(&leaf->roots, &after);
	flushed = after.stat[TLB_FLUSH_REQUESTS] != before.stat[TLB_FLUSH_REQUESTS];
	mmu_roots_check(&leaf->roots, flushed == is_unmapped,
			"recovered, and TLBs %s flushed", flushed ? "are" : "are not");
	mmu_root_param_set("nx_huge_pages_recovery_ratio", "0");
}

/*
 * If huge pages are not executable, KVM splits a huge page for code, and recovers it some time
 * later.  While the memslot is logged, KVM must not unmap the small pages for that, as the guest
 * would get small pages again (KVM did before eb298605705a); the huge page is back when the log
 * has ended.
 */
TEST_F(leaf, has_code)
{
	static const uint64_t code = HUGE + 3, data[] = { HUGE, HUGE + 4 };
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;

	mmu_root_param_set("nx_huge_pages_recovery_ratio", "0");
	mmu_root_param_set("nx_huge_pages", "force");
	use(leaf, self->nr_huge_before + 2, "data");
	mmu_roots_check(&leaf->roots, !splits(&leaf->roots), "data splits huge pages");
	mmu_root_leaf_access(leaf, LEAF_EXEC, &code, 1);
	mmu_root_leaf_access(leaf, LEAF_WRITE, data, ARRAY_SIZE(data));
	mmu_roots_check(&leaf->roots, splits(&leaf->roots) > 0, "code does not split huge pages");
	expect_huge(leaf, self->nr_huge_before + 1, "code");
	recover(leaf, true);
	use(leaf, self->nr_huge_before + 2, "recovered");

	mmu_root_leaf_access(leaf, LEAF_EXEC, &code, 1);
	mmu_root_leaf_access(leaf, LEAF_WRITE, data, ARRAY_SIZE(data));
	vm_enable_cap(leaf->vcpu->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
	mmu_root_leaf_access(leaf, LEAF_WRITE, data, ARRAY_SIZE(data));
	mmu_roots_read(&leaf->roots, &before);
	recover(leaf, false);
	mmu_root_leaf_access(leaf, LEAF_EXEC, &code, 1);
	mmu_root_leaf_access(leaf, LEAF_WRITE, data, ARRAY_SIZE(data));
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_no_refault(&leaf->roots, &before, &after);
	mmu_root_leaf_set_slot(leaf, 0);
	use(leaf, self->nr_huge_before + 2, "logged no more");
}

/* KVM maps so many pages by one fault, aligned: PTE_PREFETCH_NUM. */
#define NR_NEIGHBOURS		8

FIXTURE(neighbours) {
	struct mmu_root_leaf leaf;
};

FIXTURE_VARIANT(neighbours) {
	enum mmu_root_leaf_viewer viewer;
};

FIXTURE_VARIANT_ADD(neighbours, normal) { LEAF_NORMAL };
FIXTURE_VARIANT_ADD(neighbours, smm) { LEAF_SMM };
FIXTURE_VARIANT_ADD(neighbours, l2) { LEAF_L2 };
FIXTURE_VARIANT_ADD(neighbours, l2_npt) { LEAF_L2_NPT };

FIXTURE_SETUP(neighbours)
{
	printf("#@ path=memslot-leaves\n");
	mmu_root_leaf_create(&self->leaf, "memslot-leaves", variant->viewer, false);
}

FIXTURE_TEARDOWN(neighbours)
{
	mmu_root_leaf_free(&self->leaf);
}

/*
 * The TDP MMU maps one page at a time.  Without it, KVM does so if it cannot tell by accessed bits
 * which pages the guest has used, see direct_pte_prefetch().  KVM shadows nested page tables
 * without the TDP MMU, and huge pages in page tables that it shadows by direct shadow pages.  L1's
 * EPT has no accessed bits.
 */
static bool maps_neighbours(enum mmu_root_leaf_viewer viewer)
{
	if (viewer == LEAF_L2_NPT)
		return !host_cpu_is_intel;
	if (mmu_root_mmu() == MMU_ROOT_SHADOW_MMU)
		return true;
	return mmu_root_mmu() == MMU_ROOT_LEGACY_MMU &&
	       (!host_cpu_is_intel || get_kvm_intel_param_bool("eptad"));
}

/* The first page to be accessed is at the begin, in the middle, or at the end of its neighbours. */
TEST_F(neighbours, are_mapped_by_one_fault)
{
	static const uint64_t first[] = { 16, 27, 39 }, warm = HUGE - 1;
	uint64_t nr_faults = maps_neighbours(variant->viewer) ? 1 : NR_NEIGHBOURS;
	struct mmu_root_leaf *leaf = &self->leaf;
	struct mmu_roots_snapshot before, after;
	uint64_t pages[NR_NEIGHBOURS];
	unsigned int i, j;

	for (i = 0; i < 2; i++)
		mmu_root_leaf_access(leaf, LEAF_READ, &warm, 1);
	for (i = 0; i < ARRAY_SIZE(first); i++) {
		pages[0] = first[i];
		for (j = 1; j < NR_NEIGHBOURS; j++)
			pages[j] = first[i] - first[i] % NR_NEIGHBOURS +
				   (first[i] + j) % NR_NEIGHBOURS;
		mmu_roots_read(&leaf->roots, &before);
		mmu_root_leaf_access(leaf, LEAF_READ, pages, NR_NEIGHBOURS);
		mmu_roots_read(&leaf->roots, &after);
		mmu_roots_expect_growth(&leaf->roots, &before, &after, PF_TAKEN, nr_faults);
		mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K, NR_NEIGHBOURS);
	}
}

TEST_HARNESS_MAIN
