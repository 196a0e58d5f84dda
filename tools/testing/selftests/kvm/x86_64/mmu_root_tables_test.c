// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a guest sees what its page tables say, however these are linked.
 *
 * With shadow paging, one page table of the guest can have many shadow pages in KVM: one for
 * each level that the table is used at, for each set of permissions above it, for each address
 * space, and one for a huge page there.  KVM can mistake one for another if a guest's tables are
 * not canonical.  In this test, a page is whatever an entry that points to it makes of it: a
 * table of any level, the PGD, code and data, or a huge page.  Entries are random, and the
 * guest and userspace rewrite them at random.
 *
 * An oracle walks the same tables, and says what each access must do.  With two-dimensional
 * paging the CPU walks the tables, which shows that the oracle is right.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_faults.h"
#include "mmu_roots_model.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_options.h"
#include "mmu_roots_params.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_tables.h"

#define NAME			"page-tables"

#define NR_STEPS		60
#define MAX_STEPS		2000
#define NR_SEEDS		2
#define NR_PROBES		6

/* Seconds: shrinking takes a run for each try; the harness and the beds have later deadlines. */
#define SHRINK_TIMEOUT		20
#define TIMEOUT			120

/* Pages that can be tables, and anything else: in PART_COMMON, and in each of the other parts. */
#define NR_COMMON_PAGES		12
#define NR_OTHER_PAGES		5
/* The first pages that can be PGDs, too: not page 0, which can be the start of a huge page. */
#define FIRST_PGD		1
#define NR_PGDS			3

/* The guest accesses this many addresses again and again. */
#define NR_GVAS			12
/* How many of them are below an entry that userspace has rewritten. */
#define NR_BELOW		5

/* Reading all counters takes as long as several steps. */
#define STEPS_PER_SNAPSHOT	10

#define MIN_SHADOW_PAGES	64

/**
 * enum tables_op - What is done to the tables before the guest looks
 * @OP_LOOK: nothing
 * @OP_WRITE: the guest writes an entry
 * @OP_WRITE_ARENA: the guest writes an entry, by an address that the tables themselves map
 * @OP_CR3: the guest loads a PGD
 * @OP_REGS: the guest changes CR0.WP, CR4.SMEP, CR4.SMAP or EFER.NX
 * @OP_HOST_WRITE: userspace writes an entry, which KVM does not see
 * @OP_ZAP: userspace deletes a memslot, and creates it again
 * @OP_SLOT: userspace deletes a memslot, or creates it again
 * @OP_UNMAP: userspace takes pages away from the guest for a moment
 * @OP_RECYCLE: userspace grants KVM few shadow pages for a moment
 * @OP_LOG: a dirty log begins, is read, or ends
 * @OP_SMM: the vCPU enters or leaves SMM
 */
enum tables_op {
	OP_LOOK,
	OP_WRITE,
	OP_WRITE_ARENA,
	OP_CR3,
	OP_REGS,
	OP_HOST_WRITE,
	OP_ZAP,
	OP_SLOT,
	OP_UNMAP,
	OP_RECYCLE,
	OP_LOG,
	OP_SMM,
	NR_OPS,
};

static const struct {
	const char *name;
	/* How often the test draws this operation, in relation to others. */
	unsigned int weight;
} ops[NR_OPS] = {
	[OP_LOOK]	= { "look", 3 },
	[OP_WRITE]	= { "write", 10 },
	[OP_WRITE_ARENA] = { "write-arena", 4 },
	[OP_CR3]	= { "cr3", 4 },
	[OP_REGS]	= { "regs", 3 },
	[OP_HOST_WRITE]	= { "host-write", 8 },
	[OP_ZAP]	= { "zap", 3 },
	[OP_SLOT]	= { "slot", 2 },
	[OP_UNMAP]	= { "unmap", 3 },
	[OP_RECYCLE]	= { "recycle", 1 },
	[OP_LOG]	= { "log", 3 },
	[OP_SMM]	= { "smm", 5 },
};

#define ALWAYS			(BIT(OP_LOOK) | BIT(OP_WRITE) | BIT(OP_WRITE_ARENA) | \
				 BIT(OP_CR3) | BIT(OP_REGS))

/* L2 maps no window, and OP_REGS is about accesses of L1, not of L2. */
#define NESTED_OPS		(BIT(OP_LOOK) | BIT(OP_WRITE) | BIT(OP_CR3) | BIT(OP_ZAP) | \
				 BIT(OP_UNMAP))

struct tables_step {
	uint32_t op;
	uint32_t seed;
};

/* The walk's process writes this for the process that waits for it. */
static struct report {
	char failure[256];
	unsigned int step;
	uint64_t ops;
	uint64_t accesses;
	uint64_t faults;
	uint64_t mmio;
} *report;

/**
 * struct walk - A sequence of steps, and the guest that takes them
 * @ops: the operations that may be drawn, as bits
 * @keep_roots: the VM is without KVM_X86_QUIRK_SLOT_ZAP_ALL
 * @nested: the tables are nested page tables
 * @stale: entries that were present have changed since the last flush: accesses need INVLPG
 * @blind: userspace has changed entries, so the test cannot know what the guest sees
 * @written: pages that the guest has written since the dirty log was read, by part
 */
struct walk {
	unsigned long ops;
	bool keep_roots;
	bool nested;
	uint32_t seed;
	bool quiet;
	time_t deadline;

	struct mmu_tables t;
	struct mmu_roots roots;
	bool stale;
	bool blind;
	uint32_t written[NR_PARTS];
	uint64_t gvas[NR_GVAS];
	uint64_t nr_writes;
};

static uint32_t only_seed;
static struct tables_step *only_steps;
static uint32_t nr_steps = NR_STEPS;
/* The walk also does what is known to go wrong. */
static bool known_bugs;

/* xorshift32; each step has a sequence of its own, which does not depend on other steps. */
static uint32_t draw(uint32_t *seed, uint32_t nr)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return (*seed >> 3) % nr;
}

static bool one_in(uint32_t *seed, uint32_t nr)
{
	return !draw(seed, nr);
}

static void __printf(3, 4) check(struct walk *w, bool good, const char *fmt, ...)
{
	va_list ap;

	if (good)
		return;

	w->roots.nr_failures++;
	/* The first mismatch tells most; others follow from it. */
	if (report->failure[0])
		return;
	va_start(ap, fmt);
	vsnprintf(report->failure, sizeof(report->failure), fmt, ap);
	va_end(ap);
}

static uint64_t draw_page(uint32_t *seed, bool base)
{
	unsigned int part = one_in(seed, 3) ? draw(seed, NR_PARTS) : PART_COMMON;
	unsigned int nr = part == PART_COMMON ? NR_COMMON_PAGES : NR_OTHER_PAGES;

	return mmu_tables_gpa(part, base ? 0 : draw(seed, nr));
}

/* A bit of physical addresses that no CPU of today has. */
#define RESERVED_BIT		BIT_ULL(51)

static uint64_t draw_entry(uint32_t *seed)
{
	bool huge = one_in(seed, 10);
	uint64_t entry = draw_page(seed, huge && !one_in(seed, 4));

	entry |= one_in(seed, 16) ? 0 : PT_PRESENT_MASK;
	entry |= one_in(seed, 6) ? 0 : PT_WRITABLE_MASK;
	entry |= one_in(seed, 6) ? 0 : PT_USER_MASK;
	entry |= one_in(seed, 2) ? 0 : PT_ACCESSED_MASK;
	entry |= one_in(seed, 2) ? 0 : PT_DIRTY_MASK;
	entry |= one_in(seed, 10) ? PT64_NX_MASK : 0;
	entry |= one_in(seed, 50) ? RESERVED_BIT : 0;
	return entry | (huge ? PT_PAGE_SIZE_MASK : 0);
}

/* Draw another entry, or flip flags of the old one. */
static uint64_t draw_new_entry(uint32_t *seed, uint64_t entry)
{
	static const uint64_t flags[] = {
		PT_PRESENT_MASK, PT_WRITABLE_MASK, PT_USER_MASK, PT_ACCESSED_MASK, PT_DIRTY_MASK,
		PT64_NX_MASK, PT_PAGE_SIZE_MASK, PT_WRITABLE_MASK | PT_DIRTY_MASK,
	};

	if (one_in(seed, 2))
		return draw_entry(seed);
	return entry ^ flags[draw(seed, ARRAY_SIZE(flags))];
}

static uint64_t draw_index(uint32_t *seed)
{
	return mmu_tables_index(draw(seed, MMU_TABLES_NR_INDICES));
}

/* Draw an address that does not fault if one turns up soon, because most do fault. */
static uint64_t draw_new_gva(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_access access = { .kind = PROBE_READ, .flags = MMU_TABLES_AC };
	unsigned int index[MMU_TABLES_MAX_LEVELS], tries = 8;
	struct mmu_tables_walk walk;
	int level;

	do {
		for (level = 0; level < MMU_TABLES_MAX_LEVELS; level++)
			index[level] = draw_index(seed);
		access.gva = mmu_tables_gva(&w->t, index);
		mmu_tables_walk(&w->t, &access, &walk);
	} while (walk.fault && --tries);
	return access.gva;
}

static uint64_t draw_gva(struct walk *w, uint32_t *seed)
{
	unsigned int i = draw(seed, NR_GVAS);

	if (!w->gvas[i] || one_in(seed, 3))
		w->gvas[i] = draw_new_gva(w, seed);
	return w->gvas[i];
}

static uint64_t pgd_gpa(unsigned int i)
{
	return mmu_tables_gpa(PART_COMMON, FIRST_PGD + i);
}

/* Fill the memory that the current mode has at @gpa, if any. */
static void fill_table(struct walk *w, uint64_t gpa, uint32_t *seed)
{
	uint64_t *table = mmu_tables_hva(&w->t, gpa);
	unsigned int i;

	for (i = 0; table && i < MMU_TABLES_NR_INDICES; i++)
		table[mmu_tables_index(i)] = draw_entry(seed);
}

static void fill_tables(struct walk *w)
{
	uint64_t *pgd = addr_gpa2hva(w->t.vm, mmu_roots_pgd(w->t.vm));
	unsigned int part, page, as;
	uint32_t seed = w->seed ?: 1;

	for (as = 0; as < MMU_TABLES_NR_AS; as++) {
		w->t.smm = as;
		for (part = 0; part < NR_PARTS; part++)
			for (page = 0; page < (part == PART_COMMON ? NR_COMMON_PAGES :
					       NR_OTHER_PAGES); page++)
				fill_table(w, mmu_tables_gpa(part, page), &seed);
	}
	w->t.smm = false;
	for (page = 0; page < NR_PGDS; page++)
		if (w->nested)
			mmu_tables_set_nested_root(&w->t, pgd_gpa(page),
						   pgd_gpa(NR_PGDS + page));
		else
			*(uint64_t *)mmu_tables_hva(&w->t, pgd_gpa(page)) = *pgd;
}

static bool run(struct walk *w)
{
	char failure[128];

	if (mmu_tables_run(&w->t, failure, sizeof(failure)))
		return true;
	check(w, false, "%s", failure);
	return false;
}

static struct mmu_tables_batch *new_batch(struct walk *w)
{
	struct mmu_tables_batch *b = mmu_tables_batch(&w->t);

	memset(b, 0, sizeof(*b));
	return b;
}

static void load_pgd(struct walk *w, uint64_t gpa)
{
	struct mmu_tables_batch *b = new_batch(w);

	b->write_cr3 = true;
	b->cr3 = gpa;
	w->t.pgd = gpa;
	w->stale = false;
	run(w);
}

static void setup(struct walk *w)
{
	if (w->nested)
		mmu_tables_create_nested(&w->t);
	else
		mmu_tables_create(&w->t);
	if (w->keep_roots)
		mmu_root_path_keep_roots(w->t.vm);
	mmu_roots_open(&w->roots, w->t.vm, NAME);
	if (w->nested) {
		w->roots.direct_only = false;
		w->roots.max_valid_roots += NR_PGDS;
	}
	fill_tables(w);
	load_pgd(w, pgd_gpa(0));
}

static void note_write(struct walk *w, uint64_t gpa)
{
	unsigned int part = (gpa - MMU_TABLES_GPA) / MMU_TABLES_PART_SIZE;
	uint64_t page = gpa % MMU_TABLES_PART_SIZE / PAGE_SIZE;

	if (!w->t.smm && w->t.part[part].log && page < 32)
		w->written[part] |= BIT(page);
}

/* Draw an entry that is memory in the current mode, and its address. */
static uint64_t *draw_written_entry(struct walk *w, uint32_t *seed, uint64_t *gpa)
{
	uint64_t *entry;

	do {
		*gpa = draw_page(seed, false) + draw_index(seed) * sizeof(*entry);
		entry = mmu_tables_hva(&w->t, *gpa);
	} while (!entry);
	return entry;
}

/* CPUs do not cache entries that are not present: Intel SDM, "Caching Translation Information". */
static void note_change(struct walk *w, uint64_t old)
{
	w->stale |= old & PT_PRESENT_MASK;
}

static void guest_write(struct walk *w, uint64_t gva, uint64_t gpa, uint64_t *entry,
			uint32_t *seed)
{
	struct mmu_tables_batch *b = new_batch(w);
	uint64_t old = *entry;

	b->entry = gva;
	b->value = draw_new_entry(seed, old);
	b->emulated = one_in(seed, 3);
	b->invlpg = w->stale;
	note_write(w, gpa);
	if (!run(w))
		return;
	note_change(w, old);
	check(w, *entry == b->value || w->blind,
	      "the guest wrote %#lx to the entry at %#lx, which is %#lx", b->value, gpa, *entry);
}

static void op_write(struct walk *w, uint32_t *seed)
{
	uint64_t gpa, *entry = draw_written_entry(w, seed, &gpa);

	guest_write(w, mmu_tables_window(gpa), gpa, entry, seed);
}

/* Write to the page that an address maps, unless that is a hole, or the write would fault. */
static void op_write_arena(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_access access = { .kind = PROBE_WRITE };
	struct mmu_tables_walk walk;
	unsigned int tries;

	for (tries = 0; tries < 8 && !w->blind; tries++) {
		access.gva = draw_gva(w, seed) + draw_index(seed) * sizeof(uint64_t);
		mmu_tables_walk(&w->t, &access, &walk);
		if (walk.fault || !walk.hva)
			continue;
		guest_write(w, access.gva, walk.gpa, walk.hva, seed);
		return;
	}
}

static void set_slot(struct walk *w, enum mmu_tables_part_id part, bool present, bool log)
{
	mmu_tables_set_slot(&w->t, part, present, log);
	w->written[part] = 0;
	/* KVM has zapped all shadow pages, so KVM reads each entry again. */
	if (!present && !w->keep_roots)
		w->blind = false;
}

static void op_zap(struct walk *w)
{
	set_slot(w, PART_HUGE, false, false);
	set_slot(w, PART_HUGE, true, false);
}

/*
 * KVM shadows with EFER.NX set, whatever the guest's is (kvm_init_shadow_mmu()).  When the guest
 * clears EFER.NX, NX becomes reserved, but KVM keeps its SPTEs of entries that have NX: these do
 * not fault before all was zapped.
 */
static bool nx_takes_zap(void)
{
	return !kvm_is_tdp_enabled();
}

/* The guest writes its control registers as they are to be. */
static void load_regs(struct walk *w)
{
	struct mmu_tables_batch *b = new_batch(w);
	struct mmu_tables *t = &w->t;

	b->write_cr0 = true;
	b->write_cr4 = true;
	b->write_efer = true;
	b->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG | (t->wp ? X86_CR0_WP : 0);
	b->cr4 = (t->cr4 & ~(X86_CR4_SMEP | X86_CR4_SMAP)) | (t->smep ? X86_CR4_SMEP : 0) |
		 (t->smap ? X86_CR4_SMAP : 0);
	b->efer = (t->efer & ~EFER_NX) | EFER_LMA | (t->nx ? EFER_NX : 0);
	run(w);
}

static void op_regs(struct walk *w, uint32_t *seed)
{
	struct mmu_tables *t = &w->t;

	switch (draw(seed, 4)) {
	case 0:
		t->wp ^= 1;
		break;
	case 1:
		t->smep ^= kvm_cpu_has(X86_FEATURE_SMEP);
		break;
	case 2:
		t->smap ^= kvm_cpu_has(X86_FEATURE_SMAP);
		break;
	default:
		t->nx ^= !w->keep_roots || !nx_takes_zap();
	}
	load_regs(w);
	if (!t->nx && nx_takes_zap())
		op_zap(w);
}

/*
 * Look at addresses below an entry, too, and not only where the guest has been: there KVM shows
 * wrong memory if it takes shadow pages of the former table for those of the new one.
 */
static void look_below(struct walk *w, uint32_t *seed, uint64_t gva, int level)
{
	uint64_t mask = (PAGE_SIZE << (9 * (level - 1))) - 1;
	unsigned int index[MMU_TABLES_MAX_LEVELS], i, j;

	for (i = 0; i < NR_BELOW; i++) {
		for (j = 0; j < MMU_TABLES_MAX_LEVELS; j++)
			index[j] = draw_index(seed);
		w->gvas[draw(seed, NR_GVAS)] = (gva & ~mask) |
					       (mmu_tables_gva(&w->t, index) & mask);
	}
}

/* Draw an entry that the guest has most likely used, or else any entry. */
static uint64_t *draw_used_entry(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_access access = {
		.kind = PROBE_READ, .flags = MMU_TABLES_AC, .gva = w->gvas[draw(seed, NR_GVAS)],
	};
	struct mmu_tables_walk walk;
	unsigned int nr;
	uint64_t gpa;

	if (access.gva && !one_in(seed, 4)) {
		mmu_tables_walk(&w->t, &access, &walk);
		if (walk.nr_entries) {
			nr = draw(seed, walk.nr_entries);
			look_below(w, seed, access.gva, w->t.levels - nr);
			return walk.entry[nr];
		}
	}
	return draw_written_entry(w, seed, &gpa);
}

/*
 * With five levels, the entry of a nested PGD that the walk takes also leads to the memory that L2
 * runs in, see mmu_tables_set_nested_root(): userspace must not rewrite this entry.
 */
static bool is_needed_by_l2(struct walk *w, const void *entry)
{
	unsigned int i;

	for (i = 0; i < NR_PGDS && w->nested; i++)
		if (((uintptr_t)entry & PAGE_MASK) ==
		    (uintptr_t)mmu_tables_hva(&w->t, pgd_gpa(i)))
			return true;
	return false;
}

/*
 * Many writes make a table a huge page or the other way round, move the same entry, or lead to a
 * hole: KVM is most likely to take its shadow pages of the former entry for right then.
 */
static uint64_t draw_other_use(uint32_t *seed, uint64_t entry)
{
	uint64_t flags = entry & ~PHYSICAL_PAGE_MASK;

	switch (draw(seed, 5)) {
	case 0:
		return entry ^ PT_PAGE_SIZE_MASK;
	case 1:
		return flags | draw_page(seed, entry & PT_PAGE_SIZE_MASK);
	case 2:
		return flags | mmu_tables_gpa(PART_HIDDEN, draw(seed, NR_OTHER_PAGES));
	default:
		return draw_new_entry(seed, entry);
	}
}

static void op_host_write(struct walk *w, uint32_t *seed)
{
	uint64_t *entry = draw_used_entry(w, seed);

	if (is_needed_by_l2(w, entry))
		return;
	WRITE_ONCE(*entry, draw_other_use(seed, *entry));
	w->stale = true;
	w->blind = true;
}

static void op_unmap(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_part *part = &w->t.part[draw(seed, NR_PARTS)];
	int as = draw(seed, MMU_TABLES_NR_AS);
	size_t size = part->nr_pages * PAGE_SIZE;

	if (!part->hva[as])
		return;
	TEST_ASSERT(!mprotect(part->hva[as], size, PROT_NONE) &&
		    !mprotect(part->hva[as], size, PROT_READ | PROT_WRITE),
		    "mprotect() of %lu bytes", size);
}

static void op_recycle(struct walk *w)
{
	vm_ioctl(w->t.vm, KVM_SET_NR_MMU_PAGES, (void *)MIN_SHADOW_PAGES);
	vm_ioctl(w->t.vm, KVM_SET_NR_MMU_PAGES, (void *)MMU_ROOT_SHADOW_PAGES);
}

static void read_log(struct walk *w, enum mmu_tables_part_id part)
{
	uint64_t log[MMU_TABLES_PART_SIZE / PAGE_SIZE / 64] = {};

	kvm_vm_get_dirty_log(w->t.vm, mmu_tables_slot(part), log);
	check(w, !(w->written[part] & ~log[0]) || w->blind,
	      "the dirty log of part %u has %#lx, but the guest wrote %#x", part, log[0],
	      w->written[part]);
	w->written[part] = 0;
}

static void op_log(struct walk *w, uint32_t *seed)
{
	enum mmu_tables_part_id part = draw(seed, 2) ? PART_HUGE : PART_COMMON;

	if (!w->t.part[part].log)
		set_slot(w, part, true, true);
	else if (one_in(seed, 3))
		set_slot(w, part, true, false);
	else
		read_log(w, part);
}

static void op_slot(struct walk *w)
{
	set_slot(w, PART_MOVING, !w->t.part[PART_MOVING].present, false);
}

static void op_smm(struct walk *w)
{
	mmu_root_path_flip_smm(w->t.vcpu);
	w->t.smm ^= 1;
}

static void perform(struct walk *w, struct tables_step step, uint32_t *seed)
{
	switch (step.op) {
	case OP_LOOK:
		return;
	case OP_WRITE:
		return op_write(w, seed);
	case OP_WRITE_ARENA:
		return op_write_arena(w, seed);
	case OP_CR3:
		return load_pgd(w, pgd_gpa(draw(seed, NR_PGDS)));
	case OP_REGS:
		return op_regs(w, seed);
	case OP_HOST_WRITE:
		return op_host_write(w, seed);
	case OP_ZAP:
		return op_zap(w);
	case OP_SLOT:
		return op_slot(w);
	case OP_UNMAP:
		return op_unmap(w, seed);
	case OP_RECYCLE:
		return op_recycle(w);
	case OP_LOG:
		return op_log(w, seed);
	case OP_SMM:
		return op_smm(w);
	}
}

static bool is_walked_by_cpu(struct walk *w)
{
	return kvm_is_tdp_enabled() && !w->nested;
}

/*
 * The guest must not execute in a hole, because KVM can only give up there.  If the CPU walks
 * the tables, there must be no table in a hole either.
 */
static bool is_fit(struct walk *w, const struct mmu_tables_access *access)
{
	struct mmu_tables_walk walk;

	mmu_tables_walk(&w->t, access, &walk);
	if (walk.table_in_hole && is_walked_by_cpu(w))
		return false;
	return access->kind != PROBE_EXEC || (!w->blind && (walk.fault || walk.hva));
}

/*
 * Without CR0.WP, the kernel can write to a read-only page of a user.  For that, KVM maps the
 * page for the kernel alone, and SMAP is no longer enforced, see FNAME(page_fault)().  If SMAP is
 * on, only a write with RFLAGS.AC set gets that far.
 */
static bool would_lose_smap(struct walk *w, const struct mmu_tables_access *access)
{
	return access->flags & MMU_TABLES_AC && access->kind == PROBE_WRITE && w->t.smap &&
	       !w->t.wp && !kvm_is_tdp_enabled();
}

static void draw_access(struct walk *w, struct mmu_tables_access *access, uint32_t *seed)
{
	do {
		uint64_t gva = draw_gva(w, seed);

		access->kind = draw(seed, NR_PROBE_KINDS);
		access->gva = gva + (access->kind == PROBE_WRITE ? MMU_TABLES_WRITE_OFFSET :
				     MMU_TABLES_TAG_OFFSET);
		access->flags = w->nested ? 0 : draw(seed, 2) ? MMU_TABLES_USER :
				draw(seed, 2) ? MMU_TABLES_AC : 0;
	} while (!is_fit(w, access) || would_lose_smap(w, access));
	access->emulated = access->kind != PROBE_EXEC && one_in(seed, 4);
	access->invlpg = w->stale;
	/* The value is no entry that is present, in case the page is a table. */
	access->value = ++w->nr_writes << 1;
}

static const char *name_of(struct walk *w, const struct mmu_tables_access *access)
{
	static const char * const names[] = { "read", "write", "execution" };
	static char text[128];

	snprintf(text, sizeof(text), "%s%s of %#lx by %s%s (%s%s%s%s%s )",
		 access->emulated ? "emulated " : "", names[access->kind], access->gva,
		 w->nested ? "L2" : access->flags & MMU_TABLES_USER ? "a user" : "the kernel",
		 access->flags & MMU_TABLES_AC ? " with AC" : "", w->t.wp ? " WP" : "",
		 w->t.smep ? " SMEP" : "", w->t.smap ? " SMAP" : "", w->t.nx ? " NX" : "",
		 w->t.smm ? " SMM" : "");
	return text;
}

/* Whether a later access of the same batch has written to the same place. */
static bool is_overwritten(struct walk *w, const struct mmu_tables_batch *b, unsigned int i,
			   void *hva)
{
	struct mmu_tables_walk walk;

	while (++i < b->nr) {
		if (b->access[i].kind != PROBE_WRITE)
			continue;
		mmu_tables_walk(&w->t, &b->access[i], &walk);
		if (!walk.fault && walk.hva == hva)
			return true;
	}
	return false;
}

/*
 * At a fault of nested page tables, L1 must get the address that L2 accessed.  If KVM emulates L2's
 * access, kernels without a fix of FNAME(walk_addr_generic)() report only the page.  KVM may
 * emulate any access, e.g. if there is a page table that KVM shadows.  So the walks take either,
 * and find other bugs in such kernels, too; mmu_root_nested_fault_test wants the whole address.
 */
static bool is_address_of(struct walk *w, const struct mmu_tables_access *access,
			  uint64_t address)
{
	if (w->nested && !known_bugs && address == (access->gva & PAGE_MASK))
		return true;
	return address == access->gva;
}

static void compare_fault(struct walk *w, const struct mmu_tables_access *access,
			  const struct mmu_tables_seen *seen, const struct mmu_tables_walk *walk)
{
	uint64_t error = seen->error;

	report->faults++;
	/* If KVM walks the tables, the error code is KVM's, whatever the CPU does wrong. */
	if (mmu_roots_has_fault(MMU_ROOTS_FAULT_RSVD_WITHOUT_P) && is_walked_by_cpu(w) &&
	    !access->emulated && walk->error & PFERR_RSVD_MASK)
		error |= PFERR_PRESENT_MASK;
	check(w, seen->vector == PF_VECTOR,
	      "%s must raise #PF(%#x), but saw %#lx", name_of(w, access), walk->error,
	      seen->value);
	check(w, seen->vector != PF_VECTOR || error == walk->error,
	      "%s must raise #PF(%#x), but raised #PF(%#lx)", name_of(w, access), walk->error,
	      seen->error);
	check(w, seen->vector != PF_VECTOR || is_address_of(w, access, seen->address),
	      "%s raised #PF with address %#lx", name_of(w, access), seen->address);
}

static void compare_value(struct walk *w, const struct mmu_tables_batch *b, unsigned int i,
			  const struct mmu_tables_walk *walk)
{
	const struct mmu_tables_access *access = &b->access[i];
	const struct mmu_tables_seen *seen = &b->seen[i];
	uint64_t tag = mmu_tables_tag(&w->t, walk->gpa);

	if (access->kind == PROBE_EXEC)
		check(w, seen->value == (uint32_t)(tag >> 8),
		      "%s must run %#x at %#lx, but ran %#lx", name_of(w, access),
		      (uint32_t)(tag >> 8), walk->gpa, seen->value);
	else if (access->kind == PROBE_READ)
		check(w, seen->value == tag, "%s must see %#lx at %#lx, but saw %#lx",
		      name_of(w, access), tag, walk->gpa, seen->value);
	else if (walk->hva && !is_overwritten(w, b, i, walk->hva))
		check(w, *(uint64_t *)walk->hva == access->value,
		      "%s must write %#lx to %#lx, which is %#lx", name_of(w, access),
		      access->value, walk->gpa, *(uint64_t *)walk->hva);
}

static void compare_entries(struct walk *w, const struct mmu_tables_access *access,
			    const struct mmu_tables_walk *walk)
{
	uint64_t leaf = *walk->entry[walk->nr_entries - 1];
	unsigned int i;

	for (i = 0; i < walk->nr_entries; i++)
		check(w, *walk->entry[i] & PT_ACCESSED_MASK,
		      "%s leaves entry %#lx of level %u without A", name_of(w, access),
		      *walk->entry[i], w->t.levels - i);
	check(w, access->kind != PROBE_WRITE || leaf & PT_DIRTY_MASK,
	      "%s leaves entry %#lx without D", name_of(w, access), leaf);
}

static void compare(struct walk *w, const struct mmu_tables_batch *b, unsigned int i)
{
	const struct mmu_tables_access *access = &b->access[i];
	const struct mmu_tables_seen *seen = &b->seen[i];
	struct mmu_tables_walk walk;

	mmu_tables_walk(&w->t, access, &walk);
	if (walk.fault)
		return compare_fault(w, access, seen, &walk);

	check(w, seen->vector != PF_VECTOR, "%s must reach %#lx, but raised #PF(%#lx)",
	      name_of(w, access), walk.gpa, seen->error);
	check(w, seen->mmio == (walk.hva ? 0 : walk.gpa),
	      "%s of %s %#lx came to userspace as %#lx", name_of(w, access),
	      walk.hva ? "memory" : "hole", walk.gpa, seen->mmio);
	report->mmio += !walk.hva;
	if (seen->vector != MMU_TABLES_NO_FAULT)
		return;
	compare_value(w, b, i, &walk);
	compare_entries(w, access, &walk);
	if (access->kind == PROBE_WRITE && walk.hva)
		note_write(w, walk.gpa);
}

static void look(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_batch *b = new_batch(w);
	unsigned int i;

	b->nr = NR_PROBES;
	for (i = 0; i < b->nr; i++)
		draw_access(w, &b->access[i], seed);
	if (!run(w))
		return;
	report->accesses += b->nr;
	for (i = 0; i < b->nr && !w->blind; i++)
		compare(w, b, i);
}

static void check_gone(struct walk *w, const char *name)
{
	uint64_t val = 0;

	/* Older kernels lack some of these files. */
	if (!mmu_roots_read_debugfs(&w->roots, name, &val))
		check(w, !val, "%s is %lu after all was zapped", name, val);
}

/* After a reset, and without the memslots of the walk, KVM must have no page table left. */
static void check_nothing_left(struct walk *w)
{
	unsigned int part;

	mmu_root_sregs_flip(w->t.vcpu, 0, 0, X86_CR4_PGE, 0);
	mmu_root_sregs_flip(w->t.vcpu, 0, 0, X86_CR4_PGE, 0);
	if (w->keep_roots)
		return;
	for (part = 0; part < NR_PARTS; part++)
		if (w->t.part[part].present)
			mmu_tables_set_slot(&w->t, part, false, false);
	check_gone(w, "mmu_shadow_pages");
	check_gone(w, "mmu_unsync");
	check_gone(w, "pages_4k");
	check_gone(w, "pages_2m");
	check_gone(w, "pages_1g");
}

static void take_steps(struct walk *w, const struct tables_step *steps, unsigned int nr)
{
	struct mmu_roots_snapshot snap;
	unsigned int i;
	uint32_t seed;

	setup(w);
	for (i = 0; i < nr && !w->roots.nr_failures; i++) {
		seed = steps[i].seed;
		report->step = i;
		report->ops++;
		perform(w, steps[i], &seed);
		if (!w->roots.nr_failures)
			look(w, &seed);
		if (i % STEPS_PER_SNAPSHOT == 0)
			mmu_roots_read(&w->roots, &snap);
	}
	if (!w->roots.nr_failures)
		check_nothing_left(w);
	mmu_roots_read(&w->roots, &snap);
	mmu_roots_vm_free(&w->roots);
}

/* The walk has a process of its own, because it may exit anywhere, and needs a fresh VM. */
static bool walk_fails(const void *steps, unsigned int nr, void *arg)
{
	struct walk w = *(struct walk *)arg;
	int status;
	pid_t pid;

	/* A child that exits restores the parameter, so each walk has to set it. */
	mmu_roots_force_emulation();
	report->failure[0] = '\0';
	report->step = 0;
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		if (w.quiet && (!freopen("/dev/null", "w", stdout) ||
				!freopen("/dev/null", "w", stderr)))
			exit(KSFT_FAIL);
		take_steps(&w, steps, nr);
		fflush(stdout);
		_exit(KSFT_PASS);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	return status;
}

static bool still_fails(const void *steps, unsigned int nr, void *arg)
{
	struct walk *w = arg;

	return time(NULL) < w->deadline && walk_fails(steps, nr, w);
}

/* Shrink the walk: leave the short sequence in @steps, and return its length. */
static unsigned int shrink_walk(struct walk *w, struct tables_step *steps, unsigned int nr)
{
	w->quiet = true;
	w->deadline = time(NULL) + SHRINK_TIMEOUT;
	nr = mmu_roots_steps_shrink(steps, nr, sizeof(*steps), still_fails, w);
	if (time(NULL) >= w->deadline)
		printf("# no more time to shrink: some steps may not be needed\n");
	/* Walk the shortest sequence once more, for its failure message. */
	w->quiet = false;
	walk_fails(steps, nr, w);
	return nr;
}

static void print_steps(const struct tables_step *steps, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		printf("%s%s:%x", i ? "," : "", ops[steps[i].op].name, steps[i].seed);
}

/* The checks of the laws print what is wrong themselves. */
static const char *failure(void)
{
	return report->failure[0] ? report->failure : "a law does not hold, see above";
}

/* Print all in one line, because a report shows one line. */
static void tell_failure(struct walk *w, struct tables_step *steps)
{
	unsigned int nr, at = report->step;
	char *first = strdup(failure());

	/* Print this first, before shrinking can go wrong. */
	printf("# step %u failed: %s\n", at + 1, first);
	nr = shrink_walk(w, steps, at + 1);
	printf("#! -s %u: step %u: %s: %s; shortest: -s %u -o ", w->seed, at + 1,
	       ops[steps[at < nr ? at : 0].op].name, first, w->seed);
	print_steps(steps, nr);
	printf(": %s\n", failure());
	exit(KSFT_FAIL);
}

static void draw_steps(struct walk *w, struct tables_step *steps, unsigned int nr)
{
	uint32_t seed = w->seed * 0x9e3779b9u ?: 1;
	unsigned int i, sum = 0, op, pick;

	for (op = 0; op < NR_OPS; op++)
		sum += w->ops & BIT(op) ? ops[op].weight : 0;
	for (i = 0; i < nr; i++) {
		pick = draw(&seed, sum);
		for (op = 0; ; op++) {
			if (!(w->ops & BIT(op)))
				continue;
			if (pick < ops[op].weight)
				break;
			pick -= ops[op].weight;
		}
		/* How much one step draws must not influence the steps that follow. */
		draw(&seed, 1);
		steps[i] = (struct tables_step) { .op = op, .seed = seed };
	}
}

static void walk_seed(struct walk *w)
{
	struct tables_step *steps = calloc(nr_steps, sizeof(*steps));

	TEST_ASSERT(steps, "allocate %u steps", nr_steps);
	if (only_steps)
		memcpy(steps, only_steps, nr_steps * sizeof(*steps));
	else
		draw_steps(w, steps, nr_steps);
	if (walk_fails(steps, nr_steps, w))
		tell_failure(w, steps);
	free(steps);
}

static void create_report(void)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(report != MAP_FAILED, "mmap() a page");
}

FIXTURE(tables) {
	struct walk w;
};

FIXTURE_VARIANT(tables) {
	unsigned long ops;
	bool keep_roots;
	bool nested;
};

/* Only the guest rewrites tables. */
FIXTURE_VARIANT_ADD(tables, of_guest) {
	.ops = ALWAYS | BIT(OP_RECYCLE),
};

/* The guest rewrites tables, in memory that comes and goes. */
FIXTURE_VARIANT_ADD(tables, in_slots) {
	.ops = ALWAYS | BIT(OP_ZAP) | BIT(OP_SLOT) | BIT(OP_UNMAP) | BIT(OP_LOG),
};

FIXTURE_VARIANT_ADD(tables, in_slots_without_quirk) {
	.ops = ALWAYS | BIT(OP_ZAP) | BIT(OP_SLOT) | BIT(OP_UNMAP) | BIT(OP_LOG),
	.keep_roots = true,
};

/* Userspace rewrites tables, too, which KVM does not see. */
FIXTURE_VARIANT_ADD(tables, of_host) {
	.ops = ALWAYS | BIT(OP_HOST_WRITE) | BIT(OP_ZAP) | BIT(OP_UNMAP),
};

/* The guest rewrites tables in SMM and outside. */
FIXTURE_VARIANT_ADD(tables, in_smm) {
	.ops = ALWAYS | BIT(OP_SMM),
};

/* KVM shadows L1's nested page tables, which have the same format, but another walk. */
FIXTURE_VARIANT_ADD(tables, nested) {
	.ops = NESTED_OPS | BIT(OP_SLOT) | BIT(OP_LOG) | BIT(OP_RECYCLE),
	.nested = true,
};

FIXTURE_VARIANT_ADD(tables, nested_of_host) {
	.ops = NESTED_OPS | BIT(OP_HOST_WRITE),
	.nested = true,
};

FIXTURE_SETUP(tables)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	if (variant->nested) {
		mmu_roots_require_applicable(!host_cpu_is_intel, "EPT has another format");
		mmu_roots_require_applicable(kvm_cpu_has(X86_FEATURE_GBPAGES),
					     "L2 has its pages mapped by pages of one GiB");
		mmu_root_nested_require(true);
	}
	if (variant->keep_roots)
		mmu_root_path_require_keep_roots();
	if (variant->ops & BIT(OP_SMM))
		mmu_root_path_require(PATH_SMM);
	create_report();
	mmu_roots_force_emulation();
	self->w = (struct walk) {
		.ops = variant->ops, .keep_roots = variant->keep_roots, .nested = variant->nested,
	};
}

FIXTURE_TEARDOWN(tables)
{
	mmu_root_params_restore();
}

TEST_F_TIMEOUT(tables, show_what_they_say, TIMEOUT)
{
	uint32_t first = only_seed ?: 1, last = only_seed ?: NR_SEEDS;
	struct walk *w = &self->w;

	for (w->seed = first; w->seed <= last; w->seed++)
		walk_seed(w);
	printf("# %lu steps, %lu accesses: %lu page faults, %lu MMIO\n", report->ops,
	       report->accesses, report->faults, report->mmio);
}

/*
 * The guest uses a table in SMM, and writes to the table outside of SMM.  One chain of tables
 * leads down from the first PGD: each table is a page of its own, and links to the next one by
 * its first entry in use.
 */
#define CHAIN_PAGE(level)	(NR_COMMON_PAGES - (level))
#define CHAIN_ENTRY		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_ACCESSED_MASK | \
				 PT_DIRTY_MASK)

static void set_chain_entry(struct walk *w, uint64_t table, uint64_t gpa)
{
	uint64_t *entries = mmu_tables_hva(&w->t, table);

	entries[mmu_tables_index(0)] = gpa | CHAIN_ENTRY;
}

/* Link the chain down to a page; the table of one level is in another part of the memory. */
static void link_chain(struct walk *w, uint64_t page, int level, enum mmu_tables_part_id part)
{
	uint64_t table, next = page;
	int i;

	for (i = 1; i < w->t.levels; i++) {
		table = mmu_tables_gpa(i == level ? part : PART_COMMON, CHAIN_PAGE(i));
		set_chain_entry(w, table, next);
		next = table;
	}
	set_chain_entry(w, pgd_gpa(0), next);
}

static void write_chain_entry(struct walk *w, uint64_t table, uint64_t gpa)
{
	struct mmu_tables_batch *b = new_batch(w);

	b->entry = mmu_tables_window(table) + mmu_tables_index(0) * sizeof(uint64_t);
	b->value = gpa | CHAIN_ENTRY;
	run(w);
}

/* The guest must see what the oracle says, and the tag of @gpa, so the oracle must agree, too. */
static void expect_page(struct walk *w, uint64_t gva, uint64_t gpa)
{
	struct mmu_tables_batch *b = new_batch(w);
	uint64_t tag = mmu_tables_tag(&w->t, gpa);

	b->write_cr3 = true;
	b->cr3 = w->t.pgd;
	b->nr = 1;
	b->access[0].gva = gva + MMU_TABLES_TAG_OFFSET;
	if (!run(w))
		return;
	compare(w, b, 0);
	check(w, b->seen[0].value == tag, "the guest sees %#lx instead of %#lx at %#lx",
	      b->seen[0].value, tag, gpa);
}

FIXTURE(across) {
	struct walk w;
};

/*
 * @level: level of the table that the guest rewrites
 * @part: the part of the memory that has this table
 * @mapped: the guest writes to the page before KVM knows that it is a table
 */
FIXTURE_VARIANT(across) {
	int level;
	enum mmu_tables_part_id part;
	bool mapped;
};

FIXTURE_VARIANT_ADD(across, last_level) { 1, PART_COMMON, };
FIXTURE_VARIANT_ADD(across, upper_level) { 2, PART_COMMON, };
/* KVM could map the table's page with a huge page. */
FIXTURE_VARIANT_ADD(across, last_level_in_huge_page) { 1, PART_HUGE, };
FIXTURE_VARIANT_ADD(across, upper_level_in_huge_page) { 2, PART_HUGE, };
FIXTURE_VARIANT_ADD(across, last_level_mapped) { 1, PART_COMMON, true };
FIXTURE_VARIANT_ADD(across, upper_level_mapped) { 2, PART_COMMON, true };

FIXTURE_SETUP(across)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	mmu_root_path_require(PATH_SMM);
	create_report();
	setup(&self->w);
}

FIXTURE_TEARDOWN(across)
{
	if (report->failure[0])
		printf("#! %s\n", report->failure);
	mmu_roots_vm_free(&self->w.roots);
}

/* At the first write, KVM may have protected the table; at the others, KVM has synchronized it. */
#define NR_WRITES		3

/* The rewritten entry leads to another page, or to another last table that leads to that page. */
TEST_F(across, written_in_the_other_mode)
{
	unsigned int index[MMU_TABLES_MAX_LEVELS] = { 1, 1, 1, 1, 1 };
	uint64_t pages[2] = { mmu_tables_gpa(PART_MOVING, 1), mmu_tables_gpa(PART_MOVING, 2) };
	uint64_t gva = mmu_tables_gva(&self->w.t, index), lasts[2], table;
	struct walk *w = &self->w;
	int i;

	lasts[0] = mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(1));
	lasts[1] = mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(MMU_TABLES_MAX_LEVELS));
	set_chain_entry(w, lasts[1], pages[1]);
	link_chain(w, pages[0], variant->level, variant->part);
	table = mmu_tables_gpa(variant->part, CHAIN_PAGE(variant->level));
	if (variant->mapped)
		write_chain_entry(w, table, variant->level == 1 ? pages[0] : lasts[0]);
	op_smm(w);
	expect_page(w, gva, pages[0]);
	for (i = 1; i <= NR_WRITES; i++) {
		op_smm(w);
		write_chain_entry(w, table, variant->level == 1 ? pages[i % 2] : lasts[i % 2]);
		op_smm(w);
		expect_page(w, gva, pages[i % 2]);
	}
}

FIXTURE(shared) {
	struct walk w;
};

/*
 * @level: level of the table that two entries lead to
 * @flag: the flag in which the two entries, and two entries of the table, differ
 * @kind: the access by a user that depends on the flag
 */
FIXTURE_VARIANT(shared) {
	int level;
	uint64_t flag;
	enum mmu_tables_kind kind;
};

FIXTURE_VARIANT_ADD(shared, last_level_w) { 1, PT_WRITABLE_MASK, PROBE_WRITE };
FIXTURE_VARIANT_ADD(shared, level_2_w) { 2, PT_WRITABLE_MASK, PROBE_WRITE };
FIXTURE_VARIANT_ADD(shared, level_2_u) { 2, PT_USER_MASK, PROBE_READ };
FIXTURE_VARIANT_ADD(shared, level_2_nx) { 2, PT64_NX_MASK, PROBE_EXEC };
FIXTURE_VARIANT_ADD(shared, level_3_w) { 3, PT_WRITABLE_MASK, PROBE_WRITE };

FIXTURE_SETUP(shared)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	mmu_roots_require_applicable(!kvm_is_tdp_enabled(), "shadow page tables are not used");
	create_report();
	setup(&self->w);
}

FIXTURE_TEARDOWN(shared)
{
	if (report->failure[0])
		printf("#! %s\n", report->failure);
	mmu_roots_vm_free(&self->w.roots);
}

/* The four ways through the table: bit 0 picks the entry above it, and bit 1 its own entry. */
#define NR_WAYS			4
#define NR_ORDERS		(4 * 3 * 2)

static void share_table(struct walk *w, int level, uint64_t flag)
{
	uint64_t table = mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(level));
	uint64_t above = level + 1 < w->t.levels ?
			 mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(level + 1)) : pgd_gpa(0);
	uint64_t *entries;
	int i;

	link_chain(w, mmu_tables_gpa(PART_MOVING, 1), level, PART_COMMON);
	for (i = 1; i < w->t.levels; i++) {
		entries = mmu_tables_hva(&w->t, mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(i)));
		entries[mmu_tables_index(0)] |= PT_USER_MASK;
	}
	entries = mmu_tables_hva(&w->t, pgd_gpa(0));
	entries[mmu_tables_index(0)] |= PT_USER_MASK;
	entries = mmu_tables_hva(&w->t, above);
	entries[mmu_tables_index(1)] = entries[mmu_tables_index(0)] ^ flag;
	entries = mmu_tables_hva(&w->t, table);
	entries[mmu_tables_index(1)] = entries[mmu_tables_index(0)] ^ flag;
}

/* A user reads first, as KVM then maps what the tables allow, and not what the access needs. */
static void access_by_way(struct walk *w, int level, unsigned int way, enum mmu_tables_kind kind)
{
	struct mmu_tables_batch *b = new_batch(w);
	unsigned int index[MMU_TABLES_MAX_LEVELS];
	int i;

	for (i = 0; i < MMU_TABLES_MAX_LEVELS; i++)
		index[i] = mmu_tables_index(0);
	index[level] = mmu_tables_index(way & 1);
	index[level - 1] = mmu_tables_index(way >> 1);

	b->write_cr3 = true;
	b->cr3 = w->t.pgd;
	b->nr = 2;
	for (i = 0; i < 2; i++) {
		b->access[i].gva = mmu_tables_gva(&w->t, index);
		b->access[i].kind = i ? kind : PROBE_READ;
		b->access[i].flags = MMU_TABLES_USER;
		b->access[i].gva += b->access[i].kind == PROBE_WRITE ? MMU_TABLES_WRITE_OFFSET :
				    MMU_TABLES_TAG_OFFSET;
		b->access[i].value = way;
	}
	if (!run(w))
		return;
	compare(w, b, 0);
	compare(w, b, 1);
}

/* Once KVM has a shadow page for each permission, nothing needs to be replaced or mapped again. */
static void expect_no_more_faults(struct walk *w, int level, enum mmu_tables_kind kind)
{
	struct mmu_roots_snapshot before, after;
	unsigned int way;

	mmu_roots_read(&w->roots, &before);
	for (way = 0; way < NR_WAYS; way++)
		access_by_way(w, level, way, kind);
	mmu_roots_read(&w->roots, &after);
	mmu_roots_expect_growth(&w->roots, &before, &after, PF_FIXED, 0);
	mmu_roots_expect_growth(&w->roots, &before, &after, PF_SPURIOUS, 0);
}

/*
 * Permissions are those of all entries on the way.  So a table that is reached with different
 * permissions needs a shadow page for each, and which of them exist already must not matter:
 * KVM starts from nothing, and the guest goes all ways, in all orders.
 */
TEST_F(shared, has_the_permissions_of_the_way)
{
	struct walk *w = &self->w;
	unsigned int way[NR_WAYS], order, rest, pick, i, k;

	share_table(w, variant->level, variant->flag);
	for (order = 0; order < NR_ORDERS && !w->roots.nr_failures; order++) {
		op_zap(w);
		for (i = 0; i < NR_WAYS; i++)
			way[i] = i;
		for (i = 0, rest = order; i < NR_WAYS; i++) {
			pick = rest % (NR_WAYS - i);
			rest /= NR_WAYS - i;
			access_by_way(w, variant->level, way[pick], variant->kind);
			for (k = pick; k + 1 < NR_WAYS - i; k++)
				way[k] = way[k + 1];
		}
		expect_no_more_faults(w, variant->level, variant->kind);
	}
}

FIXTURE(hole) {
	struct walk w;
};

FIXTURE_SETUP(hole)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	create_report();
	setup(&self->w);
}

FIXTURE_TEARDOWN(hole)
{
	if (report->failure[0])
		printf("#! %s\n", report->failure);
	mmu_roots_vm_free(&self->w.roots);
}

/*
 * Entries that lead to holes; the last of the entries in use leads nowhere.  Each hole is accessed
 * once, as KVM looks for an event only until it has an SPTE for the hole.  The first access shows
 * nothing, because the guest's handler has to be mapped, and the others do unless an interrupt of
 * the host comes between.
 */
#define NR_HOLES		(MMU_TABLES_NR_INDICES - 1)

/*
 * The guest accesses a hole right after an exception, without an exit in between.  After an
 * exception of the guest, QEMU's CPU clears EVENTINJ.V but not the event's type, and reports this
 * type in EXITINTINFO of the next exit, without V (do_interrupt_all() and do_vmexit()).  Without V,
 * the other fields are meaningless (AMD APM, "Event Injection"): KVM must emulate the access, and
 * not take it for one by the delivery of the exception (svm_check_emulate_instruction()).
 */
TEST_F(hole, after_a_fault)
{
	unsigned int hole[MMU_TABLES_MAX_LEVELS], nowhere[MMU_TABLES_MAX_LEVELS];
	uint64_t last = mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(1)), *entries;
	struct walk *w = &self->w;
	struct mmu_tables_batch *b;
	unsigned int i;

	for (i = 0; i < MMU_TABLES_MAX_LEVELS; i++)
		hole[i] = mmu_tables_index(0);
	memcpy(nowhere, hole, sizeof(hole));
	nowhere[0] = mmu_tables_index(NR_HOLES);
	link_chain(w, mmu_tables_gpa(PART_HIDDEN, 0), 1, PART_COMMON);
	entries = mmu_tables_hva(&w->t, last);
	for (i = 0; i < NR_HOLES; i++)
		entries[mmu_tables_index(i)] = mmu_tables_gpa(PART_HIDDEN, i) | CHAIN_ENTRY;
	entries[nowhere[0]] = 0;

	for (i = 0; i < NR_HOLES; i++) {
		hole[0] = mmu_tables_index(i);
		b = new_batch(w);
		b->write_cr3 = true;
		b->cr3 = w->t.pgd;
		b->nr = 2;
		b->access[0].gva = mmu_tables_gva(&w->t, nowhere);
		b->access[1].gva = mmu_tables_gva(&w->t, hole) + MMU_TABLES_TAG_OFFSET;
		b->access[1].kind = i % 2 ? PROBE_WRITE : PROBE_READ;
		if (!run(w))
			return;
		compare(w, b, 0);
		compare(w, b, 1);
	}
}

/* The guest accesses the hole of a clean entry, and the entry must then be as the oracle says. */
static void access_clean_hole(struct walk *w, unsigned int i, enum mmu_tables_kind kind)
{
	unsigned int indices[MMU_TABLES_MAX_LEVELS], level;
	struct mmu_tables_batch *b = new_batch(w);

	indices[0] = mmu_tables_index(i);
	for (level = 1; level < MMU_TABLES_MAX_LEVELS; level++)
		indices[level] = mmu_tables_index(0);
	b->nr = 1;
	b->access[0].gva = mmu_tables_gva(&w->t, indices) + MMU_TABLES_TAG_OFFSET;
	b->access[0].kind = kind;
	if (run(w))
		compare(w, b, 0);
}

/*
 * A write sets D in the entry that leads to a hole, though the guest has read the hole before.
 * With shadow paging, KVM emulates both, and remembers what the read found: vcpu_cache_mmio_info().
 * Without CR0.WP, the kernel may write to any page, but the page must get dirty nevertheless.
 */
TEST_F(hole, write_after_read_makes_dirty)
{
	uint64_t *entries = mmu_tables_hva(&self->w.t, mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(1)));
	struct walk *w = &self->w;
	unsigned int wp;

	link_chain(w, mmu_tables_gpa(PART_HIDDEN, 0), 1, PART_COMMON);
	for (wp = 0; wp <= 1; wp++) {
		entries[mmu_tables_index(wp)] = mmu_tables_gpa(PART_HIDDEN, wp) |
						(CHAIN_ENTRY & ~PT_DIRTY_MASK);
		w->t.wp = wp;
		load_regs(w);
		access_clean_hole(w, wp, PROBE_READ);
		access_clean_hole(w, wp, PROBE_WRITE);
	}
}

static void parse_steps(char *list)
{
	char *text, *colon;
	unsigned int op;

	only_steps = calloc(MAX_STEPS, sizeof(*only_steps));
	TEST_ASSERT(only_steps, "allocate %u steps", MAX_STEPS);
	nr_steps = 0;
	for (text = strtok(list, ","); text; text = strtok(NULL, ",")) {
		colon = strchr(text, ':');
		if (colon)
			*colon = '\0';
		for (op = 0; op < NR_OPS && strcmp(text, ops[op].name); op++)
			;
		if (!colon || op == NR_OPS || nr_steps == MAX_STEPS) {
			fprintf(stderr, "-o: no such step, or too many: %s\n", text);
			exit(KSFT_FAIL);
		}
		only_steps[nr_steps++] = (struct tables_step) {
			.op = op, .seed = strtoul(colon + 1, NULL, 16),
		};
	}
}

int main(int argc, char **argv)
{
	static const struct mmu_roots_option options[] = {
		{ "-s", .number = &only_seed },
		{ "-n", .number = &nr_steps, .max = MAX_STEPS },
		{ "-o", .take = parse_steps },
		{ "-k", .flag = &known_bugs },
		{ }
	};

	return test_harness_run(mmu_roots_take_options(argc, argv, options), argv);
}
