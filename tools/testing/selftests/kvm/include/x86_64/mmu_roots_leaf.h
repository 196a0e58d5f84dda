/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memslot whose leaves are watched: which pages the guest has mapped, by what size,
 * and whether it sees and writes the memory that the memslot says it does.
 *
 * The host tells the guest page by page what to do, and compares each time.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_LEAF_H
#define SELFTEST_KVM_MMU_ROOTS_LEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* Where the memslot is at first, beyond all memory of mmu_root_path_vm_create(). */
#define MMU_ROOT_LEAF_GPA	0x50000000ul

/* What the guest can address from there on: huge pages of its own page tables. */
#define MMU_ROOT_LEAF_WINDOW	(4 * MMU_ROOT_HUGE_SIZE)

/* The memslot, of the address space that is looked at. */
#define MMU_ROOT_LEAF_SLOT	6

/* A huge page of x86 with 64-bit paging, in bytes and in pages. */
#define MMU_ROOT_HUGE_SIZE	(2ul << 20)
#define MMU_ROOT_HUGE_PAGES	(MMU_ROOT_HUGE_SIZE / PAGE_SIZE)

/* Memory behind the memslot: two huge pages. */
#define MMU_ROOT_LEAF_HUGE	2
#define MMU_ROOT_LEAF_SIZE	(MMU_ROOT_LEAF_HUGE * MMU_ROOT_HUGE_SIZE)
#define MMU_ROOT_LEAF_PAGES	(MMU_ROOT_LEAF_SIZE / PAGE_SIZE)

/* Who looks. */
enum mmu_root_leaf_viewer {
	LEAF_NORMAL,
	/* A vCPU in SMM, with the registers that it had before; the slot is SMM's. */
	LEAF_SMM,
	/* L2, with L1's nested paging off and on. */
	LEAF_L2,
	LEAF_L2_NPT,
};

enum mmu_root_leaf_access {
	LEAF_READ,
	LEAF_WRITE,
	/* Call code there that returns at once. */
	LEAF_EXEC,
};

/**
 * struct mmu_root_leaf - A VM and its watched memslot
 * @roots: the counters
 * @vcpu: the vCPU that looks
 * @viewer: from where it looks
 * @slot: the memslot's number, with its address space
 * @hva: MMU_ROOT_LEAF_SIZE bytes of memory, aligned to huge pages
 * @gpa: where the memslot is
 * @offset: in bytes, from @hva to the first page of the memslot
 * @nr_pages: its size
 * @l2_stays: L2 is not left when it has looked, from the second time on; to be set
 * @nr_mmio: exits for MMIO of the last accesses
 */
struct mmu_root_leaf {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	enum mmu_root_leaf_viewer viewer;
	uint32_t slot;
	void *hva;
	uint64_t gpa;
	uint64_t offset;
	uint64_t nr_pages;
	bool l2_stays;
	uint64_t nr_mmio;
};

void mmu_root_leaf_require(enum mmu_root_leaf_viewer viewer);
void mmu_root_leaf_create(struct mmu_root_leaf *leaf, const char *name,
			  enum mmu_root_leaf_viewer viewer, bool huge);
void mmu_root_leaf_free(struct mmu_root_leaf *leaf);
void mmu_root_leaf_set_slot(struct mmu_root_leaf *leaf, uint32_t flags);
void mmu_root_leaf_delete_slot(struct mmu_root_leaf *leaf);
void *mmu_root_leaf_hva(struct mmu_root_leaf *leaf, uint64_t page);
void mmu_root_leaf_access(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
			  const uint64_t *pages, int nr);
void mmu_root_leaf_expect_mmio(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
			       const uint64_t *pages, int nr);

#endif /* SELFTEST_KVM_MMU_ROOTS_LEAF_H */
