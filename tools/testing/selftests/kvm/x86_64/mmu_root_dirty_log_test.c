// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of a memslot must have each page that the guest has written since userspace last
 * cleared the page's log, and no other page.
 *
 * The guest writes in normal mode, in SMM, or in L2, and KVM's emulator writes for it.  The memory
 * is small or huge pages when the log begins, and userspace clears the log in each way that KVM
 * offers.  The test also checks the number of TLB flushes, and that KVM maps huge pages again after
 * the log has ended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Size of memslots without huge pages: the last word of their log is not full. */
#define NR_SMALL_PAGES		(MMU_ROOT_LEAF_PAGES - 3)

#define LOG_WORDS		(MMU_ROOT_LEAF_PAGES / BITS_PER_LONG)

/* Rounds in which the guest writes each page, and the log must have it. */
#define NR_ROUNDS		2

/* The memslot that has the page tables of the library, L1's nested ones among them. */
#define TABLES_SLOT		0

/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: how a log begins, and how it is cleared. */
static const uint64_t log_kinds[] = {
	/* All pages are clean at first, and KVM_GET_DIRTY_LOG clears the log. */
	0,
	/* All pages are clean at first, and KVM_CLEAR_DIRTY_LOG clears the log. */
	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	/* All pages are dirty at first, and KVM_CLEAR_DIRTY_LOG clears the log. */
	KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
};

/* Pages at the edges of words of the log and of huge pages; the setup fills in the last page. */
static uint64_t written[] = { 0, 1, 63, 64, 511, 512, 0 };

/* Pages that the guest reads, but never writes. */
static const uint64_t only_read[] = { 2, 65, 510, 513 };

#define LAST_WRITTEN		written[ARRAY_SIZE(written) - 1]

/* KVM splits eagerly only if the TDP MMU is in use, see kvm_mmu_slot_try_split_huge_pages(). */
static bool is_lazy(bool lazy)
{
	return lazy || mmu_root_mmu() != MMU_ROOT_TDP_MMU;
}

static void set_kind(struct kvm_vm *vm, uint64_t kind)
{
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, kind);
}

static void bits_of(uint64_t *bits, const uint64_t *pages, int nr)
{
	int i;

	memset(bits, 0, LOG_WORDS * sizeof(*bits));
	for (i = 0; i < nr; i++)
		bits[pages[i] / BITS_PER_LONG] |= BIT_ULL(pages[i] % BITS_PER_LONG);
}

/* KVM_GET_DIRTY_LOG also clears the log, unless userspace is to use KVM_CLEAR_DIRTY_LOG. */
static void expect_log(struct mmu_root_leaf *leaf, const uint64_t *expected, const char *when)
{
	uint64_t log[LOG_WORDS] = {};
	int i;

	kvm_vm_get_dirty_log(leaf->vcpu->vm, leaf->slot, log);
	for (i = 0; i < LOG_WORDS; i++)
		mmu_roots_check(&leaf->roots, log[i] == expected[i],
				"%s: word %d of the dirty log is %#lx, expected %#lx",
				when, i, log[i], expected[i]);
}

/* Clear the log of the pages that are set in @bits, among @nr pages from @first on. */
static void clear_log(struct mmu_root_leaf *leaf, uint64_t *bits, uint64_t first, uint64_t nr)
{
	kvm_vm_clear_dirty_log(leaf->vcpu->vm, leaf->slot, bits + first / BITS_PER_LONG,
			       first, nr);
}

/* Expect @least to @most flushes since @before, and update @before. */
static void expect_flushes_between(struct mmu_root_leaf *leaf, struct mmu_roots_snapshot *before,
				   uint64_t least, uint64_t most, const char *when)
{
	uint64_t old = before->stat[TLB_FLUSH_REQUESTS], new;

	mmu_roots_read(&leaf->roots, before);
	new = before->stat[TLB_FLUSH_REQUESTS];
	mmu_roots_check(&leaf->roots, new - old >= least && new - old <= most,
			"%s: remote_tlb_flush_requests: before %lu, after %lu, grew by %lu, expected %lu",
			when, old, new, new - old, least);
}

static void expect_flushes(struct mmu_root_leaf *leaf, struct mmu_roots_snapshot *before,
			   uint64_t nr, const char *when)
{
	expect_flushes_between(leaf, before, nr, nr, when);
}

/*
 * KVM may split huge pages before it write-protects them, and flushes once for all.  If KVM splits
 * huge pages of the shadow MMU, one more flush for each is not necessary, but some kernels flush
 * whenever they replace an entry, see __link_shadow_page().
 */
static void expect_flushes_and_splits(struct mmu_root_leaf *leaf,
				      struct mmu_roots_snapshot *before, uint64_t nr_split,
				      const char *when)
{
	bool shadow = leaf->viewer == LEAF_L2_NPT;

	expect_flushes_between(leaf, before, 1, 1 + (shadow ? nr_split : 0), when);
}

/*
 * KVM puts huge pages back when the log ends.  KVM flushes for them at the end, and each time that
 * KVM yields meanwhile, see tdp_mmu_iter_cond_resched() and __walk_slot_rmaps().
 */
static void expect_flushes_at_end(struct mmu_root_leaf *leaf, struct mmu_roots_snapshot *before,
				  bool put_back)
{
	expect_flushes_between(leaf, before, put_back ? 1 : 0,
			       put_back ? MMU_ROOT_LEAF_PAGES : 0, "ended");
}

FIXTURE(log) {
	struct mmu_root_leaf leaf;
};

/*
 * @viewer: who writes
 * @huge: the memory is huge pages
 * @lazy: KVM splits huge pages only when the guest writes to them
 */
FIXTURE_VARIANT(log) {
	enum mmu_root_leaf_viewer viewer;
	bool huge;
	bool lazy;
};

FIXTURE_VARIANT_ADD(log, small) { LEAF_NORMAL, false, false };
FIXTURE_VARIANT_ADD(log, huge) { LEAF_NORMAL, true, false };
FIXTURE_VARIANT_ADD(log, huge_lazy) { LEAF_NORMAL, true, true };
FIXTURE_VARIANT_ADD(log, smm_small) { LEAF_SMM, false, false };
FIXTURE_VARIANT_ADD(log, smm_huge) { LEAF_SMM, true, false };
FIXTURE_VARIANT_ADD(log, l2_small) { LEAF_L2, false, false };
FIXTURE_VARIANT_ADD(log, l2_huge) { LEAF_L2, true, false };
FIXTURE_VARIANT_ADD(log, l2_npt_small) { LEAF_L2_NPT, false, false };
FIXTURE_VARIANT_ADD(log, l2_npt_huge) { LEAF_L2_NPT, true, false };
FIXTURE_VARIANT_ADD(log, l2_npt_huge_lazy) { LEAF_L2_NPT, true, true };

FIXTURE_SETUP(log)
{
	printf("#@ path=dirty-log\n");
	mmu_root_param_set("eager_page_split", variant->lazy ? "N" : "Y");
	mmu_root_leaf_create(&self->leaf, "dirty-log", variant->viewer, variant->huge);
	if (!variant->huge) {
		mmu_root_leaf_delete_slot(&self->leaf);
		self->leaf.nr_pages = NR_SMALL_PAGES;
		mmu_root_leaf_set_slot(&self->leaf, 0);
	}
	LAST_WRITTEN = self->leaf.nr_pages - 1;
}

FIXTURE_TEARDOWN(log)
{
	mmu_root_params_restore();
	mmu_root_leaf_free(&self->leaf);
}

/*
 * Map all pages that the test is about; the writes come first.  With shadow paging, KVM maps pages
 * of a guest's huge page anew when the guest first writes to that huge page, see FNAME(fetch)().
 */
static void map_pages(struct mmu_root_leaf *leaf)
{
	mmu_root_leaf_access(leaf, LEAF_WRITE, written, ARRAY_SIZE(written));
	mmu_root_leaf_access(leaf, LEAF_READ, only_read, ARRAY_SIZE(only_read));
}

/* Begin the log, and leave all pages clean; KVM splits @nr_split huge pages, 0 if KVM is lazy. */
static void begin_log(struct mmu_root_leaf *leaf, uint64_t kind, uint64_t nr_split)
{
	struct mmu_roots_snapshot before, after;
	uint64_t all[LOG_WORDS], none[LOG_WORDS] = {};
	bool is_set = kind & KVM_DIRTY_LOG_INITIALLY_SET;
	uint64_t i;

	memset(all, 0, sizeof(all));
	for (i = 0; i < leaf->nr_pages; i++)
		all[i / BITS_PER_LONG] |= BIT_ULL(i % BITS_PER_LONG);

	set_kind(leaf->vcpu->vm, kind);
	mmu_roots_read(&leaf->roots, &before);
	after = before;
	mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
	if (is_set)
		expect_flushes(leaf, &after, 0, "begun");
	else
		expect_flushes_and_splits(leaf, &after, nr_split, "begun");
	expect_log(leaf, is_set ? all : none, "begun");
	expect_flushes(leaf, &after, 0, "read at first");
	if (is_set) {
		clear_log(leaf, all, 0, leaf->nr_pages);
		expect_flushes_and_splits(leaf, &after, nr_split, "cleared at first");
		expect_log(leaf, none, "cleared at first");
	}
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_2M, -nr_split);
	mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_4K,
				nr_split * MMU_ROOT_HUGE_PAGES);
}

/* Clear the log in two parts: the first word, and the rest. */
static void clear_by_hand(struct mmu_root_leaf *leaf, uint64_t *bits,
			  struct mmu_roots_snapshot *snap)
{
	uint64_t rest[LOG_WORDS], none[LOG_WORDS] = {};

	expect_flushes(leaf, snap, 0, "read");
	expect_log(leaf, bits, "read again");
	clear_log(leaf, bits, 0, BITS_PER_LONG);
	expect_flushes(leaf, snap, 1, "cleared in part");
	memcpy(rest, bits, sizeof(rest));
	rest[0] = 0;
	expect_log(leaf, rest, "cleared in part");
	clear_log(leaf, bits, BITS_PER_LONG, leaf->nr_pages - BITS_PER_LONG);
	expect_flushes(leaf, snap, 1, "cleared");
	expect_log(leaf, none, "cleared");
	clear_log(leaf, bits, 0, leaf->nr_pages);
	expect_flushes(leaf, snap, 0, "cleared though clean");
}

static void log_one_round(struct mmu_root_leaf *leaf, uint64_t kind, bool lazy)
{
	uint64_t bits[LOG_WORDS], none[LOG_WORDS] = {};
	struct mmu_roots_snapshot snap;

	bits_of(bits, written, ARRAY_SIZE(written));
	mmu_root_leaf_access(leaf, LEAF_WRITE, written, ARRAY_SIZE(written));
	/*
	 * To split a huge page lazily, KVM drops it and maps its pages one by one.  A page that KVM
	 * maps for a read is writable, and KVM logs it as dirty, see make_spte().
	 */
	if (!lazy)
		mmu_root_leaf_access(leaf, LEAF_READ, only_read, ARRAY_SIZE(only_read));
	mmu_roots_read(&leaf->roots, &snap);
	expect_log(leaf, bits, "written");
	if (kind) {
		clear_by_hand(leaf, bits, &snap);
		return;
	}
	expect_flushes(leaf, &snap, 1, "read");
	expect_log(leaf, none, "read again");
	expect_flushes(leaf, &snap, 0, "read again");
}

TEST_F(log, has_what_was_written)
{
	uint64_t nr_huge = variant->huge ? MMU_ROOT_LEAF_HUGE : 0;
	bool lazy = variant->huge && is_lazy(variant->lazy);
	struct mmu_roots_snapshot mapped, before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	int i, round;

	for (i = 0; i < ARRAY_SIZE(log_kinds); i++) {
		map_pages(leaf);
		mmu_roots_read(&leaf->roots, &mapped);
		begin_log(leaf, log_kinds[i], lazy ? 0 : nr_huge);
		for (round = 0; round < NR_ROUNDS; round++)
			log_one_round(leaf, log_kinds[i], lazy);

		mmu_roots_read(&leaf->roots, &before);
		mmu_roots_expect_growth(&leaf->roots, &mapped, &before, PAGES_2M, -nr_huge);
		mmu_root_leaf_set_slot(leaf, 0);
		expect_flushes_at_end(leaf, &before, variant->huge);
		map_pages(leaf);
		mmu_roots_read(&leaf->roots, &after);
		mmu_roots_expect_growth(&leaf->roots, &mapped, &after, PAGES_2M, 0);
		mmu_roots_expect_growth(&leaf->roots, &mapped, &after, PAGES_4K, 0);
		mmu_roots_expect_growth(&leaf->roots, &mapped, &after, MMU_ROOT_INVALIDATE, 0);
	}
}

/*
 * A CPU may have a writable translation whatever KVM's own entries are, e.g. because KVM has aged
 * its entries without a flush.  So KVM must flush whenever a log begins (before b64d740ea7dd, KVM
 * flushed only if it made an entry read-only for the log).
 */
TEST_F(log, flushes_whatever_is_mapped)
{
	struct mmu_root_leaf *leaf = &self->leaf;
	struct mmu_roots_snapshot snap;
	int i;

	set_kind(leaf->vcpu->vm, 0);
	for (i = 0; i < 3; i++) {
		/* In turn, nothing is mapped, all is mapped, and all small pages are read-only. */
		if (i)
			mmu_root_leaf_access(leaf, i == 1 ? LEAF_WRITE : LEAF_READ, written,
					     ARRAY_SIZE(written));
		mmu_roots_read(&leaf->roots, &snap);
		mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
		expect_flushes_and_splits(leaf, &snap, MMU_ROOT_LEAF_HUGE, "begun");
		mmu_root_leaf_set_slot(leaf, 0);
		expect_flushes_at_end(leaf, &snap, i && variant->huge && !is_lazy(variant->lazy));
	}
}

/*
 * What KVM writes for the guest does not pass through any page table that KVM write-protects: KVM
 * must log it by itself.  All pages are mapped when the log begins, as KVM logs those that it maps.
 */
static const struct {
	const char *name;
	enum mmu_root_leaf_access access;
} emulated[] = {
	{ "an emulated write", LEAF_WRITE_EMULATED },
	{ "an emulated exchange", LEAF_EXCHANGE_EMULATED },
};

FIXTURE(by_kvm) {
	struct mmu_root_leaf leaf;
};

FIXTURE_VARIANT(by_kvm) {
	enum mmu_root_leaf_viewer viewer;
};

FIXTURE_VARIANT_ADD(by_kvm, normal) { LEAF_NORMAL };
FIXTURE_VARIANT_ADD(by_kvm, smm) { LEAF_SMM };
FIXTURE_VARIANT_ADD(by_kvm, l2) { LEAF_L2 };
FIXTURE_VARIANT_ADD(by_kvm, l2_npt) { LEAF_L2_NPT };

FIXTURE_SETUP(by_kvm)
{
	printf("#@ path=dirty-log\n");
	mmu_roots_force_emulation();
	mmu_root_leaf_create(&self->leaf, "dirty-log", variant->viewer, false);
	LAST_WRITTEN = self->leaf.nr_pages - 1;
}

FIXTURE_TEARDOWN(by_kvm)
{
	mmu_root_params_restore();
	mmu_root_leaf_free(&self->leaf);
}

TEST_F(by_kvm, writes_are_logged)
{
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t bits[LOG_WORDS], none[LOG_WORDS] = {};
	unsigned int i;

	bits_of(bits, written, ARRAY_SIZE(written));
	map_pages(leaf);
	set_kind(leaf->vcpu->vm, 0);
	mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
	expect_log(leaf, none, "begun");
	for (i = 0; i < ARRAY_SIZE(emulated); i++) {
		mmu_root_leaf_access(leaf, emulated[i].access, written, ARRAY_SIZE(written));
		expect_log(leaf, bits, emulated[i].name);
		expect_log(leaf, none, "read again");
	}
}

/*
 * If all pages are dirty at first, KVM does not protect a page before userspace clears its log, and
 * protects a huge page only if the cleared pages reach it, see
 * kvm_arch_mmu_enable_log_dirty_pt_masked().  A memslot may begin where no word of the log is
 * aligned to a huge page, i.e. a word may span two huge pages.
 */
#define SHIFT_PAGES		(BITS_PER_LONG / 2)
#define FIRST_OF_HUGE		(MMU_ROOT_HUGE_PAGES - SHIFT_PAGES)

static const struct {
	int nr;
	uint64_t pages[3];
} cleared[] = {
	{ 1, { FIRST_OF_HUGE - 1 } },
	{ 1, { FIRST_OF_HUGE } },
	{ 2, { FIRST_OF_HUGE - 1, FIRST_OF_HUGE } },
	{ 2, { FIRST_OF_HUGE - SHIFT_PAGES, FIRST_OF_HUGE } },
	{ 2, { FIRST_OF_HUGE - 1, FIRST_OF_HUGE + 1 } },
	{ 3, { FIRST_OF_HUGE - 1, FIRST_OF_HUGE, FIRST_OF_HUGE + 1 } },
	{ 2, { FIRST_OF_HUGE, FIRST_OF_HUGE + SHIFT_PAGES - 1 } },
};

static uint64_t last_page(int i)
{
	return cleared[i].pages[cleared[i].nr - 1];
}

/* The guest writes this page, too, for the huge page to be mapped whatever is cleared. */
static const uint64_t in_huge = FIRST_OF_HUGE + BITS_PER_LONG;

FIXTURE(crossing) {
	struct mmu_root_leaf leaf;
};

FIXTURE_VARIANT(crossing) {
	enum mmu_root_leaf_viewer viewer;
	bool lazy;
};

FIXTURE_VARIANT_ADD(crossing, normal) { LEAF_NORMAL, false };
FIXTURE_VARIANT_ADD(crossing, normal_lazy) { LEAF_NORMAL, true };
FIXTURE_VARIANT_ADD(crossing, l2_npt) { LEAF_L2_NPT, false };

FIXTURE_SETUP(crossing)
{
	struct mmu_root_leaf *leaf = &self->leaf;

	printf("#@ path=dirty-log\n");
	mmu_root_param_set("eager_page_split", variant->lazy ? "N" : "Y");
	mmu_root_leaf_create(leaf, "dirty-log", variant->viewer, true);
	mmu_root_leaf_delete_slot(leaf);
	leaf->gpa += SHIFT_PAGES * PAGE_SIZE;
	leaf->offset = SHIFT_PAGES * PAGE_SIZE;
	leaf->nr_pages -= SHIFT_PAGES;
	mmu_root_leaf_set_slot(leaf, 0);
}

FIXTURE_TEARDOWN(crossing)
{
	mmu_root_params_restore();
	mmu_root_leaf_free(&self->leaf);
}

TEST_F(crossing, huge_pages_are_logged_from_when_it_is_cleared)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_root_leaf *leaf = &self->leaf;
	uint64_t bits[LOG_WORDS], rest[LOG_WORDS];
	bool is_split;
	int i, j;

	set_kind(leaf->vcpu->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				 KVM_DIRTY_LOG_INITIALLY_SET);
	for (i = 0; i < ARRAY_SIZE(cleared); i++) {
		mmu_root_leaf_access(leaf, LEAF_WRITE, cleared[i].pages, cleared[i].nr);
		mmu_root_leaf_access(leaf, LEAF_WRITE, &in_huge, 1);
		mmu_root_leaf_set_slot(leaf, KVM_MEM_LOG_DIRTY_PAGES);
		bits_of(bits, cleared[i].pages, cleared[i].nr);
		memset(rest, 0xff, sizeof(rest));
		rest[LOG_WORDS - 1] >>= BITS_PER_LONG - SHIFT_PAGES;
		expect_log(leaf, rest, "begun");

		for (j = 0; j < LOG_WORDS; j++)
			rest[j] &= ~bits[j];
		mmu_roots_read(&leaf->roots, &before);
		clear_log(leaf, bits, 0, leaf->nr_pages);
		mmu_roots_read(&leaf->roots, &after);
		/* KVM cannot map the first huge page, as the memslot has only a part of it. */
		is_split = !is_lazy(variant->lazy) && last_page(i) >= FIRST_OF_HUGE;
		mmu_roots_expect_growth(&leaf->roots, &before, &after, PAGES_2M, -is_split);
		expect_log(leaf, rest, "cleared");
		mmu_root_leaf_access(leaf, LEAF_WRITE, cleared[i].pages, cleared[i].nr);
		for (j = 0; j < LOG_WORDS; j++)
			rest[j] |= bits[j];
		expect_log(leaf, rest, "written");
		mmu_root_leaf_set_slot(leaf, 0);
	}
}

/*
 * L1 writes to page tables of L2 while their memslot is logged.  KVM must write-protect the tables
 * to see these writes, also a table that the log has write-protected already (before 7c8a4742c4ab,
 * KVM left such a table as it was, and L1's next write made it writable without KVM seeing it).
 */
#define NR_PGDS			2
#define WRITTEN_PGD		1
#define NR_TABLE_WRITES		4

/* Intel SDM, "INVEPT". */
#define INVEPT_GLOBAL		2

/* The PGD whose page L1 maps in its table, and L2 must see there; written by the host. */
static uint64_t page_of_l2;

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(page_of_l2);
		guest_l2_call();
	}
}

/*
 * With EPT, L1 must flush what the CPU has cached of L2's memory; with NPT, and without nested
 * paging, VM-Entry flushes.
 */
static bool l1_has_ept;

static void l1_flush_l2(void)
{
	if (l1_has_ept)
		GUEST_ASSERT(!guest_l2_invept(INVEPT_GLOBAL, 0));
}

static void l1_write_tables(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_map_own_page(WRITTEN_PGD, page_of_l2);
		GUEST_SYNC(0);
		l1_flush_l2();
		guest_l2_run_to_call(0, WRITTEN_PGD);
		GUEST_SYNC(0);
	}
}

FIXTURE(tables) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(tables) {
	bool nested_paging;
	uint64_t kind;
};

FIXTURE_VARIANT_ADD(tables, of_cr3) { false, 0 };
FIXTURE_VARIANT_ADD(tables, of_npt_or_ept) { true, 0 };
FIXTURE_VARIANT_ADD(tables, of_npt_or_ept_by_hand) { true, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE };

FIXTURE_SETUP(tables)
{
	printf("#@ path=dirty-log\n");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_write_tables);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, "dirty-log", 1 + NR_PGDS);
}

FIXTURE_TEARDOWN(tables)
{
	mmu_roots_vm_free(&self->roots);
}

/* Tell whether the log has the page of L1's table, and clear the log. */
static bool is_logged(struct kvm_vm *vm, uint64_t gpa, uint64_t kind)
{
	struct userspace_mem_region *region = memslot2region(vm, TABLES_SLOT);
	uint64_t nr_pages = region->region.memory_size / PAGE_SIZE, page;
	unsigned long *log = calloc(DIV_ROUND_UP(nr_pages, BITS_PER_LONG), sizeof(*log));
	bool logged;

	page = (gpa - region->region.guest_phys_addr) / PAGE_SIZE;
	kvm_vm_get_dirty_log(vm, TABLES_SLOT, log);
	logged = log[page / BITS_PER_LONG] & BIT_ULL(page % BITS_PER_LONG);
	if (kind)
		kvm_vm_clear_dirty_log(vm, TABLES_SLOT, log, 0, nr_pages);
	free(log);
	return logged;
}

TEST_F(tables, are_seen_and_logged_when_they_are_written)
{
	uint64_t table = mmu_root_nested_own_table(self->vcpu->vm, WRITTEN_PGD);
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	struct kvm_vm *vm = self->vcpu->vm;
	int i;

	l1_has_ept = variant->nested_paging && host_cpu_is_intel;
	sync_global_to_guest(vm, l1_has_ept);
	set_kind(vm, variant->kind);
	/* L1 has the table mapped when the log begins. */
	mmu_root_path_sync(self->vcpu);
	vm_mem_region_set_flags(vm, TABLES_SLOT, KVM_MEM_LOG_DIRTY_PAGES);
	mmu_roots_read(roots, &before);
	mmu_root_path_sync(self->vcpu);
	for (i = 1; i <= NR_TABLE_WRITES; i++) {
		page_of_l2 = i % NR_PGDS;
		sync_global_to_guest(vm, page_of_l2);
		mmu_root_path_sync(self->vcpu);
		mmu_roots_check(roots, is_logged(vm, table, variant->kind),
				"write %d to a table of L2 is not logged", i);
		mmu_roots_check(roots, !is_logged(vm, table, variant->kind),
				"write %d to a table of L2 is logged twice", i);
		/* L2 runs: KVM must write-protect the table, which the log protects already. */
		mmu_root_path_sync(self->vcpu);
	}
	vm_mem_region_set_flags(vm, TABLES_SLOT, 0);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_INVALIDATE, 0);
}

TEST_HARNESS_MAIN
