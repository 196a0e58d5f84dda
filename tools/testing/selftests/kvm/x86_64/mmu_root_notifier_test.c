// SPDX-License-Identifier: GPL-2.0
/*
 * Test that a guest sees its memory after the host has replaced the pages, while the
 * guest's roots stay.  The MMU notifier tells KVM, which must unmap the pages from all
 * roots, those that no vCPU uses included, see kvm_unmap_gfn_range().  A root in the cache
 * is of no use if it still maps the old pages.
 *
 * Each case replaces pages by others with other content.  The guest must see the new
 * content, and KVM must not reset an MMU, or load or build a root for that.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Beyond everything that the library and mmu_root_path_vm_create() map. */
#define SPARE_SLOT		3
#define SPARE_GPA		0x50000000ul
#define SPARE_GVA		SPARE_GPA
#define NR_PAGES		16

/* Some guests have the same memory at this address, too. */
#define ALIAS_SLOT		4
#define ALIAS_GPA		0x54000000ul
#define ALIAS_GVA		ALIAS_GPA

/* SMM has memslots of its own, in this address space. */
#define SMM_AS_ID		1
#define SLOT_OF_SMM(slot)	(SMM_AS_ID << 16 | (slot))

/*
 * SMM reads at the first of these offsets, and stores what it read at the second one, in a
 * page that was written before.
 */
#define SMM_PAGE_OFFSET		0x3000
#define SMM_SEEN_OFFSET		(MMU_ROOT_SMI_COUNT_OFFSET + 8)

/* Each page begins with its number plus TAG, or plus NEXT_TAG after the host has replaced it. */
#define TAG			0x1000
#define NEXT_TAG		0x2000

/* Number of replacements while the guest reads, and time limit for all of them. */
#define NR_TURNS		100
#define TIMEOUT_S		120

/*
 * keep_pages() keeps at most this number of pages, which is a power of two, as the size of
 * a pipe is, and which any user may have in a pipe.
 */
#define MAX_KEPT		128

static const uint8_t handler_reads[] = {
	0x2e, 0x66, 0xa1, SMM_PAGE_OFFSET & 0xff, SMM_PAGE_OFFSET >> 8,
						/* movl %cs:SMM_PAGE_OFFSET, %eax */
	0x2e, 0x66, 0xa3, SMM_SEEN_OFFSET & 0xff, SMM_SEEN_OFFSET >> 8,
						/* movl %eax, %cs:SMM_SEEN_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

/* This handler reads the first page of the memory that SMM shares: segments of SMM have 4 GiB. */
static const uint8_t handler_reads_shared[] = {
	0x67, 0x66, 0xa1, SPARE_GPA & 0xff, SPARE_GPA >> 8 & 0xff,
	SPARE_GPA >> 16 & 0xff, SPARE_GPA >> 24,
						/* movl %ds:SPARE_GPA, %eax */
	0x2e, 0x66, 0xa3, SMM_SEEN_OFFSET & 0xff, SMM_SEEN_OFFSET >> 8,
						/* movl %eax, %cs:SMM_SEEN_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

/* The guest stores here which word each page begins with, at either address. */
static uint64_t seen[NR_PAGES];
static uint64_t seen_at_alias[NR_PAGES];

static void guest_read_pages_at(uint64_t gva, uint64_t *to)
{
	uint64_t i;

	for (i = 0; i < NR_PAGES; i++)
		to[i] = READ_ONCE(*(uint64_t *)(gva + i * PAGE_SIZE));
}

static void guest_read_pages(void)
{
	guest_read_pages_at(SPARE_GVA, seen);
}

static void look(void)
{
	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		guest_read_pages();
		GUEST_SYNC(0);
	}
}

static void look_at_both_addresses(void)
{
	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		guest_read_pages();
		guest_read_pages_at(ALIAS_GVA, seen_at_alias);
		GUEST_SYNC(0);
	}
}

/* With shadow paging, the guest reads by another root if it has flipped CR4.SMEP. */
static void look_with_smep(void)
{
	uint64_t cr4 = guest_initial_cr4;

	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		mmu_root_paths[PATH_CR4_SMEP].guest_op(&cr4);
		guest_read_pages();
		mmu_root_paths[PATH_CR4_SMEP].guest_op(&cr4);
		GUEST_SYNC(0);
	}
}

static void look_in_smm(void)
{
	guest_path_init(PATH_SMM);
	for (;;) {
		mmu_root_paths[PATH_SMM].guest_op(NULL);
		GUEST_SYNC(0);
	}
}

static void look_in_both_modes(void)
{
	guest_path_init(PATH_SMM);
	for (;;) {
		guest_read_pages();
		mmu_root_paths[PATH_SMM].guest_op(NULL);
		GUEST_SYNC(0);
	}
}

static void l2_code(void)
{
	for (;;) {
		guest_read_pages();
		guest_l2_call();
	}
}

static void look_in_l2(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_code, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		GUEST_SYNC(0);
	}
}

static void *map_memory(size_t size, int flags, int fd)
{
	void *hva = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	TEST_ASSERT(hva != MAP_FAILED, "mmap() %zu bytes", size);
	return hva;
}

static void write_tags(void *hva, uint64_t nr_pages, uint64_t tag)
{
	uint64_t i;

	for (i = 0; i < nr_pages; i++)
		*(uint64_t *)(hva + i * PAGE_SIZE) = tag + i;
}

/*
 * Keep references to the old pages, so that the kernel cannot use them as the new ones: a
 * stale SPTE would then map the new content, and the test would not notice.  The references
 * last until the process ends.
 */
static void keep_pages(void *hva, size_t size)
{
	struct iovec iov = { .iov_base = hva, .iov_len = size };
	static int fds[2];

	if (!fds[1])
		TEST_ASSERT(!pipe(fds) && fcntl(fds[1], F_SETPIPE_SZ, MAX_KEPT * PAGE_SIZE) > 0,
			    "a pipe for %d pages", MAX_KEPT);
	TEST_ASSERT(vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK) == size, "vmsplice()");
}

/* This child shares all memory that is not written to, until the test kills the child. */
static pid_t child;

static void drop_pages(void *hva, size_t size)
{
	TEST_ASSERT(!madvise(hva, size, MADV_DONTNEED), "MADV_DONTNEED");
}

static void punch_hole(void *hva, size_t size)
{
	TEST_ASSERT(!madvise(hva, size, MADV_REMOVE), "MADV_REMOVE");
}

static void move_other_memory(void *hva, size_t size)
{
	void *other = map_memory(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	TEST_ASSERT(mremap(other, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, hva) == hva,
		    "mremap()");
}

/* The child has the pages from then on: if the test or the guest writes to one, it gets a copy. */
static void fork_child(void *hva, size_t size)
{
	pid_t parent = getpid();

	child = fork();
	TEST_ASSERT(child >= 0, "fork()");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			pause();
		_exit(0);
	}
}

static void migrate_pages_to_other_node(void *hva, size_t size)
{
	void *page[NR_PAGES];
	int status[NR_PAGES], node[NR_PAGES], i;

	for (i = 0; i < NR_PAGES; i++)
		page[i] = hva + i * PAGE_SIZE;
	TEST_ASSERT(!numa_move_pages(0, NR_PAGES, page, NULL, status, 0), "numa_move_pages()");
	for (i = 0; i < NR_PAGES; i++)
		node[i] = !status[i];
	/*
	 * numa_move_pages() returns how many pages it could not move, and stores the
	 * reasons in status[].
	 */
	TEST_ASSERT(numa_move_pages(0, NR_PAGES, page, node, status, MPOL_MF_MOVE) >= 0,
		    "numa_move_pages()");
	for (i = 0; i < NR_PAGES; i++)
		TEST_ASSERT(status[i] == node[i], "page %d is on node %d, not %d",
			    i, status[i], node[i]);
}

static bool has_two_nodes(void)
{
	return numa_available() >= 0 && numa_node_size64(0, NULL) > 0 &&
	       numa_node_size64(1, NULL) > 0;
}

FIXTURE(notifier) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	void *hva;
	uint64_t nr_pages;
	uint64_t nr_mapped;
};

/*
 * @name: the path
 * @guest_code: makes the guest read the pages, by whichever root
 * @take_away: what the host does to the pages
 * @shared: the pages are those of a file
 * @whole_mm: @take_away concerns all memory of the host's process
 * @alias: the pages are at two addresses
 * @adjacent: the pages are those of two memslots, one behind the other
 * @smm: SMM reads, and what it reads is memory of SMM only
 * @smm_too: SMM reads memory of normal mode, so that both modes read it
 * @nested: L2 reads
 * @nested_paging: L1 uses nested paging
 */
FIXTURE_VARIANT(notifier) {
	const char *name;
	void (*guest_code)(void);
	void (*take_away)(void *hva, size_t size);
	bool shared;
	bool whole_mm;
	bool alias;
	bool adjacent;
	bool smm;
	bool smm_too;
	bool nested;
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(notifier, dropped) {
	.name = "DONTNEED", .guest_code = look, .take_away = drop_pages,
};

FIXTURE_VARIANT_ADD(notifier, punched) {
	.name = "punched-hole", .guest_code = look, .take_away = punch_hole, .shared = true,
};

FIXTURE_VARIANT_ADD(notifier, replaced) {
	.name = "mremap", .guest_code = look, .take_away = move_other_memory,
};

FIXTURE_VARIANT_ADD(notifier, copied) {
	.name = "fork", .guest_code = look, .take_away = fork_child, .whole_mm = true,
};

FIXTURE_VARIANT_ADD(notifier, migrated) {
	.name = "migration", .guest_code = look, .take_away = migrate_pages_to_other_node,
};

/*
 * Most variants from here on are about roots that are not in use when the host replaces the
 * pages; this one is so with shadow paging only.
 */
FIXTURE_VARIANT_ADD(notifier, dropped_of_other_role) {
	.name = "DONTNEED-role", .guest_code = look_with_smep, .take_away = drop_pages,
};

FIXTURE_VARIANT_ADD(notifier, dropped_of_smm) {
	.name = "DONTNEED-SMM", .guest_code = look_in_smm, .take_away = drop_pages,
	.smm = true,
};

/*
 * The same memory may be in two memslots, or in two address spaces, as a VMM has nearly all
 * memory: KVM must look for each of them, see __kvm_handle_hva_range().
 */
FIXTURE_VARIANT_ADD(notifier, dropped_of_two_slots) {
	.name = "DONTNEED-alias", .guest_code = look_at_both_addresses,
	.take_away = drop_pages, .alias = true,
};

/* One range of the host's addresses may also belong to more than one memslot. */
FIXTURE_VARIANT_ADD(notifier, dropped_of_adjacent_slots) {
	.name = "DONTNEED-adjacent", .guest_code = look, .take_away = drop_pages,
	.adjacent = true,
};

FIXTURE_VARIANT_ADD(notifier, dropped_of_both_modes) {
	.name = "DONTNEED-SMM-too", .guest_code = look_in_both_modes, .take_away = drop_pages,
	.smm_too = true,
};

FIXTURE_VARIANT_ADD(notifier, dropped_of_l2) {
	.name = "DONTNEED-L2", .guest_code = look_in_l2, .take_away = drop_pages,
	.nested = true,
};

FIXTURE_VARIANT_ADD(notifier, dropped_of_l2_npt_or_ept) {
	.name = "DONTNEED-L2+NPT", .guest_code = look_in_l2, .take_away = drop_pages,
	.nested = true, .nested_paging = true,
};

static void *add_spare_slot(struct kvm_vm *vm, bool shared, bool adjacent)
{
	size_t first = (adjacent ? NR_PAGES / 2 : NR_PAGES) * PAGE_SIZE;
	size_t size = NR_PAGES * PAGE_SIZE;
	int fd = shared ? memfd_create("spare", 0) : -1;
	void *hva;

	TEST_ASSERT(!shared || !ftruncate(fd, size), "memfd_create()");
	hva = map_memory(size, shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd);
	if (shared)
		close(fd);
	/*
	 * The test counts and moves pages one by one, so THP must not be used.  A kernel
	 * without THP has no larger pages, and madvise() may fail.
	 */
	madvise(hva, size, MADV_NOHUGEPAGE);
	vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, first, hva);
	if (adjacent)
		vm_set_user_memory_region(vm, SPARE_SLOT + 1, 0, SPARE_GPA + first,
					  size - first, hva + first);
	virt_map(vm, SPARE_GVA, SPARE_GPA, NR_PAGES);
	return hva;
}

static void add_slot_of_alias(struct kvm_vm *vm, void *hva)
{
	vm_set_user_memory_region(vm, ALIAS_SLOT, 0, ALIAS_GPA, NR_PAGES * PAGE_SIZE, hva);
	virt_map(vm, ALIAS_GVA, ALIAS_GPA, NR_PAGES);
}

/*
 * The slot has one page: in a larger one, KVM maps more than SMM reads, see
 * direct_pte_prefetch().
 */
static void add_slot_of_smm(struct kvm_vm *vm, void *hva)
{
	vm_set_user_memory_region(vm, SLOT_OF_SMM(SPARE_SLOT), 0, SPARE_GPA, PAGE_SIZE, hva);
	mmu_root_path_set_smi_handler(handler_reads_shared, sizeof(handler_reads_shared));
}

/* Count each mapping of a page.  If KVM emulates SMM, it reads the page without mapping it. */
static uint64_t nr_mapped_pages(const FIXTURE_VARIANT(notifier) * variant)
{
	uint64_t nr_of_smm = mmu_root_smm_is_emulated() ? 0 : 1;

	if (variant->smm)
		return nr_of_smm;
	return NR_PAGES + (variant->alias ? NR_PAGES : 0) + (variant->smm_too ? nr_of_smm : 0);
}

FIXTURE_SETUP(notifier)
{
	const char *name = mmu_root_nested_name(variant->name);
	struct kvm_vm *vm;

	printf("#@ path=%s\n", name);
	if (variant->smm || variant->smm_too)
		mmu_root_path_require(PATH_SMM);
	if (variant->nested)
		mmu_root_nested_require(variant->nested_paging);
	if (variant->guest_code == look_with_smep)
		mmu_root_path_require(PATH_CR4_SMEP);
	mmu_roots_require_applicable(variant->take_away != migrate_pages_to_other_node ||
				     has_two_nodes(),
				     "needs memory on NUMA nodes 0 and 1, as with numa=fake=2");

	mmu_roots_pin();
	vm = mmu_root_path_vm_create(&self->vcpu, variant->guest_code);
	self->nr_pages = variant->smm ? 1 : NR_PAGES;
	self->nr_mapped = nr_mapped_pages(variant);
	self->hva = variant->smm ? mmu_root_path_smram(true) + SMM_PAGE_OFFSET :
				   add_spare_slot(vm, variant->shared, variant->adjacent);
	if (variant->smm)
		mmu_root_path_set_smi_handler(handler_reads, sizeof(handler_reads));
	if (variant->alias)
		add_slot_of_alias(vm, self->hva);
	if (variant->smm_too)
		add_slot_of_smm(vm, self->hva);
	if (variant->nested)
		mmu_root_nested_create(self->vcpu, variant->nested_paging, 1);
	if (variant->nested)
		mmu_root_nested_open(&self->roots, vm, name, NR_L1_L2_ROOTS);
	else
		mmu_roots_open(&self->roots, vm, name);
}

FIXTURE_TEARDOWN(notifier)
{
	mmu_roots_vm_free(&self->roots);
}

static void check_pages(struct mmu_roots *roots, const uint64_t *pages, uint64_t nr_pages,
			uint64_t tag, const char *who)
{
	uint64_t i;

	for (i = 0; i < nr_pages; i++)
		mmu_roots_check(roots, pages[i] == tag + i,
				"%s sees %#lx in page %lu, expected %#lx",
				who, pages[i], i, tag + i);
}

/* Make the guest read the pages, and check what it sees. */
static void expect_tags(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t tag,
			const FIXTURE_VARIANT(notifier) * variant,
			struct mmu_roots_snapshot *after)
{
	uint64_t of_smm;

	mmu_root_path_sync(vcpu);
	sync_global_from_guest(vcpu->vm, seen);
	sync_global_from_guest(vcpu->vm, seen_at_alias);
	of_smm = *(uint32_t *)(mmu_root_path_smram(true) + SMM_SEEN_OFFSET);
	if (!variant->smm)
		check_pages(roots, seen, NR_PAGES, tag, "the guest");
	if (variant->alias)
		check_pages(roots, seen_at_alias, NR_PAGES, tag, "the other memslot");
	if (variant->smm || variant->smm_too)
		check_pages(roots, &of_smm, 1, tag, "SMM");
	mmu_roots_read(roots, after);
}

static void expect_untouched(struct mmu_roots *roots,
			     const struct mmu_roots_snapshot *before,
			     const struct mmu_roots_snapshot *after)
{
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_FREE, 0);
}

/* Reading after the change must cost what reading costs without a change, plus @more. */
static void expect_same_growth(struct mmu_roots *roots, const struct mmu_roots_snapshot *snap,
			       enum mmu_root_stat stat, uint64_t more)
{
	mmu_roots_expect_growth(roots, &snap[2], &snap[3], stat,
				snap[1].stat[stat] - snap[0].stat[stat] + more);
}

TEST_F(notifier, pages_are_seen_as_they_are)
{
	struct mmu_roots_snapshot snap[4];
	struct mmu_roots *roots = &self->roots;

	write_tags(self->hva, self->nr_pages, TAG);
	expect_tags(roots, self->vcpu, TAG, variant, &snap[0]);
	expect_tags(roots, self->vcpu, TAG, variant, &snap[1]);

	/* The kernel cannot migrate pages with the references of keep_pages(). */
	if (variant->take_away != migrate_pages_to_other_node)
		keep_pages(self->hva, self->nr_pages * PAGE_SIZE);
	variant->take_away(self->hva, self->nr_pages * PAGE_SIZE);
	write_tags(self->hva, self->nr_pages, NEXT_TAG);
	mmu_roots_read(roots, &snap[2]);
	expect_untouched(roots, &snap[1], &snap[2]);
	mmu_roots_expect_growth(roots, &snap[1], &snap[2], MMU_RESET, 0);
	mmu_roots_expect_growth(roots, &snap[1], &snap[2], MMU_ROOT_LOAD, 0);
	if (!variant->whole_mm)
		mmu_roots_expect_growth(roots, &snap[1], &snap[2], PAGES_4K,
					-self->nr_mapped);

	expect_tags(roots, self->vcpu, NEXT_TAG, variant, &snap[3]);
	if (child) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	mmu_roots_report(roots->name, 1, &snap[2], &snap[3]);
	expect_untouched(roots, &snap[2], &snap[3]);
	expect_same_growth(roots, snap, MMU_RESET, 0);
	expect_same_growth(roots, snap, MMU_ROOT_LOAD, 0);
	expect_same_growth(roots, snap, MMU_ROOT_REUSE, 0);
	expect_same_growth(roots, snap, MMU_ROOT_CACHE_HIT, 0);
	expect_same_growth(roots, snap, MMU_ROOT_CACHE_MISS, 0);
	if (variant->whole_mm)
		return;
	mmu_roots_expect_growth(roots, &snap[1], &snap[3], PAGES_4K, 0);
	/* One flush serves any number of notifier calls, as the vCPU has not run in between. */
	expect_same_growth(roots, snap, TLB_FLUSH, self->nr_mapped ? 1 : 0);
}

/*
 * The first page begins with the number of its replacement.  @started is never lower than
 * that number, and @published never higher.  The host writes both variables, which are in a
 * page that stays.
 */
static uint64_t started;
static uint64_t published;

/* Number of reads by the guest, which writes this variable. */
static uint64_t nr_reads;

static void guest_read_numbers(void)
{
	uint64_t least, number, most;

	guest_path_init(PATH_NULL_EXIT);
	GUEST_SYNC(0);
	do {
		least = READ_ONCE(published);
		number = READ_ONCE(*(uint64_t *)SPARE_GVA);
		most = READ_ONCE(started);
		/* Between two replacements, the guest may see a page of zeroes. */
		__GUEST_ASSERT((number >= least && number <= most) ||
			       (!number && least < most),
			       "the guest sees %lu, expected %lu to %lu", number, least, most);
		WRITE_ONCE(nr_reads, nr_reads + 1);
	} while (least < NR_TURNS);
	GUEST_SYNC(number);
}

struct replacer {
	struct kvm_vm *vm;
	void *hva;
};

static void *replace_pages(void *arg)
{
	struct replacer *replacer = arg;
	uint64_t *start = addr_gva2hva(replacer->vm, (uintptr_t)&started);
	uint64_t *publish = addr_gva2hva(replacer->vm, (uintptr_t)&published);
	uint64_t *reads = addr_gva2hva(replacer->vm, (uintptr_t)&nr_reads);
	uint64_t turn, before;

	for (turn = 1; turn <= NR_TURNS; turn++) {
		before = READ_ONCE(*reads);
		/*
		 * On odd turns, the guest has mapped the page before it is replaced: wait
		 * until the guest has read it at least once.  On even turns, the guest is
		 * about to map it.
		 */
		while (turn % 2 && READ_ONCE(*reads) < before + 2)
			sched_yield();
		keep_pages(replacer->hva, PAGE_SIZE);
		WRITE_ONCE(*start, turn);
		drop_pages(replacer->hva, PAGE_SIZE);
		WRITE_ONCE(*(uint64_t *)replacer->hva, turn);
		WRITE_ONCE(*publish, turn);
	}
	return NULL;
}

FIXTURE(running) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct replacer replacer;
};

FIXTURE_SETUP(running)
{
	printf("#@ path=DONTNEED-running\n");
	self->replacer.vm = mmu_root_path_vm_create(&self->vcpu, guest_read_numbers);
	self->replacer.hva = add_spare_slot(self->vcpu->vm, false, false);
	write_tags(self->replacer.hva, NR_PAGES, 0);
	mmu_roots_open(&self->roots, self->vcpu->vm, "DONTNEED-running");
}

FIXTURE_TEARDOWN(running)
{
	mmu_roots_vm_free(&self->roots);
}

/* Each turn may have to wait until the scheduler lets the vCPU run. */
TEST_F_TIMEOUT(running, sees_what_the_host_wrote, TIMEOUT_S)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	pthread_t thread;
	struct ucall uc;

	mmu_root_path_sync(self->vcpu);
	mmu_roots_read(roots, &before);

	TEST_ASSERT(!pthread_create(&thread, NULL, replace_pages, &self->replacer), "thread");
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	pthread_join(thread, NULL);
	mmu_roots_read(roots, &after);

	mmu_roots_report("DONTNEED-running", NR_TURNS, &before, &after);
	mmu_roots_check(roots, uc.args[1] == NR_TURNS, "the guest sees %lu at last, expected %u",
			uc.args[1], NR_TURNS);
	expect_untouched(roots, &before, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
}

TEST_HARNESS_MAIN
