/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Known faults of the emulated CPU that KVM runs on.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_FAULTS_H
#define SELFTEST_KVM_MMU_ROOTS_FAULTS_H

#include <stdbool.h>

/*
 * A bed finds faults with a probe that does without KVM, so that no fault of KVM's passes
 * for one of them.  What they are is in beds/README.md of kvm-mmu-roots.
 */

/* SVM: reads of CR3 and CR4 exit only if those of CR0 do. */
#define MMU_ROOTS_FAULT_CR_READS	"svm-cr-reads"

bool mmu_roots_has_fault(const char *name);
void mmu_roots_require_no_fault(const char *name);

#endif /* SELFTEST_KVM_MMU_ROOTS_FAULTS_H */
