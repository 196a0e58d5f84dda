// SPDX-License-Identifier: GPL-2.0
/*
 * A model of the life cycle of MMU roots.
 *
 * The model makes no ioctls: it knows KVM only by the rules.  Function names in
 * comments are those of the modeled functions of KVM, in arch/x86/kvm/ of 6.12.y.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "mmu_roots_model.h"
#include "mmu_roots_traits.h"

/* Bits of CR0 that enter_smm() clears. */
#define CR0_SMM_CLEARS	(X86_CR0_PE | X86_CR0_EM | X86_CR0_TS | X86_CR0_PG)

/* After INIT, CR3 is zero and points to none of the PGDs. */
#define NO_PGD		MMU_ROOTS_NR_PGDS

/*
 * Two roots are the same iff their keys are equal.  The key consists of the part
 * of union kvm_mmu_page_role that differs between roots of one VM, and of the
 * number of the PGD or of the PAE root, which stands for the gfn.
 */
#define KEY_SMM			BIT(0)
#define KEY_DIRECT		BIT(1)
#define KEY_WP			BIT(2)
#define KEY_SMEP		BIT(3)
#define KEY_SMAP_ANDNOT_WP	BIT(4)
#define KEY_GFN(n)		((n) << 5)

static const char * const op_names[NR_MMU_ROOTS_OPS] = {
	[MMU_ROOTS_OP_PGD]		= "PGD0",
	[MMU_ROOTS_OP_PGD + 1]		= "PGD1",
	[MMU_ROOTS_OP_PGD + 2]		= "PGD2",
	[MMU_ROOTS_OP_PGD + 3]		= "PGD3",
	[MMU_ROOTS_OP_PGD + 4]		= "PGD4",
	[MMU_ROOTS_OP_INIT]		= "INIT",
	[MMU_ROOTS_OP_HOST_SMI]		= "host-SMI",
	[MMU_ROOTS_OP_SREGS]		= "sregs",
	[MMU_ROOTS_OP_SREGS_WP]		= "sregs-WP",
	[MMU_ROOTS_OP_SREGS_SMEP]	= "sregs-SMEP",
	[MMU_ROOTS_OP_SREGS_PGE]	= "sregs-PGE",
	[MMU_ROOTS_OP_SREGS_NX]		= "sregs-NX",
	[MMU_ROOTS_OP_SREGS_PGD]	= "sregs-PGD",
	[MMU_ROOTS_OP_MSR_NX]		= "msr-NX",
	[MMU_ROOTS_OP_CPUID]		= "cpuid",
	[MMU_ROOTS_OP_SLOT_CREATE]	= "slot-create",
	[MMU_ROOTS_OP_SLOT_DELETE]	= "slot-delete",
	[MMU_ROOTS_OP_SLOT_MOVE]	= "slot-move",
	[MMU_ROOTS_OP_SLOT_DIRTY_LOG]	= "slot-dirty-log",
};

/**
 * mmu_roots_op_name() - Name of an operation
 * @op: the operation
 *
 * Return: a constant string, without comma, colon or space.
 */
const char *mmu_roots_op_name(enum mmu_roots_op op)
{
	return op < MMU_ROOTS_OP_PGD ? mmu_root_paths[op].name : op_names[op];
}

/**
 * mmu_roots_op_of_vm() - Ask whether an operation is on the VM, not on a vCPU
 * @op: the operation
 *
 * Return: true if @op ignores struct mmu_roots_step.vcpu.
 */
bool mmu_roots_op_of_vm(enum mmu_roots_op op)
{
	return op >= MMU_ROOTS_OP_SLOT_CREATE;
}

static bool is_tdp(const struct mmu_roots_model *m)
{
	return m->mmu != MMU_ROOT_SHADOW_MMU;
}

static void count(struct mmu_roots_model_vcpu *v, enum mmu_root_stat stat)
{
	v->stat[stat - MMU_RESET]++;
}

/* kvm_tdp_mmu_alloc_root(), mmu_alloc_root() */
static unsigned int table_get(struct mmu_roots_model *m, unsigned int key)
{
	struct mmu_roots_table *unused = NULL, *t;

	for (t = m->table; t < &m->table[MMU_ROOTS_MODEL_TABLES]; t++) {
		if (t->exists && t->valid && t->key == key) {
			m->stat[MMU_ROOT_REUSE]++;
			t->holders++;
			return t - m->table;
		}
		if (!t->exists)
			unused = t;
	}

	TEST_ASSERT(unused, "at most %d root page tables", MMU_ROOTS_MODEL_TABLES);
	*unused = (struct mmu_roots_table) {
		.exists = true, .valid = true, .key = key, .holders = 1,
	};
	m->stat[MMU_ROOT_ALLOC]++;
	return unused - m->table;
}

static void table_free_if_dead(struct mmu_roots_model *m, struct mmu_roots_table *t)
{
	if (t->valid || t->holders)
		return;

	t->exists = false;
	m->stat[MMU_ROOT_FREE]++;
}

/* mmu_free_root_page(), for all page tables of a root; kvm_mmu_free_roots() */
static void root_put(struct mmu_roots_model *m, struct mmu_roots_held *root)
{
	unsigned int i;

	for (i = 0; i < root->nr_tables; i++) {
		struct mmu_roots_table *t = &m->table[root->table[i]];

		t->holders--;
		table_free_if_dead(m, t);
	}
	root->nr_tables = 0;
}

/*
 * kvm_mmu_zap_all_fast(), __kvm_mmu_zap_all_fast_front_half(): KVM frees a root that no
 * vCPU holds at once, and any other root when its last holder puts it.
 */
static void zap_all_roots(struct mmu_roots_model *m)
{
	struct mmu_roots_table *t;
	unsigned int i;

	for (t = m->table; t < &m->table[MMU_ROOTS_MODEL_TABLES]; t++) {
		if (!t->exists || !t->valid)
			continue;

		t->valid = false;
		m->stat[MMU_ROOT_INVALIDATE]++;
		table_free_if_dead(m, t);
	}

	for (i = 0; i < m->nr_vcpus; i++)
		m->vcpu[i].free_obsolete = true;
}

/* is_obsolete_root(): KVM takes all roots without a shadow page of their own for obsolete. */
static bool is_obsolete(struct mmu_roots_model *m, struct mmu_roots_held *root)
{
	return root->nr_tables > 1 ||
	       (root->nr_tables && !m->table[root->table[0]].valid);
}

/* kvm_mmu_free_obsolete_roots() */
static void free_obsolete_roots(struct mmu_roots_model *m,
				struct mmu_roots_model_vcpu *v)
{
	unsigned int i;

	if (!v->free_obsolete)
		return;

	v->free_obsolete = false;
	if (is_obsolete(m, &v->root))
		root_put(m, &v->root);
	for (i = 0; i < MMU_ROOTS_NR_PREV; i++)
		if (is_obsolete(m, &v->prev_roots[i]))
			root_put(m, &v->prev_roots[i]);
}

/* kvm_mmu_unload() */
static void unload(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	unsigned int i;

	root_put(m, &v->root);
	for (i = 0; i < MMU_ROOTS_NR_PREV; i++)
		root_put(m, &v->prev_roots[i]);
}

/* kvm_mmu_reset_context() */
static void reset(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	count(v, MMU_RESET);
	unload(m, v);
}

static bool is_paging(const struct mmu_roots_model_vcpu *v)
{
	return v->regs.cr0 & X86_CR0_PG;
}

/* kvm_calc_tdp_mmu_root_page_role(): only SMM changes the role. */
static unsigned int tdp_key(const struct mmu_roots_model_vcpu *v)
{
	return v->smm ? KEY_SMM : 0;
}

/*
 * kvm_calc_cpu_role(), kvm_init_shadow_mmu(): KVM forces EFER.NX to 1.  CR4.SMEP and
 * CR4.SMAP are in the role only as far as they protect from writes that CR0.WP=0 allows,
 * except that CR4.SMEP is always in the role if mmu_roots_smep_is_in_role().
 */
static unsigned int paging_key(const struct mmu_roots_model_vcpu *v)
{
	unsigned int key = KEY_GFN(v->regs.pgd) | (v->smm ? KEY_SMM : 0);

	if ((v->regs.cr4 & X86_CR4_SMEP) &&
	    (!(v->regs.cr0 & X86_CR0_WP) || mmu_roots_smep_is_in_role()))
		key |= KEY_SMEP;
	if (v->regs.cr0 & X86_CR0_WP)
		return key | KEY_WP;
	if (v->regs.cr4 & X86_CR4_SMAP)
		key |= KEY_SMAP_ANDNOT_WP;
	return key;
}

/* mmu_alloc_direct_roots(): without paging, the role has no bits of control registers. */
static unsigned int nonpaging_key(const struct mmu_roots_model_vcpu *v, unsigned int i)
{
	return KEY_GFN(i) | KEY_DIRECT | (v->smm ? KEY_SMM : 0);
}

/* kvm_mmu_reload(), kvm_mmu_load(), mmu_alloc_shadow_roots() */
static void load(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	unsigned int i;

	if (v->root.nr_tables)
		return;

	count(v, MMU_ROOT_LOAD);
	if (is_tdp(m)) {
		v->root.nr_tables = 1;
		v->root.table[0] = table_get(m, tdp_key(v));
	} else if (is_paging(v)) {
		v->root.nr_tables = 1;
		v->root.table[0] = table_get(m, paging_key(v));
	} else {
		v->root.nr_tables = MMU_ROOTS_MAX_TABLES;
		for (i = 0; i < MMU_ROOTS_MAX_TABLES; i++)
			v->root.table[i] = table_get(m, nonpaging_key(v, i));
	}
}

/* is_root_usable() */
static bool is_usable(struct mmu_roots_model *m, struct mmu_roots_held *root,
		      unsigned int key)
{
	struct mmu_roots_table *t = &m->table[root->table[0]];

	return root->nr_tables && t->valid && t->key == key;
}

static void swap_roots(struct mmu_roots_held *a, struct mmu_roots_held *b)
{
	struct mmu_roots_held tmp = *a;

	*a = *b;
	*b = tmp;
}

/* cached_root_find_and_keep_current() */
static bool find_and_keep_current(struct mmu_roots_model *m,
				  struct mmu_roots_model_vcpu *v, unsigned int key)
{
	unsigned int i;

	if (is_usable(m, &v->root, key))
		return true;

	for (i = 0; i < MMU_ROOTS_NR_PREV; i++) {
		swap_roots(&v->root, &v->prev_roots[i]);
		if (is_usable(m, &v->root, key))
			return true;
	}

	root_put(m, &v->root);
	return false;
}

/* cached_root_find_without_current() */
static bool find_without_current(struct mmu_roots_model *m,
				 struct mmu_roots_model_vcpu *v, unsigned int key)
{
	unsigned int i;

	for (i = 0; i < MMU_ROOTS_NR_PREV; i++)
		if (is_usable(m, &v->prev_roots[i], key))
			break;
	if (i == MMU_ROOTS_NR_PREV)
		return false;

	swap_roots(&v->root, &v->prev_roots[i]);
	for (; i < MMU_ROOTS_NR_PREV - 1; i++)
		v->prev_roots[i] = v->prev_roots[i + 1];
	v->prev_roots[i].nr_tables = 0;
	return true;
}

/* kvm_mmu_new_pgd(), fast_pgd_switch(): KVM never keeps PAE roots in prev_roots[]. */
static void new_pgd(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		    unsigned int key)
{
	bool hit;

	if (v->root.nr_tables > 1)
		root_put(m, &v->root);

	if (v->root.nr_tables)
		hit = find_and_keep_current(m, v, key);
	else
		hit = find_without_current(m, v, key);
	count(v, hit ? MMU_ROOT_CACHE_HIT : MMU_ROOT_CACHE_MISS);
}

/* kvm_post_set_cr0() */
static void write_cr0(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		      uint64_t cr0)
{
	uint64_t changed = v->regs.cr0 ^ cr0;

	v->regs.cr0 = cr0;
	if (changed == X86_CR0_WP && (!is_paging(v) || is_tdp(m)))
		return;
	if (changed & MMU_ROOT_CR0_ROLE)
		reset(m, v);
}

/*
 * kvm_set_cr3(): with TDP, the guest's writes of CR3 do not exit, except on some CPUs while
 * the guest's paging is off.  With shadow paging, while the guest's paging is off, KVM
 * never finds a root in prev_roots[], because PAE roots are not there.
 */
static void write_cr3(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		      unsigned int pgd)
{
	bool changed = v->regs.pgd != pgd;

	v->regs.pgd = pgd;
	if (!changed)
		return;

	if (!is_tdp(m))
		new_pgd(m, v, is_paging(v) ? paging_key(v) : nonpaging_key(v, 0));
	else if (m->unpaged_cr3_exits && !is_paging(v))
		new_pgd(m, v, tdp_key(v));
}

/* kvm_post_set_cr4() */
static void write_cr4(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		      uint64_t cr4)
{
	uint64_t changed = v->regs.cr4 ^ cr4;

	v->regs.cr4 = cr4;
	if (changed & MMU_ROOT_CR4_ROLE)
		reset(m, v);
}

/* set_efer() */
static void write_efer(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		       uint64_t efer)
{
	uint64_t changed = v->regs.efer ^ efer;

	v->regs.efer = efer;
	if (changed & MMU_ROOT_EFER_ROLE)
		reset(m, v);
}

/* __set_sregs(): KVM resets once if any of CR0, CR3, CR4 and EFER differs. */
static void set_sregs(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		      struct mmu_roots_regs regs)
{
	bool same = v->regs.cr0 == regs.cr0 && v->regs.cr4 == regs.cr4 &&
		    v->regs.efer == regs.efer && v->regs.pgd == regs.pgd;

	v->regs = regs;
	if (!same)
		reset(m, v);
}

/* enter_smm(), a VM-Entry, emulator_leave_smm() and rsm_load_state_64() */
static void smi(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	struct mmu_roots_regs saved = v->regs;

	v->smi_pending = false;
	v->smm = true;
	reset(m, v);
	v->regs.cr0 &= ~CR0_SMM_CLEARS;
	v->regs.cr4 = 0;
	v->regs.efer = 0;
	reset(m, v);
	load(m, v);

	v->smm = false;
	reset(m, v);
	write_efer(m, v, saved.efer);
	write_cr3(m, v, saved.pgd);
	write_cr4(m, v, saved.cr4);
	write_cr0(m, v, saved.cr0);
	m->nr_smis++;
}

/*
 * kvm_vcpu_reset(), which drops a pending SMI, and then the guest's code in
 * mmu_roots_sipi.S.
 */
static void init_sipi(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	v->init_pending = false;
	v->smi_pending = false;
	v->regs = (struct mmu_roots_regs) { .pgd = NO_PGD };
	reset(m, v);
	load(m, v);

	write_cr4(m, v, m->initial.cr4);
	load(m, v);
	write_cr3(m, v, m->initial.pgd);
	load(m, v);
	write_efer(m, v, m->initial.efer);
	load(m, v);
	write_cr0(m, v, m->initial.cr0);
}

/* vcpu_enter_guest(): KVM frees obsolete roots, takes INIT, takes an SMI, and loads a root. */
static void enter(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v)
{
	v->has_run = true;
	free_obsolete_roots(m, v);
	if (v->init_pending)
		init_sipi(m, v);
	if (v->smi_pending)
		smi(m, v);
	load(m, v);
}

/* One operation of a path, which the guest does between two exits to userspace. */
static void guest_op(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		     enum mmu_root_path_id path)
{
	switch (path) {
	case PATH_NULL_EXIT:
	case PATH_CR0_REWRITE:
	case PATH_CR4_REWRITE:
	case PATH_EFER_REWRITE:
		break;
	case PATH_CR0_WP:
		write_cr0(m, v, v->regs.cr0 ^ X86_CR0_WP);
		break;
	case PATH_CR4_PGE:
		write_cr4(m, v, v->regs.cr4 ^ X86_CR4_PGE);
		break;
	case PATH_CR4_MCE:
		write_cr4(m, v, v->regs.cr4 ^ X86_CR4_MCE);
		break;
	case PATH_CR4_SMEP:
		write_cr4(m, v, v->regs.cr4 ^ X86_CR4_SMEP);
		break;
	case PATH_CR4_SMAP:
		write_cr4(m, v, v->regs.cr4 ^ X86_CR4_SMAP);
		break;
	case PATH_CR4_PKE:
		write_cr4(m, v, v->regs.cr4 ^ X86_CR4_PKE);
		break;
	case PATH_CR4_PCIDE:
		/* The guest sets PCIDE, for which kvm_post_set_cr4() unloads, and clears it. */
		if (m->mmu == MMU_ROOT_SHADOW_MMU)
			unload(m, v);
		break;
	case PATH_EFER_NX:
		write_efer(m, v, v->regs.efer ^ EFER_NX);
		break;
	case PATH_SMM:
		smi(m, v);
		break;
	default:
		TEST_FAIL("the model has no rule for %s", mmu_root_paths[path].name);
	}
}

static void sregs_op(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		     enum mmu_roots_op op)
{
	struct mmu_roots_regs regs = v->regs;

	switch (op) {
	case MMU_ROOTS_OP_SREGS_WP:
		regs.cr0 ^= X86_CR0_WP;
		break;
	case MMU_ROOTS_OP_SREGS_SMEP:
		regs.cr4 ^= X86_CR4_SMEP;
		break;
	case MMU_ROOTS_OP_SREGS_PGE:
		regs.cr4 ^= X86_CR4_PGE;
		break;
	case MMU_ROOTS_OP_SREGS_NX:
		regs.efer ^= EFER_NX;
		break;
	case MMU_ROOTS_OP_SREGS_PGD:
		regs.pgd = (regs.pgd + 1) % MMU_ROOTS_NR_PGDS;
		break;
	default:
		break;
	}
	set_sregs(m, v, regs);
}

/*
 * When a memslot is deleted or moved, kvm_arch_flush_shadow_memslot() zaps all roots or,
 * without KVM_X86_QUIRK_SLOT_ZAP_ALL, none.  The creation of a memslot, or a change of only
 * its flags, zaps no root.
 */
static void slot_op(struct mmu_roots_model *m, enum mmu_roots_op op)
{
	bool gone = op == MMU_ROOTS_OP_SLOT_DELETE || op == MMU_ROOTS_OP_SLOT_MOVE;

	if (m->slot && gone && m->zap_all)
		zap_all_roots(m);

	if (op == MMU_ROOTS_OP_SLOT_CREATE)
		m->slot = true;
	else if (op == MMU_ROOTS_OP_SLOT_DELETE)
		m->slot = false;
}

/* KVM enters the vCPU, which does the operation; a load follows before it exits to userspace. */
static void guest_step(struct mmu_roots_model *m, struct mmu_roots_model_vcpu *v,
		       enum mmu_roots_op op)
{
	enter(m, v);
	if (op < MMU_ROOTS_OP_PGD)
		guest_op(m, v, (enum mmu_root_path_id)op);
	else
		write_cr3(m, v, op - MMU_ROOTS_OP_PGD);
	load(m, v);
}

/**
 * mmu_roots_model_init() - A VM whose vCPUs have not run yet
 * @m: the model
 * @mmu: which MMU builds the roots
 * @zap_all: the VM has KVM_X86_QUIRK_SLOT_ZAP_ALL
 * @nr_vcpus: number of vCPUs, at most MMU_ROOTS_MODEL_VCPUS
 * @initial: the registers of all vCPUs, 64-bit mode with paging on
 */
void mmu_roots_model_init(struct mmu_roots_model *m, enum mmu_root_mmu mmu,
			  bool zap_all, unsigned int nr_vcpus,
			  const struct mmu_roots_regs *initial)
{
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->mmu = mmu;
	m->zap_all = zap_all;
	m->nr_vcpus = nr_vcpus;
	m->initial = *initial;
	/* KVM derives EFER.LMA from EFER.LME and CR0.PG, and no root depends on LMA alone. */
	m->initial.efer &= ~EFER_LMA;
	for (i = 0; i < nr_vcpus; i++)
		m->vcpu[i].regs = m->initial;
}

/**
 * mmu_roots_model_step() - Predict what one operation does
 * @m: the model
 * @step: the operation
 *
 * For each operation of a guest, userspace runs the vCPU once.  No vCPU runs during any
 * other operation.
 */
void mmu_roots_model_step(struct mmu_roots_model *m, struct mmu_roots_step step)
{
	struct mmu_roots_model_vcpu *v = &m->vcpu[step.vcpu];

	switch (step.op) {
	case 0 ... MMU_ROOTS_OP_PGD_LAST:
		guest_step(m, v, step.op);
		break;
	case MMU_ROOTS_OP_INIT:
		guest_step(m, &m->vcpu[0], (enum mmu_roots_op)PATH_NULL_EXIT);
		v->init_pending = true;
		break;
	case MMU_ROOTS_OP_HOST_SMI:
		/* process_smi(): while an SMI is pending, another one has no effect. */
		v->smi_pending = true;
		break;
	case MMU_ROOTS_OP_SREGS ... MMU_ROOTS_OP_SREGS_PGD:
		sregs_op(m, v, step.op);
		break;
	case MMU_ROOTS_OP_MSR_NX:
		write_efer(m, v, v->regs.efer ^ EFER_NX);
		break;
	case MMU_ROOTS_OP_CPUID:
		/* kvm_set_cpuid() resets unless the vCPU has run. */
		if (!v->has_run)
			reset(m, v);
		break;
	default:
		slot_op(m, step.op);
		break;
	}
}

/**
 * mmu_roots_model_stat() - A counter as predicted
 * @m: the model
 * @stat: the counter, one that the patches add
 * @vcpu: the vCPU, if @stat is a counter of vCPUs
 *
 * Return: by how much the counter has grown since mmu_roots_model_init().
 */
uint64_t mmu_roots_model_stat(const struct mmu_roots_model *m,
			      enum mmu_root_stat stat, unsigned int vcpu)
{
	return stat <= MMU_ROOT_FREE ? m->stat[stat] :
				       m->vcpu[vcpu].stat[stat - MMU_RESET];
}

/**
 * mmu_roots_step_parse() - Read a step as mmu_roots_steps_print() writes it
 * @step: the step
 * @text: "OP", or "N:OP" for vCPU N
 *
 * Return: false if there is no such step.
 */
bool mmu_roots_step_parse(struct mmu_roots_step *step, const char *text)
{
	const char *colon = strchr(text, ':');
	unsigned long vcpu = colon ? strtoul(text, NULL, 10) : 0;
	const char *name = colon ? colon + 1 : text;
	unsigned int op;

	for (op = 0; op < NR_MMU_ROOTS_OPS; op++)
		if (!strcmp(name, mmu_roots_op_name(op)))
			break;

	*step = (struct mmu_roots_step) { .op = op, .vcpu = vcpu };
	return op < NR_MMU_ROOTS_OPS && vcpu < MMU_ROOTS_MODEL_VCPUS &&
	       (op != MMU_ROOTS_OP_INIT || vcpu == MMU_ROOTS_AP);
}

/**
 * mmu_roots_steps_print() - Print steps, separated by commas
 * @steps: the steps
 * @nr: their number
 */
void mmu_roots_steps_print(const struct mmu_roots_step *steps, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		printf("%s", i ? "," : "");
		if (steps[i].vcpu)
			printf("%u:", steps[i].vcpu);
		printf("%s", mmu_roots_op_name(steps[i].op));
	}
}

/**
 * struct shrinking - The constants of one mmu_roots_steps_shrink()
 * @size: size of a step, in bytes
 * @rest: buffer for a sequence from which some steps are dropped
 * @fails: tells whether a sequence fails
 * @arg: passed to @fails
 */
struct shrinking {
	size_t size;
	char *rest;
	mmu_roots_steps_fail_fn fails;
	void *arg;
};

/* Try to drop each group of @len steps in turn; returns the number of steps that are left. */
static unsigned int drop_steps(const struct shrinking *s, char *steps, unsigned int nr,
			       unsigned int len)
{
	unsigned int at = 0, end;

	while (at < nr) {
		end = min(at + len, nr);

		memcpy(s->rest, steps, at * s->size);
		memcpy(s->rest + at * s->size, steps + end * s->size, (nr - end) * s->size);
		if (s->fails(s->rest, nr - (end - at), s->arg)) {
			nr -= end - at;
			memcpy(steps, s->rest, nr * s->size);
		} else {
			at = end;
		}
	}
	return nr;
}

/**
 * mmu_roots_steps_shrink() - Find a short sequence that still fails
 * @steps: array of a sequence that fails; replaced with the shorter one
 * @nr: its number of steps
 * @size: size of a step, in bytes
 * @fails: tells whether a sequence fails; must be deterministic
 * @arg: passed to @fails
 *
 * Delta debugging: the resulting sequence fails, but does not fail if any one of its steps
 * is dropped.
 *
 * Return: the number of steps that are left.
 */
unsigned int mmu_roots_steps_shrink(void *steps, unsigned int nr, size_t size,
				    mmu_roots_steps_fail_fn fails, void *arg)
{
	struct shrinking s = {
		.size = size, .rest = calloc(nr, size), .fails = fails, .arg = arg,
	};
	unsigned int len = max(nr / 2, 1u), before;

	TEST_ASSERT(s.rest || !nr, "allocate %u steps", nr);
	do {
		before = nr;
		nr = drop_steps(&s, steps, nr, len);
		if (len == 1 && nr == before)
			break;
		len = max(len / 2, 1u);
	} while (nr);

	free(s.rest);
	return nr;
}
