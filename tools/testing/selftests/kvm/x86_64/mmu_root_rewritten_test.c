// SPDX-License-Identifier: GPL-2.0
/*
 * Test shadow paging with page tables that userspace rewrites, or that the guest rewrites in
 * another address space (SMM or outside).
 *
 * KVM sees what a guest writes to page tables, but not what userspace writes there.  So with
 * shadow paging, KVM may still use the old entry.  But once the guest has reached a page through
 * the new entry, KVM must use nothing of the old one: a guest that flushes its TLB must not see
 * the new page and then the old one, KVM must see what the guest writes to the new table, and
 * KVM must not lose track of its own mappings.
 *
 * mmu_root_tables_test does the same with random tables.  Here, each test has a way down to two
 * pages.  KVM does not prefetch one page with the other (PTE_PREFETCH_NUM), so the access to
 * the second page causes a fault of its own.
 */
#include <stdio.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_tables.h"

#define NAME			"page-tables"

#define TABLE			(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_ACCESSED_MASK | \
				 PT_DIRTY_MASK)
#define HUGE			(TABLE | PT_PAGE_SIZE_MASK)

/* mmu_tables_gpa(), for initializers */
#define GPA(part, page)		(MMU_TABLES_GPA + (part) * MMU_TABLES_PART_SIZE + \
				 (page) * PAGE_SIZE)

/* Tables in common memory: the way down, and another way that shares no table with the first. */
#define PGD			GPA(PART_COMMON, 1)
#define WAY(level)		GPA(PART_COMMON, 1 + (level))
#define OTHER_WAY(level)	GPA(PART_COMMON, 8 + (level))

/* The ways lead to these parts.  Their memslots are too small for huge pages of the host. */
#define WAY_PART		PART_SPLIT
#define OTHER_PART		PART_MOVING
#define HOLE_PART		PART_HIDDEN

/* The entry on the way, and an entry of the last table that KVM does not prefetch with it. */
#define INDEX			1
#define FAR_INDEX		12

/* The guest's tables, and the counters of its VM. */
struct way {
	struct mmu_tables t;
	struct mmu_roots roots;
};

/* Write to guest memory from userspace: KVM does not see this write. */
static void rewrite(struct way *way, uint64_t table, unsigned int index, uint64_t entry)
{
	WRITE_ONCE(((uint64_t *)mmu_tables_hva(&way->t, table))[index], entry);
}

static uint64_t entry_of(struct way *way, uint64_t table, unsigned int index)
{
	return READ_ONCE(((uint64_t *)mmu_tables_hva(&way->t, table))[index]);
}

static void fill_last_table(struct way *way, uint64_t table, enum mmu_tables_part_id part,
			    uint64_t flags)
{
	rewrite(way, table, INDEX, GPA(part, INDEX) | flags);
	rewrite(way, table, FAR_INDEX, GPA(part, FAR_INDEX) | flags);
}

static void create_way(struct way *way)
{
	struct mmu_tables *t = &way->t;
	int level;

	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	mmu_tables_create(t);
	mmu_roots_open(&way->roots, t->vm, NAME);

	t->pgd = PGD;
	rewrite(way, PGD, 0, *(uint64_t *)addr_gpa2hva(t->vm, mmu_roots_pgd(t->vm)));
	rewrite(way, PGD, INDEX, WAY(t->levels - 1) | TABLE);
	for (level = t->levels - 1; level > 1; level--) {
		rewrite(way, WAY(level), INDEX, WAY(level - 1) | TABLE);
		rewrite(way, OTHER_WAY(level), INDEX, OTHER_WAY(level - 1) | TABLE);
	}
	fill_last_table(way, WAY(1), WAY_PART, TABLE);
	fill_last_table(way, OTHER_WAY(1), OTHER_PART, TABLE);
}

/* Without memslots, KVM must map nothing: pages that are still mapped are pages that KVM lost. */
static void free_way(struct way *way)
{
	unsigned int part;
	uint64_t val = 0;

	for (part = 0; part < NR_PARTS; part++)
		mmu_tables_set_slot(&way->t, part, false, false);
	mmu_root_sregs_flip(way->t.vcpu, 0, 0, X86_CR4_PGE, 0);
	mmu_roots_read_debugfs(&way->roots, "pages_4k", &val);
	mmu_roots_check(&way->roots, !val, "pages_4k is %lu after all was zapped", val);
	mmu_roots_vm_free(&way->roots);
}

static struct mmu_tables_batch *new_batch(struct way *way)
{
	struct mmu_tables_batch *b = mmu_tables_batch(&way->t);

	memset(b, 0, sizeof(*b));
	return b;
}

static void run(struct way *way)
{
	char failure[128];

	mmu_roots_check(&way->roots, mmu_tables_run(&way->t, failure, sizeof(failure)), "%s",
			failure);
}

/* The guest flushes its TLB, and accesses the page of entry @index of the last table. */
static const struct mmu_tables_seen *access_page(struct way *way, enum mmu_tables_kind kind,
						 unsigned int index)
{
	unsigned int indices[MMU_TABLES_MAX_LEVELS] = { index, INDEX, INDEX, INDEX, INDEX };
	struct mmu_tables_batch *b = new_batch(way);

	b->write_cr3 = true;
	b->cr3 = way->t.pgd;
	b->nr = 1;
	b->access[0].kind = kind;
	b->access[0].gva = mmu_tables_gva(&way->t, indices) +
			   (kind == PROBE_WRITE ? MMU_TABLES_WRITE_OFFSET :
			    MMU_TABLES_TAG_OFFSET);
	run(way);
	return &b->seen[0];
}

static void expect_page(struct way *way, unsigned int index, uint64_t gpa, const char *when)
{
	const struct mmu_tables_seen *seen = access_page(way, PROBE_READ, index);
	uint64_t tag = mmu_tables_tag(&way->t, gpa);

	mmu_roots_check(&way->roots,
			seen->vector == MMU_TABLES_NO_FAULT && seen->value == tag,
			"%s: the page at %#lx must show %#lx, but shows %#lx (vector %#lx)",
			when, gpa, tag, seen->value, seen->vector);
}

static void guest_writes(struct way *way, uint64_t table, unsigned int index, uint64_t entry)
{
	struct mmu_tables_batch *b = new_batch(way);

	b->entry = mmu_tables_window(table) + index * sizeof(entry);
	b->value = entry;
	run(way);
	mmu_roots_check(&way->roots, entry_of(way, table, index) == entry,
			"the guest wrote %#lx to entry %u of %#lx, which is %#lx", entry,
			index, table, entry_of(way, table, index));
}

/*
 * Userspace rewrites an entry.  Once the guest has seen one new page below the entry, it must see
 * all pages below the entry as new.
 *
 * In no variant does a huge page become other memory.  If KVM mistook the new page for the old
 * one, KVM would record the pages of one in the rmap of the other, and a kernel that does not
 * tolerate corrupted data would die of that (pte_list_remove()) before the test could tell what
 * the guest saw.
 */
FIXTURE(below) {
	struct way way;
};

/*
 * @level: level of the entry
 * @from: its old value, which leads to a page of @from_part
 * @to: its new value, which leads to a page of @to_part
 */
FIXTURE_VARIANT(below) {
	int level;
	uint64_t from;
	enum mmu_tables_part_id from_part;
	uint64_t to;
	enum mmu_tables_part_id to_part;
};

FIXTURE_VARIANT_ADD(below, table_to_table) {
	2, WAY(1) | TABLE, WAY_PART, OTHER_WAY(1) | TABLE, OTHER_PART,
};

FIXTURE_VARIANT_ADD(below, upper_table_to_table) {
	3, WAY(2) | TABLE, WAY_PART, OTHER_WAY(2) | TABLE, OTHER_PART,
};

FIXTURE_VARIANT_ADD(below, table_to_huge_page) {
	2, WAY(1) | TABLE, WAY_PART, GPA(OTHER_PART, 0) | HUGE, OTHER_PART,
};

FIXTURE_VARIANT_ADD(below, table_to_huge_hole) {
	2, WAY(1) | TABLE, WAY_PART, GPA(HOLE_PART, 0) | HUGE, HOLE_PART,
};

FIXTURE_VARIANT_ADD(below, huge_page_to_huge_hole) {
	2, GPA(WAY_PART, 0) | HUGE, WAY_PART, GPA(HOLE_PART, 0) | HUGE, HOLE_PART,
};

FIXTURE_SETUP(below)
{
	create_way(&self->way);
}

FIXTURE_TEARDOWN(below)
{
	free_way(&self->way);
}

TEST_F(below, nothing_is_old_once_something_is_new)
{
	uint64_t table = WAY(variant->level);
	struct way *way = &self->way;

	rewrite(way, table, INDEX, variant->from);
	expect_page(way, INDEX, GPA(variant->from_part, INDEX), "before");
	rewrite(way, table, INDEX, variant->to);
	expect_page(way, FAR_INDEX, GPA(variant->to_part, FAR_INDEX), "first seen after");
	expect_page(way, INDEX, GPA(variant->to_part, INDEX), "once another page is new");
}

FIXTURE(rewritten) {
	struct way way;
};

FIXTURE_SETUP(rewritten)
{
	create_way(&self->way);
}

FIXTURE_TEARDOWN(rewritten)
{
	free_way(&self->way);
}

/*
 * The guest's PGD leads to another table.  With five levels, an entry of the PGD covers 2^36 pages:
 * KVM must not compute the entry's gfn in 32 bits, kvm_mmu_page_get_gfn(), when it flushes TLBs
 * for the table that it has replaced.  Only UBSAN, in the kernel's log, tells that.
 */
TEST_F(rewritten, top_table_becomes_another)
{
	struct way *way = &self->way;

	expect_page(way, INDEX, GPA(WAY_PART, INDEX), "before");
	rewrite(way, PGD, INDEX, OTHER_WAY(way->t.levels - 1) | TABLE);
	expect_page(way, FAR_INDEX, GPA(OTHER_PART, FAR_INDEX), "first seen after");
	expect_page(way, INDEX, GPA(OTHER_PART, INDEX), "once another page is new");
}

/*
 * A huge page becomes a table that maps the same pages, and that is the first page of the huge
 * page: KVM's shadow page of the huge page has the same gfn as that of the table.  The Accessed
 * bit tells whether the guest used the table.
 */
TEST_F(rewritten, huge_page_becomes_its_own_table)
{
	uint64_t table = GPA(WAY_PART, 0);
	struct way *way = &self->way;

	rewrite(way, WAY(2), INDEX, table | HUGE);
	expect_page(way, INDEX, GPA(WAY_PART, INDEX), "by the huge page");
	fill_last_table(way, table, WAY_PART, TABLE & ~PT_ACCESSED_MASK);
	rewrite(way, WAY(2), INDEX, table | TABLE);
	expect_page(way, FAR_INDEX, GPA(WAY_PART, FAR_INDEX), "by the table");
	mmu_roots_check(&way->roots, entry_of(way, table, FAR_INDEX) & PT_ACCESSED_MASK,
			"the table was not used: %#lx", entry_of(way, table, FAR_INDEX));

	guest_writes(way, table, FAR_INDEX, GPA(OTHER_PART, FAR_INDEX) | TABLE);
	expect_page(way, FAR_INDEX, GPA(OTHER_PART, FAR_INDEX), "after the guest wrote it");
}

/*
 * The guest first reads the old page, whose entry is not dirty.  So KVM maps this page read-only,
 * and the guest's write causes a fault.
 */
static const struct mmu_tables_seen *write_to_another(struct way *way, uint64_t page)
{
	const struct mmu_tables_seen *seen;

	rewrite(way, WAY(1), INDEX, GPA(WAY_PART, INDEX) | (TABLE & ~PT_DIRTY_MASK));
	expect_page(way, INDEX, GPA(WAY_PART, INDEX), "before");
	rewrite(way, WAY(1), INDEX, page | TABLE);
	seen = access_page(way, PROBE_WRITE, INDEX);
	mmu_roots_check(&way->roots, seen->vector == MMU_TABLES_NO_FAULT,
			"the write raised %#lx", seen->vector);
	return seen;
}

TEST_F(rewritten, mapped_page_becomes_another)
{
	uint64_t page = GPA(OTHER_PART, INDEX);
	struct way *way = &self->way;
	uint64_t *written = mmu_tables_hva(&way->t, page + MMU_TABLES_WRITE_OFFSET);

	*written = 1;
	write_to_another(way, page);
	/* access_page() leaves the value to write at 0. */
	mmu_roots_check(&way->roots, !*written, "the write did not get to %#lx", page);
	expect_page(way, INDEX, page, "after the write");
}

TEST_F(rewritten, mapped_page_becomes_hole)
{
	uint64_t hole = GPA(HOLE_PART, INDEX);
	struct way *way = &self->way;
	uint64_t mmio = write_to_another(way, hole)->mmio;

	mmu_roots_check(&way->roots, mmio == hole + MMU_TABLES_WRITE_OFFSET,
			"the write came to userspace as %#lx instead of %#lx", mmio,
			hole + MMU_TABLES_WRITE_OFFSET);
	expect_page(way, INDEX, hole, "after the write");
}

/*
 * Only shadow pages of the last level may be out of sync.  KVM protects upper tables from writes of
 * the guest in all address spaces, so KVM sees each write.
 *
 * If an upper shadow page gets out of sync nevertheless, KVM only zaps it when the guest uses the
 * same page as another table; mmu_zap_unsync_children() would look for it without end.  So
 * the test ends with a use outside of SMM, and a faulty kernel fails the test but does not hang.
 */
TEST_F(rewritten, upper_table_of_smm_outside)
{
	struct way *way = &self->way;
	uint64_t val = 0;

	mmu_root_path_require(PATH_SMM);
	mmu_root_path_flip_smm(way->t.vcpu);
	way->t.smm = true;
	expect_page(way, INDEX, GPA(WAY_PART, INDEX), "in SMM");
	mmu_root_path_flip_smm(way->t.vcpu);
	way->t.smm = false;

	guest_writes(way, WAY(2), INDEX, OTHER_WAY(1) | TABLE);
	mmu_roots_read_debugfs(&way->roots, "mmu_unsync", &val);
	mmu_roots_check(&way->roots, !val, "mmu_unsync is %lu after a write to an upper table",
			val);
	expect_page(way, INDEX, GPA(OTHER_PART, INDEX), "outside of SMM");
}

TEST_HARNESS_MAIN
