// SPDX-License-Identifier: GPL-2.0
/*
 * What a guest in 64-bit mode sees of its memory in SMM, and outside.
 *
 * Userspace takes a vCPU to SMM and back by KVM_SET_VCPU_EVENTS, as live migration
 * does, and changes none of its registers.  So the same code reads the same addresses,
 * some of which are other memory in SMM, or memory in SMM only.  The root must follow
 * the mode, and so must all that KVM looks up by itself: the guest's page tables, the
 * cached address of MMIO, dirty logs, and memslots that userspace deletes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"

/* An even number of changes leaves the vCPU outside of SMM. */
#define NR_OPS			40
#define NR_WARM_OPS		4

/* Userspace reads two logs with the written root in use, and two with the root not in use. */
#define NR_LOGS			4

/* Normal mode and SMM have a root each. */
#define NR_MODES		2

#define SMM_AS_ID		1
#define SLOT_OF_SMM(slot)	(SMM_AS_ID << 16 | (slot))

/* This memslot of mmu_root_path_vm_create() has other memory in SMM than outside. */
#define SMRAM_SLOT		1
#define SMRAM_PAGES		(MMU_ROOT_PATH_VCPUS * MMU_ROOT_SMRAM_PAGES)

/* This memslot exists in SMM only: a page of data, and a PGD. */
#define HIDDEN_SLOT		3
#define HIDDEN_GPA		0x60000000ul
#define HIDDEN_GVA		HIDDEN_GPA
#define HIDDEN_PAGES		2
#define HIDDEN_SIZE		(HIDDEN_PAGES * PAGE_SIZE)
#define HIDDEN_PGD_GPA		(HIDDEN_GPA + PAGE_SIZE)

#define TAG_NORMAL		0x6e6f726d
#define TAG_SMM			0x736d6d00
#define TAG_HIDDEN		0x68696464
#define TAG_MMIO		0x6d6d696f

/* The host sets where the guest looks, whether KVM emulates that, and what the guest writes. */
static uint64_t *look_at;
static uint64_t look_emulated;
static uint64_t tag_to_write;

static void guest_look(void)
{
	uint64_t seen;

	guest_path_init(PATH_NULL_EXIT);
	GUEST_SYNC(0);
	for (;;) {
		if (tag_to_write)
			WRITE_ONCE(*look_at, tag_to_write);
		if (look_emulated)
			asm volatile(KVM_FEP "mov (%1), %0"
				     : "=a" (seen) : "b" (look_at) : "memory");
		else
			seen = READ_ONCE(*look_at);
		GUEST_SYNC(seen);
	}
}

static void set_slot_of_smm(struct kvm_vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
			    uint64_t size, void *hva)
{
	vm_set_user_memory_region(vm, SLOT_OF_SMM(slot), flags, gpa, size, hva);
}

/* Give SMM the same memory as normal mode, for all that the guest runs on. */
static void share_with_smm(struct kvm_vm *vm)
{
	struct userspace_mem_region *region;
	int bucket;

	hash_for_each(vm->regions.slot_hash, bucket, region, slot_node)
		set_slot_of_smm(vm, region->region.slot, 0, region->region.guest_phys_addr,
				region->region.memory_size,
				(void *)region->region.userspace_addr);
}

static void *hidden_memory(uint64_t tag)
{
	void *hva = mmap(NULL, HIDDEN_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	TEST_ASSERT(hva != MAP_FAILED, "mmap() of %u pages", HIDDEN_PAGES);
	*(uint64_t *)hva = tag;
	return hva;
}

static struct kvm_vm *create_vm(struct kvm_vcpu **vcpu)
{
	void *hidden = hidden_memory(TAG_HIDDEN);
	struct kvm_vm *vm;

	printf("#@ path=SMM-memory\n");
	mmu_root_path_require(PATH_SMM);
	mmu_roots_pin();
	vm = mmu_root_path_vm_create(vcpu, guest_look);
	share_with_smm(vm);
	set_slot_of_smm(vm, HIDDEN_SLOT, 0, HIDDEN_GPA, HIDDEN_SIZE, hidden);
	virt_map(vm, MMU_ROOT_SMRAM_GPA, MMU_ROOT_SMRAM_GPA, SMRAM_PAGES);
	virt_map(vm, HIDDEN_GVA, HIDDEN_GPA, HIDDEN_PAGES);
	memcpy(hidden + PAGE_SIZE, addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	*(uint64_t *)mmu_root_path_smram(false) = TAG_NORMAL;
	*(uint64_t *)mmu_root_path_smram(true) = TAG_SMM;
	return vm;
}

FIXTURE(smm_memory) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_SETUP(smm_memory)
{
	self->vm = create_vm(&self->vcpu);
	mmu_roots_open(&self->roots, self->vm, "SMM-memory");
	mmu_root_path_sync(self->vcpu);
}

FIXTURE_TEARDOWN(smm_memory)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

static void have_guest_look(struct kvm_vm *vm, uint64_t gva, bool emulated)
{
	look_at = (uint64_t *)gva;
	look_emulated = emulated;
	sync_global_to_guest(vm, look_at);
	sync_global_to_guest(vm, look_emulated);
}

static void have_guest_write(struct kvm_vm *vm, uint64_t tag)
{
	tag_to_write = tag;
	sync_global_to_guest(vm, tag_to_write);
}

static void expect_seen(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t tag)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(roots, uc.args[1] == tag, "the guest sees %#lx, expected %#lx",
			uc.args[1], tag);
}

/* The guest's access must exit to userspace, which answers for the device. */
static void expect_mmio(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t tag = TAG_MMIO;

	vcpu_run(vcpu);
	mmu_roots_check(roots, run->exit_reason == KVM_EXIT_MMIO &&
			run->mmio.phys_addr == HIDDEN_GPA,
			"the guest left with %s, expected MMIO at %#lx",
			exit_reason_str(run->exit_reason), HIDDEN_GPA);
	if (run->exit_reason != KVM_EXIT_MMIO)
		return;
	memcpy(run->mmio.data, &tag, run->mmio.len);
	expect_seen(roots, vcpu, TAG_MMIO);
}

static void flip_and_look(struct mmu_roots *roots, struct kvm_vcpu *vcpu, int nr_ops)
{
	int i;

	for (i = 0; i < nr_ops; i++) {
		mmu_root_path_flip_smm(vcpu);
		expect_seen(roots, vcpu, i % 2 ? TAG_NORMAL : TAG_SMM);
	}
}

TEST_F(smm_memory, is_that_of_the_mode)
{
	/* Each mode has one root, which KVM finds again each time; KVM flushes nothing. */
	const struct mmu_root_counts counts = { .resets = 1, .loads = 1, .found = 1 };
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;

	have_guest_look(self->vm, MMU_ROOT_SMRAM_GPA, false);
	flip_and_look(roots, self->vcpu, NR_WARM_OPS);
	mmu_roots_read(roots, &warm);
	flip_and_look(roots, self->vcpu, NR_OPS);
	mmu_roots_read(roots, &storm);

	mmu_roots_report("SMM-memory", NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, NR_MODES);
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS);
}

TEST_F(smm_memory, is_that_of_the_mode_when_emulated)
{
	mmu_roots_force_emulation();
	have_guest_look(self->vm, MMU_ROOT_SMRAM_GPA, true);
	flip_and_look(&self->roots, self->vcpu, NR_WARM_OPS);
}

/* KVM caches the address of the guest's last MMIO, which is memory in SMM. */
TEST_F(smm_memory, is_no_mmio_that_was_some_outside)
{
	struct mmu_roots *roots = &self->roots;
	int i;

	mmu_roots_force_emulation();
	for (i = 0; i < NR_WARM_OPS; i++) {
		/* KVM caches the address when the guest faults, and looks it up to emulate. */
		have_guest_look(self->vm, HIDDEN_GVA, false);
		expect_mmio(roots, self->vcpu);
		mmu_root_path_flip_smm(self->vcpu);
		have_guest_look(self->vm, HIDDEN_GVA, true);
		expect_seen(roots, self->vcpu, TAG_HIDDEN);
		mmu_root_path_flip_smm(self->vcpu);
	}
}

/* In SMM, the vCPU uses a PGD that exists in SMM only, as SMM's own page tables do. */
TEST_F(smm_memory, has_a_pgd_of_its_own)
{
	uint64_t flip = mmu_roots_pgd(self->vm) ^ HIDDEN_PGD_GPA;
	struct mmu_roots *roots = &self->roots;
	int i;

	have_guest_look(self->vm, HIDDEN_GVA, false);
	for (i = 0; i < NR_WARM_OPS; i++) {
		mmu_root_path_flip_smm(self->vcpu);
		mmu_root_sregs_flip(self->vcpu, 0, flip, 0, 0);
		expect_seen(roots, self->vcpu, TAG_HIDDEN);
		mmu_root_sregs_flip(self->vcpu, 0, flip, 0, 0);
		mmu_root_path_flip_smm(self->vcpu);
		expect_mmio(roots, self->vcpu);
	}
}

/* Pages that the guest writes: in both words of the log, and in both halves of the first. */
static const uint64_t logged_pages[] = { 0, BITS_PER_LONG / 2 + 8, SMRAM_PAGES - 1 };

static void log_smram(struct kvm_vm *vm, bool smm)
{
	vm_set_user_memory_region(vm, smm ? SLOT_OF_SMM(SMRAM_SLOT) : SMRAM_SLOT,
				  KVM_MEM_LOG_DIRTY_PAGES, MMU_ROOT_SMRAM_GPA,
				  SMRAM_PAGES * PAGE_SIZE, mmu_root_path_smram(smm));
}

/* Have the guest write to all logged_pages[], in the mode that the vCPU is in. */
static void write_smram(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t tag)
{
	int i;

	have_guest_write(vcpu->vm, tag);
	for (i = 0; i < ARRAY_SIZE(logged_pages); i++) {
		have_guest_look(vcpu->vm, MMU_ROOT_SMRAM_GPA + logged_pages[i] * PAGE_SIZE,
				false);
		expect_seen(roots, vcpu, tag);
	}
}

static void expect_logged(struct mmu_roots *roots, bool smm, bool written)
{
	uint64_t dirty[SMRAM_PAGES / BITS_PER_LONG] = {}, expected[ARRAY_SIZE(dirty)] = {};
	int i;

	for (i = 0; written && i < ARRAY_SIZE(logged_pages); i++)
		expected[logged_pages[i] / BITS_PER_LONG] |=
			BIT(logged_pages[i] % BITS_PER_LONG);
	kvm_vm_get_dirty_log(roots->vm, smm ? SLOT_OF_SMM(SMRAM_SLOT) : SMRAM_SLOT, dirty);
	for (i = 0; i < ARRAY_SIZE(dirty); i++)
		mmu_roots_check(roots, dirty[i] == expected[i],
				"dirty pages %s SMM: word %d is %#lx, expected %#lx",
				smm ? "of" : "outside", i, dirty[i], expected[i]);
}

/*
 * KVM write-protects pages when logging begins, and each time that userspace reads a log.  KVM
 * must do so by the root that is in use, and by the one that no vCPU holds at the time.
 */
TEST_F(smm_memory, is_logged_when_it_is_written)
{
	struct mmu_roots *roots = &self->roots;
	int i, smm;

	for (i = 0; i < NR_MODES; i++) {
		write_smram(roots, self->vcpu, TAG_SMM);
		mmu_root_path_flip_smm(self->vcpu);
	}
	for (i = 0; i < NR_MODES; i++)
		log_smram(self->vm, i);

	for (i = 0; i < NR_LOGS; i++) {
		for (smm = 0; smm < NR_MODES; smm++) {
			write_smram(roots, self->vcpu, TAG_SMM + 1 + i);
			if (i % 2)
				mmu_root_path_flip_smm(self->vcpu);
			expect_logged(roots, smm, true);
			expect_logged(roots, !smm, false);
			if (!(i % 2))
				mmu_root_path_flip_smm(self->vcpu);
		}
	}
}

/* Userspace replaces the memory of a memslot that exists in SMM only. */
FIXTURE(smm_slot) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
};

FIXTURE_VARIANT(smm_slot) {
	bool zap_all;
};

FIXTURE_VARIANT_ADD(smm_slot, quirk) { .zap_all = true };
FIXTURE_VARIANT_ADD(smm_slot, no_quirk) { .zap_all = false };

FIXTURE_SETUP(smm_slot)
{
	self->vm = create_vm(&self->vcpu);
	if (!variant->zap_all)
		mmu_root_path_keep_roots(self->vm);
	mmu_roots_open(&self->roots, self->vm, "SMM-memory");
	mmu_root_path_sync(self->vcpu);
}

FIXTURE_TEARDOWN(smm_slot)
{
	mmu_roots_vm_free(&self->roots);
}

/* With the quirk, KVM has always invalidated the root of normal mode, too, which lacks the slot. */
TEST_F(smm_slot, is_replaced)
{
	struct mmu_roots_snapshot before, deleted;
	struct mmu_roots *roots = &self->roots;

	have_guest_look(self->vm, HIDDEN_GVA, false);
	mmu_root_path_flip_smm(self->vcpu);
	expect_seen(roots, self->vcpu, TAG_HIDDEN);

	mmu_roots_read(roots, &before);
	set_slot_of_smm(self->vm, HIDDEN_SLOT, 0, 0, 0, NULL);
	mmu_roots_read(roots, &deleted);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_ALLOC, NR_MODES);
	mmu_roots_expect_growth(roots, &before, &deleted, MMU_ROOT_INVALIDATE,
				variant->zap_all ? NR_MODES : 0);

	set_slot_of_smm(self->vm, HIDDEN_SLOT, 0, HIDDEN_GPA, HIDDEN_SIZE,
			hidden_memory(TAG_HIDDEN + 1));
	expect_seen(roots, self->vcpu, TAG_HIDDEN + 1);
}

TEST_HARNESS_MAIN
