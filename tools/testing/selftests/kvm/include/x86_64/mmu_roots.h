/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshots of KVM's MMU root counters, and checks of the laws that the counters obey.
 *
 * docs/counters.md of kvm-mmu-roots defines each counter, and the laws.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_H
#define SELFTEST_KVM_MMU_ROOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots_compat.h"

/*
 * The counters that a snapshot holds, by scope: first those of the VM, then those of
 * vCPUs.  In each scope, the root counters come first.  The others are stats that KVM
 * has always had; they show whether KVM had to map the guest's memory anew.
 */
enum mmu_root_stat {
	MMU_ROOT_ALLOC,
	MMU_ROOT_REUSE,
	MMU_ROOT_INVALIDATE,
	MMU_ROOT_FREE,
	PAGES_4K,
	PAGES_2M,
	PAGES_1G,
	TLB_FLUSH_REQUESTS,
	NR_MMU_ROOT_VM_STATS,

	MMU_RESET = NR_MMU_ROOT_VM_STATS,
	MMU_ROOT_LOAD,
	MMU_ROOT_CACHE_HIT,
	MMU_ROOT_CACHE_MISS,
	EXITS,
	TLB_FLUSH,
	PF_TAKEN,
	PF_FIXED,
	PF_EMULATE,
	PF_SPURIOUS,
	PF_MMIO_SPTE_CREATED,
	NR_MMU_ROOT_STATS,
};

#define NR_MMU_ROOT_VCPU_STATS	(NR_MMU_ROOT_STATS - NR_MMU_ROOT_VM_STATS)

/* The MMU that builds roots; KVM's module parameters decide which one. */
enum mmu_root_mmu {
	MMU_ROOT_TDP_MMU,
	/* tdp_mmu=0: TDP without the TDP MMU, with roots from the shadow page hash */
	MMU_ROOT_LEGACY_MMU,
	/* npt=0 or ept=0 */
	MMU_ROOT_SHADOW_MMU,
	NR_MMU_ROOT_MMUS,
};

/*
 * Skip the rest of a test case that does not apply to this host, or to KVM with its
 * present module parameters.  Tests use __TEST_REQUIRE() for all other preconditions:
 * a bed that has all of these treats the skip as a failure.
 */
#define mmu_roots_require_applicable(cond, fmt, ...)	\
	__TEST_REQUIRE(cond, "not applicable: " fmt, ##__VA_ARGS__)

/* No test has more vCPUs.  The limit is constant, so that a snapshot is a plain struct. */
#define MMU_ROOTS_MAX_VCPUS	16

/* Tracepoints of kvmmmu: each of them has one counter that grows with it. */
enum mmu_root_event {
	MMU_EVENT_RESET,
	MMU_EVENT_ROOT_ALLOC,
	MMU_EVENT_ROOT_REUSE,
	MMU_EVENT_ROOT_INVALIDATE,
	MMU_EVENT_ROOT_FREE,
	NR_MMU_ROOT_EVENTS,
};

/**
 * struct mmu_roots_snapshot - All counters of a VM at a quiescent point
 * @stat: VM-scoped counters, and vCPU-scoped counters summed over all vCPUs
 * @vcpu: vCPU-scoped counters by vCPU, in the order in which they were created,
 *        indexed with &enum mmu_root_stat minus NR_MMU_ROOT_VM_STATS
 * @event: number of tracepoints hit since mmu_roots_open(); all zero if
 *         tracepoints cannot be counted, see &struct mmu_roots.tracing
 */
struct mmu_roots_snapshot {
	uint64_t stat[NR_MMU_ROOT_STATS];
	uint64_t vcpu[MMU_ROOTS_MAX_VCPUS][NR_MMU_ROOT_VCPU_STATS];
	uint64_t event[NR_MMU_ROOT_EVENTS];
};

/* A file descriptor of binary stats, and the offsets of our stats in it. */
struct mmu_roots_source {
	int fd;
	off_t begin;
	off_t end;
	off_t offset[NR_MMU_ROOT_STATS];
};

/**
 * struct mmu_roots - A VM whose roots are watched
 * @vm: the VM
 * @name: name of the tested path or case; each failure message starts with it
 * @max_valid_roots: how many roots may be valid at once, see law 4
 * @direct_only: no vCPU ever shadows guest page tables, see law 2
 * @tracing: law 5 includes the tracepoints
 * @nr_failures: number of failed checks so far
 */
struct mmu_roots {
	struct kvm_vm *vm;
	const char *name;
	unsigned int max_valid_roots;
	bool direct_only;
	bool tracing;
	unsigned int nr_failures;

	/* private: */
	char debugfs[64];
	int debugfs_fd;
	struct mmu_roots_source vm_source;
	struct mmu_roots_source vcpu_source[MMU_ROOTS_MAX_VCPUS];
	int nr_vcpus;
	int event_fd[NR_MMU_ROOT_EVENTS];
	struct mmu_roots_snapshot birth;
};

/**
 * struct mmu_root_counts - Costs, e.g. of one operation of a path
 * @resets: calls of kvm_mmu_reset_context()
 * @loads: root loads
 * @found: root page tables that the loads find again; with PAE roots, four per load
 * @hits: PGD switches that KVM serves from the current root or prev_roots[]
 * @misses: all other PGD switches
 * @roots: number of different root page tables that the VM has used since its creation
 * @flushes: TLB flushes of two operations: some bits take a flush only when they are
 *	     set, or only when they are cleared
 * @faults: page faults, which KVM fixes
 */
struct mmu_root_counts {
	uint64_t resets;
	uint64_t loads;
	uint64_t found;
	uint64_t hits;
	uint64_t misses;
	uint64_t roots;
	uint64_t flushes;
	uint64_t faults;
};

const char *mmu_root_stat_name(enum mmu_root_stat stat);

enum mmu_root_mmu mmu_root_mmu(void);
bool mmu_roots_supported(void);
void mmu_roots_require(void);
void mmu_roots_pin(void);
void mmu_roots_open(struct mmu_roots *roots, struct kvm_vm *vm, const char *name);
void mmu_roots_read(struct mmu_roots *roots, struct mmu_roots_snapshot *snap);
void mmu_roots_vm_free(struct mmu_roots *roots);

void __printf(3, 4) mmu_roots_check(struct mmu_roots *roots, bool good,
				    const char *fmt, ...);
void mmu_roots_expect_value(struct mmu_roots *roots,
			    const struct mmu_roots_snapshot *snap,
			    enum mmu_root_stat stat, uint64_t expected);
void mmu_roots_expect_growth(struct mmu_roots *roots,
			     const struct mmu_roots_snapshot *before,
			     const struct mmu_roots_snapshot *after,
			     enum mmu_root_stat stat, uint64_t expected);
void mmu_roots_expect_no_refault(struct mmu_roots *roots,
				 const struct mmu_roots_snapshot *before,
				 const struct mmu_roots_snapshot *after);

void mmu_roots_expect_storm(struct mmu_roots *roots,
			    const struct mmu_roots_snapshot *before,
			    const struct mmu_roots_snapshot *after,
			    const struct mmu_root_counts *counts, uint64_t nr_ops);
void mmu_roots_report(const char *path, uint64_t nr_ops,
		      const struct mmu_roots_snapshot *before,
		      const struct mmu_roots_snapshot *after);
uint64_t mmu_roots_vcpu_stat(const struct mmu_roots_snapshot *snap, int vcpu,
			     enum mmu_root_stat stat);

int mmu_roots_read_debugfs(struct mmu_roots *roots, const char *name,
			   uint64_t *val);
int mmu_roots_write_debugfs(struct mmu_roots *roots, const char *name,
			    const char *val);

int mmu_roots_event_open(const char *event, const char *filter);
int mmu_roots_event_open_cpu(const char *event, const char *filter, int cpu);
int mmu_roots_calls_open(const char *function);
uint64_t mmu_roots_event_read(int fd);

/* TEST_HARNESS_MAIN defines main(); mmu_roots_list.c calls it to list cases without KVM. */
int main(int argc, char **argv);

#endif /* SELFTEST_KVM_MMU_ROOTS_H */
