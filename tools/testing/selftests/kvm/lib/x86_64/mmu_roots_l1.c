// SPDX-License-Identifier: GPL-2.0
/*
 * Checks that L1 has its MMU, its roots and its registers back, no matter how L2 has ended,
 * or why L1 could not enter L2.
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
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/**
 * mmu_root_is_in_l2() - Ask whether KVM has a vCPU in guest mode
 * @vcpu: the vCPU, which isn't running
 *
 * Return: true if so.
 */
bool mmu_root_is_in_l2(struct kvm_vcpu *vcpu)
{
	return mmu_root_nested_state_get(vcpu)->flags & KVM_STATE_NESTED_GUEST_MODE;
}

/**
 * mmu_root_is_in_smm() - Ask whether KVM has a vCPU in SMM
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
 * mmu_root_l1_expect_regs() - Check that a vCPU is in L1, with L1's CR0, CR3, CR4 and EFER
 * @roots: the watched VM
 * @vcpu: the vCPU, which isn't running
 * @l1: the registers that L1 must have
 * @when: what the test did to the vCPU before, for the message
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

/* The test interrupts KVM_RUN then, as a guest that runs astray may run forever. */
#define DEADLINE_SECONDS	5

static void on_deadline(int sig)
{
}

/**
 * mmu_root_expect_exit() - Run a vCPU, and check the reason for its exit to userspace
 * @roots: the watched VM
 * @vcpu: the vCPU
 * @exit_reason: KVM_EXIT_*
 * @when: what the test did to the vCPU before, for the message
 *
 * The check also fails if the vCPU does not exit to userspace at all.
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
 * The value that L1 reads at MMU_ROOT_OWN_PAGE shows whose page tables L1 runs on.  Its own
 * page tables map the page of the first PGD there or, with nested paging, no memory.  If L1
 * reads anything else, L1 runs on page tables of an L2.
 *
 * The test fails if L1 exits to userspace for another reason.
 *
 * Return: the argument of GUEST_SYNC(), i.e. number of the PGD whose page L1 sees, or
 * MMU_ROOT_NOT_MAPPED if L1 has no memory there.
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

/**
 * guest_l1_run_l2() - Have L1 run an L2 again and again
 * @l2_code: where L2 starts
 * @pgd: number of the PGD that L2 runs on
 *
 * Each time, L1 exits to userspace, which may save L1's registers; reports with GUEST_SYNC()
 * which page it sees; exits to userspace again, which may save the nested state; and runs L2
 * until guest_l2_call().  The first exit is not a call of guest_exit(), which could not return
 * after userspace has restored the registers, as the stack has changed by then.
 */
void guest_l1_run_l2(void *l2_code, int pgd)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_code, L1_INTERCEPTS_NOTHING);
	for (;;) {
		asm volatile("inb %0, %%al" : : "i" (MMU_ROOT_EXIT_PORT) : "rax", "memory");
		GUEST_SYNC(guest_own_page());
		guest_exit();
		guest_l2_run_to_call(0, pgd);
	}
}

/**
 * mmu_root_l1_run_to_exit() - Run a vCPU until guest_exit(), and complete the exit's IN
 * @vcpu: the vCPU
 */
void mmu_root_l1_run_to_exit(struct kvm_vcpu *vcpu)
{
	mmu_root_path_run_for_good(vcpu);
	vcpu_run_complete_io(vcpu);
}

static void *vmcb_in_memory(struct mmu_root_l1 *l1)
{
	return mmu_root_nested_svm_data(l1->roots->vm, 0)->vmcb_hva;
}

/**
 * mmu_root_l1_save() - Run L1 until right before its first entry to L2, and save its state
 * @l1: caller-allocated; initialized
 * @roots: the watched VM, of mmu_root_nested_create()
 * @vcpu: its vCPU, whose code is guest_l1_run_l2(), and which has not run yet
 * @nested_paging: whether L1 uses nested paging
 */
void mmu_root_l1_save(struct mmu_root_l1 *l1, struct mmu_roots *roots, struct kvm_vcpu *vcpu,
		      bool nested_paging)
{
	struct kvm_nested_state *state;

	l1->roots = roots;
	l1->vcpu = vcpu;
	l1->own_page = nested_paging ? MMU_ROOT_NOT_MAPPED : 0;
	l1->vmcb = NULL;
	mmu_root_l1_run_to_exit(vcpu);
	vcpu_regs_get(vcpu, &l1->regs);
	vcpu_sregs_get(vcpu, &l1->sregs);
	mmu_root_l1_look(vcpu);
	mmu_root_l1_run_to_exit(vcpu);

	state = mmu_root_nested_state_get(vcpu);
	l1->state = malloc(state->size);
	TEST_ASSERT(l1->state, "malloc() nested state");
	memcpy(l1->state, state, state->size);
	if (host_cpu_is_intel)
		return;
	l1->vmcb = malloc(sizeof(struct vmcb));
	TEST_ASSERT(l1->vmcb, "malloc() a VMCB");
	memcpy(l1->vmcb, vmcb_in_memory(l1), sizeof(struct vmcb));
}

/**
 * mmu_root_l1_free() - Free the state that mmu_root_l1_save() has saved
 * @l1: the saved L1
 */
void mmu_root_l1_free(struct mmu_root_l1 *l1)
{
	free(l1->vmcb);
	free(l1->state);
}

/**
 * mmu_root_l1_recover() - Continue L1 from its saved registers, and check its MMU
 * @l1: the saved L1
 * @when: what the test did to L1 before, for messages
 *
 * Before the function restores the nested state, it checks that L1 runs on its own MMU, with its
 * own memory and registers.  On return, L1 is about to enter L2 again.
 */
void mmu_root_l1_recover(struct mmu_root_l1 *l1, const char *when)
{
	struct mmu_roots_snapshot snap;
	uint64_t seen;

	vcpu_sregs_set(l1->vcpu, &l1->sregs);
	vcpu_regs_set(l1->vcpu, &l1->regs);
	seen = mmu_root_l1_look(l1->vcpu);
	mmu_roots_check(l1->roots, seen == l1->own_page, "%s: L1 sees the page of PGD %ld", when,
			seen);
	mmu_root_l1_expect_regs(l1->roots, l1->vcpu, &l1->sregs, when);
	mmu_root_l1_run_to_exit(l1->vcpu);
	vcpu_nested_state_set(l1->vcpu, l1->state);
	if (l1->vmcb)
		memcpy(vmcb_in_memory(l1), l1->vmcb, sizeof(struct vmcb));
	mmu_roots_read(l1->roots, &snap);
}
