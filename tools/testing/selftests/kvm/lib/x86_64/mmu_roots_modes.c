// SPDX-License-Identifier: GPL-2.0
/*
 * Guests outside 64-bit mode.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots_modes.h"

/*
 * The guest's pages from MMU_ROOT_MODE_GPA on.  All page tables map the code and
 * the data where they are; PT_MIRROR maps the pages of the data in reverse.
 *
 *   PD_32 ---------> PT_32_LOW, PT_32_DATA
 *   PDPT_PAE ------> PD_LOW, PD_DATA (or PD_MIRROR)
 *   PML4 -> PDPT --> PD_LOW, PD_DATA
 *   PD_LOW: one page of 2 MiB, for the code and the tables
 *   PD_DATA -------> PT_DATA;  PD_MIRROR --> PT_MIRROR
 */
enum {
	CODE,
	/* its second entry is MMU_ROOT_MODE_PDPTE */
	PDPT_PAE,
	PD_32,
	PT_32_LOW,
	PT_32_DATA,
	PML4,
	PDPT,
	PD_LOW,
	PD_DATA,
	PD_MIRROR,
	PT_DATA,
	PT_MIRROR,
	NR_PAGES,
};

#define MODE_SLOT		4

#define GPA_OF(page)		(MMU_ROOT_MODE_GPA + (page) * PAGE_SIZE)

/* Index of the code, and of the data, in their tables: Intel SDM, "Paging". */
#define CODE_PD_32_INDEX	(MMU_ROOT_MODE_GPA >> 22)
#define CODE_PD_INDEX		(MMU_ROOT_MODE_GPA >> 21)
#define PD_32_INDEX		(MMU_ROOT_DATA_GVA >> 22)
#define PDPT_INDEX		(MMU_ROOT_DATA_GVA >> 30)

#define PTE_TABLE		(PTE_PRESENT_MASK | PTE_WRITABLE_MASK)
#define PTE_2M_PAGE		(PTE_TABLE | PTE_LARGE_MASK)

/* PDPTEs of PAE paging have neither W nor U. */
#define PDPTE_PAE		PTE_PRESENT_MASK

kvm_static_assert(GPA_OF(PDPT_PAE) + PDPT_INDEX * sizeof(uint64_t) ==
		  MMU_ROOT_MODE_PDPTE);

#define CR0_PROTECTED		(X86_CR0_PE | X86_CR0_ET | X86_CR0_NE)

static const struct {
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
} regs_of[NR_MODES] = {
	[MODE_UNPAGED]	= { CR0_PROTECTED, GPA_OF(PD_32), 0, 0 },
	[MODE_UNPAGED_PAE] = { CR0_PROTECTED, GPA_OF(PML4), X86_CR4_PAE, 0 },
	[MODE_32BIT]	= { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PD_32), 0, 0 },
	[MODE_PAE]	= { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PDPT_PAE), X86_CR4_PAE, 0 },
	[MODE_COMPAT]	= { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PML4), X86_CR4_PAE,
			    EFER_LME | EFER_LMA },
};

static void fill_32bit(struct kvm_vm *vm)
{
	uint32_t *pd = addr_gpa2hva(vm, GPA_OF(PD_32));
	uint32_t *low = addr_gpa2hva(vm, GPA_OF(PT_32_LOW));
	uint32_t *data = addr_gpa2hva(vm, GPA_OF(PT_32_DATA));
	unsigned int i;

	pd[CODE_PD_32_INDEX] = GPA_OF(PT_32_LOW) | PTE_TABLE;
	pd[PD_32_INDEX] = GPA_OF(PT_32_DATA) | PTE_TABLE;
	for (i = 0; i < PAGE_SIZE / sizeof(*low); i++)
		low[i] = (MMU_ROOT_MODE_GPA + i * PAGE_SIZE) | PTE_TABLE;
	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++)
		data[i] = (MMU_ROOT_DATA_GVA + i * PAGE_SIZE) | PTE_TABLE;
}

static void set_entry(struct kvm_vm *vm, int table, unsigned int index, uint64_t entry)
{
	((uint64_t *)addr_gpa2hva(vm, GPA_OF(table)))[index] = entry;
}

static void fill_pae_and_4level(struct kvm_vm *vm)
{
	unsigned int i;

	set_entry(vm, PDPT_PAE, 0, GPA_OF(PD_LOW) | PDPTE_PAE);
	set_entry(vm, PDPT_PAE, PDPT_INDEX, mmu_root_mode_pdpte(false));
	set_entry(vm, PML4, 0, GPA_OF(PDPT) | PTE_TABLE);
	set_entry(vm, PDPT, 0, GPA_OF(PD_LOW) | PTE_TABLE);
	set_entry(vm, PDPT, PDPT_INDEX, GPA_OF(PD_DATA) | PTE_TABLE);
	set_entry(vm, PD_LOW, CODE_PD_INDEX, MMU_ROOT_MODE_GPA | PTE_2M_PAGE);
	set_entry(vm, PD_DATA, 0, GPA_OF(PT_DATA) | PTE_TABLE);
	set_entry(vm, PD_MIRROR, 0, GPA_OF(PT_MIRROR) | PTE_TABLE);

	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++) {
		uint64_t pte = (MMU_ROOT_DATA_GVA + i * PAGE_SIZE) | PTE_TABLE;

		set_entry(vm, PT_DATA, i, pte);
		set_entry(vm, PT_MIRROR, MMU_ROOT_DATA_PAGES - 1 - i, pte);
	}
}

/**
 * mmu_root_mode_pdpte() - The PDPTE that maps the data in PAE paging
 * @mirrored: with the pages of the data in reverse order
 *
 * Return: the entry.
 */
uint64_t mmu_root_mode_pdpte(bool mirrored)
{
	return GPA_OF(mirrored ? PD_MIRROR : PD_DATA) | PDPTE_PAE;
}

static uint32_t *data_word(struct kvm_vm *vm, unsigned int page)
{
	return addr_gpa2hva(vm, MMU_ROOT_DATA_GVA + page * PAGE_SIZE);
}

/* The first word of each page of the data. */
static uint32_t word_of(unsigned int page)
{
	return (page + 1) * 0x9e3779b9u;
}

/**
 * mmu_root_mode_install() - Put code, data and page tables into a VM
 * @vcpu: a vCPU of a VM of mmu_root_path_vm_create(), which has not run yet
 */
void mmu_root_mode_install(struct kvm_vcpu *vcpu)
{
	struct kvm_vm *vm = vcpu->vm;
	unsigned int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, MMU_ROOT_MODE_GPA,
				    MODE_SLOT, NR_PAGES, 0);
	memcpy(addr_gpa2hva(vm, MMU_ROOT_MODE_GPA), mmu_roots_mode_start,
	       mmu_roots_mode_end - mmu_roots_mode_start);
	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++)
		*data_word(vm, i) = word_of(i);
	fill_32bit(vm);
	fill_pae_and_4level(vm);
}

/**
 * mmu_root_mode_sregs() - What the special registers are in a mode
 * @mode: the mode
 * @sregs: of a vCPU in any mode; changed accordingly
 *
 * Segments are flat, and CS holds 32-bit code.
 */
void mmu_root_mode_sregs(enum mmu_root_mode mode, struct kvm_sregs *sregs)
{
	sregs->cr0 = regs_of[mode].cr0;
	sregs->cr3 = regs_of[mode].cr3;
	sregs->cr4 = regs_of[mode].cr4;
	sregs->efer = regs_of[mode].efer;
	sregs->cs.l = 0;
	sregs->cs.db = 1;
}

/**
 * mmu_root_mode_enter() - Put a vCPU into a mode
 * @vcpu: the vCPU, in any mode
 * @mode: the mode
 */
void mmu_root_mode_enter(struct kvm_vcpu *vcpu, enum mmu_root_mode mode)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	mmu_root_mode_sregs(mode, &sregs);
	vcpu_sregs_set(vcpu, &sregs);
}

/**
 * mmu_root_mode_start() - Choose what the guest's code does
 * @vcpu: a vCPU that was put into a mode
 * @op: the operation
 * @mask: the bits to flip
 */
void mmu_root_mode_start(struct kvm_vcpu *vcpu, enum mmu_root_mode_op op, uint32_t mask)
{
	static const uint8_t * const entries[NR_MODE_OPS] = {
		[MODE_OP_READ]	= mmu_roots_mode_read,
		[MODE_OP_CR0]	= mmu_roots_mode_cr0,
		[MODE_OP_CR4]	= mmu_roots_mode_cr4,
		[MODE_OP_EFER]	= mmu_roots_mode_efer,
		[MODE_OP_PDPTE]	= mmu_roots_mode_pdpte,
	};
	struct kvm_regs regs = {
		.rip = MMU_ROOT_MODE_GPA + (entries[op] - mmu_roots_mode_start),
		.rflags = MMU_ROOT_RFLAGS,
		.rbx = mask,
	};

	vcpu_regs_set(vcpu, &regs);
}

/**
 * mmu_root_mode_run() - Have the guest perform operations
 * @vcpu: a vCPU that was started
 * @nr_ops: number of operations, at least one
 *
 * Fails the test if the guest does not get that far.
 *
 * Return: checksum of the data that the guest has read, see mmu_root_mode_sum().
 */
uint32_t mmu_root_mode_run(struct kvm_vcpu *vcpu, uint32_t nr_ops)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rbp = nr_ops;
	regs.rsi = MMU_ROOT_DATA_GVA;
	regs.rsp = 0;
	vcpu_regs_set(vcpu, &regs);
	mmu_root_path_run_for_good(vcpu);
	vcpu_regs_get(vcpu, &regs);
	return regs.rsp;
}

/**
 * mmu_root_mode_sum() - The checksum that mmu_root_mode_run() has to return
 * @nr_ops: number of operations
 * @mirror_odd: the first, third, ... operation sees the pages of the data in
 *		reverse order
 * @mirror_even: and so do the others
 *
 * Return: the checksum.
 */
uint32_t mmu_root_mode_sum(uint32_t nr_ops, bool mirror_odd, bool mirror_even)
{
	uint32_t i, page, sum = 0;

	for (i = 0; i < nr_ops; i++) {
		page = i % MMU_ROOT_DATA_PAGES;
		if (i % 2 ? mirror_even : mirror_odd)
			page = MMU_ROOT_DATA_PAGES - 1 - page;
		sum = (sum << 1 | sum >> 31) + word_of(page);
	}
	return sum;
}
