// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots of KVM's MMU root counters, and checks of the laws that the counters obey.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"

#define KVM_DEBUGFS	"/sys/kernel/debug/kvm"
#define KPROBE_PMU_TYPE	"/sys/bus/event_source/devices/kprobe/type"
#define KVMMMU_EVENTS	"/sys/kernel/tracing/events/kvmmmu"

/* Bytes of one binary stat, and the most bytes from the first to the last stat of a snapshot. */
#define STAT_SIZE	((off_t)sizeof(uint64_t))
#define MAX_STATS_SIZE	4096

static const char * const stat_names[NR_MMU_ROOT_STATS] = {
	[MMU_ROOT_ALLOC]	= "mmu_root_alloc",
	[MMU_ROOT_REUSE]	= "mmu_root_reuse",
	[MMU_ROOT_INVALIDATE]	= "mmu_root_invalidate",
	[MMU_ROOT_FREE]		= "mmu_root_free",
	[PAGES_4K]		= "pages_4k",
	[PAGES_2M]		= "pages_2m",
	[PAGES_1G]		= "pages_1g",
	[TLB_FLUSH_REQUESTS]	= "remote_tlb_flush_requests",
	[MMU_RESET]		= "mmu_reset",
	[MMU_ROOT_LOAD]		= "mmu_root_load",
	[MMU_ROOT_CACHE_HIT]	= "mmu_root_cache_hit",
	[MMU_ROOT_CACHE_MISS]	= "mmu_root_cache_miss",
	[EXITS]			= "exits",
	[TLB_FLUSH]		= "tlb_flush",
	[PF_TAKEN]		= "pf_taken",
	[PF_FIXED]		= "pf_fixed",
	[PF_EMULATE]		= "pf_emulate",
	[PF_SPURIOUS]		= "pf_spurious",
	[PF_MMIO_SPTE_CREATED]	= "pf_mmio_spte_created",
};

/* @stat: the counter that KVM increments with each event. */
static const struct {
	const char *name;
	const char *filter;
	enum mmu_root_stat stat;
} events[NR_MMU_ROOT_EVENTS] = {
	[MMU_EVENT_RESET]	    = { "kvm_mmu_reset", NULL, MMU_RESET },
	[MMU_EVENT_ROOT_ALLOC]	    = { "kvm_mmu_root_load", "created==1", MMU_ROOT_ALLOC },
	[MMU_EVENT_ROOT_REUSE]	    = { "kvm_mmu_root_load", "created==0", MMU_ROOT_REUSE },
	[MMU_EVENT_ROOT_INVALIDATE] = { "kvm_mmu_root_invalidate", NULL, MMU_ROOT_INVALIDATE },
	[MMU_EVENT_ROOT_FREE]	    = { "kvm_mmu_root_free", NULL, MMU_ROOT_FREE },
};

/**
 * mmu_root_stat_name() - Name of a counter in debugfs and in the binary stats
 * @stat: the counter
 *
 * Return: a constant string.
 */
const char *mmu_root_stat_name(enum mmu_root_stat stat)
{
	return stat_names[stat];
}

/**
 * mmu_root_mmu() - Ask KVM which MMU it uses
 *
 * Return: the MMU for guests that aren't nested.
 */
enum mmu_root_mmu mmu_root_mmu(void)
{
	if (!kvm_is_tdp_enabled())
		return MMU_ROOT_SHADOW_MMU;
	return get_kvm_param_bool("tdp_mmu") ? MMU_ROOT_TDP_MMU : MMU_ROOT_LEGACY_MMU;
}

static bool is_root_stat(enum mmu_root_stat stat)
{
	return stat <= MMU_ROOT_FREE ||
	       (stat >= MMU_RESET && stat <= MMU_ROOT_CACHE_MISS);
}

/**
 * mmu_roots_check() - Record a failure unless a condition holds
 * @roots: the watched VM
 * @good: the condition
 * @fmt: printf()-style message: the expected and the actual result
 *
 * Unlike a failed TEST_ASSERT(), a failed check does not end the test: which
 * counters are wrong, and by how much, tells one bug from another.
 * mmu_roots_vm_free() fails the test if any check has failed.
 */
void mmu_roots_check(struct mmu_roots *roots, bool good, const char *fmt, ...)
{
	va_list ap;

	if (good)
		return;

	roots->nr_failures++;
	va_start(ap, fmt);
	printf("#! %s: ", roots->name);
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

/*
 * The stats exist if mmu_roots_require() has passed: an error from then on is a failure
 * of the test, not a missing precondition, whatever errno is.
 */
static void __printf(2, 3) require_io(bool good, const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	if (good)
		return;

	va_start(ap, fmt);
	printf("#! ");
	vprintf(fmt, ap);
	printf(": %s\n", strerror(err));
	va_end(ap);
	exit(KSFT_FAIL);
}

/* Returns the offset of the value, or 0 if no stat has this name. */
static off_t source_find(struct kvm_stats_header *header, struct kvm_stats_desc *descs,
			 const char *name)
{
	struct kvm_stats_desc *desc;
	int i;

	for (i = 0; i < header->num_desc; i++) {
		desc = get_stats_descriptor(descs, i, header);
		if (!strcmp(desc->name, name))
			return header->data_offset + desc->offset;
	}
	return 0;
}

static void source_open(struct mmu_roots_source *source, int fd,
			enum mmu_root_stat first, enum mmu_root_stat end)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs;
	enum mmu_root_stat stat;

	require_io(fd >= 0, "KVM_GET_STATS_FD");
	source->fd = fd;
	source->begin = LONG_MAX;
	source->end = 0;
	read_stats_header(fd, &header);
	descs = read_stats_descriptors(fd, &header);
	for (stat = first; stat < end; stat++) {
		source->offset[stat] = source_find(&header, descs, stat_names[stat]);
		errno = ENOENT;
		require_io(source->offset[stat],
			   "kernel has some root stats, but not %s in the binary stats: apply all of kvm-mmu-roots' patches/*/stats",
			   stat_names[stat]);
		source->begin = min(source->begin, source->offset[stat]);
		source->end = max(source->end, source->offset[stat] + STAT_SIZE);
	}
	free(descs);
}

/* One pread() for all stats: a system call per stat takes an emulated CPU longer than the rest. */
static void source_read(struct mmu_roots_source *source, enum mmu_root_stat first,
			enum mmu_root_stat end, uint64_t *vals)
{
	ssize_t size = source->end - source->begin;
	char buf[MAX_STATS_SIZE];
	enum mmu_root_stat stat;

	errno = EFBIG;
	require_io(size <= sizeof(buf), "read %zd bytes of binary stats at once", size);
	require_io(pread(source->fd, buf, size, source->begin) == size, "read the binary stats");
	for (stat = first; stat < end; stat++)
		memcpy(&vals[stat - first], buf + source->offset[stat] - source->begin,
		       sizeof(*vals));
}

/**
 * mmu_roots_supported() - Ask whether the kernel has root stats
 *
 * The function looks for the sums over all VMs, as debugfs has these even without a VM.
 *
 * Return: true if at least one of the root counters exists.  If only some of them
 * exist, that is a bug, not a missing feature, and the tests must run to find it.
 */
bool mmu_roots_supported(void)
{
	enum mmu_root_stat stat;
	char path[128];

	for (stat = 0; stat < NR_MMU_ROOT_STATS; stat++) {
		snprintf(path, sizeof(path), KVM_DEBUGFS "/%s", stat_names[stat]);
		if (is_root_stat(stat) && !access(path, F_OK))
			return true;
	}
	return false;
}

/**
 * mmu_roots_require() - Skip the test if roots cannot be watched
 *
 * The message of the skip names the missing part and how to get it.
 */
void mmu_roots_require(void)
{
	__TEST_REQUIRE(!access(KVM_DEBUGFS, R_OK | X_OK),
		       "no " KVM_DEBUGFS ": mount -t debugfs none /sys/kernel/debug, as root");
	__TEST_REQUIRE(mmu_roots_supported(),
		       "kernel has no stat mmu_root_alloc: apply kvm-mmu-roots' patches/*/stats");
}

static int event_open(const char *event, const char *filter, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.inherit = pid >= 0,
	};
	char path[128], id[16] = "";
	int fd;

	snprintf(path, sizeof(path), KVMMMU_EVENTS "/%s/id", event);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	if (read(fd, id, sizeof(id) - 1) <= 0)
		id[0] = '\0';
	close(fd);

	attr.config = strtoull(id, NULL, 10);
	fd = syscall(__NR_perf_event_open, &attr, pid, cpu, -1, 0);
	if (fd < 0)
		return -errno;

	if (filter && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

/**
 * mmu_roots_event_open() - Count a tracepoint in this process
 * @event: name of a tracepoint of kvmmmu:
 * @filter: condition on the event's fields as in the kernel's
 *	    Documentation/trace/events.rst, or NULL
 *
 * The count includes the calling thread and threads that this thread creates later.
 *
 * Return: a file descriptor for mmu_roots_event_read(), or a negative errno.
 */
int mmu_roots_event_open(const char *event, const char *filter)
{
	return event_open(event, filter, 0, -1);
}

/**
 * mmu_roots_event_open_cpu() - Count a tracepoint on a CPU, in any process
 * @event: name of a tracepoint of kvmmmu:
 * @filter: see mmu_roots_event_open()
 * @cpu: number of the CPU
 *
 * The count includes threads of the kernel, which may destroy a VM whose process
 * was killed.
 *
 * Return: a file descriptor for mmu_roots_event_read(), or a negative errno.
 */
int mmu_roots_event_open_cpu(const char *event, const char *filter, int cpu)
{
	return event_open(event, filter, -1, cpu);
}

/**
 * mmu_roots_event_read() - Number of hits since mmu_roots_event_open()
 * @fd: the file descriptor of mmu_roots_event_open()
 *
 * Return: the number of hits.
 */
uint64_t mmu_roots_event_read(int fd)
{
	uint64_t count;

	require_io(read(fd, &count, sizeof(count)) == sizeof(count),
		   "read the count of a kvmmmu: event");
	return count;
}

/**
 * mmu_roots_calls_open() - Count the calls of a function of the kernel
 * @function: name of the function
 *
 * A kprobe counts in the calling thread and in threads that this thread creates later.
 *
 * Return: a file descriptor for mmu_roots_event_read(), or a negative errno.
 */
int mmu_roots_calls_open(const char *function)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.inherit = 1,
		.kprobe_func = (uintptr_t)function,
	};
	char type[16] = "";
	int fd;

	fd = open(KPROBE_PMU_TYPE, O_RDONLY);
	if (fd < 0)
		return -errno;
	if (read(fd, type, sizeof(type) - 1) <= 0)
		type[0] = '\0';
	close(fd);

	attr.type = strtoul(type, NULL, 10);
	fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, 0);
	return fd < 0 ? -errno : fd;
}

/* Open the stats of vCPUs created since the last call; the library lists the newest vCPU first. */
static void open_vcpus(struct mmu_roots *roots)
{
	struct kvm_vcpu *vcpu;
	int nr = 0, i;

	list_for_each_entry(vcpu, &roots->vm->vcpus, list)
		nr++;
	TEST_ASSERT(nr <= MMU_ROOTS_MAX_VCPUS, "at most %d vCPUs", MMU_ROOTS_MAX_VCPUS);

	i = nr;
	list_for_each_entry(vcpu, &roots->vm->vcpus, list) {
		if (--i < roots->nr_vcpus)
			break;
		source_open(&roots->vcpu_source[i], __vcpu_ioctl(vcpu, KVM_GET_STATS_FD, NULL),
			    NR_MMU_ROOT_VM_STATS, NR_MMU_ROOT_STATS);
	}
	roots->nr_vcpus = nr;
}

static void open_events(struct mmu_roots *roots)
{
	int i;

	roots->tracing = !access(KVMMMU_EVENTS, X_OK);
	if (!roots->tracing) {
		printf("# %s: no " KVMMMU_EVENTS ": law 5 is checked without tracepoints\n",
		       roots->name);
		return;
	}

	for (i = 0; i < NR_MMU_ROOT_EVENTS; i++) {
		roots->event_fd[i] = mmu_roots_event_open(events[i].name, events[i].filter);
		errno = -roots->event_fd[i];
		require_io(roots->event_fd[i] >= 0, "count kvmmmu:%s", events[i].name);
	}
}

/**
 * mmu_roots_open() - Start to watch the roots of a VM
 * @roots: caller-allocated; initialized
 * @vm: the VM, with all vCPUs added, none of which has run yet
 * @name: name of the tested path or case; each failure message starts with it
 *
 * The function skips the test if the kernel lacks the counters.  The caller may
 * adjust &struct mmu_roots.max_valid_roots and &struct mmu_roots.direct_only
 * afterwards; the defaults fit VMs that aren't nested.
 */
void mmu_roots_open(struct mmu_roots *roots, struct kvm_vm *vm, const char *name)
{
	memset(roots, 0, sizeof(*roots));
	roots->vm = vm;
	roots->name = name;
	roots->direct_only = kvm_is_tdp_enabled();
	/*
	 * With TDP, KVM can have a root for each combination of {4-level, 5-level}
	 * and {normal, SMM, guest mode}.  All vCPUs here have the same level, because
	 * it depends on the guest's MAXPHYADDR and the host's paging mode only, see
	 * kvm_mmu_get_tdp_level().  So there are at most three roots.  With shadow
	 * paging each guest page table is a root, and the number is not limited.
	 */
	roots->max_valid_roots = roots->direct_only ? 3 : UINT_MAX;

	mmu_roots_require();

	snprintf(roots->debugfs, sizeof(roots->debugfs), KVM_DEBUGFS "/%d-%d",
		 getpid(), vm->fd);
	roots->debugfs_fd = open(roots->debugfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	require_io(roots->debugfs_fd >= 0, "open %s", roots->debugfs);
	source_open(&roots->vm_source, __vm_ioctl(vm, KVM_GET_STATS_FD, NULL),
		    0, NR_MMU_ROOT_VM_STATS);

	mmu_roots_read(roots, &roots->birth);
	open_events(roots);
}

/**
 * mmu_roots_read_debugfs() - Read a stat of the VM from debugfs
 * @roots: the watched VM
 * @name: file in the VM's directory
 * @val: the value; for stats of vCPUs, KVM's sum over all vCPUs
 *
 * Return: 0, or a negative errno.
 */
int mmu_roots_read_debugfs(struct mmu_roots *roots, const char *name,
			   uint64_t *val)
{
	char buf[32] = "";
	ssize_t n;
	int fd;

	fd = openat(roots->debugfs_fd, name, O_RDONLY);
	if (fd < 0)
		return -errno;

	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;

	*val = strtoull(buf, NULL, 10);
	return 0;
}

/**
 * mmu_roots_write_debugfs() - Write a stat of the VM in debugfs
 * @roots: the watched VM
 * @name: file in the VM's directory
 * @val: what to write; KVM accepts only "0", which clears the stat
 *
 * Return: 0, or a negative errno.
 */
int mmu_roots_write_debugfs(struct mmu_roots *roots, const char *name,
			    const char *val)
{
	ssize_t n;
	int fd, err;

	fd = openat(roots->debugfs_fd, name, O_WRONLY);
	if (fd < 0)
		return -errno;

	n = write(fd, val, strlen(val));
	err = errno;
	close(fd);
	return n == (ssize_t)strlen(val) ? 0 : -err;
}

/* mmu_roots_pin() was called, see mmu_roots_expect_storm(). */
static bool pinned;

/**
 * mmu_roots_pin() - Keep the calling thread, which runs the vCPUs, on its CPU
 *
 * KVM may flush the TLB of a vCPU that moves to another CPU, see vmx_vcpu_load_vmcs().
 * Tests that count the TLB flushes of a path must not count these.
 */
void mmu_roots_pin(void)
{
	pin_self_to_cpu(sched_getcpu());
	pinned = true;
}

/*
 * Check law 5 for debugfs.  One check at the end of a VM's life is enough: debugfs and the binary
 * stats show the same memory, so they differ either always or never.
 */
static void check_debugfs(struct mmu_roots *roots,
			  const struct mmu_roots_snapshot *snap)
{
	enum mmu_root_stat stat;
	uint64_t val = 0;
	int ret;

	for (stat = 0; stat < NR_MMU_ROOT_STATS; stat++) {
		ret = mmu_roots_read_debugfs(roots, stat_names[stat], &val);
		mmu_roots_check(roots, !ret, "law 5: cannot read %s from debugfs: %s",
				stat_names[stat], strerror(-ret));
		mmu_roots_check(roots, ret || val == snap->stat[stat],
				"law 5: %s is %lu in debugfs, but %lu in the binary stats",
				stat_names[stat], val, snap->stat[stat]);
	}
}

static void check_events(struct mmu_roots *roots,
			 const struct mmu_roots_snapshot *snap)
{
	uint64_t grown;
	int i;

	for (i = 0; roots->tracing && i < NR_MMU_ROOT_EVENTS; i++) {
		grown = snap->stat[events[i].stat] - roots->birth.stat[events[i].stat];
		mmu_roots_check(roots, snap->event[i] == grown,
				"law 5: %s grew by %lu, but kvmmmu:%s%s%s was hit %lu times",
				stat_names[events[i].stat], grown, events[i].name,
				events[i].filter ? " with " : "",
				events[i].filter ?: "", snap->event[i]);
	}
}

static void check_laws(struct mmu_roots *roots,
		       const struct mmu_roots_snapshot *snap)
{
	uint64_t alloc = snap->stat[MMU_ROOT_ALLOC];
	uint64_t reuse = snap->stat[MMU_ROOT_REUSE];
	uint64_t invalidate = snap->stat[MMU_ROOT_INVALIDATE];
	uint64_t nr_free = snap->stat[MMU_ROOT_FREE];
	uint64_t load = snap->stat[MMU_ROOT_LOAD];

	mmu_roots_check(roots, nr_free <= alloc,
			"law 1: %lu roots freed, but only %lu built", nr_free, alloc);
	mmu_roots_check(roots, !roots->direct_only || load == alloc + reuse,
			"law 2: %lu root loads, but %lu roots built + %lu reused",
			load, alloc, reuse);
	mmu_roots_check(roots, invalidate <= alloc,
			"law 3: %lu roots invalidated, but only %lu built",
			invalidate, alloc);
	mmu_roots_check(roots, nr_free <= invalidate,
			"law 3: %lu roots freed, but only %lu invalidated",
			nr_free, invalidate);
	mmu_roots_check(roots, alloc - invalidate <= roots->max_valid_roots,
			"law 4: %lu valid roots (%lu built - %lu invalidated), at most %u possible",
			alloc - invalidate, alloc, invalidate, roots->max_valid_roots);
	check_events(roots, snap);
}

/**
 * mmu_roots_read() - Take a snapshot of all counters, and check the laws
 * @roots: the watched VM, none of whose vCPUs is running
 * @snap: the snapshot
 */
void mmu_roots_read(struct mmu_roots *roots, struct mmu_roots_snapshot *snap)
{
	enum mmu_root_stat stat;
	int i;

	memset(snap, 0, sizeof(*snap));
	open_vcpus(roots);

	source_read(&roots->vm_source, 0, NR_MMU_ROOT_VM_STATS, snap->stat);
	for (i = 0; i < roots->nr_vcpus; i++) {
		source_read(&roots->vcpu_source[i], NR_MMU_ROOT_VM_STATS, NR_MMU_ROOT_STATS,
			    snap->vcpu[i]);
		for (stat = NR_MMU_ROOT_VM_STATS; stat < NR_MMU_ROOT_STATS; stat++)
			snap->stat[stat] += mmu_roots_vcpu_stat(snap, i, stat);
	}

	for (i = 0; roots->tracing && i < NR_MMU_ROOT_EVENTS; i++)
		snap->event[i] = mmu_roots_event_read(roots->event_fd[i]);

	check_laws(roots, snap);
}

static void check_end_of_life(struct mmu_roots *roots,
			      const struct mmu_roots_snapshot *last)
{
	uint64_t live = last->stat[MMU_ROOT_ALLOC] - last->stat[MMU_ROOT_FREE];
	uint64_t valid = last->stat[MMU_ROOT_ALLOC] - last->stat[MMU_ROOT_INVALIDATE];
	uint64_t invalidated, freed;

	invalidated = mmu_roots_event_read(roots->event_fd[MMU_EVENT_ROOT_INVALIDATE]) -
		      last->event[MMU_EVENT_ROOT_INVALIDATE];
	freed = mmu_roots_event_read(roots->event_fd[MMU_EVENT_ROOT_FREE]) -
		last->event[MMU_EVENT_ROOT_FREE];

	mmu_roots_check(roots, invalidated == valid,
			"law 3: %lu valid roots when the VM was destroyed, but %lu were invalidated",
			valid, invalidated);
	mmu_roots_check(roots, freed == live,
			"law 1: %lu roots existed when the VM was destroyed, but %lu were freed",
			live, freed);
}

/* Add the counters of one source to @sums: @size bytes from offset @begin on. */
static void add_counters(int fd, off_t begin, uint64_t *sums, size_t size)
{
	uint64_t *vals = malloc(size);
	size_t i;

	require_io(vals && pread(fd, vals, size, begin) == (ssize_t)size,
		   "read all of the binary stats");
	for (i = 0; i < size / STAT_SIZE; i++)
		sums[i] += vals[i];
	free(vals);
}

/* Print the nonzero counters of one scope, VM or vCPU, but no histograms. */
static void print_scope(FILE *out, const struct mmu_roots_source *sources, int nr_sources)
{
	struct kvm_stats_header header;
	struct kvm_stats_desc *descs, *desc;
	uint64_t *sums, val;
	size_t size = 0;
	int i;

	read_stats_header(sources[0].fd, &header);
	descs = read_stats_descriptors(sources[0].fd, &header);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		size = max(size, desc->offset + desc->size * STAT_SIZE);
	}
	sums = calloc(1, size);
	require_io(sums, "memory for all of the binary stats");
	for (i = 0; i < nr_sources; i++)
		add_counters(sources[i].fd, header.data_offset, sums, size);
	for (i = 0; i < header.num_desc; i++) {
		desc = get_stats_descriptor(descs, i, &header);
		val = sums[desc->offset / STAT_SIZE];
		if (desc->size == 1 && val)
			fprintf(out, " %s=%lu", desc->name, val);
	}
	free(sums);
	free(descs);
}

/*
 * Print all nonzero counters of KVM at the end of the VM's life, for the record.  One printf()
 * prints all of them: standard output is not buffered, and a system call for each counter takes
 * an emulated CPU longer than the rest.  A file of debugfs takes three system calls.
 */
static void print_counters(struct mmu_roots *roots)
{
	char *line = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&line, &len);

	require_io(out, "open a stream in memory");
	print_scope(out, &roots->vm_source, 1);
	if (roots->nr_vcpus)
		print_scope(out, roots->vcpu_source, roots->nr_vcpus);
	fclose(out);
	printf("#=%s\n", line);
	free(line);
}

/**
 * mmu_roots_vm_free() - Destroy the VM, and fail the test if a check has failed
 * @roots: the watched VM; no longer usable afterwards
 *
 * The function prints all counters, for the record, and checks that no root outlives
 * the VM.  Only tracepoints can show that, because the stats end with the VM.  If any
 * check has failed, the function exits with KSFT_FAIL.
 */
void mmu_roots_vm_free(struct mmu_roots *roots)
{
	struct mmu_roots_snapshot last;
	int i;

	mmu_roots_read(roots, &last);
	check_debugfs(roots, &last);
	print_counters(roots);

	/* Stats file descriptors hold a reference to the VM. */
	close(roots->vm_source.fd);
	for (i = 0; i < roots->nr_vcpus; i++)
		close(roots->vcpu_source[i].fd);
	close(roots->debugfs_fd);
	kvm_vm_free(roots->vm);

	mmu_roots_check(roots, access(roots->debugfs, F_OK) && errno == ENOENT,
			"%s outlives its VM", roots->debugfs);
	if (roots->tracing) {
		check_end_of_life(roots, &last);
		for (i = 0; i < NR_MMU_ROOT_EVENTS; i++)
			close(roots->event_fd[i]);
	}

	if (roots->nr_failures)
		exit(KSFT_FAIL);
}

/**
 * mmu_roots_expect_value() - Check the value of a counter
 * @roots: the watched VM
 * @snap: a snapshot
 * @stat: the counter
 * @expected: the exact value
 */
void mmu_roots_expect_value(struct mmu_roots *roots,
			    const struct mmu_roots_snapshot *snap,
			    enum mmu_root_stat stat, uint64_t expected)
{
	mmu_roots_check(roots, snap->stat[stat] == expected, "%s is %lu, expected %lu",
			stat_names[stat], snap->stat[stat], expected);
}

/**
 * mmu_roots_expect_growth() - Check by how much a counter grew
 * @roots: the watched VM
 * @before: the earlier snapshot
 * @after: the later snapshot
 * @stat: the counter
 * @expected: the exact difference
 */
void mmu_roots_expect_growth(struct mmu_roots *roots,
			     const struct mmu_roots_snapshot *before,
			     const struct mmu_roots_snapshot *after,
			     enum mmu_root_stat stat, uint64_t expected)
{
	uint64_t a = before->stat[stat], b = after->stat[stat];

	mmu_roots_check(roots, b - a == expected,
			"%s: before %lu, after %lu, grew by %ld, expected %ld",
			stat_names[stat], a, b, (long)(b - a), (long)expected);
}

static void expect_faults(struct mmu_roots *roots, const struct mmu_roots_snapshot *before,
			  const struct mmu_roots_snapshot *after, uint64_t nr_faults)
{
	enum mmu_root_stat stat;

	mmu_roots_expect_growth(roots, before, after, PF_TAKEN, nr_faults);
	mmu_roots_expect_growth(roots, before, after, PF_FIXED, nr_faults);
	for (stat = PF_EMULATE; stat <= PF_MMIO_SPTE_CREATED; stat++)
		mmu_roots_expect_growth(roots, before, after, stat, 0);
	for (stat = PAGES_4K; stat <= PAGES_1G; stat++)
		mmu_roots_expect_growth(roots, before, after, stat, 0);
}

/**
 * mmu_roots_expect_no_refault() - Check that the guest kept its page tables
 * @roots: the watched VM
 * @before: the earlier snapshot, with the guest's working set mapped
 * @after: the later snapshot
 *
 * The vCPUs must have taken no page fault, and KVM must map as many pages as before.
 */
void mmu_roots_expect_no_refault(struct mmu_roots *roots,
				 const struct mmu_roots_snapshot *before,
				 const struct mmu_roots_snapshot *after)
{
	expect_faults(roots, before, after, 0);
}

/* The arguments of the last mmu_roots_report(). */
static struct {
	const char *path;
	const struct mmu_roots_snapshot *before;
	const struct mmu_roots_snapshot *after;
} reported;

/* Print expected counts for the report to show beside the actual ones, if these were reported. */
static void report_expected(const struct mmu_roots_snapshot *before,
			    const struct mmu_roots_snapshot *after,
			    const struct mmu_root_counts *counts, uint64_t nr_ops)
{
	if (before != reported.before || after != reported.after)
		return;

	printf("#@ kind=expected path=%s resets=%lu loads=%lu alloc=0 reuse=%lu",
	       reported.path, nr_ops * counts->resets, nr_ops * counts->loads,
	       nr_ops * counts->found);
	printf(" hits=%lu misses=%lu flushes=%lu\n", nr_ops * counts->hits,
	       nr_ops * counts->misses, nr_ops * counts->flushes / 2);
	reported.path = NULL;
	reported.before = NULL;
	reported.after = NULL;
}

/**
 * mmu_roots_expect_storm() - Check a storm of operations on roots that survive
 * @roots: the watched VM
 * @before: the earlier snapshot, with all roots built and all pages mapped
 * @after: the later snapshot
 * @counts: the cost of one operation
 * @nr_ops: number of operations
 *
 * KVM must not build, invalidate or free any root, each load must find its roots,
 * and vCPUs must take no page faults other than those of @counts.  KVM must flush
 * TLBs as often as the architecture requires, whether it keeps the roots or not;
 * the caller must have called mmu_roots_pin().
 */
void mmu_roots_expect_storm(struct mmu_roots *roots,
			    const struct mmu_roots_snapshot *before,
			    const struct mmu_roots_snapshot *after,
			    const struct mmu_root_counts *counts, uint64_t nr_ops)
{
	const struct {
		enum mmu_root_stat stat;
		uint64_t growth;
	} expected[] = {
		{ MMU_RESET, nr_ops * counts->resets },
		{ MMU_ROOT_LOAD, nr_ops * counts->loads },
		{ MMU_ROOT_ALLOC, 0 },
		{ MMU_ROOT_REUSE, nr_ops * counts->found },
		{ MMU_ROOT_INVALIDATE, 0 },
		{ MMU_ROOT_FREE, 0 },
		{ MMU_ROOT_CACHE_HIT, nr_ops * counts->hits },
		{ MMU_ROOT_CACHE_MISS, nr_ops * counts->misses },
		{ TLB_FLUSH, nr_ops * counts->flushes / 2 },
	};
	unsigned int i;

	TEST_ASSERT(pinned, "TLB flushes are counted: mmu_roots_pin() first");
	report_expected(before, after, counts, nr_ops);
	for (i = 0; i < ARRAY_SIZE(expected); i++)
		mmu_roots_expect_growth(roots, before, after, expected[i].stat,
					expected[i].growth);
	expect_faults(roots, before, after, nr_ops * counts->faults);
}

/**
 * mmu_roots_report() - Print the counts of a path, for a row of the report
 * @path: the path; one word
 * @nr_ops: number of operations between the snapshots
 * @before: the earlier snapshot
 * @after: the later snapshot
 */
void mmu_roots_report(const char *path, uint64_t nr_ops,
		      const struct mmu_roots_snapshot *before,
		      const struct mmu_roots_snapshot *after)
{
	const uint64_t *a = before->stat, *b = after->stat;

	reported.path = path;
	reported.before = before;
	reported.after = after;
	printf("#@ kind=counts path=%s ops=%lu resets=%lu loads=%lu alloc=%lu reuse=%lu",
	       path, nr_ops, b[MMU_RESET] - a[MMU_RESET],
	       b[MMU_ROOT_LOAD] - a[MMU_ROOT_LOAD],
	       b[MMU_ROOT_ALLOC] - a[MMU_ROOT_ALLOC],
	       b[MMU_ROOT_REUSE] - a[MMU_ROOT_REUSE]);
	printf(" hits=%lu misses=%lu flushes=%lu\n",
	       b[MMU_ROOT_CACHE_HIT] - a[MMU_ROOT_CACHE_HIT],
	       b[MMU_ROOT_CACHE_MISS] - a[MMU_ROOT_CACHE_MISS],
	       b[TLB_FLUSH] - a[TLB_FLUSH]);
}

/**
 * mmu_roots_vcpu_stat() - A counter of one vCPU
 * @snap: the snapshot
 * @vcpu: number of the vCPU, in the order of creation
 * @stat: a counter of vCPUs
 *
 * Return: the counter's value.
 */
uint64_t mmu_roots_vcpu_stat(const struct mmu_roots_snapshot *snap, int vcpu,
			     enum mmu_root_stat stat)
{
	return snap->vcpu[vcpu][stat - NR_MMU_ROOT_VM_STATS];
}
