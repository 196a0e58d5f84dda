// SPDX-License-Identifier: GPL-2.0
/*
 * KVM's emulator must enforce SMAP for implicit accesses, i.e. accesses to descriptor tables, also
 * while EFLAGS.AC is set.
 *
 * EFLAGS.AC lifts SMAP for the explicit reads and writes of an instruction only: user mode can
 * enter the kernel with any value of AC.  The guest has its LDT in a user page, and has KVM load
 * a segment from there.  The test asks KVM's emulator only, on any CPU: what a CPU does by itself
 * is not KVM's, and QEMU's CPU lets AC lift SMAP for all accesses (known fault smap-implicit-ac).
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_params.h"
#include "mmu_roots_paths.h"

#define NR_FLIPS		4
/* In each round the guest loads a segment with SMAP off and on, each with AC clear and set. */
#define NR_EMULATED		(2 * 2 * NR_FLIPS)

/* The page of the data that holds the LDT. */
#define LDT_PAGE		3
#define LDT_GVA			(MMU_ROOT_DATA_GVA + LDT_PAGE * PAGE_SIZE)

/* The first entry of the LDT: Intel SDM, "Segment Selectors". */
#define LDT_SELECTOR		BIT(2)
/* Type of a segment that is an LDT. */
#define LDT_TYPE		2
/* A flat, writable data segment; its accessed bit is set, so KVM does not write to the LDT. */
#define DATA_DESCRIPTOR		0x00cf93000000ffffull

/* kvm_asm_safe_fep() of Linux 6.12's selftest library lacks the prefix. */
static uint8_t load_segment_emulated(uint16_t selector)
{
	uint64_t error_code;
	uint8_t vector;

	asm volatile(KVM_ASM_SAFE_FEP("movw %[selector], %%es")
		     : KVM_ASM_SAFE_OUTPUTS(vector, error_code)
		     : [selector] "r" (selector)
		     : KVM_ASM_SAFE_CLOBBERS, "memory");
	return vector;
}

static void guest_expect_fault(bool expected)
{
	uint8_t vector = expected ? PF_VECTOR : 0;

	GUEST_ASSERT_EQ(load_segment_emulated(LDT_SELECTOR), vector);
	/* STAC only sets a flag, and needs no CR4.SMAP. */
	asm volatile("stac" : : : "cc");
	GUEST_ASSERT_EQ(load_segment_emulated(LDT_SELECTOR), vector);
	asm volatile("clac" : : : "cc");
}

static void guest_code(void)
{
	const struct mmu_root_path *smap = &mmu_root_paths[PATH_CR4_SMAP];
	uint64_t cr4 = guest_initial_cr4;
	int i;

	guest_path_init(PATH_CR4_SMAP);
	*(uint64_t *)LDT_GVA = DATA_DESCRIPTOR;
	GUEST_SYNC(0);
	for (i = 0; i < NR_FLIPS; i++) {
		guest_expect_fault(false);
		smap->guest_op(&cr4);
		guest_expect_fault(true);
		smap->guest_op(&cr4);
	}
	GUEST_DONE();
}

FIXTURE(implicit) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_SETUP(implicit)
{
	struct kvm_sregs sregs;

	printf("#@ path=SMAP-implicit\n");
	mmu_root_path_require(PATH_CR4_SMAP);
	mmu_roots_force_emulation();
	mmu_root_path_vm_create(&self->vcpu, guest_code);
	mmu_root_path_pte(self->vcpu->vm, LDT_PAGE, PT_USER_MASK, 0, 0);
	vcpu_sregs_get(self->vcpu, &sregs);
	sregs.ldt = (struct kvm_segment) {
		.base = LDT_GVA, .limit = PAGE_SIZE - 1, .type = LDT_TYPE, .present = 1,
	};
	vcpu_sregs_set(self->vcpu, &sregs);
	mmu_roots_open(&self->roots, self->vcpu->vm, "SMAP-implicit");
}

FIXTURE_TEARDOWN(implicit)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

TEST_F(implicit, accesses_are_not_excused_by_ac)
{
	struct mmu_roots *roots = &self->roots;
	uint64_t before = 0, after = 0;
	struct ucall uc;
	int ret;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	ret = mmu_roots_read_debugfs(roots, "insn_emulation", &before);
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	ret = ret ?: mmu_roots_read_debugfs(roots, "insn_emulation", &after);

	/* KVM is free to emulate more instructions than the guest asks for. */
	mmu_roots_check(roots, !ret && after - before >= NR_EMULATED,
			"%lu instructions emulated, expected %u at least",
			after - before, NR_EMULATED);
}

TEST_HARNESS_MAIN
