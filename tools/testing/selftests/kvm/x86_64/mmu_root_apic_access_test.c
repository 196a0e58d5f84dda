// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU's local APIC must answer while the host moves the APIC-access page.
 *
 * With VMX, KVM puts a page of the VMM's own memory where the guest has its xAPIC: the
 * APIC-access page.  KVM tells the CPU the page's physical address, and the CPU exits on each
 * access.  The host may move this page like any other memory.  KVM must then tell the CPU the
 * new address before the guest accesses its APIC again: a reload, see
 * vmx_set_apic_access_page_addr().  Without the reload, the guest reads the page instead of its
 * APIC.
 *
 * The guest can see a missing reload only if KVM uses APICv.  Without APICv, KVM reloads the page
 * as well, but never maps it and emulates all accesses, see kvm_faultin_pfn(): the test can only
 * count the reloads.
 *
 * docs/counters.md of kvm-mmu-roots derives the cost of a migration.
 */
#include <linux/mempolicy.h>
#include <numa.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define RELOAD_FUNCTION		"vmx_set_apic_access_page_addr"

/* KVM calls this function to make a VMCS the current one. */
#define LOAD_FUNCTION		"vmx_vcpu_load_vmcs"

/* Limit of rounds: the test does not count runs during which another task ran. */
#define MAX_RUNS		(10 * NR_MIGRATIONS)

#define NR_MIGRATIONS		20

/* Accesses in a round of the guest, for the guest to see each new place of the page. */
#define NR_ACCESSES		16

/* To unmap so much memory takes longer than a time slice: the vCPU runs meanwhile. */
#define INVALIDATED_SIZE	(16ul << 20)

/* The address space has fewer holes. */
#define MAX_HOLES		4096

/* In xAPIC mode, the destination is in the upper byte of ICR2. */
#define ICR2_SHIFT		24

/* Written by the host. */
static bool stop_guest;

/* How often the guest has used its APIC; written by the guest. */
static uint64_t nr_rounds;

static void guest_use_apic(void)
{
	static uint32_t version;
	uint32_t i, val;

	if (!version)
		version = xapic_read_reg(APIC_LVR);
	for (i = 0; i < NR_ACCESSES; i++) {
		xapic_write_reg(APIC_ICR2, i << ICR2_SHIFT);
		val = xapic_read_reg(APIC_ICR2);
		__GUEST_ASSERT(val == i << ICR2_SHIFT, "ICR2 is %x, expected %x",
			       val, i << ICR2_SHIFT);
		val = xapic_read_reg(APIC_LVR);
		__GUEST_ASSERT(val == version, "the APIC's version is %x, expected %x",
			       val, version);
	}
}

static void guest_code(void)
{
	guest_path_init(PATH_NULL_EXIT);
	xapic_enable();
	for (;;) {
		guest_use_apic();
		GUEST_SYNC(0);
	}
}

static void guest_code_until_stopped(void)
{
	guest_path_init(PATH_NULL_EXIT);
	xapic_enable();
	guest_use_apic();
	GUEST_SYNC(0);
	for (;;) {
		while (!READ_ONCE(stop_guest)) {
			guest_use_apic();
			nr_rounds++;
		}
		GUEST_SYNC(1);
	}
}

static void l2_code(void)
{
	for (;;) {
		GUEST_SYNC(0);
		guest_l2_call();
	}
}

static void l1_code(void)
{
	guest_path_init(PATH_NULL_EXIT);
	xapic_enable();
	guest_use_apic();
	guest_l2_init(l2_code, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		guest_use_apic();
		GUEST_SYNC(1);
	}
}

static void require_apic_access_page(void)
{
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_roots_require_applicable(get_kvm_intel_param_bool("flexpriority"),
				     "the CPU has no APIC-access page");
}

static void require_nodes(void)
{
	mmu_roots_require_applicable(numa_available() >= 0 && numa_num_configured_nodes() > 1,
				     "needs two NUMA nodes, as with numa=fake=2");
}

/* Count calls by this thread, and by threads that it creates later. */
static int open_calls(const char *function)
{
	int fd = mmu_roots_calls_open(function);

	__TEST_REQUIRE(fd >= 0, "no calls of %s(): needs CONFIG_KPROBE_EVENTS and root: %s",
		       function, strerror(-fd));
	return fd;
}

static int node_of(void *page)
{
	int node = -1;

	TEST_ASSERT(!numa_move_pages(0, 1, &page, NULL, &node, 0), "numa_move_pages()");
	return node;
}

/* Move the page to the other one of the first two NUMA nodes. */
static void migrate(struct mmu_roots *roots, void *page)
{
	int from = node_of(page), to = !from, now = -1;

	TEST_ASSERT(!numa_move_pages(0, 1, &page, &to, &now, MPOL_MF_MOVE), "numa_move_pages()");
	mmu_roots_check(roots, now == to,
			"a page of node %d is on node %d after a migration to node %d",
			from, now, to);
}

/*
 * Find the next page of shared memory that no file backs; KVM creates such pages for
 * its own memslots: the APIC-access page, and page tables for real mode.
 */
static void *next_page_of_kvm(FILE *maps)
{
	unsigned long start, end;
	char line[256];

	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, " rw-s ") || !strstr(line, "/dev/zero (deleted)"))
			continue;
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && end - start == PAGE_SIZE)
			return (void *)start;
	}
	return NULL;
}

/* Find the APIC-access page: the one of KVM's pages that KVM reloads after a move. */
static void *find_apic_page(struct mmu_roots *roots, struct kvm_vcpu *vcpu, int reloads)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	struct ucall uc;
	uint64_t before;
	void *page;

	TEST_ASSERT(maps, "open /proc/self/maps");
	do {
		before = mmu_roots_event_read(reloads);
		page = next_page_of_kvm(maps);
		/* A page that nobody has touched is on no node. */
		if (page && node_of(page) >= 0)
			migrate(roots, page);
		mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	} while (page && mmu_roots_event_read(reloads) == before);
	fclose(maps);
	if (page)
		return page;

	printf("#! none of KVM's pages is reloaded when it has moved\n");
	exit(KSFT_FAIL);
}

FIXTURE(apic_page) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int reloads;
	int loads;
	void *page;
};

FIXTURE_SETUP(apic_page)
{
	printf("#@ path=APIC-access\n");
	require_apic_access_page();
	require_nodes();
	/* A vCPU that moves to another CPU takes a TLB flush of its own. */
	pin_self_to_cpu(sched_getcpu());
	self->reloads = open_calls(RELOAD_FUNCTION);
	self->loads = -1;
}

FIXTURE_TEARDOWN(apic_page)
{
	close(self->reloads);
	if (self->loads >= 0)
		close(self->loads);
	mmu_roots_vm_free(&self->roots);
}

/* Create a vCPU with an xAPIC. */
static struct kvm_vcpu *create(struct mmu_roots *roots, void *code, bool nested)
{
	struct kvm_vcpu *vcpu;

	mmu_root_path_vm_create(&vcpu, code);
	virt_pg_map(vcpu->vm, APIC_DEFAULT_GPA, APIC_DEFAULT_GPA);
	if (nested)
		mmu_root_nested_create(vcpu, false, 1);
	mmu_roots_open(roots, vcpu->vm, "APIC-access");
	return vcpu;
}

static uint64_t read_debugfs(struct mmu_roots *roots, const char *name)
{
	uint64_t val = 0;
	int ret = mmu_roots_read_debugfs(roots, name, &val);

	mmu_roots_check(roots, !ret, "cannot read %s from debugfs: %s", name, strerror(-ret));
	return val;
}

/*
 * The page migrates while the vCPU does not run: KVM reloads the page once.  If KVM maps the
 * page, KVM also flushes once, as the guest's page tables had the old place, and fixes one page
 * fault for the new place.
 */
TEST_F(apic_page, costs_one_reload)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t nr_mapped = get_kvm_intel_param_bool("enable_apicv") ? NR_MIGRATIONS : 0;
	uint64_t reloads, flushes;
	struct ucall uc;
	int i;

	self->vcpu = create(roots, guest_code, false);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	self->page = find_apic_page(roots, self->vcpu, self->reloads);

	mmu_roots_read(roots, &before);
	reloads = mmu_roots_event_read(self->reloads);
	flushes = read_debugfs(roots, "tlb_flush");
	for (i = 0; i < NR_MIGRATIONS; i++) {
		migrate(roots, self->page);
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	}
	mmu_roots_read(roots, &after);
	reloads = mmu_roots_event_read(self->reloads) - reloads;
	flushes = read_debugfs(roots, "tlb_flush") - flushes;

	mmu_roots_report("APIC-access", NR_MIGRATIONS, &before, &after);
	mmu_roots_check(roots, reloads == NR_MIGRATIONS, "%lu reloads for %u migrations",
			reloads, NR_MIGRATIONS);
	mmu_roots_check(roots, flushes == nr_mapped,
			"%lu TLB flushes for %u migrations, expected %lu",
			flushes, NR_MIGRATIONS, nr_mapped);
	mmu_roots_expect_growth(roots, &before, &after, PF_FIXED, nr_mapped);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_INVALIDATE, 0);
}

static long nr_context_switches(void)
{
	struct rusage usage;

	TEST_ASSERT(!getrusage(RUSAGE_THREAD, &usage), "getrusage()");
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

/* Runs of one kind: their number, and the calls during them. */
struct runs {
	unsigned int nr;
	uint64_t reloads;
	uint64_t loads;
};

/*
 * Run the vCPU from L1 to L2, or from L2 to L1.  @runs gets the calls during this run, unless
 * another task has run meanwhile: KVM loads the VMCS again then.
 */
static void run_counted(FIXTURE_DATA(apic_page) * self, uint64_t level, struct runs *runs)
{
	uint64_t reloads = mmu_roots_event_read(self->reloads);
	uint64_t loads = mmu_roots_event_read(self->loads);
	long switches = nr_context_switches();
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(&self->roots, uc.args[1] == level, "the vCPU is not in L%lu", 2 - level);
	if (nr_context_switches() != switches || runs->nr == NR_MIGRATIONS)
		return;

	runs->nr++;
	runs->reloads += mmu_roots_event_read(self->reloads) - reloads;
	runs->loads += mmu_roots_event_read(self->loads) - loads;
}

static bool all_done(struct runs still[2], struct runs moved[2])
{
	return still[0].nr + still[1].nr + moved[0].nr + moved[1].nr == 4 * NR_MIGRATIONS;
}

/*
 * The page migrates while L2 runs: KVM must write the new place to VMCS01, which is not the
 * current VMCS.  Either KVM defers the reload to the exit to L1, see nested_vmx_vmexit(), i.e.
 * tries twice; or KVM makes VMCS01 the current VMCS for that moment, which takes two loads of a
 * VMCS (there and back) more than a run without a migration.  Runs end in L2 and L1 by turns.
 */
TEST_F(apic_page, is_reloaded_when_l2_is_left)
{
	struct runs still[2] = {}, moved[2] = {};
	struct mmu_roots *roots = &self->roots;
	uint64_t level, switches;
	struct ucall uc;
	int i;

	mmu_root_nested_require(false);
	self->loads = open_calls(LOAD_FUNCTION);
	self->vcpu = create(roots, l1_code, true);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	self->page = find_apic_page(roots, self->vcpu, self->reloads);
	do {
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	} while (uc.args[1]);

	for (i = 0; i < MAX_RUNS && !all_done(still, moved); i++) {
		for (level = 2; level--;)
			run_counted(self, level, &still[level]);
		for (level = 2; level--;) {
			migrate(roots, self->page);
			run_counted(self, level, &moved[level]);
		}
	}
	TEST_ASSERT(i < MAX_RUNS, "other tasks run all the time");

	mmu_roots_check(roots, !still[0].reloads && !still[1].reloads,
			"%lu reloads without a migration", still[0].reloads + still[1].reloads);
	switches = (moved[1].loads - still[1].loads) / 2;
	mmu_roots_check(roots, moved[1].reloads + switches == 2 * NR_MIGRATIONS,
			"%lu reloads for %u migrations in L2, %lu of them with VMCS01 made current: expected one that is, or two, each",
			moved[1].reloads, NR_MIGRATIONS, switches);
	mmu_roots_check(roots, moved[0].reloads == NR_MIGRATIONS,
			"%lu reloads for %u migrations in L1, expected one each",
			moved[0].reloads, NR_MIGRATIONS);
	mmu_roots_check(roots, moved[0].loads == still[0].loads,
			"%lu loads of a VMCS with migrations in L1, %lu without",
			moved[0].loads, still[0].loads);
}

static void *run_until_stopped(void *vcpu)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	return NULL;
}

static uint64_t rounds_of(struct kvm_vm *vm)
{
	return READ_ONCE(*(uint64_t *)addr_gva2hva(vm, (uintptr_t)&nr_rounds));
}

/* Wait until the guest has completed a round that began after this call. */
static void wait_for_guest(struct kvm_vm *vm)
{
	uint64_t before = rounds_of(vm);

	while (rounds_of(vm) < before + 2)
		usleep(1);
}

static void stop_running(struct kvm_vm *vm, pthread_t thread)
{
	stop_guest = true;
	sync_global_to_guest(vm, stop_guest);
	pthread_join(thread, NULL);
}

/*
 * The page migrates while the vCPU runs.  A reload may come too early, i.e. before the migration
 * is over, and KVM tries again: reloads beyond one for each migration are retries.
 */
TEST_F(apic_page, answers_while_it_moves)
{
	struct mmu_roots *roots = &self->roots;
	pthread_t thread;
	uint64_t reloads;
	struct ucall uc;
	int i;

	self->vcpu = create(roots, guest_code_until_stopped, false);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	stop_guest = true;
	sync_global_to_guest(self->vcpu->vm, stop_guest);
	self->page = find_apic_page(roots, self->vcpu, self->reloads);
	stop_guest = false;
	sync_global_to_guest(self->vcpu->vm, stop_guest);

	reloads = mmu_roots_event_read(self->reloads);
	TEST_ASSERT(!pthread_create(&thread, NULL, run_until_stopped, self->vcpu), "thread");
	for (i = 0; i < NR_MIGRATIONS; i++) {
		wait_for_guest(self->vcpu->vm);
		migrate(roots, self->page);
	}
	wait_for_guest(self->vcpu->vm);
	stop_running(self->vcpu->vm, thread);

	reloads = mmu_roots_event_read(self->reloads) - reloads;
	mmu_roots_check(roots, reloads >= NR_MIGRATIONS, "%lu reloads for %u migrations",
			reloads, NR_MIGRATIONS);
	printf("# %lu reloads for %u migrations: %lu retries\n", reloads, NR_MIGRATIONS,
	       reloads - NR_MIGRATIONS);
}

/*
 * Map memory that takes the kernel long to unmap, with a hole of one page right behind it.  The
 * kernel puts the next page that is mapped into the highest hole: all higher holes are filled.
 */
static void *reserve_behind_memory(size_t size)
{
	void *area = mmap(NULL, size + PAGE_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *page;
	int i = 0;

	TEST_ASSERT(area != MAP_FAILED, "mmap() %lu bytes", size);
	do {
		page = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TEST_ASSERT(page != MAP_FAILED && i++ < MAX_HOLES, "fill the holes");
	} while (page > area);

	/* The kernel would unmap huge pages at once. */
	TEST_ASSERT(!madvise(area, size, MADV_NOHUGEPAGE), "madvise()");
	memset(area, 1, size);
	munmap(area + size, PAGE_SIZE);
	return area;
}

static bool is_page_of_kvm(void *page)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	void *found;

	TEST_ASSERT(maps, "open /proc/self/maps");
	do {
		found = next_page_of_kvm(maps);
	} while (found && found != page);
	fclose(maps);
	return found;
}

/*
 * Userspace replaces the page as the last part of an invalidation that takes so long that the
 * vCPU runs meanwhile.  The first reloads find the old page, and KVM must try again until the old
 * page has gone, see commit 878940b33d76 ("KVM: VMX: Retry APIC-access page reload if
 * invalidation is in-progress").  The page is not moved but replaced, by memory that the guest
 * must not see either.  The vCPU's thread may run on another CPU: on a single one, it would have
 * to preempt the invalidation.
 */
TEST(reload_is_retried_while_memory_is_invalidated)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	uint64_t calls;
	struct ucall uc;
	void *area;
	int reloads;

	printf("#@ path=APIC-access\n");
	require_apic_access_page();
	reloads = open_calls(RELOAD_FUNCTION);
	area = reserve_behind_memory(INVALIDATED_SIZE);
	vcpu = create(&roots, guest_code_until_stopped, false);
	TEST_ASSERT(is_page_of_kvm(area + INVALIDATED_SIZE), "the page is elsewhere");
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);

	TEST_ASSERT(!pthread_create(&thread, NULL, run_until_stopped, vcpu), "thread");
	wait_for_guest(vcpu->vm);
	calls = mmu_roots_event_read(reloads);
	TEST_ASSERT(mmap(area, INVALIDATED_SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == area, "mmap()");
	wait_for_guest(vcpu->vm);
	stop_running(vcpu->vm, thread);
	calls = mmu_roots_event_read(reloads) - calls;

	mmu_roots_check(&roots, calls > 1, "%lu reloads, expected retries", calls);
	printf("# %lu retries\n", calls - 1);
	close(reloads);
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
