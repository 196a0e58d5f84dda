// SPDX-License-Identifier: GPL-2.0
/*
 * Traits: differences in KVM's behavior between kernels, each with a name.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots_traits.h"

#define MODULES			"/sys/module"

/**
 * mmu_roots_smep_is_in_role() - Ask whether roles include CR4.SMEP regardless of CR0.WP
 *
 * Since KVM supports page tables whose execute permission depends on the mode, i.e. AMD's
 * GMET and Intel's MBEC, union kvm_mmu_page_role has cr4_smep instead of smep_andnot_wp, see
 * kvm_calc_cpu_role().  In roles of nested NPT, this bit is GMET of VMCB12, not CR4.SMEP of
 * L1.  The same series has added the module parameters for GMET and MBEC, which this function
 * looks for.
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
 * mmu_roots_creation_resets() - Ask whether the creation of a vCPU resets its MMU
 *
 * Since 6.14 kvm_arch_vcpu_create() calls kvm_vcpu_after_set_cpuid(), as KVM_SET_CPUID2
 * does.  This call also has KVM refuse the bits of CR4 that the guest's CPUID does not
 * grant: a new vCPU has no CPUID, so KVM refuses all bits that depend on CPUID.  Older
 * kernels accept any bit that the CPU has.
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

static void out_of_patience(int sig)
{
}

static int pre_fault_page(struct kvm_vcpu *vcpu)
{
	struct kvm_pre_fault_memory range = { .size = PAGE_SIZE };

	return ioctl(vcpu->fd, KVM_PRE_FAULT_MEMORY, &range) ? errno : 0;
}

/**
 * mmu_roots_pre_fault_frees_obsolete_roots() - Ask whether a pre-fault with an obsolete root ends
 *
 * Before 20a6cff3b283 ("KVM: x86/mmu: Check and free obsolete roots in kvm_mmu_reload()"),
 * KVM_PRE_FAULT_MEMORY retries with the obsolete root until the thread gets a signal, and
 * userspace cannot change memslots meanwhile.
 *
 * Return: true if so.
 */
bool mmu_roots_pre_fault_frees_obsolete_roots(void)
{
	struct sigaction action = { .sa_handler = out_of_patience };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_vcpu *vcpu = __vm_vcpu_add(vm, 0);
	static uint8_t pages[2 * PAGE_SIZE] __aligned(PAGE_SIZE);
	int ret;

	vm_set_user_memory_region(vm, 0, 0, 0, PAGE_SIZE, pages);
	vm_set_user_memory_region(vm, 1, 0, PAGE_SIZE, PAGE_SIZE, pages + PAGE_SIZE);
	ret = pre_fault_page(vcpu);
	vm_set_user_memory_region(vm, 1, 0, 0, 0, NULL);
	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	ret = ret ?: pre_fault_page(vcpu);
	alarm(0);
	kvm_vm_free(vm);
	return !ret;
}
