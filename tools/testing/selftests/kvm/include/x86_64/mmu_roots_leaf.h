/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A memslot whose leaf SPTEs are watched: which pages KVM has mapped, with which page size,
 * and whether the guest reads and writes the memory that the memslot stands for.
 *
 * The host tells the guest which access to make to which page, and checks each result.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_LEAF_H
#define SELFTEST_KVM_MMU_ROOTS_LEAF_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* Initial address of the memslot, beyond all memory of mmu_root_path_vm_create(). */
#define MMU_ROOT_LEAF_GPA	0x50000000ul

/* Bytes from there on that the guest's own page tables map, with huge pages. */
#define MMU_ROOT_LEAF_WINDOW	(4 * MMU_ROOT_HUGE_SIZE)

/* Number of the memslot, in the address space that the viewer accesses. */
#define MMU_ROOT_LEAF_SLOT	6

/* A huge page of x86 with 64-bit paging, in bytes and in pages. */
#define MMU_ROOT_HUGE_SIZE	(2ul << 20)
#define MMU_ROOT_HUGE_PAGES	(MMU_ROOT_HUGE_SIZE / PAGE_SIZE)

/* Memory behind the memslot: two huge pages. */
#define MMU_ROOT_LEAF_HUGE	2
#define MMU_ROOT_LEAF_SIZE	(MMU_ROOT_LEAF_HUGE * MMU_ROOT_HUGE_SIZE)
#define MMU_ROOT_LEAF_PAGES	(MMU_ROOT_LEAF_SIZE / PAGE_SIZE)

/* The mode in which the vCPU accesses the memslot. */
enum mmu_root_leaf_viewer {
	LEAF_NORMAL,
	/* SMM, with the registers from before; the memslot is in SMM's address space. */
	LEAF_SMM,
	/* L2, with L1's nested paging off and on. */
	LEAF_L2,
	LEAF_L2_NPT,
};

enum mmu_root_leaf_access {
	LEAF_READ,
	LEAF_WRITE,
	/* The guest calls code in the page, which returns at once. */
	LEAF_EXEC,
	/* KVM emulates a write, or a locked instruction: needs mmu_roots_force_emulation(). */
	LEAF_WRITE_EMULATED,
	LEAF_EXCHANGE_EMULATED,
};

/**
 * struct mmu_root_leaf - A VM and its watched memslot
 * @roots: the counters
 * @vcpu: the vCPU that accesses the memslot
 * @viewer: the mode in which @vcpu does so
 * @slot: the memslot's number, with its as_id in the upper half
 * @hva: MMU_ROOT_LEAF_SIZE bytes of memory, aligned to huge pages
 * @gpa: guest physical address of the memslot
 * @offset: in bytes, from @hva to the first page of the memslot
 * @nr_pages: size of the memslot
 * @l2_stays: set by the caller to have L2, instead of L1, report to userspace: from the
 *	      second time on, the vCPU does not leave L2 between accesses
 * @nr_mmio: number of MMIO exits during the last accesses
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
