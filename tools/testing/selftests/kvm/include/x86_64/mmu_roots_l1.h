/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checks that L1 has its MMU, its roots and its registers back, no matter how L2 has ended,
 * or why L1 could not enter L2.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_L1_H
#define SELFTEST_KVM_MMU_ROOTS_L1_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* Stands for the content of memory that only L2 has. */
#define MMU_ROOT_NOT_MAPPED	(~0ull)

/**
 * struct mmu_root_l1 - Saved state of an L1, from which userspace can continue L1
 * @roots: the watched VM
 * @vcpu: its vCPU
 * @regs: L1's registers at the first exit of guest_l1_run_l2()
 * @sregs: L1's special registers at the same exit
 * @state: nested state at the second exit, when L1 is about to enter L2
 * @vmcb: with SVM, L2's VMCB in memory at the second exit; NULL with VMX
 * @own_page: the value that guest_own_page() must return in L1
 */
struct mmu_root_l1 {
	struct mmu_roots *roots;
	struct kvm_vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_nested_state *state;
	void *vmcb;
	uint64_t own_page;
};

void mmu_root_l1_save(struct mmu_root_l1 *l1, struct mmu_roots *roots, struct kvm_vcpu *vcpu,
		      bool nested_paging);
void mmu_root_l1_free(struct mmu_root_l1 *l1);
void mmu_root_l1_recover(struct mmu_root_l1 *l1, const char *when);
void mmu_root_l1_run_to_exit(struct kvm_vcpu *vcpu);
void guest_l1_run_l2(void *l2_code, int pgd);

bool mmu_root_is_in_l2(struct kvm_vcpu *vcpu);
bool mmu_root_is_in_smm(struct kvm_vcpu *vcpu);
void mmu_root_l1_expect_regs(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			     const struct kvm_sregs *l1, const char *when);
void mmu_root_expect_exit(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			  uint32_t exit_reason, const char *when);
uint64_t mmu_root_l1_look(struct kvm_vcpu *vcpu);

#endif /* SELFTEST_KVM_MMU_ROOTS_L1_H */
