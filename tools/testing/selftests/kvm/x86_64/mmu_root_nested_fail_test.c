// SPDX-License-Identifier: GPL-2.0
/*
 * Test entries to L2 and exits from L2 that fail: VMRUN with each kind of illegal VMCB,
 * VMRUN and #VMEXIT with pages that KVM cannot map, and VM-Entries with illegal controls or
 * registers, or with MSRs that cannot be loaded.
 *
 * KVM may have done a part of the transition before it finds the error.  In any case L1
 * must go on with its own MMU, roots and registers, L2 must not have run, and the next
 * entry must find L2 as it was.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "vmx.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* L2 runs on this PGD.  Without nested paging, L1 runs on PGD 0. */
#define L2_PGD			1
#define NR_PGDS			2

#define PATH_NAME		"VMRUN-fails"

/* This address has no memory, or memory that the test removes. */
#define HOLE_GPA		0x78000000ul
#define HOLE_GVA		HOLE_GPA
#define HOLE_SLOT		3

#define VMRUN_INSN		"vmrun %%rax"
#define VMRUN_INSN_SIZE		3

/* A reserved type of event in EVENTINJ: AMD APM, "Event Injection". */
#define EVTINJ_TYPE_RESERVED	0x100

#define CR0_HIGH		BIT_ULL(32)
#define DR_HIGH			BIT_ULL(32)
/* All CPUs reserve this bit of EFER: AMD APM, "EFER". */
#define EFER_RESERVED		BIT_ULL(63)

/* A PDPTE of PAE paging with bits that must be zero: AMD APM, "PAE Paging". */
#define BAD_PDPTE		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK)
#define NR_PDPTES		4

static void l2_visit(void)
{
	for (;;) {
		guest_l2_visit(L2_PGD);
		guest_l2_call();
	}
}

/* L1 syncs the exit code of each VMRUN, and then which PGD's page L1 sees. */
static void l1_vmrun(void)
{
	struct svm_test_data *svm = guest_l2_svm(0);

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_run_to_call(0, L2_PGD);
	for (;;) {
		GUEST_SYNC(guest_own_page());
		stgi();
		run_guest(svm->vmcb, svm->vmcb_gpa);
		GUEST_SYNC((uint32_t)svm->vmcb->control.exit_code);
		GUEST_ASSERT(guest_checksum_data());
	}
}

FIXTURE(vmrun) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct svm_test_data *svm;
	struct kvm_sregs l1;
	struct vmcb good;
	uint64_t bad_pdpt;
	/* What guest_own_page() returns in L1. */
	uint64_t l1_page;
	uint64_t visits;
};

FIXTURE_VARIANT(vmrun) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(vmrun, plain) { false };
FIXTURE_VARIANT_ADD(vmrun, nested_paging) { true };

static void vmrun(FIXTURE_DATA(vmrun) * self, struct mmu_roots_snapshot *after,
		  uint64_t expected, const char *what)
{
	struct mmu_roots *roots = &self->roots;
	struct ucall uc;
	uint64_t seen;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, after);
	mmu_roots_check(roots, uc.args[1] == expected, "%s: VMRUN ends with %#lx, expected %#lx",
			what, uc.args[1], expected);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->l1, what);
	mmu_roots_check(roots, !(mmu_root_nested_state_get(self->vcpu)->flags &
				 KVM_STATE_NESTED_GIF_SET),
			"%s: L1 has GIF set after #VMEXIT", what);
	seen = mmu_root_l1_look(self->vcpu);
	mmu_roots_check(roots, seen == self->l1_page, "%s: L1 sees the page of PGD %ld",
			what, seen);
	mmu_roots_check(roots, mmu_root_nested_visits(roots->vm, L2_PGD) == self->visits,
			"%s: L2 was run %lu times", what,
			mmu_root_nested_visits(roots->vm, L2_PGD) - self->visits);
	self->visits = mmu_root_nested_visits(roots->vm, L2_PGD);
}

static uint64_t bad_pdpt_create(struct kvm_vm *vm)
{
	uint64_t gpa = vm_alloc_page_table(vm), *pdpt = addr_gpa2hva(vm, gpa);
	int i;

	for (i = 0; i < NR_PDPTES; i++)
		pdpt[i] = BAD_PDPTE;
	return gpa;
}

/* After this, L2 has run twice, and L1 is about to run it again. */
FIXTURE_SETUP(vmrun)
{
	struct mmu_roots_snapshot snap;
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_vmrun);
	self->bad_pdpt = bad_pdpt_create(vm);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, NR_L1_L2_ROOTS);
	self->l1_page = variant->nested_paging ? MMU_ROOT_NOT_MAPPED : 0;
	mmu_root_l1_look(self->vcpu);
	vcpu_sregs_get(self->vcpu, &self->l1);
	self->svm = mmu_root_nested_svm_data(vm, 0);
	memcpy(&self->good, self->svm->vmcb_hva, sizeof(self->good));
	/* Run L2 once more, so that the code behind VMRUN is mapped. */
	self->visits = mmu_root_nested_visits(vm, L2_PGD) + 1;
	vmrun(self, &snap, SVM_EXIT_VMMCALL, "a legal VMCB");
	memcpy(self->svm->vmcb_hva, &self->good, sizeof(self->good));
}

FIXTURE_TEARDOWN(vmrun)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * A failed VMRUN must leave the cache of roots as it was: L1's root and L2's are both found
 * without a load.
 */
static void enter_again(FIXTURE_DATA(vmrun) * self, const char *what)
{
	const struct mmu_root_counts c = { .hits = 2, .roots = NR_L1_L2_ROOTS, .flushes = 4 };
	struct mmu_roots_snapshot before, after;

	memcpy(self->svm->vmcb_hva, &self->good, sizeof(self->good));
	self->visits++;
	mmu_roots_read(&self->roots, &before);
	vmrun(self, &after, SVM_EXIT_VMMCALL, what);
	mmu_roots_expect_storm(&self->roots, &before, &after, &c, 1);
}

/**
 * struct bad_vmcb - An error that makes VMRUN fail
 * @what: name of the error, for messages
 * @spoil: puts the error into a VMCB
 * @npt_only: the error exists with nested paging only
 * @by_cpu: KVM may leave it to the CPU to find the error, as 6.12 does
 */
struct bad_vmcb {
	const char *what;
	void (*spoil)(struct vmcb *vmcb);
	bool npt_only;
	bool by_cpu;
};

static void no_asid(struct vmcb *vmcb)
{
	vmcb->control.asid = 0;
}

static void vmrun_not_intercepted(struct vmcb *vmcb)
{
	vmcb->control.intercept &= ~BIT_ULL(INTERCEPT_VMRUN);
}

static void nested_cr3_beyond(struct vmcb *vmcb)
{
	vmcb->control.nested_cr3 |= mmu_root_gpa_limit();
}

static void msr_map_beyond(struct vmcb *vmcb)
{
	vmcb->control.msrpm_base_pa |= mmu_root_gpa_limit();
}

static void io_map_beyond(struct vmcb *vmcb)
{
	vmcb->control.iopm_base_pa |= mmu_root_gpa_limit();
}

static void event_of_no_type(struct vmcb *vmcb)
{
	vmcb->control.event_inj = SVM_EVTINJ_VALID | EVTINJ_TYPE_RESERVED;
}

static void event_of_no_exception(struct vmcb *vmcb)
{
	vmcb->control.event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_EXEPT | NMI_VECTOR;
}

static void no_svme(struct vmcb *vmcb)
{
	vmcb->save.efer &= ~EFER_SVME;
}

static void efer_reserved(struct vmcb *vmcb)
{
	vmcb->save.efer |= EFER_RESERVED;
}

static void nw_without_cd(struct vmcb *vmcb)
{
	vmcb->save.cr0 = (vmcb->save.cr0 & ~X86_CR0_CD) | X86_CR0_NW;
}

static void cr0_high(struct vmcb *vmcb)
{
	vmcb->save.cr0 |= CR0_HIGH;
}

static void pg_without_pe(struct vmcb *vmcb)
{
	vmcb->save.cr0 &= ~X86_CR0_PE;
}

static void lme_without_pae(struct vmcb *vmcb)
{
	vmcb->save.cr4 &= ~X86_CR4_PAE;
}

static void cr4_reserved(struct vmcb *vmcb)
{
	vmcb->save.cr4 |= CR4_RESERVED;
}

static void cr3_beyond(struct vmcb *vmcb)
{
	vmcb->save.cr3 |= mmu_root_gpa_limit();
}

static void dr6_high(struct vmcb *vmcb)
{
	vmcb->save.dr6 |= DR_HIGH;
}

static void dr7_high(struct vmcb *vmcb)
{
	vmcb->save.dr7 |= DR_HIGH;
}

static void cs_long_and_default(struct vmcb *vmcb)
{
	vmcb->save.cs.attrib |= SVM_SELECTOR_L_MASK | SVM_SELECTOR_DB_MASK;
}

/* AMD APM, "Canonicalization and Consistency Checks" of VMRUN. */
static const struct bad_vmcb bad_vmcbs[] = {
	{ "ASID 0", no_asid },
	{ "VMRUN that is not intercepted", vmrun_not_intercepted },
	{ "a nested CR3 beyond MAXPHYADDR", nested_cr3_beyond, true },
	{ "an MSR map beyond MAXPHYADDR", msr_map_beyond },
	{ "an I/O map beyond MAXPHYADDR", io_map_beyond },
	{ "an event of a reserved type", event_of_no_type, .by_cpu = true },
	{ "an exception that is none", event_of_no_exception, .by_cpu = true },
	{ "EFER without SVME", no_svme },
	{ "a reserved bit of EFER", efer_reserved },
	{ "CR0.NW without CD", nw_without_cd },
	{ "a high bit of CR0", cr0_high },
	{ "CR0.PG without PE", pg_without_pe },
	{ "EFER.LME without CR4.PAE", lme_without_pae },
	{ "a reserved bit of CR4", cr4_reserved },
	{ "a CR3 beyond MAXPHYADDR", cr3_beyond },
	{ "a high bit of DR6", dr6_high },
	{ "a high bit of DR7", dr7_high },
	{ "CS.L and CS.D", cs_long_and_default },
};

/* KVM checks the VMCB before it leaves L1: nested_svm_check_cached_vmcb12(). */
TEST_F(vmrun, of_an_illegal_vmcb)
{
	const struct mmu_root_counts nothing = { .roots = NR_L1_L2_ROOTS };
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot before, after;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_vmcbs); i++) {
		if (bad_vmcbs[i].npt_only && !variant->nested_paging)
			continue;
		memcpy(self->svm->vmcb_hva, &self->good, sizeof(self->good));
		bad_vmcbs[i].spoil(self->svm->vmcb_hva);
		mmu_roots_read(roots, &before);
		vmrun(self, &after, (uint32_t)SVM_EXIT_ERR, bad_vmcbs[i].what);
		if (!bad_vmcbs[i].by_cpu)
			mmu_roots_expect_storm(roots, &before, &after, &nothing, 1);
	}
	enter_again(self, "a legal VMCB after them");
}

/* KVM checks the CR3 of an L2 outside IA-32e mode only when it loads that CR3. */
static void outside_long_mode(struct vmcb *vmcb)
{
	vmcb->save.efer &= ~(EFER_LME | EFER_LMA);
	vmcb->save.cs.attrib &= ~SVM_SELECTOR_L_MASK;
}

/*
 * KVM is in L2 already when it finds the error, and exits to L1: one TLB flush serves the
 * requests of both the entry and the exit.
 */
static void expect_late_failure(FIXTURE_DATA(vmrun) * self, uint64_t nr_switches,
				const char *what)
{
	const struct mmu_root_counts c = {
		.hits = nr_switches, .roots = NR_L1_L2_ROOTS, .flushes = 2,
	};
	struct mmu_roots_snapshot before, after;

	mmu_roots_read(&self->roots, &before);
	vmrun(self, &after, (uint32_t)SVM_EXIT_ERR, what);
	mmu_roots_expect_storm(&self->roots, &before, &after, &c, 1);
	enter_again(self, what);
}

/* With nested paging, KVM switches to the nested CR3 before it checks CR3. */
TEST_F(vmrun, with_an_illegal_cr3_of_pae)
{
	struct vmcb *vmcb = self->svm->vmcb_hva;

	outside_long_mode(vmcb);
	vmcb->save.cr3 |= mmu_root_gpa_limit();
	expect_late_failure(self, variant->nested_paging ? 2 : 1, "an illegal CR3 of PAE");
}

/* With nested paging, the CPU reads PDPTRs when it uses them: AMD APM, "Nested Paging". */
TEST_F(vmrun, with_illegal_pdptrs)
{
	struct vmcb *vmcb = self->svm->vmcb_hva;

	mmu_roots_require_applicable(!variant->nested_paging,
				     "with nested paging VMRUN loads no PDPTRs");
	outside_long_mode(vmcb);
	vmcb->save.cr3 = self->bad_pdpt;
	expect_late_failure(self, 1, "illegal PDPTRs");
}

TEST_F(vmrun, with_an_msr_map_in_a_hole)
{
	struct vmcb *vmcb = self->svm->vmcb_hva;

	vmcb->control.intercept |= BIT_ULL(INTERCEPT_MSR_PROT);
	vmcb->control.msrpm_base_pa = HOLE_GPA;
	expect_late_failure(self, 2, "an MSR map in a hole");
}

/* The VMCB of the next VMRUN is in a hole.  The host writes this variable. */
static bool vmcb_in_hole;

static void l2_sync(void)
{
	for (;;) {
		guest_l2_visit(L2_PGD);
		GUEST_SYNC(guest_checksum_data());
		guest_l2_call();
	}
}

static void l1_vmcb_comes_and_goes(void)
{
	struct svm_test_data *svm = guest_l2_svm(0);
	uint8_t vector;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_sync, L1_INTERCEPTS_NOTHING);
	for (;;) {
		if (READ_ONCE(vmcb_in_hole)) {
			vector = kvm_asm_safe(VMRUN_INSN, "a" (svm->vmcb_gpa));
			GUEST_SYNC(vector);
		} else {
			guest_l2_run(0, L2_PGD);
		}
		GUEST_SYNC(guest_own_page());
		GUEST_SYNC(guest_checksum_data());
	}
}

FIXTURE(vmcb_page) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs l1;
	void *memory;
	uint64_t l1_page;
};

FIXTURE_VARIANT(vmcb_page) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(vmcb_page, plain) { false };
FIXTURE_VARIANT_ADD(vmcb_page, nested_paging) { true };

static void set_hole(FIXTURE_DATA(vmcb_page) * self, bool hole)
{
	vm_set_user_memory_region(self->vcpu->vm, HOLE_SLOT, 0, HOLE_GPA,
				  hole ? 0 : PAGE_SIZE, self->memory);
}

/* The VMCB of the first L2 is in a memslot of its own.  L1 has not run yet. */
FIXTURE_SETUP(vmcb_page)
{
	struct svm_test_data *svm;
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "needs SVM");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_vmcb_comes_and_goes);
	self->memory = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	TEST_ASSERT(self->memory != MAP_FAILED, "mmap() a page");
	set_hole(self, false);
	virt_map(vm, HOLE_GVA, HOLE_GPA, 1);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	svm = mmu_root_nested_svm_data(vm, 0);
	svm->vmcb = (void *)HOLE_GVA;
	svm->vmcb_gpa = HOLE_GPA;
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, NR_L1_L2_ROOTS);
	self->l1_page = variant->nested_paging ? MMU_ROOT_NOT_MAPPED : 0;
	vcpu_sregs_get(self->vcpu, &self->l1);
	/* L1 sets EFER.SVME, which VMRUN requires. */
	self->l1.efer |= EFER_SVME;
}

FIXTURE_TEARDOWN(vmcb_page)
{
	mmu_roots_vm_free(&self->roots);
}

/* L1 must be about to look at its page. */
static void expect_l1(FIXTURE_DATA(vmcb_page) * self, const char *when)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot snap;
	uint64_t seen;

	seen = mmu_root_l1_look(self->vcpu);
	mmu_roots_check(roots, seen == self->l1_page, "%s: L1 sees the page of PGD %ld",
			when, seen);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->l1, when);
	mmu_root_nested_run(self->vcpu, roots, &snap);
}

/*
 * KVM has no VMCB to write the exit to, so L1 shuts down: nested_svm_vmexit().  The test
 * brings the page back, so that L1 can go on and tell which PGD's page it sees.
 */
TEST_F(vmcb_page, that_is_gone_at_the_exit)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot snap;

	mmu_root_nested_run(self->vcpu, roots, &snap);
	mmu_roots_check(roots, mmu_root_is_in_l2(self->vcpu), "the vCPU is not in L2");
	set_hole(self, true);
	mmu_root_expect_exit(roots, self->vcpu, KVM_EXIT_SHUTDOWN, "an exit without a VMCB");
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->l1, "an exit without a VMCB");
	set_hole(self, false);
	if (self->vcpu->run->exit_reason == KVM_EXIT_SHUTDOWN)
		expect_l1(self, "an exit without a VMCB");
	mmu_root_nested_expect_visits(roots, L2_PGD, 1);
}

/*
 * VMRUN has no VMCB to read.  No CPU does what KVM does then: KVM injects #GP, or reports
 * an error to userspace.  After an error, the test skips VMRUN.
 */
TEST_F(vmcb_page, that_is_not_there_at_the_entry)
{
	struct mmu_roots *roots = &self->roots;
	struct kvm_vcpu *vcpu = self->vcpu;
	struct mmu_roots_snapshot snap;
	struct kvm_regs regs;
	struct ucall uc;

	/* Run L2 once with its VMCB in place. */
	mmu_root_nested_run(vcpu, roots, &snap);
	expect_l1(self, "an exit");
	vmcb_in_hole = true;
	sync_global_to_guest(vcpu->vm, vmcb_in_hole);
	set_hole(self, true);
	vcpu_run(vcpu);
	if (vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
		mmu_roots_check(roots, !mmu_root_is_in_l2(vcpu), "the vCPU is in L2");
		vcpu_regs_get(vcpu, &regs);
		regs.rip += VMRUN_INSN_SIZE;
		vcpu_regs_set(vcpu, &regs);
		vcpu_run(vcpu);
	} else {
		get_ucall(vcpu, &uc);
		mmu_roots_check(roots, uc.cmd == UCALL_SYNC && uc.args[1] == GP_VECTOR,
				"VMRUN of a hole: vector %lu, expected #GP", uc.args[1]);
	}
	expect_l1(self, "VMRUN of a hole");

	set_hole(self, false);
	vmcb_in_hole = false;
	sync_global_to_guest(vcpu->vm, vmcb_in_hole);
	mmu_root_nested_run(vcpu, roots, &snap);
	mmu_root_nested_expect_visits(roots, L2_PGD, 2);
}

/**
 * struct bad_vmcs - An error that makes a VM-Entry fail, or exit at once
 * @what: name of the error, for messages
 * @field: the field of the VMCS that has the error
 * @set: bits to set in the field
 * @clear: bits to clear in the field
 * @exit: how the VM-Entry must end
 */
struct bad_vmcs {
	const char *what;
	uint64_t field;
	uint64_t set;
	uint64_t clear;
	enum mmu_root_l2_exit exit;
};

/*
 * Errors in controls and in the host's state make VMLAUNCH and VMRESUME fail, those in the guest's
 * state make them exit: Intel SDM, "VM Entries".  KVM finds the last two errors only when it is in
 * L2 already.  The list of MSRs is at address 0, where it names MSR 0.
 */
static const struct bad_vmcs bad_vmcss[] = {
	{ "an unaligned MSR bitmap", MSR_BITMAP, 1, 0, L2_ENTRY_FAILED },
	{ "an MSR bitmap beyond any MAXPHYADDR", MSR_BITMAP, BIT_ULL(62), 0, L2_ENTRY_FAILED },
	{ "a 32-bit host in IA-32e mode", VM_EXIT_CONTROLS, 0, VM_EXIT_HOST_ADDR_SPACE_SIZE,
	  L2_ENTRY_FAILED },
	{ "a host's CR3 beyond any MAXPHYADDR", HOST_CR3, BIT_ULL(62), 0, L2_ENTRY_FAILED },
	{ "a host without TR", HOST_TR_SELECTOR, 0, ~0ul, L2_ENTRY_FAILED },
	{ "a host's DS with RPL 3", HOST_DS_SELECTOR, 3, 0, L2_ENTRY_FAILED },
	{ "a host's FS base that is not canonical", HOST_FS_BASE, BIT_ULL(62), 0, L2_ENTRY_FAILED },
	{ "CR0.PG without PE", GUEST_CR0, 0, X86_CR0_PE, L2_ENTRY_EXITED },
	{ "IA-32e mode without CR4.PAE", GUEST_CR4, 0, X86_CR4_PAE, L2_ENTRY_EXITED },
	{ "IA-32e mode without CR0.PG", GUEST_CR0, 0, X86_CR0_PG, L2_ENTRY_EXITED },
	{ "CR4 without VMXE", GUEST_CR4, 0, X86_CR4_VMXE, L2_ENTRY_EXITED },
	{ "a reserved bit of CR4", GUEST_CR4, CR4_RESERVED, 0, L2_ENTRY_EXITED },
	{ "a CR3 beyond any MAXPHYADDR", GUEST_CR3, BIT_ULL(62), 0, L2_ENTRY_EXITED },
	{ "an MSR that cannot be loaded", VM_ENTRY_MSR_LOAD_COUNT, 1, 0, L2_ENTRY_EXITED },
};

/* L1 syncs how each VM-Entry ended, and then which PGD's page L1 sees. */
static void l1_vmentry(bool nested_paging)
{
	const struct bad_vmcs *bad = bad_vmcss;
	enum mmu_root_l2_exit exit;
	uint64_t old;

	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_visit, L1_INTERCEPTS_NOTHING);
	guest_l2_run_to_call(0, L2_PGD);
	GUEST_SYNC(guest_own_page());
	for (; bad < bad_vmcss + ARRAY_SIZE(bad_vmcss); bad++) {
		/* Without nested paging, guest_l2_run() writes this field itself. */
		if (bad->field == GUEST_CR3 && !nested_paging)
			continue;
		old = guest_l2_vmcs_write(0, bad->field, bad->set, bad->clear);
		exit = guest_l2_run(0, L2_PGD);
		guest_l2_vmcs_write(0, bad->field, old, ~0ul);
		GUEST_SYNC(exit);
		GUEST_SYNC(guest_own_page());
		guest_l2_run_to_call(0, L2_PGD);
	}
}

FIXTURE(vmentry) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_sregs l1;
	uint64_t l1_page;
};

FIXTURE_VARIANT(vmentry) {
	bool nested_paging;
};

FIXTURE_VARIANT_ADD(vmentry, plain) { false };
FIXTURE_VARIANT_ADD(vmentry, nested_paging) { true };

FIXTURE_SETUP(vmentry)
{
	struct kvm_vm *vm;

	printf("#@ path=VM-Entry-fails%s\n", variant->nested_paging ? "+EPT" : "");
	mmu_roots_require_applicable(host_cpu_is_intel, "needs VMX");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_vmentry);
	vcpu_args_set(self->vcpu, 1, variant->nested_paging);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	mmu_root_nested_open(&self->roots, vm, "VM-Entry-fails", NR_L1_L2_ROOTS);
	self->l1_page = variant->nested_paging ? MMU_ROOT_NOT_MAPPED : 0;
	mmu_root_l1_look(self->vcpu);
	vcpu_sregs_get(self->vcpu, &self->l1);
}

FIXTURE_TEARDOWN(vmentry)
{
	mmu_roots_vm_free(&self->roots);
}

/*
 * L2 runs before and after each failed entry, but not in it.  The entry resets no MMU and
 * loads no root.
 */
TEST_F(vmentry, of_illegal_state)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t seen, visits = 1;
	struct ucall uc;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_vmcss); i++) {
		if (bad_vmcss[i].field == GUEST_CR3 && !variant->nested_paging)
			continue;
		mmu_roots_read(roots, &before);
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
		mmu_roots_read(roots, &after);
		mmu_roots_check(roots, uc.args[1] == bad_vmcss[i].exit,
				"%s: the entry ends with %lu, expected %u", bad_vmcss[i].what,
				uc.args[1], bad_vmcss[i].exit);
		mmu_root_l1_expect_regs(roots, self->vcpu, &self->l1, bad_vmcss[i].what);
		mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
		mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
		seen = mmu_root_l1_look(self->vcpu);
		mmu_roots_check(roots, seen == self->l1_page, "%s: L1 sees the page of PGD %ld",
				bad_vmcss[i].what, seen);
		/* L2 has run once since the failed entry before this one. */
		mmu_root_nested_expect_visits(roots, L2_PGD, visits++);
	}
}

TEST_HARNESS_MAIN
