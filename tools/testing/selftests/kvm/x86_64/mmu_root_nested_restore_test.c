// SPDX-License-Identifier: GPL-2.0
/*
 * Test restores of nested state after which L2 does not run: KVM refuses the state, early
 * or when it is in L2 already; pages of L1 are missing; the vCPU is stopped or destroyed
 * before L2 has run; or an event comes that is L1's.
 *
 * Until L2 runs, the vCPU must keep the state that it had or that userspace restored.  If
 * L2 never runs, L1 must go on with its own MMU, roots and registers.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define PATH_NAME		"restore-L2"

/* L2 runs on this PGD.  Without nested paging, L1 runs on PGD 0. */
#define L2_PGD			1
#define NR_PGDS			2

/* This address has no memory until a test adds a memslot. */
#define HOLE_GPA		0x78000000ul
#define HOLE_SLOT		3
/* Size of an MSR permission map: AMD APM, "MSR Intercepts". */
#define MSR_MAP_SIZE		(2 * PAGE_SIZE)

static void l2_visit_and_exit(void)
{
	for (;;) {
		guest_l2_visit(L2_PGD);
		guest_exit();
	}
}

static void l1_enter(void)
{
	guest_l1_run_l2(l2_visit_and_exit, L2_PGD);
}

FIXTURE(restore) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct mmu_root_l1 l1;
	uint64_t visits;
};

FIXTURE_VARIANT(restore) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(restore, plain) { false };
FIXTURE_VARIANT_ADD(restore, nested_paging) { true };

static void run_l2(FIXTURE_DATA(restore) * self, const char *when)
{
	struct mmu_roots_snapshot snap;

	mmu_root_l1_run_to_exit(self->vcpu);
	self->visits++;
	mmu_roots_check(&self->roots, mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is not in L2",
			when);
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, self->visits);
	mmu_roots_read(&self->roots, &snap);
}

/* After this, L2 has run once, and the vCPU is in L2. */
FIXTURE_SETUP(restore)
{
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, NR_L1_L2_ROOTS);
	mmu_root_l1_save(&self->l1, &self->roots, self->vcpu, variant->nested_paging);
	run_l2(self, "an entry");
}

FIXTURE_TEARDOWN(restore)
{
	mmu_root_l1_free(&self->l1);
	mmu_roots_vm_free(&self->roots);
}

static void restore(FIXTURE_DATA(restore) * self, struct kvm_nested_state *state, bool works,
		    const char *what)
{
	int ret = __vcpu_ioctl(self->vcpu, KVM_SET_NESTED_STATE, state);
	int err = errno;

	mmu_roots_check(&self->roots, !ret == works, "%s: KVM_SET_NESTED_STATE %s", what,
			works ? strerror(err) : "works");
	/* Userspace may take any value but -1 for success. */
	mmu_roots_check(&self->roots, !ret || (ret == -1 && err == EINVAL),
			"%s: KVM_SET_NESTED_STATE returns %d (%s) instead of EINVAL", what, ret,
			ret == -1 ? strerror(err) : "no error");
}

static void no_vmcb(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	state->hdr.svm.vmcb_pa |= mmu_root_gpa_limit();
}

static void unaligned_vmcb(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	state->hdr.svm.vmcb_pa |= 1;
}

static void vmrun_not_intercepted(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_VMRUN);
}

static void nested_cr3_beyond(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->control.nested_cr3 |= mmu_root_gpa_limit();
}

static void l1_no_paging(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->save.cr0 &= ~X86_CR0_PG;
}

static void l1_no_svme(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->save.efer &= ~EFER_SVME;
}

static void l1_cr3_beyond(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->save.cr3 |= mmu_root_gpa_limit();
}

static void l1_cr4_reserved(struct kvm_nested_state *state, struct vmcb *vmcb)
{
	vmcb->save.cr4 |= CR4_RESERVED;
}

static const struct {
	const char *what;
	void (*spoil)(struct kvm_nested_state *state, struct vmcb *vmcb);
	bool npt_only;
} bad_states[] = {
	{ "a VMCB beyond MAXPHYADDR", no_vmcb },
	{ "an unaligned VMCB", unaligned_vmcb },
	{ "VMRUN that is not intercepted", vmrun_not_intercepted },
	{ "a nested CR3 beyond MAXPHYADDR", nested_cr3_beyond, true },
	{ "L1 without paging", l1_no_paging },
	{ "L1 without EFER.SVME", l1_no_svme },
	{ "L1 with a CR3 beyond MAXPHYADDR", l1_cr3_beyond },
	{ "L1 with a reserved bit of CR4", l1_cr4_reserved },
};

/* With SVM, KVM checks the whole state before it changes anything. */
TEST_F(restore, refused_changes_nothing)
{
	const struct mmu_root_counts nothing = { .roots = NR_L1_L2_ROOTS };
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	struct kvm_nested_state *state;
	struct kvm_sregs sregs, now;
	unsigned int i;

	mmu_roots_require_applicable(!host_cpu_is_intel,
				     "VMX leaves L2 before it checks the new state");
	vcpu_sregs_get(self->vcpu, &sregs);
	for (i = 0; i < ARRAY_SIZE(bad_states); i++) {
		if (bad_states[i].npt_only && !variant->nested_paging)
			continue;
		mmu_roots_read(roots, &before);
		state = mmu_root_nested_state_get(self->vcpu);
		bad_states[i].spoil(state, (void *)state->data.svm);
		restore(self, state, false, bad_states[i].what);
		vcpu_sregs_get(self->vcpu, &now);
		mmu_roots_check(roots, !memcmp(&now, &sregs, sizeof(now)),
				"%s: L2 has other registers than before", bad_states[i].what);
		mmu_roots_read(roots, &after);
		mmu_roots_expect_storm(roots, &before, &after, &nothing, 1);
		run_l2(self, bad_states[i].what);
	}
}

/* With VMX, KVM finds the last error only when it loads CR3, in L2 already: prepare_vmcs02(). */
static const struct {
	const char *what;
	unsigned int vmcs12_offset;
	uint64_t set;
	uint64_t clear;
	bool ept_only;
	bool beyond;
} bad_vmcs12s[] = {
	{ "a reserved bit of EPTP", VMCS12_EPT_POINTER, EPTP_RESERVED, 0, true },
	{ "CR0.PG without PE", VMCS12_GUEST_CR0, 0, X86_CR0_PE, false },
	{ "a CR3 beyond MAXPHYADDR", VMCS12_GUEST_CR3, 0, 0, false, true },
};

TEST_F(restore, refused_leaves_l1)
{
	struct kvm_nested_state *state;
	unsigned int i;
	uint64_t *field;

	mmu_roots_require_applicable(host_cpu_is_intel,
				     "SVM stays in L2 when the state is refused");
	for (i = 0; i < ARRAY_SIZE(bad_vmcs12s); i++) {
		if (bad_vmcs12s[i].ept_only && !variant->nested_paging)
			continue;
		state = mmu_root_nested_state_get(self->vcpu);
		field = (void *)state->data.vmx->vmcs12 + bad_vmcs12s[i].vmcs12_offset;
		*field = (*field & ~bad_vmcs12s[i].clear) | bad_vmcs12s[i].set |
			 (bad_vmcs12s[i].beyond ? mmu_root_gpa_limit() : 0);
		restore(self, state, false, bad_vmcs12s[i].what);
		mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu),
				"%s: the vCPU is in L2", bad_vmcs12s[i].what);
		mmu_root_l1_recover(&self->l1, bad_vmcs12s[i].what);
		run_l2(self, bad_vmcs12s[i].what);
	}
}

/*
 * KVM maps the pages of L1's permission maps only when the vCPU runs, so that userspace may
 * restore memory last.  As long as a page is missing, the vCPU must stay in L2.
 */
TEST_F(restore, waits_for_its_pages)
{
	void *memory = mmap(NULL, MSR_MAP_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_nested_state *state;
	struct vmcb *vmcb;
	int i;

	mmu_roots_require_applicable(!host_cpu_is_intel, "VMX runs L2 without an MSR bitmap then");
	TEST_ASSERT(memory != MAP_FAILED, "mmap() an MSR map");
	state = mmu_root_nested_state_get(self->vcpu);
	vmcb = (void *)state->data.svm;
	vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	vmcb->control.msrpm_base_pa = HOLE_GPA;
	restore(self, state, true, "an MSR map in a hole");
	for (i = 0; i < 2; i++) {
		mmu_root_expect_exit(&self->roots, self->vcpu, KVM_EXIT_INTERNAL_ERROR,
				     "an MSR map in a hole");
		mmu_roots_check(&self->roots, mmu_root_is_in_l2(self->vcpu),
				"an MSR map in a hole: the vCPU is not in L2");
	}
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, self->visits);

	/* If userspace restores L1 instead, L1 must not notice the failed entry. */
	vcpu_nested_state_set(self->vcpu, self->l1.state);
	mmu_root_l1_recover(&self->l1, "an MSR map in a hole");
	run_l2(self, "L2 anew");
	restore(self, state, true, "an MSR map in a hole");
	vm_set_user_memory_region(self->vcpu->vm, HOLE_SLOT, 0, HOLE_GPA, MSR_MAP_SIZE, memory);
	run_l2(self, "an MSR map");
}

/* KVM_RUN looks for immediate_exit and for signals before it runs L2. */
static void expect_no_run(FIXTURE_DATA(restore) * self, bool immediate, const char *what)
{
	struct kvm_run *run = self->vcpu->run;
	int ret;

	run->immediate_exit = immediate;
	ret = __vcpu_run(self->vcpu);
	run->immediate_exit = 0;
	mmu_roots_check(&self->roots, ret == -1 && errno == EINTR,
			"%s: KVM_RUN does not return", what);
	mmu_roots_check(&self->roots, mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is not in L2",
			what);
	mmu_root_nested_expect_visits(&self->roots, L2_PGD, self->visits);
}

/* Size of the kernel's sigset_t. */
#define SIGSET_SIZE		8

/* KVM_RUN unblocks the pending signal, and returns for it after KVM has served its requests. */
static void have_signal_pending(struct kvm_vcpu *vcpu, sigset_t *set)
{
	uint8_t buf[sizeof(struct kvm_signal_mask) + SIGSET_SIZE] __aligned(8) = {};
	struct kvm_signal_mask *none_blocked = (void *)buf;

	none_blocked->len = SIGSET_SIZE;
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, none_blocked);
	pthread_kill(pthread_self(), SIGUSR1);
}

static void take_signal(struct kvm_vcpu *vcpu, const sigset_t *set)
{
	int sig;

	vcpu_ioctl(vcpu, KVM_SET_SIGNAL_MASK, (struct kvm_signal_mask *)NULL);
	sigwait(set, &sig);
}

TEST_F(restore, left_before_l2_has_run)
{
	static const char * const what[] = { "immediate exit", "a signal" };
	struct kvm_nested_state *state;
	struct kvm_sregs sregs, now;
	unsigned int i;
	sigset_t set;

	vcpu_sregs_get(self->vcpu, &sregs);
	for (i = 0; i < ARRAY_SIZE(what); i++) {
		state = mmu_root_nested_state_get(self->vcpu);
		restore(self, state, true, what[i]);
		if (i)
			have_signal_pending(self->vcpu, &set);
		expect_no_run(self, !i, what[i]);
		if (i)
			take_signal(self->vcpu, &set);
		/* The state that KVM saves now must be the one that was restored. */
		state = mmu_root_nested_state_get(self->vcpu);
		restore(self, state, true, what[i]);
		vcpu_sregs_get(self->vcpu, &now);
		mmu_roots_check(&self->roots, now.cr0 == sregs.cr0 && now.cr3 == sregs.cr3 &&
				now.cr4 == sregs.cr4 && now.efer == sregs.efer,
				"%s: L2 has CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx", what[i],
				now.cr0, now.cr3, now.cr4, now.efer);
		run_l2(self, what[i]);
	}
}

/* KVM must free all roots of a vCPU that is destroyed before L2 has run. */
TEST_F(restore, destroyed_before_l2_has_run)
{
	restore(self, mmu_root_nested_state_get(self->vcpu), true, "a state that was saved");
}

/*
 * L2 is restored, and then an INIT comes that L1 intercepts.  If KVM exits to L1 before it runs the
 * vCPU, as it does when userspace asks for the vCPU's state, KVM must forget what it had to do
 * before it runs L2.
 */
static void l1_intercepts_init(void)
{
	enum mmu_root_l2_exit exit;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit_and_exit, L1_INTERCEPTS_INIT);
	GUEST_SYNC(guest_own_page());
	exit = guest_l2_run(0, L2_PGD);
	GUEST_SYNC(exit);
	GUEST_SYNC(guest_own_page());
}

FIXTURE(event) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	uint64_t l1_page;
};

FIXTURE_VARIANT(event) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(event, plain) { false };
FIXTURE_VARIANT_ADD(event, nested_paging) { true };

FIXTURE_SETUP(event)
{
	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_root_nested_require(variant->nested_paging);
	mmu_root_path_vm_create(&self->vcpu, l1_intercepts_init);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, self->vcpu->vm, PATH_NAME, NR_L1_L2_ROOTS);
	self->l1_page = variant->nested_paging ? MMU_ROOT_NOT_MAPPED : 0;
}

FIXTURE_TEARDOWN(event)
{
	mmu_roots_vm_free(&self->roots);
}

/* Check whose page L1 sees: the next GUEST_SYNC() tells. */
static void expect_own_page(FIXTURE_DATA(event) * self, const char *when)
{
	uint64_t seen = mmu_root_l1_look(self->vcpu);

	mmu_roots_check(&self->roots, seen == self->l1_page, "%s: L1 sees the page of PGD %ld",
			when, seen);
}

TEST_F(event, exits_before_l2_has_run)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot snap;
	struct kvm_sregs l1;
	struct ucall uc;

	expect_own_page(self, "at first");
	vcpu_sregs_get(self->vcpu, &l1);
	mmu_root_l1_run_to_exit(self->vcpu);
	vcpu_nested_state_set(self->vcpu, mmu_root_nested_state_get(self->vcpu));
	mmu_root_path_init(self->vcpu);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(roots, uc.args[1] == L2_EXIT_INIT, "L2 was left with %lu, expected %u",
			uc.args[1], L2_EXIT_INIT);
	mmu_root_l1_expect_regs(roots, self->vcpu, &l1, "INIT");
	expect_own_page(self, "INIT");
	mmu_root_nested_expect_visits(roots, L2_PGD, 1);
	mmu_roots_read(roots, &snap);
}

TEST_HARNESS_MAIN
