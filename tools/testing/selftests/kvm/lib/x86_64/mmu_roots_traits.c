// SPDX-License-Identifier: GPL-2.0
/*
 * What KVM does differently from kernel to kernel, by name.
 */
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots_traits.h"

#define MODULES			"/sys/module"

/**
 * mmu_roots_smep_is_in_role() - Whether roles of roots have CR4.SMEP whatever CR0.WP is
 *
 * Since KVM knows page tables whose execute permission depends on the mode, i.e. AMD's GMET
 * and Intel's MBEC, union kvm_mmu_page_role has cr4_smep instead of smep_andnot_wp, see
 * kvm_calc_cpu_role(); and what nested NPT has there is GMET of VMCB12, not CR4.SMEP of L1.
 * The same series has added the parameters of these two.
 *
 * Return: true if so.
 */
bool mmu_roots_smep_is_in_role(void)
{
	static int known = -1;

	if (known < 0)
		known = !access(MODULES "/kvm_amd/parameters/gmet", F_OK) ||
			!access(MODULES "/kvm_intel/parameters/mbec", F_OK);
	return known;
}

/**
 * mmu_roots_creation_resets() - Whether to create a vCPU resets its MMU
 *
 * Since 6.14 kvm_arch_vcpu_create() calls kvm_vcpu_after_set_cpuid(), as KVM_SET_CPUID2
 * does.  That also tells KVM which bits of CR4 the guest does not have: all that CPUID
 * grants, as long as there is none.  Before, KVM took any that the CPU has.
 *
 * Return: true if so.
 */
bool mmu_roots_creation_resets(void)
{
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs sregs;
	bool refused;

	if (!kvm_cpu_has(X86_FEATURE_SMEP))
		return false;
	vm = vm_create_barebones();
	vcpu = __vm_vcpu_add(vm, 0);
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_SMEP;
	refused = _vcpu_sregs_set(vcpu, &sregs);
	kvm_vm_free(vm);
	return refused;
}
