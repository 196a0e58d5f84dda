// SPDX-License-Identifier: GPL-2.0
/*
 * What L1 has to have back, whichever way L2 has ended, or was never entered.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/**
 * mmu_root_is_in_l2() - Whether KVM has a vCPU in guest mode
 * @vcpu: the vCPU, which isn't running
 *
 * Return: true if so.
 */
bool mmu_root_is_in_l2(struct kvm_vcpu *vcpu)
{
	return mmu_root_nested_state_get(vcpu)->flags & KVM_STATE_NESTED_GUEST_MODE;
}

/**
 * mmu_root_is_in_smm() - Whether KVM has a vCPU in SMM
 * @vcpu: the vCPU, which isn't running
 *
 * Return: true if so.
 */
bool mmu_root_is_in_smm(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	return events.smi.smm;
}

/**
 * mmu_root_l1_expect_regs() - Check that a vCPU is in L1, with the registers of paging
 * @roots: the watched VM
 * @vcpu: the vCPU, which isn't running
 * @l1: L1's registers
 * @when: what was done to it, for the message
 */
void mmu_root_l1_expect_regs(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			     const struct kvm_sregs *l1, const char *when)
{
	struct kvm_sregs now;

	vcpu_sregs_get(vcpu, &now);
	mmu_roots_check(roots, !mmu_root_is_in_l2(vcpu), "%s: the vCPU is in L2", when);
	mmu_roots_check(roots, now.cr0 == l1->cr0 && now.cr3 == l1->cr3 &&
			now.cr4 == l1->cr4 && now.efer == l1->efer,
			"%s: L1 has CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx, had %llx, %llx, %llx, %llx",
			when, now.cr0, now.cr3, now.cr4, now.efer,
			l1->cr0, l1->cr3, l1->cr4, l1->efer);
}

/* A guest that has lost its way may run forever. */
#define DEADLINE_SECONDS	5

static void on_deadline(int sig)
{
}

/**
 * mmu_root_expect_exit() - Run a vCPU, and check what it leaves for userspace with
 * @roots: the watched VM
 * @vcpu: the vCPU
 * @exit_reason: KVM_EXIT_*
 * @when: what was done to it, for the message
 *
 * Fails a check if it does not leave at all.
 */
void mmu_root_expect_exit(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			  uint32_t exit_reason, const char *when)
{
	const struct itimerval deadline = { .it_value.tv_sec = DEADLINE_SECONDS }, none = {};
	int ret;

	signal(SIGALRM, on_deadline);
	setitimer(ITIMER_REAL, &deadline, NULL);
	ret = __vcpu_run(vcpu);
	setitimer(ITIMER_REAL, &none, NULL);
	mmu_roots_check(roots, !ret && vcpu->run->exit_reason == exit_reason,
			"%s: KVM_RUN: %s, expected %s", when,
			ret ? strerror(errno) : exit_reason_str(vcpu->run->exit_reason),
			exit_reason_str(exit_reason));
}

/**
 * mmu_root_l1_look() - Run L1 to the GUEST_SYNC() that follows its guest_own_page()
 * @vcpu: the vCPU, in L1
 *
 * L1 tells by what it sees whose page tables it runs on: its own, by which it sees the
 * page of the first PGD, or with nested paging none at all, or those of an L2.
 *
 * Fails the test if L1 leaves for another reason.
 *
 * Return: the argument of GUEST_SYNC(); what L1 reads where it has no memory is
 * MMU_ROOT_NOT_MAPPED.
 */
uint64_t mmu_root_l1_look(struct kvm_vcpu *vcpu)
{
	const uint64_t not_mapped = MMU_ROOT_NOT_MAPPED;
	struct kvm_run *run = vcpu->run;
	int ret = __vcpu_run(vcpu);
	struct ucall uc;

	if (!ret && run->exit_reason == KVM_EXIT_MMIO &&
	    run->mmio.phys_addr == MMU_ROOT_OWN_PAGE) {
		memcpy(run->mmio.data, &not_mapped, sizeof(not_mapped));
		ret = __vcpu_run(vcpu);
	}
	uc.cmd = UCALL_NONE;
	if (!ret && get_ucall(vcpu, &uc) == UCALL_SYNC)
		return uc.args[1];

	printf("#! L1 left with %s instead of telling what it sees: %s\n",
	       ret ? strerror(errno) : exit_reason_str(run->exit_reason),
	       uc.cmd == UCALL_ABORT ? uc.buffer : "");
	exit(KSFT_FAIL);
}
