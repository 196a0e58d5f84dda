/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What KVM does differently from kernel to kernel, by name.
 *
 * A test asks for a trait where a count depends on one, never for a version: kernels of
 * distributions have changes of others.  How a trait is recognized has nothing to do with
 * the counts that follow from it, so that no bug of KVM's passes for one.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_TRAITS_H
#define SELFTEST_KVM_MMU_ROOTS_TRAITS_H

#include <stdbool.h>

bool mmu_roots_smep_is_in_role(void);
bool mmu_roots_creation_resets(void);

#endif /* SELFTEST_KVM_MMU_ROOTS_TRAITS_H */
