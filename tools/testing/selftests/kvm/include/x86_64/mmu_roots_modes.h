/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests outside 64-bit mode: the paging modes that a vCPU can be started in, and
 * code that flips bits of its control registers there.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_MODES_H
#define SELFTEST_KVM_MMU_ROOTS_MODES_H

#include "mmu_roots_paths.h"

/* The assembler uses the following constants, too. */

/* Address of the guest's code, aligned to 4 MiB, and outside all other memslots. */
#define MMU_ROOT_MODE_GPA	0x1800000

/*
 * The page directory pointer table of PAE paging, and its entries; entry 1 maps the data.
 * The table is not at the beginning of its page, where no entries are present.
 */
#define MMU_ROOT_MODE_PDPT	(MMU_ROOT_MODE_GPA + 0x1000 + 0x420)
#define MMU_ROOT_MODE_PDPTE(i)	(MMU_ROOT_MODE_PDPT + 8 * (i))

/* The guest's copies of CR3 and CR4, beside its PDPTEs; see guest_flip_cr4(). */
#define MMU_ROOT_MODE_CR3	(MMU_ROOT_MODE_GPA + 0x1000 + 0x440)
#define MMU_ROOT_MODE_CR4	(MMU_ROOT_MODE_GPA + 0x1000 + 0x444)

/* Offset at which the guest reads each page of the data; page tables use no entry there. */
#define MMU_ROOT_MODE_WORD	0x800

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"

/**
 * enum mmu_root_mode - How a guest's CPU translates addresses
 * @MODE_UNPAGED: protected mode without paging
 * @MODE_UNPAGED_PAE: the same, with CR4.PAE, as on the way to IA-32e mode
 * @MODE_32BIT: 32-bit paging, two levels
 * @MODE_32BIT_PSE: the same, with pages of 4 MiB
 * @MODE_PAE: PAE paging, with its four PDPTRs
 * @MODE_COMPAT: 32-bit code in IA-32e mode, four levels
 * @MODE_COMPAT_LA57: the same, five levels
 */
enum mmu_root_mode {
	MODE_UNPAGED,
	MODE_UNPAGED_PAE,
	MODE_32BIT,
	MODE_32BIT_PSE,
	MODE_PAE,
	MODE_COMPAT,
	MODE_COMPAT_LA57,
	NR_MODES,
};

/**
 * enum mmu_root_mode_op - What the guest's code does in each operation before it reads
 * @MODE_OP_READ: only clear the accessed bits of the PDPTEs, which are reserved, but
 *	which some emulators set; all other operations clear them, too
 * @MODE_OP_CR0: flip bits of CR0
 * @MODE_OP_CR4: flip bits of CR4
 * @MODE_OP_EFER: flip bits of EFER
 * @MODE_OP_PDPTE: flip bits of a PDPTE, and load CR3
 * @MODE_OP_PGE: flip bits of a PDPTE, and CR4.PGE
 * @MODE_OP_PTE: flip bits of the PTE that maps the page to read next, and load CR3, see
 *	mmu_root_mode_start_pte()
 * @MODE_OP_VMRUN: run an L2, whose VMCB is in EAX, until it exits
 */
enum mmu_root_mode_op {
	MODE_OP_READ,
	MODE_OP_CR0,
	MODE_OP_CR4,
	MODE_OP_EFER,
	MODE_OP_PDPTE,
	MODE_OP_PGE,
	MODE_OP_PTE,
	MODE_OP_VMRUN,
	NR_MODE_OPS,
};

void mmu_root_mode_install(struct kvm_vcpu *vcpu);
void mmu_root_mode_enter(struct kvm_vcpu *vcpu, enum mmu_root_mode mode);
void mmu_root_mode_sregs(enum mmu_root_mode mode, struct kvm_sregs *sregs);
void mmu_root_mode_start(struct kvm_vcpu *vcpu, enum mmu_root_mode_op op, uint32_t mask);
void mmu_root_mode_start_pte(struct kvm_vcpu *vcpu, enum mmu_root_mode mode);
void mmu_root_mode_move_data(struct kvm_vcpu *vcpu, unsigned int pdpte);
void mmu_root_mode_clean_pdptes(struct kvm_vm *vm);
void mmu_root_mode_emulate(struct kvm_vcpu *vcpu);
bool mmu_root_mode_is_mirrored(enum mmu_root_mode mode);
void mmu_root_mode_fill(void *data, bool mirrored);
uint32_t mmu_root_mode_run(struct kvm_vcpu *vcpu, uint32_t nr_ops);
uint32_t mmu_root_mode_sum(uint32_t nr_ops, bool mirror_odd, bool mirror_even);
void mmu_root_mode_check_sum(struct mmu_roots *roots, uint32_t sum, uint32_t nr_ops,
			     bool mirror_odd, bool mirror_even);
void mmu_root_mode_expect_data(struct mmu_roots *roots, struct kvm_vcpu *vcpu, bool mirrored);
uint64_t mmu_root_mode_pdpte(bool mirrored);

extern const uint8_t mmu_roots_mode_start[], mmu_roots_mode_end[], mmu_roots_mode_prefix[];
extern const uint8_t mmu_roots_mode_read[], mmu_roots_mode_cr0[], mmu_roots_mode_cr4[];
extern const uint8_t mmu_roots_mode_efer[], mmu_roots_mode_pdpte[];
extern const uint8_t mmu_roots_mode_pge[], mmu_roots_mode_pte[], mmu_roots_mode_vmrun[];

#endif /* __ASSEMBLER__ */

#endif /* SELFTEST_KVM_MMU_ROOTS_MODES_H */
