/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that the host changes while several vCPUs use it.  The guests check that they see only
 * what they may see at that time.
 *
 * There are three kinds of memory:
 *
 * - kept memory, whose content must survive: guests write to it, and a dirty log records their
 *   writes; the host writes to it, too, protects it, moves it, and fork()s;
 * - swapped memory, whose pages the host replaces by other pages: each page begins with a number,
 *   and the guest knows the latest number that the host may have mapped, and the latest one that
 *   the host has certainly mapped;
 * - moving memory, i.e. a memslot that the host creates, moves and deletes: the guest knows the
 *   old and the new place of the memslot.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_CHURN_H
#define SELFTEST_KVM_MMU_ROOTS_CHURN_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/* Number of vCPUs that use the memory; their IDs start at 0. */
#define MMU_ROOT_CHURN_VCPUS	4

/* Userspace must answer MMIO reads, i.e. reads beside the moving memslot, with this value. */
#define MMU_ROOT_CHURN_MMIO	0x6d6d696f6d6d696ful

uint32_t mmu_root_draw(uint32_t *rng, uint32_t nr);

void mmu_root_churn_create(struct mmu_roots *roots, struct kvm_vm *vm, uint64_t log_kind);
void mmu_root_churn_kept(uint32_t *rng);
void mmu_root_churn_swapped(uint32_t *rng);
void mmu_root_churn_moving(uint32_t *rng);
void mmu_root_churn_log(uint32_t *rng);
void mmu_root_churn_pick(uint32_t *rng, uint64_t *gpa, uint64_t *size);
uint64_t mmu_root_churn_denials(void);
bool mmu_root_churn_was_denied(uint64_t denials);
void mmu_root_churn_check(void);

void guest_churn(uint32_t id, uint32_t *rng);

#endif /* SELFTEST_KVM_MMU_ROOTS_CHURN_H */
