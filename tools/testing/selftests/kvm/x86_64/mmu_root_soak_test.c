// SPDX-License-Identifier: GPL-2.0
/*
 * Soak KVM in random events that happen at the same time, for as long as the user wants: vCPUs
 * take all paths, the host changes their memory (see mmu_roots_churn.h), pre-faults memory, sends
 * SMIs, adds vCPUs, and changes parameters of KVM, and VMs come, go, and are killed.
 *
 *   mmu_root_soak_test [-s SEED] [-t SECONDS]
 *
 * MMU_ROOT_SOAK_SEED and MMU_ROOT_SOAK_SECONDS in the environment mean the same.  The test runs
 * in rounds; each round has a process and a VM of its own.  The seed of a round determines what
 * each of its threads does, but not how the threads interleave.  So the test cannot predict
 * counts, and checks only the laws for them; the guests check all that they see.
 */
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_churn.h"
#include "mmu_roots_options.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_traits.h"

#define NR_VCPUS		MMU_ROOT_CHURN_VCPUS
#define NR_PGDS			3

/* The host adds this many vCPUs while the others run; the added ones never run. */
#define NR_ADDED		3

/* A vCPU exits to userspace after this many steps. */
#define STEPS_PER_EXIT		32

/* Duration of a round; rounds take longer if there would be more than MAX_ROUNDS. */
#define ROUND_S			10u
#define MAX_ROUNDS		2000u
#define DEFAULT_S		2u

/* The test kills one round in this many, and each round that makes no progress for PATIENCE_S. */
#define ROUNDS_PER_KILL		4
#define PATIENCE_S		100

/* Timeout of the harness: the user chooses the duration, so there is practically no limit. */
#define TIMEOUT_S		1000000

/* The longest pause of the host between two changes to the VM, and to all VMs. */
#define PAUSE_US		400
#define OUTSIDE_PAUSE_US	40000

/* The host writes these for the guest. */
static uint64_t stop_guests;
static uint64_t pgds[NR_PGDS];
static bool usable[NR_GUEST_PATHS];

/* The guest counts its steps here. */
static uint64_t nr_steps[NR_VCPUS];

static void guest_step(uint32_t id, uint32_t *rng, uint64_t *cr4)
{
	uint32_t path = mmu_root_draw(rng, NR_GUEST_PATHS);

	switch (mmu_root_draw(rng, 8)) {
	case 0:
		if (usable[path])
			mmu_root_paths[path].guest_op(cr4);
		break;
	case 1:
		set_cr3(pgds[mmu_root_draw(rng, NR_PGDS)]);
		break;
	case 2:
		guest_touch_data(path);
		break;
	default:
		guest_churn(id, rng);
	}
	nr_steps[id]++;
}

static void guest_code(uint32_t id, uint32_t rng)
{
	uint64_t cr4 = guest_initial_cr4;
	int i;

	x2apic_enable();
	while (!READ_ONCE(stop_guests)) {
		for (i = 0; i < STEPS_PER_EXIT; i++)
			guest_step(id, &rng, &cr4);
		GUEST_SYNC(0);
	}
	GUEST_DONE();
}

/* The first vCPU fills the data pages before the other vCPUs start. */
static void guest_fill(void)
{
	guest_path_init(PATH_NULL_EXIT);
	x2apic_enable();
	GUEST_SYNC(0);
}

/* State of the round that this process runs. */
static struct mmu_roots roots;
static struct kvm_vcpu *vcpus[NR_VCPUS];
static uint32_t round_seed;
static bool stop_host;

/* The round's process increments this; the parent process, which supervises the round, reads it. */
static uint64_t *progress;

/* What this kernel and this CPU support. */
static bool has_smm, has_pre_fault, has_nx_huge_pages, has_forced_resets;

static void pre_fault(struct kvm_vcpu *vcpu, uint32_t *rng)
{
	struct kvm_pre_fault_memory range = {};
	uint64_t gpa, size;
	int ret;

	mmu_root_churn_pick(rng, &gpa, &size);
	range.gpa = gpa;
	range.size = size;
	ret = ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &range);
	mmu_roots_check(&roots, !ret || errno == ENOENT || errno == EAGAIN || errno == EFAULT,
			"KVM_PRE_FAULT_MEMORY: %s", strerror(errno));
}

/*
 * A write of nx_huge_pages makes KVM invalidate the roots of all VMs, and KVM hits the tracepoints
 * in the writing process.  So the round's process writes: law 5 counts its own hits only.  For the
 * same reason no round has both such writes and other VMs, whose roots they would invalidate.
 */
static bool round_has_other_vms(void)
{
	return round_seed % 2;
}

static void disturb_vcpus(uint32_t *rng)
{
	static struct kvm_vcpu *added[NR_ADDED];
	static uint32_t nr_added;
	uint32_t what = mmu_root_draw(rng, 64);

	if (what < 4 && nr_added < NR_ADDED) {
		added[nr_added] = __vm_vcpu_add(roots.vm, NR_VCPUS + nr_added);
		nr_added++;
	} else if (what == 4 && has_nx_huge_pages && !round_has_other_vms()) {
		mmu_root_param_set("nx_huge_pages", mmu_root_draw(rng, 2) ? "force" : "off");
	} else if (what % 2 && has_smm) {
		mmu_root_path_send_smi(roots.vm, mmu_root_draw(rng, NR_VCPUS));
	} else if (has_pre_fault && nr_added) {
		pre_fault(added[mmu_root_draw(rng, nr_added)], rng);
	}
}

static struct {
	void (*act)(uint32_t *rng);
	uint64_t nr_acts;
} actors[] = {
	{ mmu_root_churn_kept }, { mmu_root_churn_swapped }, { mmu_root_churn_moving },
	{ mmu_root_churn_log }, { disturb_vcpus },
};

#define NR_ACTORS		ARRAY_SIZE(actors)

static void *act(void *which)
{
	uint64_t i = (uintptr_t)which;
	uint32_t rng = round_seed + i;

	for (; !READ_ONCE(stop_host); actors[i].nr_acts++) {
		actors[i].act(&rng);
		WRITE_ONCE(*progress, *progress + 1);
		usleep(mmu_root_draw(&rng, 4) ? mmu_root_draw(&rng, PAUSE_US) : 0);
	}
	return NULL;
}

static void disturb_between_runs(struct kvm_vcpu *vcpu, uint32_t *rng)
{
	uint32_t what = mmu_root_draw(rng, 4);

	if (what == 0 && has_pre_fault)
		pre_fault(vcpu, rng);
	if (what == 1) {
		mmu_root_path_flip_by_host(vcpu, PATH_EFER_NX);
		mmu_root_path_flip_by_host(vcpu, PATH_EFER_NX);
	}
}

static void fail_run(struct kvm_vcpu *vcpu, int err, struct ucall *uc)
{
	if (err)
		printf("#! KVM_RUN of vCPU %u: %s\n", vcpu->id, strerror(err));
	else if (uc->cmd == UCALL_ABORT)
		printf("#! vCPU %u: %s\n", vcpu->id, uc->buffer);
	else
		printf("#! vCPU %u left with %s\n", vcpu->id,
		       exit_reason_str(vcpu->run->exit_reason));
	exit(KSFT_FAIL);
}

/* Run a vCPU until its next ucall, and serve MMIO and denied memory until then. */
static uint64_t run_to_ucall(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc = {};
	uint64_t denials;
	int err;

	for (;;) {
		denials = mmu_root_churn_denials();
		err = __vcpu_run(vcpu) ? errno : 0;
		if (err == EFAULT && mmu_root_churn_was_denied(denials)) {
			sched_yield();
		} else if (!err && run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write) {
			*(uint64_t *)run->mmio.data = MMU_ROOT_CHURN_MMIO;
		} else {
			if (err || get_ucall(vcpu, &uc) == UCALL_ABORT || !uc.cmd)
				fail_run(vcpu, err, &uc);
			return uc.cmd;
		}
	}
}

static void *run(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	uint32_t rng = ~round_seed - vcpu->id;

	while (run_to_ucall(vcpu) == UCALL_SYNC)
		disturb_between_runs(vcpu, &rng);
	return NULL;
}

static void tell_guest(struct kvm_vm *vm)
{
	void *pgd = addr_gpa2hva(vm, mmu_roots_pgd(vm));
	bool tdp = kvm_is_tdp_enabled();
	int i;

	for (i = 0; i < NR_GUEST_PATHS; i++)
		usable[i] = (tdp || !mmu_root_paths[i].tdp_only) &&
			    (!mmu_root_paths[i].supported || mmu_root_paths[i].supported());
	for (i = 1; i < NR_PGDS; i++) {
		pgds[i] = vm_alloc_page_table(vm);
		memcpy(addr_gpa2hva(vm, pgds[i]), pgd, PAGE_SIZE);
	}
	pgds[0] = mmu_roots_pgd(vm);
	sync_global_to_guest(vm, pgds);
	sync_global_to_guest(vm, usable);
}

static void create_vm(uint32_t *rng)
{
	struct kvm_vm *vm = mmu_root_path_vm_create(&vcpus[0], guest_fill);
	uint64_t log_kind = mmu_root_draw(rng, 2) * KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
	struct kvm_regs regs;
	uint32_t i;

	if (kvm_check_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_SLOT_ZAP_ALL &&
	    mmu_root_draw(rng, 2))
		mmu_root_path_keep_roots(vm);
	if (log_kind && mmu_root_draw(rng, 2))
		log_kind |= KVM_DIRTY_LOG_INITIALLY_SET;
	mmu_root_churn_create(&roots, vm, log_kind);
	tell_guest(vm);

	vcpu_regs_get(vcpus[0], &regs);
	mmu_root_path_sync(vcpus[0]);
	regs.rip = (uintptr_t)guest_code;
	vcpu_regs_set(vcpus[0], &regs);
	for (i = 0; i < NR_VCPUS; i++) {
		if (i)
			vcpus[i] = mmu_root_path_vcpu_add(vm, i, guest_code);
		vcpu_args_set(vcpus[i], 2, i, round_seed * NR_VCPUS + i);
	}
	mmu_roots_open(&roots, vm, "soak");
}

static void run_all(uint32_t seconds)
{
	pthread_t vcpu_threads[NR_VCPUS], threads[NR_ACTORS];
	uintptr_t i;

	for (i = 0; i < NR_VCPUS; i++)
		TEST_ASSERT(!pthread_create(&vcpu_threads[i], NULL, run, vcpus[i]), "thread");
	for (i = 0; i < NR_ACTORS; i++)
		TEST_ASSERT(!pthread_create(&threads[i], NULL, act, (void *)i), "thread");
	sleep(seconds);
	WRITE_ONCE(stop_host, true);
	for (i = 0; i < NR_ACTORS; i++)
		pthread_join(threads[i], NULL);
	stop_guests = 1;
	sync_global_to_guest(roots.vm, stop_guests);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(vcpu_threads[i], NULL);
}

static void tell_round(uint32_t seconds)
{
	uint64_t i, sum = 0;

	sync_global_from_guest(roots.vm, nr_steps);
	for (i = 0; i < NR_VCPUS; i++)
		sum += nr_steps[i];
	printf("# seed %u, %u s: %lu steps of guests; of the host:", round_seed, seconds, sum);
	for (i = 0; i < NR_ACTORS; i++)
		printf(" %lu", actors[i].nr_acts);
	printf("\n");
}

/* The code of the round's process, which exits here. */
static void do_round(uint32_t seconds)
{
	struct mmu_roots_snapshot end;
	uint32_t rng = round_seed;

	create_vm(&rng);
	run_all(seconds);
	tell_round(seconds);
	mmu_root_churn_check();
	mmu_root_path_checksum(roots.vm);
	mmu_root_path_nr_smis(roots.vm);
	mmu_roots_read(&roots, &end);
	mmu_roots_vm_free(&roots);
	exit(KSFT_PASS);
}

/* Create, run and destroy a VM with one page, without paging, whose vCPU exits at once. */
static void fleeting_vm(void)
{
	static const uint8_t code[] = { 0xe6, MMU_ROOT_EXIT_PORT };	/* outb %al, $port */
	static uint8_t page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct kvm_regs regs = { .rflags = MMU_ROOT_RFLAGS };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_vcpu *vcpu = __vm_vcpu_add(vm, 0);
	struct kvm_sregs sregs;

	memcpy(page, code, sizeof(code));
	vm_set_user_memory_region(vm, 0, 0, 0, PAGE_SIZE, page);
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	TEST_ASSERT(!__vcpu_run(vcpu) && vcpu->run->exit_reason == KVM_EXIT_IO,
		    "a VM of one page left with %s", exit_reason_str(vcpu->run->exit_reason));
	kvm_vm_free(vm);
}

/* The parent process makes these changes, because a killed round could not undo them. */
static void disturb_all_vms(uint32_t *rng)
{
	static const uint64_t every[] = { 0, 0, 7, 50 };
	uint32_t what = mmu_root_draw(rng, 32);

	if (what == 0 && round_has_other_vms())
		fleeting_vm();
	if (what < 4 && has_forced_resets)
		mmu_reset_every_set(every[mmu_root_draw(rng, ARRAY_SIZE(every))]);
	usleep(mmu_root_draw(rng, OUTSIDE_PAUSE_US));
}

static uint64_t kernel_taint(void)
{
	FILE *f = fopen("/proc/sys/kernel/tainted", "r");
	uint64_t taint = 0;

	TEST_ASSERT(f && fscanf(f, "%lu", &taint) == 1, "/proc/sys/kernel/tainted");
	fclose(f);
	return taint;
}

/* Print the kernel stack of each thread of a process. */
static void tell_stacks(pid_t pid)
{
	char pattern[64], line[256];
	glob_t found;
	size_t i;
	FILE *f;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stack", pid);
	glob(pattern, 0, NULL, &found);
	for (i = 0; i < found.gl_pathc; i++) {
		printf("# %s:\n", found.gl_pathv[i]);
		f = fopen(found.gl_pathv[i], "r");
		while (f && fgets(line, sizeof(line), f))
			printf("#   %s", line);
		if (f)
			fclose(f);
	}
	globfree(&found);
}

static bool vm_exists(pid_t pid)
{
	char pattern[64];
	glob_t found;
	int ret;

	snprintf(pattern, sizeof(pattern), "/sys/kernel/debug/kvm/%d-*", pid);
	ret = glob(pattern, 0, NULL, &found);
	globfree(&found);
	return !ret;
}

/* Return false if the round has made no progress for PATIENCE_S. */
static bool is_alive(void)
{
	static uint64_t last_progress;
	static time_t last_time;
	uint64_t now = READ_ONCE(*progress);

	if (now != last_progress || !last_time)
		last_time = time(NULL);
	last_progress = now;
	return time(NULL) < last_time + PATIENCE_S;
}

/* Return what went wrong, or NULL.  The round's process may have printed details. */
static const char *supervise(pid_t pid, uint32_t seconds)
{
	bool to_be_killed = !(round_seed % ROUNDS_PER_KILL), hung = false;
	time_t kill_at = time(NULL) + seconds;
	uint64_t taint = kernel_taint();
	uint32_t rng = round_seed;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		disturb_all_vms(&rng);
		if (!hung && !is_alive()) {
			hung = true;
			tell_stacks(pid);
		}
		if (hung || (to_be_killed && time(NULL) >= kill_at))
			kill(pid, SIGKILL);
	}
	if (hung)
		return "it hung";
	while (vm_exists(pid) && is_alive())
		disturb_all_vms(&rng);
	if (vm_exists(pid))
		return "its VM is still there";
	if (kernel_taint() != taint)
		return "the kernel complained";
	if (WIFSIGNALED(status))
		return to_be_killed && WTERMSIG(status) == SIGKILL ? NULL : "it crashed";
	return WEXITSTATUS(status) ? "it failed" : NULL;
}

static uint32_t first_seed = 1, duration_s = DEFAULT_S;

FIXTURE(soak) {
};

FIXTURE_SETUP(soak)
{
	printf("#@ path=soak counts=vary\n");
	mmu_roots_require();
	has_smm = kvm_has_cap(KVM_CAP_X86_SMM);
	has_pre_fault = kvm_is_tdp_enabled() && kvm_has_cap(KVM_CAP_PRE_FAULT_MEMORY) &&
			mmu_roots_pre_fault_frees_obsolete_roots();
	has_forced_resets = mmu_reset_every_supported();
	has_nx_huge_pages = mmu_root_param_writable("nx_huge_pages");
	/* This process must set the parameter first, to restore it even if a round is killed. */
	if (has_nx_huge_pages)
		mmu_root_param_set("nx_huge_pages", "off");
	if (!has_smm)
		printf("# left out: SMIs\n");
	if (!has_pre_fault)
		printf("# left out: KVM_PRE_FAULT_MEMORY\n");
	if (!has_forced_resets)
		printf("# left out: forced resets\n");
	if (!has_nx_huge_pages)
		printf("# left out: changes of nx_huge_pages\n");
}

FIXTURE_TEARDOWN(soak)
{
	mmu_root_params_restore();
}

TEST_F_TIMEOUT(soak, memory_is_what_it_has_to_be, TIMEOUT_S)
{
	uint32_t round_s = min(duration_s, max(ROUND_S, duration_s / MAX_ROUNDS));
	time_t end = time(NULL) + duration_s;
	const char *wrong;
	pid_t pid;

	progress = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(progress != MAP_FAILED, "mmap()");
	for (round_seed = first_seed; time(NULL) < end; round_seed++) {
		*progress += 1;
		pid = fork();
		TEST_ASSERT(pid >= 0, "fork()");
		if (!pid)
			do_round(round_s);
		wrong = supervise(pid, round_s);
		if (!wrong)
			continue;
		printf("#! round with seed %u: %s; make soak SEED=%u, or -s %u, begins with it\n",
		       round_seed, wrong, round_seed, round_seed);
		mmu_root_params_restore();
		exit(KSFT_FAIL);
	}
}

static uint32_t from_environment(const char *name, uint32_t otherwise)
{
	const char *val = getenv(name);

	return val ? atoi_positive(name, val) : otherwise;
}

int main(int argc, char **argv)
{
	static const struct mmu_roots_option options[] = {
		{ "-s", .number = &first_seed },
		{ "-t", .number = &duration_s },
		{ }
	};

	first_seed = from_environment("MMU_ROOT_SOAK_SEED", first_seed);
	duration_s = from_environment("MMU_ROOT_SOAK_SECONDS", duration_s);
	return test_harness_run(mmu_roots_take_options(argc, argv, options), argv);
}
