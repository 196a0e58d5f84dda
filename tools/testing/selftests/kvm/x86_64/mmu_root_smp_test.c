// SPDX-License-Identifier: GPL-2.0
/*
 * Several vCPUs operate random paths at once, each in a thread of its own.
 *
 * The resets and loads of a vCPU do not depend on the other vCPUs, so the test expects
 * exact numbers for each vCPU.  The vCPUs share the roots of the VM, for which the test
 * checks the laws, and bounds.  On a host with a single CPU the threads take turns: to
 * see races, it takes several CPUs, and a kernel that checks its locks.
 */
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_traits.h"

#define MAX_VCPUS		MMU_ROOT_PATH_VCPUS
#define NR_OPS			120

/*
 * The largest number of roots that random paths can visit.  With two-dimensional paging,
 * there is one root outside of SMM, and one in SMM.  With shadow paging, roots differ in
 * CR0.WP and, while CR0.WP is clear, in CR4.SMEP and CR4.SMAP; some kernels have CR4.SMEP
 * in the role while CR0.WP is set, too, see mmu_roots_smep_is_in_role().  SMM has four PAE
 * roots then.
 */
static unsigned int max_roots(bool tdp)
{
	unsigned int of_smep = 2, of_smap = 2, in_smm = 4;

	if (tdp)
		return 2;
	return of_smep * of_smap + (mmu_roots_smep_is_in_role() ? of_smep : 1) + in_smm;
}

/* What the operations of a vCPU must cost, and its checksum; the guest writes both. */
struct tally {
	uint64_t resets;
	uint64_t loads;
	uint64_t found;
	uint64_t checksum;
};

static struct tally tallies[MAX_VCPUS];

/* The host sets these for the guest. */
static bool tdp;
static bool usable[NR_GUEST_PATHS];
static uint64_t stop_guests;

/* Numerical Recipes' generator; the upper bits are the random ones. */
static uint32_t guest_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 16;
}

static void guest_op(struct tally *tally, enum mmu_root_path_id path, uint64_t *cr4)
{
	const struct mmu_root_path *p = &mmu_root_paths[path];
	const struct mmu_root_counts *counts = tdp ? &p->tdp : &p->shadow;

	p->guest_op(cr4);
	tally->resets += counts->resets;
	tally->loads += counts->loads;
	tally->found += counts->found;
}

static void guest_walk(uint32_t id, uint64_t nr_ops)
{
	struct tally *tally = &tallies[id];
	uint64_t cr4 = guest_initial_cr4;
	uint32_t path, state = id + 1;
	uint64_t i;

	for (i = 0; i < nr_ops && !READ_ONCE(stop_guests); i++) {
		path = guest_random(&state) % NR_GUEST_PATHS;
		if (usable[path])
			guest_op(tally, path, &cr4);
		guest_touch_data(i);
	}
	tally->checksum = guest_checksum_data();
}

static void guest_code(uint32_t id, uint64_t nr_ops)
{
	x2apic_enable();
	GUEST_SYNC(0);
	guest_walk(id, nr_ops);
	GUEST_SYNC(1);
	for (;;) {
		guest_touch_data(id);
		GUEST_SYNC(2);
	}
}

/* The first vCPU runs this to fill the data for all vCPUs. */
static void guest_fill(void)
{
	guest_path_init(PATH_NULL_EXIT);
	GUEST_SYNC(0);
}

static void *run(void *vcpu)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	return NULL;
}

static struct kvm_vm *create_vm(struct kvm_vcpu *vcpus[], int nr_vcpus, uint64_t nr_ops)
{
	struct kvm_vm *vm = mmu_root_path_vm_create(&vcpus[0], guest_fill);
	struct kvm_regs regs;
	int i;

	tdp = kvm_is_tdp_enabled();
	for (i = 0; i < NR_GUEST_PATHS; i++)
		usable[i] = (tdp || !mmu_root_paths[i].tdp_only) &&
			    (!mmu_root_paths[i].supported || mmu_root_paths[i].supported());
	sync_global_to_guest(vm, tdp);
	sync_global_to_guest(vm, usable);

	for (i = 1; i < nr_vcpus; i++)
		vcpus[i] = mmu_root_path_vcpu_add(vm, i, guest_code);
	vcpu_regs_get(vcpus[0], &regs);
	run(vcpus[0]);
	regs.rip = (uintptr_t)guest_code;
	vcpu_regs_set(vcpus[0], &regs);
	for (i = 0; i < nr_vcpus; i++)
		vcpu_args_set(vcpus[i], 2, i, nr_ops);
	return vm;
}

static void run_all(struct kvm_vcpu *vcpus[], int nr_vcpus)
{
	pthread_t threads[MAX_VCPUS];
	int i;

	for (i = 0; i < nr_vcpus; i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, run, vcpus[i]), "thread");
	for (i = 0; i < nr_vcpus; i++)
		pthread_join(threads[i], NULL);
}

FIXTURE(smp) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct kvm_vm *vm;
};

FIXTURE_VARIANT(smp) {
	int nr_vcpus;
};

FIXTURE_VARIANT_ADD(smp, 1_vcpu) { .nr_vcpus = 1 };
FIXTURE_VARIANT_ADD(smp, 2_vcpus) { .nr_vcpus = 2 };
FIXTURE_VARIANT_ADD(smp, 4_vcpus) { .nr_vcpus = 4 };
FIXTURE_VARIANT_ADD(smp, 8_vcpus) { .nr_vcpus = 8 };

FIXTURE_SETUP(smp)
{
	printf("#@ path=SMP-%d\n", variant->nr_vcpus);
	mmu_roots_require();
	self->vm = create_vm(self->vcpus, variant->nr_vcpus, NR_OPS);
	mmu_roots_open(&self->roots, self->vm, "random paths");
}

FIXTURE_TEARDOWN(smp)
{
	mmu_roots_vm_free(&self->roots);
}

static void check_tally(struct mmu_roots *roots, const struct mmu_roots_snapshot *before,
			const struct mmu_roots_snapshot *after, int vcpu, uint64_t checksum)
{
	struct tally *tally = &tallies[vcpu];
	uint64_t resets, loads;

	resets = mmu_roots_vcpu_stat(after, vcpu, MMU_RESET) -
		 mmu_roots_vcpu_stat(before, vcpu, MMU_RESET);
	loads = mmu_roots_vcpu_stat(after, vcpu, MMU_ROOT_LOAD) -
		mmu_roots_vcpu_stat(before, vcpu, MMU_ROOT_LOAD);
	mmu_roots_check(roots, resets == tally->resets,
			"mmu_reset of vCPU %d grew by %lu, expected %lu",
			vcpu, resets, tally->resets);
	mmu_roots_check(roots, loads == tally->loads,
			"mmu_root_load of vCPU %d grew by %lu, expected %lu",
			vcpu, loads, tally->loads);
	mmu_roots_check(roots, tally->checksum == checksum,
			"vCPU %d sees other data than the host", vcpu);
}

/* KVM frees no root meanwhile, so KVM has built each root that a load did not find. */
static void check_roots(struct mmu_roots *roots, const struct mmu_roots_snapshot *before,
			const struct mmu_roots_snapshot *after, int nr_vcpus)
{
	uint64_t grown, found = 0;
	int i;

	for (i = 0; i < nr_vcpus; i++)
		found += tallies[i].found;
	grown = after->stat[MMU_ROOT_ALLOC] + after->stat[MMU_ROOT_REUSE] -
		before->stat[MMU_ROOT_ALLOC] - before->stat[MMU_ROOT_REUSE];
	mmu_roots_check(roots, grown == found, "loads took %lu roots, expected %lu",
			grown, found);
	mmu_roots_check(roots, after->stat[MMU_ROOT_ALLOC] <= max_roots(tdp),
			"%lu roots built, at most %u are different",
			after->stat[MMU_ROOT_ALLOC], max_roots(tdp));
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_FREE, 0);
}

TEST_F(smp, each_vcpu_counts_for_itself)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	char name[16];
	uint64_t sum;
	int i;

	run_all(self->vcpus, variant->nr_vcpus);
	mmu_roots_read(roots, &before);
	run_all(self->vcpus, variant->nr_vcpus);
	mmu_roots_read(roots, &after);

	snprintf(name, sizeof(name), "SMP-%d", variant->nr_vcpus);
	mmu_roots_report(name, NR_OPS * variant->nr_vcpus, &before, &after);
	sync_global_from_guest(self->vm, tallies);
	sum = mmu_root_path_checksum(self->vm);
	for (i = 0; i < variant->nr_vcpus; i++)
		check_tally(roots, &before, &after, i, sum);
	check_roots(roots, &before, &after, variant->nr_vcpus);
}

/*
 * A vCPU that does not run keeps its root alive, and needs no load afterwards.  See the thread of
 * "[RFC] KVM: x86: Don't wipe TDP MMU when guest sets %cr4", KVM's list, October 2023.
 */
TEST(idle_vcpu_keeps_its_root)
{
	struct mmu_roots_snapshot before, storm, after;
	struct kvm_vcpu *vcpus[2];
	struct mmu_roots roots;
	struct kvm_vm *vm;

	printf("#@ path=SMP-idle\n");
	vm = create_vm(vcpus, 2, NR_OPS);
	mmu_roots_open(&roots, vm, "idle vCPU");
	run_all(vcpus, 2);
	mmu_roots_read(&roots, &before);
	run(vcpus[0]);
	mmu_roots_read(&roots, &storm);
	vcpu_args_set(vcpus[1], 2, 1, 0);
	stop_guests = 1;
	sync_global_to_guest(vm, stop_guests);
	run(vcpus[1]);
	mmu_roots_read(&roots, &after);

	mmu_roots_report("SMP-idle", NR_OPS, &before, &storm);
	mmu_roots_check(&roots, mmu_roots_vcpu_stat(&storm, 1, MMU_RESET) ==
			mmu_roots_vcpu_stat(&before, 1, MMU_RESET),
			"a storm on one vCPU reset the MMU of another one");
	mmu_roots_expect_growth(&roots, &storm, &after, MMU_ROOT_LOAD, 0);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_FREE, 0);
	mmu_roots_vm_free(&roots);
}

/* Userspace does all that it can to the VM while the vCPUs run. */
#define SPARE_SLOT		8
#define SPARE_GPA		0x50000000ul

/* Races need CPUs in parallel.  On one CPU, fewer events do all that can be done. */
static int nr_events(void)
{
	return get_nprocs() > 1 ? 40 : 15;
}

static void disturb(struct kvm_vm *vm, int nr_vcpus)
{
	void *hva = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = 1;
	int i;

	for (i = 0; i < nr_events(); i++) {
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, PAGE_SIZE, hva);
		if (kvm_has_cap(KVM_CAP_X86_SMM))
			mmu_root_path_send_smi(vm, rand_r(&seed) % nr_vcpus);
		if (mmu_reset_every_supported())
			mmu_reset_every_set(rand_r(&seed) % 5);
		usleep(rand_r(&seed) % 1000);
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, 0, hva);
	}
	/* This vCPU never runs, and is destroyed with the VM. */
	__vm_vcpu_add(vm, nr_vcpus);
	munmap(hva, PAGE_SIZE);
}

/* This many operations outlast disturb(), after which the host stops the guests. */
#define ENDLESS			UINT64_MAX
#define NR_DISTURBED		4

TEST(everything_at_once)
{
	struct mmu_roots_snapshot before, after;
	struct kvm_vcpu *vcpus[NR_DISTURBED];
	pthread_t threads[NR_DISTURBED];
	struct mmu_roots roots;
	struct kvm_vm *vm;
	uint64_t grown;
	int i;

	printf("#@ path=SMP-all counts=vary\n");
	vm = create_vm(vcpus, NR_DISTURBED, ENDLESS);
	mmu_roots_open(&roots, vm, "everything at once");
	run_all(vcpus, NR_DISTURBED);
	mmu_roots_read(&roots, &before);

	for (i = 0; i < NR_DISTURBED; i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, run, vcpus[i]), "thread");
	disturb(vm, NR_DISTURBED);
	stop_guests = 1;
	sync_global_to_guest(vm, stop_guests);
	for (i = 0; i < NR_DISTURBED; i++)
		pthread_join(threads[i], NULL);
	mmu_root_params_restore();
	mmu_roots_read(&roots, &after);

	mmu_roots_report("SMP-all", nr_events(), &before, &after);
	sync_global_from_guest(vm, tallies);
	for (i = 0; i < NR_DISTURBED; i++) {
		grown = mmu_roots_vcpu_stat(&after, i, MMU_RESET) -
			mmu_roots_vcpu_stat(&before, i, MMU_RESET);
		/* The host's SMIs and forced resets add to the guest's own resets. */
		mmu_roots_check(&roots, grown >= tallies[i].resets,
				"mmu_reset of vCPU %d grew by %lu, expected %lu at least",
				i, grown, tallies[i].resets);
		mmu_roots_check(&roots, tallies[i].checksum == mmu_root_path_checksum(vm),
				"vCPU %d sees other data than the host", i);
	}
	/* Each deletion invalidates at most as many roots as can exist. */
	mmu_roots_check(&roots, after.stat[MMU_ROOT_INVALIDATE] > 0 &&
			after.stat[MMU_ROOT_INVALIDATE] <= nr_events() * max_roots(tdp),
			"%lu roots invalidated by %d deletions",
			after.stat[MMU_ROOT_INVALIDATE], nr_events());
	mmu_roots_vm_free(&roots);
}

/*
 * Number of memslot changes while a vCPU pre-faults, and the longest times for all of them and for
 * one pre-fault.  A change waits for pre-faults, and takes long on a busy machine.
 */
#define NR_CHANGES		100
#define CHANGES_S		10
#define PATIENCE_S		5

static bool changes_done, stop_changes;

static void *change_memslots(void *vm)
{
	static uint8_t page[PAGE_SIZE] __aligned(PAGE_SIZE);
	time_t end = time(NULL) + CHANGES_S;
	int i;

	for (i = 0; i < NR_CHANGES && time(NULL) < end && !READ_ONCE(stop_changes); i++) {
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, PAGE_SIZE, page);
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, 0, page);
	}
	WRITE_ONCE(changes_done, true);
	return NULL;
}

/* The signal ends KVM_PRE_FAULT_MEMORY. */
static void out_of_patience(int sig)
{
}

/* Return 0 or an errno. */
static int pre_fault_data(struct kvm_vcpu *vcpu)
{
	struct kvm_pre_fault_memory range = {
		.gpa = addr_gva2gpa(vcpu->vm, MMU_ROOT_DATA_GVA),
		.size = MMU_ROOT_DATA_PAGES * PAGE_SIZE,
	};
	int err;

	alarm(PATIENCE_S);
	err = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &range) ? errno : 0;
	alarm(0);
	/* KVM returns 0 if a signal comes after the first page. */
	return err ?: range.size ? EINTR : 0;
}

/*
 * Each deletion of a memslot makes the vCPU's root obsolete, sometimes in the middle of a
 * pre-fault.  The pre-fault must end nevertheless.
 */
TEST(pre_fault_ends_though_roots_become_obsolete)
{
	struct sigaction action = { .sa_handler = out_of_patience };
	struct kvm_vcpu *vcpu;
	struct mmu_roots roots;
	struct kvm_vm *vm;
	pthread_t thread;
	int err = 0;

	printf("#@ path=SMP-pre-fault counts=vary\n");
	mmu_roots_require_applicable(kvm_is_tdp_enabled(),
				     "KVM has KVM_PRE_FAULT_MEMORY with two-dimensional paging only");
	__TEST_REQUIRE(kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY),
		       "no KVM_CAP_PRE_FAULT_MEMORY: KVM is older than 6.11");
	vm = create_vm(&vcpu, 1, 0);
	mmu_roots_open(&roots, vm, "pre-fault");
	sigaction(SIGALRM, &action, NULL);
	TEST_ASSERT(!pthread_create(&thread, NULL, change_memslots, vm), "thread");
	while (!err && !READ_ONCE(changes_done))
		err = pre_fault_data(vcpu);
	WRITE_ONCE(stop_changes, true);
	pthread_join(thread, NULL);
	mmu_roots_check(&roots, !err, "KVM_PRE_FAULT_MEMORY while memslots change: %s",
			strerror(err));
	mmu_roots_vm_free(&roots);
}

/*
 * Memslots come while vCPUs read where they will be.  A fault that began before finds no memslot,
 * but it may find a page that another vCPU has mapped meanwhile.
 */
#define NR_COMINGS		20
#define NR_READERS		2
#define COMING_PAGES		8
#define COMING_TAG		0x5107

/* The last memslot comes only after each vCPU has read MMIO there, or after this time. */
#define MMIO_TRIES		500
#define MMIO_STEP_US		10000

static uint64_t tags_seen[NR_READERS];

/* The host writes this for the guest: how many pages the guest reads again and again. */
static uint64_t nr_read = COMING_PAGES;

/* Number of MMIO exits of each vCPU, which the vCPU's thread counts. */
static uint64_t nr_mmio[NR_READERS];

static uint64_t guest_read_pages(uint64_t nr)
{
	uint64_t i, sum = 0;

	for (i = 0; i < nr; i++)
		sum += READ_ONCE(*(uint64_t *)(SPARE_GPA + i * PAGE_SIZE));
	return sum;
}

static void guest_reader(uint32_t id)
{
	GUEST_SYNC(0);
	while (!READ_ONCE(stop_guests))
		guest_read_pages(READ_ONCE(nr_read));
	tags_seen[id] = guest_read_pages(COMING_PAGES);
	GUEST_SYNC(1);
}

/* Without a memslot, each read is an exit, and reads as 0. */
static void *run_reader(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	struct ucall uc;

	do {
		memset(vcpu->run->mmio.data, 0, sizeof(vcpu->run->mmio.data));
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason == KVM_EXIT_MMIO)
			WRITE_ONCE(nr_mmio[vcpu->id], nr_mmio[vcpu->id] + 1);
	} while (vcpu->run->exit_reason == KVM_EXIT_MMIO);
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	return NULL;
}

static uint64_t *tagged_pages(void)
{
	uint64_t *hva = mmap(NULL, COMING_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	TEST_ASSERT(hva != MAP_FAILED, "mmap()");
	for (i = 0; i < COMING_PAGES; i++)
		hva[i * PAGE_SIZE / sizeof(*hva)] = COMING_TAG;
	return hva;
}

/*
 * Wait until each vCPU has read MMIO by all pages since now.  The next exit of a vCPU may have been
 * under way before; the reads of those after it were not.
 */
static void wait_for_mmio(struct mmu_roots *roots)
{
	uint64_t all;
	int i, tries;

	for (i = 0; i < NR_READERS; i++) {
		all = READ_ONCE(nr_mmio[i]) + 1 + COMING_PAGES;
		for (tries = MMIO_TRIES; tries && READ_ONCE(nr_mmio[i]) < all; tries--)
			usleep(MMIO_STEP_US);
		mmu_roots_check(roots, tries, "vCPU %d reads no MMIO without a memslot", i);
	}
}

/*
 * KVM has an MMIO SPTE for each page, and no vCPU reads the last page anymore.  While KVM updates
 * memslots, KVM takes no MMIO SPTE for valid, and would replace those that vCPUs use meanwhile.
 */
static void leave_last_page(struct mmu_roots *roots, struct kvm_vm *vm)
{
	wait_for_mmio(roots);
	nr_read = COMING_PAGES - 1;
	sync_global_to_guest(vm, nr_read);
	wait_for_mmio(roots);
}

/* The memslot is there in the end. */
static void let_memslot_come_and_go(struct mmu_roots *roots, struct kvm_vm *vm, void *hva)
{
	unsigned int seed = 1;
	int i;

	for (i = 0; i < NR_COMINGS; i++) {
		usleep(rand_r(&seed) % 3000);
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, 0, hva);
		usleep(rand_r(&seed) % 3000);
		if (i == NR_COMINGS - 1)
			leave_last_page(roots, vm);
		vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA,
					  COMING_PAGES * PAGE_SIZE, hva);
	}
}

TEST(memslot_comes_while_vcpus_read)
{
	struct kvm_vcpu *vcpus[NR_READERS];
	void *hva = tagged_pages();
	pthread_t threads[NR_READERS];
	struct mmu_roots roots;
	struct kvm_vm *vm;
	int i;

	printf("#@ path=SMP-memslot-comes counts=vary\n");
	vm = mmu_root_path_vm_create(&vcpus[0], guest_reader);
	for (i = 1; i < NR_READERS; i++)
		vcpus[i] = mmu_root_path_vcpu_add(vm, i, guest_reader);
	virt_map(vm, SPARE_GPA, SPARE_GPA, COMING_PAGES);
	mmu_roots_open(&roots, vm, "memslot comes");
	for (i = 0; i < NR_READERS; i++) {
		vcpu_args_set(vcpus[i], 1, i);
		run_reader(vcpus[i]);
	}
	vm_set_user_memory_region(vm, SPARE_SLOT, 0, SPARE_GPA, COMING_PAGES * PAGE_SIZE, hva);
	for (i = 0; i < NR_READERS; i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, run_reader, vcpus[i]), "thread");
	let_memslot_come_and_go(&roots, vm, hva);
	stop_guests = 1;
	sync_global_to_guest(vm, stop_guests);
	for (i = 0; i < NR_READERS; i++)
		pthread_join(threads[i], NULL);
	sync_global_from_guest(vm, tags_seen);
	for (i = 0; i < NR_READERS; i++)
		mmu_roots_check(&roots, tags_seen[i] == COMING_PAGES * COMING_TAG,
				"vCPU %d reads %#lx from the memslot, expected %#x", i,
				tags_seen[i], COMING_PAGES * COMING_TAG);
	mmu_roots_vm_free(&roots);
}

/* Several vCPUs send INITs to another vCPU, which may be anywhere in its code. */
#define NR_SENDERS		3
#define TARGET_ID		NR_SENDERS
#define NR_INITS		30
#define RESTART_STEP_US		10000

static uint64_t nr_starts;

static void guest_sender(void)
{
	int i;

	guest_path_init(PATH_NULL_EXIT);
	x2apic_enable();
	GUEST_SYNC(0);
	for (i = 0; i < NR_INITS; i++)
		guest_send_init_sipi_sipi(TARGET_ID);
	GUEST_SYNC(1);
	for (;;) {
		guest_send_init_sipi_sipi(TARGET_ID);
		GUEST_SYNC(2);
	}
}

static void guest_target(void)
{
	nr_starts++;
	for (;;) {
		tallies[TARGET_ID].checksum = guest_checksum_data();
		guest_exit();
	}
}

static void *target_thread(void *arg)
{
	struct kvm_vcpu *target = arg;

	/* Once at least: this thread may not get to run before the senders are done. */
	do {
		mmu_root_path_run_for_good(target);
	} while (!READ_ONCE(stop_guests));
	return NULL;
}

TEST(init_storm_from_several_vcpus)
{
	struct mmu_roots_snapshot before, after;
	struct kvm_vcpu *vcpus[NR_SENDERS + 1];
	struct mmu_roots roots;
	struct kvm_regs regs;
	struct kvm_vm *vm;
	pthread_t thread;
	int i;

	printf("#@ path=SMP-INIT counts=vary\n");
	vm = mmu_root_path_vm_create(&vcpus[0], guest_sender);
	for (i = 1; i < NR_SENDERS; i++)
		vcpus[i] = mmu_root_path_vcpu_add(vm, i, guest_sender);
	vcpus[TARGET_ID] = mmu_root_path_vcpu_add(vm, TARGET_ID, guest_target);
	vcpu_regs_get(vcpus[TARGET_ID], &regs);
	mmu_root_sipi_install(vcpus[TARGET_ID], guest_target, regs.rsp);
	mmu_roots_open(&roots, vm, "INIT storm");
	run_all(vcpus, NR_SENDERS);
	mmu_roots_read(&roots, &before);

	TEST_ASSERT(!pthread_create(&thread, NULL, target_thread, vcpus[TARGET_ID]), "thread");
	run_all(vcpus, NR_SENDERS);
	WRITE_ONCE(stop_guests, 1);
	/*
	 * If an INIT and a SIPI arrive while KVM is busy with an INIT, KVM takes them in the
	 * wrong order, see kvm_apic_accept_events(): the target then waits for another SIPI.
	 */
	do {
		run(vcpus[0]);
		usleep(RESTART_STEP_US);
	} while (pthread_tryjoin_np(thread, NULL));
	mmu_roots_read(&roots, &after);

	sync_global_from_guest(vm, nr_starts);
	sync_global_from_guest(vm, tallies);
	mmu_roots_report("SMP-INIT", nr_starts, &before, &after);
	mmu_roots_check(&roots, nr_starts > 0, "the target was never started");
	mmu_roots_check(&roots, tallies[TARGET_ID].checksum == mmu_root_path_checksum(vm),
			"the target sees other data than the host");
	for (i = 0; i < NR_SENDERS; i++)
		mmu_roots_check(&roots, mmu_roots_vcpu_stat(&after, i, MMU_RESET) ==
				mmu_roots_vcpu_stat(&before, i, MMU_RESET),
				"INIT reset the MMU of vCPU %d, which sent it", i);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_vm_free(&roots);
}

/* The test kills VMs while all of their vCPUs run. */
#define NR_KILLS		5
#define KILL_AFTER_US		3000

/* How long the kernel may take to destroy the last VM. */
#define GONE_TRIES		500
#define GONE_STEP_US		10000

/* @ready: the end of a pipe to close when the storm begins */
static void storm_until_killed(int ready)
{
	struct kvm_vcpu *vcpus[NR_DISTURBED];

	create_vm(vcpus, NR_DISTURBED, ENDLESS);
	run_all(vcpus, NR_DISTURBED);
	close(ready);
	run_all(vcpus, NR_DISTURBED);
}

/* Kill a VM @after_us microseconds after the storm of its vCPUs began. */
static void kill_storm(struct mmu_roots *check, useconds_t after_us)
{
	int pipe_fds[2], status;
	char unused;
	pid_t pid;

	TEST_ASSERT(!pipe(pipe_fds), "pipe()");
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		storm_until_killed(pipe_fds[1]);
		_exit(KSFT_FAIL);
	}
	close(pipe_fds[1]);
	/* read() returns when the child closes its end of the pipe, or dies. */
	TEST_ASSERT(!read(pipe_fds[0], &unused, sizeof(unused)), "read()");
	close(pipe_fds[0]);
	usleep(after_us);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	mmu_roots_check(check, WIFSIGNALED(status), "the storm ended by itself");
}

/* Count an event on all CPUs, in any process, because the kernel destroys a killed VM. */
#define MAX_CPUS		64

static void open_on_all_cpus(int fds[MAX_CPUS], const char *event, const char *filter)
{
	int cpu, nr_cpus = get_nprocs();

	__TEST_REQUIRE(nr_cpus <= MAX_CPUS, "more than %d CPUs", MAX_CPUS);
	for (cpu = 0; cpu < nr_cpus; cpu++) {
		fds[cpu] = mmu_roots_event_open_cpu(event, filter, cpu);
		__TEST_REQUIRE(fds[cpu] >= 0,
			       "cannot count kvmmmu:%s on CPU %d: mount -t tracefs none /sys/kernel/tracing, as root",
			       event, cpu);
	}
}

static uint64_t read_all_cpus(int fds[MAX_CPUS])
{
	int cpu, nr_cpus = get_nprocs();
	uint64_t sum = 0;

	for (cpu = 0; cpu < nr_cpus; cpu++)
		sum += mmu_roots_event_read(fds[cpu]);
	return sum;
}

static bool other_vms_exist(void)
{
	glob_t found;
	int ret = glob("/sys/kernel/debug/kvm/[0-9]*-[0-9]*", 0, NULL, &found);

	globfree(&found);
	return !ret;
}

TEST(no_root_outlives_a_vm_that_is_killed)
{
	int alloc[MAX_CPUS], invalidate[MAX_CPUS], nr_free[MAX_CPUS], i;
	struct mmu_roots check = { .name = "killed VM" };
	uint64_t nr_built;

	printf("#@ path=SMP-kill\n");
	mmu_roots_require();
	__TEST_REQUIRE(!other_vms_exist(), "other VMs on this host: stop them");
	open_on_all_cpus(alloc, "kvm_mmu_root_load", "created==1");
	open_on_all_cpus(invalidate, "kvm_mmu_root_invalidate", NULL);
	open_on_all_cpus(nr_free, "kvm_mmu_root_free", NULL);

	for (i = 0; i < NR_KILLS; i++)
		kill_storm(&check, i * KILL_AFTER_US);
	for (i = 0; i < GONE_TRIES && other_vms_exist(); i++)
		usleep(GONE_STEP_US);

	nr_built = read_all_cpus(alloc);
	mmu_roots_check(&check, !other_vms_exist(), "a VM outlives its process");
	mmu_roots_check(&check, nr_built >= NR_KILLS, "only %lu roots built by %d VMs",
			nr_built, NR_KILLS);
	mmu_roots_check(&check, read_all_cpus(invalidate) == nr_built,
			"law 3: %lu roots built, but %lu invalidated", nr_built,
			read_all_cpus(invalidate));
	mmu_roots_check(&check, read_all_cpus(nr_free) == nr_built,
			"law 1: %lu roots built, but %lu freed", nr_built,
			read_all_cpus(nr_free));
	if (check.nr_failures)
		exit(KSFT_FAIL);
}

TEST_HARNESS_MAIN
