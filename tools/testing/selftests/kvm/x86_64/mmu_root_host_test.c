// SPDX-License-Identifier: GPL-2.0
/*
 * Resets that userspace causes when it restores the registers of a vCPU, as live migration does,
 * or sets the CPUID of a vCPU.
 *
 * Each operation is one ioctl on a vCPU that is not running; KVM looks for the root when the vCPU
 * runs again.  An ioctl that changes nothing must not reset the MMU.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_modes.h"

/* Even, so that flips leave the guest's registers as they were. */
#define NR_OPS			40

/* So many operations map all of the data by each root of a path, see guest_path_storm(). */
#define NR_WARM_OPS		MMU_ROOT_DATA_PAGES

/* Root page tables of PAE paging, see mmu_roots_modes.c. */
#define NR_PDPTES		2

/* Physical address of a copy of the guest's PGD. */
static uint64_t other_pgd;

static void sregs_same(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, 0, 0, 0);
}

static void sregs_cr0_wp(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, X86_CR0_WP, 0, 0, 0);
}

static void sregs_cr3(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, mmu_roots_pgd(vcpu->vm) ^ other_pgd, 0, 0);
}

static void sregs_cr4_pge(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, 0, X86_CR4_PGE, 0);
}

static void sregs_cr4_smep(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, 0, X86_CR4_SMEP, 0);
}

static void sregs_efer_nx(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, 0, 0, EFER_NX);
}

/* EFER.SCE is in no root's role, and has nothing to do with paging. */
static void sregs_efer_sce(struct kvm_vcpu *vcpu)
{
	mmu_root_sregs_flip(vcpu, 0, 0, 0, EFER_SCE);
}

static void flip_sregs2(struct kvm_vcpu *vcpu, uint64_t cr4)
{
	struct kvm_sregs2 sregs2;

	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &sregs2);
	sregs2.cr4 ^= cr4;
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &sregs2);
}

static void sregs2_same(struct kvm_vcpu *vcpu)
{
	flip_sregs2(vcpu, 0);
}

static void sregs2_cr4_smep(struct kvm_vcpu *vcpu)
{
	flip_sregs2(vcpu, X86_CR4_SMEP);
}

static void msr_efer_same(struct kvm_vcpu *vcpu)
{
	vcpu_set_msr(vcpu, MSR_EFER, vcpu_get_msr(vcpu, MSR_EFER));
}

static void msr_efer_nx(struct kvm_vcpu *vcpu)
{
	vcpu_set_msr(vcpu, MSR_EFER, vcpu_get_msr(vcpu, MSR_EFER) ^ EFER_NX);
}

/* KVM_RUN itself sets these registers, without another ioctl. */
static void sync_sregs(struct kvm_vcpu *vcpu, uint64_t cr4)
{
	struct kvm_sregs *sregs = &vcpu->run->s.regs.sregs;

	vcpu_sregs_get(vcpu, sregs);
	sregs->cr4 ^= cr4;
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
}

static void sync_regs_same(struct kvm_vcpu *vcpu)
{
	sync_sregs(vcpu, 0);
}

static void sync_regs_cr4_smep(struct kvm_vcpu *vcpu)
{
	sync_sregs(vcpu, X86_CR4_SMEP);
}

/* What no CPU takes in 64-bit mode: MOV CR in volume 3 of AMD's manual, kvm_is_valid_sregs(). */
static const struct {
	const char *name;
	uint64_t cr0, cr3, cr4, efer;
} illegal_flips[] = {
	{ "IA-32e mode without CR4.PAE", .cr4 = X86_CR4_PAE },
	{ "EFER.LMA without EFER.LME", .efer = EFER_LME },
	{ "CR0.PG without CR0.PE", .cr0 = X86_CR0_PE },
	{ "CR0.NW without CR0.CD", .cr0 = X86_CR0_NW },
	{ "bit 32 of CR0", .cr0 = BIT_ULL(32) },
	{ "a CR3 beyond any MAXPHYADDR", .cr3 = BIT_ULL(52) },
	{ "a reserved bit of CR4", .cr4 = BIT_ULL(63) },
	{ "a reserved bit of EFER", .efer = BIT_ULL(63) },
};

/* KVM must refuse one of them after the other, and not reset for CR0.WP, which changes, too. */
static void sregs_refused(struct kvm_vcpu *vcpu)
{
	static unsigned int i;
	struct kvm_sregs sregs;
	int ret;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 ^= X86_CR0_WP ^ illegal_flips[i].cr0;
	sregs.cr3 ^= illegal_flips[i].cr3;
	sregs.cr4 ^= illegal_flips[i].cr4;
	sregs.efer ^= illegal_flips[i].efer;
	ret = _vcpu_sregs_set(vcpu, &sregs);
	TEST_ASSERT(ret == -1 && errno == EINVAL, "KVM_SET_SREGS takes %s: %d, %d",
		    illegal_flips[i].name, ret, errno);
	i = (i + 1) % ARRAY_SIZE(illegal_flips);
}

/* Put the vCPU into SMM and back. */
static void vcpu_events_smm(struct kvm_vcpu *vcpu)
{
	mmu_root_path_flip_smm(vcpu);
	mmu_root_path_flip_smm(vcpu);
}

/* KVM accepts an identical CPUID at any time, and does nothing. */
static void cpuid_same(struct kvm_vcpu *vcpu)
{
	vcpu_set_cpuid(vcpu);
}

static bool has_smep(void)
{
	return kvm_cpu_has(X86_FEATURE_SMEP);
}

static bool has_smm(void)
{
	return kvm_has_cap(KVM_CAP_X86_SMM);
}

static bool has_sregs2(void)
{
	return kvm_has_cap(KVM_CAP_SREGS2);
}

static bool has_sync_regs(void)
{
	return kvm_check_cap(KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_SREGS;
}

FIXTURE(host) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

/*
 * @name: the path
 * @op: the operation, on a vCPU that isn't running
 * @supported: whether KVM can do it on this host; NULL if always
 * @resets: resets of one operation; an operation with resets costs one load
 * @flushes: TLB flushes of two operations
 * @shadow_roots: roots that the path visits with shadow paging
 */
FIXTURE_VARIANT(host) {
	const char *name;
	void (*op)(struct kvm_vcpu *vcpu);
	bool (*supported)(void);
	uint64_t resets;
	uint64_t flushes;
	uint64_t shadow_roots;
};

FIXTURE_VARIANT_ADD(host, sregs_same) {
	"SREGS-same", sregs_same, .resets = 0, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sregs_refused) {
	"SREGS-refused", sregs_refused, .resets = 0, .shadow_roots = 1,
};

/* KVM_SET_SREGS resets on any change of CR0, CR3, CR4 or EFER, also of bits that no role has. */
FIXTURE_VARIANT_ADD(host, sregs_cr0_wp) {
	"SREGS-CR0.WP", sregs_cr0_wp, .resets = 1, .flushes = 2, .shadow_roots = 2,
};

FIXTURE_VARIANT_ADD(host, sregs_cr3) {
	"SREGS-CR3", sregs_cr3, .resets = 1, .flushes = 2, .shadow_roots = 2,
};

FIXTURE_VARIANT_ADD(host, sregs_cr4_pge) {
	"SREGS-CR4.PGE", sregs_cr4_pge, .resets = 1, .flushes = 2, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sregs_cr4_smep) {
	"SREGS-CR4.SMEP", sregs_cr4_smep, has_smep, .resets = 1, .flushes = 2, .shadow_roots = 2,
};

FIXTURE_VARIANT_ADD(host, sregs_efer_nx) {
	"SREGS-EFER.NX", sregs_efer_nx, .resets = 1, .flushes = 2, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sregs_efer_sce) {
	"SREGS-EFER.SCE", sregs_efer_sce, .resets = 1, .flushes = 2, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sregs2_same) {
	"SREGS2-same", sregs2_same, has_sregs2, .resets = 0, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sregs2_cr4_smep) {
	"SREGS2-CR4.SMEP", sregs2_cr4_smep, has_sregs2,
	.resets = 1, .flushes = 2, .shadow_roots = 2,
};

FIXTURE_VARIANT_ADD(host, sync_regs_same) {
	"sync-regs-same", sync_regs_same, has_sync_regs, .resets = 0, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, sync_regs_cr4_smep) {
	"sync-regs-CR4.SMEP", sync_regs_cr4_smep, has_sync_regs,
	.resets = 1, .flushes = 2, .shadow_roots = 2,
};

FIXTURE_VARIANT_ADD(host, msr_efer_same) {
	"MSRS-EFER-same", msr_efer_same, .resets = 0, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, msr_efer_nx) {
	"MSRS-EFER.NX", msr_efer_nx, .resets = 1, .shadow_roots = 1,
};

/* There is no VM-Entry between the two resets: KVM does not look for the roots of SMM. */
FIXTURE_VARIANT_ADD(host, vcpu_events_smm) {
	"VCPU_EVENTS-SMM", vcpu_events_smm, has_smm, .resets = 2, .shadow_roots = 1,
};

FIXTURE_VARIANT_ADD(host, cpuid_same) {
	"CPUID-same", cpuid_same, .resets = 0, .shadow_roots = 1,
};

FIXTURE_SETUP(host)
{
	struct kvm_vm *vm;

	printf("#@ path=%s\n", variant->name);
	__TEST_REQUIRE(!variant->supported || variant->supported(),
		       "KVM does not support %s on this host", variant->name);
	mmu_roots_pin();
	vm = mmu_root_path_vm_create(&self->vcpu, guest_touch_and_sync);
	other_pgd = vm_alloc_page_table(vm);
	memcpy(addr_gpa2hva(vm, other_pgd), addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	mmu_roots_open(&self->roots, vm, variant->name);
}

FIXTURE_TEARDOWN(host)
{
	mmu_roots_vm_free(&self->roots);
}

TEST_F(host, exact_counts)
{
	uint64_t roots_visited = kvm_is_tdp_enabled() ? 1 : variant->shadow_roots;
	struct mmu_root_counts counts = {
		.resets = variant->resets,
		.loads = !!variant->resets,
		.found = !!variant->resets,
		.flushes = variant->flushes,
	};
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	mmu_root_path_sync(self->vcpu);
	for (i = 0; i < NR_WARM_OPS; i++) {
		variant->op(self->vcpu);
		mmu_root_path_sync(self->vcpu);
	}
	mmu_roots_read(roots, &warm);
	for (i = 0; i < NR_OPS; i++) {
		variant->op(self->vcpu);
		mmu_root_path_sync(self->vcpu);
	}
	mmu_roots_read(roots, &storm);

	mmu_roots_report(variant->name, NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, roots_visited);
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS);
}

/*
 * With PAE paging, userspace either provides the PDPTRs (KVM_SET_SREGS2), or has KVM read them
 * from memory, for which KVM resets even if nothing else changes.
 */
FIXTURE(pdptrs) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(pdptrs) {
	const char *name;
	bool from_userspace;
};

FIXTURE_VARIANT_ADD(pdptrs, from_memory) { "SREGS-PAE", false };
FIXTURE_VARIANT_ADD(pdptrs, from_userspace) { "SREGS2-PDPTRs", true };

FIXTURE_SETUP(pdptrs)
{
	printf("#@ path=%s\n", variant->name);
	TEST_REQUIRE(has_sregs2());
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_root_mode_enter(self->vcpu, MODE_PAE);
	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(pdptrs)
{
	mmu_roots_vm_free(&self->roots);
}

static void set_sregs_pae(struct kvm_vcpu *vcpu, bool from_userspace, bool mirrored)
{
	struct kvm_sregs2 sregs2;

	if (!from_userspace) {
		sregs_same(vcpu);
		return;
	}

	vcpu_ioctl(vcpu, KVM_GET_SREGS2, &sregs2);
	sregs2.pdptrs[1] = mmu_root_mode_pdpte(mirrored);
	sregs2.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	vcpu_ioctl(vcpu, KVM_SET_SREGS2, &sregs2);
}

TEST_F(pdptrs, exact_counts)
{
	/* AMD CPUs read PDPTEs from memory if nested paging is on: AMD APM. */
	bool cpu_reads = kvm_is_tdp_enabled() && host_cpu_is_amd;
	bool tdp = kvm_is_tdp_enabled(), mirrored;
	struct mmu_root_counts counts = {
		.resets = 1, .loads = 1, .found = tdp ? 1 : NR_PDPTES, .flushes = 2,
	};
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < 2 + NR_OPS; i++) {
		if (i == 2)
			mmu_roots_read(roots, &warm);
		mirrored = variant->from_userspace && i % 2;
		set_sregs_pae(self->vcpu, variant->from_userspace, mirrored);
		mmu_root_mode_expect_data(roots, self->vcpu, mirrored && !cpu_reads);
	}
	mmu_roots_read(roots, &storm);

	mmu_roots_report(variant->name, NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC,
			       tdp ? 1 : NR_PDPTES + variant->from_userspace);
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS);
}

/* Before the first run, KVM resets for each KVM_SET_CPUID2: CPUID decides what is reserved. */
TEST(cpuid_before_the_first_run)
{
	struct mmu_roots_snapshot before, after, ran;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int i;

	printf("#@ path=CPUID\n");
	mmu_root_path_vm_create(&vcpu, guest_touch_and_sync);
	mmu_roots_open(&roots, vcpu->vm, "CPUID");
	mmu_roots_read(&roots, &before);
	for (i = 0; i < NR_OPS; i++)
		vcpu_set_cpuid(vcpu);
	mmu_roots_read(&roots, &after);
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &ran);

	mmu_roots_report("CPUID", NR_OPS, &before, &after);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_RESET, NR_OPS);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_LOAD, 0);
	mmu_roots_expect_growth(&roots, &after, &ran, MMU_RESET, 0);
	mmu_roots_expect_growth(&roots, &after, &ran, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(&roots, &after, &ran, MMU_ROOT_ALLOC, 1);
	mmu_roots_vm_free(&roots);
}

static void guest_read_reserved(uint64_t gva)
{
	uint64_t error_code;
	uint8_t vector;

	asm volatile(KVM_ASM_SAFE_FEP("cmpl $0, (%[addr])")
		     : KVM_ASM_SAFE_OUTPUTS(vector, error_code)
		     : [addr] "r" (gva)
		     : KVM_ASM_SAFE_CLOBBERS, "memory");
	GUEST_SYNC(vector == PF_VECTOR && error_code & PFERR_RSVD_MASK);
}

/*
 * CPUID decides which bits of page tables are reserved, also if userspace sets CPUID last.  The
 * guest's PTE has a bit set that belongs to the address with the first CPUID, and is reserved with
 * the second CPUID.
 */
TEST(cpuid_decides_what_is_reserved)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	struct ucall uc;

	printf("#@ path=CPUID\n");
	mmu_roots_force_emulation();
	vm = mmu_root_path_vm_create(&vcpu, guest_read_reserved);
	vcpu_args_set(vcpu, 1, MMU_ROOT_DATA_GVA);
	mmu_root_path_pte(vm, 0, 0, BIT_ULL(vm->pa_bits - 1), 0);
	mmu_roots_open(&roots, vm, "CPUID");
	vcpu_set_cpuid_property(vcpu, X86_PROPERTY_MAX_PHY_ADDR, vm->pa_bits - 1);
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(&roots, uc.args[1], "KVM emulated an access by a PTE with a reserved bit");
	mmu_root_params_restore();
	mmu_roots_vm_free(&roots);
}

/* Once a vCPU has run, KVM must refuse a changed CPUID, and leave the root alone. */
TEST(changed_cpuid_after_run_is_refused)
{
	struct mmu_roots_snapshot before, refused, after;
	struct kvm_cpuid_entry2 *entry;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	int ret;

	printf("#@ path=CPUID-changed\n");
	mmu_roots_pin();
	mmu_root_path_vm_create(&vcpu, guest_touch_and_sync);
	mmu_roots_open(&roots, vcpu->vm, "CPUID-changed");
	mmu_root_path_sync(vcpu);
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &before);

	entry = vcpu_get_cpuid_entry(vcpu, 1);
	entry->eax ^= 1;
	ret = __vcpu_set_cpuid(vcpu);
	mmu_roots_check(&roots, ret == -1 && errno == EINVAL,
			"KVM_SET_CPUID2 with a changed CPUID returned %d (%s), expected EINVAL",
			ret, strerror(errno));
	entry->eax ^= 1;
	mmu_roots_read(&roots, &refused);
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &after);

	mmu_roots_report("CPUID-changed", 1, &before, &after);
	mmu_roots_expect_growth(&roots, &before, &refused, MMU_RESET, 0);
	mmu_roots_expect_storm(&roots, &before, &after, &(struct mmu_root_counts) {}, 1);
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
