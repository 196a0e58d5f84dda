// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots of guest_memfd: the guest must see the memory of the file, also after the host has
 * punched a hole into the file, or has put the file at another address in the guest.
 *
 * KVM itself keeps the memory of such a file, and the host maps it.  The file tells KVM of a hole.
 * The MMU notifier does so, too, if the host has mapped the file where the memslot is, and does not
 * if the host has mapped it elsewhere.  KVM must unmap the pages of the hole from the roots of all
 * modes just the same, and no other pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
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
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Linux 6.18 has these: the first version with guest_memfd for VMs without private memory. */
#ifndef GUEST_MEMFD_FLAG_MMAP
#define KVM_CAP_GUEST_MEMFD_FLAGS	244
#define GUEST_MEMFD_FLAG_MMAP		BIT_ULL(0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	BIT_ULL(1)
#endif

#define GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/*
 * The hole is one aligned group of eight pages, and each page beside it is in another group: KVM
 * may prefetch the other pages of a group (PTE_PREFETCH_NUM).
 */
static const uint64_t hole[] = { 16, 17, 18, 19, 20, 21, 22, 23 };
static const uint64_t beside[] = { 15, 24, 511, 512, MMU_ROOT_LEAF_PAGES - 1 };

/* Contents that the guest does not write: the file's, and those at the memslot's address. */
#define FILE_CONTENT	0xf11e0000ul
#define OTHER_CONTENT	0x07e40000ul

FIXTURE(gmem) {
	struct mmu_root_leaf leaf;
	void *slot_hva;
	int fd;
};

/*
 * @viewer: who accesses the memory
 * @apart: the host has not mapped the file where the memslot is
 */
FIXTURE_VARIANT(gmem) {
	enum mmu_root_leaf_viewer viewer;
	bool apart;
};

FIXTURE_VARIANT_ADD(gmem, normal) { LEAF_NORMAL, false };
FIXTURE_VARIANT_ADD(gmem, smm) { LEAF_SMM, false };
FIXTURE_VARIANT_ADD(gmem, l2_npt) { LEAF_L2_NPT, false };
FIXTURE_VARIANT_ADD(gmem, normal_apart) { LEAF_NORMAL, true };
FIXTURE_VARIANT_ADD(gmem, smm_apart) { LEAF_SMM, true };
FIXTURE_VARIANT_ADD(gmem, l2_npt_apart) { LEAF_L2_NPT, true };

static int set_slot(FIXTURE_DATA(gmem) * self, uint32_t flags)
{
	struct mmu_root_leaf *leaf = &self->leaf;

	return __vm_set_user_memory_region2(leaf->vcpu->vm, leaf->slot,
					    KVM_MEM_GUEST_MEMFD | flags, leaf->gpa,
					    leaf->nr_pages * PAGE_SIZE,
					    self->slot_hva + leaf->offset, self->fd,
					    leaf->offset) ? errno : 0;
}

static void expect_slot(FIXTURE_DATA(gmem) * self, uint32_t flags, int err)
{
	int ret = set_slot(self, flags);

	mmu_roots_check(&self->leaf.roots, ret == err,
			"a memslot of guest_memfd with flags %#x: error %d (%s), expected %d",
			flags, ret, strerror(ret), err);
}

FIXTURE_SETUP(gmem)
{
	struct mmu_root_leaf *leaf = &self->leaf;

	printf("#@ path=guest_memfd\n");
	mmu_roots_require_applicable((kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) & GMEM_FLAGS) ==
				     GMEM_FLAGS, "KVM has no guest_memfd that the host can map");
	mmu_root_leaf_create(leaf, "guest_memfd", variant->viewer, false);
	mmu_root_path_keep_roots(leaf->vcpu->vm);
	mmu_root_leaf_delete_slot(leaf);
	self->fd = vm_create_guest_memfd(leaf->vcpu->vm, MMU_ROOT_LEAF_SIZE, GMEM_FLAGS);
	munmap(leaf->hva, MMU_ROOT_LEAF_SIZE);
	leaf->hva = mmap(NULL, MMU_ROOT_LEAF_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
			 0);
	TEST_ASSERT(leaf->hva != MAP_FAILED, "mmap() a guest_memfd");
	/* Nothing is there: KVM must take the memory from the file, not from this address. */
	self->slot_hva = !variant->apart ? leaf->hva :
			 mmap(NULL, MMU_ROOT_LEAF_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			      -1, 0);
	TEST_ASSERT(self->slot_hva != MAP_FAILED, "mmap() an address of a memslot");
	expect_slot(self, 0, 0);
}

FIXTURE_TEARDOWN(gmem)
{
	/* The mapping holds a reference to the file, and the file holds one to the VM. */
	munmap(self->leaf.hva, MMU_ROOT_LEAF_SIZE);
	self->leaf.hva = NULL;
	close(self->fd);
	mmu_root_leaf_free(&self->leaf);
}

static void use(struct mmu_root_leaf *leaf, const uint64_t *pages, int nr)
{
	mmu_root_leaf_access(leaf, LEAF_WRITE, pages, nr);
	mmu_root_leaf_access(leaf, LEAF_READ, pages, nr);
}

TEST_F(gmem, gets_holes)
{
	struct mmu_roots_snapshot mapped, cut, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	int i;

	use(leaf, hole, ARRAY_SIZE(hole));
	use(leaf, beside, ARRAY_SIZE(beside));
	mmu_roots_read(&leaf->roots, &mapped);
	TEST_ASSERT(!fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       hole[0] * PAGE_SIZE, ARRAY_SIZE(hole) * PAGE_SIZE),
		    "FALLOC_FL_PUNCH_HOLE");
	mmu_roots_read(&leaf->roots, &cut);
	mmu_roots_expect_growth(&leaf->roots, &mapped, &cut, PAGES_4K, -ARRAY_SIZE(hole));
	mmu_roots_expect_growth(&leaf->roots, &mapped, &cut, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_check(&leaf->roots,
			cut.stat[TLB_FLUSH_REQUESTS] > mapped.stat[TLB_FLUSH_REQUESTS],
			"pages are gone, and no TLB is flushed");

	mmu_root_leaf_access(leaf, LEAF_READ, beside, ARRAY_SIZE(beside));
	for (i = 0; i < ARRAY_SIZE(hole); i++)
		mmu_roots_check(&leaf->roots, !*(uint64_t *)mmu_root_leaf_hva(leaf, hole[i]),
				"page %lu of the hole is not empty", hole[i]);
	mmu_root_leaf_access(leaf, LEAF_READ, hole, ARRAY_SIZE(hole));
	use(leaf, hole, ARRAY_SIZE(hole));
	mmu_roots_read(&leaf->roots, &after);
	mmu_roots_expect_growth(&leaf->roots, &mapped, &after, PAGES_4K, 0);
	mmu_roots_expect_growth(&leaf->roots, &mapped, &after, PAGES_2M, 0);
}

TEST_F(gmem, is_at_another_offset)
{
	struct mmu_root_leaf *leaf = &self->leaf;

	use(leaf, hole, ARRAY_SIZE(hole));
	mmu_root_leaf_delete_slot(leaf);
	mmu_root_leaf_expect_mmio(leaf, LEAF_READ, hole, ARRAY_SIZE(hole));
	leaf->offset = PAGE_SIZE;
	leaf->nr_pages--;
	expect_slot(self, 0, 0);
	mmu_root_leaf_access(leaf, LEAF_READ, hole, ARRAY_SIZE(hole));
	use(leaf, hole, ARRAY_SIZE(hole));
}

/*
 * The memslot's address is that of other memory, which the host can read.  The guest must not see
 * that memory, also not in pages that KVM maps beside the one that the guest has accessed.
 */
TEST_F(gmem, is_all_that_the_guest_sees)
{
	struct mmu_root_leaf *leaf = &self->leaf;
	int i;

	mmu_roots_require_applicable(variant->apart, "the memslot has no memory but the file's");
	TEST_ASSERT(!mprotect(self->slot_hva, MMU_ROOT_LEAF_SIZE, PROT_READ | PROT_WRITE),
		    "mprotect()");
	for (i = 0; i < ARRAY_SIZE(hole); i++) {
		*(uint64_t *)(self->slot_hva + hole[i] * PAGE_SIZE) = OTHER_CONTENT;
		*(uint64_t *)mmu_root_leaf_hva(leaf, hole[i]) = FILE_CONTENT + i;
	}
	mmu_root_leaf_access(leaf, LEAF_READ, hole, ARRAY_SIZE(hole));
	use(leaf, hole, ARRAY_SIZE(hole));
	for (i = 0; i < ARRAY_SIZE(hole); i++)
		mmu_roots_check(&leaf->roots, *(uint64_t *)(self->slot_hva + hole[i] * PAGE_SIZE) ==
				OTHER_CONTENT, "the guest wrote to memory that is not the file's");
}

/*
 * KVM must refuse to log such memory, to make it read-only, and to make it private: this kind of VM
 * has no private memory.
 */
TEST_F(gmem, refuses_what_it_cannot_do)
{
	struct mmu_root_leaf *leaf = &self->leaf;
	struct kvm_memory_attributes attributes = {
		.address = leaf->gpa,
		.size = PAGE_SIZE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	/* Without CONFIG_KVM_GENERIC_MEMORY_ATTRIBUTES, KVM does not know the ioctl at all. */
	int refusal = kvm_has_cap(KVM_CAP_MEMORY_ATTRIBUTES) ? EINVAL : ENOTTY;
	int ret;

	use(leaf, hole, ARRAY_SIZE(hole));
	expect_slot(self, KVM_MEM_LOG_DIRTY_PAGES, EINVAL);
	expect_slot(self, KVM_MEM_READONLY, EINVAL);
	mmu_roots_check(&leaf->roots, !vm_check_cap(leaf->vcpu->vm, KVM_CAP_MEMORY_ATTRIBUTES),
			"a VM without private memory has memory attributes");
	ret = __vm_ioctl(leaf->vcpu->vm, KVM_SET_MEMORY_ATTRIBUTES, &attributes);
	mmu_roots_check(&leaf->roots, ret && errno == refusal,
			"KVM_SET_MEMORY_ATTRIBUTES returns %d (%s), expected %s", ret,
			strerror(errno), strerror(refusal));
	use(leaf, hole, ARRAY_SIZE(hole));
}

TEST_HARNESS_MAIN
