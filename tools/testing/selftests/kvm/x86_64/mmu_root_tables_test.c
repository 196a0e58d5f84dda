// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a guest sees what its page tables say, however these are linked.
 *
 * With shadow paging KVM has a page for each of the guest's page tables, for each level that
 * it is used at, for each set of permissions above it, for each address space, and one for a
 * huge page: pages whose identity is easily mistaken if a guest's tables are not canonical.
 * Here each page is whatever an entry that points to it makes of it: a table of any level,
 * the PGD, code and data, a huge page.  Entries are random, and so is who rewrites them.
 *
 * An oracle walks the same tables and says what each access must do.  With two-dimensional
 * paging it is the CPU that walks them, which shows that the oracle is right.
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
#include "mmu_roots_params.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_tables.h"

#define NAME			"page-tables"

#define NR_STEPS		60
#define MAX_STEPS		2000
#define NR_SEEDS		2
#define NR_PROBES		6

/* To shrink takes a run for each try; deadlines of the harness and of beds are longer. */
#define SHRINK_TIMEOUT		20
#define TIMEOUT			120

/* Pages that are tables, and whatever else: of common memory, and of the other parts. */
#define NR_COMMON_PAGES		12
#define NR_OTHER_PAGES		5
/* The first ones that are PGDs, too; page 0 can be a huge page. */
#define FIRST_PGD		1
#define NR_PGDS			3

/* Addresses that are accessed again. */
#define NR_GVAS			12

/* Reading all counters takes as long as several steps. */
#define STEPS_PER_SNAPSHOT	10

#define MIN_SHADOW_PAGES	64
#define NR_SHADOW_PAGES		4096

/**
 * enum tables_op - What is done to the tables before the guest looks
 * @OP_LOOK: nothing
 * @OP_WRITE: the guest writes an entry
 * @OP_WRITE_ARENA: the same, by an address that the tables themselves map
 * @OP_CR3: the guest loads a PGD
 * @OP_REGS: the guest changes CR0.WP, CR4.SMEP, CR4.SMAP or EFER.NX
 * @OP_HOST_WRITE: userspace writes an entry, which KVM does not see
 * @OP_ZAP: userspace deletes a memslot, and creates it again
 * @OP_SLOT: userspace deletes a memslot, or creates it again
 * @OP_UNMAP: the host takes pages away from the guest for a moment
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
	/* How often it is drawn, in relation to others. */
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

struct tables_step {
	uint32_t op;
	uint32_t seed;
};

/* From the walk's process. */
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
 * @ops: what is done, as bits
 * @keep_roots: without KVM_X86_QUIRK_SLOT_ZAP_ALL
 * @stale: entries that were present have changed since the last flush: INVLPG first
 * @blind: userspace has changed entries, so that nobody knows what the guest sees
 * @written: pages that the guest has written since the dirty log was read, by part
 */
struct walk {
	unsigned long ops;
	bool keep_roots;
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
static unsigned int nr_steps = NR_STEPS;
/* Also what is known to go wrong. */
static bool known_bugs;

/* xorshift32: each step has a sequence of its own, whatever other steps there are. */
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

/* Bits of physical addresses that no CPU of today has. */
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

/* Another one, or the same with other flags. */
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
	return MMU_TABLES_FIRST_INDEX + draw(seed, MMU_TABLES_NR_INDICES);
}

/* One that leads somewhere, if there is one soon: most do not. */
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

/* Whatever its part of the memory is in this mode. */
static void fill_table(struct walk *w, uint64_t gpa, uint32_t *seed)
{
	uint64_t *table = mmu_tables_hva(&w->t, gpa);
	unsigned int i;

	for (i = 0; table && i < MMU_TABLES_NR_INDICES; i++)
		table[MMU_TABLES_FIRST_INDEX + i] = draw_entry(seed);
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
	mmu_tables_create(&w->t);
	if (w->keep_roots)
		mmu_root_path_keep_roots(w->t.vm);
	mmu_roots_open(&w->roots, w->t.vm, NAME);
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

/* An entry that is memory in this mode, and its address. */
static uint64_t *draw_written_entry(struct walk *w, uint32_t *seed, uint64_t *gpa)
{
	uint64_t *entry;

	do {
		*gpa = draw_page(seed, false) + draw_index(seed) * sizeof(*entry);
		entry = mmu_tables_hva(&w->t, *gpa);
	} while (!entry);
	return entry;
}

/* What was not present, no CPU remembers: Intel SDM, "Caching Translation Information". */
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

/* To whichever page the address is of, unless that is a hole, or the guest may not. */
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
	/* All shadow pages are gone, so KVM reads each entry again. */
	if (!present && !w->keep_roots)
		w->blind = false;
}

static void op_zap(struct walk *w)
{
	set_slot(w, PART_HUGE, false, false);
	set_slot(w, PART_HUGE, true, false);
}

/*
 * KVM shadows with EFER.NX whatever the guest has (kvm_init_shadow_mmu()), and keeps what it
 * has of entries with a bit that is reserved now: they are no faults before all was zapped.
 */
static bool nx_takes_zap(void)
{
	return !kvm_is_tdp_enabled();
}

static void op_regs(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_batch *b = new_batch(w);
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
	b->write_cr0 = true;
	b->write_cr4 = true;
	b->write_efer = true;
	b->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG | (t->wp ? X86_CR0_WP : 0);
	b->cr4 = (t->cr4 & ~(X86_CR4_SMEP | X86_CR4_SMAP)) | (t->smep ? X86_CR4_SMEP : 0) |
		 (t->smap ? X86_CR4_SMAP : 0);
	b->efer = (t->efer & ~EFER_NX) | EFER_LMA | (t->nx ? EFER_NX : 0);
	run(w);
	if (!t->nx && nx_takes_zap())
		op_zap(w);
}

/* An entry that the guest has used most likely, or any. */
static uint64_t *draw_used_entry(struct walk *w, uint32_t *seed)
{
	struct mmu_tables_access access = {
		.kind = PROBE_READ, .flags = MMU_TABLES_AC, .gva = w->gvas[draw(seed, NR_GVAS)],
	};
	struct mmu_tables_walk walk;
	uint64_t gpa;

	if (access.gva && !one_in(seed, 4)) {
		mmu_tables_walk(&w->t, &access, &walk);
		if (walk.nr_entries)
			return walk.entry[draw(seed, walk.nr_entries)];
	}
	return draw_written_entry(w, seed, &gpa);
}

/*
 * kvm_mmu_page_get_gfn() shifts an int by 36 for an SPTE of level 5, of which UBSAN complains,
 * when kvm_flush_remote_tlbs_sptep() asks for its gfn: if its child is replaced, i.e. userspace
 * has written to the PGD.
 */
static bool is_of_pgd(struct walk *w, const void *entry)
{
	unsigned int i;

	for (i = 0; i < NR_PGDS && !known_bugs; i++)
		if (((uintptr_t)entry & PAGE_MASK) ==
		    (uintptr_t)mmu_tables_hva(&w->t, pgd_gpa(i)))
			return true;
	return false;
}

/* Often what was a table is a huge page then, or the other way round. */
static void op_host_write(struct walk *w, uint32_t *seed)
{
	uint64_t *entry = draw_used_entry(w, seed);
	uint64_t value = draw_new_entry(seed, *entry);

	if (is_of_pgd(w, entry))
		return;
	if (one_in(seed, 3))
		value = *entry ^ PT_PAGE_SIZE_MASK;
	WRITE_ONCE(*entry, value);
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
	vm_ioctl(w->t.vm, KVM_SET_NR_MMU_PAGES, (void *)NR_SHADOW_PAGES);
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

/*
 * Code must not be looked for in a hole: KVM can only give up there.  Nor tables, if it is
 * the CPU that does.
 */
static bool is_fit(struct walk *w, const struct mmu_tables_access *access)
{
	struct mmu_tables_walk walk;

	mmu_tables_walk(&w->t, access, &walk);
	if (walk.table_in_hole && kvm_is_tdp_enabled())
		return false;
	return access->kind != PROBE_EXEC || (!w->blind && (walk.fault || walk.hva));
}

/*
 * To let the kernel write to a read-only page of a user without CR0.WP, KVM maps the page for
 * the kernel alone: then SMAP is not enforced, see FNAME(page_fault)().  With SMAP it takes
 * RFLAGS.AC to get there.
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
		access->flags = draw(seed, 2) ? MMU_TABLES_USER :
				draw(seed, 2) ? MMU_TABLES_AC : 0;
	} while (!is_fit(w, access) || would_lose_smap(w, access));
	access->emulated = access->kind != PROBE_EXEC && one_in(seed, 4);
	access->invlpg = w->stale;
	/* No entry that is present, whatever table it is in. */
	access->value = ++w->nr_writes << 1;
}

static const char *name_of(struct walk *w, const struct mmu_tables_access *access)
{
	static const char * const names[] = { "read", "write", "execution" };
	static char text[128];

	snprintf(text, sizeof(text), "%s%s of %#lx by %s%s (%s%s%s%s%s )",
		 access->emulated ? "emulated " : "", names[access->kind], access->gva,
		 access->flags & MMU_TABLES_USER ? "a user" : "the kernel",
		 access->flags & MMU_TABLES_AC ? " with AC" : "", w->t.wp ? " WP" : "",
		 w->t.smep ? " SMEP" : "", w->t.smap ? " SMAP" : "", w->t.nx ? " NX" : "",
		 w->t.smm ? " SMM" : "");
	return text;
}

/* Whether a later one of the same batch wrote something else. */
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

static void compare_fault(struct walk *w, const struct mmu_tables_access *access,
			  const struct mmu_tables_seen *seen, const struct mmu_tables_walk *walk)
{
	uint64_t error = seen->error;

	report->faults++;
	/*
	 * QEMU's CPU leaves P out where RSVD is set (do_fault_rsvd of excp_helper.c), which
	 * Intel SDM, "Page-Fault Exceptions", does not have.  That is not up to KVM unless
	 * it walks the tables.
	 */
	if (kvm_is_tdp_enabled() && !access->emulated && walk->error & PFERR_RSVD_MASK)
		error |= PFERR_PRESENT_MASK;
	check(w, seen->vector == PF_VECTOR,
	      "%s must raise #PF(%#x), but saw %#lx", name_of(w, access), walk->error,
	      seen->value);
	check(w, seen->vector != PF_VECTOR || error == walk->error,
	      "%s must raise #PF(%#x), but raised #PF(%#lx)", name_of(w, access), walk->error,
	      seen->error);
	check(w, seen->vector != PF_VECTOR || seen->address == access->gva,
	      "%s raised #PF with CR2 %#lx", name_of(w, access), seen->address);
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

	/* Older kernels lack some. */
	if (!mmu_roots_read_debugfs(&w->roots, name, &val))
		check(w, !val, "%s is %lu after all was zapped", name, val);
}

/* Without a root, and without memslots that were there before, KVM has no page table. */
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

/* In a process of its own, as a walk may end anywhere, and for a fresh VM. */
static bool walk_fails(const struct tables_step *steps, unsigned int nr, const struct walk *arg)
{
	struct walk w = *arg;
	int status;
	pid_t pid;

	/* A child that exits restores it. */
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

/* Without each @len steps in turn; returns the number of those that are left. */
static unsigned int drop_steps(struct walk *w, struct tables_step *steps, unsigned int nr,
			       unsigned int len, struct tables_step *rest)
{
	unsigned int at = 0, end;

	while (at < nr) {
		end = min(at + len, nr);
		memcpy(rest, steps, at * sizeof(*steps));
		memcpy(rest + at, steps + end, (nr - end) * sizeof(*steps));
		if (time(NULL) < w->deadline && walk_fails(rest, nr - (end - at), w)) {
			nr -= end - at;
			memcpy(steps, rest, nr * sizeof(*steps));
		} else {
			at = end;
		}
	}
	return nr;
}

/* Leaves the short sequence in @steps, and returns its length. */
static unsigned int shrink_walk(struct walk *w, struct tables_step *steps, unsigned int nr)
{
	struct tables_step *rest = calloc(nr, sizeof(*rest));
	unsigned int len = max(nr / 2, 1u), before;

	w->quiet = true;
	w->deadline = time(NULL) + SHRINK_TIMEOUT;
	do {
		before = nr;
		nr = drop_steps(w, steps, nr, len, rest);
		if (len == 1 && nr == before)
			break;
		len = max(len / 2, 1u);
	} while (nr);
	if (time(NULL) >= w->deadline)
		printf("# no more time to shrink: some steps may not be needed\n");
	free(rest);
	/* Once more, for what the shortest sequence has to say. */
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

/* The laws print what is wrong themselves. */
static const char *failure(void)
{
	return report->failure[0] ? report->failure : "a law does not hold, see above";
}

/* All in one line, as a report shows it. */
static void tell_failure(struct walk *w, struct tables_step *steps)
{
	unsigned int nr, at = report->step;
	char *first = strdup(failure());

	/* Before anything else can go wrong. */
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
		/* What follows may not depend on how much a step draws. */
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
};

/* Who rewrites tables: the guest alone. */
FIXTURE_VARIANT_ADD(tables, of_guest) {
	.ops = ALWAYS | BIT(OP_RECYCLE),
};

/* And in memory that comes and goes. */
FIXTURE_VARIANT_ADD(tables, in_slots) {
	.ops = ALWAYS | BIT(OP_ZAP) | BIT(OP_SLOT) | BIT(OP_UNMAP) | BIT(OP_LOG),
};

FIXTURE_VARIANT_ADD(tables, in_slots_without_quirk) {
	.ops = ALWAYS | BIT(OP_ZAP) | BIT(OP_SLOT) | BIT(OP_UNMAP) | BIT(OP_LOG),
	.keep_roots = true,
};

/* And userspace, of which KVM knows nothing. */
FIXTURE_VARIANT_ADD(tables, of_host) {
	.ops = ALWAYS | BIT(OP_HOST_WRITE) | BIT(OP_ZAP) | BIT(OP_UNMAP),
};

/* Both in SMM and outside. */
FIXTURE_VARIANT_ADD(tables, in_smm) {
	.ops = ALWAYS | BIT(OP_SMM),
};

FIXTURE_SETUP(tables)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	if (variant->keep_roots)
		mmu_root_path_require_keep_roots();
	if (variant->ops & BIT(OP_SMM))
		mmu_root_path_require(PATH_SMM);
	create_report();
	mmu_roots_force_emulation();
	self->w = (struct walk) { .ops = variant->ops, .keep_roots = variant->keep_roots };
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
 * A table that is used in SMM and written to outside: one way down from the first PGD, by the
 * first entry in use of pages of their own.
 */
#define CHAIN_PAGE(level)	(NR_COMMON_PAGES - (level))
#define CHAIN_ENTRY		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_ACCESSED_MASK | \
				 PT_DIRTY_MASK)

static void set_chain_entry(struct walk *w, uint64_t table, uint64_t gpa)
{
	uint64_t *entries = mmu_tables_hva(&w->t, table);

	entries[MMU_TABLES_FIRST_INDEX] = gpa | CHAIN_ENTRY;
}

static void write_chain_entry(struct walk *w, uint64_t table, uint64_t gpa)
{
	struct mmu_tables_batch *b = new_batch(w);

	b->entry = mmu_tables_window(table) + MMU_TABLES_FIRST_INDEX * sizeof(uint64_t);
	b->value = gpa | CHAIN_ENTRY;
	run(w);
}

/* By the oracle, and by what it has to be: the one has to agree with the other, too. */
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
 * @level: of the table
 * @part: that it is in
 * @mapped: the guest has written to it before it became a table
 */
FIXTURE_VARIANT(across) {
	int level;
	enum mmu_tables_part_id part;
	bool mapped;
};

FIXTURE_VARIANT_ADD(across, last_level) { 1, PART_COMMON, };
FIXTURE_VARIANT_ADD(across, upper_level) { 2, PART_COMMON, };
/* A page that KVM could map by a huge page. */
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

/* The way down to a page: another one in the end, or another last table that leads there. */
TEST_F(across, written_in_the_other_mode)
{
	unsigned int index[MMU_TABLES_MAX_LEVELS] = { 1, 1, 1, 1, 1 };
	uint64_t pages[2] = { mmu_tables_gpa(PART_MOVING, 1), mmu_tables_gpa(PART_MOVING, 2) };
	uint64_t gva = mmu_tables_gva(&self->w.t, index), last, table;
	struct walk *w = &self->w;
	int level;

	last = mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(MMU_TABLES_MAX_LEVELS));
	set_chain_entry(w, last, pages[1]);
	table = pages[0];
	for (level = 1; level < w->t.levels; level++) {
		uint64_t upper = mmu_tables_gpa(level == variant->level ? variant->part :
						PART_COMMON, CHAIN_PAGE(level));

		set_chain_entry(w, upper, table);
		table = upper;
	}
	set_chain_entry(w, pgd_gpa(0), table);

	table = mmu_tables_gpa(variant->part, CHAIN_PAGE(variant->level));
	if (variant->mapped)
		write_chain_entry(w, table, variant->level == 1 ? pages[0] :
				  mmu_tables_gpa(PART_COMMON, CHAIN_PAGE(1)));
	op_smm(w);
	expect_page(w, gva, pages[0]);
	op_smm(w);
	write_chain_entry(w, table, variant->level == 1 ? pages[1] : last);
	op_smm(w);
	expect_page(w, gva, pages[1]);
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

/* Removes what the harness does not know. */
static int take_options(int argc, char **argv)
{
	int i, kept = 1;

	for (i = 1; i < argc; i++) {
		if (i + 1 < argc && !strcmp(argv[i], "-s"))
			only_seed = atoi_positive("seed", argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "-n"))
			nr_steps = min(atoi_positive("number of steps", argv[++i]),
				       (uint32_t)MAX_STEPS);
		else if (i + 1 < argc && !strcmp(argv[i], "-o"))
			parse_steps(argv[++i]);
		else if (!strcmp(argv[i], "-k"))
			known_bugs = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

int main(int argc, char **argv)
{
	return test_harness_run(take_options(argc, argv), argv);
}
