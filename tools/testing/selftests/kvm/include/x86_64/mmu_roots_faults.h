/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Known faults of the emulated CPU that KVM runs on.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_FAULTS_H
#define SELFTEST_KVM_MMU_ROOTS_FAULTS_H

#include <stdbool.h>

/*
 * A bed finds these faults with a probe that does not use KVM, so that no bug of KVM is
 * mistaken for one of them.  beds/README.md of kvm-mmu-roots describes each fault.
 */

/* SVM: reads of CR3 and CR4 exit only if reads of CR0 are intercepted. */
#define MMU_ROOTS_FAULT_CR_READS	"svm-cr-reads"

/* The error code of a #PF for a reserved bit lacks P. */
#define MMU_ROOTS_FAULT_RSVD_WITHOUT_P	"pf-rsvd-without-p"

bool mmu_roots_has_fault(const char *name);
void mmu_roots_require_no_fault(const char *name);

#endif /* SELFTEST_KVM_MMU_ROOTS_FAULTS_H */
