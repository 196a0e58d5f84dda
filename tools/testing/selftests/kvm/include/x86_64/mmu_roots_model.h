/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the life cycle of MMU roots: for each operation, it predicts which roots
 * exist afterwards, which vCPUs hold them, and thereby the value of each counter.
 *
 * docs/model.md of kvm-mmu-roots states the rules.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_MODEL_H
#define SELFTEST_KVM_MMU_ROOTS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "mmu_roots.h"
#include "mmu_roots_paths.h"

/* A vCPU can hold roots for all but one: the current root, and prev_roots[]. */
#define MMU_ROOTS_NR_PGDS	5

/* The only vCPU that gets INIT: the first one that isn't the BSP. */
#define MMU_ROOTS_AP		1

#define MMU_ROOTS_MODEL_VCPUS	4

/*
 * Operations on a vCPU, or on its VM.  The paths that a guest drives come first;
 * their values are those of &enum mmu_root_path_id.
 */
enum mmu_roots_op {
	/* The guest loads CR3 with one of its PGDs, which are all alike. */
	MMU_ROOTS_OP_PGD = NR_GUEST_PATHS,
	MMU_ROOTS_OP_PGD_LAST = MMU_ROOTS_OP_PGD + MMU_ROOTS_NR_PGDS - 1,
	/* vCPU 0 sends INIT-SIPI-SIPI to this vCPU, which must be MMU_ROOTS_AP. */
	MMU_ROOTS_OP_INIT,
	/* KVM_SMI */
	MMU_ROOTS_OP_HOST_SMI,
	/* KVM_SET_SREGS with what KVM_GET_SREGS returned, unchanged or with one change. */
	MMU_ROOTS_OP_SREGS,
	MMU_ROOTS_OP_SREGS_WP,
	MMU_ROOTS_OP_SREGS_SMEP,
	MMU_ROOTS_OP_SREGS_PGE,
	MMU_ROOTS_OP_SREGS_NX,
	MMU_ROOTS_OP_SREGS_PGD,
	/* KVM_SET_MSRS of EFER, with NX flipped. */
	MMU_ROOTS_OP_MSR_NX,
	/* KVM_SET_CPUID2 with the CPUID that the vCPU has already. */
	MMU_ROOTS_OP_CPUID,
	/* On a memslot that no vCPU uses; all but the first need it to exist, or do nothing. */
	MMU_ROOTS_OP_SLOT_CREATE,
	MMU_ROOTS_OP_SLOT_DELETE,
	MMU_ROOTS_OP_SLOT_MOVE,
	MMU_ROOTS_OP_SLOT_DIRTY_LOG,
	NR_MMU_ROOTS_OPS,
};

/* An operation of a walk. */
struct mmu_roots_step {
	uint8_t op;
	uint8_t vcpu;
};

/* The registers that decide which root a vCPU needs. */
struct mmu_roots_regs {
	uint64_t cr0;
	uint64_t cr4;
	uint64_t efer;
	/* Number of the PGD that CR3 points to. */
	unsigned int pgd;
};

/* A root of PAE paging has a page table for each of its four top-level entries. */
#define MMU_ROOTS_MAX_TABLES	4

/* KVM_MMU_NUM_PREV_ROOTS of KVM */
#define MMU_ROOTS_NR_PREV	3

/* A root that a vCPU holds; &struct kvm_mmu_root_info of KVM. */
struct mmu_roots_held {
	unsigned int nr_tables;
	unsigned int table[MMU_ROOTS_MAX_TABLES];
};

struct mmu_roots_model_vcpu {
	struct mmu_roots_regs regs;
	bool smm;
	bool has_run;
	bool smi_pending;
	bool init_pending;
	bool free_obsolete;
	struct mmu_roots_held root;
	struct mmu_roots_held prev_roots[MMU_ROOTS_NR_PREV];
	uint64_t stat[MMU_ROOT_CACHE_MISS - MMU_RESET + 1];
};

/* A root page table; @key identifies its role and what it shadows. */
struct mmu_roots_table {
	bool exists;
	bool valid;
	unsigned int key;
	unsigned int holders;
};

/* More than can exist at once: a valid one for each key, and invalid ones that vCPUs hold. */
#define MMU_ROOTS_MODEL_TABLES	128

/**
 * struct mmu_roots_model - The state of a VM that roots depend on
 * @mmu: which MMU builds the roots
 * @zap_all: the VM has KVM_X86_QUIRK_SLOT_ZAP_ALL
 * @unpaged_cr3_exits: mmu_root_unpaged_cr3_exits(), set by the caller; false after
 *		       mmu_roots_model_init()
 * @nr_vcpus: number of vCPUs
 * @initial: registers of each vCPU at the start, and after INIT-SIPI-SIPI
 * @vcpu: the vCPUs
 * @table: the root page tables that exist
 * @stat: VM-scoped counters
 * @slot: the memslot that no vCPU uses exists
 * @nr_smis: number of SMIs that were handled
 */
struct mmu_roots_model {
	enum mmu_root_mmu mmu;
	bool zap_all;
	bool unpaged_cr3_exits;
	unsigned int nr_vcpus;
	struct mmu_roots_regs initial;
	struct mmu_roots_model_vcpu vcpu[MMU_ROOTS_MODEL_VCPUS];
	struct mmu_roots_table table[MMU_ROOTS_MODEL_TABLES];
	uint64_t stat[MMU_ROOT_FREE + 1];
	bool slot;
	uint64_t nr_smis;
};

void mmu_roots_model_init(struct mmu_roots_model *m, enum mmu_root_mmu mmu,
			  bool zap_all, unsigned int nr_vcpus,
			  const struct mmu_roots_regs *initial);
void mmu_roots_model_step(struct mmu_roots_model *m, struct mmu_roots_step step);
uint64_t mmu_roots_model_stat(const struct mmu_roots_model *m,
			      enum mmu_root_stat stat, unsigned int vcpu);

const char *mmu_roots_op_name(enum mmu_roots_op op);
bool mmu_roots_op_of_vm(enum mmu_roots_op op);
bool mmu_roots_step_parse(struct mmu_roots_step *step, const char *text);
void mmu_roots_steps_print(const struct mmu_roots_step *steps, unsigned int nr);

/* Tells whether a sequence of steps fails; @arg is that of mmu_roots_steps_shrink(). */
typedef bool (*mmu_roots_steps_fail_fn)(const void *steps, unsigned int nr, void *arg);

unsigned int mmu_roots_steps_shrink(void *steps, unsigned int nr, size_t size,
				    mmu_roots_steps_fail_fn fails, void *arg);

#endif /* SELFTEST_KVM_MMU_ROOTS_MODEL_H */
