// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a vCPU finds its MMU root again after KVM reset its MMU.
 *
 * The guest operates each path that resets the MMU many times, and works on its
 * memory meanwhile.  Each operation must take exact numbers of resets and root
 * loads; over all operations, KVM must build no root and fault in no page again,
 * and the guest's memory must not change.  Paths that need no reset are the
 * controls: none of the counters may move.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots.h"
#include "mmu_roots_paths.h"

/* An even number of flips leaves the guest's registers as they were. */
#define NR_OPS			40
/* The least number of operations after which all is mapped, see guest_path_storm(). */
#define NR_WARM_OPS		MMU_ROOT_DATA_PAGES

#define BSP_ID			0
#define OTHER_ID		1
#define NR_INITS		50

/* INIT, CR4.PAE, EFER.LME and CR0.PG take a reset and a load each; see docs/counters.md. */
static const struct mmu_root_counts init_tdp = {
	.resets = 4, .loads = 4, .found = 4, .roots = 1, .flushes = 4,
};

/* The same, and the write of CR3 is a PGD switch that hits the current root. */
static const struct mmu_root_counts init_tdp_restricted = {
	.resets = 4, .loads = 4, .found = 4, .hits = 1, .roots = 1, .flushes = 6,
};

/* The same, and a load for CR3.  All loads but the last of five take four PAE roots. */
static const struct mmu_root_counts init_shadow = {
	.resets = 4, .loads = 5, .found = 4 * 4 + 1, .misses = 1, .roots = 4 + 1, .flushes = 6,
};

static void guest_storm(enum mmu_root_path_id path, int nr_ops)
{
	uint64_t cr0 = get_cr0(), cr4 = get_cr4(), efer = rdmsr(MSR_EFER);

	guest_path_init(path);
	guest_path_storm(path, NR_WARM_OPS);
	guest_checksum_data();
	GUEST_SYNC(0);

	guest_path_storm(path, nr_ops);
	GUEST_SYNC(nr_ops);

	GUEST_ASSERT_EQ(get_cr0(), cr0);
	GUEST_ASSERT_EQ(get_cr4(), cr4);
	GUEST_ASSERT_EQ(rdmsr(MSR_EFER), efer);
	GUEST_SYNC(guest_checksum_data());
	GUEST_DONE();
}

static void guest_code(enum mmu_root_path_id path)
{
	guest_storm(path, NR_OPS);
}

FIXTURE(path) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(path) {
	enum mmu_root_path_id id;
};

FIXTURE_VARIANT_ADD(path, null_exit) { .id = PATH_NULL_EXIT };
FIXTURE_VARIANT_ADD(path, cr0_rewrite) { .id = PATH_CR0_REWRITE };
FIXTURE_VARIANT_ADD(path, cr0_wp) { .id = PATH_CR0_WP };
FIXTURE_VARIANT_ADD(path, cr4_rewrite) { .id = PATH_CR4_REWRITE };
FIXTURE_VARIANT_ADD(path, cr4_pge) { .id = PATH_CR4_PGE };
FIXTURE_VARIANT_ADD(path, cr4_mce) { .id = PATH_CR4_MCE };
FIXTURE_VARIANT_ADD(path, cr4_smep) { .id = PATH_CR4_SMEP };
FIXTURE_VARIANT_ADD(path, cr4_smap) { .id = PATH_CR4_SMAP };
FIXTURE_VARIANT_ADD(path, cr4_pke) { .id = PATH_CR4_PKE };
FIXTURE_VARIANT_ADD(path, cr4_pcide) { .id = PATH_CR4_PCIDE };
FIXTURE_VARIANT_ADD(path, efer_rewrite) { .id = PATH_EFER_REWRITE };
FIXTURE_VARIANT_ADD(path, efer_nx) { .id = PATH_EFER_NX };
FIXTURE_VARIANT_ADD(path, smm) { .id = PATH_SMM };

FIXTURE_SETUP(path)
{
	const char *name = mmu_root_paths[variant->id].name;

	printf("#@ path=%s\n", name);
	mmu_root_path_require(variant->id);
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, guest_code);
	vcpu_args_set(self->vcpu, 1, variant->id);
	mmu_roots_open(&self->roots, self->vcpu->vm, name);
}

FIXTURE_TEARDOWN(path)
{
	mmu_roots_vm_free(&self->roots);
}

/* The bound for paths that do not exit is above 0: the host's interrupts are exits, too. */
static void check_exits(struct mmu_roots *roots, enum mmu_root_path_id path, uint64_t exits)
{
	if (mmu_root_path_exits(path))
		mmu_roots_check(roots, exits >= NR_OPS,
				"%lu exits, expected one for each of %u operations",
				exits, NR_OPS);
	else
		mmu_roots_check(roots, exits < NR_OPS / 2,
				"%lu exits, expected none for %u operations", exits, NR_OPS);
}

TEST_F(path, exact_counts)
{
	struct mmu_root_counts counts = mmu_root_path_counts(variant->id);
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &warm);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &storm);

	mmu_roots_report(mmu_root_paths[variant->id].name, NR_OPS, &warm, &storm);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts.roots);
	mmu_roots_expect_storm(roots, &warm, &storm, &counts, NR_OPS);
	check_exits(roots, variant->id, storm.stat[EXITS] - warm.stat[EXITS]);

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(roots, uc.args[1] == mmu_root_path_checksum(self->vcpu->vm),
			"the guest sees other data than the host");
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);

	/* guest_path_init() operated the path twice. */
	if (variant->id == PATH_SMM)
		mmu_roots_check(roots, mmu_root_path_nr_smis(self->vcpu->vm) ==
				2 + NR_WARM_OPS + NR_OPS, "%lu SMIs handled, expected %u",
				mmu_root_path_nr_smis(self->vcpu->vm),
				2 + NR_WARM_OPS + NR_OPS);
}

/*
 * A reset also refreshes KVM's copy of the guest's paging mode, by which KVM's emulator
 * translates addresses.  A change that makes resets cheaper, and forgets this, would
 * have all counts right, and let the guest's kernel do what page tables forbid.
 */
#define NR_FLIPS		4
/* Numbers of pages of the data. */
#define READ_ONLY_PAGE		1
#define PREFIX_PAGE		2
#define USER_PAGE		(PREFIX_PAGE + 1)
#define NX_PREFIX_PAGE		4
#define NX_PAGE			(NX_PREFIX_PAGE + 1)
/* PKRU.AD and PKRU.WD of protection key 0, which all pages have: Intel SDM. */
#define PKRU_DENY_KEY_0		1
#define PKRU_READ_ONLY_KEY_0	2

/* Flags of a case.  Userspace flips the bit, by KVM_SET_SREGS, instead of the guest. */
#define BY_HOST			BIT(0)
/* The guest sets CR0.WP first, for which KVM has other roots with shadow paging. */
#define WITH_WP			BIT(1)
/* The case tests PKRU.WD, which applies to the kernel only if CR0.WP is set. */
#define BY_PKRU			BIT(2)

/* The library's kvm_asm_safe_fep() lacks the prefix that has KVM emulate. */
#define asm_safe_emulated(insn, inputs...)			\
({								\
	uint64_t __error_code;					\
	uint8_t __vector;					\
								\
	asm volatile(KVM_ASM_SAFE_FEP(insn)			\
		     : KVM_ASM_SAFE_OUTPUTS(__vector, __error_code) \
		     : inputs					\
		     : KVM_ASM_SAFE_CLOBBERS, "memory");	\
	__vector;						\
})

#define READ_INSN		"cmpl $0, (%[addr])"
#define WRITE_INSN		"orl $0, (%[addr])"

/* This code sets the vector to "no exception", and returns; see KVM_ASM_SAFE(). */
static const uint8_t code_bytes[] = {
	0x45, 0x31, 0xc9,	/* xor %r9d, %r9d */
	0x41, 0xff, 0xe3,	/* jmp *%r11 */
};

static uint64_t gva_of(uint64_t page)
{
	return MMU_ROOT_DATA_GVA + page * PAGE_SIZE;
}

/*
 * Jump to @entry, from where execution gets to @code.  Return the vector of the exception
 * that the fetch from @code raises, or 0 if the fetch raises none.
 */
static uint8_t fetch(uint64_t entry, uint64_t code)
{
	uint64_t vector = KVM_EXCEPTION_MAGIC;

	asm volatile("movq %[vector], %%r9\n\t"
		     "movq %[code], %%r10\n\t"
		     "leaq 1f(%%rip), %%r11\n\t"
		     "jmp *%[entry]\n\t"
		     "1: movq %%r9, %[vector]"
		     : [vector] "+r" (vector)
		     : [code] "r" (code), [entry] "r" (entry)
		     : "r9", "r10", "r11", "cc", "memory");
	return vector;
}

static uint64_t data_of(enum mmu_root_path_id path, uint64_t flags)
{
	switch (path) {
	case PATH_CR0_WP:
		return gva_of(flags & BY_PKRU ? USER_PAGE : READ_ONLY_PAGE);
	case PATH_EFER_NX:
		return gva_of(NX_PAGE);
	default:
		return gva_of(USER_PAGE);
	}
}

static void guest_expect_data_fault(enum mmu_root_path_id path, uint64_t flags,
				    bool expected, bool tdp)
{
	uint8_t vector = expected ? PF_VECTOR : 0;
	uint64_t data = data_of(path, flags);

	if (path == PATH_CR0_WP) {
		GUEST_ASSERT_EQ(kvm_asm_safe(WRITE_INSN, [addr] "r" (data)), vector);
		GUEST_ASSERT_EQ(asm_safe_emulated(WRITE_INSN, [addr] "r" (data)), vector);
		return;
	}
	/*
	 * PTE.NX is a reserved bit without EFER.NX.  With shadow paging, KVM keeps
	 * PTE.NX as NX all the same, so the CPU does not raise the fault of a
	 * reserved bit, see kvm_init_shadow_mmu().
	 */
	if (path != PATH_EFER_NX || tdp)
		GUEST_ASSERT_EQ(kvm_asm_safe(READ_INSN, [addr] "r" (data)), vector);
	GUEST_ASSERT_EQ(asm_safe_emulated(READ_INSN, [addr] "r" (data)), vector);
	if (path != PATH_CR4_SMAP)
		return;
	/* RFLAGS.AC allows the kernel such accesses: Intel SDM, "Access Rights". */
	asm volatile("stac" : : : "cc");
	GUEST_ASSERT_EQ(kvm_asm_safe(READ_INSN, [addr] "r" (data)), 0);
	GUEST_ASSERT_EQ(asm_safe_emulated(READ_INSN, [addr] "r" (data)), 0);
	asm volatile("clac" : : : "cc");
}

/*
 * The CPU fetches the prefix from a page that it may execute, and KVM fetches the
 * instruction that follows from the next page.  If a fetch after the prefix fails, KVM
 * raises #UD, see x86_emulate_instruction().
 */
static void guest_expect_fetch_fault(uint64_t page, bool expected)
{
	uint64_t code = gva_of(page), prefix = code - sizeof(mmu_root_fep);

	GUEST_ASSERT_EQ(fetch(code, code), expected ? PF_VECTOR : 0);
	GUEST_ASSERT_EQ(fetch(prefix, code), expected ? UD_VECTOR : 0);
}

static void guest_write_code(uint64_t page)
{
	memcpy((void *)(gva_of(page) - sizeof(mmu_root_fep)), mmu_root_fep, sizeof(mmu_root_fep));
	memcpy((void *)gva_of(page), code_bytes, sizeof(code_bytes));
}

static void guest_expect_fault(enum mmu_root_path_id path, uint64_t flags, bool expected,
			       bool tdp)
{
	if (path == PATH_CR4_SMEP)
		guest_expect_fetch_fault(USER_PAGE, expected);
	else
		guest_expect_data_fault(path, flags, expected, tdp);

	/* While EFER.NX is set, the guest can read the page, but not execute it. */
	if (path == PATH_EFER_NX && !expected)
		guest_expect_fetch_fault(NX_PAGE, true);
}

static void guest_flip(enum mmu_root_path_id path, uint64_t flags, uint64_t *cr4)
{
	if (flags & BY_HOST)
		GUEST_SYNC(0);
	else
		mmu_root_paths[path].guest_op(cr4);
}

static void guest_permission(enum mmu_root_path_id path, uint64_t flags, bool tdp)
{
	const struct mmu_root_path *p = &mmu_root_paths[path];
	uint64_t cr4 = guest_initial_cr4;
	int i;

	guest_path_init(path);
	guest_write_code(USER_PAGE);
	guest_write_code(NX_PAGE);
	if (path == PATH_CR4_PKE) {
		/* PKRU is accessible with CR4.PKE only, and keeps its value without. */
		p->guest_op(&cr4);
		wrpkru(PKRU_DENY_KEY_0);
		p->guest_op(&cr4);
	}
	if (flags & WITH_WP)
		mmu_root_paths[PATH_CR0_WP].guest_op(NULL);
	if (flags & BY_PKRU) {
		mmu_root_paths[PATH_CR4_PKE].guest_op(&cr4);
		wrpkru(PKRU_READ_ONLY_KEY_0);
	}
	GUEST_SYNC(0);

	for (i = 0; i < NR_FLIPS; i++) {
		guest_expect_fault(path, flags, false, tdp);
		guest_flip(path, flags, &cr4);
		guest_expect_fault(path, flags, true, tdp);
		guest_flip(path, flags, &cr4);
	}
	GUEST_DONE();
}

FIXTURE(permission) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
};

FIXTURE_VARIANT(permission) {
	enum mmu_root_path_id id;
	uint64_t flags;
};

FIXTURE_VARIANT_ADD(permission, cr0_wp) { .id = PATH_CR0_WP };
FIXTURE_VARIANT_ADD(permission, cr4_smep) { .id = PATH_CR4_SMEP };
FIXTURE_VARIANT_ADD(permission, cr4_smap) { .id = PATH_CR4_SMAP };
FIXTURE_VARIANT_ADD(permission, cr4_pke) { .id = PATH_CR4_PKE };
FIXTURE_VARIANT_ADD(permission, efer_nx) { .id = PATH_EFER_NX };

FIXTURE_VARIANT_ADD(permission, cr4_smep_with_wp) { PATH_CR4_SMEP, WITH_WP };
FIXTURE_VARIANT_ADD(permission, cr4_smap_with_wp) { PATH_CR4_SMAP, WITH_WP };
FIXTURE_VARIANT_ADD(permission, cr0_wp_by_pkru) { PATH_CR0_WP, BY_PKRU };

FIXTURE_VARIANT_ADD(permission, cr0_wp_by_host) { PATH_CR0_WP, BY_HOST };
FIXTURE_VARIANT_ADD(permission, cr4_smep_by_host) { PATH_CR4_SMEP, BY_HOST };
FIXTURE_VARIANT_ADD(permission, cr4_smap_by_host) { PATH_CR4_SMAP, BY_HOST };
FIXTURE_VARIANT_ADD(permission, efer_nx_by_host) { PATH_EFER_NX, BY_HOST };

FIXTURE_SETUP(permission)
{
	const char *name = mmu_root_paths[variant->id].name;

	printf("#@ path=%s\n", name);
	mmu_root_path_require(variant->id);
	if (variant->flags & BY_PKRU)
		mmu_root_path_require(PATH_CR4_PKE);
	mmu_roots_force_emulation();
	mmu_root_path_vm_create(&self->vcpu, guest_permission);
	mmu_root_path_pte(self->vcpu->vm, USER_PAGE, PT_USER_MASK, 0, 0);
	mmu_root_path_pte(self->vcpu->vm, READ_ONLY_PAGE, 0, 0, PT_WRITABLE_MASK);
	mmu_root_path_pte(self->vcpu->vm, NX_PAGE, 0, PT64_NX_MASK, 0);
	vcpu_args_set(self->vcpu, 3, variant->id, variant->flags, kvm_is_tdp_enabled());
	mmu_roots_open(&self->roots, self->vcpu->vm, name);
}

FIXTURE_TEARDOWN(permission)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

TEST_F(permission, enforced_by_cpu_and_emulator)
{
	struct mmu_roots *roots = &self->roots;
	uint64_t before = 0, after = 0;
	struct ucall uc;
	int ret, i;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	ret = mmu_roots_read_debugfs(roots, "insn_emulation", &before);
	for (i = 0; variant->flags & BY_HOST && i < 2 * NR_FLIPS; i++) {
		mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
		mmu_root_path_flip_by_host(self->vcpu, variant->id);
	}
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	ret = ret ?: mmu_roots_read_debugfs(roots, "insn_emulation", &after);

	/* A lower bound, as KVM may emulate more instructions than those with the prefix. */
	mmu_roots_check(roots, !ret && after - before >= 2 * NR_FLIPS,
			"%lu instructions emulated, expected %u at least",
			after - before, 2 * NR_FLIPS);
}

FIXTURE(forced) {
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vcpu *other;
};

FIXTURE_VARIANT(forced) {
	const char *name;
	uint64_t every;
};

FIXTURE_VARIANT_ADD(forced, every_exit) { "forced-1/1", 1 };

/* A prime, so that forced resets are not in step with anything that the guest does. */
#define PERIOD			7
FIXTURE_VARIANT_ADD(forced, every_7th_exit) { "forced-1/7", PERIOD };

/* From this many exits on, resets on every 7th or on every 8th exit always differ in number. */
#define NR_FORCED_OPS		(PERIOD * (PERIOD + 1))

/*
 * No single vCPU has this many exits, but two together do: a count kept per VM instead of
 * per vCPU would show as a reset.
 */
FIXTURE_VARIANT_ADD(forced, no_exit) { "forced-rarely", NR_FORCED_OPS * 3 / 2 };

/* Another vCPU has exits meanwhile, which KVM must not count for the first vCPU. */
#define NR_EXITS_OF_OTHER	5

/* KVM sends IPIs, here to no vCPU, in a fastpath, see handle_fastpath_set_msr_irqoff(). */
#define NR_FASTPATH_EXITS	50
#define NOBODY_ID		0x77ul

static void guest_forced(void)
{
	guest_storm(PATH_NULL_EXIT, NR_FORCED_OPS);
}

static void guest_other(int nr_ipis)
{
	int i;

	x2apic_enable();
	for (;;) {
		for (i = 0; i < NR_EXITS_OF_OTHER; i++)
			mmu_root_paths[PATH_NULL_EXIT].guest_op(NULL);
		for (i = 0; i < nr_ipis; i++)
			x2apic_write_reg(APIC_ICR, NOBODY_ID << 32);
		GUEST_SYNC(0);
	}
}

FIXTURE_SETUP(forced)
{
	printf("#@ path=%s counts=vary\n", variant->name);
	__TEST_REQUIRE(mmu_reset_every_supported(),
		       "no module parameter kvm.mmu_reset_every: apply kvm-mmu-roots' patches/*/stress");
	mmu_roots_pin();
	mmu_root_path_vm_create(&self->vcpu, guest_forced);
	self->other = mmu_root_path_vcpu_add(self->vcpu->vm, OTHER_ID, guest_other);
	vcpu_args_set(self->other, 1, 0);
	mmu_roots_open(&self->roots, self->vcpu->vm, variant->name);
}

FIXTURE_TEARDOWN(forced)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

TEST_F(forced, exact_counts)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot off, on, off_again;
	uint64_t exits, resets, pending;
	struct ucall uc;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &off);
	mmu_roots_expect_value(roots, &off, MMU_RESET, roots->birth.stat[MMU_RESET]);

	mmu_roots_check(roots, mmu_reset_every_set(variant->every) == variant->every,
			"kvm.mmu_reset_every does not hold %lu", variant->every);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &on);
	mmu_root_params_restore();

	/* All exits count, whether for the guest's CPUID or for an interrupt of the host. */
	exits = on.stat[EXITS] - off.stat[EXITS];
	resets = exits / variant->every;
	/* If the exit to userspace takes a reset, its load comes with the next VM-Entry. */
	pending = !(exits % variant->every);

	mmu_roots_report(variant->name, exits, &off, &on);
	mmu_roots_check(roots, exits > NR_FORCED_OPS, "only %lu exits for %u CPUIDs",
			exits, NR_FORCED_OPS);
	mmu_roots_expect_storm(roots, &off, &on, &(struct mmu_root_counts) {
		.resets = resets, .loads = resets - pending, .found = resets - pending,
	}, 1);

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_roots_check(roots, uc.args[1] == mmu_root_path_checksum(self->vcpu->vm),
			"the guest sees other data than the host");
	mmu_root_path_run(self->vcpu, &uc, UCALL_DONE);
	mmu_roots_read(roots, &off_again);
	mmu_roots_expect_storm(roots, &on, &off_again, &(struct mmu_root_counts) {
		.loads = pending, .found = pending,
	}, 1);
}

/* KVM must count each vCPU's exits separately; in these turns, both have about as many. */
#define NR_TURNS		(NR_FORCED_OPS / NR_EXITS_OF_OTHER)

TEST_F(forced, counts_per_vcpu)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t exits, resets;
	struct ucall uc;
	int i;

	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_root_path_run(self->other, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &before);
	mmu_reset_every_set(variant->every);
	for (i = 0; i < NR_TURNS; i++)
		mmu_root_path_run(self->other, &uc, UCALL_SYNC);
	mmu_root_path_run(self->vcpu, &uc, UCALL_SYNC);
	mmu_root_params_restore();
	mmu_roots_read(roots, &after);

	for (i = 0; i < 2; i++) {
		exits = mmu_roots_vcpu_stat(&after, i, EXITS) -
			mmu_roots_vcpu_stat(&before, i, EXITS);
		resets = mmu_roots_vcpu_stat(&after, i, MMU_RESET) -
			 mmu_roots_vcpu_stat(&before, i, MMU_RESET);
		mmu_roots_check(roots, resets == exits / variant->every,
				"%lu exits of vCPU %d made %lu resets, expected %lu",
				exits, i, resets, exits / variant->every);
	}
}

TEST_F(forced, not_by_fastpath_exits)
{
	struct mmu_roots_snapshot before, after;
	struct mmu_roots *roots = &self->roots;
	uint64_t exits;

	mmu_roots_require_applicable(host_cpu_is_intel || get_kvm_amd_param_integer("nrips"),
				     "KVM has fastpaths with next-RIP save only: nrips=0");
	vcpu_args_set(self->other, 1, NR_FASTPATH_EXITS);
	mmu_root_path_sync(self->other);
	mmu_roots_read(roots, &before);
	mmu_reset_every_set(variant->every);
	mmu_root_path_sync(self->other);
	mmu_root_params_restore();
	mmu_roots_read(roots, &after);

	exits = after.stat[EXITS] - before.stat[EXITS];
	mmu_roots_check(roots, exits > NR_FASTPATH_EXITS, "only %lu exits for %u IPIs",
			exits, NR_FASTPATH_EXITS);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET,
				(exits - NR_FASTPATH_EXITS) / variant->every);
}

/* The guest writes the AP's checksum of the data, and how often the AP was started. */
static uint64_t ap_sum;
static uint64_t nr_ap_starts;

/* The AP starts here after each INIT-SIPI-SIPI. */
static void guest_ap(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	__GUEST_ASSERT((efer & (EFER_LMA | EFER_NX)) == (EFER_LMA | EFER_NX),
		       "EFER is %lx", efer);
	ap_sum = guest_checksum_data();
	nr_ap_starts++;
	guest_exit_for_good();
}

FIXTURE(init) {
	struct mmu_roots roots;
	struct kvm_vcpu *bsp;
	struct kvm_vcpu *ap;
};

FIXTURE_SETUP(init)
{
	struct kvm_regs regs;
	struct kvm_vm *vm;

	printf("#@ path=INIT-SIPI-SIPI\n");
	mmu_roots_pin();
	vm = mmu_root_path_vm_create(&self->bsp, guest_restart_ap);
	self->ap = mmu_root_path_vcpu_add(vm, MMU_ROOT_AP_ID, guest_ap);
	vcpu_regs_get(self->ap, &regs);
	mmu_root_sipi_install(self->ap, guest_ap, regs.rsp);
	mmu_roots_open(&self->roots, vm, "INIT-SIPI-SIPI");
}

FIXTURE_TEARDOWN(init)
{
	mmu_root_params_restore();
	mmu_roots_vm_free(&self->roots);
}

/*
 * The vCPUs take turns in one thread, so INIT is pending when the AP runs again, and
 * finds the AP in 64-bit mode with paging on each time.  This makes the counts exact.
 */
static void init_sipi_sipi(struct kvm_vcpu *bsp, struct kvm_vcpu *ap, uint64_t sum)
{
	struct ucall uc;

	mmu_root_path_run(bsp, &uc, UCALL_SYNC);
	mmu_root_path_run_for_good(ap);
	sync_global_from_guest(ap->vm, ap_sum);
	if (ap_sum == sum)
		return;

	printf("#! INIT-SIPI-SIPI: the AP sees other data than the host\n");
	exit(KSFT_FAIL);
}

/*
 * Have KVM process INIT and SIPI without running the AP, to see the reset of INIT
 * alone: KVM accepts pending events on KVM_GET_MP_STATE, see kvm_apic_accept_events().
 */
static void check_init_alone(struct mmu_roots *roots, struct kvm_vcpu *bsp,
			     struct kvm_vcpu *ap)
{
	struct mmu_roots_snapshot before, after;
	struct kvm_mp_state mp_state;
	struct ucall uc;

	mmu_root_path_run(bsp, &uc, UCALL_SYNC);
	mmu_roots_read(roots, &before);
	vcpu_mp_state_get(ap, &mp_state);
	mmu_roots_read(roots, &after);

	mmu_roots_check(roots, mp_state.mp_state == KVM_MP_STATE_RUNNABLE,
			"SIPI left the AP in MP state %u", mp_state.mp_state);
	mmu_roots_expect_growth(roots, &before, &after, MMU_RESET, 1);
	mmu_roots_expect_growth(roots, &before, &after, MMU_ROOT_LOAD, 0);
}

TEST_F(init, exact_counts)
{
	struct mmu_roots *roots = &self->roots;
	struct mmu_roots_snapshot warm, storm;
	const struct mmu_root_counts *counts;
	uint64_t sum;
	int i;

	check_init_alone(roots, self->bsp, self->ap);
	mmu_root_path_run_for_good(self->ap);
	sum = mmu_root_path_checksum(self->bsp->vm);
	init_sipi_sipi(self->bsp, self->ap, sum);
	mmu_roots_read(roots, &warm);

	for (i = 0; i < NR_INITS; i++)
		init_sipi_sipi(self->bsp, self->ap, sum);
	mmu_roots_read(roots, &storm);
	sync_global_from_guest(self->ap->vm, nr_ap_starts);

	counts = !kvm_is_tdp_enabled() ? &init_shadow :
		 mmu_root_unpaged_cr3_exits() ? &init_tdp_restricted : &init_tdp;
	mmu_roots_report("INIT-SIPI-SIPI", NR_INITS, &warm, &storm);
	/* The AP was started twice before the storm. */
	mmu_roots_check(roots, nr_ap_starts == NR_INITS + 2,
			"the AP was started %lu times, expected %u",
			nr_ap_starts, NR_INITS + 2);
	mmu_roots_expect_value(roots, &warm, MMU_ROOT_ALLOC, counts->roots);
	mmu_roots_expect_storm(roots, &warm, &storm, counts, NR_INITS);
	mmu_roots_check(roots, mmu_roots_vcpu_stat(&storm, BSP_ID, MMU_RESET) ==
			mmu_roots_vcpu_stat(&warm, BSP_ID, MMU_RESET),
			"INIT reset the MMU of the vCPU that sent it");
}

/*
 * INIT turns paging off, and KVM's emulator must know: KVM emulates the AP's first access
 * after INIT, which reads data that the AP needs to go on.
 */
TEST_F(init, emulated_access_in_real_mode)
{
	uint64_t before = 0, after = 0;
	struct ucall uc;
	int ret;

	mmu_roots_force_emulation();
	mmu_root_sipi_emulate(self->ap);
	mmu_root_path_run(self->bsp, &uc, UCALL_SYNC);
	ret = mmu_roots_read_debugfs(&self->roots, "insn_emulation", &before);
	init_sipi_sipi(self->bsp, self->ap, mmu_root_path_checksum(self->bsp->vm));
	ret = ret ?: mmu_roots_read_debugfs(&self->roots, "insn_emulation", &after);
	mmu_roots_check(&self->roots, !ret && after > before, "no instruction was emulated");
}

/* The fewest shadow pages that a VM can be limited to: KVM_MIN_ALLOC_MMU_PAGES. */
#define FEWEST_SHADOW_PAGES	64

/* Each region needs a page table of its own: these are more than KVM may have. */
#define NR_REGIONS		80
#define REGIONS_GPA		0x60000000ul
#define REGIONS_SLOT		7
#define NR_RECYCLE_ROUNDS	4

static uint64_t other_pgd;

static uint64_t region(int i)
{
	return REGIONS_GPA + i * PG_SIZE_2M;
}

static void guest_recycle(void)
{
	uint64_t pgds[] = { guest_initial_cr3, other_pgd };
	uint64_t seen;
	int i;

	guest_path_init(PATH_NULL_EXIT);
	for (;;) {
		for (i = 0; i < NR_REGIONS; i++) {
			asm volatile("mov %0, %%cr3" : : "r" (pgds[i % 2]) : "memory");
			seen = READ_ONCE(*(uint64_t *)region(i));
			__GUEST_ASSERT(seen == i, "region %u has %lu", i, seen);
		}
		GUEST_SYNC(0);
	}
}

static void create_regions(struct kvm_vm *vm)
{
	int i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, REGIONS_GPA, REGIONS_SLOT,
				    NR_REGIONS * PG_SIZE_2M / PAGE_SIZE, 0);
	for (i = 0; i < NR_REGIONS; i++) {
		virt_pg_map(vm, region(i), region(i));
		*(uint64_t *)addr_gpa2hva(vm, region(i)) = i;
	}
	other_pgd = vm_alloc_page_table(vm);
	memcpy(addr_gpa2hva(vm, other_pgd), addr_gpa2hva(vm, mmu_roots_pgd(vm)), PAGE_SIZE);
	sync_global_to_guest(vm, other_pgd);
}

static uint64_t nr_recycled(struct mmu_roots *roots)
{
	uint64_t val = 0;
	int ret = mmu_roots_read_debugfs(roots, "mmu_recycled", &val);

	mmu_roots_check(roots, !ret, "cannot read mmu_recycled");
	return val;
}

/*
 * KVM zaps the oldest shadow pages to have room for others, but must spare each root that a
 * vCPU holds, as current root or in prev_roots[], see kvm_mmu_zap_oldest_mmu_pages().
 */
TEST(roots_are_not_recycled)
{
	static const enum mmu_root_stat unmoved[] = {
		MMU_RESET, MMU_ROOT_LOAD, MMU_ROOT_ALLOC, MMU_ROOT_REUSE, MMU_ROOT_INVALIDATE,
		MMU_ROOT_FREE, MMU_ROOT_CACHE_MISS,
	};
	struct mmu_roots_snapshot before, after;
	uint64_t recycled;
	struct mmu_roots roots;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int i;

	printf("#@ path=recycling\n");
	mmu_roots_require_applicable(mmu_root_mmu() != MMU_ROOT_TDP_MMU,
				     "the TDP MMU has no limit of page tables");
	vm = mmu_root_path_vm_create(&vcpu, guest_recycle);
	create_regions(vm);
	vm_ioctl(vm, KVM_SET_NR_MMU_PAGES, (void *)FEWEST_SHADOW_PAGES);
	mmu_roots_open(&roots, vm, "recycling");
	mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &before);
	recycled = nr_recycled(&roots);
	for (i = 0; i < NR_RECYCLE_ROUNDS; i++)
		mmu_root_path_sync(vcpu);
	mmu_roots_read(&roots, &after);
	recycled = nr_recycled(&roots) - recycled;

	mmu_roots_report("recycling", NR_RECYCLE_ROUNDS * NR_REGIONS, &before, &after);
	mmu_roots_check(&roots, recycled >= NR_RECYCLE_ROUNDS * (NR_REGIONS - FEWEST_SHADOW_PAGES),
			"%lu shadow pages recycled, expected %lu at least", recycled,
			NR_RECYCLE_ROUNDS * (NR_REGIONS - FEWEST_SHADOW_PAGES) + 0ul);
	for (i = 0; i < ARRAY_SIZE(unmoved); i++)
		mmu_roots_expect_growth(&roots, &before, &after, unmoved[i], 0);
	/* With two-dimensional paging there is one root for all PGDs. */
	mmu_roots_expect_growth(&roots, &before, &after, MMU_ROOT_CACHE_HIT,
				kvm_is_tdp_enabled() ? 0 : NR_RECYCLE_ROUNDS * NR_REGIONS);
	mmu_roots_vm_free(&roots);
}

TEST_HARNESS_MAIN
