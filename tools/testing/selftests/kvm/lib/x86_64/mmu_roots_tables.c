// SPDX-License-Identifier: GPL-2.0
/*
 * Guest page tables that are not canonical: a guest that accesses pages through them, and an
 * oracle for the result of each access.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_tables.h"

#define FIRST_SLOT		3
#define SLOT_OF_AS(as, slot)	((as) << 16 | (slot))

/* Number of pages of a part that guests can reach through entries in use, with any page size. */
#define NR_TAGGED		24

/* KVM cannot map a small part with a huge page, because the memslot is smaller than that. */
#define NR_PAGES_SMALL		32
#define NR_PAGES_HUGE		(MMU_TABLES_PART_SIZE / PAGE_SIZE)

/* Error codes: Intel SDM, "Page-Fault Exceptions". */
#define ERROR_PRESENT		BIT(0)
#define ERROR_WRITE		BIT(1)
#define ERROR_USER		BIT(2)
#define ERROR_RESERVED		BIT(3)
#define ERROR_FETCH		BIT(4)

/* Descriptors of user code: Intel SDM, "Segment Descriptors"; type, S, DPL, P, G, and L or B. */
#define USER_CODE_DESC		0x00affb000000ffffull
#define USER_DATA_DESC		0x00cff3000000ffffull
/* RSP0 of a 64-bit TSS */
#define TSS_RSP0		4

/* The stack pointer of the guest's kernel during a probe. */
uint64_t mmu_tables_rsp;

static struct mmu_tables_batch guest_batch;
static struct mmu_tables_seen *guest_seen;

/*
 * L2's page tables map the addresses below one entry of level 4, L2_INDEX, one to one with pages of
 * one GiB; the nested page tables are random there.  These addresses are below 2^40, which all
 * CPUs support.  Entry 0 maps the memory that L1 and L2 run in, one to one, too.
 */
#define L2_INDEX		1
#define L2_PAGE_SIZE		BIT_ULL(30)
#define L2_MEMORY_SIZE		BIT_ULL(31)
#define NR_ENTRIES		512

#define NPT_FLAGS		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK | \
				 PT_ACCESSED_MASK | PT_DIRTY_MASK)

#define L2_STACK_SIZE		4096
#define FLUSH_ALL_ASIDS		1

/* For nested tables: the VMCB and nested CR3, L2's next access, and the value that L2 has read. */
static struct {
	struct svm_test_data *svm;
	uint64_t cr3;
	const struct mmu_tables_access *access;
	uint64_t value;
} guest_l2;

static uint8_t l2_stack[L2_STACK_SIZE] __aligned(16);

/* A probe ends with a fault, which user code causes also when it comes to its end. */
static void guest_end_probe(struct ex_regs *regs)
{
	/* RSP and SS, which the CPU pushes before the last member of struct ex_regs. */
	uint64_t *rest = &regs->rflags + 1;

	__GUEST_ASSERT(guest_seen, "vector %lu, error code %lx at %lx", regs->vector,
		       regs->error_code, regs->rip);
	guest_seen->vector = regs->vector == GP_VECTOR ? MMU_TABLES_NO_FAULT : regs->vector;
	guest_seen->error = regs->error_code;
	guest_seen->value = regs->rax;
	asm volatile("mov %%cr2, %0" : "=r" (guest_seen->address));

	regs->rip = (uintptr_t)mmu_tables_recover;
	regs->cs = MMU_TABLES_KERNEL_CS;
	rest[0] = mmu_tables_rsp;
	rest[1] = MMU_TABLES_KERNEL_DS;
}

static const uint8_t *guest_code_of(const struct mmu_tables_access *access)
{
	if (access->kind == PROBE_EXEC)
		return mmu_tables_exec;
	if (access->kind == PROBE_READ)
		return access->emulated ? mmu_tables_emulated_read : mmu_tables_read;
	return access->emulated ? mmu_tables_emulated_write : mmu_tables_write;
}

/* Address of the user's copy of the kernel's code. */
static const uint8_t *guest_of_user(const uint8_t *code)
{
	return (uint8_t *)MMU_TABLES_USER_GVA + (code - mmu_tables_code_start);
}

/* L2 exits only by the VMMCALL at its end, or by a fault of the nested page tables. */
static void guest_l2_code(void)
{
	const struct mmu_tables_access *access = guest_l2.access;

	guest_l2.value = mmu_tables_probe(access->gva, access->value, guest_code_of(access), 0,
					  mmu_tables_recover);
	vmmcall();
}

/* AMD APM, "Nested versus Guest Page Faults, Fault Ordering" */
static void guest_probe_in_l2(const struct mmu_tables_access *access,
			      struct mmu_tables_seen *seen)
{
	struct vmcb *vmcb = guest_l2.svm->vmcb;

	guest_l2.access = access;
	vmcb->save.rip = (uintptr_t)guest_l2_code;
	/* Align the stack as it is after a call instruction. */
	vmcb->save.rsp = (uintptr_t)l2_stack + L2_STACK_SIZE - sizeof(uint64_t);
	vmcb->control.nested_cr3 = guest_l2.cr3;
	vmcb->control.tlb_ctl = FLUSH_ALL_ASIDS;
	run_guest(vmcb, guest_l2.svm->vmcb_gpa);

	seen->value = guest_l2.value;
	seen->vector = MMU_TABLES_NO_FAULT;
	if (vmcb->control.exit_code == SVM_EXIT_VMMCALL)
		return;
	__GUEST_ASSERT(vmcb->control.exit_code == SVM_EXIT_NPF, "L2 exited: %x, at %lx",
		       (unsigned int)vmcb->control.exit_code, vmcb->save.rip);
	seen->vector = PF_VECTOR;
	seen->error = (uint32_t)vmcb->control.exit_info_1;
	seen->address = vmcb->control.exit_info_2;
}

static void guest_probe(const struct mmu_tables_access *access, struct mmu_tables_seen *seen)
{
	const uint8_t *code = guest_code_of(access), *end = mmu_tables_recover;
	uint64_t value;

	if (access->flags & MMU_TABLES_USER) {
		code = guest_of_user(code);
		end = guest_of_user(mmu_tables_end);
	}
	if (access->invlpg)
		asm volatile("invlpg (%0)" : : "r" (access->gva) : "memory");
	guest_seen = seen;
	value = mmu_tables_probe(access->gva, access->value, code, access->flags, end);
	guest_seen = NULL;
	if (seen->vector)
		return;
	seen->value = value;
	seen->vector = MMU_TABLES_NO_FAULT;
}

static void guest_write_registers(const struct mmu_tables_batch *b)
{
	if (b->write_cr0)
		set_cr0(b->cr0);
	if (b->write_cr4)
		set_cr4(b->cr4);
	if (b->write_efer)
		wrmsr(MSR_EFER, b->efer);
	if (b->write_cr3 && guest_l2.svm)
		guest_l2.cr3 = b->cr3;
	else if (b->write_cr3)
		set_cr3(b->cr3);
}

static void guest_write_entry(const struct mmu_tables_batch *b)
{
	if (b->invlpg)
		asm volatile("invlpg (%0)" : : "r" (b->entry) : "memory");
	if (b->emulated)
		asm volatile(KVM_FEP "mov %0, (%1)"
			     : : "a" (b->value), "b" (b->entry) : "memory");
	else
		WRITE_ONCE(*(uint64_t *)b->entry, b->value);
}

/* The guest writes an entry first, because the load of CR3 that follows flushes the old entry. */
static void guest_code(void)
{
	const struct mmu_tables_batch *b = &guest_batch;
	unsigned int i;

	if (guest_l2.svm) {
		generic_svm_setup(guest_l2.svm, guest_l2_code);
		guest_l2.svm->vmcb->control.misc_ctl |= SVM_MISC_ENABLE_NP;
	}
	for (;;) {
		if (b->entry)
			guest_write_entry(b);
		guest_write_registers(b);
		for (i = 0; i < b->nr; i++)
			(guest_l2.svm ? guest_probe_in_l2 : guest_probe)(&b->access[i],
									 &guest_batch.seen[i]);
		guest_exit();
	}
}

/**
 * mmu_tables_batch() - The guest's next actions
 * @t: the tables
 *
 * Return: the batch in the guest's memory, for the host to fill in.
 */
struct mmu_tables_batch *mmu_tables_batch(struct mmu_tables *t)
{
	return addr_gva2hva(t->vm, (uintptr_t)&guest_batch);
}

/**
 * mmu_tables_gpa() - Physical address of a page
 * @part: the part of the memory
 * @page: its number there
 *
 * Return: the physical address.
 */
uint64_t mmu_tables_gpa(enum mmu_tables_part_id part, unsigned int page)
{
	return MMU_TABLES_GPA + part * MMU_TABLES_PART_SIZE + page * PAGE_SIZE;
}

/* The memory that an address space has at an address; NULL if the address is in a hole. */
static void *hva_of(const struct mmu_tables *t, int as, uint64_t gpa)
{
	uint64_t nr = (gpa - MMU_TABLES_GPA) / MMU_TABLES_PART_SIZE;
	uint64_t offset = gpa % MMU_TABLES_PART_SIZE;
	const struct mmu_tables_part *part = &t->part[nr];

	if (gpa < MMU_TABLES_GPA || nr >= NR_PARTS || !part->present || !part->hva[as] ||
	    offset >= part->nr_pages * PAGE_SIZE)
		return NULL;
	return part->hva[as] + offset;
}

/**
 * mmu_tables_hva() - The memory that the vCPU has at a physical address
 * @t: the tables
 * @gpa: the address
 *
 * Return: the memory; NULL if @gpa is in a hole for the vCPU, in SMM or outside as it is now.
 */
void *mmu_tables_hva(const struct mmu_tables *t, uint64_t gpa)
{
	return hva_of(t, t->smm, gpa);
}

/* A tag is code that tells the number of its page, and is no present page table entry. */
static uint64_t make_tag(uint32_t nr)
{
	/* mov $nr, %eax; jmp *%rdx; bit 0 is clear, which a present entry has set */
	return 0xb8 | (uint64_t)nr << 8 | 0xe2ffull << 40;
}

/**
 * mmu_tables_tag() - The tag that the guest must read at MMU_TABLES_TAG_OFFSET of a page
 * @t: the tables
 * @gpa: an address in the page
 *
 * Return: the tag in memory or, for a hole, the value with which the host answers MMIO.
 */
uint64_t mmu_tables_tag(const struct mmu_tables *t, uint64_t gpa)
{
	void *hva = mmu_tables_hva(t, gpa);

	if (hva)
		return *(uint64_t *)(hva - gpa % PAGE_SIZE + MMU_TABLES_TAG_OFFSET);
	return make_tag(gpa / PAGE_SIZE);
}

/**
 * mmu_tables_window() - Address at which the guest's kernel maps memory
 * @gpa: an address in the first pages of a part
 *
 * Return: the guest's virtual address.
 */
uint64_t mmu_tables_window(uint64_t gpa)
{
	return MMU_TABLES_WINDOW_GVA + (gpa - MMU_TABLES_GPA);
}

/**
 * mmu_tables_index() - Index of an entry that is in use in each table
 * @nr: which of the entries in use
 *
 * Entry 0 is for the guest's kernel.  KVM maps two of the others at once, as it prefetches
 * (PTE_PREFETCH_NUM), and each of the remaining ones only when it is accessed.
 *
 * Return: the index in the table, below NR_TAGGED, so that pages of huge pages have tags, too.
 */
unsigned int mmu_tables_index(unsigned int nr)
{
	static const unsigned int indices[MMU_TABLES_NR_INDICES] = { 1, 2, 12, 21 };

	return indices[nr];
}

static uint64_t l2_address(const unsigned int *index)
{
	return (((uint64_t)L2_INDEX << 9 | index[2]) << 18 | index[1] << 9 | index[0]) <<
	       PAGE_SHIFT;
}

/**
 * mmu_tables_gva() - The virtual address whose walk takes given entries
 * @t: the tables
 * @index: index of the entry at each level, from the last level on
 *
 * Return: the address of the page's start.
 */
uint64_t mmu_tables_gva(const struct mmu_tables *t, const unsigned int *index)
{
	uint64_t gva = 0;
	int level;

	/* L2's page tables map only the addresses below entry L2_INDEX of level 4. */
	if (t->nested)
		return l2_address(index);
	for (level = t->levels; level > 0; level--)
		gva = gva << 9 | index[level - 1];
	return gva << PAGE_SHIFT;
}

/**
 * mmu_tables_slot() - The memslot of a part
 * @part: the part
 *
 * Return: its number, outside of SMM.
 */
uint32_t mmu_tables_slot(enum mmu_tables_part_id part)
{
	return FIRST_SLOT + part;
}

static void set_slot_of_as(struct mmu_tables *t, enum mmu_tables_part_id part, int as)
{
	struct mmu_tables_part *p = &t->part[part];
	uint32_t flags = p->log && as == MMU_TABLES_NORMAL ? KVM_MEM_LOG_DIRTY_PAGES : 0;

	if (!p->hva[as] || (as == MMU_TABLES_SMM && !t->has_smm))
		return;
	vm_set_user_memory_region(t->vm, SLOT_OF_AS(as, FIRST_SLOT + part),
				  p->present ? flags : 0, mmu_tables_gpa(part, 0),
				  p->present ? p->nr_pages * PAGE_SIZE : 0, p->hva[as]);
}

/**
 * mmu_tables_set_slot() - Create or delete the memslot of a part, or change its flags
 * @t: the tables
 * @part: the part
 * @present: whether it exists, in SMM and outside
 * @log: whether it has a dirty log, outside
 */
void mmu_tables_set_slot(struct mmu_tables *t, enum mmu_tables_part_id part, bool present,
			 bool log)
{
	int as;

	t->part[part].present = present;
	t->part[part].log = log && present;
	for (as = 0; as < MMU_TABLES_NR_AS; as++)
		set_slot_of_as(t, part, as);
}

static void *alloc_memory(unsigned int nr_pages)
{
	size_t size = nr_pages * PAGE_SIZE;
	void *hva;

	hva = mmap(NULL, size + MMU_TABLES_PART_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(hva != MAP_FAILED, "mmap() of %u pages", nr_pages);
	hva = (void *)(((uintptr_t)hva + MMU_TABLES_PART_SIZE - 1) &
		       ~(MMU_TABLES_PART_SIZE - 1));
	/* If the host has no huge pages, KVM maps all with small pages: fewer ways to fail. */
	if (size >= MMU_TABLES_PART_SIZE)
		madvise(hva, size, MADV_HUGEPAGE);
	return hva;
}

static void add_part(struct mmu_tables *t, enum mmu_tables_part_id part)
{
	struct mmu_tables_part *p = &t->part[part];
	unsigned int page;
	int as;

	p->nr_pages = part == PART_HUGE ? NR_PAGES_HUGE : NR_PAGES_SMALL;
	p->present = true;
	for (as = 0; as < MMU_TABLES_NR_AS; as++) {
		if (part == PART_HIDDEN && as == MMU_TABLES_NORMAL)
			continue;
		if (as == MMU_TABLES_SMM && part != PART_HIDDEN && part != PART_SPLIT) {
			p->hva[as] = p->hva[MMU_TABLES_NORMAL];
			continue;
		}
		p->hva[as] = alloc_memory(p->nr_pages);
		for (page = 0; page < NR_TAGGED; page++)
			*(uint64_t *)(p->hva[as] + page * PAGE_SIZE + MMU_TABLES_TAG_OFFSET) =
				make_tag(0x1000000 | part << 16 | page << 4 | as);
	}
	mmu_tables_set_slot(t, part, true, false);
	virt_map(t->vm, mmu_tables_window(mmu_tables_gpa(part, 0)), mmu_tables_gpa(part, 0),
		 NR_TAGGED);
}

/* Give SMM's address space the same memory as the other one. */
static void share_with_smm(struct kvm_vm *vm)
{
	struct userspace_mem_region *region;
	int bucket;

	hash_for_each(vm->regions.slot_hash, bucket, region, slot_node)
		vm_set_user_memory_region(vm, SLOT_OF_AS(MMU_TABLES_SMM, region->region.slot), 0,
					  region->region.guest_phys_addr,
					  region->region.memory_size,
					  (void *)region->region.userspace_addr);
}

/* Add a page that user code may execute: the entries of all levels must allow that. */
static void add_user_code(struct kvm_vm *vm)
{
	uint64_t table = mmu_roots_pgd(vm), *entry;
	gpa_t gpa = addr_gva2gpa(vm, vm_alloc_page(vm));
	int level;

	memcpy(addr_gpa2hva(vm, gpa), mmu_tables_code_start,
	       mmu_tables_code_end - mmu_tables_code_start);
	virt_map(vm, MMU_TABLES_USER_GVA, gpa, 1);
	for (level = mmu_roots_pgtable_levels(vm); level > 0; level--) {
		entry = (uint64_t *)addr_gpa2hva(vm, table) +
			(MMU_TABLES_USER_GVA >> (PAGE_SHIFT + 9 * (level - 1)) & 0x1ff);
		*entry |= PT_USER_MASK;
		table = PTE_GET_PA(*entry);
	}
}

/* Add all that the guest needs to enter user code, and to return to its kernel. */
static void add_user(struct kvm_vm *vm)
{
	uint64_t *gdt = addr_gva2hva(vm, vm->arch.gdt);
	uint64_t stack = vm_alloc_page(vm) + PAGE_SIZE;

	add_user_code(vm);
	gdt[MMU_TABLES_USER_CS / 8] = USER_CODE_DESC;
	gdt[MMU_TABLES_USER_DS / 8] = USER_DATA_DESC;
	memcpy(addr_gva2hva(vm, vm->arch.tss) + TSS_RSP0, &stack, sizeof(stack));
	vm_install_exception_handler(vm, GP_VECTOR, guest_end_probe);
	vm_install_exception_handler(vm, PF_VECTOR, guest_end_probe);
}

/**
 * mmu_tables_create() - Create a VM with memory for page tables, and a guest
 * @t: caller-allocated; initialized
 *
 * The memory has no page tables yet.  If the caller makes a table that the guest loads into
 * CR3, its entry 0 must be that of the library's PGD.
 */
void mmu_tables_create(struct mmu_tables *t)
{
	struct kvm_sregs sregs;
	unsigned int part;

	memset(t, 0, sizeof(*t));
	t->has_smm = kvm_has_cap(KVM_CAP_X86_SMM);
	t->has_gbpages = kvm_cpu_has(X86_FEATURE_GBPAGES);
	t->vm = mmu_root_path_vm_create(&t->vcpu, guest_code);
	t->levels = mmu_roots_pgtable_levels(t->vm);
	add_user(t->vm);
	if (t->has_smm)
		share_with_smm(t->vm);
	for (part = 0; part < NR_PARTS; part++)
		add_part(t, part);

	vcpu_sregs_get(t->vcpu, &sregs);
	t->pgd = sregs.cr3;
	t->cr4 = sregs.cr4;
	t->efer = sregs.efer & ~EFER_LMA;
	t->wp = sregs.cr0 & X86_CR0_WP;
	t->smep = sregs.cr4 & X86_CR4_SMEP;
	t->smap = sregs.cr4 & X86_CR4_SMAP;
	t->nx = sregs.efer & EFER_NX;
}

/**
 * mmu_tables_create_nested() - Create a VM with memory for nested page tables, an L1 and an L2
 * @t: caller-allocated; initialized
 *
 * The CPU must have SVM.  The caller must prepare each table that L1 uses as a nested CR3 with
 * mmu_tables_set_nested_root().
 */
void mmu_tables_create_nested(struct mmu_tables *t)
{
	uint64_t gpa, entry, *table;
	gva_t svm;

	mmu_tables_create(t);
	t->nested = true;
	vcpu_alloc_svm(t->vm, &svm);
	guest_l2.svm = (void *)svm;
	sync_global_to_guest(t->vm, guest_l2);

	/* L2 uses L1's page tables, so these must also map the addresses that L2 accesses. */
	table = addr_gpa2hva(t->vm, mmu_roots_pgd(t->vm));
	if (t->levels == MMU_TABLES_MAX_LEVELS)
		table = addr_gpa2hva(t->vm, PTE_GET_PA(table[0]));
	gpa = vm_alloc_page_table(t->vm);
	table[L2_INDEX] = gpa | NPT_FLAGS;
	table = addr_gpa2hva(t->vm, gpa);
	for (entry = 0; entry < NR_ENTRIES; entry++)
		table[entry] = (NR_ENTRIES * L2_INDEX + entry) * L2_PAGE_SIZE |
			       NPT_FLAGS | PT_PAGE_SIZE_MASK;
}

/**
 * mmu_tables_set_nested_root() - Prepare a table for use as a nested CR3
 * @t: the tables, which mmu_tables_create_nested() initialized
 * @root: physical address of the table
 * @upper: physical address of another table; with five levels, entry 0 of @root points to it
 */
void mmu_tables_set_nested_root(struct mmu_tables *t, uint64_t root, uint64_t upper)
{
	uint64_t memory = vm_alloc_page_table(t->vm), gpa;
	uint64_t *table = addr_gpa2hva(t->vm, memory);

	for (gpa = 0; gpa < L2_MEMORY_SIZE; gpa += L2_PAGE_SIZE)
		table[gpa / L2_PAGE_SIZE] = gpa | NPT_FLAGS | PT_PAGE_SIZE_MASK;
	if (t->levels == MMU_TABLES_MAX_LEVELS) {
		*(uint64_t *)mmu_tables_hva(t, root) = upper | NPT_FLAGS;
		root = upper;
	}
	table = mmu_tables_hva(t, root);
	table[0] = memory | NPT_FLAGS;
	/* All tested accesses of L2 go through this entry, so it must be present and allow them. */
	table[L2_INDEX] = (table[L2_INDEX] & GENMASK_ULL(39, PAGE_SHIFT)) | NPT_FLAGS;
}

static bool is_page(const struct mmu_tables *t, uint64_t entry, int level)
{
	return level == 1 || (entry & PT_PAGE_SIZE_MASK && level <= 2 + t->has_gbpages);
}

/* Intel SDM, "4-Level Paging and 5-Level Paging". */
static bool is_reserved(const struct mmu_tables *t, uint64_t entry, int level)
{
	uint64_t mask = GENMASK_ULL(51, t->vm->pa_bits);

	if (!t->nx)
		mask |= PT64_NX_MASK;
	if (level > 1 && !is_page(t, entry, level))
		mask |= level > 2 ? PT_PAGE_SIZE_MASK : 0;
	else if (level > 1)
		/* Bit 12 is PAT. */
		mask |= GENMASK_ULL(PAGE_SHIFT + 9 * (level - 1) - 1, PAGE_SHIFT + 1);
	return entry & mask;
}

static bool is_allowed(const struct mmu_tables *t, const struct mmu_tables_access *access,
		       uint64_t rights)
{
	/* Nested page tables treat L2's accesses as user accesses: AMD APM, "Nested Table Walk". */
	bool user = access->flags & MMU_TABLES_USER || t->nested;
	bool page_of_user = rights & PT_USER_MASK;

	if (user && !page_of_user)
		return false;
	if (access->kind == PROBE_EXEC)
		return !(rights & PT64_NX_MASK) && !(t->smep && !user && page_of_user);
	if (t->smap && !user && page_of_user && !(access->flags & MMU_TABLES_AC))
		return false;
	return access->kind == PROBE_READ || rights & PT_WRITABLE_MASK || (!user && !t->wp);
}

static void set_fault(const struct mmu_tables *t, const struct mmu_tables_access *access,
		      struct mmu_tables_walk *walk, uint32_t error)
{
	walk->fault = true;
	walk->error = error;
	if (access->kind == PROBE_WRITE)
		walk->error |= ERROR_WRITE;
	if (access->flags & MMU_TABLES_USER || t->nested)
		walk->error |= ERROR_USER;
	if (access->kind == PROBE_EXEC && (t->nx || t->smep))
		walk->error |= ERROR_FETCH;
}

/**
 * mmu_tables_walk() - Predict the translation of an access
 * @t: the tables in their present state; the prediction ignores entries that a CPU has cached
 * @access: the access
 * @walk: the prediction
 *
 * The rules are those of the architecture (Intel SDM, "Paging", AMD APM, "Page-Protection
 * Checks"), but for tables in a hole: KVM chooses to treat their entries as not present, see
 * FNAME(walk_addr_generic)().
 */
void mmu_tables_walk(const struct mmu_tables *t, const struct mmu_tables_access *access,
		     struct mmu_tables_walk *walk)
{
	uint64_t rights = PT_WRITABLE_MASK | PT_USER_MASK, table = t->pgd, entry = 0, size;
	int level;

	memset(walk, 0, sizeof(*walk));
	for (level = t->levels; level > 0; level--) {
		uint64_t *hva = mmu_tables_hva(t, table);

		walk->table_in_hole = !hva;
		if (!hva)
			return set_fault(t, access, walk, 0);
		hva += access->gva >> (PAGE_SHIFT + 9 * (level - 1)) & 0x1ff;
		entry = READ_ONCE(*hva);
		if (!(entry & PT_PRESENT_MASK))
			return set_fault(t, access, walk, 0);
		if (is_reserved(t, entry, level))
			return set_fault(t, access, walk, ERROR_PRESENT | ERROR_RESERVED);
		walk->entry[walk->nr_entries++] = hva;
		/* W and U must be set in all entries, and NX in none. */
		rights = (rights & entry) | ((rights | entry) & PT64_NX_MASK);
		if (is_page(t, entry, level))
			break;
		table = PTE_GET_PA(entry);
	}
	if (!is_allowed(t, access, rights))
		return set_fault(t, access, walk, ERROR_PRESENT);

	size = PAGE_SIZE << (9 * (level - 1));
	walk->gpa = (PTE_GET_PA(entry) & ~(size - 1)) | (access->gva & (size - 1));
	walk->hva = mmu_tables_hva(t, walk->gpa);
}

/* @seen belongs to the current probe.  The host drops values that the guest writes to MMIO. */
static void serve_mmio(struct mmu_tables *t, struct mmu_tables_seen *seen)
{
	struct kvm_run *run = t->vcpu->run;
	uint64_t tag = mmu_tables_tag(t, run->mmio.phys_addr);

	if (seen)
		seen->mmio = run->mmio.phys_addr;
	if (!run->mmio.is_write)
		memcpy(run->mmio.data, &tag, run->mmio.len);
}

static struct mmu_tables_seen *find_seen(struct mmu_tables *t, struct mmu_tables_batch *b)
{
	unsigned int i;

	for (i = 0; i < b->nr; i++)
		if (!b->seen[i].vector)
			return &b->seen[i];
	return NULL;
}

/**
 * mmu_tables_run() - Have the guest execute its batch
 * @t: the tables
 * @failure: buffer for a message, filled in if this function returns false
 * @size: size of @failure, in bytes
 *
 * Return: false if the guest did not complete the batch.
 */
bool mmu_tables_run(struct mmu_tables *t, char *failure, size_t size)
{
	struct mmu_tables_batch *b = mmu_tables_batch(t);
	struct kvm_run *run = t->vcpu->run;
	struct ucall uc;

	memset(b->seen, 0, sizeof(b->seen));
	for (;;) {
		if (__vcpu_run(t->vcpu)) {
			snprintf(failure, size, "KVM_RUN: %s", strerror(errno));
			return false;
		}
		if (run->exit_reason == KVM_EXIT_IO && run->io.port == MMU_ROOT_EXIT_PORT)
			return true;
		if (run->exit_reason != KVM_EXIT_MMIO)
			break;
		serve_mmio(t, find_seen(t, b));
	}
	if (run->exit_reason == KVM_EXIT_IO && get_ucall(t->vcpu, &uc) == UCALL_ABORT)
		snprintf(failure, size, "guest: %s", uc.buffer);
	else if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		snprintf(failure, size, "KVM_RUN ended with internal error %u",
			 run->internal.suberror);
	else
		snprintf(failure, size, "KVM_RUN ended with %s",
			 exit_reason_str(run->exit_reason));
	return false;
}
