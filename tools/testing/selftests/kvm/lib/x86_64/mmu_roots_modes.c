// SPDX-License-Identifier: GPL-2.0
/*
 * Guests outside 64-bit mode: their page tables, their registers, and their data.
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
 * The guest's pages from MMU_ROOT_MODE_GPA on.  All page tables map code and data at
 * their physical addresses, except that PT_MIRROR maps the pages of the data in reverse
 * order.
 *
 *   PD_32 ---------> PT_32_LOW, PT_32_DATA
 *   PD_32_LARGE ---> PT_32_LOW, and a page of 4 MiB that has data of its own
 *   PDPT_PAE ------> PD_LOW, PD_DATA (or PD_MIRROR)
 *   PML5 -> PML4 -> PDPT --> PD_LOW, PD_DATA
 *   PD_LOW: one page of 2 MiB, for the code and the tables
 *   PD_DATA -------> PT_DATA;  PD_MIRROR --> PT_MIRROR
 *
 * mmu_root_mode_emulate() replaces the entries that map the data.
 */
enum {
	CODE,
	/* the page that contains the table, which is at MMU_ROOT_MODE_PDPT */
	PDPT_PAE,
	PD_32,
	PD_32_LARGE,
	PT_32_LOW,
	PT_32_DATA,
	PML5,
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
#define LARGE_SLOT		5

/* The page of 4 MiB; its memslot is only as large as the part that the guest reads. */
#define LARGE_GPA		(MMU_ROOT_MODE_GPA + (4 << 20))

#define GPA_OF(page)		(MMU_ROOT_MODE_GPA + (page) * PAGE_SIZE)

/* Indices of the entries for code and data in their tables: Intel SDM, "Paging". */
#define CODE_PD_32_INDEX	(MMU_ROOT_MODE_GPA >> 22)
#define CODE_PD_INDEX		(MMU_ROOT_MODE_GPA >> 21)
#define PD_32_INDEX		(MMU_ROOT_DATA_GVA >> 22)
/* Intel SDM, "PAE Paging". */
#define PDPTES_PER_PDPT		4
#define PDPT_INDEX		(MMU_ROOT_DATA_GVA >> 30)

#define PTE_TABLE		(PT_PRESENT_MASK | PT_WRITABLE_MASK)
#define PTE_LARGE_PAGE		(PTE_TABLE | PT_PAGE_SIZE_MASK)

/* PDPTEs of PAE paging have neither W nor U. */
#define PDPTE_PAE		PT_PRESENT_MASK

/* PAE paging: CR3 has bits 31 to 5 of the address, Intel SDM, "PAE Paging". */
kvm_static_assert((MMU_ROOT_MODE_PDPT & PAGE_MASK) == GPA_OF(PDPT_PAE));
kvm_static_assert(!(MMU_ROOT_MODE_PDPT & GENMASK(4, 0)));
kvm_static_assert(MMU_ROOT_MODE_PDPTE(PDPT_INDEX) == MMU_ROOT_MODE_PDPTE(1));

#define DATA_SIZE		(MMU_ROOT_DATA_PAGES * PAGE_SIZE)

/* Flipping these bits of an address reverses the order of the data's pages: see mirror_of(). */
#define MIRROR_MASK		((MMU_ROOT_DATA_PAGES - 1) * PAGE_SIZE)

kvm_static_assert(!(MMU_ROOT_DATA_PAGES & (MMU_ROOT_DATA_PAGES - 1)));
kvm_static_assert(!(MMU_ROOT_DATA_GVA & (DATA_SIZE - 1)));
kvm_static_assert(MMU_ROOT_DATA_PAGES * sizeof(uint64_t) <= MMU_ROOT_MODE_WORD);

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
	[MODE_32BIT_PSE] = { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PD_32_LARGE), X86_CR4_PSE, 0 },
	[MODE_PAE]	= { CR0_PROTECTED | X86_CR0_PG, MMU_ROOT_MODE_PDPT, X86_CR4_PAE, 0 },
	[MODE_COMPAT]	= { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PML4), X86_CR4_PAE,
			    EFER_LME | EFER_LMA },
	[MODE_COMPAT_LA57] = { CR0_PROTECTED | X86_CR0_PG, GPA_OF(PML5),
			       X86_CR4_PAE | X86_CR4_LA57, EFER_LME | EFER_LMA },
};

static unsigned int mirror_of(unsigned int page)
{
	return page ^ (MIRROR_MASK >> PAGE_SHIFT);
}

/* The word that the guest reads from a page of the data. */
static uint32_t word_of(unsigned int page)
{
	return (page + 1) * 0x9e3779b9u;
}

/**
 * mmu_root_mode_fill() - Fill memory with data for the guest
 * @data: MMU_ROOT_DATA_PAGES pages
 * @mirrored: with the pages of the data in reverse order
 *
 * The function writes only the word at MMU_ROOT_MODE_WORD of each page.
 */
void mmu_root_mode_fill(void *data, bool mirrored)
{
	unsigned int i;

	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++)
		*(uint32_t *)(data + i * PAGE_SIZE + MMU_ROOT_MODE_WORD) =
			word_of(mirrored ? mirror_of(i) : i);
}

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

/*
 * The PDE maps a page of 4 MiB.  If CR4.PSE is clear, the same PDE points to a page table, which
 * is in the first 4 KiB of that page and maps the pages of the data in reverse order.
 */
static void fill_32bit_large(struct kvm_vm *vm)
{
	uint32_t *pd = addr_gpa2hva(vm, GPA_OF(PD_32_LARGE));
	uint32_t *large = addr_gpa2hva(vm, LARGE_GPA);
	unsigned int i;

	pd[CODE_PD_32_INDEX] = GPA_OF(PT_32_LOW) | PTE_TABLE;
	pd[PD_32_INDEX] = LARGE_GPA | PTE_LARGE_PAGE;
	mmu_root_mode_fill(large, false);
	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++)
		large[i] = (MMU_ROOT_DATA_GVA + mirror_of(i) * PAGE_SIZE) | PTE_TABLE;
}

static void set_entry(struct kvm_vm *vm, int table, unsigned int index, uint64_t entry)
{
	((uint64_t *)addr_gpa2hva(vm, GPA_OF(table)))[index] = entry;
}

static void set_pdpte(struct kvm_vm *vm, unsigned int index, uint64_t entry)
{
	*(uint64_t *)addr_gpa2hva(vm, MMU_ROOT_MODE_PDPTE(index)) = entry;
}

static void fill_64bit_entries(struct kvm_vm *vm)
{
	unsigned int i;

	set_pdpte(vm, 0, GPA_OF(PD_LOW) | PDPTE_PAE);
	set_pdpte(vm, PDPT_INDEX, mmu_root_mode_pdpte(false));
	set_entry(vm, PML5, 0, GPA_OF(PML4) | PTE_TABLE);
	set_entry(vm, PML4, 0, GPA_OF(PDPT) | PTE_TABLE);
	set_entry(vm, PDPT, 0, GPA_OF(PD_LOW) | PTE_TABLE);
	set_entry(vm, PDPT, PDPT_INDEX, GPA_OF(PD_DATA) | PTE_TABLE);
	set_entry(vm, PD_LOW, CODE_PD_INDEX, MMU_ROOT_MODE_GPA | PTE_LARGE_PAGE);
	set_entry(vm, PD_DATA, 0, GPA_OF(PT_DATA) | PTE_TABLE);
	set_entry(vm, PD_MIRROR, 0, GPA_OF(PT_MIRROR) | PTE_TABLE);

	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++) {
		uint64_t pte = (MMU_ROOT_DATA_GVA + i * PAGE_SIZE) | PTE_TABLE;

		set_entry(vm, PT_DATA, i, pte);
		set_entry(vm, PT_MIRROR, mirror_of(i), pte);
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

/**
 * mmu_root_mode_install() - Put code, data and page tables into a VM
 * @vcpu: a vCPU of a VM of mmu_root_path_vm_create(), which has not run yet
 */
void mmu_root_mode_install(struct kvm_vcpu *vcpu)
{
	struct kvm_vm *vm = vcpu->vm;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, MMU_ROOT_MODE_GPA,
				    MODE_SLOT, NR_PAGES, 0);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, LARGE_GPA, LARGE_SLOT,
				    MMU_ROOT_DATA_PAGES, 0);
	memcpy(addr_gpa2hva(vm, MMU_ROOT_MODE_GPA), mmu_roots_mode_start,
	       mmu_roots_mode_end - mmu_roots_mode_start);
	mmu_root_mode_fill(addr_gpa2hva(vm, MMU_ROOT_DATA_GVA), false);
	fill_32bit(vm);
	fill_32bit_large(vm);
	fill_64bit_entries(vm);
}

/**
 * mmu_root_mode_sregs() - Change special registers to those of a mode
 * @mode: the mode
 * @sregs: the registers, of a vCPU in any mode
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
 * mmu_root_mode_start() - Choose the operation of the guest's code
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
		[MODE_OP_PGE]	= mmu_roots_mode_pge,
		[MODE_OP_PTE]	= mmu_roots_mode_pte,
		[MODE_OP_VMRUN]	= mmu_roots_mode_vmrun,
	};
	uint64_t entry = MMU_ROOT_MODE_GPA + (entries[op] - mmu_roots_mode_start);
	struct kvm_regs regs = {
		.rip = entry,
		.rdi = entry,
		.rflags = MMU_ROOT_RFLAGS,
		.rbx = mask,
		.rsi = MMU_ROOT_DATA_GVA,
		.rdx = MMU_ROOT_MODE_PDPTE(1),
	};

	vcpu_regs_set(vcpu, &regs);
}

/**
 * mmu_root_mode_start_pte() - Have the guest change the page tables that it uses
 * @vcpu: a vCPU that was put into a mode, after mmu_root_mode_install()
 * @mode: the mode, with paging, and pages of 4 KiB
 *
 * The guest performs MODE_OP_PTE: each operation changes the PTE for the page of the data to
 * read next, from this page to the one that has its place in reverse order, or back.
 */
void mmu_root_mode_start_pte(struct kvm_vcpu *vcpu, enum mmu_root_mode mode)
{
	bool is_32bit = mode == MODE_32BIT;
	struct kvm_regs regs;

	mmu_root_mode_start(vcpu, MODE_OP_PTE, MIRROR_MASK);
	vcpu_regs_get(vcpu, &regs);
	regs.rdx = GPA_OF(is_32bit ? PT_32_DATA : PT_DATA);
	/* Shift count from the offset of a page to that of its entry, of 4 or 8 bytes. */
	regs.rcx = PAGE_SHIFT - (is_32bit ? 2 : 3);
	vcpu_regs_set(vcpu, &regs);
}

/**
 * mmu_root_mode_move_data() - Have another PDPTE map the data in PAE paging
 * @vcpu: a vCPU after mmu_root_mode_start()
 * @pdpte: number of the PDPTE, 1 or 3
 *
 * From then on, the guest reads at the addresses that this PDPTE maps, and operations change
 * this PDPTE.  The new PDPTE takes effect when PDPTRs are loaded, e.g. with
 * mmu_root_mode_enter().
 */
void mmu_root_mode_move_data(struct kvm_vcpu *vcpu, unsigned int pdpte)
{
	uint64_t *pdpt = addr_gpa2hva(vcpu->vm, MMU_ROOT_MODE_PDPT);
	uint64_t entry = pdpt[PDPT_INDEX];
	struct kvm_regs regs;

	pdpt[PDPT_INDEX] = 0;
	pdpt[pdpte] = entry;
	vcpu_regs_get(vcpu, &regs);
	/* Each PDPTE maps 1 GiB. */
	regs.rsi = (uint64_t)pdpte << 30;
	regs.rdx = MMU_ROOT_MODE_PDPTE(pdpte);
	vcpu_regs_set(vcpu, &regs);
}

/**
 * mmu_root_mode_clean_pdptes() - Clear accessed bits of PDPTEs of PAE paging
 * @vm: a VM whose vCPU does not run
 *
 * These bits are reserved, but some emulators set them, see MODE_OP_READ.  The host must clear
 * them if KVM is to load PDPTRs at a time when the guest's code has no chance to do so.
 */
void mmu_root_mode_clean_pdptes(struct kvm_vm *vm)
{
	uint64_t *pdpt = addr_gpa2hva(vm, MMU_ROOT_MODE_PDPT);
	int i;

	for (i = 0; i < PDPTES_PER_PDPT; i++)
		pdpt[i] &= ~PT_ACCESSED_MASK;
}

/**
 * mmu_root_mode_emulate() - Have KVM emulate the guest's reads
 * @vcpu: a vCPU of mmu_root_mode_install()
 *
 * The caller must call mmu_roots_force_emulation().  This function also has the page tables
 * reverse the pages of the data, so that KVM reads other data if it mistakes the guest's
 * paging mode.  If KVM takes five levels for four, it reads the pages in normal order.
 */
void mmu_root_mode_emulate(struct kvm_vcpu *vcpu)
{
	uint32_t *pd_32 = addr_gpa2hva(vcpu->vm, GPA_OF(PD_32));
	uint8_t *code = addr_gpa2hva(vcpu->vm, MMU_ROOT_MODE_GPA);
	struct kvm_vm *vm = vcpu->vm;

	memcpy(code + (mmu_roots_mode_prefix - mmu_roots_mode_start), mmu_root_fep,
	       sizeof(mmu_root_fep));
	pd_32[PD_32_INDEX] = LARGE_GPA | PTE_LARGE_PAGE;
	set_pdpte(vm, PDPT_INDEX, mmu_root_mode_pdpte(true));
	set_entry(vm, PDPT, PDPT_INDEX, GPA_OF(PD_MIRROR) | PTE_TABLE);
	/*
	 * These entries map data and code if KVM takes PML5, PML4 and PDPT for PML4, PDPT and PD.
	 * Otherwise, they map addresses beyond 4 GiB, which the guest does not access.
	 */
	set_entry(vm, PML4, PDPT_INDEX, GPA_OF(PD_DATA) | PTE_TABLE);
	set_entry(vm, PDPT, CODE_PD_INDEX, MMU_ROOT_MODE_GPA | PTE_LARGE_PAGE);
}

/**
 * mmu_root_mode_is_mirrored() - Ask whether a mode reverses the pages of the data
 * @mode: the mode, after mmu_root_mode_emulate()
 *
 * Return: true if the mode uses page tables that reverse the pages.
 */
bool mmu_root_mode_is_mirrored(enum mmu_root_mode mode)
{
	return (regs_of[mode].cr0 & X86_CR0_PG) && !(regs_of[mode].cr4 & X86_CR4_PSE);
}

static void tell_guest_its_registers(struct kvm_vcpu *vcpu)
{
	uint32_t *cr3 = addr_gpa2hva(vcpu->vm, MMU_ROOT_MODE_CR3);
	uint32_t *cr4 = addr_gpa2hva(vcpu->vm, MMU_ROOT_MODE_CR4);
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	*cr3 = sregs.cr3;
	*cr4 = sregs.cr4;
}

/**
 * mmu_root_mode_run() - Have the guest perform operations
 * @vcpu: a vCPU after mmu_root_mode_start()
 * @nr_ops: number of operations, at least one
 *
 * The test fails if the guest does not complete all operations.
 *
 * Return: checksum of the data that the guest has read, see mmu_root_mode_sum().
 */
uint32_t mmu_root_mode_run(struct kvm_vcpu *vcpu, uint32_t nr_ops)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rbp = nr_ops;
	regs.rsi &= ~(DATA_SIZE - 1ul);
	regs.rsp = 0;
	vcpu_regs_set(vcpu, &regs);
	tell_guest_its_registers(vcpu);
	mmu_root_path_run_for_good(vcpu);
	vcpu_regs_get(vcpu, &regs);
	return regs.rsp;
}

/**
 * mmu_root_mode_sum() - The checksum that mmu_root_mode_run() has to return
 * @nr_ops: number of operations
 * @mirror_odd: the first, third, ... operation sees the pages of the data in
 *		reverse order
 * @mirror_even: the second, fourth, ... operation does
 *
 * Return: the checksum.
 */
uint32_t mmu_root_mode_sum(uint32_t nr_ops, bool mirror_odd, bool mirror_even)
{
	uint32_t i, page, sum = 0;

	for (i = 0; i < nr_ops; i++) {
		page = i % MMU_ROOT_DATA_PAGES;
		if (i % 2 ? mirror_even : mirror_odd)
			page = mirror_of(page);
		sum = (sum << 1 | sum >> 31) + word_of(page);
	}
	return sum;
}

/**
 * mmu_root_mode_check_sum() - Check the data that a guest has read
 * @roots: the watched VM
 * @sum: the checksum that mmu_root_mode_run() has returned
 * @nr_ops: number of operations
 * @mirror_odd: see mmu_root_mode_sum()
 * @mirror_even: see mmu_root_mode_sum()
 */
void mmu_root_mode_check_sum(struct mmu_roots *roots, uint32_t sum, uint32_t nr_ops,
			     bool mirror_odd, bool mirror_even)
{
	uint32_t expected = mmu_root_mode_sum(nr_ops, mirror_odd, mirror_even);

	mmu_roots_check(roots, sum == expected,
			"the guest read data with checksum %#x, expected %#x", sum, expected);
}

/**
 * mmu_root_mode_expect_data() - Have a guest read all of its data, and check the checksum
 * @roots: the watched VM
 * @vcpu: a vCPU after mmu_root_mode_start()
 * @mirrored: the guest must see the pages in reverse order
 */
void mmu_root_mode_expect_data(struct mmu_roots *roots, struct kvm_vcpu *vcpu, bool mirrored)
{
	uint32_t sum = mmu_root_mode_run(vcpu, MMU_ROOT_DATA_PAGES);

	mmu_root_mode_check_sum(roots, sum, MMU_ROOT_DATA_PAGES, mirrored, mirrored);
}
