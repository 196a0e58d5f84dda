/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest page tables that are not canonical: memory for these tables, a guest that accesses
 * the pages that they map, and an oracle for the result of each access.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_TABLES_H
#define SELFTEST_KVM_MMU_ROOTS_TABLES_H

/* The assembler uses the following constants, too. */
#define MMU_TABLES_USER			1
#define MMU_TABLES_AC			2

/* Segment selectors of the guest's kernel, and of its user code. */
#define MMU_TABLES_KERNEL_CS		0x08
#define MMU_TABLES_KERNEL_DS		0x10
#define MMU_TABLES_USER_CS		0x2b
#define MMU_TABLES_USER_DS		0x33

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/*
 * All memory is in one GiB, so that a guest page of that size maps nothing else.  Each part
 * has two MiB of it.
 */
#define MMU_TABLES_GPA			0x80000000ul
#define MMU_TABLES_PART_SIZE		0x200000ul

/*
 * The guest's kernel maps all parts here, one window per part, to write to its page tables.
 * The user code is at the second address.
 */
#define MMU_TABLES_WINDOW_GVA		0x60000000ul
#define MMU_TABLES_USER_GVA		0x70000000ul

/* Offsets in a page at which a probe reads and executes, and writes; no entry in use is there. */
#define MMU_TABLES_TAG_OFFSET		0x800
#define MMU_TABLES_WRITE_OFFSET		0x810

/* Number of entries of each table that are in use, see mmu_tables_index(). */
#define MMU_TABLES_NR_INDICES		4

#define MMU_TABLES_MAX_LEVELS		5

/* The vector that a probe reports if it came to its end. */
#define MMU_TABLES_NO_FAULT		0x100

/* KVM's as_ids. */
#define MMU_TABLES_NORMAL		0
#define MMU_TABLES_SMM			1
#define MMU_TABLES_NR_AS		2

/**
 * enum mmu_tables_part_id - Kinds of memory for page tables and pages
 * @PART_COMMON: the same memory in SMM and outside; the PGDs are here
 * @PART_HUGE: the same, but the host maps it with a huge page
 * @PART_SPLIT: other memory in SMM than outside
 * @PART_HIDDEN: memory in SMM, a hole outside
 * @PART_MOVING: a memslot that the test deletes and creates again
 */
enum mmu_tables_part_id {
	PART_COMMON,
	PART_HUGE,
	PART_SPLIT,
	PART_HIDDEN,
	PART_MOVING,
	NR_PARTS,
};

/**
 * struct mmu_tables_part - A part of the memory
 * @nr_pages: size of its memslot
 * @hva: its memory, by as_id; NULL for a hole
 * @present: the memslot exists
 * @log: the memslot outside of SMM has a dirty log
 */
struct mmu_tables_part {
	unsigned int nr_pages;
	void *hva[MMU_TABLES_NR_AS];
	bool present;
	bool log;
};

/**
 * struct mmu_tables - The memory, and the registers that translation depends on
 * @vm: the VM
 * @vcpu: its vCPU
 * @part: the memory
 * @levels: number of levels of the guest's page tables
 * @pgd: physical address of the current top-level table
 * @wp: CR0.WP
 * @smep: CR4.SMEP
 * @smap: CR4.SMAP
 * @nx: EFER.NX
 * @smm: the vCPU is in SMM
 * @has_gbpages: the CPU has pages of one GiB
 * @has_smm: KVM emulates SMM
 * @nested: these are nested page tables, of an L2 that accesses what they map
 * @cr4: CR4 of the guest
 * @efer: EFER of the guest
 */
struct mmu_tables {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct mmu_tables_part part[NR_PARTS];
	int levels;
	uint64_t pgd;
	bool wp;
	bool smep;
	bool smap;
	bool nx;
	bool smm;
	bool has_gbpages;
	bool has_smm;
	bool nested;
	uint64_t cr4;
	uint64_t efer;
};

enum mmu_tables_kind {
	PROBE_READ,
	PROBE_WRITE,
	PROBE_EXEC,
	NR_PROBE_KINDS,
};

/**
 * struct mmu_tables_access - An access of the guest
 * @gva: the address
 * @value: the value to write
 * @kind: read, write or execute
 * @flags: MMU_TABLES_*
 * @emulated: KVM emulates the instruction, see mmu_roots_force_emulation()
 * @invlpg: the guest executes INVLPG of @gva first
 */
struct mmu_tables_access {
	uint64_t gva;
	uint64_t value;
	uint8_t kind;
	uint8_t flags;
	uint8_t emulated;
	uint8_t invlpg;
};

/**
 * struct mmu_tables_seen - The result of an access
 * @vector: the exception, or MMU_TABLES_NO_FAULT
 * @error: its error code
 * @address: the value of CR2; with nested tables, the physical address that L1 is told
 * @value: the value that the guest has read; if it executed the page, the number in the tag
 * @mmio: physical address of the MMIO, or 0
 */
struct mmu_tables_seen {
	uint64_t vector;
	uint64_t error;
	uint64_t address;
	uint64_t value;
	uint64_t mmio;
};

/**
 * struct mmu_tables_walk - Translation of an access
 * @fault: the access causes a page fault
 * @error: error code of the page fault
 * @table_in_hole: the page fault's reason is that one of the tables is in a hole
 * @gpa: the physical address, if there is no page fault
 * @hva: the memory at @gpa; NULL if @gpa is in a hole
 * @nr_entries: number of entries of the walk, all present, if there is no page fault
 * @entry: these entries; the last one maps the page
 */
struct mmu_tables_walk {
	bool fault;
	uint32_t error;
	bool table_in_hole;
	uint64_t gpa;
	void *hva;
	unsigned int nr_entries;
	uint64_t *entry[MMU_TABLES_MAX_LEVELS];
};

/* The guest makes at most this many accesses before it exits to userspace. */
#define MMU_TABLES_MAX_ACCESSES		8

/**
 * struct mmu_tables_batch - The guest's next actions, and their results
 * @write_cr0: load CR0 with @cr0, and so on
 * @entry: write @value to this address; 0 for no write
 * @emulated: KVM emulates this write
 * @invlpg: the guest executes INVLPG of @entry first
 */
struct mmu_tables_batch {
	bool write_cr0;
	bool write_cr4;
	bool write_efer;
	bool write_cr3;
	bool emulated;
	bool invlpg;
	uint64_t cr0;
	uint64_t cr4;
	uint64_t efer;
	uint64_t cr3;
	uint64_t entry;
	uint64_t value;
	unsigned int nr;
	struct mmu_tables_access access[MMU_TABLES_MAX_ACCESSES];
	struct mmu_tables_seen seen[MMU_TABLES_MAX_ACCESSES];
};

void mmu_tables_create(struct mmu_tables *t);
void mmu_tables_create_nested(struct mmu_tables *t);
void mmu_tables_set_nested_root(struct mmu_tables *t, uint64_t root, uint64_t upper);
struct mmu_tables_batch *mmu_tables_batch(struct mmu_tables *t);
void *mmu_tables_hva(const struct mmu_tables *t, uint64_t gpa);
uint64_t mmu_tables_gpa(enum mmu_tables_part_id part, unsigned int page);
uint64_t mmu_tables_tag(const struct mmu_tables *t, uint64_t gpa);
uint64_t mmu_tables_window(uint64_t gpa);
unsigned int mmu_tables_index(unsigned int nr);
uint64_t mmu_tables_gva(const struct mmu_tables *t, const unsigned int *index);
uint32_t mmu_tables_slot(enum mmu_tables_part_id part);
void mmu_tables_set_slot(struct mmu_tables *t, enum mmu_tables_part_id part, bool present,
			 bool log);
void mmu_tables_walk(const struct mmu_tables *t, const struct mmu_tables_access *access,
		     struct mmu_tables_walk *walk);
bool mmu_tables_run(struct mmu_tables *t, char *failure, size_t size);

/* Code of the guest, in mmu_roots_tables_code.S; not for tests. */
uint64_t mmu_tables_probe(uint64_t gva, uint64_t value, const uint8_t *code, uint64_t flags,
			  const uint8_t *end);

extern uint64_t mmu_tables_rsp;
extern const uint8_t mmu_tables_code_start[], mmu_tables_code_end[];
extern const uint8_t mmu_tables_read[], mmu_tables_write[], mmu_tables_exec[];
extern const uint8_t mmu_tables_emulated_read[], mmu_tables_emulated_write[];
extern const uint8_t mmu_tables_recover[], mmu_tables_end[];

#endif /* __ASSEMBLER__ */

#endif /* SELFTEST_KVM_MMU_ROOTS_TABLES_H */
