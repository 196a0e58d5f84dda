// SPDX-License-Identifier: GPL-2.0
/*
 * Random walks over everything that has to do with MMU roots, against a model.
 *
 * After each step, each counter must be what the model predicts.  If a walk fails,
 * the test repeats it without some of its steps, each time in a VM of its own, until
 * no step can be left out.  The test prints the steps that remain, so that a user can
 * run them again.  See docs/model.md of kvm-mmu-roots.
 *
 *   mmu_root_walk_test -r walk.two_vcpus.as_predicted [-s SEED] [-n STEPS]
 *   mmu_root_walk_test -r walk.two_vcpus.as_predicted -o CR4.SMEP,1:SMI+RSM
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
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
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_model.h"
#include "mmu_roots_options.h"
#include "mmu_roots_paths.h"

#define NAME			"random-walk"

#define NR_SEEDS		2
#define NR_STEPS		150
#define MAX_STEPS		10000

/* Seconds for a case, and for shrinking, which has to leave time to print the result. */
#define TIMEOUT			110
#define SHRINK_TIMEOUT		60

/* Rounds of a parallel walk, with as many steps each; the test checks after each round. */
#define NR_ROUNDS		4

/* KVM's irqchip does not emulate this port, and ucalls do not use it. */
#define STEP_PORT		0xe1

/* No other memslot is here, see mmu_roots_paths.c and the library's slot 0. */
#define SPARE_SLOT		10
#define SPARE_GPA		0x80000000ul
#define SPARE_GPA_MOVED		0x90000000ul

/* From the command line; by default, the test walks all seeds from 1 to NR_SEEDS. */
static uint32_t only_seed;
static uint32_t nr_steps = NR_STEPS;
static struct mmu_roots_step *only_steps;

/* The host writes these before the guest runs: the PGDs, and the next step of each vCPU. */
static uint64_t guest_pgds[MMU_ROOTS_NR_PGDS];
static uint8_t guest_next[MMU_ROOTS_MODEL_VCPUS];
/* Each vCPU's copy of CR4, which the host updates when it changes CR4. */
static uint64_t guest_cr4[MMU_ROOTS_MODEL_VCPUS];

static void guest_perform(enum mmu_roots_op op, uint64_t *cr4)
{
	if (op < MMU_ROOTS_OP_PGD)
		mmu_root_paths[op].guest_op(cr4);
	else if (op == MMU_ROOTS_OP_INIT)
		guest_send_init_sipi_sipi(MMU_ROOTS_AP);
	else
		asm volatile("mov %0, %%cr3" : :
			     "r" (guest_pgds[op - MMU_ROOTS_OP_PGD]) : "memory");
}

/* INIT can restart the AP here at any time, so this code has no ucalls and no arguments. */
static void guest_code(void)
{
	static bool data_filled;
	uint64_t id, i;

	if (!data_filled)
		guest_path_init(PATH_NULL_EXIT);
	data_filled = true;

	x2apic_enable();
	id = x2apic_read_reg(APIC_ID);
	for (i = 0;; i++) {
		guest_perform(READ_ONCE(guest_next[id]), &guest_cr4[id]);
		guest_touch_data(i);
		asm volatile("outb %%al, %0" : : "i" (STEP_PORT) : "memory");
	}
}

/* The AP gets here after INIT and SIPI; its trampoline has loaded the first CR4 again. */
static void guest_restarted(void)
{
	guest_cr4[MMU_ROOTS_AP] = guest_initial_cr4;
	guest_code();
}

/**
 * struct walk - A VM, and the model of it
 * @zap_all: the VM has KVM_X86_QUIRK_SLOT_ZAP_ALL
 * @nr_vcpus: number of vCPUs
 * @model_zap_all: what the model takes for @zap_all, right or wrong
 * @seed: the seed of the steps; 0 if the steps were not drawn
 * @quiet: the walk is for the verdict only, and prints nothing
 * @go: performs the steps: walk_in_turns() or walk_in_parallel()
 * @deadline: when to stop shrinking
 * @nr_gone: how often a memslot was deleted or moved
 */
struct walk {
	bool zap_all;
	unsigned int nr_vcpus;
	bool model_zap_all;
	uint32_t seed;
	bool quiet;
	void (*go)(struct walk *w, const struct mmu_roots_step *steps, unsigned int nr);
	time_t deadline;
	uint64_t nr_gone;

	struct mmu_roots roots;
	struct mmu_roots_model model;
	struct kvm_vcpu *vcpu[MMU_ROOTS_MODEL_VCPUS];
	void *spare;
	struct kvm_userspace_memory_region slot;
};

/* The process that walks writes this for the process that waits for it. */
struct report {
	unsigned int step;
	uint64_t ops;
	uint64_t stat[NR_MMU_ROOT_STATS];
	char failure[256];
};

static struct report *report;

/* Run a vCPU for one step.  If the vCPU does anything else, the walk ends at once. */
static void run_vcpu(struct kvm_vcpu *vcpu, enum mmu_roots_op op)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;
	int ret;

	guest_next[vcpu->id] = op;
	sync_global_to_guest(vcpu->vm, guest_next[vcpu->id]);
	ret = __vcpu_run(vcpu);
	if (!ret && run->exit_reason == KVM_EXIT_IO && run->io.port == STEP_PORT)
		return;

	if (ret)
		snprintf(report->failure, sizeof(report->failure), "KVM_RUN: %s",
			 strerror(errno));
	else if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		snprintf(report->failure, sizeof(report->failure), "guest: %.*s",
			 (int)(sizeof(report->failure) - sizeof("guest: ")), uc.buffer);
	else
		snprintf(report->failure, sizeof(report->failure), "vCPU %u left with %s",
			 vcpu->id, exit_reason_str(run->exit_reason));
	exit(KSFT_FAIL);
}

static unsigned int pgd_number(uint64_t cr3)
{
	unsigned int i;

	for (i = 0; i < MMU_ROOTS_NR_PGDS; i++)
		if (guest_pgds[i] == cr3)
			break;
	return i;
}

static void set_sregs(struct kvm_vcpu *vcpu, enum mmu_roots_op op)
{
	struct kvm_sregs sregs;
	uint64_t cr4;

	vcpu_sregs_get(vcpu, &sregs);
	cr4 = sregs.cr4;
	if (op == MMU_ROOTS_OP_SREGS_WP)
		sregs.cr0 ^= X86_CR0_WP;
	else if (op == MMU_ROOTS_OP_SREGS_SMEP)
		sregs.cr4 ^= X86_CR4_SMEP;
	else if (op == MMU_ROOTS_OP_SREGS_PGE)
		sregs.cr4 ^= X86_CR4_PGE;
	else if (op == MMU_ROOTS_OP_SREGS_NX)
		sregs.efer ^= EFER_NX;
	else if (op == MMU_ROOTS_OP_SREGS_PGD)
		sregs.cr3 = guest_pgds[(pgd_number(sregs.cr3) + 1) % MMU_ROOTS_NR_PGDS];
	vcpu_sregs_set(vcpu, &sregs);

	sync_global_from_guest(vcpu->vm, guest_cr4[vcpu->id]);
	guest_cr4[vcpu->id] ^= cr4 ^ sregs.cr4;
	sync_global_to_guest(vcpu->vm, guest_cr4[vcpu->id]);
}

static void slot_op(struct walk *w, enum mmu_roots_op op)
{
	bool present = w->slot.memory_size;
	bool create = op == MMU_ROOTS_OP_SLOT_CREATE;

	if (present == create)
		return;

	if (op == MMU_ROOTS_OP_SLOT_DELETE || op == MMU_ROOTS_OP_SLOT_MOVE)
		w->nr_gone++;
	if (op == MMU_ROOTS_OP_SLOT_MOVE)
		w->slot.guest_phys_addr ^= SPARE_GPA ^ SPARE_GPA_MOVED;
	else if (op == MMU_ROOTS_OP_SLOT_DIRTY_LOG)
		w->slot.flags ^= KVM_MEM_LOG_DIRTY_PAGES;
	else
		w->slot.memory_size = present ? 0 : PAGE_SIZE;
	vm_ioctl(w->roots.vm, KVM_SET_USER_MEMORY_REGION, &w->slot);
}

static void perform(struct walk *w, struct mmu_roots_step step)
{
	struct kvm_vcpu *vcpu = w->vcpu[step.vcpu];

	switch (step.op) {
	case 0 ... MMU_ROOTS_OP_PGD_LAST:
		run_vcpu(vcpu, step.op);
		break;
	case MMU_ROOTS_OP_INIT:
		run_vcpu(w->vcpu[0], step.op);
		break;
	case MMU_ROOTS_OP_HOST_SMI:
		vcpu_ioctl(vcpu, KVM_SMI, NULL);
		break;
	case MMU_ROOTS_OP_SREGS ... MMU_ROOTS_OP_SREGS_PGD:
		set_sregs(vcpu, step.op);
		break;
	case MMU_ROOTS_OP_MSR_NX:
		vcpu_set_msr(vcpu, MSR_EFER, vcpu_get_msr(vcpu, MSR_EFER) ^ EFER_NX);
		break;
	case MMU_ROOTS_OP_CPUID:
		vcpu_set_cpuid(vcpu);
		break;
	default:
		slot_op(w, step.op);
		break;
	}
}

static bool op_supported(enum mmu_roots_op op)
{
	if (op == MMU_ROOTS_OP_HOST_SMI)
		op = (enum mmu_roots_op)PATH_SMM;
	else if (op == MMU_ROOTS_OP_SREGS_SMEP)
		op = (enum mmu_roots_op)PATH_CR4_SMEP;

	return op >= MMU_ROOTS_OP_PGD || !mmu_root_paths[op].supported ||
	       mmu_root_paths[op].supported();
}

static struct mmu_roots_step random_step(struct kvm_random_state *rng,
					 unsigned int nr_vcpus)
{
	struct mmu_roots_step step;

	do {
		step.op = kvm_random_u32(rng) % NR_MMU_ROOTS_OPS;
		step.vcpu = kvm_random_u32(rng) % nr_vcpus;
		if (mmu_roots_op_of_vm(step.op))
			step.vcpu = 0;
	} while (!op_supported(step.op) ||
		 (step.op == MMU_ROOTS_OP_INIT && step.vcpu != MMU_ROOTS_AP));
	return step;
}

static struct mmu_roots_step *random_steps(struct walk *w, unsigned int nr)
{
	struct kvm_random_state rng = new_kvm_random_state(w->seed);
	struct mmu_roots_step *steps = calloc(nr, sizeof(*steps));
	unsigned int i;

	TEST_ASSERT(steps, "allocate %u steps", nr);
	for (i = 0; i < nr; i++)
		steps[i] = random_step(&rng, w->nr_vcpus);
	return steps;
}

static void setup_pgds(struct kvm_vm *vm)
{
	unsigned int i;

	guest_pgds[0] = mmu_roots_pgd(vm);
	for (i = 1; i < MMU_ROOTS_NR_PGDS; i++) {
		guest_pgds[i] = vm_alloc_page_table(vm);
		memcpy(addr_gpa2hva(vm, guest_pgds[i]), addr_gpa2hva(vm, mmu_roots_pgd(vm)),
		       PAGE_SIZE);
	}
	sync_global_to_guest(vm, guest_pgds);
}

/* The vCPUs take turns, so they can share the memory of SMM. */
static void setup_vcpus(struct walk *w)
{
	struct kvm_vm *vm = mmu_root_path_vm_create(&w->vcpu[0], guest_code);
	struct kvm_regs regs;
	unsigned int i;

	w->roots.vm = vm;
	for (i = 1; i < w->nr_vcpus; i++) {
		w->vcpu[i] = mmu_root_path_vcpu_add(vm, i, guest_code);
		vcpu_set_msr(w->vcpu[i], MSR_IA32_SMBASE,
			     vcpu_get_msr(w->vcpu[0], MSR_IA32_SMBASE));
	}
	if (w->nr_vcpus > MMU_ROOTS_AP) {
		vcpu_regs_get(w->vcpu[MMU_ROOTS_AP], &regs);
		mmu_root_sipi_install(w->vcpu[MMU_ROOTS_AP], guest_restarted, regs.rsp);
	}
	for (i = 0; i < w->nr_vcpus; i++)
		guest_cr4[i] = guest_initial_cr4;
	sync_global_to_guest(vm, guest_cr4);
}

static void setup(struct walk *w)
{
	struct mmu_roots_regs initial;
	struct kvm_sregs sregs;
	struct kvm_vm *vm;

	setup_vcpus(w);
	vm = w->roots.vm;
	setup_pgds(vm);
	if (!w->zap_all)
		mmu_root_path_keep_roots(vm);

	w->spare = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(w->spare != MAP_FAILED, "mmap() a page");
	w->slot = (struct kvm_userspace_memory_region) {
		.slot = SPARE_SLOT,
		.guest_phys_addr = SPARE_GPA,
		.userspace_addr = (uintptr_t)w->spare,
	};

	vcpu_sregs_get(w->vcpu[0], &sregs);
	initial = (struct mmu_roots_regs) {
		.cr0 = sregs.cr0, .cr4 = sregs.cr4, .efer = sregs.efer,
	};
	mmu_roots_model_init(&w->model, mmu_root_mmu(), w->model_zap_all,
			     w->nr_vcpus, &initial);
	w->model.unpaged_cr3_exits = mmu_root_unpaged_cr3_exits();
	mmu_roots_open(&w->roots, vm, NAME);
}

/* The first mismatch tells most; those of later steps follow from it. */
static void __printf(3, 4) check(struct walk *w, bool good, const char *fmt, ...)
{
	va_list ap;

	if (good)
		return;

	w->roots.nr_failures++;
	if (report->failure[0])
		return;

	va_start(ap, fmt);
	vsnprintf(report->failure, sizeof(report->failure), fmt, ap);
	va_end(ap);
}

static uint64_t vcpu_growth(struct walk *w, const struct mmu_roots_snapshot *snap,
			    unsigned int i, enum mmu_root_stat stat)
{
	return snap->vcpu[i][stat - NR_MMU_ROOT_VM_STATS] -
	       w->roots.birth.vcpu[i][stat - NR_MMU_ROOT_VM_STATS];
}

/* Compare causes before effects, because check() reports the first mismatch only. */
static void compare(struct walk *w, const struct mmu_roots_snapshot *snap)
{
	enum mmu_root_stat stat;
	unsigned int i;

	for (i = 0; i < w->nr_vcpus; i++)
		for (stat = MMU_RESET; stat <= MMU_ROOT_CACHE_MISS; stat++)
			check(w, vcpu_growth(w, snap, i, stat) ==
				 mmu_roots_model_stat(&w->model, stat, i),
			      "%s of vCPU %u has grown by %lu, the model says %lu",
			      mmu_root_stat_name(stat), i, vcpu_growth(w, snap, i, stat),
			      mmu_roots_model_stat(&w->model, stat, i));

	for (stat = MMU_ROOT_ALLOC; stat <= MMU_ROOT_FREE; stat++)
		check(w, snap->stat[stat] == mmu_roots_model_stat(&w->model, stat, 0),
		      "%s is %lu, the model says %lu", mmu_root_stat_name(stat),
		      snap->stat[stat], mmu_roots_model_stat(&w->model, stat, 0));
}

/* The model must know the registers, too, or it would be right for the wrong reason. */
static void check_regs(struct walk *w, unsigned int i)
{
	struct mmu_roots_regs *regs = &w->model.vcpu[i].regs;
	struct kvm_sregs sregs;

	vcpu_sregs_get(w->vcpu[i], &sregs);
	check(w, !((sregs.cr0 ^ regs->cr0) & (X86_CR0_PG | X86_CR0_WP)),
	      "CR0 of vCPU %u is %#llx, the model says %#lx", i, sregs.cr0, regs->cr0);
	check(w, sregs.cr4 == regs->cr4,
	      "CR4 of vCPU %u is %#llx, the model says %#lx", i, sregs.cr4, regs->cr4);
	check(w, (sregs.efer & ~EFER_LMA) == regs->efer,
	      "EFER of vCPU %u is %#llx, the model says %#lx", i, sregs.efer, regs->efer);
	check(w, pgd_number(sregs.cr3) == regs->pgd,
	      "vCPU %u has PGD%u, the model says PGD%u", i, pgd_number(sregs.cr3), regs->pgd);
}

static void finish(struct walk *w)
{
	struct mmu_roots_snapshot snap;
	enum mmu_root_stat stat;
	unsigned int i;

	mmu_roots_read(&w->roots, &snap);
	for (stat = 0; stat < NR_MMU_ROOT_STATS; stat++)
		report->stat[stat] += snap.stat[stat] - w->roots.birth.stat[stat];

	for (i = 0; i < w->nr_vcpus; i++)
		check_regs(w, i);
	if (op_supported((enum mmu_roots_op)PATH_SMM))
		check(w, mmu_root_path_nr_smis(w->roots.vm) == w->model.nr_smis,
		      "%lu SMIs handled, the model says %lu",
		      mmu_root_path_nr_smis(w->roots.vm), w->model.nr_smis);
	mmu_roots_vm_free(&w->roots);
}

/* The vCPUs take turns in one thread, which makes all counts exact. */
static void walk_in_turns(struct walk *w, const struct mmu_roots_step *steps,
			  unsigned int nr)
{
	struct mmu_roots_snapshot snap;
	unsigned int i;

	setup(w);
	for (i = 0; i < nr && !w->roots.nr_failures; i++) {
		report->step = i;
		report->ops++;
		perform(w, steps[i]);
		mmu_roots_model_step(&w->model, steps[i]);
		mmu_roots_read(&w->roots, &snap);
		compare(w, &snap);
	}
	finish(w);
}

/* The walk has a process of its own, because it may exit anywhere, and needs a fresh VM. */
static bool walk_fails(const void *steps, unsigned int nr, void *arg)
{
	struct walk w = *(struct walk *)arg;
	int status;
	pid_t pid;

	report->failure[0] = '\0';
	report->step = 0;
	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		if (w.quiet && (!freopen("/dev/null", "w", stdout) ||
				!freopen("/dev/null", "w", stderr)))
			exit(KSFT_FAIL);
		w.go(&w, steps, nr);
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
static unsigned int shrink_walk(struct walk *w, struct mmu_roots_step *steps)
{
	/* The steps up to the one that failed, or all steps if only finish() failed. */
	unsigned int nr = report->step + 1;

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

/* The checks of the laws print what is wrong themselves. */
static const char *failure(void)
{
	return report->failure[0] ? report->failure : "a law does not hold, see above";
}

/* The option that gives the same steps again; steps of -o have no seed. */
static const char *origin(struct walk *w)
{
	static char text[16];

	if (!w->seed)
		return "-o";
	snprintf(text, sizeof(text), "-s %u", w->seed);
	return text;
}

/* Print all in one line, because a report shows one line. */
static void tell_failure(struct walk *w, struct mmu_roots_step *steps)
{
	struct mmu_roots_step failed = steps[report->step];
	unsigned int nr, at = report->step + 1;
	char *first = strdup(failure());

	/* Print this first, before shrinking can go wrong. */
	printf("# step %u failed: %s\n", at, first);
	nr = shrink_walk(w, steps);
	printf("#! %s: step %u: ", origin(w), at);
	mmu_roots_steps_print(&failed, 1);
	printf(": %s; shortest: -o ", first);
	mmu_roots_steps_print(steps, nr);
	printf(": %s\n", failure());
	exit(KSFT_FAIL);
}

static void print_steps(struct walk *w, const struct mmu_roots_step *steps,
			unsigned int nr)
{
	printf("# %u vCPU(s), SLOT_ZAP_ALL %s, %s: ", w->nr_vcpus,
	       w->zap_all ? "on" : "off", origin(w));
	mmu_roots_steps_print(steps, nr);
	printf("\n");
}

static void walk_one(struct walk *w, struct mmu_roots_step *steps, unsigned int nr)
{
	print_steps(w, steps, nr);
	if (walk_fails(steps, nr, w))
		tell_failure(w, steps);
}

static void print_counts(const char *path)
{
	printf("#@ kind=counts path=%s ops=%lu resets=%lu loads=%lu alloc=%lu reuse=%lu\n",
	       path, report->ops, report->stat[MMU_RESET], report->stat[MMU_ROOT_LOAD],
	       report->stat[MMU_ROOT_ALLOC], report->stat[MMU_ROOT_REUSE]);
}

static void begin(bool zap_all)
{
	printf("#@ path=" NAME "\n");
	mmu_roots_require();
	if (!zap_all)
		mmu_root_path_require_keep_roots();

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(report != MAP_FAILED, "mmap() a page");
}

FIXTURE(walk) {
	struct walk w;
};

FIXTURE_VARIANT(walk) {
	unsigned int nr_vcpus;
	bool zap_all;
};

FIXTURE_VARIANT_ADD(walk, one_vcpu) { .nr_vcpus = 1, .zap_all = true };
FIXTURE_VARIANT_ADD(walk, one_vcpu_without_quirk) { .nr_vcpus = 1, .zap_all = false };
FIXTURE_VARIANT_ADD(walk, two_vcpus) { .nr_vcpus = 2, .zap_all = true };
FIXTURE_VARIANT_ADD(walk, four_vcpus) { .nr_vcpus = 4, .zap_all = true };

FIXTURE_SETUP(walk)
{
	begin(variant->zap_all);
	self->w = (struct walk) {
		.zap_all = variant->zap_all,
		.nr_vcpus = variant->nr_vcpus,
		.model_zap_all = variant->zap_all,
		.go = walk_in_turns,
	};
}

FIXTURE_TEARDOWN(walk)
{
}

static void require_vcpus(unsigned int nr_vcpus)
{
	unsigned int i;

	for (i = 0; i < nr_steps; i++)
		mmu_roots_require_applicable(only_steps[i].vcpu < nr_vcpus,
					     "a step is for vCPU %u", only_steps[i].vcpu);
}

TEST_F_TIMEOUT(walk, as_predicted, TIMEOUT)
{
	uint32_t first = only_seed ?: 1, last = only_seed ?: NR_SEEDS;
	struct walk *w = &self->w;

	if (only_steps) {
		require_vcpus(w->nr_vcpus);
		walk_one(w, only_steps, nr_steps);
		print_counts(NAME);
		return;
	}

	for (w->seed = first; w->seed <= last; w->seed++) {
		struct mmu_roots_step *steps = random_steps(w, nr_steps);

		walk_one(w, steps, nr_steps);
		free(steps);
	}
	print_counts(NAME);
}

/* One vCPU of a parallel walk, which performs its share of the steps. */
struct walker {
	struct walk *w;
	unsigned int vcpu;
	const struct mmu_roots_step *steps;
	unsigned int nr;
	pthread_t thread;
};

/*
 * A parallel walk leaves out INIT, because INIT would hit the AP anywhere in its code.
 * Only the first vCPU's thread changes memslots.  Only the first vCPU takes SMIs, because
 * there is memory for a single CPU in SMM.
 */
static bool is_step_of(struct mmu_roots_step step, unsigned int vcpu)
{
	bool smm = step.op == PATH_SMM || step.op == MMU_ROOTS_OP_HOST_SMI;

	return step.vcpu == vcpu && step.op != MMU_ROOTS_OP_INIT && (!smm || !vcpu);
}

static void *walker_thread(void *arg)
{
	struct walker *walker = arg;
	unsigned int i;

	for (i = 0; i < walker->nr; i++)
		if (is_step_of(walker->steps[i], walker->vcpu))
			perform(walker->w, walker->steps[i]);
	return NULL;
}

static void model_walker(struct walker *walker)
{
	unsigned int i;

	for (i = 0; i < walker->nr; i++) {
		if (!is_step_of(walker->steps[i], walker->vcpu))
			continue;

		mmu_roots_model_step(&walker->w->model, walker->steps[i]);
		report->ops++;
	}
}

/*
 * The numbers of resets and of PGD switches depend on a vCPU's own steps only, so these
 * are exact.  Other vCPUs can only make a vCPU look for a root once more: for its current
 * root each time that all roots are invalidated, and for each PGD that is then gone from
 * prev_roots[].
 */
static void check_walker(struct walk *w, const struct mmu_roots_snapshot *snap,
			 unsigned int i)
{
	uint64_t resets = vcpu_growth(w, snap, i, MMU_RESET);
	uint64_t hits = vcpu_growth(w, snap, i, MMU_ROOT_CACHE_HIT);
	uint64_t misses = vcpu_growth(w, snap, i, MMU_ROOT_CACHE_MISS);
	uint64_t loads = vcpu_growth(w, snap, i, MMU_ROOT_LOAD);
	uint64_t model_resets = mmu_roots_model_stat(&w->model, MMU_RESET, i);
	uint64_t model_hits = mmu_roots_model_stat(&w->model, MMU_ROOT_CACHE_HIT, i);
	uint64_t model_misses = mmu_roots_model_stat(&w->model, MMU_ROOT_CACHE_MISS, i);
	uint64_t least = mmu_roots_model_stat(&w->model, MMU_ROOT_LOAD, i) +
			 misses - model_misses;

	check(w, resets == model_resets,
	      "mmu_reset of vCPU %u has grown by %lu, the model says %lu", i,
	      resets, model_resets);
	check(w, hits + misses == model_hits + model_misses && hits <= model_hits,
	      "vCPU %u: %lu PGD switches hit, %lu missed; alone, it would be %lu and %lu",
	      i, hits, misses, model_hits, model_misses);
	check(w, loads >= least && loads <= least + w->nr_gone,
	      "mmu_root_load of vCPU %u has grown by %lu, expected %lu at least and %lu at most",
	      i, loads, least, least + w->nr_gone);
}

static void check_walkers(struct walk *w)
{
	uint64_t least = w->model.stat[MMU_ROOT_ALLOC], alloc;
	struct mmu_roots_snapshot snap;
	unsigned int i;

	mmu_roots_read(&w->roots, &snap);
	alloc = snap.stat[MMU_ROOT_ALLOC];
	for (i = 0; i < w->nr_vcpus; i++)
		check_walker(w, &snap, i);

	/* KVM builds each root once, and at most once more after each loss of all roots. */
	check(w, alloc >= least && alloc <= least * (w->nr_gone + 1),
	      "mmu_root_alloc is %lu, expected %lu at least and %lu at most",
	      alloc, least, least * (w->nr_gone + 1));
}

/* Run all vCPUs at once, and then the model for one vCPU after the other. */
static void parallel_round(struct walk *w, const struct mmu_roots_step *steps,
			   unsigned int nr)
{
	struct walker walkers[MMU_ROOTS_MODEL_VCPUS];
	unsigned int i;

	for (i = 0; i < w->nr_vcpus; i++) {
		walkers[i] = (struct walker) {
			.w = w, .vcpu = i, .steps = steps, .nr = nr,
		};
		TEST_ASSERT(!pthread_create(&walkers[i].thread, NULL, walker_thread,
					    &walkers[i]), "pthread_create()");
	}
	for (i = 0; i < w->nr_vcpus; i++)
		pthread_join(walkers[i].thread, NULL);
	for (i = 0; i < w->nr_vcpus; i++)
		model_walker(&walkers[i]);
}

/* No vCPU runs between rounds, so the laws and the bounds must hold there. */
static void walk_in_parallel(struct walk *w, const struct mmu_roots_step *steps,
			     unsigned int nr)
{
	unsigned int i;

	setup(w);
	for (i = 0; i < NR_ROUNDS && !w->roots.nr_failures; i++) {
		parallel_round(w, steps + i * nr / NR_ROUNDS, nr / NR_ROUNDS);
		check_walkers(w);
	}
	finish(w);
}

TEST(parallel_walk_within_bounds)
{
	/* The model takes each vCPU on its own, i.e. as if KVM never invalidated a root. */
	struct walk w = {
		.zap_all = true, .model_zap_all = false, .seed = only_seed ?: 1,
		.nr_vcpus = MMU_ROOTS_MODEL_VCPUS, .go = walk_in_parallel,
	};
	unsigned int nr = NR_ROUNDS * nr_steps;
	struct mmu_roots_step *steps;

	begin(true);
	mmu_roots_require_applicable(!only_steps, "-o is for a walk of one thread");
	steps = random_steps(&w, nr);
	print_steps(&w, steps, nr);
	if (walk_fails(steps, nr, &w)) {
		printf("#! %s: %s\n", origin(&w), failure());
		exit(KSFT_FAIL);
	}
	printf("#@ path=parallel-walk counts=vary\n");
	print_counts("parallel-walk");
}

static void expect_steps(const struct mmu_roots_step *steps, unsigned int nr,
			 const struct mmu_roots_step *expected, unsigned int nr_expected)
{
	if (nr == nr_expected && !memcmp(steps, expected, nr * sizeof(*steps)))
		return;

	printf("#! shrunk to ");
	mmu_roots_steps_print(steps, nr);
	printf(", expected ");
	mmu_roots_steps_print(expected, nr_expected);
	printf("\n");
	exit(KSFT_FAIL);
}

static bool flips_smep_before_pgd2(const void *steps, unsigned int nr, void *arg)
{
	const struct mmu_roots_step *step = steps;
	bool flipped = false;

	for (; step < (const struct mmu_roots_step *)steps + nr; step++) {
		if (flipped && step->op == MMU_ROOTS_OP_PGD + 2)
			return true;
		flipped |= step->op == PATH_CR4_SMEP;
	}
	return false;
}

TEST(shrinking_leaves_what_it_takes)
{
	const struct mmu_roots_step expected[] = {
		{ .op = PATH_CR4_SMEP }, { .op = MMU_ROOTS_OP_PGD + 2 },
	};
	struct mmu_roots_step steps[5 * NR_MMU_ROOTS_OPS];
	unsigned int i, nr;

	printf("#@ path=" NAME "\n");
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		steps[i] = (struct mmu_roots_step) { .op = i % NR_MMU_ROOTS_OPS };

	nr = mmu_roots_steps_shrink(steps, i, sizeof(*steps), flips_smep_before_pgd2, NULL);
	expect_steps(steps, nr, expected, ARRAY_SIZE(expected));
}

/*
 * The test must find out a model that is wrong about memslot deletion, and must shrink the
 * steps to those that are needed for that.
 */
TEST(wrong_model_is_found_out)
{
	struct mmu_roots_step steps[] = {
		{ .op = MMU_ROOTS_OP_SLOT_CREATE }, { .op = PATH_EFER_NX },
		{ .op = MMU_ROOTS_OP_SREGS }, { .op = MMU_ROOTS_OP_SLOT_DELETE },
	};
	const struct mmu_roots_step expected[] = { steps[0], steps[1], steps[3] };
	const char *message = "mmu_root_invalidate is 1, the model says 0";
	struct walk w = {
		.zap_all = true, .model_zap_all = false, .nr_vcpus = 1,
		.go = walk_in_turns, .quiet = true,
	};

	begin(true);
	if (!walk_fails(steps, ARRAY_SIZE(steps), &w)) {
		printf("#! the wrong model agrees with KVM\n");
		exit(KSFT_FAIL);
	}
	expect_steps(steps, shrink_walk(&w, steps), expected, ARRAY_SIZE(expected));
	if (strcmp(report->failure, message)) {
		printf("#! found out by '%s' instead of '%s'\n", report->failure, message);
		exit(KSFT_FAIL);
	}
}

/* Return the exit status of a process that fails an assertion with @err in errno. */
static int status_of_failed_assertion(int err)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (!pid) {
		/* What the library prints is not about this test.  No assertion has this status. */
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(KSFT_PASS);
		errno = err;
		TEST_ASSERT(false, "an assertion that fails");
		_exit(KSFT_PASS);
	}

	TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/*
 * errno may be anything when an assertion fails, as it is left over from any call before: the
 * library must not take EACCES for a reason to skip the test.
 */
TEST(failed_assertion_is_no_skip)
{
	int expected = status_of_failed_assertion(0);
	int status = status_of_failed_assertion(EACCES);

	printf("#@ path=" NAME "\n");
	if (expected > KSFT_PASS && expected != KSFT_SKIP && status == expected)
		return;

	printf("#! a failed assertion exits with %d, and with %d if errno is EACCES\n", expected,
	       status);
	exit(KSFT_FAIL);
}

static void parse_steps(char *list)
{
	char *text;

	only_steps = calloc(MAX_STEPS, sizeof(*only_steps));
	TEST_ASSERT(only_steps, "allocate %u steps", MAX_STEPS);
	nr_steps = 0;
	for (text = strtok(list, ","); text; text = strtok(NULL, ",")) {
		if (nr_steps < MAX_STEPS &&
		    mmu_roots_step_parse(&only_steps[nr_steps++], text))
			continue;

		fprintf(stderr, "-o: no such step, or too many: %s\n", text);
		exit(KSFT_FAIL);
	}
}

int main(int argc, char **argv)
{
	static const struct mmu_roots_option options[] = {
		{ "-s", .number = &only_seed },
		{ "-n", .number = &nr_steps, .max = MAX_STEPS },
		{ "-o", .take = parse_steps },
		{ }
	};

	return test_harness_run(mmu_roots_take_options(argc, argv, options), argv);
}
