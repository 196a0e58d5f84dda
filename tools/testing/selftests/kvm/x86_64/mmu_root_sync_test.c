// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a guest sees what it has written to its page tables.
 *
 * With shadow paging, KVM lets a guest write to its page tables without an exit, and
 * synchronizes its shadow pages when the guest invalidates translations.  KVM does so
 * at a reset of the MMU, too: kvm_mmu_load() synchronizes the root, whether the root
 * is new or was found again.  A change that makes resets cheaper must not lose that;
 * no counter would tell.
 *
 * The guest has a window, i.e. an address that shows one of two pages of its data.  The
 * guest writes the address of the other page to the window's entry, invalidates the
 * translation, and reads.
 *
 * Other cases test which roots in prev_roots[] KVM drops on INVPCID, and which it keeps; and
 * flushes that another vCPU asks for while the vCPU does not run.
 */
#include <stdio.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_modes.h"
#include "mmu_roots_paths.h"

/* This is beyond all memory of the library and of mmu_root_path_vm_create(). */
#define NO_MEMORY_GPA	0x60000000ul

#define NR_TURNS	100
#define NR_PAGES	2

/* The page table that maps the data maps the window, too. */
#define WINDOW_GVA	(MMU_ROOT_DATA_GVA + MMU_ROOT_DATA_PAGES * PAGE_SIZE)
/* The guest accesses that page table here. */
#define TABLE_GVA	0x50000000ul
#define WINDOW_INDEX	(WINDOW_GVA >> PAGE_SHIFT & 0x1ff)

/* The PTEs of the pages of the data, and the address of a copy of the PGD. */
static uint64_t entries[NR_PAGES];
static uint64_t other_pgd;

/* The window's entries above the last level: where the guest has each, and its two values. */
#define NR_UPPER_TURNS	20
#define MAX_LEVELS	5

static struct upper_entry {
	uint64_t gva;
	uint64_t value[NR_PAGES];
} uppers[MAX_LEVELS - 1];
static uint64_t nr_uppers;

/* The guest's copy of its CR4. */
static uint64_t guest_cr4;

static void guest_begin(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_cr4 = guest_initial_cr4;
}

static void op_invlpg(void)
{
	asm volatile("invlpg (%0)" : : "r" (WINDOW_GVA) : "memory");
}

static void op_cr3(void)
{
	set_cr3(guest_initial_cr3);
}

static void op_other_pgd(void)
{
	set_cr3(other_pgd);
	set_cr3(guest_initial_cr3);
}

static void op_cr4_pge(void)
{
	guest_flip_cr4(&guest_cr4, X86_CR4_PGE);
}

static void op_clear_smep(void)
{
	guest_flip_cr4(&guest_cr4, guest_cr4 & X86_CR4_SMEP);
}

static void op_set_smep(void)
{
	guest_flip_cr4(&guest_cr4, ~guest_cr4 & X86_CR4_SMEP);
}

static bool has_smep(void)
{
	return kvm_cpu_has(X86_FEATURE_SMEP);
}

FIXTURE(sync) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: how the guest invalidates the translation
 * @prepare: what the guest does before it writes to its page table; NULL if nothing
 * @invalidate: what the guest does after it has written
 * @supported: whether KVM can do it on this host; NULL if always
 *
 * The variants are those of Intel SDM, "Operations that Invalidate TLBs and Paging-Structure
 * Caches".
 */
FIXTURE_VARIANT(sync) {
	const char *name;
	void (*prepare)(void);
	void (*invalidate)(void);
	bool (*supported)(void);
};

FIXTURE_VARIANT_ADD(sync, invlpg) {
	.name = "INVLPG", .invalidate = op_invlpg,
};

FIXTURE_VARIANT_ADD(sync, cr3) {
	.name = "CR3", .invalidate = op_cr3,
};

/* The guest goes to another PGD, and back to a root that KVM has kept in prev_roots[]. */
FIXTURE_VARIANT_ADD(sync, another_pgd) {
	.name = "another PGD", .invalidate = op_other_pgd,
};

FIXTURE_VARIANT_ADD(sync, cr4_pge) {
	.name = "CR4.PGE", .invalidate = op_cr4_pge,
};

/* The guest invalidates by setting CR4.SMEP, not by clearing it. */
FIXTURE_VARIANT_ADD(sync, cr4_smep) {
	.name = "CR4.SMEP", .prepare = op_clear_smep, .invalidate = op_set_smep,
	.supported = has_smep,
};

static void guest_code(void (*prepare)(void), void (*invalidate)(void))
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t *window = (uint64_t *)WINDOW_GVA;
	uint64_t *table = (uint64_t *)TABLE_GVA;
	uint64_t i, page, seen;

	guest_begin();
	for (i = 0; i < NR_TURNS; i++) {
		page = i % NR_PAGES;
		if (prepare)
			prepare();
		WRITE_ONCE(table[WINDOW_INDEX], entries[page]);
		invalidate();
		seen = READ_ONCE(*window);
		__GUEST_ASSERT(seen == data[page * (PAGE_SIZE / sizeof(*data))],
			       "turn %lu: the window does not show page %lu", i, page);
	}
	GUEST_DONE();
}

/* The guest takes the permission to write from the window's entry, and gives it back. */
static void guest_permission_code(void (*prepare)(void), void (*invalidate)(void))
{
	/* Without A in an entry, KVM drops the SPTE instead of changing it: FNAME(sync_spte)(). */
	uint64_t entry = entries[0] | PT_ACCESSED_MASK | PT_DIRTY_MASK;
	uint64_t *table = (uint64_t *)TABLE_GVA;
	bool read_only;
	uint8_t vector;
	uint64_t i;

	guest_begin();
	/* The guest is a kernel, which cannot write to read-only pages if CR0.WP is set. */
	mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
	for (i = 0; i < NR_TURNS; i++) {
		read_only = i % 2;
		if (prepare)
			prepare();
		WRITE_ONCE(table[WINDOW_INDEX],
			   entry & ~(read_only ? PT_WRITABLE_MASK : 0));
		invalidate();
		vector = kvm_asm_safe("orl $0, (%[addr])", [addr] "r" (WINDOW_GVA));
		__GUEST_ASSERT(vector == (read_only ? PF_VECTOR : 0),
			       "turn %lu: a write to a page that is %s raised vector %u", i,
			       read_only ? "read-only" : "writable", vector);
	}
	GUEST_DONE();
}

/* KVM emulates a locked instruction by other code than a plain write. */
static void guest_write_entry(uint64_t *entry, uint64_t value, bool locked)
{
	uint64_t old = READ_ONCE(*entry);

	if (!locked)
		WRITE_ONCE(*entry, value);
	else
		while (!__atomic_compare_exchange_n(entry, &old, value, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
}

static void guest_upper_code(void (*prepare)(void), void (*invalidate)(void), bool locked)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t *window = (uint64_t *)WINDOW_GVA;
	uint64_t i, turn, page, seen;

	guest_begin();
	for (i = 0; i < nr_uppers; i++) {
		/* The turns of a level end with page 0, on which those of the next level rely. */
		for (turn = NR_UPPER_TURNS; turn-- > 0;) {
			page = turn % NR_PAGES;
			if (prepare)
				prepare();
			guest_write_entry((uint64_t *)uppers[i].gva, uppers[i].value[page],
					  locked);
			invalidate();
			seen = READ_ONCE(*window);
			__GUEST_ASSERT(seen == data[page * (PAGE_SIZE / sizeof(*data))],
				       "level %lu: the window does not show page %lu",
				       i + 2, page);
		}
	}
	GUEST_DONE();
}

/* Set up the window before the guest runs, because KVM does not see what the host writes. */
static void open_window(struct kvm_vm *vm)
{
	uint64_t *entry;
	int i;

	for (i = 0; i < NR_PAGES; i++) {
		entry = vm_get_pte(vm, MMU_ROOT_DATA_GVA + i * PAGE_SIZE);
		entries[i] = *entry;
	}
	virt_pg_map(vm, WINDOW_GVA, PTE_GET_PA(entries[0]));
	virt_pg_map(vm, TABLE_GVA, addr_hva2gpa(vm, entry) & PAGE_MASK);

	other_pgd = vm_alloc_page_table(vm);
	memcpy(addr_gpa2hva(vm, other_pgd), addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	sync_global_to_guest(vm, entries);
	sync_global_to_guest(vm, other_pgd);
}

/* Find the window's entry in @table, which is a table of @level. */
static uint64_t *window_entry(struct kvm_vm *vm, uint64_t table, int level)
{
	/* Nine bits of the address for each level. */
	return (uint64_t *)addr_gpa2hva(vm, table) +
	       (WINDOW_GVA >> (PAGE_SHIFT + 9 * (level - 1)) & 0x1ff);
}

/* Copy all tables on the way to the window, and set its entry to @leaf; return the new PGD. */
static uint64_t clone_tables_of_window(struct kvm_vm *vm, uint64_t leaf)
{
	uint64_t table = mmu_roots_pgd(vm), pgd = 0, copy;
	uint64_t *entry = NULL;
	int level;

	for (level = mmu_roots_pgtable_levels(vm); level > 0; level--) {
		copy = vm_alloc_page_table(vm);
		memcpy(addr_gpa2hva(vm, copy), addr_gpa2hva(vm, table), PAGE_SIZE);
		if (entry)
			*entry = (*entry & ~PHYSICAL_PAGE_MASK) | copy;
		else
			pgd = copy;
		entry = window_entry(vm, copy, level);
		table = PTE_GET_PA(*entry);
	}
	*entry = leaf;
	return pgd;
}

/* Have two values for each entry above the last level: one leads to page 0, one to page 1. */
static void open_upper_tables(struct kvm_vm *vm)
{
	uint64_t table, other;
	int level;

	nr_uppers = mmu_roots_pgtable_levels(vm) - 1;
	for (level = mmu_roots_pgtable_levels(vm), table = mmu_roots_pgd(vm); level > 1; level--) {
		struct upper_entry *upper = &uppers[level - 2];

		upper->gva = TABLE_GVA + (level - 1) * PAGE_SIZE;
		virt_pg_map(vm, upper->gva, table);
		upper->gva += (uintptr_t)window_entry(vm, table, level) % PAGE_SIZE;
		table = PTE_GET_PA(*window_entry(vm, table, level));
	}

	other = clone_tables_of_window(vm, entries[1]);
	for (level = mmu_roots_pgtable_levels(vm), table = mmu_roots_pgd(vm); level > 1; level--) {
		struct upper_entry *upper = &uppers[level - 2];

		upper->value[0] = *window_entry(vm, table, level);
		upper->value[1] = *window_entry(vm, other, level);
		table = PTE_GET_PA(upper->value[0]);
		other = PTE_GET_PA(upper->value[1]);
	}
	sync_global_to_guest(vm, uppers);
	sync_global_to_guest(vm, nr_uppers);
}

FIXTURE_SETUP(sync)
{
	struct kvm_vm *vm;

	__TEST_REQUIRE(!variant->supported || variant->supported(),
		       "KVM does not support %s on this host", variant->name);
	vm = mmu_root_path_vm_create(&self->vcpu, guest_code);
	open_window(vm);
	vcpu_args_set(self->vcpu, 2, variant->prepare, variant->invalidate);
	mmu_roots_open(&self->roots, vm, variant->name);
}

FIXTURE_TEARDOWN(sync)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(sync, page_tables_are_as_written)
{
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
}

TEST_F(sync, permissions_are_as_written)
{
	struct ucall uc;

	vcpu_arch_set_entry_point(self->vcpu, guest_permission_code);
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
}

/*
 * KVM sees each write to a table above the last level, and to the PGD, so its shadow pages of
 * these are never out of date.  After many writes, KVM takes the guest's page for something else
 * than a table, and zaps its shadow page, even the current root: detect_write_flooding().
 */
static void run_upper_code(struct kvm_vcpu *vcpu, void (*prepare)(void), void (*invalidate)(void),
			   bool locked)
{
	struct ucall uc;

	mmu_roots_require_applicable(!kvm_is_tdp_enabled(), "shadow page tables are not used");
	open_upper_tables(vcpu->vm);
	vcpu_arch_set_entry_point(vcpu, guest_upper_code);
	vcpu_args_set(vcpu, 3, prepare, invalidate, locked);
	mmu_root_path_run(vcpu, &uc, UCALL_DONE);
}

TEST_F(sync, upper_tables_are_as_written)
{
	run_upper_code(self->vcpu, variant->prepare, variant->invalidate, false);
}

TEST_F(sync, upper_tables_are_as_exchanged)
{
	run_upper_code(self->vcpu, variant->prepare, variant->invalidate, true);
}

/*
 * The guest goes from one PGD to the next, each of which shows another page in the window.
 * There are as many PGDs as the current root and prev_roots[] can hold, or one more.  With
 * two-dimensional paging the CPU switches PGDs, and KVM does not see it.
 */
#define MAX_PGDS		5
#define NR_SWITCHES		100

static uint64_t pgds[MAX_PGDS];

static void guest_pgd_code(uint64_t nr_pgds)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t *window = (uint64_t *)WINDOW_GVA;
	uint64_t i, page, seen;

	guest_begin();
	for (i = 1; ; i++) {
		page = i % nr_pgds;
		set_cr3(pgds[page]);
		seen = READ_ONCE(*window);
		__GUEST_ASSERT(seen == data[page * (PAGE_SIZE / sizeof(*data))],
			       "switch %lu: the window does not show page %lu", i, page);
		if (i % NR_SWITCHES == 0)
			GUEST_SYNC(i);
	}
}

FIXTURE(pgd) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(pgd) {
	const char *name;
	uint64_t nr_pgds;
	struct mmu_root_counts shadow;
};

FIXTURE_VARIANT_ADD(pgd, all_cached) {
	"L1-CR3-4", 4, { .hits = 1, .roots = 4, .flushes = 2 },
};

FIXTURE_VARIANT_ADD(pgd, one_too_many) {
	"L1-CR3-5", 5, { .loads = 1, .found = 1, .misses = 1, .roots = 5, .flushes = 2 },
};

FIXTURE_SETUP(pgd)
{
	struct kvm_vm *vm;
	uint64_t *leaf, i;

	printf("#@ path=%s\n", variant->name);
	mmu_roots_pin();
	vm = mmu_root_path_vm_create(&self->vcpu, guest_pgd_code);
	vcpu_args_set(self->vcpu, 1, variant->nr_pgds);
	open_window(vm);
	pgds[0] = mmu_roots_pgd(vm);
	for (i = 1; i < variant->nr_pgds; i++) {
		leaf = vm_get_pte(vm, MMU_ROOT_DATA_GVA + i * PAGE_SIZE);
		pgds[i] = clone_tables_of_window(vm, *leaf);
	}
	sync_global_to_guest(vm, pgds);
	mmu_roots_open(&self->roots, vm, variant->name);
}

FIXTURE_TEARDOWN(pgd)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(pgd, each_shows_its_page)
{
	const struct mmu_root_counts tdp = { .roots = 1 };
	const struct mmu_root_counts *counts;
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;

	counts = kvm_is_tdp_enabled() ? &tdp : &variant->shadow;
	mmu_root_path_sync(self->vcpu);
	mmu_root_path_sync(self->vcpu);
	mmu_roots_read(roots, &warm);
	mmu_root_path_sync(self->vcpu);
	mmu_roots_read(roots, &storm);

	mmu_roots_report(variant->name, NR_SWITCHES, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts->roots);
	mmu_roots_expect_storm(roots, &warm, &storm, counts, NR_SWITCHES);
}

/*
 * Page tables must be as written in other paging modes, too.  With shadow paging, KVM has PAE
 * roots for modes outside IA-32e mode, i.e. special roots without a shadow page, see
 * kvm_mmu_sync_roots().  The guest makes each page of the data change places with another,
 * loads CR3, and reads.
 */
#define NR_PASSES	4

FIXTURE(sync_mode) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/* @mode: the guest's paging mode */
FIXTURE_VARIANT(sync_mode) {
	enum mmu_root_mode mode;
};

FIXTURE_VARIANT_ADD(sync_mode, 32bit) { MODE_32BIT };
FIXTURE_VARIANT_ADD(sync_mode, pae) { MODE_PAE };
FIXTURE_VARIANT_ADD(sync_mode, long) { MODE_COMPAT };

FIXTURE_SETUP(sync_mode)
{
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_root_mode_enter(self->vcpu, variant->mode);
	mmu_root_mode_start_pte(self->vcpu, variant->mode);
	mmu_roots_open(&self->roots, self->vcpu->vm, "CR3");
}

FIXTURE_TEARDOWN(sync_mode)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(sync_mode, page_tables_are_as_written)
{
	bool mirrored = false;
	int i;

	for (i = 0; i < NR_PASSES; i++) {
		mirrored = !mirrored;
		mmu_root_mode_expect_data(&self->roots, self->vcpu, mirrored);
	}
}

/* A page table of 32-bit paging has so many entries, and maps so much memory. */
#define NR_32BIT_PTES	1024
#define SIZE_OF_32BIT_PT	(NR_32BIT_PTES * PAGE_SIZE)

/* Have the guest change, and use, the entries of one half of its table. */
static void set_half(struct kvm_vcpu *vcpu, uint64_t table, int half)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	regs.rdx = table + half * PAGE_SIZE / 2;
	regs.rsi = MMU_ROOT_DATA_GVA + half * SIZE_OF_32BIT_PT / 2;
	vcpu_regs_set(vcpu, &regs);
}

/*
 * KVM shadows each half of a table of 32-bit paging by a page of its own (role.quadrant).  The
 * second half maps the pages of the data in reverse order at first.
 */
TEST(halves_of_a_32bit_table)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	uint32_t *table;
	int i, half;

	mmu_root_path_vm_create(&vcpu, NULL);
	mmu_root_mode_install(vcpu);
	mmu_root_mode_enter(vcpu, MODE_32BIT);
	mmu_root_mode_start_pte(vcpu, MODE_32BIT);
	vcpu_regs_get(vcpu, &regs);
	table = addr_gpa2hva(vcpu->vm, regs.rdx);
	for (i = 0; i < MMU_ROOT_DATA_PAGES; i++)
		table[NR_32BIT_PTES / 2 + i] = table[MMU_ROOT_DATA_PAGES - 1 - i];
	mmu_roots_open(&roots, vcpu->vm, "CR3");
	for (i = 0; i < NR_PASSES; i++) {
		for (half = 0; half < 2; half++) {
			set_half(vcpu, regs.rdx, half);
			mmu_root_mode_expect_data(&roots, vcpu, i % 2 == half);
		}
	}
	mmu_roots_vm_free(&roots);
}

/*
 * With shadow paging, KVM finds roots in prev_roots[] by their PGD and PCID, although the
 * PCID makes no difference to the root itself.  On INVPCID, KVM must drop those with the
 * PCID that the guest names, and no others, see kvm_invalidate_pcid().  With two-dimensional
 * paging the CPU executes INVPCID: this is the control, where KVM must count nothing.
 */
#define HOME_PCID		1
#define OTHER_PCID		2
#define UNUSED_PCID		3
#define NR_INVPCIDS		20

/* This bit keeps the PCID's translations: Intel SDM, "MOV-Move to/from Control Registers". */
#define CR3_NOFLUSH		BIT_ULL(63)

/* Intel SDM, "INVPCID". */
#define INVPCID_ADDRESS			0
#define INVPCID_SINGLE_CONTEXT		1
#define INVPCID_ALL_WITH_GLOBAL		2
#define INVPCID_ALL			3

static void guest_invpcid_type(uint64_t type, uint64_t pcid, uint64_t address)
{
	struct {
		uint64_t pcid;
		uint64_t address;
	} operand = { .pcid = pcid, .address = address };

	asm volatile("invpcid %[operand], %[type]"
		     : : [operand] "m" (operand), [type] "r" (type) : "memory");
}

static void guest_invpcid(uint64_t pcid)
{
	guest_invpcid_type(INVPCID_SINGLE_CONTEXT, pcid, 0);
}

static void guest_pcid_code(uint64_t pcid)
{
	uint64_t pgd = guest_initial_cr3;

	guest_begin();
	guest_flip_cr4(&guest_cr4, X86_CR4_PCIDE);
	for (;;) {
		set_cr3(pgd | OTHER_PCID | CR3_NOFLUSH);
		set_cr3(pgd | HOME_PCID | CR3_NOFLUSH);
		guest_invpcid(pcid);
		GUEST_SYNC(0);
	}
}

FIXTURE(invpcid) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @pcid: the PCID that INVPCID names
 * @shadow: the counts of a round with shadow paging, where two PCIDs share one root
 */
FIXTURE_VARIANT(invpcid) {
	uint64_t pcid;
	struct mmu_root_counts shadow;
};

FIXTURE_VARIANT_ADD(invpcid, other) {
	OTHER_PCID, { .loads = 1, .found = 1, .hits = 1, .misses = 1 },
};

FIXTURE_VARIANT_ADD(invpcid, unused) { UNUSED_PCID, { .hits = 2 } };

FIXTURE_SETUP(invpcid)
{
	printf("#@ path=INVPCID\n");
	mmu_root_path_require(PATH_CR4_PCIDE);
	__TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_INVPCID), "KVM does not offer INVPCID");
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, guest_pcid_code);
	vcpu_args_set(self->vcpu, 1, variant->pcid);
	mmu_roots_open(&self->roots, self->vcpu->vm, "INVPCID");
}

FIXTURE_TEARDOWN(invpcid)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(invpcid, drops_what_it_names)
{
	const struct mmu_root_counts none = {};
	struct mmu_roots_snapshot warm, storm;
	struct mmu_roots *roots = &self->roots;
	int i;

	for (i = 0; i < 2; i++)
		mmu_root_path_sync(self->vcpu);
	mmu_roots_read(roots, &warm);
	for (i = 0; i < NR_INVPCIDS; i++)
		mmu_root_path_sync(self->vcpu);
	mmu_roots_read(roots, &storm);

	mmu_roots_report("INVPCID", NR_INVPCIDS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, 1);
	mmu_roots_expect_storm(roots, &warm, &storm,
			       kvm_is_tdp_enabled() ? &none : &variant->shadow, NR_INVPCIDS);
}

static void op_invpcid_address(void)
{
	guest_invpcid_type(INVPCID_ADDRESS, OTHER_PCID, WINDOW_GVA);
}

static void op_invpcid_single(void)
{
	guest_invpcid_type(INVPCID_SINGLE_CONTEXT, OTHER_PCID, 0);
}

static void op_invpcid_all_with_global(void)
{
	guest_invpcid_type(INVPCID_ALL_WITH_GLOBAL, 0, 0);
}

static void op_invpcid_all(void)
{
	guest_invpcid_type(INVPCID_ALL, 0, 0);
}

/* A switch to a PGD invalidates all translations of its PCID, also those of other PGDs. */
static void op_cr3_of_other_pcid(void)
{
	set_cr3(pgds[0] | OTHER_PCID);
	set_cr3(pgds[0] | HOME_PCID | CR3_NOFLUSH);
}

/* The guest accesses the last page table of the other PGD here. */
#define OTHER_TABLE_GVA		(TABLE_GVA + MAX_LEVELS * PAGE_SIZE)

/*
 * The guest changes the window's entry below another PGD, which has a PCID of its own,
 * invalidates the translation while on its first PGD, goes to the other PGD, and reads.  The
 * switch of PGDs itself invalidates nothing.
 */
static void guest_other_pcid_code(void (*invalidate)(void), uint64_t flags)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t *window = (uint64_t *)WINDOW_GVA;
	uint64_t *table = (uint64_t *)OTHER_TABLE_GVA;
	uint64_t i, page, seen;

	guest_begin();
	guest_flip_cr4(&guest_cr4, X86_CR4_PCIDE | (~guest_cr4 & X86_CR4_PGE));
	for (i = 0; i < NR_TURNS; i++) {
		page = i % NR_PAGES;
		WRITE_ONCE(table[WINDOW_INDEX], entries[page] | flags);
		invalidate();
		set_cr3(pgds[1] | OTHER_PCID | CR3_NOFLUSH);
		seen = READ_ONCE(*window);
		set_cr3(pgds[0] | HOME_PCID | CR3_NOFLUSH);
		__GUEST_ASSERT(seen == data[page * (PAGE_SIZE / sizeof(*data))],
			       "turn %lu: the window does not show page %lu", i, page);
	}
	GUEST_DONE();
}

FIXTURE(other_pcid) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: the operation that invalidates
 * @invalidate: performs the operation, in the guest
 * @flags: flags of the window's entry, beside those that the library sets
 * @invpcid: the operation needs INVPCID
 */
FIXTURE_VARIANT(other_pcid) {
	const char *name;
	void (*invalidate)(void);
	uint64_t flags;
	bool invpcid;
};

FIXTURE_VARIANT_ADD(other_pcid, cr4_pge) { "CR4.PGE", op_cr4_pge };
FIXTURE_VARIANT_ADD(other_pcid, cr3) { "CR3", op_cr3_of_other_pcid };
/* INVLPG invalidates global translations of all PCIDs. */
FIXTURE_VARIANT_ADD(other_pcid, invlpg_global) { "INVLPG", op_invlpg, PT_GLOBAL_MASK };
FIXTURE_VARIANT_ADD(other_pcid, invpcid_address) { "INVPCID-0", op_invpcid_address, 0, true };
FIXTURE_VARIANT_ADD(other_pcid, invpcid_single) { "INVPCID-1", op_invpcid_single, 0, true };
FIXTURE_VARIANT_ADD(other_pcid, invpcid_all_with_global) {
	"INVPCID-2", op_invpcid_all_with_global, PT_GLOBAL_MASK, true
};

FIXTURE_VARIANT_ADD(other_pcid, invpcid_all) { "INVPCID-3", op_invpcid_all, 0, true };

static uint64_t last_table_of_window(struct kvm_vm *vm, uint64_t table)
{
	int level;

	for (level = mmu_roots_pgtable_levels(vm); level > 1; level--)
		table = PTE_GET_PA(*window_entry(vm, table, level));
	return table;
}

FIXTURE_SETUP(other_pcid)
{
	struct kvm_vm *vm;

	mmu_roots_require_applicable(!kvm_is_tdp_enabled(), "shadow page tables are not used");
	mmu_root_path_require(PATH_CR4_PCIDE);
	__TEST_REQUIRE(!variant->invpcid || kvm_cpu_has(X86_FEATURE_INVPCID),
		       "KVM does not offer INVPCID");
	vm = mmu_root_path_vm_create(&self->vcpu, guest_other_pcid_code);
	vcpu_args_set(self->vcpu, 2, variant->invalidate, variant->flags);
	open_window(vm);
	/* Create the tables on the way; the last entry is set below, once the tables are copied. */
	virt_pg_map(vm, OTHER_TABLE_GVA, PTE_GET_PA(entries[0]));
	pgds[0] = mmu_roots_pgd(vm);
	pgds[1] = clone_tables_of_window(vm, entries[0]);
	*vm_get_pte(vm, OTHER_TABLE_GVA) =
		(entries[0] & ~PHYSICAL_PAGE_MASK) | last_table_of_window(vm, pgds[1]);
	sync_global_to_guest(vm, pgds);
	mmu_roots_open(&self->roots, vm, variant->name);
}

FIXTURE_TEARDOWN(other_pcid)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(other_pcid, is_as_written)
{
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
}

#define MMIO_TAG	0x6d6d696f
#define NR_MMIO_TURNS	4

/*
 * The window shows MMIO with one PGD, and a page of the data with the other one.  With PCIDs the
 * guest switches PGDs without a flush, because KVM forgets cached MMIO on a flush as well.  KVM
 * emulates a read and a write, because KVM checks another permission for each, and may cache
 * either.
 */
static void guest_mmio_code(bool has_pcid)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t i, seen, written;

	guest_begin();
	if (has_pcid)
		guest_flip_cr4(&guest_cr4, X86_CR4_PCIDE);
	for (i = 0; i < NR_MMIO_TURNS; i++) {
		set_cr3(pgds[1] | (has_pcid ? OTHER_PCID | CR3_NOFLUSH : 0));
		seen = READ_ONCE(*(uint64_t *)WINDOW_GVA);
		__GUEST_ASSERT(seen == MMIO_TAG, "turn %lu: MMIO is %lx", i, seen);
		set_cr3(pgds[0] | (has_pcid ? HOME_PCID | CR3_NOFLUSH : 0));
		asm volatile(KVM_FEP "mov (%[window]), %[seen]"
			     : [seen] "=r" (seen) : [window] "r" (WINDOW_GVA) : "memory");
		__GUEST_ASSERT(seen == data[0], "turn %lu: the window shows %lx, expected %lx",
			       i, seen, data[0]);
		written = ~seen;
		asm volatile(KVM_FEP "mov %[written], (%[window])"
			     :: [written] "r" (written), [window] "r" (WINDOW_GVA) : "memory");
		seen = READ_ONCE(data[0]);
		__GUEST_ASSERT(seen == written, "turn %lu: the data are %lx, written was %lx",
			       i, seen, written);
	}
	GUEST_DONE();
}

static void answer_mmio(struct mmu_roots *roots, struct kvm_run *run)
{
	uint64_t tag = MMIO_TAG;

	mmu_roots_check(roots, run->exit_reason == KVM_EXIT_MMIO &&
			run->mmio.phys_addr == NO_MEMORY_GPA,
			"the guest left with %s, expected MMIO at %#lx",
			exit_reason_str(run->exit_reason), NO_MEMORY_GPA);
	mmu_roots_check(roots, !run->mmio.is_write, "a write to memory was an MMIO");
	memcpy(run->mmio.data, &tag, sizeof(tag));
}

/*
 * With shadow paging, KVM caches the virtual address of the guest's last MMIO, to spare its
 * emulator the translation.  KVM must forget the address when the guest switches its PGD.
 */
TEST(mmio_of_another_pgd)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct ucall uc;
	int i;

	printf("#@ path=CR3\n");
	mmu_roots_require_applicable(!kvm_is_tdp_enabled(),
				     "KVM remembers MMIO by its guest-physical address");
	mmu_roots_force_emulation();
	mmu_root_path_vm_create(&vcpu, guest_mmio_code);
	vcpu_args_set(vcpu, 1, kvm_cpu_has(X86_FEATURE_PCID));
	open_window(vcpu->vm);
	pgds[0] = mmu_roots_pgd(vcpu->vm);
	/* A page that is not dirty is one that KVM remembers as read-only. */
	pgds[1] = clone_tables_of_window(vcpu->vm, (entries[0] & ~PHYSICAL_PAGE_MASK) |
						   NO_MEMORY_GPA | PT_DIRTY_MASK);
	sync_global_to_guest(vcpu->vm, pgds);
	mmu_roots_open(&roots, vcpu->vm, "MMIO");
	for (i = 0; i < NR_MMIO_TURNS; i++) {
		vcpu_run(vcpu);
		answer_mmio(&roots, vcpu->run);
	}
	mmu_root_path_run(vcpu, &uc, UCALL_DONE);
	mmu_root_params_restore();
	mmu_roots_vm_free(&roots);
}

static void guest_lost_code(void)
{
	guest_begin();
	GUEST_SYNC(0);
	set_cr3(NO_MEMORY_GPA);
}

/*
 * If a guest's CR3 points to no memory, KVM loads a dummy root that maps nothing, and that
 * counts neither as built nor as found (kvm_mmu_get_dummy_root()); the guest shuts down.
 */
TEST(pgd_where_there_is_no_memory)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;

	mmu_roots_require_applicable(!kvm_is_tdp_enabled(),
				     "KVM does not look up the guest's PGD with two-dimensional paging");
	mmu_root_path_vm_create(&vcpu, guest_lost_code);
	mmu_roots_open(&roots, vcpu->vm, "no PGD");
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &before);
	vcpu_run(vcpu);
	mmu_roots_read(&roots, &after);
	mmu_roots_check(&roots, vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN,
			"the guest left with %s, expected a shutdown",
			exit_reason_str(vcpu->run->exit_reason));
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_CACHE_MISS, 1);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_REUSE, 0);
	mmu_roots_vm_free(&roots);
}

#define NR_STEAL_TURNS	6

/* The guest leaves it to KVM to invalidate the translation when the vCPU runs again. */
static void guest_steal_time_code(void)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t *window = (uint64_t *)WINDOW_GVA;
	uint64_t *table = (uint64_t *)TABLE_GVA;
	uint64_t i, page, seen;

	guest_begin();
	for (i = 0; i < NR_STEAL_TURNS; i++) {
		page = i % NR_PAGES;
		WRITE_ONCE(table[WINDOW_INDEX], entries[page]);
		GUEST_SYNC(0);
		seen = READ_ONCE(*window);
		__GUEST_ASSERT(seen == data[page * (PAGE_SIZE / sizeof(*data))],
			       "turn %lu: the window does not show page %lu", i, page);
		GUEST_SYNC(1);
	}
	GUEST_DONE();
}

/* Run the vCPU, and expect one flush if @flagged, or else none. */
static void run_and_count(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t cmd,
			  bool flagged)
{
	struct mmu_roots_snapshot before, after;
	struct ucall uc;

	mmu_roots_read(roots, &before);
	mmu_root_path_run(vcpu, &uc, cmd);
	mmu_roots_read(roots, &after);
	/* To synchronize shadow page tables may take flushes of its own. */
	if (kvm_is_tdp_enabled())
		mmu_roots_expect_growth(roots, &before, &after, TLB_FLUSH, flagged);
}

/*
 * A vCPU that wants to flush the TLB of another one, which does not run, may leave a note in the
 * other vCPU's steal time instead of an interrupt.  Userspace does what that vCPU would do.
 */
TEST(flush_in_steal_time)
{
	struct kvm_steal_time *steal;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	gva_t gva;
	int i;

	printf("#@ path=PV-flush\n");
	mmu_roots_require_applicable(kvm_cpu_has(X86_FEATURE_KVM_STEAL_TIME),
				     "KVM has no steal time without CONFIG_SCHED_INFO");
	mmu_roots_pin();
	vm = mmu_root_path_vm_create(&vcpu, guest_steal_time_code);
	open_window(vm);
	gva = vm_alloc_page(vm);
	steal = addr_gva2hva(vm, gva);
	vcpu_set_msr(vcpu, MSR_KVM_STEAL_TIME, addr_gva2gpa(vm, gva) | KVM_MSR_ENABLED);
	mmu_roots_open(&roots, vm, "PV-flush");
	mmu_root_path_sync(vcpu);
	for (i = 0; i < NR_STEAL_TURNS; i++) {
		__atomic_fetch_or(&steal->preempted, KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);
		run_and_count(&roots, vcpu, UCALL_SYNC, true);
		mmu_roots_check(&roots, !(steal->preempted & KVM_VCPU_FLUSH_TLB),
				"the note is still there after a flush");
		run_and_count(&roots, vcpu, i < NR_STEAL_TURNS - 1 ? UCALL_SYNC : UCALL_DONE,
			      false);
	}
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
