// SPDX-License-Identifier: GPL-2.0
/*
 * Nested guests: L2s on different page tables, which KVM shadows, and through
 * which the L2s see different memory.
 *
 * The code for SVM only is in mmu_roots_nested_svm.c, that for VMX only in
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

/* The nested page tables map this many bytes one to one: all memory of the tests. */
#define NPT_SIZE		OWN_PAGE

/*
 * L1 maps the PGDs, and the tables that map OWN_PAGE, at these addresses, outside the
 * data of mmu_root_path_vm_create().
 */
#define PGD_WINDOW		0x70000000ul
#define TABLE_WINDOW		(PGD_WINDOW + MMU_ROOT_MAX_PGDS * PAGE_SIZE)

#define OWN_PAGE_INDEX		(OWN_PAGE / PAGE_SIZE % (PAGE_SIZE / sizeof(uint64_t)))

/* Bits of userspace's half of the addresses; the other half is the kernel's. */
#define HOST_VA_BITS_4_LEVELS	47

/* An L2 makes ucalls, too, and has to have the stack for that. */
#define L2_STACK_SIZE		8192

/* Index of an entry of a PGD that no guest uses, and a type that is smaller than an entry. */
#define SPARE_PGD_ENTRY		300
#define PARTIAL_WRITE		uint16_t

/* Levels in EPTPs, see mmu_roots_nested_vmx.c; NPTs have as many levels as L1's page tables. */
#define EPT_LEVELS		4

/* Content of the page at OWN_PAGE. */
struct own_page {
	uint64_t pgd;
	uint64_t visits;
};

/* The host writes this, and copies it to the guest. */
static struct {
	const struct mmu_root_nested_ops *ops;
	bool nested_paging;
	/* Levels of the page tables that CR3 points to, and of PGDs. */
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
 * mmu_root_nested_name() - Name of a path on this host
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
 * mmu_root_host_has_five_levels() - Ask how many levels the host's page tables have
 *
 * Return: true if five, false if four.
 */
bool mmu_root_host_has_five_levels(void)
{
	/* The kernel follows a hint beyond 47 bits only if the host has five levels. */
	void *hint = (void *)BIT_ULL(HOST_VA_BITS_4_LEVELS);
	void *page = mmap(hint, getpagesize(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	TEST_ASSERT(page != MAP_FAILED, "mmap() a page");
	munmap(page, getpagesize());
	return page >= hint;
}

/**
 * mmu_root_npt_is_passthrough() - Ask whether nested NPT has passthrough roots
 * @vm: the VM, which is to be L1
 *
 * KVM's NPTs have as many levels as the host's page tables, see get_npt_level().
 * If the host has five levels and L1's NPT has four, KVM's root for nested NPT is
 * one level above L1's top-level table, see kvm_init_shadow_npt_mmu().
 *
 * KVM's EPTs for L2 have as many levels as L1 chooses, see kvm_init_shadow_ept_mmu().
 *
 * Return: true with NPT, if the host has five levels and L1 has four.
 */
bool mmu_root_npt_is_passthrough(struct kvm_vm *vm)
{
	return mmu_root_host_has_five_levels() && !host_cpu_is_intel &&
	       mmu_roots_pgtable_levels(vm) == 4;
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

/* Copy the tables that map OWN_PAGE, and have the copy map another page there. */
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

/* A PGD's table of the last level that maps OWN_PAGE. */
static uint64_t own_table(struct kvm_vm *vm, int pgd)
{
	uint64_t table = nested.pgd[pgd];
	int level;

	for (level = nested.pgd_levels; level > PG_LEVEL_4K; level--)
		table = PTE_GET_PA(*pte_of(vm, table, OWN_PAGE, level));
	return table;
}

/**
 * mmu_root_gpa_limit() - The first guest physical address beyond MAXPHYADDR
 *
 * Return: 2 to the power of MAXPHYADDR, in bytes; this bit is reserved in CR3.
 */
uint64_t mmu_root_gpa_limit(void)
{
	return BIT_ULL(kvm_cpu_property(X86_PROPERTY_MAX_PHY_ADDR));
}

/**
 * mmu_root_nested_create() - Prepare a VM to be L1
 * @vcpu: a vCPU of the VM, in 64-bit mode
 * @nested_paging: whether L1 uses nested paging
 * @nr_pgds: number of PGDs, at most MMU_ROOT_MAX_PGDS
 *
 * Call this last, because PGDs are copies of the page tables at the time of the call.
 * Without nested paging, the first PGD is L1's own CR3, so that the roots of L1 and
 * L2 differ only in their role.
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
 * mmu_root_nested_replace_pgd() - Replace the page tables of a PGD of L2
 * @vm: a VM of mmu_root_nested_create(), without nested paging
 * @pgd: number of the PGD
 * @gpa: L2's CR3 when L1 runs L2 on this PGD again
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
 * @nr_roots: how many roots of the path may be valid at once
 *
 * With nested paging the roots of L2 are indirect, and each PGD has one of its own, so
 * the default limits of laws 2 and 4 do not apply.  The function pins the calling
 * thread to its CPU, see mmu_roots_pin().
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
 * @tdp: the counts with TDP, by the TDP MMU or not
 * @shadow: the counts with shadow paging
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
 * mmu_root_nested_run() - Run a vCPU until its next GUEST_SYNC(), and take a snapshot
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
 * @before: the snapshot before the storm, with all roots built and all pages mapped
 * @after: the snapshot after the storm
 * @c: the cost of one operation
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
 * mmu_root_nested_own_entry() - The entry with which a PGD maps its own page
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
 * mmu_root_nested_own_table() - Address of the table with which a PGD maps its own page
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
 * mmu_root_nested_visits() - How often L2 has run on a PGD
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
 * mmu_root_nested_expect_visits() - Check how often L2 has run on a PGD
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
 * mmu_root_nested_state_set_gif() - Set the GIF, which an exit from L2 has cleared
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
 * @l2: number of the L2; must be 0 in the first call, as that makes the CPU enter VMX operation
 * @l2_guest_code: the function that L2 starts with; takes no arguments
 * @intercepts: what L1 intercepts, L1_INTERCEPTS_*
 */
void guest_l2_init_one(int l2, void *l2_guest_code, int intercepts)
{
	nested.ops->init(l2, l2_guest_code, l2_stack[l2] + L2_STACK_SIZE, intercepts);
}

/**
 * guest_l2_init() - Set up all L2s
 * @l2_guest_code: the function that they start with; takes no arguments
 * @intercepts: what L1 intercepts, L1_INTERCEPTS_*
 */
void guest_l2_init(void *l2_guest_code, int intercepts)
{
	int i;

	for (i = 0; i < MMU_ROOT_MAX_L2S; i++)
		guest_l2_init_one(i, l2_guest_code, intercepts);
}

/**
 * guest_l2_pgd() - Address of a PGD
 * @pgd: number of the PGD
 *
 * Return: its physical address in L1.
 */
uint64_t guest_l2_pgd(int pgd)
{
	return nested.pgd[pgd];
}

/**
 * guest_l2_run() - Run an L2 until it exits to L1
 * @l2: number of the L2
 * @pgd: number of the PGD that L2 runs on
 *
 * Return: why L2 has exited, or was not entered.
 */
enum mmu_root_l2_exit guest_l2_run(int l2, int pgd)
{
	return nested.ops->run(l2, guest_l2_pgd(pgd));
}

/**
 * guest_l2_run_to_call() - Run an L2 until guest_l2_call()
 * @l2: number of the L2
 * @pgd: number of the PGD that L2 runs on
 */
void guest_l2_run_to_call(int l2, int pgd)
{
	enum mmu_root_l2_exit exit = guest_l2_run(l2, pgd);

	__GUEST_ASSERT(exit == L2_EXIT_CALL, "L2 %u on PGD %u was left for another reason",
		       l2, pgd);
}

/**
 * guest_l2_call() - Exit from L2 to L1
 */
void guest_l2_call(void)
{
	nested.ops->call();
}

/**
 * guest_l2_visit() - Check that L2 runs on a PGD, and count that
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
 * guest_own_page() - Find out whose page is mapped at MMU_ROOT_OWN_PAGE
 *
 * An L1 that uses nested paging has no page there, and exits to userspace: see
 * mmu_root_l1_look().
 *
 * Return: number of the PGD whose page it is.
 */
uint64_t guest_own_page(void)
{
	struct own_page *page = (void *)OWN_PAGE;

	return READ_ONCE(page->pgd);
}

/**
 * guest_l2_cr3() - A CR3 of L2
 * @nr: number of the CR3; the first one is L1's own
 *
 * Return: its value.
 */
uint64_t guest_l2_cr3(int nr)
{
	return nested.cr3[nr];
}

/**
 * guest_l2_write_cr3() - Have L2 switch its CR3
 * @nr: number of the CR3; with nested paging all of them map the same
 */
void guest_l2_write_cr3(int nr)
{
	asm volatile("mov %0, %%cr3" : : "r" (nested.cr3[nr]) : "memory");
}

/**
 * guest_write_pgd() - Have L1 write to a PGD such that KVM zaps the PGD's root
 * @pgd: number of the PGD; not L1's own CR3
 *
 * If KVM shadows a page, and the guest writes only a part of an entry there, KVM assumes
 * that the page is no longer a page table, see detect_write_misaligned().
 */
void guest_write_pgd(int pgd)
{
	uint64_t *table = (void *)(PGD_WINDOW + pgd * PAGE_SIZE);

	WRITE_ONCE(*(PARTIAL_WRITE *)&table[SPARE_PGD_ENTRY], 0);
}

/**
 * guest_map_own_page() - Have L1 change a PGD to map the own page of another PGD
 * @pgd: number of the PGD to change; not L1's own CR3
 * @owner: number of the PGD whose page it is
 *
 * The caller must flush the old mapping from the CPU's TLB.
 */
void guest_map_own_page(int pgd, int owner)
{
	uint64_t *table = (void *)(TABLE_WINDOW + pgd * PAGE_SIZE);
	uint64_t entry = READ_ONCE(table[OWN_PAGE_INDEX]);

	WRITE_ONCE(table[OWN_PAGE_INDEX], (entry & ~PHYSICAL_PAGE_MASK) | nested.page[owner]);
}
