#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Copy our tests into the selftests of a kernel tree: overlay.sh SELFTESTS
# SELFTESTS is the tree's folder tools/testing/selftests.  The script looks into the headers of KVM's
# selftest library to find out what it has.  A version would not tell: a tree may be between two.
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$top/scripts/lib.sh"

OVERLAY=$top/tools/testing/selftests/kvm

# has PATTERN: whether a line of the library's headers matches.
has() {
	grep -Eqr --exclude='mmu_roots*' -- "$1" "$kvm/include"
}

# probe NAME PATTERN: print a #define for mmu_roots_library.h if a header of the library matches.
probe() {
	! has "$2" || echo "#define MMU_ROOTS_LIB_$1 1"
}

# library: print mmu_roots_library.h, which tells mmu_roots_compat.h what the library has.
library() {
	echo '/* SPDX-License-Identifier: GPL-2.0 */'
	echo '/* What the selftest library of this tree has; made when the tests were put here. */'
	probe PTE_MASKS_OF_MMU 'define PTE_PRESENT_MASK\(mmu\)'
	probe VM_MMU 'struct kvm_mmu mmu;'
	probe GVA_T 'typedef .* gva_t;'
	probe SET_CR0 'static inline void set_cr0\('
	probe SET_CR3 'static inline void set_cr3\('
	probe VM_ALLOC '(gva_t|vm_vaddr_t) vm_alloc\('
	probe VM_GET_PTE 'vm_get_pte\('
	probe PIN_SELF 'pin_self_to_cpu\('
	probe KVM_RANDOM_STATE 'struct kvm_random_state'
	probe SVM_MISC_CTL 'misc_ctl;'
	probe NESTED_SETUP_WITHOUT_STACK 'generic_svm_setup\(struct svm_test_data \*svm, void \*guest_rip\)'
}

selftests=$1
kvm=$selftests/kvm
arch=x86_64
[ ! -d "$kvm/x86" ] || arch=x86
for part in lib include .; do
	cp -r "$OVERLAY/$part/x86_64/." "$kvm/$part/$arch/"
done
library >"$kvm/include/$arch/mmu_roots_library.h"
