/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nested guests: L2s on different page tables, which KVM shadows, and through
 * which the L2s see different memory.
 *
 * L1 can run an L2 on several PGDs.  A PGD stands for the nested CR3 if L1 uses
 * nested paging, or else for the CR3 of L2.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_NESTED_H
#define SELFTEST_KVM_MMU_ROOTS_NESTED_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* A struct kvm_mmu can hold roots for all PGDs but one: the current root, and prev_roots[]. */
#define MMU_ROOT_MAX_PGDS	5
#define MMU_ROOT_MAX_L2S	2

/*
 * Each PGD maps a page of its own here.  The address is beyond all memory, so that
 * the page is visible only through this PGD, and below 4 GiB - 1 GiB, i.e. not MMIO.
 */
#define MMU_ROOT_OWN_PAGE	0x80000000ul

/*
 * Why L2 has exited, or was not entered.  L2_ENTRY_FAILED: the instruction failed, which is
 * possible only with VMX.  L2_ENTRY_EXITED: the entry itself caused an exit.
 */
enum mmu_root_l2_exit {
	L2_EXIT_CALL,
	L2_EXIT_INIT,
	L2_EXIT_SHUTDOWN,
	L2_EXIT_OTHER,
	L2_ENTRY_FAILED,
	L2_ENTRY_EXITED,
};

/* Bits of CR4 and EPTPs that all CPUs reserve: Intel SDM, "Extended-Page-Table Pointer". */
#define CR4_RESERVED		BIT_ULL(63)
#define EPTP_RESERVED		BIT_ULL(11)

/* Offsets in struct vmcs12 of arch/x86/kvm/vmx/vmcs12.h, which is ABI. */
#define VMCS12_EPT_POINTER	120
#define VMCS12_GUEST_CR0	424
#define VMCS12_GUEST_CR3	432

/* Number of roots of L1 and one L2, with any MMU. */
#define NR_L1_L2_ROOTS		2

/* Events that L1 intercepts in addition to those that L1 has to intercept. */
#define L1_INTERCEPTS_NOTHING	0
#define L1_INTERCEPTS_INIT	1
#define L1_INTERCEPTS_SHUTDOWN	2

/**
 * struct mmu_root_nested_ops - Differences between SVM and VMX
 * @table_flags: flags of an entry of nested page tables that points to a table
 * @page_flags: flags of an entry that maps a page
 * @require: skip the test if KVM does not offer nested SVM or VMX
 * @has_nested_paging: whether KVM offers nested paging
 * @create: allocate what L1 needs to run L2s
 * @state_set_pgd: change the PGD of nested paging in saved nested state
 * @init: set up an L2; called in L1
 * @run: run an L2 on a PGD; called in L1
 * @call: exit to L1; called in L2
 */
struct mmu_root_nested_ops {
	uint64_t table_flags;
	uint64_t page_flags;
	void (*require)(void);
	bool (*has_nested_paging)(void);
	void (*create)(struct kvm_vm *vm, bool nested_paging);
	void (*state_set_pgd)(struct kvm_nested_state *state, uint64_t pgd);
	void (*init)(int l2, void *l2_guest_code, void *stack, int intercepts);
	enum mmu_root_l2_exit (*run)(int l2, uint64_t pgd);
	void (*call)(void);
};

extern const struct mmu_root_nested_ops mmu_root_nested_svm, mmu_root_nested_vmx;

void mmu_root_nested_require(bool nested_paging);
uint64_t mmu_root_gpa_limit(void);
void mmu_root_nested_require_ept_ad(void);
void mmu_root_nested_require_vmfunc(void);
const char *mmu_root_nested_name(const char *name);
bool mmu_root_host_has_five_levels(void);
bool mmu_root_npt_is_passthrough(struct kvm_vm *vm);
void mmu_root_nested_create(struct kvm_vcpu *vcpu, bool nested_paging, int nr_pgds);
void mmu_root_nested_replace_pgd(struct kvm_vm *vm, int pgd, uint64_t gpa);
void mmu_root_nested_open(struct mmu_roots *roots, struct kvm_vm *vm, const char *name,
			  unsigned int nr_roots);
const struct mmu_root_counts *
mmu_root_nested_pick(const struct mmu_root_counts *tdp,
		     const struct mmu_root_counts *shadow);
struct kvm_nested_state *mmu_root_nested_state_get(struct kvm_vcpu *vcpu);
void mmu_root_nested_state_set_pgd(struct kvm_nested_state *state, int pgd);
void mmu_root_nested_state_set_gif(struct kvm_vcpu *vcpu);
void mmu_root_nested_state_set_asid(struct kvm_nested_state *state, uint32_t asid);

struct svm_test_data;

struct svm_test_data *guest_l2_svm(int l2);
struct svm_test_data *mmu_root_nested_svm_data(struct kvm_vm *vm, int l2);

void mmu_root_nested_run(struct kvm_vcpu *vcpu, struct mmu_roots *roots,
			 struct mmu_roots_snapshot *snap);
void mmu_root_nested_expect_storm(struct mmu_roots *roots,
				  const struct mmu_roots_snapshot *before,
				  const struct mmu_roots_snapshot *after,
				  const struct mmu_root_counts *counts,
				  uint64_t nr_ops);
uint64_t mmu_root_nested_own_entry(struct kvm_vm *vm, int pgd);
uint64_t mmu_root_nested_own_table(struct kvm_vm *vm, int pgd);
uint64_t mmu_root_nested_visits(struct kvm_vm *vm, int pgd);
void mmu_root_nested_expect_visits(struct mmu_roots *roots, int pgd, uint64_t expected);

void guest_l2_init(void *l2_guest_code, int intercepts);
void guest_l2_init_one(int l2, void *l2_guest_code, int intercepts);
enum mmu_root_l2_exit guest_l2_run(int l2, int pgd);
void guest_l2_run_to_call(int l2, int pgd);
void guest_l2_call(void);
uint64_t guest_l2_pgd(int pgd);
bool guest_l2_invept(uint64_t type, uint64_t pgd);
bool guest_l2_invvpid(uint64_t type);
void guest_l2_vmclear(int l2);
void guest_l2_set_asid(int l2, uint32_t asid);
void guest_l2_use_ept_ad(bool ad);
void guest_l2_allow_vmfunc(int l2, int nr_pgds);
void guest_l2_vmfunc(int pgd);
uint64_t guest_l2_vmcs_write(int l2, uint64_t field, uint64_t set, uint64_t clear);
void guest_l2_visit(int pgd);
uint64_t guest_own_page(void);
uint64_t guest_l2_cr3(int nr);
void guest_l2_write_cr3(int nr);
void guest_write_pgd(int pgd);
void guest_map_own_page(int pgd, int owner);

#endif /* SELFTEST_KVM_MMU_ROOTS_NESTED_H */
