/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Change KVM's module parameters for a test, and restore them afterwards.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_PARAMS_H
#define SELFTEST_KVM_MMU_ROOTS_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

bool mmu_root_param_writable(const char *name);
void mmu_root_param_set(const char *name, const char *val);
void mmu_root_params_restore(void);

uint64_t mmu_reset_every_set(uint64_t every);
bool mmu_reset_every_supported(void);
void mmu_roots_force_emulation(void);

#endif /* SELFTEST_KVM_MMU_ROOTS_PARAMS_H */
