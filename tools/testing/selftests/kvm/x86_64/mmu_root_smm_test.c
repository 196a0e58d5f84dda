// SPDX-License-Identifier: GPL-2.0
/*
 * SMM with all that can happen to a vCPU there: asynchronous SMIs, memory that exists in SMM
 * only, a handler that turns on paging, an INIT that arrives in SMM, accesses that KVM
 * emulates, and huge pages that KVM recovers while roots of SMM exist.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"

#define NR_OPS			40

/* The root of normal mode maps all of the data after as many, see guest_path_storm(). */
#define NR_WARM_OPS		MMU_ROOT_DATA_PAGES

#define BSP_ID			0
#define OTHER_ID		1

/* As for PATH_SMM: two resets on entry and four on RSM, with a load after each of the two. */
#define RESETS_OF_RSM		4
#define RESETS_PER_SMI		(2 + RESETS_OF_RSM)
#define LOADS_PER_SMI		2

/* Count the SMI, and exit to userspace while in SMM. */
static const uint8_t handler_exits[] = {
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x90,	/* incl %cs:MMU_ROOT_SMI_COUNT_OFFSET */
	0xe4, MMU_ROOT_EXIT_PORT,		/* inb $MMU_ROOT_EXIT_PORT, %al */
	0x0f, 0xaa,				/* rsm */
};

/* Count the SMI by an instruction that KVM emulates. */
static const uint8_t handler_emulated[] = {
	0x0f, 0x0b, 'k', 'v', 'm',		/* KVM_FEP */
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x90,	/* incl %cs:MMU_ROOT_SMI_COUNT_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

/* Count the SMI, and load CR3 with the address of a page that is not a page table. */
static const uint8_t handler_has_cr3[] = {
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x90,	/* incl %cs:MMU_ROOT_SMI_COUNT_OFFSET */
	0x66, 0xb8, 0x00, 0x00, 0x00, MMU_ROOT_SMRAM_GPA >> 24,
						/* movl $MMU_ROOT_SMRAM_GPA, %eax */
	0x0f, 0x22, 0xd8,			/* movl %eax, %cr3 */
	0x0f, 0xaa,				/* rsm */
};

/*
 * Turn on long mode, with page tables in SMRAM, and count the SMI: RSM has to turn all of
 * this off before it restores the guest's registers.
 */
#define HANDLER_PAGES_OFFSET	0xa000
#define HANDLER_PML4		(MMU_ROOT_SMRAM_GPA + HANDLER_PAGES_OFFSET)

static const uint8_t handler_has_paging[] = {
	0x66, 0xb8, 0x00, HANDLER_PAGES_OFFSET >> 8, 0x00, MMU_ROOT_SMRAM_GPA >> 24,
						/* movl $HANDLER_PML4, %eax */
	0x0f, 0x22, 0xd8,			/* movl %eax, %cr3 */
	0x66, 0xb8, X86_CR4_PAE, 0x00, 0x00, 0x00,
						/* movl $X86_CR4_PAE, %eax: CR4 is 0 in SMM */
	0x0f, 0x22, 0xe0,			/* movl %eax, %cr4 */
	0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0,	/* movl $MSR_EFER, %ecx */
	0x66, 0xb8, 0x00, EFER_LME >> 8, 0x00, 0x00,
						/* movl $EFER_LME, %eax */
	0x66, 0x31, 0xd2,			/* xorl %edx, %edx */
	0x0f, 0x30,				/* wrmsr */
	0x0f, 0x20, 0xc0,			/* movl %cr0, %eax */
	0x66, 0x0d, X86_CR0_PE, 0x00, 0x00, X86_CR0_PG >> 24,
						/* orl $X86_CR0_PG | X86_CR0_PE, %eax */
	0x0f, 0x22, 0xc0,			/* movl %eax, %cr0 */
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x90,	/* incl %cs:MMU_ROOT_SMI_COUNT_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

static void smi(struct kvm_vcpu *vcpu)
{
	vcpu_ioctl(vcpu, KVM_SMI, NULL);
}

FIXTURE(smm) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(smm)
{
	printf("#@ path=KVM_SMI\n");
	mmu_root_path_require(PATH_SMM);
	mmu_roots_pin();
	self->vm = mmu_root_path_vm_create(&self->vcpu, guest_touch_and_sync);
	mmu_roots_open(&self->roots, self->vm, "KVM_SMI");
}

FIXTURE_TEARDOWN(smm)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

TEST_F(smm, ioctl_costs_what_a_self_smi_costs)
{
	struct mmu_root_counts counts = mmu_root_path_counts(PATH_SMM);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	int i;

	for (i = 0; i < NR_WARM_OPS + NR_OPS; i++) {
		if (i == NR_WARM_OPS)
			mmu_roots_read(roots, &warm);
		smi(self->vcpu);
		mmu_root_path_sync(self->vcpu);
	}
	mmu_roots_read(roots, &storm);

	mmu_roots_report("KVM_SMI", NR_OPS, &warm, &storm);
	/* KVM loads the root of normal mode only once per SMI, after RSM. */
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts.roots);
	mmu_roots_check(roots, mmu_root_path_nr_smis(self->vm) == NR_WARM_OPS + NR_OPS,
			"%lu SMIs handled, expected %u",
			mmu_root_path_nr_smis(self->vm), NR_WARM_OPS + NR_OPS);
}

/* RSM must restore CR3 even if the handler has changed CR3. */
TEST_F(smm, cr3_of_the_handler_is_gone_after_rsm)
{
	struct mmu_roots *roots = &self->roots;
	struct kvm_sregs before, after;
	int i;

	kvm_static_assert((MMU_ROOT_SMRAM_GPA & GENMASK(23, 0)) == 0);
	mmu_root_path_set_smi_handler(handler_has_cr3, sizeof(handler_has_cr3));
	mmu_root_path_sync(self->vcpu);
	vcpu_sregs_get(self->vcpu, &before);
	for (i = 0; i < NR_OPS; i++) {
		smi(self->vcpu);
		mmu_root_path_sync(self->vcpu);
		vcpu_sregs_get(self->vcpu, &after);
		mmu_roots_check(roots, after.cr3 == before.cr3,
				"CR3 is %#llx after RSM, expected %#llx", after.cr3, before.cr3);
	}
	mmu_roots_check(roots, mmu_root_path_nr_smis(self->vm) == NR_OPS,
			"%lu SMIs handled, expected %u", mmu_root_path_nr_smis(self->vm), NR_OPS);
}

/* Create a PML4, a PDPT, and a PD which maps SMRAM where it is. */
static void create_page_tables_of_smm(void)
{
	uint64_t *table = mmu_root_path_smram(true) + HANDLER_PAGES_OFFSET;
	const uint64_t per_table = PAGE_SIZE / sizeof(*table);
	const uint64_t flags = PT_PRESENT_MASK | PT_WRITABLE_MASK;
	int i;

	memset(table, 0, 3 * PAGE_SIZE);
	for (i = 0; i < 2; i++)
		table[i * per_table] = (HANDLER_PML4 + (i + 1) * PAGE_SIZE) | flags;
	table[2 * per_table + MMU_ROOT_SMRAM_GPA / PG_SIZE_2M] =
		MMU_ROOT_SMRAM_GPA | flags | PT_PAGE_SIZE_MASK;
}

/*
 * The handler sets CR4.PAE, EFER.LME and CR0.PG: KVM resets the MMU for each, and loads a root
 * at the VM-Entry that follows.  RSM clears these bits before it restores the guest's registers,
 * with one reset each.  RSM also restores CR3: a PGD switch that misses, as the vCPU has no root
 * left.  Setting CR4.PAE flushes.  The other flushes that RSM requests here merge with those that
 * RSM always requests.
 */
#define RESETS_OF_MODE		3

static const struct mmu_root_counts paging_tdp = {
	.resets = RESETS_PER_SMI + 2 * RESETS_OF_MODE, .loads = LOADS_PER_SMI + RESETS_OF_MODE,
	.found = LOADS_PER_SMI + RESETS_OF_MODE, .misses = 1, .roots = 2, .flushes = 6,
};

/*
 * With shadow paging, the handler's write of CR3 takes a PGD switch and a load of its own.  There
 * are four PAE roots until paging is on, and then the root of SMM's page tables.  The handler's
 * write of CR3 flushes as well.  So does clearing CR0.PG, because RSM otherwise requests
 * TLB_FLUSH_CURRENT only.
 */
static const struct mmu_root_counts paging_shadow = {
	.resets = RESETS_PER_SMI + 2 * RESETS_OF_MODE, .loads = LOADS_PER_SMI + RESETS_OF_MODE + 1,
	.found = 4 * 4 + 1 + 1, .misses = 2, .roots = 4 + 1 + 1, .flushes = 8,
};

TEST_F(smm, handler_turns_on_paging)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	struct kvm_sregs before, after;
	int i;

	printf("#@ path=SMI+RSM-paging\n");
	kvm_static_assert((MMU_ROOT_SMRAM_GPA & GENMASK(23, 0)) == 0);
	mmu_roots_require_applicable(!mmu_root_smm_is_emulated(),
				     "KVM emulates all code in SMM, without entries in between");
	create_page_tables_of_smm();
	mmu_root_path_set_smi_handler(handler_has_paging, sizeof(handler_has_paging));
	mmu_root_path_sync(self->vcpu);
	vcpu_sregs_get(self->vcpu, &before);
	for (i = 0; i < NR_WARM_OPS + NR_OPS; i++) {
		if (i == NR_WARM_OPS)
			mmu_roots_read(roots, &warm);
		smi(self->vcpu);
		mmu_root_path_sync(self->vcpu);
	}
	mmu_roots_read(roots, &storm);
	vcpu_sregs_get(self->vcpu, &after);

	mmu_roots_report("SMI+RSM-paging", NR_OPS, &warm, &storm);
	mmu_roots_expect_storm(roots, &warm, &storm,
			       kvm_is_tdp_enabled() ? &paging_tdp : &paging_shadow, NR_OPS);
	mmu_roots_check(roots, after.cr0 == before.cr0 && after.cr3 == before.cr3 &&
			after.cr4 == before.cr4 && after.efer == before.efer,
			"RSM left CR0 %llx, CR3 %llx, CR4 %llx, EFER %llx, expected %llx, %llx, %llx, %llx",
			after.cr0, after.cr3, after.cr4, after.efer,
			before.cr0, before.cr3, before.cr4, before.efer);
	mmu_roots_check(roots, mmu_root_path_nr_smis(self->vm) == NR_WARM_OPS + NR_OPS,
			"%lu SMIs handled, expected %u",
			mmu_root_path_nr_smis(self->vm), NR_WARM_OPS + NR_OPS);
}

#define TAG_NORMAL		0x6e6f726d
#define TAG_SMM			0x736d6d00

/* Outside of SMM, the guest must find its own memory at SMRAM's address, not SMM's memory. */
static void guest_tag(void)
{
	uint64_t *word = (uint64_t *)MMU_ROOT_SMRAM_GPA;
	uint64_t i;

	guest_path_init(PATH_SMM);
	GUEST_SYNC(0);
	for (i = 0; i < NR_OPS; i++) {
		GUEST_ASSERT_EQ(READ_ONCE(*word), TAG_NORMAL + i);
		mmu_root_paths[PATH_SMM].guest_op(NULL);
		GUEST_ASSERT_EQ(READ_ONCE(*word), TAG_NORMAL + i);
		WRITE_ONCE(*word, TAG_NORMAL + i + 1);
	}
	GUEST_SYNC(1);
}

TEST(memory_of_smm_is_seen_in_smm_only)
{
	uint64_t *normal, *smm;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	printf("#@ path=KVM_SMI\n");
	mmu_root_path_require(PATH_SMM);
	vm = mmu_root_path_vm_create(&vcpu, guest_tag);
	virt_map(vm, MMU_ROOT_SMRAM_GPA, MMU_ROOT_SMRAM_GPA, MMU_ROOT_SMRAM_PAGES);
	mmu_roots_open(&roots, vm, "SMRAM");
	normal = mmu_root_path_smram(false);
	smm = mmu_root_path_smram(true);
	*normal = TAG_NORMAL;
	*smm = TAG_SMM;

	mmu_root_path_sync(vcpu);
	mmu_root_path_sync(vcpu);
	mmu_roots_check(&roots, *normal == TAG_NORMAL + NR_OPS,
			"normal memory begins with %#lx, expected %#x",
			*normal, TAG_NORMAL + NR_OPS);
	mmu_roots_check(&roots, *smm == TAG_SMM, "SMRAM begins with %#lx, expected %#x",
			*smm, TAG_SMM);
	/* guest_path_init() operates the path twice. */
	mmu_roots_check(&roots, mmu_root_path_nr_smis(vm) == 2 + NR_OPS,
			"%lu SMIs handled, expected %u", mmu_root_path_nr_smis(vm), 2 + NR_OPS);
	mmu_roots_vm_free(&roots);
}

/* The host sets this to stop the guest. */
static uint64_t stop_guest;

static void guest_busy(void)
{
	uint64_t i;

	guest_path_init(PATH_NULL_EXIT);
	x2apic_enable();
	GUEST_SYNC(0);
	for (i = 0; !READ_ONCE(stop_guest); i++)
		guest_touch_data(i);
	GUEST_SYNC(guest_checksum_data());
}

static void *smi_thread(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	unsigned int seed = 1;
	int i;

	/* Some SMIs come in bursts: KVM merges those that come faster than they are handled. */
	for (i = 0; i < NR_OPS; i++) {
		mmu_root_path_send_smi(vcpu->vm, vcpu->id);
		usleep(rand_r(&seed) % 3 * 500);
	}
	stop_guest = 1;
	sync_global_to_guest(vcpu->vm, stop_guest);
	return NULL;
}

TEST(asynchronous_smis)
{
	struct mmu_roots_snapshot before, after;
	uint64_t nr_smis, resets, loads;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	struct ucall uc;

	printf("#@ path=SMI-async counts=vary\n");
	mmu_root_path_require(PATH_SMM);
	mmu_root_path_vm_create(&vcpu, guest_busy);
	mmu_roots_open(&roots, vcpu->vm, "asynchronous SMIs");
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &before);

	TEST_ASSERT(!pthread_create(&thread, NULL, smi_thread, vcpu), "thread");
	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	pthread_join(thread, NULL);
	mmu_roots_check(&roots, uc.args[1] == mmu_root_path_checksum(vcpu->vm),
			"the guest sees other data than the host");
	mmu_roots_read(&roots, &after);

	nr_smis = mmu_root_path_nr_smis(vcpu->vm);
	resets = after.stat[MMU_RESET] - before.stat[MMU_RESET];
	loads = after.stat[MMU_ROOT_LOAD] - before.stat[MMU_ROOT_LOAD];
	mmu_roots_report("SMI-async", nr_smis, &before, &after);
	mmu_roots_check(&roots, nr_smis > 0 && nr_smis <= NR_OPS,
			"%lu SMIs handled of %u", nr_smis, NR_OPS);
	mmu_roots_check(&roots, resets == RESETS_PER_SMI * nr_smis,
			"mmu_reset grew by %lu, expected %lu for %lu SMIs",
			resets, RESETS_PER_SMI * nr_smis, nr_smis);
	/*
	 * If another SMI is pending at RSM, KVM takes that SMI before it looks for the
	 * root of normal mode.
	 */
	mmu_roots_check(&roots, loads > nr_smis && loads <= LOADS_PER_SMI * nr_smis,
			"mmu_root_load grew by %lu, expected more than %lu, up to %lu",
			loads, nr_smis, LOADS_PER_SMI * nr_smis);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_ALLOC,
				mmu_root_path_counts(PATH_SMM).roots - 1);
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_vm_free(&roots);
}

static void guest_send_init(void)
{
	x2apic_enable();
	GUEST_SYNC(0);
	x2apic_write_reg(APIC_ICR, (uint64_t)BSP_ID << 32 | APIC_INT_ASSERT | APIC_DM_INIT);
	GUEST_SYNC(0);
}

static void expect_smm(struct mmu_roots *roots, struct kvm_vcpu *vcpu, bool smm, bool latched)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	mmu_roots_check(roots, !!events.smi.smm == smm && !!events.smi.latched_init == latched,
			"in SMM: %u, INIT latched: %u, expected %u and %u",
			events.smi.smm, events.smi.latched_init, smm, latched);
}

/*
 * KVM must delay INIT until RSM.  The bootstrap processor then goes on at the reset
 * vector, where there is no code: how it exits from there does not matter.
 */
TEST(init_is_latched_in_smm)
{
	struct mmu_roots_snapshot in_smm, latched, after;
	struct kvm_vcpu *bsp, *other;
	struct kvm_mp_state mp_state;
	struct mmu_roots roots;
	struct kvm_sregs sregs;
	struct kvm_vm *vm;

	printf("#@ path=INIT-in-SMM\n");
	mmu_root_path_require(PATH_SMM);
	vm = mmu_root_path_vm_create(&bsp, guest_touch_and_sync);
	other = mmu_root_path_vcpu_add(vm, OTHER_ID, guest_send_init);
	mmu_root_path_set_smi_handler(handler_exits, sizeof(handler_exits));
	mmu_roots_open(&roots, vm, "INIT-in-SMM");

	mmu_root_path_sync(other);
	mmu_root_path_sync(bsp);
	smi(bsp);
	mmu_root_path_run_for_good(bsp);
	expect_smm(&roots, bsp, true, false);
	mmu_roots_read(&roots, &in_smm);

	mmu_root_path_sync(other);
	/* KVM processes a pending INIT on KVM_GET_MP_STATE, unless INIT has to wait. */
	vcpu_mp_state_get(bsp, &mp_state);
	expect_smm(&roots, bsp, true, true);
	mmu_roots_read(&roots, &latched);
	mmu_roots_expect_growth(&roots, &in_smm, &latched, MMU_RESET, 0);

	__vcpu_run(bsp);
	mmu_roots_read(&roots, &after);
	expect_smm(&roots, bsp, false, false);
	vcpu_sregs_get(bsp, &sregs);
	mmu_roots_check(&roots, !(sregs.cr0 & (X86_CR0_PE | X86_CR0_PG)) && !sregs.cr4 &&
			!sregs.efer, "INIT left CR0 %#llx, CR4 %#llx, EFER %#llx",
			sregs.cr0, sregs.cr4, sregs.efer);
	mmu_roots_report("INIT-in-SMM", 1, &latched, &after);
	mmu_roots_expect_growth(&roots, &latched, &after, MMU_RESET, RESETS_OF_RSM + 1);
	/* INIT follows RSM without a VM-Entry in between, so one load serves both. */
	mmu_roots_expect_growth(&roots, &latched, &after, MMU_ROOT_LOAD, 1);
	mmu_roots_check(&roots, mmu_root_path_nr_smis(vm) == 1, "%lu SMIs handled, expected 1",
			mmu_root_path_nr_smis(vm));
	mmu_roots_vm_free(&roots);
}

#define USER_PAGE		0
#define READ_INSN		"cmpl $0, (%[addr])"

/* With SMAP, the CPU and KVM's emulator must both refuse to read USER_PAGE after RSM. */
static void guest_smap(void)
{
	uint64_t cr4 = guest_initial_cr4;
	uint64_t error_code;
	uint8_t vector;
	int i;

	guest_path_init(PATH_SMM);
	guest_flip_cr4(&cr4, X86_CR4_SMAP);
	for (i = 0; i < NR_OPS; i++) {
		mmu_root_paths[PATH_SMM].guest_op(NULL);
		GUEST_ASSERT_EQ(kvm_asm_safe(READ_INSN, [addr] "r" (MMU_ROOT_DATA_GVA)),
				PF_VECTOR);
		asm volatile(KVM_ASM_SAFE_FEP(READ_INSN)
			     : KVM_ASM_SAFE_OUTPUTS(vector, error_code)
			     : [addr] "r" ((uint64_t)MMU_ROOT_DATA_GVA)
			     : KVM_ASM_SAFE_CLOBBERS, "memory");
		GUEST_ASSERT_EQ(vector, PF_VECTOR);
	}
	GUEST_SYNC(0);
}

/* KVM's emulator must use no paging in SMM, and the guest's paging after RSM. */
TEST(emulated_accesses_in_smm_and_after_rsm)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	printf("#@ path=KVM_SMI\n");
	mmu_root_path_require(PATH_SMM);
	mmu_root_path_require(PATH_CR4_SMAP);
	mmu_roots_force_emulation();
	vm = mmu_root_path_vm_create(&vcpu, guest_smap);
	mmu_root_path_pte(vm, USER_PAGE, PT_USER_MASK, 0, 0);
	/* The prefix has an effect on a CPU only, which raises #UD. */
	if (!mmu_root_smm_is_emulated())
		mmu_root_path_set_smi_handler(handler_emulated, sizeof(handler_emulated));
	mmu_roots_open(&roots, vm, "SMM emulated");
	mmu_root_path_sync(vcpu);
	mmu_root_params_restore();
	mmu_roots_check(&roots, mmu_root_path_nr_smis(vm) == 2 + NR_OPS,
			"%lu SMIs handled, expected %u", mmu_root_path_nr_smis(vm), 2 + NR_OPS);
	mmu_roots_vm_free(&roots);
}

/* A memslot that exists in SMM only: one huge page, which holds the SMI handler. */
#define HUGE_SMM_SLOT		0x10005
#define HUGE_PAGE_SIZE		(2ul << 20)
#define HUGE_GPA		(16 * HUGE_PAGE_SIZE)
#define LOGGED_SLOT		6
#define LOGGED_GPA		0x50000000ul

/* How often KVM looks for huge pages to recover, and how long the test waits at most. */
#define RECOVERY_PERIOD_MS	"20"
#define RECOVERY_TRIES		500
#define RECOVERY_STEP_US	20000

static void *alloc_huge_page(void)
{
	void *mem = mmap(NULL, 2 * HUGE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *huge = (void *)(((uintptr_t)mem + HUGE_PAGE_SIZE - 1) & -HUGE_PAGE_SIZE);

	TEST_ASSERT(mem != MAP_FAILED, "mmap() a huge page");
	TEST_ASSERT(!madvise(huge, HUGE_PAGE_SIZE, MADV_HUGEPAGE), "MADV_HUGEPAGE");
	memset(huge, 0, HUGE_PAGE_SIZE);
	return huge;
}

static uint64_t splits(struct mmu_roots *roots)
{
	uint64_t val = 0;
	int ret = mmu_roots_read_debugfs(roots, "nx_lpage_splits", &val);

	mmu_roots_check(roots, !ret, "cannot read nx_lpage_splits");
	return val;
}

/*
 * If any memslot has a dirty log, KVM's recovery worker looks up the memslot of each huge
 * page that KVM has split.  The worker must do so in the address space of the page, which is
 * SMM's here; before 817fa998362d the worker always took the one of normal mode.
 */
TEST(huge_pages_are_recovered_while_roots_of_smm_live)
{
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int tries = RECOVERY_TRIES;
	uint8_t *huge;

	printf("#@ path=KVM_SMI\n");
	mmu_root_path_require(PATH_SMM);
	mmu_roots_require_applicable(!mmu_root_smm_is_emulated(),
				     "KVM emulates all code in SMM, and maps none of it");
	__TEST_REQUIRE(thp_configured(), "no transparent huge pages: CONFIG_TRANSPARENT_HUGEPAGE");
	mmu_root_param_set("nx_huge_pages", "force");
	mmu_root_param_set("nx_huge_pages_recovery_ratio", "0");

	vm = mmu_root_path_vm_create(&vcpu, guest_touch_and_sync);
	huge = alloc_huge_page();
	vm_set_user_memory_region(vm, HUGE_SMM_SLOT, 0, HUGE_GPA, HUGE_PAGE_SIZE, huge);
	/* With SMBASE there, the handler runs in the huge page, and is the only code in it. */
	memcpy(huge + 0x8000, mmu_root_path_smram(true) + 0x8000, PAGE_SIZE);
	vcpu_set_msr(vcpu, MSR_IA32_SMBASE, HUGE_GPA);
	mmu_roots_open(&roots, vm, "NX huge pages");
	vm_set_user_memory_region(vm, LOGGED_SLOT, KVM_MEM_LOG_DIRTY_PAGES, LOGGED_GPA,
				  HUGE_PAGE_SIZE, alloc_huge_page());

	smi(vcpu);
	mmu_root_path_sync(vcpu);
	mmu_roots_check(&roots, *(uint32_t *)(huge + MMU_ROOT_SMI_COUNT_OFFSET) == 1,
			"the SMI was not handled in the huge page");
	mmu_roots_check(&roots, splits(&roots) > 0, "SMM's code did not split the huge page");
	mmu_root_param_set("nx_huge_pages_recovery_period_ms", RECOVERY_PERIOD_MS);
	mmu_root_param_set("nx_huge_pages_recovery_ratio", "1");
	while (splits(&roots) && --tries)
		usleep(RECOVERY_STEP_US);
	mmu_roots_check(&roots, tries, "the huge page was not recovered");

	smi(vcpu);
	mmu_root_path_sync(vcpu);
	mmu_roots_check(&roots, *(uint32_t *)(huge + MMU_ROOT_SMI_COUNT_OFFSET) == 2,
			"the second SMI was not handled in the huge page");
	mmu_root_params_restore();
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
