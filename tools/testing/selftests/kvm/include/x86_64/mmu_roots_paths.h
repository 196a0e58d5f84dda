/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The paths that reset the MMU: how to drive them from a guest, and how many
 * resets and root loads one operation costs.
 */
#ifndef SELFTEST_KVM_MMU_ROOTS_PATHS_H
#define SELFTEST_KVM_MMU_ROOTS_PATHS_H

/* The assembler uses the following constants, too. */

/*
 * SIPI starts an application processor at this address: below 1 MiB, and below all
 * memory that the library allocates, see KVM_UTIL_MIN_PFN.
 */
#define MMU_ROOT_SIPI_GPA	0x1000

/*
 * Guests exit to userspace by reading from this port, see guest_exit_for_good().  KVM's
 * irqchip does not emulate the port, and ucalls do not use it.
 */
#define MMU_ROOT_EXIT_PORT	0xe0

/* The data that guests read and checksum, see mmu_root_path_vm_create(). */
#define MMU_ROOT_DATA_GVA	0x40000000
#define MMU_ROOT_DATA_PAGES	16

/*
 * Maximum number of shadow pages of the VM.  With fewer, KVM might zap the oldest ones,
 * including roots that no vCPU holds, see make_mmu_pages_available().  By default, KVM
 * allows one shadow page for each 50 pages of the guest's memory.
 */
#define MMU_ROOT_SHADOW_PAGES	4096

/* The memslot of the data. */
#define MMU_ROOT_DATA_SLOT	2

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stdint.h>

#include "kvm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_params.h"

enum mmu_root_path_id {
	PATH_NULL_EXIT,
	PATH_CR0_REWRITE,
	PATH_CR0_WP,
	PATH_CR4_REWRITE,
	PATH_CR4_PGE,
	PATH_CR4_MCE,
	PATH_CR4_SMEP,
	PATH_CR4_SMAP,
	PATH_CR4_PKE,
	PATH_CR4_PCIDE,
	PATH_EFER_REWRITE,
	PATH_EFER_NX,
	PATH_SMM,
	NR_GUEST_PATHS,
};

/**
 * struct mmu_root_path - A path that a guest drives by itself
 * @name: name of the path in the report; one word
 * @tdp: the cost with TDP, by the TDP MMU or not
 * @shadow: the cost with shadow paging
 * @control: the path to compare the cost with: the same exit without the reset
 *	     where there is one, or else an exit that does nothing
 * @guest_op: performs the operation once; called in the guest, with the guest's copy of
 *	      CR4.  After an even number of operations, the registers are unchanged
 * @tdp_only: KVM supports the path with TDP only
 * @feature: name of the feature that the CPU must have; NULL if all CPUs have it
 * @cpu_has: whether this host's CPU has @feature
 * @supported: whether KVM supports the path on this host; NULL if always
 *
 * docs/counters.md of kvm-mmu-roots derives the counts from KVM's source.
 */
struct mmu_root_path {
	const char *name;
	struct mmu_root_counts tdp;
	struct mmu_root_counts shadow;
	enum mmu_root_path_id control;
	void (*guest_op)(uint64_t *cr4);
	bool tdp_only;
	const char *feature;
	bool (*cpu_has)(void);
	bool (*supported)(void);
};

extern const struct mmu_root_path mmu_root_paths[NR_GUEST_PATHS];

/*
 * All guests start with interrupts on.  On some emulators, interrupts of the host do not
 * cause an exit while the guest has interrupts off, and the host would have to wait for
 * another exit.
 */
#define MMU_ROOT_RFLAGS		(X86_EFLAGS_FIXED | BIT(9))

/* KVM_MMU_CR0_ROLE_BITS, KVM_MMU_CR4_ROLE_BITS and KVM_MMU_EFER_ROLE_BITS of KVM's mmu.h. */
#define MMU_ROOT_CR0_ROLE	(X86_CR0_PG | X86_CR0_WP)
#define MMU_ROOT_CR4_ROLE	(X86_CR4_PSE | X86_CR4_PAE | X86_CR4_LA57 | X86_CR4_SMEP | \
				 X86_CR4_SMAP | X86_CR4_PKE)
#define MMU_ROOT_EFER_ROLE	(EFER_LME | EFER_NX)

/* A VM has at most this many vCPUs. */
#define MMU_ROOT_PATH_VCPUS	8

/* The vCPU that guest_restart_ap() restarts. */
#define MMU_ROOT_AP_ID		1

/* KVM_FEP, the prefix that makes KVM emulate an instruction, as bytes. */
static const uint8_t mmu_root_fep[] = { 0x0f, 0x0b, 'k', 'v', 'm' };

/*
 * SMRAM: each vCPU has its own, at its SMBASE.  The SMI handler's count is there in a page
 * without code, because emulators have a hard time with code that writes to its own page.
 */
#define MMU_ROOT_SMRAM_GPA	0x1000000
#define MMU_ROOT_SMRAM_PAGES	16
#define MMU_ROOT_SMI_COUNT_OFFSET	0x9000

#define MMU_ROOT_DATA_WORDS	(MMU_ROOT_DATA_PAGES * 4096 / sizeof(uint64_t))

struct mmu_root_counts mmu_root_path_counts(enum mmu_root_path_id path);
bool mmu_root_smm_is_emulated(void);
bool mmu_root_unpaged_cr3_exits(void);
bool mmu_root_path_exits(enum mmu_root_path_id path);
void mmu_root_path_require(enum mmu_root_path_id path);
void mmu_root_path_use_dirty_ring(uint32_t size);
struct kvm_vm *mmu_root_path_vm_create(struct kvm_vcpu **vcpu, void *guest_code);
struct kvm_vcpu *mmu_root_path_vcpu_add(struct kvm_vm *vm, uint32_t id, void *guest_code);
uint64_t mmu_root_path_checksum(struct kvm_vm *vm);
uint64_t mmu_root_path_nr_smis(struct kvm_vm *vm);
void mmu_root_path_require_keep_roots(void);
void mmu_root_path_keep_roots(struct kvm_vm *vm);
void mmu_root_sregs_flip(struct kvm_vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4,
			 uint64_t efer);
void mmu_root_path_flip_by_host(struct kvm_vcpu *vcpu, enum mmu_root_path_id path);
void mmu_root_path_set_smi_handler(const uint8_t *code, size_t size);
void mmu_root_path_flip_smm(struct kvm_vcpu *vcpu);
void *mmu_root_path_smram(bool smm);
void mmu_root_path_send_smi(struct kvm_vm *vm, uint32_t apic_id);
void mmu_root_path_init(struct kvm_vcpu *vcpu);
void mmu_root_path_run(struct kvm_vcpu *vcpu, struct ucall *uc, uint64_t cmd);
void mmu_root_path_sync(struct kvm_vcpu *vcpu);

/* Initial CR3 and CR4 of all vCPUs of a VM, so that guests need not read these registers. */
extern uint64_t guest_initial_cr3, guest_initial_cr4;

/* Guests read correct values from CR3 and CR4, as the CPU has no MMU_ROOTS_FAULT_CR_READS. */
extern bool guest_reads_exit;

void guest_flip_cr4(uint64_t *cr4, uint64_t bits);
void guest_path_init(enum mmu_root_path_id path);
void guest_path_storm(enum mmu_root_path_id path, uint64_t nr_ops);
void guest_touch_data(uint64_t i);
uint64_t guest_checksum_data(void);
void guest_touch_and_sync(void);
void guest_restart_ap(void);

/* The code after SIPI, the values that it loads into registers, and its room for KVM_FEP. */
extern const uint8_t mmu_roots_sipi_start[], mmu_roots_sipi_regs[], mmu_roots_sipi_end[];
extern const uint8_t mmu_roots_sipi_prefix[];

void guest_exit(void);
void guest_exit_for_good(void);
void mmu_root_path_run_for_good(struct kvm_vcpu *vcpu);
void mmu_root_sipi_install(struct kvm_vcpu *ap, void *entry, uint64_t stack);
void mmu_root_sipi_emulate(struct kvm_vcpu *ap);
void guest_send_init_sipi_sipi(uint32_t apic_id);

void mmu_root_path_pte(struct kvm_vm *vm, uint64_t page, uint64_t set_all,
		       uint64_t set, uint64_t clear);

#endif /* __ASSEMBLER__ */

#endif /* SELFTEST_KVM_MMU_ROOTS_PATHS_H */
