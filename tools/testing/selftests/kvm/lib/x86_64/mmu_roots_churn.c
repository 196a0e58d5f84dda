// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the host changes while several vCPUs use it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_churn.h"

#define NR_VCPUS		MMU_ROOT_CHURN_VCPUS

/* Pages of each kind.  The moving memslot has half as many, and moves within NR_PAGES. */
#define NR_PAGES		16
#define SIZE			(NR_PAGES * PAGE_SIZE)
#define MOVING_PAGES		(NR_PAGES / 2)

#define KEPT_SLOT		3
#define KEPT_GPA		0x50000000ul
#define SWAPPED_SLOT		4
#define SWAPPED_GPA		0x54000000ul
#define MOVING_SLOT		5
#define MOVING_GPA		0x58000000ul

/* Each vCPU has a cache line of its own in each kept page, and so has the host. */
#define WORDS_OF_PAGE		(PAGE_SIZE / sizeof(uint64_t))
#define WORD(page, who)		((page) * WORDS_OF_PAGE + (who) * 8)
#define HOST			NR_VCPUS

/* The moving memslot: its base when it does not exist, and the content of its first page. */
#define GONE			UINT64_MAX
#define TAG			0x7a67000ul

/* Number of reads, and maximum number of swaps, of one page before another is picked. */
#define NR_READS		2000
#define MAX_SWAPS		8

/*
 * Kept memory is here, or there.  Both are below all that the kernel places by itself: for a
 * mapping without an address, e.g. that of a new vCPU, it takes the highest range that is free,
 * and must not take the one that kept memory has just left.
 */
#define KEPT_HVA		((void *)0x100000000ul)
#define ELSEWHERE_HVA		((void *)0x110000000ul)

/* The longest time that kept memory is denied, and the time between two looks at a snapshot. */
#define DENIAL_US		400
#define SNAPSHOT_US		3000

/* The guest and the host share these, in guest memory that the host never remaps. */
static struct {
	/*
	 * The last value that each vCPU wrote to its word of a kept page, and a value that the host
	 * has written to its own word; the host may already have written the next one.
	 */
	uint64_t written[NR_VCPUS][NR_PAGES];
	uint64_t host_wrote[NR_PAGES];

	/* The number in a swapped page is at most @started, and at least @published. */
	uint64_t started[NR_PAGES];
	uint64_t published[NR_PAGES];

	/* The moving memslot: the number of updates, its old base, and its new base. */
	uint64_t nr_moves;
	uint64_t from;
	uint64_t to;
} shared;

/* The host's mapping of the guest's copy of @shared. */
static typeof(shared) *guest;

static struct mmu_roots *roots;

/*
 * Memory of the three kinds, the file of swapped pages, and @mirror: the vCPUs' words of kept
 * memory, which the host copies there as the dirty log tells.
 */
static uint64_t *kept, *moving, mirror[NR_PAGES][NR_VCPUS];
static void *elsewhere, *swapped, *file;
static int file_fd;
static uint64_t kind_of_log;

/*
 * The counter is odd while guests cannot write to kept memory.  The host takes the mutex to wait
 * until the memory is back.
 */
static uint64_t denials;
static pthread_mutex_t kept_is_there = PTHREAD_MUTEX_INITIALIZER;

/**
 * mmu_root_draw() - Draw a number
 * @rng: state of the generator, which is that of Numerical Recipes; only its upper bits are random
 * @nr: how many numbers there are
 *
 * Guests can call this function, too.
 *
 * Return: a number from 0 to @nr - 1.
 */
uint32_t mmu_root_draw(uint32_t *rng, uint32_t nr)
{
	*rng = *rng * 1664525 + 1013904223;
	return (*rng >> 16) % nr;
}

static void guest_use_kept(uint32_t id, uint64_t page)
{
	uint64_t *kept = (uint64_t *)KEPT_GPA, *written = &shared.written[id][page];
	uint64_t least = READ_ONCE(shared.host_wrote[page]);
	uint64_t host = READ_ONCE(kept[WORD(page, HOST)]);
	uint64_t own = READ_ONCE(kept[WORD(page, id)]);

	__GUEST_ASSERT(host >= least, "kept page %lu: the host wrote %lu, the guest sees %lu",
		       page, least, host);
	__GUEST_ASSERT(own == *written, "kept page %lu: vCPU %u wrote %lu, and sees %lu",
		       page, id, *written, own);
	WRITE_ONCE(kept[WORD(page, id)], ++*written);
}

/* Pick page 0 in half of the cases, so that readers and swappers meet there. */
static uint64_t pick_swapped(uint32_t *rng)
{
	return mmu_root_draw(rng, 2) * mmu_root_draw(rng, NR_PAGES);
}

static void guest_read_swapped(uint64_t page)
{
	uint64_t least = READ_ONCE(shared.published[page]);
	uint64_t number = READ_ONCE(*(uint64_t *)(SWAPPED_GPA + page * PAGE_SIZE));
	uint64_t most = READ_ONCE(shared.started[page]);

	/* The guest may see a new page before the host has written its number. */
	__GUEST_ASSERT((number >= least && number <= most) || (!number && least < most),
		       "swapped page %lu: the guest sees %lu, expected %lu to %lu",
		       page, number, least, most);
}

static uint64_t content(uint64_t base, uint64_t page)
{
	if (base == GONE || page < base || page >= base + MOVING_PAGES)
		return MMU_ROOT_CHURN_MMIO;
	return TAG + page - base;
}

/* A page that is in the memslot before and after a move must not be missing during the move. */
static void guest_read_moving(uint64_t page)
{
	uint64_t nr_moves = READ_ONCE(shared.nr_moves);
	uint64_t from = READ_ONCE(shared.from);
	uint64_t to = READ_ONCE(shared.to);
	uint64_t seen = READ_ONCE(*(uint64_t *)(MOVING_GPA + page * PAGE_SIZE));

	__GUEST_ASSERT(seen == content(from, page) || seen == content(to, page) ||
		       nr_moves != READ_ONCE(shared.nr_moves),
		       "moving page %lu: the guest sees %lx, expected %lx or %lx",
		       page, seen, content(from, page), content(to, page));
}

/**
 * guest_churn() - Use a random page of the memory, and check what the guest sees there
 * @id: ID of the vCPU
 * @rng: state of the vCPU's generator
 */
void guest_churn(uint32_t id, uint32_t *rng)
{
	uint64_t page = mmu_root_draw(rng, NR_PAGES);
	int i;

	switch (mmu_root_draw(rng, 4)) {
	case 0:
		guest_read_moving(page);
		break;
	case 1:
		page = pick_swapped(rng);
		for (i = 0; i < NR_READS; i++)
			guest_read_swapped(page);
		break;
	default:
		guest_use_kept(id, page);
	}
}

static void *map(void *at, int flags, int fd, off_t offset, size_t size)
{
	void *hva = mmap(at, size, PROT_READ | PROT_WRITE, flags | (at ? MAP_FIXED : 0), fd,
			 offset);

	TEST_ASSERT(hva != MAP_FAILED, "mmap()");
	return hva;
}

static void *map_memory(void *at)
{
	return map(at, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, SIZE);
}

static void add_slot(uint32_t slot, uint32_t flags, uint64_t gpa, void *hva)
{
	vm_set_user_memory_region(roots->vm, slot, flags, gpa, SIZE, hva);
}

/**
 * mmu_root_churn_create() - Give a VM memory of all three kinds
 * @watched: the watched VM, to which failed checks of the memory are reported
 * @vm: the VM, which mmu_root_path_vm_create() created, and no vCPU of which has run
 * @log_kind: flags of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 for the VM
 *
 * A process can call this function once only.
 */
void mmu_root_churn_create(struct mmu_roots *watched, struct kvm_vm *vm, uint64_t log_kind)
{
	uint64_t page;

	roots = watched;
	roots->vm = vm;
	kind_of_log = log_kind;
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, log_kind);

	kept = map_memory(KEPT_HVA);
	elsewhere = ELSEWHERE_HVA;
	add_slot(KEPT_SLOT, KVM_MEM_LOG_DIRTY_PAGES, KEPT_GPA, kept);

	file_fd = memfd_create("swapped", 0);
	TEST_ASSERT(file_fd >= 0 && !ftruncate(file_fd, 2 * SIZE), "memfd_create()");
	file = map(NULL, MAP_SHARED, file_fd, 0, 2 * SIZE);
	swapped = map_memory(NULL);
	add_slot(SWAPPED_SLOT, 0, SWAPPED_GPA, swapped);

	moving = map_memory(NULL);
	for (page = 0; page < MOVING_PAGES; page++)
		moving[page * WORDS_OF_PAGE] = TAG + page;
	shared.from = GONE;
	shared.to = GONE;

	virt_map(vm, KEPT_GPA, KEPT_GPA, NR_PAGES);
	virt_map(vm, SWAPPED_GPA, SWAPPED_GPA, NR_PAGES);
	virt_map(vm, MOVING_GPA, MOVING_GPA, NR_PAGES);
	sync_global_to_guest(vm, shared);
	guest = addr_gva2hva(vm, (uintptr_t)&shared);
}

static void move_to(void *from, void *to)
{
	TEST_ASSERT(mremap(from, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to,
		    "mremap()");
}

static void protect(void *hva, int prot)
{
	TEST_ASSERT(!mprotect(hva, SIZE, prot), "mprotect()");
}

static void deny_for_a_while(uint32_t *rng)
{
	bool move = mmu_root_draw(rng, 2);

	pthread_mutex_lock(&kept_is_there);
	WRITE_ONCE(denials, denials + 1);
	if (move)
		move_to(kept, elsewhere);
	else
		protect(kept, mmu_root_draw(rng, 2) ? PROT_NONE : PROT_READ);
	usleep(mmu_root_draw(rng, DENIAL_US));
	if (move)
		move_to(elsewhere, kept);
	else
		protect(kept, PROT_READ | PROT_WRITE);
	WRITE_ONCE(denials, denials + 1);
	pthread_mutex_unlock(&kept_is_there);
}

/**
 * mmu_root_churn_denials() - Read the counter of denials before a vCPU runs
 *
 * Return: the argument for mmu_root_churn_was_denied().
 */
uint64_t mmu_root_churn_denials(void)
{
	return READ_ONCE(denials);
}

/**
 * mmu_root_churn_was_denied() - Whether KVM_RUN may have failed with EFAULT
 * @before: what mmu_root_churn_denials() returned before KVM_RUN
 *
 * Return: true if the host denied kept memory at that time, or has done so since then.
 */
bool mmu_root_churn_was_denied(uint64_t before)
{
	return before % 2 || before != READ_ONCE(denials);
}

static uint64_t sum_of_kept(void)
{
	uint64_t page, who, sum = 0;

	for (page = 0; page < NR_PAGES; page++)
		for (who = 0; who <= HOST; who++)
			sum += READ_ONCE(kept[WORD(page, who)]);
	return sum;
}

/* fork() gives the child a snapshot of kept memory, which guests must not change. */
static void take_snapshot(void)
{
	pid_t pid = fork();
	uint64_t sum;
	int status;

	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		sum = sum_of_kept();
		usleep(SNAPSHOT_US);
		_exit(sum != sum_of_kept());
	}
	waitpid(pid, &status, 0);
	mmu_roots_check(roots, !status, "a guest wrote to a snapshot of its memory");
}

/**
 * mmu_root_churn_kept() - Write the host's word of a kept page, or move, protect or fork() memory
 * @rng: state of a generator
 */
void mmu_root_churn_kept(uint32_t *rng)
{
	uint64_t page = mmu_root_draw(rng, NR_PAGES), number = guest->host_wrote[page] + 1;

	/* A fork() is rare, because guests then take a fault for each page that they write to. */
	switch (mmu_root_draw(rng, 64)) {
	case 0:
		take_snapshot();
		break;
	case 1 ... 6:
		deny_for_a_while(rng);
		break;
	case 7 ... 12:
		/* Guests only read this memory, and its memslot may change at the same time. */
		protect(moving, PROT_READ);
		protect(moving, PROT_READ | PROT_WRITE);
		break;
	default:
		WRITE_ONCE(kept[WORD(page, HOST)], number);
		WRITE_ONCE(guest->host_wrote[page], number);
	}
}

/* The new page is not present until the host writes it; if @twice, the host drops it again. */
static void swap_for_new_page(uint64_t *page, uint64_t number, bool twice)
{
	map(page, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, PAGE_SIZE);
	WRITE_ONCE(*page, number);
	if (!twice)
		return;
	sched_yield();
	TEST_ASSERT(!madvise(page, PAGE_SIZE, MADV_DONTNEED), "MADV_DONTNEED");
	WRITE_ONCE(*page, number);
}

/*
 * Pages of the file continue to exist after the swap: a guest that still has an old mapping sees
 * the old number.
 */
static void swap_page(uint64_t page, uint32_t *rng)
{
	uint64_t number = guest->started[page] + 1;
	off_t offset = (2 * page + number % 2) * PAGE_SIZE;
	void *hva = swapped + page * PAGE_SIZE;

	if (mmu_root_draw(rng, 2)) {
		WRITE_ONCE(*(uint64_t *)(file + offset), number);
		WRITE_ONCE(guest->started[page], number);
		map(hva, MAP_SHARED, file_fd, offset, PAGE_SIZE);
	} else {
		WRITE_ONCE(guest->started[page], number);
		swap_for_new_page(hva, number, mmu_root_draw(rng, 2));
	}
	WRITE_ONCE(guest->published[page], number);
}

/**
 * mmu_root_churn_swapped() - Swap a page for other pages, one or more times
 * @rng: state of a generator
 */
void mmu_root_churn_swapped(uint32_t *rng)
{
	uint64_t page = pick_swapped(rng);
	uint32_t nr = 1 + mmu_root_draw(rng, MAX_SWAPS);

	while (nr--)
		swap_page(page, rng);
}

static void set_moving_slot(uint64_t base, uint32_t flags)
{
	if (base == GONE)
		vm_set_user_memory_region(roots->vm, MOVING_SLOT, 0, 0, 0, NULL);
	else
		vm_set_user_memory_region(roots->vm, MOVING_SLOT, flags,
					  MOVING_GPA + base * PAGE_SIZE,
					  MOVING_PAGES * PAGE_SIZE, moving);
}

/**
 * mmu_root_churn_moving() - Create, move, or delete the moving memslot
 * @rng: state of a generator
 */
void mmu_root_churn_moving(uint32_t *rng)
{
	uint64_t base = mmu_root_draw(rng, NR_PAGES - MOVING_PAGES + 1);
	static uint32_t flags;

	if (guest->from == GONE)
		flags = mmu_root_draw(rng, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	else if (!mmu_root_draw(rng, 3))
		base = GONE;
	WRITE_ONCE(guest->to, base);
	WRITE_ONCE(guest->nr_moves, guest->nr_moves + 1);
	set_moving_slot(base, flags);
	WRITE_ONCE(guest->from, base);
	WRITE_ONCE(guest->nr_moves, guest->nr_moves + 1);
}

static void copy_to_mirror(uint64_t pages)
{
	uint64_t page, id;

	pthread_mutex_lock(&kept_is_there);
	for (page = 0; page < NR_PAGES; page++)
		for (id = 0; id < NR_VCPUS && pages & BIT_ULL(page); id++)
			mirror[page][id] = READ_ONCE(kept[WORD(page, id)]);
	pthread_mutex_unlock(&kept_is_there);
}

static void follow_log(void)
{
	uint64_t log = 0;

	kvm_vm_get_dirty_log(roots->vm, KEPT_SLOT, &log);
	if (kind_of_log && log)
		kvm_vm_clear_dirty_log(roots->vm, KEPT_SLOT, &log, 0, NR_PAGES);
	copy_to_mirror(log);
}

/**
 * mmu_root_churn_log() - Read and clear the dirty log of kept memory, or begin another one
 * @rng: state of a generator
 *
 * Userspace does the same when a VM migrates.  If a guest writes to a page after the host has
 * copied the page, the next log must have the page.
 */
void mmu_root_churn_log(uint32_t *rng)
{
	if (mmu_root_draw(rng, 32)) {
		follow_log();
		return;
	}
	add_slot(KEPT_SLOT, 0, KEPT_GPA, kept);
	add_slot(KEPT_SLOT, KVM_MEM_LOG_DIRTY_PAGES, KEPT_GPA, kept);
	copy_to_mirror(-1ull);
}

/**
 * mmu_root_churn_pick() - Pick a range of the memory
 * @rng: state of a generator
 * @gpa: set to the guest physical address of the range
 * @size: set to the size of the range, in bytes; parts of the range may have no memory
 */
void mmu_root_churn_pick(uint32_t *rng, uint64_t *gpa, uint64_t *size)
{
	static const uint64_t gpas[] = { KEPT_GPA, SWAPPED_GPA, MOVING_GPA };

	*gpa = gpas[mmu_root_draw(rng, ARRAY_SIZE(gpas))] +
	       mmu_root_draw(rng, NR_PAGES) * PAGE_SIZE;
	*size = (1 + mmu_root_draw(rng, NR_PAGES)) * PAGE_SIZE;
}

/**
 * mmu_root_churn_check() - Check that kept memory has what guests wrote and the dirty log reported
 *
 * No vCPU and no thread that changes the memory may run anymore.
 */
void mmu_root_churn_check(void)
{
	uint64_t page, id, word;

	follow_log();
	for (page = 0; page < NR_PAGES; page++) {
		for (id = 0; id < NR_VCPUS; id++) {
			word = kept[WORD(page, id)];
			mmu_roots_check(roots, word == guest->written[id][page],
					"vCPU %lu wrote %lu to kept page %lu, the host has %lu",
					id, guest->written[id][page], page, word);
			mmu_roots_check(roots, word == mirror[page][id],
					"vCPU %lu wrote %lu to kept page %lu, by the dirty log %lu",
					id, word, page, mirror[page][id]);
		}
	}
}
