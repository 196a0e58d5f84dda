// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_PRE_FAULT_MEMORY: the guest must take no fault on pages that KVM has mapped for this ioctl.
 * KVM must leave alone pages that were mapped before, and must refuse what it cannot map.
 *
 * KVM must map by the root that the vCPU is on: that of normal mode, of SMM, or of L2.  The cases
 * cover memslots of several kinds, and a root that was invalidated since the vCPU ran.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_paths.h"

/* KVM may map a group of this many pages on one fault, see direct_pte_prefetch(). */
#define NR_PAGES		8
#define SIZE			(NR_PAGES * PAGE_SIZE)

/* The test deletes this memslot to have KVM invalidate all roots. */
#define OTHER_SLOT		7
#define OTHER_GPA		0x60000000ul

/* A signal stops the ioctl after this many seconds, in case KVM retries forever. */
#define PATIENCE_S		2

static const uint64_t pages[NR_PAGES] = { 0, 1, 2, 3, 4, 5, 6, 7 };

/* Pages in both huge pages of the memslot. */
static const uint64_t far_pages[] = { 0, 7, MMU_ROOT_HUGE_PAGES, MMU_ROOT_LEAF_PAGES - 1 };

FIXTURE(prefault) {
	struct mmu_root_leaf leaf;
};

/*
 * @viewer: from where the guest looks, i.e. whose root KVM maps by
 * @huge: the memory consists of huge pages
 */
FIXTURE_VARIANT(prefault) {
	enum mmu_root_leaf_viewer viewer;
	bool huge;
};

FIXTURE_VARIANT_ADD(prefault, small) { LEAF_NORMAL, false };
FIXTURE_VARIANT_ADD(prefault, huge) { LEAF_NORMAL, true };
FIXTURE_VARIANT_ADD(prefault, smm) { LEAF_SMM, false };
FIXTURE_VARIANT_ADD(prefault, l2) { LEAF_L2, false };

static void require_pre_fault(void)
{
	mmu_roots_require_applicable(kvm_is_tdp_enabled(),
				     "KVM has KVM_PRE_FAULT_MEMORY with two-dimensional paging only");
	__TEST_REQUIRE(kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY),
		       "no KVM_CAP_PRE_FAULT_MEMORY: KVM is older than 6.11");
}

/*
 * Have the guest access a page outside the memslot, so that KVM has mapped the guest's page
 * tables, and all else that the guest needs, but no page of the memslot.
 */
static void look_beside(struct mmu_root_leaf *leaf)
{
	const uint64_t page = MMU_ROOT_LEAF_WINDOW / PAGE_SIZE - 1;

	mmu_root_leaf_expect_mmio(leaf, LEAF_READ, &page, 1);
}

static void create(struct mmu_root_leaf *leaf, enum mmu_root_leaf_viewer viewer, bool huge)
{
	printf("#@ path=pre-fault\n");
	mmu_root_leaf_create(leaf, "pre-fault", viewer, huge);
	leaf->l2_stays = true;
	look_beside(leaf);
}

FIXTURE_SETUP(prefault)
{
	require_pre_fault();
	create(&self->leaf, variant->viewer, variant->huge);
}

FIXTURE_TEARDOWN(prefault)
{
	mmu_root_leaf_free(&self->leaf);
}

static void out_of_patience(int sig)
{
}

/* Returns 0 or an error number; KVM updates @range to what it has not mapped. */
static int pre_fault(struct mmu_root_leaf *leaf, struct kvm_pre_fault_memory *range)
{
	struct sigaction action = { .sa_handler = out_of_patience };
	int ret;

	sigaction(SIGALRM, &action, NULL);
	alarm(PATIENCE_S);
	ret = ioctl(leaf->vcpu->fd, KVM_PRE_FAULT_MEMORY, range);
	ret = ret ? errno : 0;
	alarm(0);
	return ret;
}

/* Pre-fault @size bytes at @gpa: KVM must return @err, and leave the last @left bytes. */
static void expect_pre_fault(struct mmu_root_leaf *leaf, uint64_t gpa, uint64_t size, int err,
			     uint64_t left)
{
	struct kvm_pre_fault_memory range = { .gpa = gpa, .size = size };
	int ret = pre_fault(leaf, &range);

	mmu_roots_check(&leaf->roots, ret == err,
			"KVM_PRE_FAULT_MEMORY of %#lx bytes at %#lx: error %d (%s), expected %d",
			size, gpa, ret, strerror(ret), err);
	mmu_roots_check(&leaf->roots, range.size == left && range.gpa == gpa + size - left,
			"KVM_PRE_FAULT_MEMORY of %#lx bytes at %#lx leaves %#llx bytes at %#llx, expected %#lx",
			size, gpa, range.size, range.gpa, left);
}

/* The ioctl must have no side effects: no reset, no load, no flush, no fault. */
static void expect_quiet(struct mmu_root_leaf *leaf, const struct mmu_roots_snapshot *before,
			 const struct mmu_roots_snapshot *after)
{
	static const enum mmu_root_stat stats[] = {
		MMU_RESET, MMU_ROOT_LOAD, MMU_ROOT_ALLOC, MMU_ROOT_INVALIDATE,
		TLB_FLUSH_REQUESTS, TLB_FLUSH, PF_TAKEN,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(stats); i++)
		mmu_roots_expect_growth(&leaf->roots, before, after, stats[i], 0);
}

static void expect_faults(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
			  const uint64_t *which, int nr, uint64_t nr_faults)
{
	struct mmu_roots_snapshot before, after;

	mmu_roots_read(&leaf->roots, &before);
	mmu_root_leaf_access(leaf, access, which, nr);
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PF_TAKEN, nr_faults);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PF_FIXED, nr_faults);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PF_EMULATE, 0);
}

TEST_F(prefault, maps_what_is_not_mapped)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t size = variant->huge ? MMU_ROOT_LEAF_SIZE : SIZE;

	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, leaf->gpa, size, 0, 0);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K,
				variant->huge ? 0 : NR_PAGES);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_2M,
				variant->huge ? MMU_ROOT_LEAF_HUGE : 0);

	expect_faults(leaf, LEAF_READ, pages, NR_PAGES, 0);
	expect_faults(leaf, LEAF_WRITE, pages, NR_PAGES, 0);
	if (variant->huge)
		expect_faults(leaf, LEAF_WRITE, far_pages, ARRAY_SIZE(far_pages), 0);
}

/*
 * KVM maps the whole huge page for a single page in its midst, but must count as done only the
 * bytes that userspace has asked for.
 */
TEST_F(prefault, counts_in_pages)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t gpa = leaf->gpa + (MMU_ROOT_HUGE_PAGES - 1) * PAGE_SIZE;

	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, gpa, PAGE_SIZE, 0, 0);
	expect_pre_fault(leaf, gpa, 2 * PAGE_SIZE, 0, 0);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_2M,
				variant->huge ? MMU_ROOT_LEAF_HUGE : 0);
}

TEST_F(prefault, leaves_alone_what_is_mapped)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t log[MMU_ROOT_LEAF_PAGES / BITS_PER_LONG] = {};

	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_PAGES);
	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, leaf->gpa, SIZE, 0, 0);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K, 0);
	expect_faults(leaf, LEAF_WRITE, pages, NR_PAGES, 0);

	/* Pages that the dirty log protects must stay so, and stay clean until the guest writes. */
	vm_enable_cap(leaf->vcpu->vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
	if (variant->huge)
		mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_PAGES);
	kvm_vm_get_dirty_log(leaf->vcpu->vm, leaf->slot, log);
	expect_pre_fault(leaf, leaf->gpa, SIZE, 0, 0);
	kvm_vm_get_dirty_log(leaf->vcpu->vm, leaf->slot, log);
	mmu_roots_check(&leaf->roots, !log[0],
			"KVM_PRE_FAULT_MEMORY made pages dirty that were mapped: %#lx", log[0]);
	expect_faults(leaf, LEAF_WRITE, pages, NR_PAGES, NR_PAGES);
	kvm_vm_get_dirty_log(leaf->vcpu->vm, leaf->slot, log);
	mmu_roots_check(&leaf->roots, log[0] == BIT(NR_PAGES) - 1,
			"the dirty log is %#lx, expected %#lx", log[0], BIT(NR_PAGES) - 1);
}

TEST_F(prefault, refuses_holes)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t end = leaf->gpa + MMU_ROOT_LEAF_SIZE;

	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, end, SIZE, ENOENT, SIZE);
	/* KVM maps the one page that exists, and leaves the others. */
	expect_pre_fault(leaf, end - PAGE_SIZE, SIZE, 0, SIZE - PAGE_SIZE);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);

	/* KVM must not take the hole for MMIO any more once there is a memslot. */
	leaf->gpa = end;
	mmu_root_leaf_expect_mmio(leaf, LEAF_READ, pages, NR_PAGES);
	leaf->slot++;
	mmu_root_leaf_set_slot(leaf, 0);
	mmu_root_leaf_access(leaf, LEAF_READ, pages, NR_PAGES);
	expect_pre_fault(leaf, end, SIZE, 0, 0);
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_PAGES);
	leaf->gpa = end - MMU_ROOT_LEAF_SIZE;
}

TEST_F(prefault, keeps_memory_read_only)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;

	mmu_root_leaf_delete_slot(leaf);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_READONLY);
	look_beside(leaf);
	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, leaf->gpa, SIZE, 0, 0);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	expect_faults(leaf, LEAF_READ, pages, NR_PAGES, 0);
	mmu_root_leaf_expect_mmio(leaf, LEAF_WRITE, pages, NR_PAGES);
	expect_pre_fault(leaf, leaf->gpa, SIZE, 0, 0);
	mmu_root_leaf_expect_mmio(leaf, LEAF_WRITE, pages, NR_PAGES);
	expect_faults(leaf, LEAF_READ, pages, NR_PAGES, 0);
}

/* The deletion of a memslot has invalidated the vCPU's root, so KVM has to load another one. */
TEST_F(prefault, finds_another_root)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	void *other = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);

	TEST_ASSERT(other != MAP_FAILED, "mmap() a page");
	vm_set_user_memory_region(leaf->vcpu->vm, OTHER_SLOT, 0, OTHER_GPA, PAGE_SIZE, other);
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_PAGES);
	vm_set_user_memory_region(leaf->vcpu->vm, OTHER_SLOT, 0, 0, 0, NULL);
	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, leaf->gpa, SIZE, 0, 0);
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, MMU_ROOT_ALLOC, 1);
	/* The guest has to fault in its page tables and code again, before faults count. */
	look_beside(leaf);
	expect_faults(leaf, LEAF_WRITE, pages, NR_PAGES, 0);
	munmap(other, PAGE_SIZE);
}

TEST_F(prefault, refuses_bad_ranges)
{
	static const struct kvm_pre_fault_memory ranges[] = {
		{ .gpa = MMU_ROOT_LEAF_GPA + 1, .size = PAGE_SIZE },
		{ .gpa = MMU_ROOT_LEAF_GPA, .size = PAGE_SIZE + 1 },
		{ .gpa = MMU_ROOT_LEAF_GPA, .size = 0 },
		{ .gpa = MMU_ROOT_LEAF_GPA, .size = -PAGE_SIZE },
		{ .gpa = MMU_ROOT_LEAF_GPA, .size = PAGE_SIZE, .flags = 1 },
	};
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	struct kvm_pre_fault_memory range;
	int i, ret;

	mmu_roots_read(&leaf->roots, &before);
	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		range = ranges[i];
		ret = pre_fault(leaf, &range);
		mmu_roots_check(&leaf->roots, ret == EINVAL,
				"range %d: KVM_PRE_FAULT_MEMORY returns %d (%s), expected EINVAL",
				i, ret, strerror(ret));
	}
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K, 0);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_2M, 0);
}

/*
 * The ioctl takes guest-physical addresses of the VM.  KVM cannot map these by a root that
 * translates other addresses.
 */
FIXTURE(indirect) {
	struct mmu_root_leaf leaf;
};

FIXTURE_VARIANT(indirect) {
	enum mmu_root_leaf_viewer viewer;
};

FIXTURE_VARIANT_ADD(indirect, shadow_paging) { LEAF_NORMAL };
FIXTURE_VARIANT_ADD(indirect, l2_npt) { LEAF_L2_NPT };

FIXTURE_SETUP(indirect)
{
	mmu_roots_require_applicable(variant->viewer == LEAF_L2_NPT || !kvm_is_tdp_enabled(),
				     "shadow page tables are not used");
	create(&self->leaf, variant->viewer, false);
}

FIXTURE_TEARDOWN(indirect)
{
	mmu_root_leaf_free(&self->leaf);
}

TEST_F(indirect, root_is_refused)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;

	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, NR_PAGES);
	mmu_roots_read(&leaf->roots, &before);
	expect_pre_fault(leaf, leaf->gpa, SIZE, EOPNOTSUPP, SIZE);
	mmu_roots_read(&leaf->roots, &after);
	expect_quiet(leaf, &before, &after);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K, 0);
	expect_faults(leaf, LEAF_WRITE, pages, NR_PAGES, 0);
}

TEST_HARNESS_MAIN
