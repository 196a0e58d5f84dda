/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Traits: differences in KVM's behavior between kernels, each with a name.
 *
 * If a count depends on a trait, the test asks for the trait, never for the kernel's version,
 * because kernels of distributions contain changes from other versions.  The code that
 * recognizes a trait does not use the counts that depend on it, so that no bug of KVM is
 * mistaken for a trait.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_TRAITS_H
#define SELFTEST_KVM_MMU_ROOTS_TRAITS_H

#include <stdbool.h>

bool mmu_roots_smep_is_in_role(void);
bool mmu_roots_creation_resets(void);
bool mmu_roots_pre_fault_frees_obsolete_roots(void);

#endif /* SELFTEST_KVM_MMU_ROOTS_TRAITS_H */
