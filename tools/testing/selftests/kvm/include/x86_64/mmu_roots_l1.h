/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What L1 has to have back, whichever way L2 has ended, or was never entered: its MMU,
 * its roots, and its registers.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_L1_H
#define SELFTEST_KVM_MMU_ROOTS_L1_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* Of memory that L2 has and L1 has not. */
#define MMU_ROOT_NOT_MAPPED	(~0ull)

bool mmu_root_is_in_l2(struct kvm_vcpu *vcpu);
bool mmu_root_is_in_smm(struct kvm_vcpu *vcpu);
void mmu_root_l1_expect_regs(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			     const struct kvm_sregs *l1, const char *when);
void mmu_root_expect_exit(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			  uint32_t exit_reason, const char *when);
uint64_t mmu_root_l1_look(struct kvm_vcpu *vcpu);

#endif /* SELFTEST_KVM_MMU_ROOTS_L1_H */
