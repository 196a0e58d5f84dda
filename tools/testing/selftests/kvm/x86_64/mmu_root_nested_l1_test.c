// SPDX-License-Identifier: GPL-2.0
/*
 * Hypervisors outside 64-bit mode, on SVM: L1 with 32-bit and with PAE paging, whose nested
 * page tables have that format, too, and whose CR3 or PDPTRs may be illegal at #VMEXIT.
 *
 * L1 enters L2 in 64-bit mode.  Userspace restores the vCPU with the registers of another
 * kind of L1 then, and L2 exits to that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_l1.h"
#include "mmu_roots_modes.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define PATH_NAME		"L1-modes"

/* What L2 runs on; L1 sees its own page nowhere. */
#define L2_PGD			1
#define NR_PGDS			2

#define NR_ROUNDS		4

/* In the page of the code of all modes, which is shorter. */
#define L2_GPA			(MMU_ROOT_MODE_GPA + 0xf00)

/* mov (%rdx), %rcx; vmmcall */
static const uint8_t l2_look[] = { 0x48, 0x8b, 0x0a, 0x0f, 0x01, 0xd9 };

#define NPT_FLAGS		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK | \
				 PT_ACCESSED_MASK | PT_DIRTY_MASK)

/* Intel SDM, "Paging": entries of 32-bit page directories, and of PAE's PDPT. */
#define NR_PDES			1024
#define PDE_SHIFT		22
#define NR_PDPTES		4

/* Where in its page, and bits that are not of its address: AMD APM, "PAE Paging". */
#define PDPT_OFFSET		0x420
#define CR3_IGNORED		GENMASK(4, 3)

/* Bit 1 of a PDPTE must be zero. */
#define PDPTE_RESERVED		PT_WRITABLE_MASK

static void l2_exit(void)
{
	guest_exit_for_good();
}

static void l1_enter(void)
{
	guest_l2_init(l2_exit, L1_INTERCEPTS_NOTHING);
	guest_l2_run(0, L2_PGD);
	__GUEST_ASSERT(0, "L2 was left");
}

FIXTURE(l1) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct svm_test_data *svm;
	struct kvm_sregs sregs;
};

/*
 * @counts: what an entry and an exit cost
 * @shadow: with shadow paging
 *
 * What has fewer levels than the host's page tables, be it nested page tables or L1's if
 * KVM shadows them, has PAE roots.  They are never kept, see fast_pgd_switch(), and looked
 * for each time: as many as PDPTEs are present, or four.
 */
FIXTURE_VARIANT(l1) {
	enum mmu_root_mode mode;
	bool nested_paging;
	struct mmu_root_counts counts;
	struct mmu_root_counts shadow;
};

FIXTURE_VARIANT_ADD(l1, 32bit) {
	MODE_32BIT_PSE, false,
	.counts = { .hits = 2, .flushes = 4 },
	.shadow = { .loads = 1, .found = 4, .hits = 1, .misses = 1, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(l1, pae) {
	MODE_PAE, false,
	.counts = { .hits = 2, .flushes = 4 },
	.shadow = { .loads = 1, .found = 2, .hits = 1, .misses = 1, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(l1, compat) {
	MODE_COMPAT, false,
	.counts = { .hits = 2, .flushes = 4 },
	.shadow = { .hits = 2, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(l1, 32bit_nested_paging) {
	MODE_32BIT_PSE, true,
	.counts = { .loads = 1, .found = 4, .hits = 1, .misses = 1, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(l1, pae_nested_paging) {
	MODE_PAE, true,
	.counts = { .loads = 1, .found = 3, .hits = 1, .misses = 1, .flushes = 4 },
};

FIXTURE_VARIANT_ADD(l1, compat_nested_paging) {
	MODE_COMPAT, true,
	.counts = { .hits = 2, .flushes = 4 },
};

/* One to one in pages of 4 MiB, but for the page that is L2's own. */
static uint64_t npt_32bit_create(struct kvm_vm *vm)
{
	uint64_t pd_gpa = vm_alloc_page_table(vm), pt_gpa = vm_alloc_page_table(vm);
	uint32_t *pd = addr_gpa2hva(vm, pd_gpa), *pt = addr_gpa2hva(vm, pt_gpa);
	uint32_t i;

	for (i = 0; i < NR_PDES; i++)
		pd[i] = i << PDE_SHIFT | NPT_FLAGS | PT_PAGE_SIZE_MASK;
	pd[MMU_ROOT_OWN_PAGE >> PDE_SHIFT] = pt_gpa | NPT_FLAGS;
	pt[0] = PTE_GET_PA(mmu_root_nested_own_entry(vm, L2_PGD)) | NPT_FLAGS;
	return pd_gpa;
}

/* The nested page table of some level that maps all that L2 uses. */
static uint64_t npt_64bit_table(struct kvm_vm *vm, int level)
{
	uint64_t table = guest_l2_pgd(L2_PGD);
	int i;

	for (i = mmu_roots_pgtable_levels(vm); i > level; i--)
		table = PTE_GET_PA(*(uint64_t *)addr_gpa2hva(vm, table));
	return table;
}

/* The page directories of 64-bit nested page tables are those of PAE, too. */
static uint64_t npt_pae_create(struct kvm_vm *vm)
{
	uint64_t *from = addr_gpa2hva(vm, npt_64bit_table(vm, PG_LEVEL_1G));
	uint64_t gpa = vm_alloc_page_table(vm) + PDPT_OFFSET;
	uint64_t *pdpt = addr_gpa2hva(vm, gpa);
	int i;

	for (i = 0; i < NR_PDPTES; i++)
		pdpt[i] = from[i] ? PTE_GET_PA(from[i]) | PT_PRESENT_MASK : 0;
	return gpa | CR3_IGNORED;
}

static uint64_t npt_create(struct kvm_vm *vm, enum mmu_root_mode mode)
{
	switch (mode) {
	case MODE_32BIT_PSE:
		return npt_32bit_create(vm);
	case MODE_PAE:
		return npt_pae_create(vm);
	default:
		/* Without CR4.LA57. */
		return npt_64bit_table(vm, PG_LEVEL_1G + 1);
	}
}

/* What L1 goes on with after the exit; 32-bit code. */
static void put_l1_into_mode(struct vmcb_save_area *save, const struct kvm_sregs *sregs)
{
	save->cr0 = sregs->cr0;
	save->cr3 = sregs->cr3;
	save->cr4 = sregs->cr4;
	save->efer = sregs->efer;
	save->cs.attrib &= ~SVM_SELECTOR_L_MASK;
	save->cs.attrib |= SVM_SELECTOR_DB_MASK;
	save->rip = MMU_ROOT_MODE_GPA + (mmu_roots_mode_read - mmu_roots_mode_start);
	save->rsp = 0;
	save->rflags = MMU_ROOT_RFLAGS;
}

/* L2 is in 64-bit mode, and about to look, and then to exit to L1, which has been replaced. */
FIXTURE_SETUP(l1)
{
	struct kvm_nested_state *state;
	struct vmcb *vmcb;
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "VMX has 64-bit hypervisors only here");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	mmu_root_mode_install(self->vcpu);
	memcpy(addr_gpa2hva(vm, L2_GPA), l2_look, sizeof(l2_look));
	virt_map(vm, MMU_ROOT_MODE_GPA, MMU_ROOT_MODE_GPA, 1);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	/* L2's, and L1's before and after; PAE roots are up to four. */
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, 2 + 2 * NR_PDPTES);
	mmu_root_path_run_for_good(self->vcpu);
	vcpu_run_complete_io(self->vcpu);

	vcpu_sregs_get(self->vcpu, &self->sregs);
	mmu_root_mode_sregs(variant->mode, &self->sregs);
	self->sregs.efer |= EFER_SVME;
	state = mmu_root_nested_state_get(self->vcpu);
	vmcb = (void *)state->data.svm;
	put_l1_into_mode(&vmcb->save, &self->sregs);
	self->svm = mmu_root_nested_svm_data(vm, 0);
	vmcb->control.nested_cr3 = npt_create(vm, variant->mode);
	((struct vmcb *)self->svm->vmcb_hva)->control.nested_cr3 = vmcb->control.nested_cr3;
	vcpu_nested_state_set(self->vcpu, state);
}

FIXTURE_TEARDOWN(l1)
{
	mmu_roots_vm_free(&self->roots);
}

/* To L2, by VMRUN or in it already, back to L1, which reads a page. */
static void run_l2_and_l1(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t rip,
			  uint64_t vmcb_gpa)
{
	struct kvm_regs regs;
	uint32_t sum;

	mmu_root_mode_start(vcpu, MODE_OP_VMRUN, 0);
	vcpu_regs_get(vcpu, &regs);
	if (rip)
		regs.rip = rip;
	regs.rax = vmcb_gpa;
	regs.rdx = MMU_ROOT_OWN_PAGE;
	regs.rcx = MMU_ROOT_NOT_MAPPED;
	vcpu_regs_set(vcpu, &regs);
	sum = mmu_root_mode_run(vcpu, 1);
	mmu_root_mode_check_sum(roots, sum, 1, false, false);
	vcpu_regs_get(vcpu, &regs);
	mmu_roots_check(roots, regs.rcx == L2_PGD, "L2 sees the page of PGD %lld", regs.rcx);
	vcpu_run_complete_io(vcpu);
}

static void enter_and_exit(FIXTURE_DATA(l1) * self)
{
	struct vmcb *vmcb = self->svm->vmcb_hva;

	vmcb->save.rip = L2_GPA;
	run_l2_and_l1(&self->roots, self->vcpu, 0, self->svm->vmcb_gpa);
}

TEST_F(l1, has_its_own_paging_back)
{
	const struct mmu_root_counts *c = mmu_root_nested_pick(&variant->counts,
							       &variant->shadow);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	run_l2_and_l1(roots, self->vcpu, L2_GPA, 0);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->sregs, "an exit");
	/* Of the root of L2 that was restored, too, and all of the pages. */
	enter_and_exit(self);
	enter_and_exit(self);
	mmu_roots_read(roots, &warm);
	for (i = 0; i < NR_ROUNDS; i++)
		enter_and_exit(self);
	mmu_roots_read(roots, &storm);
	mmu_roots_expect_storm(roots, &warm, &storm, c, NR_ROUNDS);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->sregs, "VMRUN and an exit");
}

/* AMD APM, "#VMEXIT": a CPU that cannot go on with its host shuts down. */
static void expect_shutdown(FIXTURE_DATA(l1) * self, const char *what)
{
	struct kvm_regs regs;

	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	vcpu_regs_get(self->vcpu, &regs);
	regs.rip = L2_GPA;
	regs.rdx = MMU_ROOT_OWN_PAGE;
	/* One read, and L1 leaves, if it is there to read. */
	regs.rbp = 1;
	vcpu_regs_set(self->vcpu, &regs);
	mmu_root_expect_exit(&self->roots, self->vcpu, KVM_EXIT_SHUTDOWN, what);
	mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is in L2",
			what);
}

TEST_F(l1, shuts_down_if_its_pdptrs_are_illegal)
{
	mmu_roots_require_applicable(variant->mode == MODE_PAE, "it is PAE paging that has PDPTRs");
	*(uint64_t *)addr_gpa2hva(self->roots.vm, MMU_ROOT_MODE_PDPTE(1)) |= PDPTE_RESERVED;
	expect_shutdown(self, "an exit to illegal PDPTRs");
}

/* VMRUN takes any CR3 of an L1 that is not in IA-32e mode, and so does KVM. */
TEST_F(l1, shuts_down_if_its_cr3_is_illegal)
{
	struct kvm_nested_state *state = mmu_root_nested_state_get(self->vcpu);
	struct vmcb *vmcb = (void *)state->data.svm;
	int ret;

	vmcb->save.cr3 |= BIT_ULL(kvm_cpu_property(X86_PROPERTY_MAX_PHY_ADDR));
	ret = __vcpu_ioctl(self->vcpu, KVM_SET_NESTED_STATE, state);
	if (variant->mode == MODE_COMPAT) {
		mmu_roots_check(&self->roots, ret == -1 && errno == EINVAL,
				"KVM_SET_NESTED_STATE takes an illegal CR3 of L1");
		return;
	}
	mmu_roots_check(&self->roots, !ret, "KVM_SET_NESTED_STATE: %s", strerror(errno));
	expect_shutdown(self, "an exit to an illegal CR3");
}

TEST_HARNESS_MAIN
