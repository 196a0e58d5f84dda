// SPDX-License-Identifier: GPL-2.0
/*
 * How long one operation of each path takes, compared with a control: the same exit
 * without the reset if there is such an exit, or else an exit that does nothing.
 *
 * The guest reads the TSC before and after each operation, and the test reports
 * minimum and median: the host's interrupts hit some of the operations, and would
 * distort a mean.  In an emulator that advances the TSC by one for each instruction
 * (QEMU with -icount shift=0), the figures are numbers of instructions, and differ
 * by only a few between runs.
 */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots_paths.h"

/* An even number of flips leaves the guest's registers as they were. */
#define NR_SAMPLES		200

/*
 * A role change that finds its root costs as much as its control, plus the reset and
 * the load: 1.2 to 1.3 times the control in bed qemu-svm.  A role change that has to
 * rebuild page tables takes a page fault exit for each page that the guest touches,
 * and each of these exits costs at least as much as the control.
 */
#define MAX_RATIO		3

struct cost {
	uint64_t min;
	uint64_t median;
};

/* The guest writes the samples, and the host reads them. */
static uint64_t samples[NR_SAMPLES];

static uint64_t timestamp(void)
{
	uint32_t lo, hi;

	/* RDTSC is not serializing, so it needs LFENCE: Intel SDM, "RDTSC". */
	asm volatile("lfence; rdtsc; lfence" : "=a" (lo), "=d" (hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

static void guest_code(enum mmu_root_path_id path)
{
	const struct mmu_root_path *p = &mmu_root_paths[path];
	uint64_t cr4 = guest_initial_cr4;
	uint64_t start;
	int i;

	guest_path_init(path);
	GUEST_SYNC(0);

	for (;;) {
		for (i = 0; i < NR_SAMPLES; i++) {
			start = timestamp();
			p->guest_op(&cr4);
			samples[i] = timestamp() - start;
		}
		GUEST_SYNC(NR_SAMPLES);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct cost summarize(void)
{
	qsort(samples, NR_SAMPLES, sizeof(samples[0]), compare);
	return (struct cost){ .min = samples[0], .median = samples[NR_SAMPLES / 2] };
}

static int open_counter(uint64_t event)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = event,
		.size = sizeof(attr),
		.exclude_user = 1,
		.exclude_guest = 1,
	};

	return syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
}

static bool read_counter(int fd, uint64_t *val)
{
	return read(fd, val, sizeof(*val)) == sizeof(*val);
}

/* Report KVM's own instructions and cycles for one operation, if the host has a PMU. */
static void report_pmu(struct kvm_vcpu *vcpu, const char *name)
{
	static const struct {
		uint64_t event;
		const char *name;
	} counters[] = {
		{ PERF_COUNT_HW_INSTRUCTIONS, "instructions" },
		{ PERF_COUNT_HW_CPU_CYCLES, "cycles" },
	};
	uint64_t before, after;
	struct ucall uc;
	bool ok;
	int i, fd;

	for (i = 0; i < ARRAY_SIZE(counters); i++) {
		fd = open_counter(counters[i].event);
		if (fd < 0)
			continue;

		ok = read_counter(fd, &before);
		mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
		ok = ok && read_counter(fd, &after);
		close(fd);
		if (ok)
			printf("#@ kind=pmu path=%s host_%s_per_op=%lu\n", name,
			       counters[i].name, (after - before) / NR_SAMPLES);
		else
			printf("#! %s: cannot read the PMU's count of %s\n", name,
			       counters[i].name);
	}
}

static struct cost measure(enum mmu_root_path_id path, uint64_t mmu_reset_every)
{
	const char *name = mmu_root_paths[path].name;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = mmu_root_path_vm_create(&vcpu, guest_code);
	struct cost cost;
	struct ucall uc;

	vcpu_args_set(vcpu, 1, path);
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	if (mmu_reset_every)
		mmu_reset_every_set(mmu_reset_every);
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	if (mmu_reset_every)
		mmu_reset_every_set(0);

	sync_global_from_guest(vm, samples);
	cost = summarize();
	if (!mmu_reset_every)
		report_pmu(vcpu, name);
	kvm_vm_free(vm);
	return cost;
}

static void report(const char *path, struct cost cost,
		   const char *control, struct cost control_cost)
{
	printf("#@ kind=cost path=%s min=%lu median=%lu", path, cost.min, cost.median);
	printf(" control=%s control_min=%lu control_median=%lu\n",
	       control, control_cost.min, control_cost.median);
}

static void check_ratio(const char *path, struct cost cost, struct cost control)
{
	if (cost.median <= MAX_RATIO * control.median)
		return;

	printf("#! %s costs %lu, more than %d times its control, %lu: are page tables rebuilt?\n",
	       path, cost.median, MAX_RATIO, control.median);
	exit(KSFT_FAIL);
}

FIXTURE(cost) {
};

FIXTURE_VARIANT(cost) {
	enum mmu_root_path_id id;
};

FIXTURE_VARIANT_ADD(cost, null_exit) { .id = PATH_NULL_EXIT };
FIXTURE_VARIANT_ADD(cost, cr0_rewrite) { .id = PATH_CR0_REWRITE };
FIXTURE_VARIANT_ADD(cost, cr0_wp) { .id = PATH_CR0_WP };
FIXTURE_VARIANT_ADD(cost, cr4_rewrite) { .id = PATH_CR4_REWRITE };
FIXTURE_VARIANT_ADD(cost, cr4_pge) { .id = PATH_CR4_PGE };
FIXTURE_VARIANT_ADD(cost, cr4_mce) { .id = PATH_CR4_MCE };
FIXTURE_VARIANT_ADD(cost, cr4_smep) { .id = PATH_CR4_SMEP };
FIXTURE_VARIANT_ADD(cost, cr4_smap) { .id = PATH_CR4_SMAP };
FIXTURE_VARIANT_ADD(cost, cr4_pke) { .id = PATH_CR4_PKE };
FIXTURE_VARIANT_ADD(cost, cr4_pcide) { .id = PATH_CR4_PCIDE };
FIXTURE_VARIANT_ADD(cost, efer_rewrite) { .id = PATH_EFER_REWRITE };
FIXTURE_VARIANT_ADD(cost, efer_nx) { .id = PATH_EFER_NX };
FIXTURE_VARIANT_ADD(cost, smm) { .id = PATH_SMM };

FIXTURE_SETUP(cost)
{
	printf("#@ path=%s\n", mmu_root_paths[variant->id].name);
	mmu_root_path_require(variant->id);
}

FIXTURE_TEARDOWN(cost)
{
}

TEST_F(cost, of_one_operation)
{
	const struct mmu_root_path *p = &mmu_root_paths[variant->id];
	const char *control_name = mmu_root_paths[p->control].name;
	struct cost cost = measure(variant->id, 0);
	struct cost control = measure(p->control, 0);

	report(p->name, cost, control_name, control);
	/* MAX_RATIO is for one reset: an SMI does more than its six resets. */
	if (mmu_root_path_counts(variant->id).resets == 1)
		check_ratio(p->name, cost, control);
}

TEST(cost_of_a_forced_reset)
{
	struct cost cost, control;

	printf("#@ path=forced-1/1\n");
	__TEST_REQUIRE(mmu_reset_every_supported(),
		       "no module parameter kvm.mmu_reset_every: apply kvm-mmu-roots' patches/*/stress");
	cost = measure(PATH_NULL_EXIT, 1);
	control = measure(PATH_NULL_EXIT, 0);
	report("forced-1/1", cost, mmu_root_paths[PATH_NULL_EXIT].name, control);
	check_ratio("forced-1/1", cost, control);
}

static void guest_ap(void)
{
	guest_exit_for_good();
}

static void guest_null(void)
{
	for (;;)
		GUEST_SYNC(0);
}

/* The host measures, so the time includes an entry and an exit to userspace. */
static uint64_t time_null_run(struct kvm_vcpu *vcpu)
{
	uint64_t start = timestamp();
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	return timestamp() - start;
}

static uint64_t time_init(struct kvm_vcpu *bsp, struct kvm_vcpu *ap)
{
	struct ucall uc;
	uint64_t start;

	mmu_root_path_run(bsp, &uc, UCALL_SYNC);
	start = timestamp();
	mmu_root_path_run_for_good(ap);
	return timestamp() - start;
}

TEST(cost_of_init)
{
	struct cost cost, control;
	struct kvm_vcpu *bsp, *ap;
	struct kvm_regs regs;
	struct kvm_vm *vm;
	int i;

	printf("#@ path=INIT-SIPI-SIPI\n");
	vm = mmu_root_path_vm_create(&bsp, guest_restart_ap);
	ap = mmu_root_path_vcpu_add(vm, MMU_ROOT_AP_ID, guest_null);
	vcpu_regs_get(ap, &regs);
	mmu_root_sipi_install(ap, guest_ap, regs.rsp);

	time_null_run(ap);
	for (i = 0; i < NR_SAMPLES; i++)
		samples[i] = time_null_run(ap);
	control = summarize();

	time_init(bsp, ap);
	for (i = 0; i < NR_SAMPLES; i++)
		samples[i] = time_init(bsp, ap);
	cost = summarize();
	kvm_vm_free(vm);

	report("INIT-SIPI-SIPI", cost, "KVM_RUN", control);
}

TEST_HARNESS_MAIN
