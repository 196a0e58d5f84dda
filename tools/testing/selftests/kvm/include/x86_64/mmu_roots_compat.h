/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The names of 7.3 for functions and types of KVM's selftest library, in any kernel tree.
 *
 * mmu_roots_library.h tells which names the tree's library has.  When the tests are installed
 * into a tree, that file is generated from the tree's headers.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_COMPAT_H
#define SELFTEST_KVM_MMU_ROOTS_COMPAT_H

#include "kvm_util.h"
#include "mmu_roots_library.h"

/*
 * Bits of page table entries, with KVM's own names (arch/x86/kvm/mmu.h).  The library's
 * names are for the page tables of one VM, but tests have tables of L2s and other modes, too.
 */
#define PT_PRESENT_MASK		BIT_ULL(0)
#define PT_WRITABLE_MASK	BIT_ULL(1)
#define PT_USER_MASK		BIT_ULL(2)
#define PT_ACCESSED_MASK	BIT_ULL(5)
#define PT_DIRTY_MASK		BIT_ULL(6)
#define PT_PAGE_SIZE_MASK	BIT_ULL(7)
#define PT_GLOBAL_MASK		BIT_ULL(8)
#define PT64_NX_MASK		BIT_ULL(63)

/**
 * mmu_roots_pgd() - Address of the page tables that the library has made for a VM
 * @vm: the VM
 *
 * Return: guest physical address of the top-level table
 */
static inline uint64_t mmu_roots_pgd(struct kvm_vm *vm)
{
#ifdef MMU_ROOTS_LIB_VM_MMU
	return vm->mmu.pgd;
#else
	return vm->pgd;
#endif
}

/**
 * mmu_roots_pgtable_levels() - Number of levels of these page tables
 * @vm: the VM
 *
 * Return: 5 if both KVM and the library support that many, or else 4
 */
static inline int mmu_roots_pgtable_levels(struct kvm_vm *vm)
{
#ifdef MMU_ROOTS_LIB_VM_MMU
	return vm->mmu.pgtable_levels;
#else
	return vm->pgtable_levels;
#endif
}

#ifndef MMU_ROOTS_LIB_GVA_T
#define gva_t			vm_vaddr_t
#define gpa_t			vm_paddr_t
#endif

#ifndef MMU_ROOTS_LIB_SET_CR0
static inline void set_cr0(uint64_t val)
{
	asm volatile("mov %0, %%cr0" : : "r" (val) : "memory");
}
#endif

#ifndef MMU_ROOTS_LIB_SET_CR3
static inline void set_cr3(uint64_t val)
{
	asm volatile("mov %0, %%cr3" : : "r" (val) : "memory");
}
#endif

#ifndef MMU_ROOTS_LIB_VM_ALLOC
#define vm_alloc_page		vm_vaddr_alloc_page
#endif

#ifndef MMU_ROOTS_LIB_VM_GET_PTE
#define vm_get_pte		vm_get_page_table_entry
#endif

#ifndef MMU_ROOTS_LIB_PIN_SELF
#define pin_self_to_cpu		kvm_pin_this_task_to_pcpu
#endif

#ifndef MMU_ROOTS_LIB_KVM_RANDOM_STATE
#define kvm_random_state	guest_random_state
#define new_kvm_random_state	new_guest_random_state
#define kvm_random_u32		guest_random_u32
#endif

#ifndef MMU_ROOTS_LIB_SVM_MISC_CTL
#define misc_ctl		nested_ctl
#define SVM_MISC_ENABLE_NP	BIT(0)
#endif

#ifndef MMU_ROOTS_LIB_NESTED_SETUP_WITHOUT_STACK
#define generic_svm_setup(svm, rip)	((generic_svm_setup)(svm, rip, NULL))
#define prepare_vmcs(vmx, rip)		((prepare_vmcs)(vmx, rip, NULL))
#endif

#endif /* SELFTEST_KVM_MMU_ROOTS_COMPAT_H */
