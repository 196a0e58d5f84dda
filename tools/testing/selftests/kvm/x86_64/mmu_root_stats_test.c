// SPDX-License-Identifier: GPL-2.0
/*
 * The MMU root counters themselves: the counters must exist, count what their names say,
 * and disappear with their VM.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"
#include "mmu_roots_traits.h"

#define NR_OPS			20

static const enum mmu_root_stat root_stats[] = {
	MMU_ROOT_ALLOC, MMU_ROOT_REUSE, MMU_ROOT_INVALIDATE, MMU_ROOT_FREE,
	MMU_RESET, MMU_ROOT_LOAD, MMU_ROOT_CACHE_HIT, MMU_ROOT_CACHE_MISS,
};

static void guest_code(enum mmu_root_path_id path, uint64_t nr_ops)
{
	uint64_t cr4 = guest_initial_cr4;
	uint64_t i;

	guest_path_init(path);

	for (;;) {
		GUEST_SYNC(0);
		for (i = 0; i < nr_ops; i++)
			mmu_root_paths[path].guest_op(&cr4);
	}
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
}

static void check_desc(struct mmu_roots *roots, int fd, enum mmu_root_stat stat,
		       bool expected)
{
	const char *name = mmu_root_stat_name(stat);
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	int i, nr_found = 0;

	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		if (strcmp(desc->name, name))
			continue;

		nr_found++;
		mmu_roots_check(roots, desc->flags == (KVM_STATS_TYPE_CUMULATIVE |
						       KVM_STATS_UNIT_NONE |
						       KVM_STATS_BASE_POW10),
				"%s has flags %#x, expected a cumulative count without unit, base 10",
				name, desc->flags);
		mmu_roots_check(roots, !desc->exponent && desc->size == 1 && !desc->bucket_size,
				"%s has exponent %d, size %u, bucket size %u, expected 0, 1, 0",
				name, desc->exponent, desc->size, desc->bucket_size);
	}
	free(descs);
	mmu_roots_check(roots, nr_found == expected, "%s is %d times in the stats of the %s",
			name, nr_found, fd == roots->vm_source.fd ? "VM" : "vCPU");
}

FIXTURE(stats) {
	struct mmu_roots roots;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(stats)
{
	self->vm = mmu_root_path_vm_create(&self->vcpu, guest_code);
	vcpu_args_set(self->vcpu, 2, PATH_EFER_NX, NR_OPS);
	mmu_roots_open(&self->roots, self->vm, "stats");
}

FIXTURE_TEARDOWN(stats)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(stats, described_in_one_scope)
{
	struct mmu_roots *roots = &self->roots;
	enum mmu_root_stat stat;
	struct stat st;
	char path[128];
	bool is_vm;
	int i;

	for (i = 0; i < ARRAY_SIZE(root_stats); i++) {
		stat = root_stats[i];
		is_vm = stat < NR_MMU_ROOT_VM_STATS;
		check_desc(roots, roots->vm_source.fd, stat, is_vm);
		check_desc(roots, roots->vcpu_source[0].fd, stat, !is_vm);

		snprintf(path, sizeof(path), "%s/%s", roots->debugfs,
			 mmu_root_stat_name(stat));
		mmu_roots_check(roots, !lstat(path, &st) && (st.st_mode & 0777) == 0644,
				"%s isn't a file with mode 0644", path);
	}
}

/* When the library sets up a vCPU, KVM resets the MMU: this case uses raw ioctls instead. */
TEST(zero_for_a_new_vm)
{
	/* mmu_roots_creation_resets() creates a vCPU, too, so the call comes first. */
	uint64_t resets = mmu_roots_creation_resets();
	struct kvm_vm *vm = vm_create_barebones();
	struct mmu_roots_snapshot snap;
	struct mmu_roots roots;
	int i;

	__vm_vcpu_add(vm, 0);
	mmu_roots_open(&roots, vm, "new VM");
	mmu_roots_read(&roots, &snap);
	for (i = 0; i < ARRAY_SIZE(root_stats); i++)
		mmu_roots_expect_value(&roots, &snap, root_stats[i],
				       root_stats[i] == MMU_RESET ? resets : 0);
	mmu_roots_vm_free(&roots);
}

TEST_F(stats, monotonic)
{
	struct mmu_roots_snapshot prev, next;
	int i, stat;

	run(self->vcpu);
	mmu_roots_read(&self->roots, &prev);
	for (i = 0; i < 10; i++, prev = next) {
		run(self->vcpu);
		mmu_roots_read(&self->roots, &next);
		mmu_roots_expect_growth(&self->roots, &prev, &next, MMU_RESET, NR_OPS);
		for (stat = 0; stat < ARRAY_SIZE(root_stats); stat++)
			mmu_roots_check(&self->roots,
					next.stat[root_stats[stat]] >= prev.stat[root_stats[stat]],
					"%s went down from %lu to %lu",
					mmu_root_stat_name(root_stats[stat]),
					prev.stat[root_stats[stat]], next.stat[root_stats[stat]]);
	}
}

/*
 * Read a counter without checking the laws: these relate counters to each other since the
 * creation of the VM, and no longer hold when a counter was cleared.
 */
static uint64_t read_one(struct mmu_roots *roots, enum mmu_root_stat stat)
{
	uint64_t val = 0;
	int ret = mmu_roots_read_debugfs(roots, mmu_root_stat_name(stat), &val);

	mmu_roots_check(roots, !ret, "read %s from debugfs: %s",
			mmu_root_stat_name(stat), strerror(-ret));
	return val;
}

TEST(cleared_by_writing_0)
{
	struct kvm_vcpu *vcpu;
	struct mmu_roots roots;
	const char *name;
	int i, ret;

	mmu_root_path_vm_create(&vcpu, guest_code);
	vcpu_args_set(vcpu, 2, PATH_EFER_NX, NR_OPS);
	mmu_roots_open(&roots, vcpu->vm, "clear");
	run(vcpu);
	run(vcpu);

	for (i = 0; i < ARRAY_SIZE(root_stats); i++) {
		uint64_t before = read_one(&roots, root_stats[i]);

		name = mmu_root_stat_name(root_stats[i]);
		ret = mmu_roots_write_debugfs(&roots, name, "1");
		mmu_roots_check(&roots, ret == -EINVAL && read_one(&roots, root_stats[i]) == before,
				"writing 1 to %s is not refused", name);
		ret = mmu_roots_write_debugfs(&roots, name, "0");
		mmu_roots_check(&roots, !ret && !read_one(&roots, root_stats[i]),
				"writing 0 does not clear %s", name);
	}

	run(vcpu);
	mmu_roots_check(&roots, read_one(&roots, MMU_RESET) == NR_OPS,
			"mmu_reset does not count from 0 after it was cleared");
	mmu_roots_check(&roots, read_one(&roots, MMU_ROOT_REUSE) == NR_OPS,
			"mmu_root_reuse does not count from 0 after it was cleared");
	mmu_roots_check(&roots, !read_one(&roots, MMU_ROOT_ALLOC),
			"mmu_root_alloc does not stay 0 after it was cleared");
	if (roots.nr_failures)
		exit(KSFT_FAIL);
	kvm_vm_free(roots.vm);
}

TEST(gone_with_the_vm)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;

	mmu_root_path_vm_create(&vcpu, guest_code);
	vcpu_args_set(vcpu, 2, PATH_SMM, NR_OPS);
	mmu_roots_open(&roots, vcpu->vm, "VM teardown");
	run(vcpu);
	run(vcpu);
	mmu_roots_check(&roots, !access(roots.debugfs, F_OK), "%s does not exist", roots.debugfs);
	/* mmu_roots_vm_free() checks that the stats and all roots are gone. */
	mmu_roots_vm_free(&roots);
}

#define NR_VMS			2
#define NR_VCPUS		2

/* Each vCPU performs another number of operations, so that counts tell the vCPUs apart. */
static uint64_t ops_of(int vm, int vcpu)
{
	return NR_OPS * (1 + vm * NR_VCPUS + vcpu);
}

static void run_mixed(struct kvm_vcpu *vcpus[NR_VMS][NR_VCPUS])
{
	int i, j;

	for (j = 0; j < NR_VCPUS; j++)
		for (i = 0; i < NR_VMS; i++)
			run(vcpus[i][j]);
}

TEST(vms_and_vcpus_do_not_mix)
{
	struct mmu_roots_snapshot a[NR_VMS], b[NR_VMS];
	struct kvm_vcpu *vcpus[NR_VMS][NR_VCPUS];
	struct mmu_roots roots[NR_VMS];
	int i, j;

	for (i = 0; i < NR_VMS; i++) {
		struct kvm_vm *vm = mmu_root_path_vm_create(&vcpus[i][0], guest_code);

		for (j = 1; j < NR_VCPUS; j++)
			vcpus[i][j] = mmu_root_path_vcpu_add(vm, j, guest_code);
		for (j = 0; j < NR_VCPUS; j++)
			vcpu_args_set(vcpus[i][j], 2, PATH_EFER_NX, ops_of(i, j));
		mmu_roots_open(&roots[i], vm, i ? "second VM" : "first VM");
		/* Tracepoints do not tell VMs apart, but counters must. */
		roots[i].tracing = false;
	}

	run_mixed(vcpus);
	for (i = 0; i < NR_VMS; i++)
		mmu_roots_read(&roots[i], &a[i]);
	run_mixed(vcpus);

	for (i = 0; i < NR_VMS; i++) {
		uint64_t sum = 0;

		mmu_roots_read(&roots[i], &b[i]);
		for (j = 0; j < NR_VCPUS; j++) {
			uint64_t grown = mmu_roots_vcpu_stat(&b[i], j, MMU_RESET) -
					 mmu_roots_vcpu_stat(&a[i], j, MMU_RESET);

			mmu_roots_check(&roots[i], grown == ops_of(i, j),
					"mmu_reset of vCPU %d grew by %lu, expected %lu",
					j, grown, ops_of(i, j));
			sum += ops_of(i, j);
		}
		mmu_roots_expect_growth(&roots[i], &a[i], &b[i], MMU_RESET, sum);
		mmu_roots_expect_growth(&roots[i], &a[i], &b[i], MMU_ROOT_REUSE, sum);
		/* Both vCPUs of a VM, and all of their loads, share one root. */
		mmu_roots_expect_value(&roots[i], &b[i], MMU_ROOT_ALLOC, 1);
	}
	for (i = 0; i < NR_VMS; i++)
		mmu_roots_vm_free(&roots[i]);
}

/* The compiler may inline kvm_post_set_cr4() into kvm_set_cr4(). */
#define CALLER_SETS_CR4			"caller.function == kvm_post_set_cr4 || " \
					"caller.function == kvm_set_cr4"

/* How often an event must pass a filter while the guest operates a path NR_OPS times. */
struct detail {
	const char *event;
	const char *filter;
	uint64_t hits;
};

/* The vCPU's ID differs from the index that KVM gives the vCPU in the order of creation. */
#define DETAILS_VCPU_ID			5
#define IS_OF_THE_VCPU			"vcpu_id==5"
#define MAX_DETAILS			16

static void expect_details(enum mmu_root_path_id path, const struct detail *details, int nr)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int fd[MAX_DETAILS], i;
	uint64_t hits;

	TEST_ASSERT(nr <= MAX_DETAILS, "at most %d details", MAX_DETAILS);
	mmu_root_path_vm_create(&vcpu, guest_code);
	vcpu = mmu_root_path_vcpu_add(vcpu->vm, DETAILS_VCPU_ID, guest_code);
	vcpu_args_set(vcpu, 2, path, NR_OPS);
	mmu_roots_open(&roots, vcpu->vm, mmu_root_paths[path].name);
	__TEST_REQUIRE(roots.tracing,
		       "no tracepoints: mount -t tracefs none /sys/kernel/tracing, as root");

	run(vcpu);
	for (i = 0; i < nr; i++) {
		fd[i] = mmu_roots_event_open(details[i].event, details[i].filter);
		mmu_roots_check(&roots, fd[i] >= 0, "cannot count kvmmmu:%s with %s: %s",
				details[i].event, details[i].filter, strerror(-fd[i]));
	}
	run(vcpu);
	for (i = 0; i < nr; i++) {
		hits = fd[i] >= 0 ? mmu_roots_event_read(fd[i]) : 0;
		close(fd[i]);
		mmu_roots_check(&roots, hits == details[i].hits,
				"kvmmmu:%s with %s was hit %lu times, expected %lu",
				details[i].event, details[i].filter, hits, details[i].hits);
	}
	mmu_roots_vm_free(&roots);
}

/*
 * Bits of union kvm_mmu_page_role: the root is one of SMM; the root shadows no page table of the
 * guest.  With two-dimensional paging the latter is set in the role of a root, but not in the role
 * of the guest's paging, so the bit tells which of the two roles a tracepoint shows.
 */
#define ROLE_SMM			"0x1000000"
#define ROLE_DIRECT			"0x80"
#define SMM_IS_LEFT			"(old_role & " ROLE_SMM ") && !(new_role & " ROLE_SMM ")"

/* The fields of tracepoints must be right, too; law 5 covers the number of hits only. */
TEST(tracepoints_tell_the_details)
{
	bool tdp = kvm_is_tdp_enabled();
	const struct detail smep[] = {
		{ "kvm_mmu_reset", CALLER_SETS_CR4, NR_OPS },
		{ "kvm_mmu_reset", "old_role & " ROLE_DIRECT, tdp ? NR_OPS : 0 },
		{ "kvm_mmu_reset", "new_role & " ROLE_DIRECT, tdp ? NR_OPS : 0 },
	};
	const struct detail efer_nx[] = {
		{ "kvm_mmu_reset", CALLER_SETS_CR4, 0 },
		{ "kvm_mmu_reset", IS_OF_THE_VCPU, NR_OPS },
		{ "kvm_mmu_reset", SMM_IS_LEFT, 0 },
		{ "kvm_mmu_root_load", "as_id==1", 0 },
		{ "kvm_mmu_root_load", "level==4 || level==5", NR_OPS },
		{ "kvm_mmu_root_load", "created==1", 0 },
		/* hpa is the address of a page, i.e. a multiple of the page size. */
		{ "kvm_mmu_root_load", "hpa==0 || hpa & 0xfff", 0 },
		{ "kvm_mmu_root_load", IS_OF_THE_VCPU, NR_OPS },
		/* A direct root maps from GFN 0 on; any other root shadows the guest's PGD. */
		{ "kvm_mmu_root_load", "gfn!=0", tdp ? 0 : NR_OPS },
		{ "kvm_mmu_root_load", "role & " ROLE_DIRECT, tdp ? NR_OPS : 0 },
	};
	/* One of the roots that the loads find is that of normal mode, all others are SMM's. */
	uint64_t nr_smm = mmu_root_path_counts(PATH_SMM).found - 1;
	const struct detail smm[] = {
		{ "kvm_mmu_reset", SMM_IS_LEFT, NR_OPS },
		{ "kvm_mmu_root_load", "as_id==1", NR_OPS * nr_smm },
		{ "kvm_mmu_root_load", "as_id==0", NR_OPS },
		{ "kvm_mmu_root_load", "role & " ROLE_SMM, NR_OPS * nr_smm },
	};

	mmu_roots_require();
	expect_details(PATH_CR4_SMEP, smep, ARRAY_SIZE(smep));
	expect_details(PATH_EFER_NX, efer_nx, ARRAY_SIZE(efer_nx));
	if (kvm_has_cap(KVM_CAP_X86_SMM))
		expect_details(PATH_SMM, smm, ARRAY_SIZE(smm));
}

/* The tracepoints at a root's end must show the address of its page, and its GFN and role. */
TEST(tracepoints_name_the_same_root)
{
	char is_of_pgd[64];
	const struct detail ends[] = {
		{ "kvm_mmu_root_invalidate", "hpa==0 || hpa & 0xfff", 0 },
		{ "kvm_mmu_root_free", "hpa==0 || hpa & 0xfff", 0 },
		{ "kvm_mmu_root_free", is_of_pgd, 1 },
	};
	int fd[ARRAY_SIZE(ends)], i;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;

	mmu_root_path_vm_create(&vcpu, guest_code);
	vcpu_args_set(vcpu, 2, PATH_NULL_EXIT, NR_OPS);
	mmu_roots_open(&roots, vcpu->vm, "tracepoints");
	__TEST_REQUIRE(roots.tracing,
		       "no tracepoints: mount -t tracefs none /sys/kernel/tracing, as root");
	/* A direct root maps from GFN 0 on; any other root shadows the guest's PGD. */
	if (kvm_is_tdp_enabled())
		snprintf(is_of_pgd, sizeof(is_of_pgd), "gfn==0 && role & " ROLE_DIRECT);
	else
		snprintf(is_of_pgd, sizeof(is_of_pgd), "gfn==%#lx && !(role & " ROLE_DIRECT ")",
			 mmu_roots_pgd(vcpu->vm) >> PAGE_SHIFT);
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		fd[i] = mmu_roots_event_open(ends[i].event, ends[i].filter);
	run(vcpu);
	mmu_roots_vm_free(&roots);

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		if (fd[i] < 0 || mmu_roots_event_read(fd[i]) != ends[i].hits) {
			printf("#! kvmmmu:%s with %s was not hit %lu times\n", ends[i].event,
			       ends[i].filter, ends[i].hits);
			exit(KSFT_FAIL);
		}
	}
}

TEST_HARNESS_MAIN
