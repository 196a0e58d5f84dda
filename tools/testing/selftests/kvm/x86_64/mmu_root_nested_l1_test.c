// SPDX-License-Identifier: GPL-2.0
/*
 * Test hypervisors outside 64-bit mode, on SVM: an L1 with 32-bit or PAE paging has nested
 * page tables of that format, too, and may have an illegal CR3 or illegal PDPTRs at
 * #VMEXIT.
 *
 * L1 enters L2 in 64-bit mode.  Userspace then restores the vCPU with the registers of
 * another kind of L1, and L2 exits to that L1, in 64-bit mode or without paging.
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

/* L2 runs on this PGD.  L1 does not map the page of this PGD. */
#define L2_PGD			1
#define NR_PGDS			2

#define NR_ROUNDS		4

/* L2's code is in the page of the code of all modes, behind that code. */
#define L2_GPA			(MMU_ROOT_MODE_GPA + 0xf00)

/* mov (%rdx), %rcx; vmmcall */
static const uint8_t l2_look[] = { 0x48, 0x8b, 0x0a, 0x0f, 0x01, 0xd9 };

/* VMMCALL alone, which is the same in any mode. */
#define L2_CALL_GPA		(L2_GPA + 3)

#define NPT_FLAGS		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK | \
				 PT_ACCESSED_MASK | PT_DIRTY_MASK)

/*
 * Number of entries of a page directory with 32-bit paging, and of a PDPT with PAE paging:
 * Intel SDM, "Paging".
 */
#define NR_PDES			1024
#define PDE_SHIFT		22
#define NR_PDPTES		4

/*
 * Offset of the PDPT in its page, and bits of CR3 that are not part of the PDPT's address:
 * AMD APM, "PAE Paging".
 */
#define PDPT_OFFSET		0x420
#define CR3_IGNORED		GENMASK(4, 3)

/* Bit 1 of a PDPTE must be zero. */
#define PDPTE_RESERVED		PT_WRITABLE_MASK

/* The writer vCPU maps the PDPT of the 64-bit nested page tables here. */
#define PDPT_GVA		0x50000000ul

/*
 * Clear the PDPTEs of the library's 64-bit nested page tables, which share their page directories
 * with the PAE tables.  The first PDPTE is in use and must come last: after several writes to a
 * table, KVM zaps its shadow page, with all shadow pages below it.
 */
static void write_pdptes(void)
{
	uint64_t *pdpt = (uint64_t *)PDPT_GVA;
	int i;

	for (i = NR_PDPTES - 1; i >= 0; i--)
		if (pdpt[i])
			WRITE_ONCE(pdpt[i], 0);
	guest_exit();
}

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
	struct kvm_vcpu *writer;
	struct svm_test_data *svm;
	struct kvm_sregs sregs;
};

/*
 * @counts: what an entry and an exit cost with two-dimensional paging
 * @shadow: what they cost with shadow paging
 * @efer: bits of EFER that this L1 sets beside those of its mode
 *
 * Page tables with two or three levels have PAE roots if KVM shadows them, as it does with
 * L1's nested page tables, and with L1's own ones if there is no TDP.  KVM never keeps PAE
 * roots, see fast_pgd_switch(), and looks for them at each load: for one root per present
 * PDPTE with PAE paging, and for four roots with 32-bit paging.
 */
FIXTURE_VARIANT(l1) {
	enum mmu_root_mode mode;
	bool nested_paging;
	struct mmu_root_counts counts;
	struct mmu_root_counts shadow;
	uint64_t efer;
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

/* L1 had EFER.NX in 64-bit mode, too, so KVM shadows its page directories by the same pages. */
FIXTURE_VARIANT_ADD(l1, pae_nested_paging_nx) {
	MODE_PAE, true,
	.counts = { .loads = 1, .found = 3, .hits = 1, .misses = 1, .flushes = 4 },
	.efer = EFER_NX,
};

FIXTURE_VARIANT_ADD(l1, compat_nested_paging) {
	MODE_COMPAT, true,
	.counts = { .hits = 2, .flushes = 4 },
};

/* Map all memory one to one in pages of 4 MiB, except the page that is L2's own. */
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

/* Return the nested page table of @level that maps all memory that L2 uses. */
static uint64_t npt_64bit_table(struct kvm_vm *vm, int level)
{
	uint64_t table = guest_l2_pgd(L2_PGD);
	int i;

	for (i = mmu_roots_pgtable_levels(vm); i > level; i--)
		table = PTE_GET_PA(*(uint64_t *)addr_gpa2hva(vm, table));
	return table;
}

/* PAE paging can use the page directories of 64-bit nested page tables. */
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
		/* L1 runs without CR4.LA57, i.e. with four levels. */
		return npt_64bit_table(vm, PG_LEVEL_1G + 1);
	}
}

/* After the exit, L1 goes on with this state: it runs 32-bit code. */
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

/*
 * After this, L2 is in 64-bit mode, and about to read and then to exit to L1, which the
 * test has replaced.
 */
FIXTURE_SETUP(l1)
{
	struct kvm_nested_state *state;
	struct vmcb *vmcb;
	struct kvm_vm *vm;

	printf("#@ path=" PATH_NAME "%s\n", variant->nested_paging ? "+NPT" : "");
	mmu_roots_require_applicable(!host_cpu_is_intel, "VMX has 64-bit hypervisors only here");
	mmu_root_nested_require(variant->nested_paging);
	vm = mmu_root_path_vm_create(&self->vcpu, l1_enter);
	self->writer = mmu_root_path_vcpu_add(vm, 1, write_pdptes);
	mmu_root_mode_install(self->vcpu);
	memcpy(addr_gpa2hva(vm, L2_GPA), l2_look, sizeof(l2_look));
	virt_map(vm, MMU_ROOT_MODE_GPA, MMU_ROOT_MODE_GPA, 1);
	mmu_root_nested_create(self->vcpu, variant->nested_paging, NR_PGDS);
	if (variant->nested_paging)
		virt_map(vm, PDPT_GVA, npt_64bit_table(vm, PG_LEVEL_1G), 1);
	/*
	 * L1 and L2 have one root each before L1 is replaced, and at most four PAE roots
	 * each after that.
	 */
	mmu_root_nested_open(&self->roots, vm, PATH_NAME, 2 + 2 * NR_PDPTES);
	mmu_root_path_run_for_good(self->vcpu);
	vcpu_run_complete_io(self->vcpu);

	vcpu_sregs_get(self->vcpu, &self->sregs);
	mmu_root_mode_sregs(variant->mode, &self->sregs);
	self->sregs.efer |= EFER_SVME | variant->efer;
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

/*
 * L1 enters L2 by VMRUN, or the vCPU is in L2 already if @rip is given.  L2 exits to L1,
 * and L1 reads a page.
 *
 * Return: the number of the PGD whose page L2 sees.
 */
static uint64_t run_l2_and_l1(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t rip,
			      uint64_t vmcb_gpa)
{
	struct kvm_regs regs;
	uint64_t seen;
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
	seen = regs.rcx;
	vcpu_run_complete_io(vcpu);
	return seen;
}

static void expect_page(struct mmu_roots *roots, uint64_t seen, uint64_t pgd)
{
	mmu_roots_check(roots, seen == pgd, "L2 sees the page of PGD %ld, expected %ld", seen, pgd);
}

/* The vCPU is in L2, and exits. */
static void exit_first(FIXTURE_DATA(l1) * self)
{
	expect_page(&self->roots, run_l2_and_l1(&self->roots, self->vcpu, L2_GPA, 0), L2_PGD);
}

static void enter_and_exit(FIXTURE_DATA(l1) * self, uint64_t pgd)
{
	struct vmcb *vmcb = self->svm->vmcb_hva;
	uint64_t seen;

	vmcb->save.rip = L2_GPA;
	seen = run_l2_and_l1(&self->roots, self->vcpu, 0, self->svm->vmcb_gpa);
	expect_page(&self->roots, seen, pgd);
}

TEST_F(l1, has_its_own_paging_back)
{
	const struct mmu_root_counts *c = mmu_root_nested_pick(&variant->counts,
							       &variant->shadow);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	exit_first(self);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->sregs, "an exit");
	/*
	 * Warm up: all roots must be built, that of the restored L2 included, and all pages
	 * mapped.
	 */
	enter_and_exit(self, L2_PGD);
	enter_and_exit(self, L2_PGD);
	mmu_roots_read(roots, &warm);
	for (i = 0; i < NR_ROUNDS; i++)
		enter_and_exit(self, L2_PGD);
	mmu_roots_read(roots, &storm);
	mmu_roots_expect_storm(roots, &warm, &storm, c, NR_ROUNDS);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->sregs, "VMRUN and an exit");
}

/* Have L1 go on with a bit in CR4 that neither L2 nor KVM has there, and that changes nothing. */
static void set_l1_pge(FIXTURE_DATA(l1) * self)
{
	struct kvm_nested_state *state = mmu_root_nested_state_get(self->vcpu);
	struct vmcb *vmcb = (void *)state->data.svm;

	self->sregs.cr4 |= X86_CR4_PGE;
	vmcb->save.cr4 = self->sregs.cr4;
	vcpu_nested_state_set(self->vcpu, state);
}

/* Put L2, in which the vCPU is, into protected mode without paging, with CR4 clear. */
static void turn_off_paging_of_l2(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	mmu_root_mode_sregs(MODE_UNPAGED, &sregs);
	sregs.efer |= EFER_SVME;
	vcpu_sregs_set(vcpu, &sregs);
}

/*
 * With shadow paging, the CPU pages even if L2 does not, and KVM sets CR4 again when the guest's
 * paging is turned on, as it is by the exit from this L2.  That must be L1's CR4, not L2's.
 */
TEST_F(l1, has_its_cr4_back_from_an_unpaged_l2)
{
	struct mmu_roots *roots = &self->roots;
	struct kvm_regs regs;
	uint32_t sum;

	set_l1_pge(self);
	turn_off_paging_of_l2(self->vcpu);
	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	vcpu_regs_get(self->vcpu, &regs);
	regs.rip = L2_CALL_GPA;
	vcpu_regs_set(self->vcpu, &regs);
	sum = mmu_root_mode_run(self->vcpu, 1);
	mmu_root_mode_check_sum(roots, sum, 1, false, false);
	vcpu_run_complete_io(self->vcpu);
	mmu_root_l1_expect_regs(roots, self->vcpu, &self->sregs, "an exit of L2 without paging");
}

/*
 * KVM has shadowed the page directories as lower tables of the 64-bit L1, and the PAE L1 has the
 * same shadow pages as roots.  When another vCPU clears the entries above them, KVM must keep the
 * roots, because roots need no parent.
 */
TEST_F(l1, keeps_roots_that_were_tables)
{
	struct mmu_roots_snapshot warm, orphaned, after;
	struct mmu_roots *roots = &self->roots;

	mmu_roots_require_applicable(variant->efer & EFER_NX,
				     "a table of this L1 cannot become a root of it");
	exit_first(self);
	enter_and_exit(self, L2_PGD);
	mmu_roots_read(roots, &warm);
	mmu_root_path_run_for_good(self->writer);
	mmu_roots_read(roots, &orphaned);
	enter_and_exit(self, L2_PGD);
	mmu_roots_read(roots, &after);

	mmu_roots_expect_growth(roots, &warm, &orphaned, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_expect_growth(roots, &warm, &after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_no_refault(roots, &orphaned, &after);
}

/* Write an entry of a nested page table. */
static void set_npte(struct kvm_vm *vm, uint64_t table, unsigned int index, uint64_t entry)
{
	((uint64_t *)addr_gpa2hva(vm, table))[index] = entry | NPT_FLAGS;
}

static unsigned int index_of(uint64_t gpa, int level)
{
	return (gpa >> PG_LEVEL_SHIFT(level)) & 0x1ff;
}

/*
 * Create nested page tables that translate with four levels, and with five.  With four levels, each
 * table is one of a lower level than with five: what is a PDPT with five levels is a page directory
 * with four, and maps all memory that L2 uses by one page of 1 GiB, or by pages of 2 MiB.  L2 sees
 * the page of L2_PGD with four levels, and that of PGD 0 with five.
 *
 *   levels   top  ->  low  ->  wide  ->  mid   ->  last5
 *   five     PML5     PML4     PDPT      PD        PT       the page of PGD 0
 *   four     PML4     PDPT     PD        PT        (a page that L2 does not use)
 *   four              low  ->  high  ->  last4
 *                     PDPT     PD        PT                 the page of L2_PGD
 */
static uint64_t npt_of_any_levels_create(struct kvm_vm *vm)
{
	uint64_t top = vm_alloc_page_table(vm), low = vm_alloc_page_table(vm);
	uint64_t wide = vm_alloc_page_table(vm), mid = vm_alloc_page_table(vm);
	uint64_t high = vm_alloc_page_table(vm);
	uint64_t last4 = vm_alloc_page_table(vm), last5 = vm_alloc_page_table(vm);
	/* The entry of the PDPT that is for MMU_ROOT_OWN_PAGE, with either number of levels. */
	unsigned int own = index_of(MMU_ROOT_OWN_PAGE, PG_LEVEL_1G), i;

	set_npte(vm, top, 0, low);
	set_npte(vm, low, 0, wide);
	for (i = 0; i < PAGE_SIZE / sizeof(uint64_t); i++) {
		set_npte(vm, wide, i, i * PG_SIZE_2M | PT_PAGE_SIZE_MASK);
		set_npte(vm, mid, i, own * PG_SIZE_2M + i * PAGE_SIZE);
	}
	set_npte(vm, wide, own, mid);
	set_npte(vm, mid, index_of(MMU_ROOT_OWN_PAGE, PG_LEVEL_2M), last5);
	set_npte(vm, last5, index_of(MMU_ROOT_OWN_PAGE, PG_LEVEL_4K),
		 PTE_GET_PA(mmu_root_nested_own_entry(vm, 0)));

	set_npte(vm, low, own, high);
	set_npte(vm, high, index_of(MMU_ROOT_OWN_PAGE, PG_LEVEL_2M), last4);
	set_npte(vm, last4, index_of(MMU_ROOT_OWN_PAGE, PG_LEVEL_4K),
		 PTE_GET_PA(mmu_root_nested_own_entry(vm, L2_PGD)));
	return top;
}

/* Have L1 go on in IA-32e mode with CR4.LA57 clear or set, and keep its nested CR3. */
static void set_levels(FIXTURE_DATA(l1) * self, bool five)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(self->vcpu, &sregs);
	mmu_root_mode_sregs(five ? MODE_COMPAT_LA57 : MODE_COMPAT, &sregs);
	sregs.efer |= EFER_SVME;
	vcpu_sregs_set(self->vcpu, &sregs);
}

/*
 * NPT has as many levels as L1's own page tables.  KVM's root for either number is at the address
 * of the same table, and has five levels if the host has: KVM must not take one for the other
 * (before 84e5ffd045f3, KVM did).
 */
TEST_F(l1, changes_the_levels_of_a_nested_cr3)
{
	struct mmu_roots_snapshot snap;
	int i;

	mmu_roots_require_applicable(variant->mode == MODE_COMPAT && variant->nested_paging,
				     "this L1 has no NPT whose levels CR4.LA57 changes");
	mmu_roots_require_applicable(mmu_root_host_has_five_levels(),
				     "the host's page tables, and so KVM's NPT, have four levels");
	mmu_roots_require_applicable(kvm_cpu_has(X86_FEATURE_GBPAGES),
				     "the CPU has no pages of 1 GiB");
	exit_first(self);
	((struct vmcb *)self->svm->vmcb_hva)->control.nested_cr3 =
		npt_of_any_levels_create(self->roots.vm);
	for (i = 0; i < NR_ROUNDS; i++) {
		bool five = i % 2;

		set_levels(self, five);
		enter_and_exit(self, five ? 0 : L2_PGD);
		enter_and_exit(self, five ? 0 : L2_PGD);
		mmu_roots_read(&self->roots, &snap);
	}
}

/* A CPU that cannot load the state of its host shuts down: AMD APM, "#VMEXIT". */
static void expect_shutdown(FIXTURE_DATA(l1) * self, const char *what)
{
	struct kvm_regs regs;

	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	vcpu_regs_get(self->vcpu, &regs);
	regs.rip = L2_GPA;
	regs.rdx = MMU_ROOT_OWN_PAGE;
	/* If L1 runs nevertheless, it leaves for userspace after one read. */
	regs.rbp = 1;
	vcpu_regs_set(self->vcpu, &regs);
	mmu_root_expect_exit(&self->roots, self->vcpu, KVM_EXIT_SHUTDOWN, what);
	mmu_roots_check(&self->roots, !mmu_root_is_in_l2(self->vcpu), "%s: the vCPU is in L2",
			what);
}

TEST_F(l1, shuts_down_if_its_pdptrs_are_illegal)
{
	mmu_roots_require_applicable(variant->mode == MODE_PAE, "only PAE paging has PDPTRs");
	*(uint64_t *)addr_gpa2hva(self->roots.vm, MMU_ROOT_MODE_PDPTE(1)) |= PDPTE_RESERVED;
	expect_shutdown(self, "an exit to illegal PDPTRs");
}

/* VMRUN does not check the CR3 of an L1 outside IA-32e mode, and neither does KVM. */
TEST_F(l1, shuts_down_if_its_cr3_is_illegal)
{
	struct kvm_nested_state *state = mmu_root_nested_state_get(self->vcpu);
	struct vmcb *vmcb = (void *)state->data.svm;
	int ret;

	vmcb->save.cr3 |= mmu_root_gpa_limit();
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
