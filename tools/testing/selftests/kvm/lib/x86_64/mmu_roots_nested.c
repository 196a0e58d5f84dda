// SPDX-License-Identifier: GPL-2.0
/*
 * Guests of guests: L2s that differ in the page tables that KVM shadows, and
 * in the memory that they see through them.
 *
 * What is specific to SVM is in mmu_roots_nested_svm.c, and to VMX in
 * mmu_roots_nested_vmx.c.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

#define OWN_PAGE		MMU_ROOT_OWN_PAGE

/* What the nested page tables map one to one: all memory of the tests. */
#define NPT_SIZE		OWN_PAGE

/*
 * Where L1 sees the PGDs, and the tables that map OWN_PAGE; beside the data of
 * mmu_root_path_vm_create().
 */
#define PGD_WINDOW		0x70000000ul
#define TABLE_WINDOW		(PGD_WINDOW + MMU_ROOT_MAX_PGDS * PAGE_SIZE)

#define OWN_PAGE_INDEX		(OWN_PAGE / PAGE_SIZE % (PAGE_SIZE / sizeof(uint64_t)))

/* Of user space; the other half is the kernel's. */
#define HOST_VA_BITS_4_LEVELS	47

/* Room for a ucall, which L2s make, too. */
#define L2_STACK_SIZE		8192

/* A word of a PGD that maps nothing that anybody uses, and less than a word. */
#define SPARE_PGD_ENTRY		300
#define PARTIAL_WRITE		uint16_t

/* Of EPTPs, see mmu_roots_nested_vmx.c; NPTs have as many as L1's page tables. */
#define EPT_LEVELS		4

/* What is at OWN_PAGE. */
struct own_page {
	uint64_t pgd;
	uint64_t visits;
};

/* The same for the host and the guest; written by the former. */
static struct {
	const struct mmu_root_nested_ops *ops;
	bool nested_paging;
	/* Of page tables that CR3 points to, and of PGDs. */
	int cr3_levels;
	int pgd_levels;
	uint64_t page[MMU_ROOT_MAX_PGDS];
	uint64_t cr3[MMU_ROOT_MAX_PGDS];
	uint64_t pgd[MMU_ROOT_MAX_PGDS];
} nested;

static uint8_t l2_stack[MMU_ROOT_MAX_L2S][L2_STACK_SIZE] __aligned(16);

static const struct mmu_root_nested_ops *host_ops(void)
{
	return host_cpu_is_intel ? &mmu_root_nested_vmx : &mmu_root_nested_svm;
}

/**
 * mmu_root_nested_require() - Skip the test if L2s cannot be run
 * @nested_paging: whether L1 is to use nested paging
 */
void mmu_root_nested_require(bool nested_paging)
{
	host_ops()->require();
	if (!nested_paging)
		return;

	mmu_roots_require_applicable(kvm_is_tdp_enabled(),
				     "KVM offers nested paging only if it uses it itself");
	__TEST_REQUIRE(host_ops()->has_nested_paging(), "KVM does not offer nested paging");
}

/**
 * mmu_root_nested_name() - What a path is called on this host
 * @name: its name with SVM's nested paging; a constant string
 *
 * Return: the name with VMX's nested paging, if the host has VMX; or @name.
 */
const char *mmu_root_nested_name(const char *name)
{
	static char buf[64];
	char *npt;

	if (!host_cpu_is_intel)
		return name;

	TEST_ASSERT(strlen(name) < sizeof(buf), "a long name: %s", name);
	snprintf(buf, sizeof(buf), "%s", name);
	npt = strstr(buf, "+NPT");
	if (npt)
		memcpy(npt, "+EPT", strlen("+EPT"));
	return buf;
}

/**
 * mmu_root_npt_is_passthrough() - Ask whether nested NPT has passthrough roots
 * @vm: the VM, which is to be L1
 *
 * NPT has as many levels as the host's page tables, see get_npt_level().  If
 * these are five, the roots of nested NPT with four levels are one level above
 * what L1 has, see kvm_init_shadow_npt_mmu().
 *
 * EPT has as many as L1 says, see kvm_init_shadow_ept_mmu().
 *
 * Return: true if it is NPT, and the host has five levels, and L1 has four.
 */
bool mmu_root_npt_is_passthrough(struct kvm_vm *vm)
{
	/* The kernel serves hints beyond 47 bits if there is a fifth level. */
	void *hint = (void *)BIT_ULL(HOST_VA_BITS_4_LEVELS);
	void *page = mmap(hint, getpagesize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() a page");
	munmap(page, getpagesize());
	return page >= hint && !host_cpu_is_intel && mmu_roots_pgtable_levels(vm) == 4;
}

static uint64_t *pte_of(struct kvm_vm *vm, uint64_t table, uint64_t addr, int level)
{
	return (uint64_t *)addr_gpa2hva(vm, table) +
	       (addr >> PG_LEVEL_SHIFT(level)) % (PAGE_SIZE / sizeof(uint64_t));
}

static void npt_map(struct kvm_vm *vm, uint64_t table, uint64_t gpa, uint64_t page,
		    int last_level)
{
	uint64_t *pte;
	int level;

	for (level = nested.pgd_levels; level > last_level; level--) {
		pte = pte_of(vm, table, gpa, level);
		if (!*pte)
			*pte = vm_alloc_page_table(vm) | nested.ops->table_flags;
		table = PTE_GET_PA(*pte);
	}
	*pte_of(vm, table, gpa, level) = page | nested.ops->page_flags |
					 (level > PG_LEVEL_4K ? PT_PAGE_SIZE_MASK : 0);
}

static uint64_t npt_create(struct kvm_vm *vm, uint64_t own_page)
{
	uint64_t npt = vm_alloc_page_table(vm);
	uint64_t gpa;

	for (gpa = 0; gpa < NPT_SIZE; gpa += PG_SIZE_2M)
		npt_map(vm, npt, gpa, gpa, PG_LEVEL_2M);
	npt_map(vm, npt, OWN_PAGE, own_page, PG_LEVEL_4K);
	return npt;
}

/* Copy the tables on the way to OWN_PAGE, to have another page there. */
static uint64_t clone_tables(struct kvm_vm *vm, uint64_t table, int level,
			     uint64_t own_page)
{
	uint64_t clone = vm_alloc_page_table(vm);
	uint64_t *pte = pte_of(vm, clone, OWN_PAGE, level);

	memcpy(addr_gpa2hva(vm, clone), addr_gpa2hva(vm, table), PAGE_SIZE);
	if (level > PG_LEVEL_4K)
		own_page = clone_tables(vm, PTE_GET_PA(*pte), level - 1, own_page);
	*pte = (*pte & ~PHYSICAL_PAGE_MASK) | own_page;
	return clone;
}

static uint64_t own_page_create(struct kvm_vm *vm, int pgd)
{
	uint64_t gpa = vm_alloc_page_table(vm);
	struct own_page *page = addr_gpa2hva(vm, gpa);

	page->pgd = pgd;
	return gpa;
}

/* The table of the last level on the way to OWN_PAGE. */
static uint64_t own_table(struct kvm_vm *vm, int pgd)
{
	uint64_t table = nested.pgd[pgd];
	int level;

	for (level = nested.pgd_levels; level > PG_LEVEL_4K; level--)
		table = PTE_GET_PA(*pte_of(vm, table, OWN_PAGE, level));
	return table;
}

/**
 * mmu_root_nested_create() - Prepare a VM to be a hypervisor
 * @vcpu: a vCPU of the VM, in 64-bit mode
 * @nested_paging: whether L1 uses nested paging
 * @nr_pgds: number of PGDs, at most MMU_ROOT_MAX_PGDS
 *
 * Call this last, as PGDs are copies of the page tables as they are then.  The
 * first PGD without nested paging is L1's own CR3, so that L1 and L2 are told
 * apart by nothing but the role of the root.
 */
void mmu_root_nested_create(struct kvm_vcpu *vcpu, bool nested_paging, int nr_pgds)
{
	struct kvm_vm *vm = vcpu->vm;
	int i;

	TEST_ASSERT(nr_pgds <= MMU_ROOT_MAX_PGDS, "at most %u PGDs", MMU_ROOT_MAX_PGDS);
	memset(&nested, 0, sizeof(nested));
	nested.ops = host_ops();
	nested.nested_paging = nested_paging;
	nested.cr3_levels = mmu_roots_pgtable_levels(vm);
	nested.pgd_levels = nested_paging && host_cpu_is_intel ? EPT_LEVELS : nested.cr3_levels;
	nested.ops->create(vm, nested_paging);

	for (i = 0; i < nr_pgds; i++)
		nested.page[i] = own_page_create(vm, i);
	virt_map(vm, OWN_PAGE, nested_paging ? OWN_PAGE : nested.page[0], 1);

	nested.cr3[0] = mmu_roots_pgd(vm);
	for (i = 1; i < nr_pgds; i++)
		nested.cr3[i] = clone_tables(vm, nested.cr3[0], nested.cr3_levels,
					     nested_paging ? OWN_PAGE : nested.page[i]);

	nested.pgd[0] = nested_paging ? npt_create(vm, nested.page[0]) : nested.cr3[0];
	for (i = 1; i < nr_pgds; i++)
		nested.pgd[i] = !nested_paging ? nested.cr3[i] :
				clone_tables(vm, nested.pgd[0], nested.pgd_levels,
					     nested.page[i]);

	for (i = 0; i < nr_pgds; i++) {
		virt_map(vm, PGD_WINDOW + i * PAGE_SIZE, nested.pgd[i], 1);
		virt_map(vm, TABLE_WINDOW + i * PAGE_SIZE, own_table(vm, i), 1);
	}
	sync_global_to_guest(vm, nested);
}

/**
 * mmu_root_nested_replace_pgd() - Have other page tables be a PGD of L2
 * @vm: a VM of mmu_root_nested_create(), without nested paging
 * @pgd: number of the PGD
 * @gpa: what its CR3 is to be when L1 runs it again
 */
void mmu_root_nested_replace_pgd(struct kvm_vm *vm, int pgd, uint64_t gpa)
{
	nested.pgd[pgd] = gpa;
	sync_global_to_guest(vm, nested);
}

/**
 * mmu_root_nested_open() - Start to watch the roots of a VM with L2s
 * @roots: caller-allocated; initialized
 * @vm: a VM of mmu_root_nested_create()
 * @name: the path
 * @nr_roots: most roots that the path has valid at once
 *
 * With nested paging the roots of L2 are indirect, and one for each PGD, i.e. not
 * what the laws are about by default.  The calling thread stays on its CPU, see
 * mmu_roots_pin().
 */
void mmu_root_nested_open(struct mmu_roots *roots, struct kvm_vm *vm, const char *name,
			  unsigned int nr_roots)
{
	mmu_roots_pin();
	mmu_roots_open(roots, vm, name);
	roots->max_valid_roots = nr_roots;
	if (nested.nested_paging)
		roots->direct_only = false;
}

/**
 * mmu_root_nested_pick() - Pick the counts of the MMU that KVM uses
 * @tdp: the counts of two-dimensional paging, by the TDP MMU or not
 * @shadow: the counts of shadow paging
 *
 * Return: one of them.
 */
const struct mmu_root_counts *
mmu_root_nested_pick(const struct mmu_root_counts *tdp,
		     const struct mmu_root_counts *shadow)
{
	return mmu_root_mmu() == MMU_ROOT_SHADOW_MMU ? shadow : tdp;
}

/**
 * mmu_root_nested_run() - Run a vCPU until it syncs, and take a snapshot
 * @vcpu: the vCPU
 * @roots: the watched VM
 * @snap: the snapshot
 *
 * The argument of GUEST_SYNC() must be guest_checksum_data().
 */
void mmu_root_nested_run(struct kvm_vcpu *vcpu, struct mmu_roots *roots,
			 struct mmu_roots_snapshot *snap)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, snap);
	mmu_roots_check(roots, uc.args[1] == mmu_root_path_checksum(vcpu->vm),
			"the guest sees other data than the host");
}

/**
 * mmu_root_nested_expect_storm() - Check and report a storm on roots that survive
 * @roots: the watched VM, opened with the name of the path
 * @before: the snapshot before the storm, with everything built and mapped
 * @after: the snapshot after the storm
 * @c: what one operation costs
 * @nr_ops: number of operations
 */
void mmu_root_nested_expect_storm(struct mmu_roots *roots,
				  const struct mmu_roots_snapshot *before,
				  const struct mmu_roots_snapshot *after,
				  const struct mmu_root_counts *c, uint64_t nr_ops)
{
	mmu_roots_report(roots->name, nr_ops, before, after);
	mmu_roots_expect_value(roots, before, MMU_ROOT_ALLOC, c->roots);
	mmu_roots_expect_storm(roots, before, after, c, nr_ops);
}

/**
 * mmu_root_nested_own_entry() - What a PGD has for the page that is its own
 * @vm: a VM of mmu_root_nested_create()
 * @pgd: number of the PGD
 *
 * Return: the entry of the last level, as L1 sees it.
 */
uint64_t mmu_root_nested_own_entry(struct kvm_vm *vm, int pgd)
{
	return *pte_of(vm, own_table(vm, pgd), OWN_PAGE, PG_LEVEL_4K);
}

/**
 * mmu_root_nested_own_table() - Where a PGD has its entry for the page that is its own
 * @vm: a VM of mmu_root_nested_create()
 * @pgd: number of the PGD
 *
 * Return: physical address of the table of the last level, in L1.
 */
uint64_t mmu_root_nested_own_table(struct kvm_vm *vm, int pgd)
{
	return own_table(vm, pgd);
}

/**
 * mmu_root_nested_visits() - How often L2 was on a PGD
 * @vm: a VM of mmu_root_nested_create()
 * @pgd: number of the PGD
 *
 * Return: number of calls of guest_l2_visit() with this PGD.
 */
uint64_t mmu_root_nested_visits(struct kvm_vm *vm, int pgd)
{
	struct own_page *page = addr_gpa2hva(vm, nested.page[pgd]);

	return page->visits;
}

/**
 * mmu_root_nested_expect_visits() - Check how often L2 was on a PGD
 * @roots: the watched VM
 * @pgd: number of the PGD
 * @expected: number of calls of guest_l2_visit() with this PGD
 */
void mmu_root_nested_expect_visits(struct mmu_roots *roots, int pgd, uint64_t expected)
{
	uint64_t visits = mmu_root_nested_visits(roots->vm, pgd);

	mmu_roots_check(roots, visits == expected,
			"L2 was %lu times on PGD %d, expected %lu", visits, pgd, expected);
}

/**
 * mmu_root_nested_state_get() - Save the nested state of a vCPU
 * @vcpu: the vCPU
 *
 * Return: the state, which the next call overwrites.
 */
struct kvm_nested_state *mmu_root_nested_state_get(struct kvm_vcpu *vcpu)
{
	static union {
		struct kvm_nested_state state;
		uint8_t svm[sizeof(struct kvm_nested_state) + KVM_STATE_NESTED_SVM_VMCB_SIZE];
		uint8_t vmx[sizeof(struct kvm_nested_state) +
			    sizeof(struct kvm_vmx_nested_state_data)];
	} buf;

	buf.state.size = sizeof(buf);
	vcpu_nested_state_get(vcpu, &buf.state);
	return &buf.state;
}

/**
 * mmu_root_nested_state_set_pgd() - Change the PGD of nested paging of a saved L2
 * @state: the state of a vCPU in L2
 * @pgd: number of the PGD
 */
void mmu_root_nested_state_set_pgd(struct kvm_nested_state *state, int pgd)
{
	host_ops()->state_set_pgd(state, nested.pgd[pgd]);
}

/**
 * mmu_root_nested_state_set_gif() - Open the GIF that an exit from L2 has closed
 * @vcpu: a vCPU in L1, on a host with SVM
 */
void mmu_root_nested_state_set_gif(struct kvm_vcpu *vcpu)
{
	struct kvm_nested_state state = {
		.flags = KVM_STATE_NESTED_GIF_SET,
		.format = KVM_STATE_NESTED_FORMAT_SVM,
		.size = sizeof(state),
	};

	vcpu_nested_state_set(vcpu, &state);
}

/**
 * guest_l2_init_one() - Set up one L2
 * @l2: number of the L2; the first one has the CPU begin to virtualize
 * @l2_guest_code: where it starts; without arguments
 * @intercepts: what L1 intercepts, L1_INTERCEPTS_*
 */
void guest_l2_init_one(int l2, void *l2_guest_code, int intercepts)
{
	nested.ops->init(l2, l2_guest_code, l2_stack[l2] + L2_STACK_SIZE, intercepts);
}

/**
 * guest_l2_init() - Set up all L2s
 * @l2_guest_code: where they start; without arguments
 * @intercepts: what L1 intercepts, L1_INTERCEPTS_*
 */
void guest_l2_init(void *l2_guest_code, int intercepts)
{
	int i;

	for (i = 0; i < MMU_ROOT_MAX_L2S; i++)
		guest_l2_init_one(i, l2_guest_code, intercepts);
}

/**
 * guest_l2_pgd() - Where a PGD is
 * @pgd: number of the PGD
 *
 * Return: its physical address in L1.
 */
uint64_t guest_l2_pgd(int pgd)
{
	return nested.pgd[pgd];
}

/**
 * guest_l2_run() - Run an L2 until it is left
 * @l2: number of the L2
 * @pgd: number of the PGD that it runs on
 *
 * Return: why it was left.
 */
enum mmu_root_l2_exit guest_l2_run(int l2, int pgd)
{
	return nested.ops->run(l2, guest_l2_pgd(pgd));
}

/**
 * guest_l2_run_to_call() - Run an L2 until guest_l2_call()
 * @l2: number of the L2
 * @pgd: number of the PGD that it runs on
 */
void guest_l2_run_to_call(int l2, int pgd)
{
	enum mmu_root_l2_exit exit = guest_l2_run(l2, pgd);

	__GUEST_ASSERT(exit == L2_EXIT_CALL, "L2 %u on PGD %u was left for another reason",
		       l2, pgd);
}

/**
 * guest_l2_call() - Leave L2 for L1
 */
void guest_l2_call(void)
{
	nested.ops->call();
}

/**
 * guest_l2_visit() - Check that L2 runs on a PGD, and leave a trace of that
 * @pgd: number of the PGD
 */
void guest_l2_visit(int pgd)
{
	struct own_page *page = (void *)OWN_PAGE;
	uint64_t found = READ_ONCE(page->pgd);

	__GUEST_ASSERT(found == pgd, "L2 sees the page of PGD %lu, expected %u", found, pgd);
	WRITE_ONCE(page->visits, page->visits + 1);
}

/**
 * guest_own_page() - Look who owns the page that each PGD has for itself
 *
 * L1 with nested paging has none, and leaves for userspace: see mmu_root_l1_look().
 *
 * Return: number of the PGD that maps it.
 */
uint64_t guest_own_page(void)
{
	struct own_page *page = (void *)OWN_PAGE;

	return READ_ONCE(page->pgd);
}

/**
 * guest_l2_cr3() - A CR3 of L2
 * @nr: which one; the first is L1's own
 *
 * Return: its value.
 */
uint64_t guest_l2_cr3(int nr)
{
	return nested.cr3[nr];
}

/**
 * guest_l2_write_cr3() - Have L2 switch its CR3
 * @nr: which one; with nested paging all of them map the same
 */
void guest_l2_write_cr3(int nr)
{
	asm volatile("mov %0, %%cr3" : : "r" (nested.cr3[nr]) : "memory");
}

/**
 * guest_write_pgd() - Have L1 write to a PGD, such that KVM drops its root
 * @pgd: number of the PGD; not L1's own CR3
 *
 * KVM takes a page whose entries are written in part for something else than a
 * page table by now, see detect_write_misaligned(), if it shadows the page.
 */
void guest_write_pgd(int pgd)
{
	uint64_t *table = (void *)(PGD_WINDOW + pgd * PAGE_SIZE);

	WRITE_ONCE(*(PARTIAL_WRITE *)&table[SPARE_PGD_ENTRY], 0);
}

/**
 * guest_map_own_page() - Have L1 map the own page of another PGD
 * @pgd: number of the PGD that is to map it; not L1's own CR3
 * @owner: number of the PGD whose page it is
 *
 * It is for the caller to have the CPU forget what was mapped.
 */
void guest_map_own_page(int pgd, int owner)
{
	uint64_t *table = (void *)(TABLE_WINDOW + pgd * PAGE_SIZE);
	uint64_t entry = READ_ONCE(table[OWN_PAGE_INDEX]);

	WRITE_ONCE(table[OWN_PAGE_INDEX], (entry & ~PHYSICAL_PAGE_MASK) | nested.page[owner]);
}
