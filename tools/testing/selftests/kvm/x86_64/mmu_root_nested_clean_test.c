// SPDX-License-Identifier: GPL-2.0
/*
 * Test VMCBs that L1 marks clean, on SVM: L2 must run with the state that its VMCB has.
 *
 * L1 may set all clean bits of a VMCB that it has run, and not changed since.  The CPU may then
 * keep the state that it has of this VMCB, but must read the VMCB if it has none, or that of
 * another VMCB: AMD APM, "VMCB State Caching".  KVM keeps such state in the VMCB that it runs L2s
 * with, and loses it when L1 turns off SVM.
 *
 * Each L2 tells the limit of its GDT, which is one of the registers that clean bits are about.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* L2s run on this PGD.  Without nested paging, L1 runs on PGD 0. */
#define L2_PGD			1
#define NR_PGDS			2

/* The limits differ by this much; nobody uses the GDT's entries behind the first ones. */
#define LIMIT_STEP		8

/* What L1 does between two entries. */
enum l1_step {
	STEP_NOTHING,
	STEP_SVM_OFF_AND_ON,
};

/**
 * struct entry - An entry to an L2
 * @what: name of what came before, for messages
 * @step: what L1 does before the entry
 * @l2: number of the L2
 * @dirty: L1 sets no clean bits
 */
static const struct entry {
	const char *what;
	enum l1_step step;
	int l2;
	bool dirty;
} entries[] = {
	{ "the first VMCB for the first time", STEP_NOTHING, 0 },
	{ "the first VMCB again", STEP_NOTHING, 0 },
	{ "another VMCB", STEP_NOTHING, 1 },
	{ "the first VMCB after another one", STEP_NOTHING, 0 },
	{ "a VMCB after EFER.SVME was clear", STEP_SVM_OFF_AND_ON, 0 },
	{ "another VMCB after EFER.SVME was clear", STEP_SVM_OFF_AND_ON, 1 },
	{ "a VMCB that is not clean", STEP_SVM_OFF_AND_ON, 1, true },
};

/* The limit that L2 sees. */
static uint64_t seen_limit;

static void l2_tell_limit(void)
{
	for (;;) {
		WRITE_ONCE(seen_limit, get_gdt().size);
		guest_l2_visit(L2_PGD);
		guest_l2_call();
	}
}

static uint64_t limit_of(int l2)
{
	return get_gdt().size + l2 * LIMIT_STEP;
}

static void l1_turn_svm_off_and_on(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	stgi();
	wrmsr(MSR_EFER, efer & ~EFER_SVME);
	wrmsr(MSR_EFER, efer);
}

/* L1 syncs how each L2 was left, the limit that L2 saw, and the limit that it has. */
static void l1_entries(void)
{
	enum mmu_root_l2_exit exit;
	unsigned int i;
	int l2;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_tell_limit, L1_INTERCEPTS_SHUTDOWN);
	for (i = 0; i < MMU_ROOT_MAX_L2S; i++)
		guest_l2_svm(i)->vmcb->save.gdtr.limit = limit_of(i);
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		l2 = entries[i].l2;
		if (entries[i].step == STEP_SVM_OFF_AND_ON)
			l1_turn_svm_off_and_on();
		guest_l2_svm(l2)->vmcb->control.clean = entries[i].dirty ? 0 : ~0u;
		seen_limit = 0;
		exit = guest_l2_run(l2, L2_PGD);
		GUEST_SYNC4((uint64_t)exit, seen_limit, limit_of(l2), guest_checksum_data());
		if (exit != L2_EXIT_CALL)
			break;
	}
	GUEST_DONE();
}

FIXTURE(clean) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(clean) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(clean, plain) { false };
FIXTURE_VARIANT_ADD(clean, nested_paging) { true };

FIXTURE_SETUP(clean)
{
	struct kvm_vm *vm;

	printf("#@ path=VMCB-clean%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_entries);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, "VMCB-clean", NR_L1_L2_ROOTS);
}

FIXTURE_TEARDOWN(clean)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(clean, vmcb_is_loaded_if_kvm_does_not_have_it)
{
	struct mmu_roots *roots = &self->roots;
	struct ucall uc;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
		mmu_roots_check(roots, uc.args[0] == L2_EXIT_CALL,
				"%s: L2 was left with %lu, expected %u", entries[i].what,
				uc.args[0], L2_EXIT_CALL);
		mmu_roots_check(roots, uc.args[1] == uc.args[2],
				"%s: L2 has a GDT with limit %#lx, expected %#lx", entries[i].what,
				uc.args[1], uc.args[2]);
		mmu_roots_check(roots, uc.args[3] == mmu_root_path_checksum(self->vcpu->vm),
				"%s: L1 sees other data than the host", entries[i].what);
		/* L1 gives up then. */
		if (uc.args[0] != L2_EXIT_CALL)
			return;
	}
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	mmu_root_nested_expect_visits(roots, L2_PGD, ARRAY_SIZE(entries));
}

TEST_HARNESS_MAIN
