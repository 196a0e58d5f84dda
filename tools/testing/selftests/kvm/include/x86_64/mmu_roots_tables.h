/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest page tables that are not canonical: memory for them, a guest that accesses what
 * they map, and an oracle that says what each access must do.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_TABLES_H
#define SELFTEST_KVM_MMU_ROOTS_TABLES_H

/* Known to the assembler, too. */
#define MMU_TABLES_USER			1
#define MMU_TABLES_AC			2

/* Selectors of the kernel, and of a user. */
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
 * All memory is in one GiB, so that a page of that size maps nothing else.  Each part has
 * two MiB of it.
 */
#define MMU_TABLES_GPA			0x80000000ul
#define MMU_TABLES_PART_SIZE		0x200000ul

/*
 * Where the guest's kernel maps all of it, to write to its page tables; one window a part.
 * And where its user's code is.
 */
#define MMU_TABLES_WINDOW_GVA		0x60000000ul
#define MMU_TABLES_USER_GVA		0x70000000ul

/* What a probe reads and executes in each page, and where it writes: no entry in use. */
#define MMU_TABLES_TAG_OFFSET		0x800
#define MMU_TABLES_WRITE_OFFSET		0x810

/* Entries of each table that are in use: from the first on, as the kernel has entry 0. */
#define MMU_TABLES_FIRST_INDEX		1
#define MMU_TABLES_NR_INDICES		4

#define MMU_TABLES_MAX_LEVELS		5

/* What a probe tells that it came to its end. */
#define MMU_TABLES_NO_FAULT		0x100

/* Address spaces of KVM. */
#define MMU_TABLES_NORMAL		0
#define MMU_TABLES_SMM			1
#define MMU_TABLES_NR_AS		2

/**
 * enum mmu_tables_part_id - What kind of memory page tables, and pages, are in
 * @PART_COMMON: the same in SMM and outside; the PGDs are here
 * @PART_HUGE: the same, mapped by the host with a huge page
 * @PART_SPLIT: other memory in SMM than outside
 * @PART_HIDDEN: memory in SMM, a hole outside
 * @PART_MOVING: a memslot that comes and goes
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
 * @hva: what an address space has there; NULL if nothing
 * @present: the memslot exists
 * @log: with a dirty log, outside of SMM
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
 * @levels: of the guest's page tables
 * @pgd: physical address of the current one
 * @wp: CR0.WP
 * @smep: CR4.SMEP
 * @smap: CR4.SMAP
 * @nx: EFER.NX
 * @smm: the vCPU is in SMM
 * @has_gbpages: the CPU has pages of one GiB
 * @has_smm: KVM emulates SMM
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
 * @value: what is written
 * @kind: what it does
 * @flags: MMU_TABLES_*
 * @emulated: KVM emulates the instruction, see mmu_roots_force_emulation()
 * @invlpg: INVLPG of the address comes first
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
 * struct mmu_tables_seen - What became of an access
 * @vector: the exception, or MMU_TABLES_NO_FAULT
 * @error: its error code
 * @address: what CR2 has
 * @value: what was read; of code, the lower half of what it has as its tag
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
 * struct mmu_tables_walk - How an access is translated
 * @fault: it is a page fault
 * @error: its error code
 * @table_in_hole: as one of the tables is no memory
 * @gpa: the physical address otherwise
 * @hva: its memory, or NULL
 * @nr_entries: number of entries on the way, all present, if it is no fault
 * @entry: the entries, the last one is that of the page
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

/* As many accesses as the guest makes before it leaves. */
#define MMU_TABLES_MAX_ACCESSES		8

/**
 * struct mmu_tables_batch - What the guest is to do next, and what it saw
 * @write_cr0: load CR0 with @cr0, and so on
 * @entry: write @value to this address; NULL for none
 * @emulated: KVM emulates that write
 * @invlpg: INVLPG of @entry comes first
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
struct mmu_tables_batch *mmu_tables_batch(struct mmu_tables *t);
void *mmu_tables_hva(const struct mmu_tables *t, uint64_t gpa);
uint64_t mmu_tables_gpa(enum mmu_tables_part_id part, unsigned int page);
uint64_t mmu_tables_tag(const struct mmu_tables *t, uint64_t gpa);
uint64_t mmu_tables_window(uint64_t gpa);
uint64_t mmu_tables_gva(const struct mmu_tables *t, const unsigned int *index);
uint32_t mmu_tables_slot(enum mmu_tables_part_id part);
void mmu_tables_set_slot(struct mmu_tables *t, enum mmu_tables_part_id part, bool present,
			 bool log);
void mmu_tables_walk(const struct mmu_tables *t, const struct mmu_tables_access *access,
		     struct mmu_tables_walk *walk);
bool mmu_tables_run(struct mmu_tables *t, char *failure, size_t size);

/* Of the guest, mmu_roots_tables_code.S; the library's own. */
uint64_t mmu_tables_probe(uint64_t gva, uint64_t value, const uint8_t *code, uint64_t flags,
			  const uint8_t *end);

extern uint64_t mmu_tables_rsp;
extern const uint8_t mmu_tables_code_start[], mmu_tables_code_end[];
extern const uint8_t mmu_tables_read[], mmu_tables_write[], mmu_tables_exec[];
extern const uint8_t mmu_tables_emulated_read[], mmu_tables_emulated_write[];
extern const uint8_t mmu_tables_recover[], mmu_tables_end[];

#endif /* __ASSEMBLER__ */

#endif /* SELFTEST_KVM_MMU_ROOTS_TABLES_H */
