// SPDX-License-Identifier: GPL-2.0
/*
 * A memslot whose leaf SPTEs are watched, and a guest that accesses the memslot.
 */
#include <string.h>
#include <sys/mman.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_leaf.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define SMM_AS_ID		1

/* The guest makes at most this many accesses between two exits to userspace. */
#define MAX_OPS			64

/* Offsets in a page, of its content and of code that returns at once. */
#define CONTENT_OFFSET		0
#define CODE_OFFSET		64
#define RET_INSN		0xc3

/* Userspace answers reads of MMIO with this value. */
#define MMIO_CONTENT		0x6d6d696f6d6d696ful

/* Contents of pages count up from here, so that no two writes of a process are the same. */
#define FIRST_CONTENT		0x10000000ul

/*
 * Accesses that the host tells the guest to make, and their results; both sides write here.  All of
 * it is in one page: the guest touches that page whatever it does first, and so no later access has
 * a fault of its own that exact counts would see.
 */
static struct {
	uint64_t nr;
	bool l2_stays;
	struct {
		uint64_t gva;
		uint64_t access;
		uint64_t content;
	} op[MAX_OPS];
} todo __aligned(PAGE_SIZE);

kvm_static_assert(sizeof(todo) <= PAGE_SIZE);

static uint64_t next_content = FIRST_CONTENT;

static void guest_write_emulated(uint64_t *where, uint64_t content)
{
	asm volatile(KVM_FEP "mov %[content], (%[where])"
		     : : [content] "r" (content), [where] "r" (where) : "memory");
}

static void guest_exchange_emulated(uint64_t *where, uint64_t content)
{
	uint64_t old = READ_ONCE(*where);

	asm volatile(KVM_FEP "lock cmpxchgq %[content], (%[where])"
		     : "+a" (old) : [content] "r" (content), [where] "r" (where)
		     : "cc", "memory");
}

static void guest_do_all(void)
{
	uint64_t i;

	for (i = 0; i < todo.nr; i++) {
		uint64_t *page = (uint64_t *)todo.op[i].gva;

		if (todo.op[i].access == LEAF_WRITE)
			WRITE_ONCE(page[CONTENT_OFFSET], todo.op[i].content);
		else if (todo.op[i].access == LEAF_READ)
			todo.op[i].content = READ_ONCE(page[CONTENT_OFFSET]);
		else if (todo.op[i].access == LEAF_WRITE_EMULATED)
			guest_write_emulated(&page[CONTENT_OFFSET], todo.op[i].content);
		else if (todo.op[i].access == LEAF_EXCHANGE_EMULATED)
			guest_exchange_emulated(&page[CONTENT_OFFSET], todo.op[i].content);
		else
			((void (*)(void))(todo.op[i].gva + CODE_OFFSET))();
	}
}

static void guest_look(void)
{
	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		guest_do_all();
		GUEST_SYNC(0);
	}
}

static void l2_look(void)
{
	for (;;) {
		guest_do_all();
		if (todo.l2_stays)
			GUEST_SYNC(0);
		else
			guest_l2_call();
	}
}

static void l1_run_l2(void)
{
	guest_path_init(PATH_NULL_EXIT);
	guest_l2_init(l2_look, L1_INTERCEPTS_NOTHING);
	for (;;) {
		guest_l2_run_to_call(0, 0);
		GUEST_SYNC(0);
	}
}

static bool is_write(enum mmu_root_leaf_access access)
{
	return access == LEAF_WRITE || access == LEAF_WRITE_EMULATED ||
	       access == LEAF_EXCHANGE_EMULATED;
}

static bool is_nested(enum mmu_root_leaf_viewer viewer)
{
	return viewer == LEAF_L2 || viewer == LEAF_L2_NPT;
}

/**
 * mmu_root_leaf_require() - Skip the test if this host cannot run a viewer
 * @viewer: the viewer
 */
void mmu_root_leaf_require(enum mmu_root_leaf_viewer viewer)
{
	if (viewer == LEAF_SMM)
		mmu_root_path_require(PATH_SMM);
	if (is_nested(viewer))
		mmu_root_nested_require(viewer == LEAF_L2_NPT);
	__TEST_REQUIRE(thp_configured(), "no transparent huge pages: CONFIG_TRANSPARENT_HUGEPAGE");
}

/* Map huge pages if @huge, or else none, regardless of the host's preference. */
static void *map_memory(bool huge)
{
	size_t size = MMU_ROOT_LEAF_SIZE + MMU_ROOT_HUGE_SIZE;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *hva = (void *)(((uintptr_t)mem + MMU_ROOT_HUGE_SIZE - 1) & -MMU_ROOT_HUGE_SIZE);
	uint64_t i;

	TEST_ASSERT(mem != MAP_FAILED, "mmap() %zu bytes", size);
	TEST_ASSERT(!madvise(mem, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), "madvise()");
	for (i = 0; i < MMU_ROOT_LEAF_PAGES; i++) {
		uint8_t *page = hva + i * PAGE_SIZE;

		*(uint64_t *)page = next_content++;
		page[CODE_OFFSET] = RET_INSN;
	}
	return hva;
}

/* Give SMM's address space the same memory as the other one. */
static void share_with_smm(struct kvm_vm *vm)
{
	struct userspace_mem_region *region;
	int bucket;

	hash_for_each(vm->regions.slot_hash, bucket, region, slot_node)
		vm_set_user_memory_region(vm, SMM_AS_ID << 16 | region->region.slot, 0,
					  region->region.guest_phys_addr,
					  region->region.memory_size,
					  (void *)region->region.userspace_addr);
}

/**
 * mmu_root_leaf_create() - Create a VM and a memslot to watch
 * @leaf: caller-allocated; initialized
 * @name: name of the test
 * @viewer: the viewer
 * @huge: whether the memory consists of huge pages
 *
 * On return, the guest has run, but has not accessed the memslot.  The guest's own page
 * tables, and L1's nested ones, map the memslot with huge pages.  The function pins the
 * calling thread to its CPU, see mmu_roots_pin().
 */
void mmu_root_leaf_create(struct mmu_root_leaf *leaf, const char *name,
			  enum mmu_root_leaf_viewer viewer, bool huge)
{
	struct kvm_vm *vm;

	memset(leaf, 0, sizeof(*leaf));
	mmu_root_leaf_require(viewer);
	mmu_roots_pin();
	leaf->viewer = viewer;
	leaf->slot = (viewer == LEAF_SMM ? SMM_AS_ID << 16 : 0) | MMU_ROOT_LEAF_SLOT;
	leaf->hva = map_memory(huge);
	leaf->gpa = MMU_ROOT_LEAF_GPA;
	leaf->nr_pages = MMU_ROOT_LEAF_PAGES;

	vm = mmu_root_path_vm_create(&leaf->vcpu, is_nested(viewer) ? l1_run_l2 : guest_look);
	virt_map_level(vm, MMU_ROOT_LEAF_GPA, MMU_ROOT_LEAF_GPA, MMU_ROOT_LEAF_WINDOW,
		       PG_LEVEL_2M);
	if (is_nested(viewer))
		mmu_root_nested_create(leaf->vcpu, viewer == LEAF_L2_NPT, 1);
	if (viewer == LEAF_SMM)
		share_with_smm(vm);
	mmu_root_leaf_set_slot(leaf, 0);

	if (is_nested(viewer))
		mmu_root_nested_open(&leaf->roots, vm, name, NR_L1_L2_ROOTS);
	else
		mmu_roots_open(&leaf->roots, vm, name);
	mmu_root_path_sync(leaf->vcpu);
	if (viewer == LEAF_SMM)
		mmu_root_path_flip_smm(leaf->vcpu);
	mmu_root_path_sync(leaf->vcpu);
}

/**
 * mmu_root_leaf_free() - Destroy the VM, and fail the test if a check has failed
 * @leaf: no longer usable afterwards; @leaf->hva is NULL if the caller has freed the memory
 */
void mmu_root_leaf_free(struct mmu_root_leaf *leaf)
{
	mmu_roots_vm_free(&leaf->roots);
	if (leaf->hva)
		munmap(leaf->hva, MMU_ROOT_LEAF_SIZE);
}

/**
 * mmu_root_leaf_set_slot() - Create the memslot, move it, or change its flags
 * @leaf: the watched memslot, with the new location and size
 * @flags: KVM_MEM_*
 */
void mmu_root_leaf_set_slot(struct mmu_root_leaf *leaf, uint32_t flags)
{
	vm_set_user_memory_region(leaf->vcpu->vm, leaf->slot, flags, leaf->gpa,
				  leaf->nr_pages * PAGE_SIZE, leaf->hva + leaf->offset);
}

/**
 * mmu_root_leaf_delete_slot() - Delete the memslot
 * @leaf: the watched memslot
 */
void mmu_root_leaf_delete_slot(struct mmu_root_leaf *leaf)
{
	vm_set_user_memory_region(leaf->vcpu->vm, leaf->slot, 0, 0, 0, NULL);
}

/**
 * mmu_root_leaf_hva() - A page of the memslot as the host sees it
 * @leaf: the watched memslot
 * @page: number of the page in the memslot
 *
 * Return: the page.
 */
void *mmu_root_leaf_hva(struct mmu_root_leaf *leaf, uint64_t page)
{
	return leaf->hva + leaf->offset + page * PAGE_SIZE;
}

static void set_todo(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
		     const uint64_t *pages, int nr)
{
	int i;

	TEST_ASSERT(nr <= MAX_OPS, "at most %d accesses", MAX_OPS);
	todo.nr = nr;
	todo.l2_stays = leaf->l2_stays;
	for (i = 0; i < nr; i++) {
		todo.op[i].gva = leaf->gpa + pages[i] * PAGE_SIZE;
		todo.op[i].access = access;
		todo.op[i].content = is_write(access) ? next_content++ : 0;
	}
	sync_global_to_guest(leaf->vcpu->vm, todo);
}

/* Run the guest until it has made all accesses, and serve MMIO meanwhile. */
static void run(struct mmu_root_leaf *leaf)
{
	struct kvm_run *run = leaf->vcpu->run;
	uint64_t content = MMIO_CONTENT;
	struct ucall uc;

	leaf->nr_mmio = 0;
	for (;;) {
		int ret = __vcpu_run(leaf->vcpu);

		if (ret || run->exit_reason != KVM_EXIT_MMIO)
			break;
		leaf->nr_mmio++;
		if (!run->mmio.is_write)
			memcpy(run->mmio.data, &content, run->mmio.len);
	}
	if (get_ucall(leaf->vcpu, &uc) != UCALL_SYNC) {
		printf("#! the guest left with %s%s%s\n",
		       exit_reason_str(run->exit_reason),
		       uc.cmd == UCALL_ABORT ? ": " : "", uc.cmd == UCALL_ABORT ? uc.buffer : "");
		exit(KSFT_FAIL);
	}
	sync_global_from_guest(leaf->vcpu->vm, todo);
}

/**
 * mmu_root_leaf_access() - Have the guest access pages of the memslot, and check the contents
 * @leaf: the watched memslot
 * @access: kind of the accesses
 * @pages: numbers of the pages in the memslot
 * @nr: number of @pages
 *
 * The guest must read what the host sees in the same page, and the host must see what the
 * guest has written.
 */
void mmu_root_leaf_access(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
			  const uint64_t *pages, int nr)
{
	uint64_t host;
	int i;

	set_todo(leaf, access, pages, nr);
	run(leaf);
	mmu_roots_check(&leaf->roots, !leaf->nr_mmio, "%lu accesses to the memslot were MMIO",
			leaf->nr_mmio);
	for (i = 0; i < nr && access != LEAF_EXEC; i++) {
		host = *(uint64_t *)mmu_root_leaf_hva(leaf, pages[i]);
		mmu_roots_check(&leaf->roots, todo.op[i].content == host,
				"the guest %s %#lx %s page %lu of the memslot, the host has %#lx",
				is_write(access) ? "wrote" : "read", todo.op[i].content,
				is_write(access) ? "to" : "from", pages[i], host);
	}
}

/**
 * mmu_root_leaf_expect_mmio() - Have the guest make accesses that KVM must treat as MMIO
 * @leaf: the watched memslot
 * @access: kind of the accesses
 * @pages: numbers of the pages, counted from the beginning of the memslot
 * @nr: number of @pages
 *
 * Each access must exit to userspace as MMIO, and must not change the memslot's memory.
 */
void mmu_root_leaf_expect_mmio(struct mmu_root_leaf *leaf, enum mmu_root_leaf_access access,
			       const uint64_t *pages, int nr)
{
	uint64_t host;
	int i;

	set_todo(leaf, access, pages, nr);
	run(leaf);
	mmu_roots_check(&leaf->roots, leaf->nr_mmio == nr, "%lu of %d accesses were MMIO",
			leaf->nr_mmio, nr);
	for (i = 0; i < nr && access == LEAF_READ; i++)
		mmu_roots_check(&leaf->roots, todo.op[i].content == MMIO_CONTENT,
				"MMIO of page %lu was read as %#lx, expected %#lx", pages[i],
				todo.op[i].content, MMIO_CONTENT);
	for (i = 0; i < nr && access == LEAF_WRITE; i++) {
		if (pages[i] >= leaf->nr_pages)
			continue;
		host = *(uint64_t *)mmu_root_leaf_hva(leaf, pages[i]);
		mmu_roots_check(&leaf->roots, host != todo.op[i].content,
				"MMIO wrote to page %lu of the memslot", pages[i]);
	}
}
