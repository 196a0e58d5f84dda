// SPDX-License-Identifier: GPL-2.0
/*
 * Which changes of memslots invalidate roots, and which do not.  This test is the positive control
 * of all tests that say "no root is ever invalidated".
 *
 * Deletion and move of a memslot must invalidate all roots, unless userspace has disabled the
 * quirk that asks for that (KVM_X86_QUIRK_SLOT_ZAP_ALL); creation and a change of flags must leave
 * all roots alone.  Either way the guest must see the memory that it has now.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_modes.h"
#include "mmu_roots_paths.h"

#define NR_OPS			20

/* The spare slot is beyond everything that the library and mmu_root_path_vm_create() map. */
#define SPARE_SLOT		8
#define SPARE_GPA		0x50000000ul
#define SPARE_GVA		SPARE_GPA
#define MOVED_GPA		0x60000000ul
#define SPARE_PAGES		16
#define SPARE_SIZE		(SPARE_PAGES * PAGE_SIZE)

/* A slot of SMM: bit 16 of its number stands for address space 1. */
#define SMM_SLOT		0x10009

/* Two vCPUs, the first of which does what a test is about. */
#define NR_VCPUS		2

/* One load replaces the root that is gone, and each operation takes one load. */
#define LOADS_AFTER_DELETION	(1 + NR_OPS)

/* Root page tables that a vCPU in 64-bit mode, and one in SMM, uses at a time. */
#define NR_ROOTS_64BIT		1
#define NR_ROOTS_SMM(tdp)	((tdp) ? 1 : 4)

static void guest_code(enum mmu_root_path_id path, uint64_t nr_ops)
{
	guest_path_init(path);

	for (;;) {
		guest_path_storm(path, nr_ops);
		GUEST_SYNC(0);
	}
}

/* Report the first word of each page of the spare slot to the host. */
static void guest_read_spare(void)
{
	uint64_t i;

	guest_path_init(PATH_NULL_EXIT);

	for (;;) {
		for (i = 0; i < SPARE_PAGES; i++) {
			uint64_t *word = (uint64_t *)(SPARE_GVA + i * PAGE_SIZE);

			GUEST_SYNC(READ_ONCE(*word));
		}
	}
}

static void run(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
}

static void *slot_memory(size_t nr_pages)
{
	void *hva = mmap(NULL, nr_pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(hva != MAP_FAILED, "mmap() %zu pages", nr_pages);
	return hva;
}

/* Memory for a slot, each page of which begins with @tag plus its number. */
static void *spare_memory(uint64_t tag)
{
	void *hva = slot_memory(SPARE_PAGES);
	uint64_t i;

	for (i = 0; i < SPARE_PAGES; i++)
		*(uint64_t *)(hva + i * PAGE_SIZE) = tag + i;
	return hva;
}

static void set_slot(struct kvm_vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa,
		     uint64_t nr_pages, void *hva)
{
	vm_set_user_memory_region(vm, slot, flags, gpa, nr_pages * PAGE_SIZE, hva);
}

static void delete_slot(struct kvm_vm *vm, uint32_t slot)
{
	set_slot(vm, slot, 0, 0, 0, NULL);
}

FIXTURE(memslot) {
	struct mmu_roots roots;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	void *hva;
	bool tdp;
};

FIXTURE_SETUP(memslot)
{
	int i;

	printf("#@ path=memslot\n");
	self->tdp = kvm_is_tdp_enabled();
	self->hva = spare_memory(0);
	self->vm = mmu_root_path_vm_create(&self->vcpu[0], guest_code);
	self->vcpu[1] = mmu_root_path_vcpu_add(self->vm, 1, guest_code);
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_args_set(self->vcpu[i], 2, PATH_EFER_NX, NR_OPS);
	mmu_roots_open(&self->roots, self->vm, "memslot");
	set_slot(self->vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, self->hva);
}

FIXTURE_TEARDOWN(memslot)
{
	mmu_roots_vm_free(&self->roots);
	munmap(self->hva, SPARE_SIZE);
}

/* KVM invalidates all roots that exist, and frees at once those that no vCPU holds. */
static void expect_invalidated(struct mmu_roots *roots,
			       const struct mmu_roots_snapshot *before,
			       const struct mmu_roots_snapshot *after,
			       uint64_t nr_roots, uint64_t nr_held)
{
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_INVALIDATE, nr_roots);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_FREE, nr_roots - nr_held);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(roots, before, after, MMU_RESET, 0);
}

static void expect_untouched(struct mmu_roots *roots,
			     const struct mmu_roots_snapshot *before,
			     const struct mmu_roots_snapshot *after)
{
	expect_invalidated(roots, before, after, 0, 0);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_LOAD, 0);
}

/* The vCPU finds out that its root is gone, and builds one in its place. */
static void expect_replaced(struct mmu_roots *roots,
			    const struct mmu_roots_snapshot *before,
			    const struct mmu_roots_snapshot *after, uint64_t nr_roots)
{
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_FREE, 1);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_ALLOC, nr_roots);
	mmu_roots_expect_growth(roots, before, after, MMU_ROOT_INVALIDATE, 0);
}

TEST_F(memslot, deletion_invalidates_the_root)
{
	struct mmu_roots_snapshot before, deleted, after;
	struct mmu_roots *roots = &self->roots;

	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_ALLOC, NR_ROOTS_64BIT);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_INVALIDATE, 0);

	delete_slot(self->vm, SPARE_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_invalidated(roots, &before, &deleted, NR_ROOTS_64BIT, NR_ROOTS_64BIT);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &after);
	expect_replaced(roots, &deleted, &after, NR_ROOTS_64BIT);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_LOAD, LOADS_AFTER_DELETION);
}

TEST_F(memslot, move_invalidates_the_root)
{
	struct mmu_roots_snapshot before, moved, after;
	struct mmu_roots *roots = &self->roots;

	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);

	set_slot(self->vm, SPARE_SLOT, 0, MOVED_GPA, SPARE_PAGES, self->hva);
	mmu_roots_read(roots, &moved);
	expect_invalidated(roots, &before, &moved, NR_ROOTS_64BIT, NR_ROOTS_64BIT);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &after);
	expect_replaced(roots, &moved, &after, NR_ROOTS_64BIT);
}

/*
 * The second vCPU does not run, and keeps its reference to the invalid root.  See the thread of
 * "[RFC] KVM: x86: Don't wipe TDP MMU when guest sets %cr4", KVM's list, October 2023.
 */
TEST_F(memslot, idle_vcpu_holds_the_invalid_root)
{
	struct mmu_roots_snapshot before, deleted, busy, idle;
	struct mmu_roots *roots = &self->roots;

	run(self->vcpu[0]);
	run(self->vcpu[1]);
	mmu_roots_read(roots, &before);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_ALLOC, NR_ROOTS_64BIT);

	delete_slot(self->vm, SPARE_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_invalidated(roots, &before, &deleted, NR_ROOTS_64BIT, NR_ROOTS_64BIT);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &busy);
	mmu_roots_expect_growth(roots, &deleted, &busy, MMU_ROOT_ALLOC, NR_ROOTS_64BIT);
	mmu_roots_expect_growth(roots, &deleted, &busy, MMU_ROOT_FREE, 0);

	run(self->vcpu[1]);
	mmu_roots_read(roots, &idle);
	mmu_roots_expect_growth(roots, &busy, &idle, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(roots, &busy, &idle, MMU_ROOT_FREE, NR_ROOTS_64BIT);
}

TEST_F(memslot, deletion_invalidates_the_roots_of_smm)
{
	struct mmu_roots_snapshot before, deleted, after;
	uint64_t nr_smm = NR_ROOTS_SMM(self->tdp);
	struct mmu_roots *roots = &self->roots;
	int invalidated, freed;

	mmu_root_path_require(PATH_SMM);
	invalidated = mmu_roots_event_open("kvm_mmu_root_invalidate", "as_id==1 && hpa!=0");
	freed = mmu_roots_event_open("kvm_mmu_root_free", "as_id==1 && hpa!=0");
	vcpu_args_set(self->vcpu[0], 2, PATH_SMM, NR_OPS);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_ALLOC, NR_ROOTS_64BIT + nr_smm);

	/* RSM has dropped the vCPU's references to the roots of SMM: no vCPU holds these. */
	delete_slot(self->vm, SPARE_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_invalidated(roots, &before, &deleted, NR_ROOTS_64BIT + nr_smm, NR_ROOTS_64BIT);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &after);
	expect_replaced(roots, &deleted, &after, NR_ROOTS_64BIT + nr_smm);
	if (!roots->tracing)
		return;

	mmu_roots_check(roots, mmu_roots_event_read(invalidated) == nr_smm,
			"kvmmmu:kvm_mmu_root_invalidate names SMM %lu times, expected %lu",
			mmu_roots_event_read(invalidated), nr_smm);
	mmu_roots_check(roots, mmu_roots_event_read(freed) == nr_smm,
			"kvmmmu:kvm_mmu_root_free names SMM %lu times, expected %lu",
			mmu_roots_event_read(freed), nr_smm);
	close(invalidated);
	close(freed);
}

TEST_F(memslot, creation_and_flags_keep_the_root)
{
	struct mmu_roots_snapshot before, changed, after;
	struct mmu_roots *roots = &self->roots;

	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);
	set_slot(self->vm, SPARE_SLOT, KVM_MEM_LOG_DIRTY_PAGES, SPARE_GPA, SPARE_PAGES,
		 self->hva);
	set_slot(self->vm, SPARE_SLOT + 1, 0, MOVED_GPA, SPARE_PAGES, self->hva);
	set_slot(self->vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, self->hva);
	mmu_roots_read(roots, &changed);
	expect_untouched(roots, &before, &changed);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &changed, &after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(roots, &changed, &after, MMU_ROOT_LOAD, NR_OPS);
}

/* All page tables were built for the old value of nx_huge_pages, see set_nx_huge_pages(). */
TEST_F(memslot, change_of_nx_huge_pages_invalidates_the_root)
{
	struct mmu_roots_snapshot before[2], after;
	struct mmu_roots other, *of_vm[2] = { &self->roots, &other };
	struct kvm_vcpu *vcpu[2] = { self->vcpu[0] };
	int i, j;

	__TEST_REQUIRE(mmu_root_param_writable("nx_huge_pages"),
		       "no module parameter kvm.nx_huge_pages that can be written: run as root");
	/* The parameter is that of all VMs: KVM must invalidate the roots of a second VM, too. */
	mmu_root_path_vm_create(&vcpu[1], guest_code);
	vcpu_args_set(vcpu[1], 2, PATH_EFER_NX, NR_OPS);
	mmu_roots_open(&other, vcpu[1]->vm, "memslot");
	/* Tracepoints do not tell VMs from each other, so law 5 does not hold for these two. */
	for (j = 0; j < 2; j++)
		of_vm[j]->tracing = false;

	mmu_root_param_set("nx_huge_pages", "off");
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 2; j++) {
			run(vcpu[j]);
			mmu_roots_read(of_vm[j], &before[j]);
		}
		mmu_root_param_set("nx_huge_pages", i ? "off" : "force");
		for (j = 0; j < 2; j++) {
			mmu_roots_read(of_vm[j], &after);
			expect_invalidated(of_vm[j], &before[j], &after,
					   NR_ROOTS_64BIT, NR_ROOTS_64BIT);
		}
	}
	mmu_root_params_restore();
	mmu_roots_vm_free(&other);
}

TEST_F(memslot, deletion_without_quirk_keeps_the_root)
{
	struct mmu_roots_snapshot before, deleted, after;
	struct mmu_roots *roots = &self->roots;

	mmu_root_path_keep_roots(self->vm);
	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);
	delete_slot(self->vm, SPARE_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_untouched(roots, &before, &deleted);

	run(self->vcpu[0]);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_ALLOC, 0);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_LOAD, NR_OPS);
}

/*
 * The slot begins at GPA 0, and so does the range that a direct root maps.  If KVM looks for the
 * slot's page tables by the number of their first page, KVM takes the root for one of them (as
 * before fcd1ec9cb59c).
 */
TEST_F(memslot, deletion_without_quirk_at_gpa_0_keeps_the_root)
{
	struct mmu_roots_snapshot before, deleted;
	struct mmu_roots *roots = &self->roots;

	mmu_root_path_require(PATH_SMM);
	mmu_root_path_keep_roots(self->vm);
	set_slot(self->vm, SMM_SLOT, 0, 0, SPARE_PAGES, self->hva);
	run(self->vcpu[0]);
	mmu_roots_read(roots, &before);
	delete_slot(self->vm, SMM_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_untouched(roots, &before, &deleted);
}

FIXTURE(content) {
	struct mmu_roots roots;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	void *hva;
	void *other;
};

FIXTURE_VARIANT(content) {
	bool zap_all;
};

FIXTURE_VARIANT_ADD(content, quirk) { .zap_all = true };
FIXTURE_VARIANT_ADD(content, no_quirk) { .zap_all = false };

/* Tags of the two memories that take turns in the spare slot, and of MMIO. */
#define TAG			0x1000
#define OTHER_TAG		0x2000
#define MMIO_TAG		0x3000

FIXTURE_SETUP(content)
{
	printf("#@ path=memslot\n");
	self->hva = spare_memory(TAG);
	self->other = spare_memory(OTHER_TAG);
	mmu_roots_pin();
	self->vm = mmu_root_path_vm_create(&self->vcpu, guest_read_spare);
	virt_map(self->vm, SPARE_GVA, SPARE_GPA, SPARE_PAGES);
	if (!variant->zap_all)
		mmu_root_path_keep_roots(self->vm);
	mmu_roots_open(&self->roots, self->vm, "memslot");
	set_slot(self->vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, self->hva);
}

FIXTURE_TEARDOWN(content)
{
	mmu_roots_vm_free(&self->roots);
	munmap(self->hva, SPARE_SIZE);
	munmap(self->other, SPARE_SIZE);
}

/* @tag_of: the tag that the guest must see in each page */
static void expect_content(struct mmu_roots *roots, struct kvm_vcpu *vcpu,
			   const uint64_t tag_of[SPARE_PAGES])
{
	struct ucall uc;
	uint64_t i;

	for (i = 0; i < SPARE_PAGES; i++) {
		mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
		mmu_roots_check(roots, uc.args[1] == tag_of[i] + i,
				"page %lu of the slot begins with %#lx, expected %#lx",
				i, uc.args[1], tag_of[i] + i);
	}
}

static void expect_tag(struct mmu_roots *roots, struct kvm_vcpu *vcpu, uint64_t tag)
{
	uint64_t tag_of[SPARE_PAGES], i;

	for (i = 0; i < SPARE_PAGES; i++)
		tag_of[i] = tag;
	expect_content(roots, vcpu, tag_of);
}

TEST_F(content, of_a_new_slot_at_the_same_place_is_seen)
{
	struct mmu_roots_snapshot before, deleted, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t nr_roots = variant->zap_all ? NR_ROOTS_64BIT : 0;

	expect_tag(roots, self->vcpu, TAG);
	mmu_roots_read(roots, &before);
	delete_slot(self->vm, SPARE_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_invalidated(roots, &before, &deleted, nr_roots, nr_roots);
	/* KVM must unmap the slot at once, and with the quirk all that an invalid root maps. */
	mmu_roots_expect_growth(roots, &before, &deleted, PAGES_4K,
				variant->zap_all ? -before.stat[PAGES_4K] : -SPARE_PAGES);

	set_slot(self->vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, self->other);
	expect_tag(roots, self->vcpu, OTHER_TAG);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_ALLOC, nr_roots);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_FREE, nr_roots);
	/*
	 * The TDP MMU needs no flush for an invalid root: a vCPU that has used this root must
	 * load another root first, and kvm_mmu_load() flushes.
	 */
	mmu_roots_expect_growth(roots, &before, &after, TLB_FLUSH,
				!variant->zap_all || mmu_root_mmu() != MMU_ROOT_TDP_MMU);
	if (!variant->zap_all)
		mmu_roots_expect_growth(roots, &before, &after, PAGES_4K, 0);
}

/* As long as there is no slot, each page is MMIO, and userspace answers. */
static void expect_mmio(struct mmu_roots *roots, struct kvm_vcpu *vcpu)
{
	uint64_t i, gpa, tag = MMIO_TAG;
	struct ucall uc;

	for (i = 0; i < SPARE_PAGES; i++) {
		vcpu_run(vcpu);
		TEST_ASSERT_KVM_EXIT_REASON(vcpu, KVM_EXIT_MMIO);
		gpa = vcpu->run->mmio.phys_addr;
		memcpy(vcpu->run->mmio.data, &tag, vcpu->run->mmio.len);
		mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
		mmu_roots_check(roots, gpa == SPARE_GPA + i * PAGE_SIZE && uc.args[1] == tag,
				"MMIO at %#lx, read as %#lx, expected %#lx", gpa, uc.args[1],
				(uint64_t)(SPARE_GPA + i * PAGE_SIZE));
	}
}

/* KVM marks MMIO in page tables.  The root outlives the creation of the slot, the marks do not. */
TEST_F(content, of_a_new_slot_is_seen_where_mmio_was)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;

	delete_slot(self->vm, SPARE_SLOT);
	expect_mmio(roots, self->vcpu);
	mmu_roots_read(roots, &before);
	set_slot(self->vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, self->other);
	expect_tag(roots, self->vcpu, OTHER_TAG);
	mmu_roots_read(roots, &after);
	expect_untouched(roots, &before, &after);
	delete_slot(self->vm, SPARE_SLOT);
	expect_mmio(roots, self->vcpu);
}

/*
 * With shadow paging, a guest without 64-bit paging has special roots.  KVM cannot tell whether a
 * special root is obsolete, and takes it for obsolete, see is_obsolete_root(); the shadow pages
 * below the special root must go, too.
 */
FIXTURE(mode_content) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	void *mirror;
};

/*
 * @mode: the guest's paging mode
 * @nr_shadow_roots: root page tables that it uses at a time, with shadow paging
 */
FIXTURE_VARIANT(mode_content) {
	enum mmu_root_mode mode;
	uint64_t nr_shadow_roots;
};

FIXTURE_VARIANT_ADD(mode_content, unpaged) { MODE_UNPAGED, 4 };
FIXTURE_VARIANT_ADD(mode_content, 32bit) { MODE_32BIT, 4 };
/* Each PDPTE that is present has a root page table. */
FIXTURE_VARIANT_ADD(mode_content, pae) { MODE_PAE, 2 };

FIXTURE_SETUP(mode_content)
{
	printf("#@ path=memslot\n");
	self->mirror = slot_memory(MMU_ROOT_DATA_PAGES);
	mmu_root_mode_fill(self->mirror, true);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, NULL);
	mmu_root_mode_install(self->vcpu);
	mmu_root_mode_enter(self->vcpu, variant->mode);
	mmu_root_mode_start(self->vcpu, MODE_OP_READ, 0);
	mmu_roots_open(&self->roots, self->vcpu->vm, "memslot");
}

FIXTURE_TEARDOWN(mode_content)
{
	mmu_roots_vm_free(&self->roots);
	munmap(self->mirror, MMU_ROOT_DATA_PAGES * PAGE_SIZE);
}

TEST_F(mode_content, of_a_new_slot_at_the_same_place_is_seen)
{
	uint64_t nr_roots = kvm_is_tdp_enabled() ? 1 : variant->nr_shadow_roots;
	struct mmu_roots_snapshot before, deleted, after;
	struct kvm_vm *vm = self->vcpu->vm;
	struct mmu_roots *roots = &self->roots;

	mmu_root_mode_expect_data(roots, self->vcpu, false);
	mmu_roots_read(roots, &before);
	mmu_roots_expect_value(roots, &before, MMU_ROOT_ALLOC, nr_roots);
	delete_slot(vm, MMU_ROOT_DATA_SLOT);
	mmu_roots_read(roots, &deleted);
	expect_invalidated(roots, &before, &deleted, nr_roots, nr_roots);

	set_slot(vm, MMU_ROOT_DATA_SLOT, 0, MMU_ROOT_DATA_GVA, MMU_ROOT_DATA_PAGES,
		 self->mirror);
	mmu_root_mode_expect_data(roots, self->vcpu, true);
	mmu_roots_read(roots, &after);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_FREE, nr_roots);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_ALLOC, nr_roots);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_INVALIDATE, 0);
	mmu_roots_expect_growth(roots, &deleted, &after, MMU_ROOT_LOAD, 1);
	mmu_roots_expect_growth(roots, &before, &after, TLB_FLUSH,
				mmu_root_mmu() != MMU_ROOT_TDP_MMU);
}

/* The page of the overlay, and the first page of the slot's upper half, behind the overlay. */
#define OVERLAY_PAGE		5
#define UPPER_PAGE		(OVERLAY_PAGE + 1)
#define NR_OVERLAYS		10

#define LOWER_SLOT		SPARE_SLOT
#define OVERLAY_SLOT		(SPARE_SLOT + 1)
#define UPPER_SLOT		(SPARE_SLOT + 2)

/* Do what Xen's PV shim does: delete the slot, add two halves, and a page in between. */
static void overlay(struct kvm_vm *vm, void *hva, void *other)
{
	delete_slot(vm, SPARE_SLOT);
	set_slot(vm, LOWER_SLOT, 0, SPARE_GPA, OVERLAY_PAGE, hva);
	set_slot(vm, UPPER_SLOT, 0, SPARE_GPA + UPPER_PAGE * PAGE_SIZE,
		 SPARE_PAGES - UPPER_PAGE, hva + UPPER_PAGE * PAGE_SIZE);
	set_slot(vm, OVERLAY_SLOT, 0, SPARE_GPA + OVERLAY_PAGE * PAGE_SIZE, 1,
		 other + OVERLAY_PAGE * PAGE_SIZE);
}

static void overlay_undo(struct kvm_vm *vm, void *hva)
{
	delete_slot(vm, OVERLAY_SLOT);
	delete_slot(vm, UPPER_SLOT);
	delete_slot(vm, LOWER_SLOT);
	set_slot(vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, hva);
}

TEST_F(content, of_an_overlay_is_seen_and_hidden_again)
{
	/* Of several deletions in a row only the first one finds a valid root. */
	uint64_t i, nr_roots = variant->zap_all ? 2 * NR_OVERLAYS * NR_ROOTS_64BIT : 0;
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t tag_of[SPARE_PAGES];

	for (i = 0; i < SPARE_PAGES; i++)
		tag_of[i] = i == OVERLAY_PAGE ? OTHER_TAG : TAG;

	printf("#@ path=overlay\n");
	expect_tag(roots, self->vcpu, TAG);
	mmu_roots_read(roots, &before);
	for (i = 0; i < NR_OVERLAYS; i++) {
		overlay(self->vm, self->hva, self->other);
		expect_content(roots, self->vcpu, tag_of);
		overlay_undo(self->vm, self->hva);
		expect_tag(roots, self->vcpu, TAG);
	}
	mmu_roots_read(roots, &after);

	mmu_roots_report(variant->zap_all ? "overlay" : "overlay-no-quirk", NR_OVERLAYS,
			 &before, &after);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_INVALIDATE, nr_roots);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_ALLOC, nr_roots);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_FREE, nr_roots);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, nr_roots);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 0);
	if (!variant->zap_all)
		mmu_roots_expect_growth(roots, &before, &after, PAGES_4K, 0);
}

/*
 * Userspace deletes a slot that holds a PGD of the guest.  With shadow paging the root of this PGD
 * must go, quirk or not; with two-dimensional paging KVM does not know of PGDs.
 */
static void guest_switch_pgd(uint64_t other_pgd)
{
	uint64_t pgd = guest_initial_cr3;

	guest_path_init(PATH_NULL_EXIT);
	asm volatile("mov %0, %%cr3" : : "r" (other_pgd) : "memory");
	guest_touch_data(0);
	asm volatile("mov %0, %%cr3" : : "r" (pgd) : "memory");

	for (;;)
		GUEST_SYNC(0);
}

TEST(deletion_without_quirk_drops_the_root_of_a_pgd_in_the_slot)
{
	struct mmu_roots_snapshot before, deleted, after;
	uint64_t nr_gone = kvm_is_tdp_enabled() ? 0 : 1;
	void *hva = spare_memory(0);
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	printf("#@ path=memslot\n");
	vm = mmu_root_path_vm_create(&vcpu, guest_switch_pgd);
	vcpu_args_set(vcpu, 1, SPARE_GPA);
	memcpy(hva, addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	mmu_roots_open(&roots, vm, "PGD in a slot");
	mmu_root_path_keep_roots(vm);
	set_slot(vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, hva);

	run(vcpu);
	mmu_roots_read(&roots, &before);
	mmu_roots_expect_value(&roots, &before, MMU_ROOT_ALLOC, NR_ROOTS_64BIT + nr_gone);
	delete_slot(vm, SPARE_SLOT);
	mmu_roots_read(&roots, &deleted);
	/* The invalid root stays in prev_roots[] until the vCPU runs again. */
	expect_invalidated(&roots, &before, &deleted, nr_gone, nr_gone);
	run(vcpu);
	mmu_roots_read(&roots, &after);
	mmu_roots_expect_growth(&roots, &deleted, &after, MMU_ROOT_FREE, nr_gone);
	mmu_roots_expect_growth(&roots, &deleted, &after, MMU_ROOT_ALLOC, 0);
	mmu_roots_vm_free(&roots);
	munmap(hva, SPARE_SIZE);
}

/* Two vCPUs flip CR4.SMEP while the host puts the overlay on and off. */
static uint64_t stop_storm;

static void guest_storm(void)
{
	uint64_t nr_ops = 0;

	guest_path_init(PATH_CR4_SMEP);
	while (!READ_ONCE(stop_storm)) {
		guest_path_storm(PATH_CR4_SMEP, 2);
		nr_ops += 2;
	}
	GUEST_SYNC(nr_ops);
}

static void *storm_thread(void *arg)
{
	struct ucall uc;

	mmu_root_path_run(arg, &uc, UCALL_SYNC);
	return (void *)uc.args[1];
}

TEST(overlay_while_vcpus_run)
{
	uint64_t nr_roots, nr_valid, nr_deletions = NR_OVERLAYS * (1 + 3);
	struct mmu_roots_snapshot before, after;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	pthread_t thread[NR_VCPUS];
	void *hva = spare_memory(TAG), *other = spare_memory(OTHER_TAG), *nr_ops;
	struct mmu_roots roots;
	struct kvm_vm *vm;
	int i;

	printf("#@ path=overlay-storm counts=vary\n");
	mmu_root_path_require(PATH_CR4_SMEP);
	vm = mmu_root_path_vm_create(&vcpu[0], guest_storm);
	for (i = 1; i < NR_VCPUS; i++)
		vcpu[i] = mmu_root_path_vcpu_add(vm, i, guest_storm);
	mmu_roots_open(&roots, vm, "overlay storm");
	set_slot(vm, SPARE_SLOT, 0, SPARE_GPA, SPARE_PAGES, hva);
	mmu_roots_read(&roots, &before);

	for (i = 0; i < NR_VCPUS; i++)
		TEST_ASSERT(!pthread_create(&thread[i], NULL, storm_thread, vcpu[i]), "thread");
	for (i = 0; i < NR_OVERLAYS; i++) {
		overlay(vm, hva, other);
		usleep(1000);
		overlay_undo(vm, hva);
		usleep(1000);
	}
	stop_storm = 1;
	sync_global_to_guest(vm, stop_storm);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(thread[i], &nr_ops);
	mmu_roots_read(&roots, &after);

	/* The two states of CR4.SMEP have this many roots, i.e. no more are valid at a time. */
	nr_roots = mmu_root_path_counts(PATH_CR4_SMEP).roots;
	mmu_roots_report("overlay-storm", NR_OVERLAYS, &before, &after);
	mmu_roots_check(&roots, after.stat[MMU_ROOT_INVALIDATE] > 0 &&
			after.stat[MMU_ROOT_INVALIDATE] <= nr_deletions * nr_roots,
			"%lu roots invalidated by %lu deletions, of at most %lu at a time",
			after.stat[MMU_ROOT_INVALIDATE], nr_deletions, nr_roots);
	nr_valid = after.stat[MMU_ROOT_ALLOC] - after.stat[MMU_ROOT_INVALIDATE];
	mmu_roots_check(&roots, nr_valid <= nr_roots, "%lu valid roots, at most %lu possible",
			nr_valid, nr_roots);
	mmu_roots_vm_free(&roots);
	munmap(hva, SPARE_SIZE);
	munmap(other, SPARE_SIZE);
}

TEST_HARNESS_MAIN
