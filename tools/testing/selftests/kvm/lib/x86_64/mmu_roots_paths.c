// SPDX-License-Identifier: GPL-2.0
/*
 * The paths that reset the MMU, and the code of guests that drive these paths.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots_faults.h"
#include "mmu_roots_paths.h"

/*
 * SMRAM is one page of code and one of saved state, 32 KiB apart, relative to
 * SMBASE (Intel SDM and AMD APM, "SMRAM").  SMRAM is in address space 1 only,
 * i.e. SMM has memory of its own.  Address space 0 also has a handler in this
 * range, which a CPU in SMM must never see.
 */
#define SMRAM_SLOT		1
#define SMRAM_SIZE		(MMU_ROOT_SMRAM_PAGES * PAGE_SIZE)
/* Each vCPU has SMRAM of its own, because its state is saved there. */
#define SMRAM_SIZE_OF_ALL	(MMU_ROOT_PATH_VCPUS * SMRAM_SIZE)
#define NORMAL_AS_ID		0
#define SMM_AS_ID		1
#define NR_AS_IDS		2
#define SMRAM_SLOT_OF_AS(as_id)	((as_id) << 16 | SMRAM_SLOT)
#define SMI_HANDLER_OFFSET	0x8000
#define SMI_COUNT_OFFSET	MMU_ROOT_SMI_COUNT_OFFSET

/* Outside the library's memslot 0, which ends below 4 GiB - 1 GiB at most. */
#define DATA_GPA		0x40000000ul

/* An odd multiplier makes all words of the data distinct. */
#define DATA_WORD(i)		(((i) + 1) * 0x9e3779b97f4a7c15ul)

/* Real mode, with CS.base == SMBASE: count the SMI and return. */
static const uint8_t smi_handler[] = {
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x90,	/* incl %cs:SMI_COUNT_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

/* The host's mapping of SMRAM, by as_id. */
static void *smram[NR_AS_IDS];

uint64_t guest_initial_cr3;
uint64_t guest_initial_cr4;
bool guest_reads_exit;

/**
 * guest_flip_cr4() - Flip bits of CR4
 * @cr4: the guest's copy of its CR4, which is kept up to date
 * @bits: what to flip
 *
 * With SVM, reads of CR4 exit.  The copy saves this exit, so that an operation is one exit,
 * not two; operating systems keep such a copy, too.  Moreover, a guest that reads CR4 may
 * see KVM's bits on an emulated CPU that does not exit, see MMU_ROOTS_FAULT_CR_READS.
 */
void guest_flip_cr4(uint64_t *cr4, uint64_t bits)
{
	*cr4 ^= bits;
	set_cr4(*cr4);
}

static void op_null_exit(uint64_t *cr4)
{
	uint32_t eax, ebx, ecx, edx;

	cpuid(0, &eax, &ebx, &ecx, &edx);
}

static void op_cr0_rewrite(uint64_t *cr4)
{
	set_cr0(get_cr0());
}

static void op_cr0_wp(uint64_t *cr4)
{
	set_cr0(get_cr0() ^ X86_CR0_WP);
}

static void op_cr4_rewrite(uint64_t *cr4)
{
	set_cr4(*cr4);
}

static void op_cr4_pge(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_PGE);
}

static void op_cr4_mce(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_MCE);
}

static void op_cr4_smep(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_SMEP);
}

static void op_cr4_smap(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_SMAP);
}

static void op_cr4_pke(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_PKE);
}

/* Set and clear the bit in one operation, because only setting it can unload roots. */
static void op_cr4_pcide(uint64_t *cr4)
{
	guest_flip_cr4(cr4, X86_CR4_PCIDE);
	guest_flip_cr4(cr4, X86_CR4_PCIDE);
}

static void op_efer_rewrite(uint64_t *cr4)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER));
}

static void op_efer_nx(uint64_t *cr4)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) ^ EFER_NX);
}

static void op_smi(uint64_t *cr4)
{
	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_INT_ASSERT | APIC_DM_SMI);
}

static bool has_smep(void)
{
	return kvm_cpu_has(X86_FEATURE_SMEP);
}

static bool cpu_has_smap(void)
{
	return this_cpu_has(X86_FEATURE_SMAP);
}

static bool has_smap(void)
{
	return kvm_cpu_has(X86_FEATURE_SMAP);
}

static bool cpu_has_pku(void)
{
	return this_cpu_has(X86_FEATURE_PKU);
}

static bool has_pku(void)
{
	return kvm_cpu_has(X86_FEATURE_PKU);
}

static bool cpu_has_pcid(void)
{
	return this_cpu_has(X86_FEATURE_PCID);
}

static bool has_pcid(void)
{
	return kvm_cpu_has(X86_FEATURE_PCID);
}

static bool has_smm(void)
{
	return kvm_has_cap(KVM_CAP_X86_SMM);
}

/*
 * With shadow paging: the library's guests start with CR0.WP clear, so that CR4.SMEP
 * and CR4.SMAP are part of the root's role, see kvm_calc_cpu_role().  In SMM, paging is
 * off, and KVM loads four PAE roots.
 */
#define NO_RESET(f)	{ .roots = 1, .flushes = (f) }
#define ONE_ROOT(f)	{ .resets = 1, .loads = 1, .found = 1, .roots = 1, .flushes = (f) }
#define ONE_LOAD(f)	{ .loads = 1, .found = 1, .roots = 1, .flushes = (f) }
#define TWO_ROOTS(f)	{ .resets = 1, .loads = 1, .found = 1, .roots = 2, .flushes = (f) }
#define SMM_ROOTS(f)	{ .resets = 6, .loads = 2, .found = 2, .roots = 2, .flushes = (f) }
#define SMM_PAE_ROOTS(f) { .resets = 6, .loads = 2, .found = 5, .roots = 5, .flushes = (f) }

const struct mmu_root_path mmu_root_paths[NR_GUEST_PATHS] = {
	[PATH_NULL_EXIT] = {
		.name = "null-exit", .tdp = NO_RESET(0), .shadow = NO_RESET(0),
		.control = PATH_NULL_EXIT, .guest_op = op_null_exit,
	},
	[PATH_CR0_REWRITE] = {
		.name = "CR0-rewrite", .tdp = NO_RESET(0), .shadow = NO_RESET(0),
		.control = PATH_NULL_EXIT, .guest_op = op_cr0_rewrite,
	},
	[PATH_CR0_WP] = {
		.name = "CR0.WP", .tdp = NO_RESET(0), .shadow = TWO_ROOTS(0),
		.control = PATH_NULL_EXIT, .guest_op = op_cr0_wp,
	},
	[PATH_CR4_REWRITE] = {
		.name = "CR4-rewrite", .tdp = NO_RESET(0), .shadow = NO_RESET(0),
		.control = PATH_NULL_EXIT, .guest_op = op_cr4_rewrite,
	},
	[PATH_CR4_PGE] = {
		.name = "CR4.PGE", .tdp = NO_RESET(2), .shadow = NO_RESET(2),
		.control = PATH_CR4_REWRITE, .guest_op = op_cr4_pge,
	},
	/* MCE exits like the role bits below, as no CPU lets the guest own it, but has no reset. */
	[PATH_CR4_MCE] = {
		.name = "CR4.MCE", .tdp = NO_RESET(0), .shadow = NO_RESET(0),
		.control = PATH_NULL_EXIT, .guest_op = op_cr4_mce,
	},
	[PATH_CR4_SMEP] = {
		.name = "CR4.SMEP", .tdp = ONE_ROOT(1), .shadow = TWO_ROOTS(1),
		.control = PATH_CR4_MCE, .guest_op = op_cr4_smep, .supported = has_smep,
	},
	[PATH_CR4_SMAP] = {
		.name = "CR4.SMAP", .tdp = ONE_ROOT(0), .shadow = TWO_ROOTS(0),
		.control = PATH_CR4_MCE, .guest_op = op_cr4_smap, .supported = has_smap,
		.feature = "SMAP", .cpu_has = cpu_has_smap,
	},
	[PATH_CR4_PKE] = {
		.name = "CR4.PKE", .tdp = ONE_ROOT(0), .shadow = ONE_ROOT(0),
		.control = PATH_CR4_MCE, .guest_op = op_cr4_pke, .supported = has_pku,
		.feature = "PKU", .cpu_has = cpu_has_pku,
		.tdp_only = true,
	},
	[PATH_CR4_PCIDE] = {
		.name = "CR4.PCIDE", .tdp = NO_RESET(2), .shadow = ONE_LOAD(2),
		.control = PATH_CR4_MCE, .guest_op = op_cr4_pcide, .supported = has_pcid,
		.feature = "PCID", .cpu_has = cpu_has_pcid,
	},
	[PATH_EFER_REWRITE] = {
		.name = "EFER-rewrite", .tdp = NO_RESET(0), .shadow = NO_RESET(0),
		.control = PATH_NULL_EXIT, .guest_op = op_efer_rewrite,
	},
	[PATH_EFER_NX] = {
		.name = "EFER.NX", .tdp = ONE_ROOT(0), .shadow = ONE_ROOT(0),
		.control = PATH_EFER_REWRITE, .guest_op = op_efer_nx,
	},
	[PATH_SMM] = {
		.name = "SMI+RSM", .tdp = SMM_ROOTS(4), .shadow = SMM_PAE_ROOTS(2),
		.control = PATH_NULL_EXIT, .guest_op = op_smi, .supported = has_smm,
	},
};

static bool is_restricted(void)
{
	return host_cpu_is_intel && !get_kvm_intel_param_bool("unrestricted_guest");
}

/**
 * mmu_root_smm_is_emulated() - Ask whether KVM emulates all code in SMM
 *
 * A VMX CPU without "unrestricted guest" cannot run code in real mode unless the segments
 * are those of virtual-8086 mode.  In SMM, they are not, see vmx_guest_state_valid().
 *
 * Return: true if KVM does.
 */
bool mmu_root_smm_is_emulated(void)
{
	return is_restricted();
}

/**
 * mmu_root_path_exits() - Ask whether a guest exits when it operates a path
 * @path: the path
 *
 * With SVM, a write of CR0 exits if it changes more than CR0.TS and CR0.MP.  All writes of
 * CR0 exit while the guest's CR0 differs from the CPU's, as with shadow paging while the
 * guest's CR0.WP is clear, see svm_set_cr0().  All writes of CR4 exit, see init_vmcb().
 * With VMX, a write exits if it changes a bit that the host owns.  With EPT, the guest owns
 * CR0.WP and CR4.PGE, see vmx_l1_guest_owned_cr0_bits() and set_cr4_guest_host_mask().
 *
 * Return: true if each operation causes an exit.
 */
bool mmu_root_path_exits(enum mmu_root_path_id path)
{
	switch (path) {
	case PATH_CR0_REWRITE:
		return !host_cpu_is_intel && !kvm_is_tdp_enabled();
	case PATH_CR4_REWRITE:
		return !host_cpu_is_intel;
	case PATH_CR0_WP:
	case PATH_CR4_PGE:
		return !host_cpu_is_intel || !kvm_is_tdp_enabled();
	default:
		return true;
	}
}

/**
 * mmu_root_path_counts() - The cost of a path with the MMU that KVM uses
 * @path: the path
 *
 * Return: the counts of one operation.
 */
struct mmu_root_counts mmu_root_path_counts(enum mmu_root_path_id path)
{
	const struct mmu_root_path *p = &mmu_root_paths[path];
	struct mmu_root_counts counts = kvm_is_tdp_enabled() ? p->tdp : p->shadow;

	/* Without an exit, the CPU flushes its TLB, not KVM. */
	if (!mmu_root_path_exits(path))
		counts.flushes = 0;
	return counts;
}

/**
 * mmu_root_unpaged_cr3_exits() - Ask whether writes of CR3 exit while paging is off
 *
 * With shadow paging, writes of CR3 always exit.  A VMX CPU without "unrestricted guest"
 * always runs guests with paging on.  While a guest's paging is off, KVM uses a CR3 of its
 * own there, and writes of CR3 exit, see vmx_set_cr0().
 *
 * Return: true if these writes exit, so that KVM looks for a root of the new PGD.
 */
bool mmu_root_unpaged_cr3_exits(void)
{
	return !kvm_is_tdp_enabled() || is_restricted();
}

/**
 * mmu_root_path_require() - Skip the test if guests cannot operate a path on this host
 * @path: the path
 */
void mmu_root_path_require(enum mmu_root_path_id path)
{
	const struct mmu_root_path *p = &mmu_root_paths[path];

	mmu_roots_require_applicable(!p->tdp_only || kvm_is_tdp_enabled(),
				     "KVM has %s with two-dimensional paging only", p->name);
	mmu_roots_require_applicable(!p->feature || p->cpu_has(),
				     "the CPU has no %s", p->feature);
	__TEST_REQUIRE(!p->supported || p->supported(),
		       "KVM does not support %s on this host", p->name);
}

/* Both address spaces have a handler, and each handler has a count that shows whether it ran. */
static void add_smram(struct kvm_vm *vm)
{
	uint32_t as_id;

	for (as_id = NORMAL_AS_ID; as_id <= SMM_AS_ID; as_id++) {
		struct kvm_userspace_memory_region region = {
			.slot = SMRAM_SLOT_OF_AS(as_id),
			.guest_phys_addr = MMU_ROOT_SMRAM_GPA,
			.memory_size = SMRAM_SIZE_OF_ALL,
		};
		int i;

		smram[as_id] = mmap(NULL, SMRAM_SIZE_OF_ALL, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TEST_ASSERT(smram[as_id] != MAP_FAILED, "mmap() SMRAM");
		for (i = 0; i < MMU_ROOT_PATH_VCPUS; i++) {
			memcpy(smram[as_id] + i * SMRAM_SIZE + SMI_HANDLER_OFFSET,
			       smi_handler, sizeof(smi_handler));
			/* Allocate the page now, or the first SMI would replace the zero page. */
			*(uint32_t *)(smram[as_id] + i * SMRAM_SIZE + SMI_COUNT_OFFSET) = 0;
		}
		region.userspace_addr = (uintptr_t)smram[as_id];
		vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	}
}

static void vcpu_init(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_state apic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	/* CR0.ET is 1 on any CPU, and KVM sets it at the first write of CR0. */
	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 |= X86_CR0_ET;
	vcpu_sregs_set(vcpu, &sregs);

	vcpu_regs_get(vcpu, &regs);
	regs.rflags = MMU_ROOT_RFLAGS;
	vcpu_regs_set(vcpu, &regs);

	/*
	 * Until an APIC's state is written, KVM may not find the APIC, and not deliver what is
	 * sent to a vCPU that has not run yet: kvm_recalculate_apic_map().
	 */
	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &apic);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &apic);

	if (has_smm())
		vcpu_set_msr(vcpu, MSR_IA32_SMBASE,
			     MMU_ROOT_SMRAM_GPA + vcpu->id * SMRAM_SIZE);
}

/* All vCPUs of a VM start with the same CR3 and CR4. */
static void tell_guest_its_registers(struct kvm_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	guest_initial_cr3 = sregs.cr3;
	guest_initial_cr4 = sregs.cr4;
	guest_reads_exit = !mmu_roots_has_fault(MMU_ROOTS_FAULT_CR_READS);
	sync_global_to_guest(vcpu->vm, guest_reads_exit);
	sync_global_to_guest(vcpu->vm, guest_initial_cr3);
	sync_global_to_guest(vcpu->vm, guest_initial_cr4);
}

/* Size of the dirty ring of each vCPU of the next VM; 0 if the VM is to have none. */
static uint32_t dirty_ring_size;

/**
 * mmu_root_path_use_dirty_ring() - Have the next VM log dirty pages in rings, one for each vCPU
 * @size: size of a ring in bytes, see KVM_CAP_DIRTY_LOG_RING
 */
void mmu_root_path_use_dirty_ring(uint32_t size)
{
	dirty_ring_size = size;
}

/* KVM takes the size of the rings only before the VM has vCPUs. */
static struct kvm_vm *create_with_dirty_ring(struct kvm_vcpu **vcpu, void *guest_code)
{
	struct kvm_vm *vm = vm_create(1);

	vm_enable_dirty_ring(vm, dirty_ring_size);
	*vcpu = vm_vcpu_add(vm, 0, guest_code);
	return vm;
}

/**
 * mmu_root_path_vm_create() - Create a VM that can drive any path
 * @vcpu: the vCPU that was created
 * @guest_code: where the vCPU starts
 *
 * The VM has MMU_ROOT_DATA_PAGES pages of data at MMU_ROOT_DATA_GVA, and SMRAM
 * if KVM supports SMM.
 *
 * Return: the VM.
 */
struct kvm_vm *mmu_root_path_vm_create(struct kvm_vcpu **vcpu, void *guest_code)
{
	struct kvm_vm *vm = dirty_ring_size ? create_with_dirty_ring(vcpu, guest_code) :
					      vm_create_with_one_vcpu(vcpu, guest_code);

	vm_ioctl(vm, KVM_SET_NR_MMU_PAGES, (void *)MMU_ROOT_SHADOW_PAGES);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, MMU_ROOT_DATA_SLOT,
				    MMU_ROOT_DATA_PAGES, 0);
	virt_map(vm, MMU_ROOT_DATA_GVA, DATA_GPA, MMU_ROOT_DATA_PAGES);

	if (has_smm())
		add_smram(vm);
	vcpu_init(*vcpu);
	tell_guest_its_registers(*vcpu);
	return vm;
}

/**
 * mmu_root_path_vcpu_add() - Add a vCPU that can drive any path
 * @vm: a VM of mmu_root_path_vm_create()
 * @id: number of the vCPU, below MMU_ROOT_PATH_VCPUS
 * @guest_code: where the vCPU starts
 *
 * Return: the vCPU.
 */
struct kvm_vcpu *mmu_root_path_vcpu_add(struct kvm_vm *vm, uint32_t id, void *guest_code)
{
	struct kvm_vcpu *vcpu = vm_vcpu_add(vm, id, guest_code);

	vcpu_init(vcpu);
	return vcpu;
}

/**
 * mmu_root_path_nr_smis() - How often the SMI handler in SMRAM ran
 * @vm: a VM of mmu_root_path_vm_create()
 *
 * The test fails if a CPU in SMM has run the handler in address space 0.
 *
 * Return: number of SMIs that all vCPUs handled in SMRAM.
 */
uint64_t mmu_root_path_nr_smis(struct kvm_vm *vm)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < MMU_ROOT_PATH_VCPUS; i++) {
		size_t offset = i * SMRAM_SIZE + SMI_COUNT_OFFSET;
		uint32_t *stray = smram[NORMAL_AS_ID] + offset;

		if (*stray) {
			printf("#! SMM used the memory of address space 0 for %u SMIs\n", *stray);
			exit(KSFT_FAIL);
		}
		sum += *(uint32_t *)(smram[SMM_AS_ID] + offset);
	}
	return sum;
}

/**
 * mmu_root_sregs_flip() - Have userspace flip bits of control registers
 * @vcpu: the vCPU, which isn't running
 * @cr0: bits of CR0
 * @cr3: bits of CR3
 * @cr4: bits of CR4
 * @efer: bits of EFER
 *
 * The function calls KVM_SET_SREGS once, as if userspace restored the vCPU with other
 * registers.
 */
void mmu_root_sregs_flip(struct kvm_vcpu *vcpu, uint64_t cr0, uint64_t cr3, uint64_t cr4,
			 uint64_t efer)
{
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr0 ^= cr0;
	sregs.cr3 ^= cr3;
	sregs.cr4 ^= cr4;
	sregs.efer ^= efer;
	vcpu_sregs_set(vcpu, &sregs);
}

/**
 * mmu_root_path_flip_by_host() - Have userspace flip the same bit of a vCPU as a path
 * @vcpu: the vCPU, which isn't running
 * @path: a path that flips one bit that the guest's permissions depend on
 */
void mmu_root_path_flip_by_host(struct kvm_vcpu *vcpu, enum mmu_root_path_id path)
{
	mmu_root_sregs_flip(vcpu, path == PATH_CR0_WP ? X86_CR0_WP : 0, 0,
			    path == PATH_CR4_SMEP ? X86_CR4_SMEP :
			    path == PATH_CR4_SMAP ? X86_CR4_SMAP : 0,
			    path == PATH_EFER_NX ? EFER_NX : 0);
}

/**
 * mmu_root_path_set_smi_handler() - Have the first vCPU run other code in SMM
 * @code: real-mode code, with CS.base == SMBASE; up to MMU_ROOT_SMI_COUNT_OFFSET
 * @size: its size in bytes
 *
 * This applies to the VM that was created last.
 */
void mmu_root_path_set_smi_handler(const uint8_t *code, size_t size)
{
	TEST_ASSERT(size <= SMI_COUNT_OFFSET - SMI_HANDLER_OFFSET, "SMI handler too long");
	memcpy(smram[SMM_AS_ID] + SMI_HANDLER_OFFSET, code, size);
}

/**
 * mmu_root_path_require_keep_roots() - Skip the test if KVM always zaps roots with memslots
 */
void mmu_root_path_require_keep_roots(void)
{
	__TEST_REQUIRE(kvm_check_cap(KVM_CAP_DISABLE_QUIRKS2) & KVM_X86_QUIRK_SLOT_ZAP_ALL,
		       "KVM lacks KVM_X86_QUIRK_SLOT_ZAP_ALL, i.e. is older than 6.12");
}

/**
 * mmu_root_path_keep_roots() - Have KVM keep roots when a memslot is deleted or moved
 * @vm: the VM, in which no memslot was deleted or moved yet
 *
 * The function disables KVM_X86_QUIRK_SLOT_ZAP_ALL, and skips the test if KVM lacks this
 * quirk.
 */
void mmu_root_path_keep_roots(struct kvm_vm *vm)
{
	mmu_root_path_require_keep_roots();
	vm_enable_cap(vm, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_SLOT_ZAP_ALL);
}

/**
 * mmu_root_path_flip_smm() - Have a vCPU enter or leave SMM with unchanged registers
 * @vcpu: the vCPU
 *
 * The function uses KVM_SET_VCPU_EVENTS, as userspace does when it restores a vCPU in SMM.
 */
void mmu_root_path_flip_smm(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm ^= 1;
	vcpu_events_set(vcpu, &events);
}

/**
 * mmu_root_path_smram() - SMRAM as the host sees it
 * @smm: whether to return the memory that a CPU in SMM sees, or else the memory that all
 *	 other CPUs see at the same addresses
 *
 * Return: the first of MMU_ROOT_SMRAM_PAGES pages.
 */
void *mmu_root_path_smram(bool smm)
{
	return smram[smm ? SMM_AS_ID : NORMAL_AS_ID];
}

static void send_msi(struct kvm_vm *vm, uint32_t apic_id, uint32_t delivery_mode)
{
	struct kvm_msi msi = {
		/* Intel SDM, "Message Signalled Interrupts". */
		.address_lo = APIC_DEFAULT_GPA | apic_id << 12,
		.data = delivery_mode,
	};

	TEST_ASSERT(__vm_ioctl(vm, KVM_SIGNAL_MSI, &msi) > 0, "KVM_SIGNAL_MSI is not delivered");
}

/**
 * mmu_root_path_send_smi() - Send an SMI to a vCPU, which may be running
 * @vm: the VM
 * @apic_id: ID of the vCPU's APIC, up to 255
 *
 * The SMI is a message-signaled interrupt, because KVM_SMI would wait for KVM_RUN to return.
 */
void mmu_root_path_send_smi(struct kvm_vm *vm, uint32_t apic_id)
{
	send_msi(vm, apic_id, APIC_DM_SMI);
}

/**
 * mmu_root_path_init() - Have a vCPU, which does not run, take an INIT
 * @vcpu: the vCPU, whose APIC ID is its own, up to 255
 */
void mmu_root_path_init(struct kvm_vcpu *vcpu)
{
	struct kvm_mp_state mp_state;

	send_msi(vcpu->vm, vcpu->id, APIC_DM_INIT);
	/* KVM_GET_MP_STATE has KVM look for events of the APIC. */
	vcpu_mp_state_get(vcpu, &mp_state);
}

static uint64_t checksum(const uint64_t *data)
{
	uint64_t i, sum = 0;

	for (i = 0; i < MMU_ROOT_DATA_WORDS; i++)
		sum = (sum << 1 | sum >> 63) ^ data[i];
	return sum;
}

/**
 * mmu_root_path_checksum() - Checksum the guest's data as the host sees it
 * @vm: a VM of mmu_root_path_vm_create()
 *
 * The test fails if the data isn't what guest_path_init() has written.
 *
 * Return: the checksum, to be compared with guest_checksum_data().
 */
uint64_t mmu_root_path_checksum(struct kvm_vm *vm)
{
	uint64_t *data = addr_gpa2hva(vm, DATA_GPA);
	uint64_t i;

	for (i = 0; i < MMU_ROOT_DATA_WORDS; i++) {
		if (data[i] == DATA_WORD(i))
			continue;

		printf("#! word %lu of the guest's data is %#lx, expected %#lx\n",
		       i, data[i], DATA_WORD(i));
		exit(KSFT_FAIL);
	}
	return checksum(data);
}

/**
 * mmu_root_path_run() - Run a vCPU until its next ucall
 * @vcpu: the vCPU
 * @uc: the ucall
 * @cmd: the ucall that the guest must make
 *
 * The test fails if the vCPU exits to userspace for another reason.  If an assertion of the
 * guest has failed, the function prints the guest's message.
 */
void mmu_root_path_run(struct kvm_vcpu *vcpu, struct ucall *uc, uint64_t cmd)
{
	int ret = __vcpu_run(vcpu);
	uint64_t got = ret ? UCALL_NONE : get_ucall(vcpu, uc);

	if (got == cmd)
		return;

	if (ret)
		printf("#! KVM_RUN: %s\n", strerror(errno));
	else if (got == UCALL_ABORT)
		printf("#! guest: %s\n", uc->buffer);
	else
		printf("#! vCPU %u left with %s instead of ucall %lu\n", vcpu->id,
		       exit_reason_str(vcpu->run->exit_reason), cmd);
	exit(KSFT_FAIL);
}

/**
 * mmu_root_path_sync() - Run a vCPU until its next UCALL_SYNC
 * @vcpu: the vCPU
 */
void mmu_root_path_sync(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	mmu_root_path_run(vcpu, &uc, UCALL_SYNC);
}

/**
 * guest_touch_data() - Read from a page of the data
 * @i: any number; the page is @i modulo the number of pages
 */
void guest_touch_data(uint64_t i)
{
	uint64_t word = i % MMU_ROOT_DATA_PAGES * (PAGE_SIZE / sizeof(word));
	uint64_t val = READ_ONCE(((uint64_t *)MMU_ROOT_DATA_GVA)[word]);

	__GUEST_ASSERT(val == DATA_WORD(word), "word %lu is %lx, expected %lx",
		       word, val, DATA_WORD(word));
}

/**
 * guest_path_init() - Prepare the guest for a path
 * @path: the path
 *
 * The function fills the data, and operates the path twice so that KVM builds all roots of
 * the path.
 */
void guest_path_init(enum mmu_root_path_id path)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t cr4 = guest_initial_cr4;
	uint64_t i;

	for (i = 0; i < MMU_ROOT_DATA_WORDS; i++)
		data[i] = DATA_WORD(i);

	if (path == PATH_SMM)
		x2apic_enable();

	mmu_root_paths[path].guest_op(&cr4);
	mmu_root_paths[path].guest_op(&cr4);
}

/**
 * guest_path_storm() - Operate a path again and again, and read a page of the data each time
 * @path: the path
 * @nr_ops: number of operations; must be even, so that CR4 is unchanged in the end
 *
 * MMU_ROOT_DATA_PAGES operations have each of the path's roots map all pages that a storm
 * of any length reads through this root.
 */
void guest_path_storm(enum mmu_root_path_id path, uint64_t nr_ops)
{
	uint64_t cr4 = guest_initial_cr4;
	uint64_t i;

	GUEST_ASSERT(!(nr_ops & 1));
	for (i = 0; i < nr_ops; i++) {
		mmu_root_paths[path].guest_op(&cr4);
		guest_touch_data(i);
	}
}

/**
 * guest_checksum_data() - Checksum the data as the guest sees it
 *
 * Return: the checksum, to be compared with mmu_root_path_checksum().
 */
uint64_t guest_checksum_data(void)
{
	return checksum((uint64_t *)MMU_ROOT_DATA_GVA);
}

/**
 * mmu_root_sipi_install() - Install the code that an AP runs after INIT-SIPI-SIPI
 * @ap: the application processor, in 64-bit mode
 * @entry: where this code jumps to, in 64-bit mode with the AP's present control registers
 * @stack: the AP's stack pointer at @entry
 *
 * The SIPI vector is MMU_ROOT_SIPI_GPA >> 12.
 */
void mmu_root_sipi_install(struct kvm_vcpu *ap, void *entry, uint64_t stack)
{
	struct kvm_sregs sregs;
	gpa_t gpa;
	uint8_t *page;

	gpa = vm_phy_pages_alloc(ap->vm, 1, MMU_ROOT_SIPI_GPA,
				 ap->vm->memslots[MEM_REGION_DATA]);
	TEST_ASSERT(gpa == MMU_ROOT_SIPI_GPA, "page %#x is in use", MMU_ROOT_SIPI_GPA);
	virt_map(ap->vm, MMU_ROOT_SIPI_GPA, MMU_ROOT_SIPI_GPA, 1);
	page = addr_gpa2hva(ap->vm, MMU_ROOT_SIPI_GPA);

	vcpu_sregs_get(ap, &sregs);
	memcpy(page, mmu_roots_sipi_start, mmu_roots_sipi_end - mmu_roots_sipi_start);
	memcpy(page + (mmu_roots_sipi_regs - mmu_roots_sipi_start),
	       (uint64_t []){ sregs.cr0, sregs.cr3, sregs.cr4,
			      sregs.efer & ~EFER_LMA, stack, (uintptr_t)entry },
	       6 * sizeof(uint64_t));
}

/**
 * mmu_root_sipi_emulate() - Have KVM emulate an access to memory in real mode
 * @ap: an application processor of mmu_root_sipi_install()
 *
 * The access comes before the AP writes any control register, i.e. while paging is as INIT
 * has left it.  The caller must call mmu_roots_force_emulation().
 */
void mmu_root_sipi_emulate(struct kvm_vcpu *ap)
{
	memcpy(addr_gpa2hva(ap->vm, MMU_ROOT_SIPI_GPA) +
	       (mmu_roots_sipi_prefix - mmu_roots_sipi_start), mmu_root_fep, sizeof(mmu_root_fep));
}

/**
 * guest_send_init_sipi_sipi() - Restart another vCPU
 * @apic_id: x2APIC ID of the other vCPU
 *
 * The second SIPI is there because the Intel SDM, "MP Initialization Protocol", asks for two;
 * KVM ignores the second one if the first one got through.
 */
void guest_send_init_sipi_sipi(uint32_t apic_id)
{
	uint64_t dest = (uint64_t)apic_id << 32;
	uint64_t sipi = dest | APIC_INT_ASSERT | APIC_DM_STARTUP | MMU_ROOT_SIPI_GPA >> 12;

	x2apic_write_reg(APIC_ICR, dest | APIC_INT_ASSERT | APIC_DM_INIT);
	x2apic_write_reg(APIC_ICR, sipi);
	x2apic_write_reg(APIC_ICR, sipi);
}

/**
 * guest_touch_and_sync() - Guest code that reads one page of the data after the other
 *
 * The guest makes a UCALL_SYNC after each page.
 */
void guest_touch_and_sync(void)
{
	uint64_t i;

	guest_path_init(PATH_NULL_EXIT);
	for (i = 0; ; i++) {
		guest_touch_data(i);
		GUEST_SYNC(0);
	}
}

/**
 * guest_restart_ap() - Guest code that restarts vCPU MMU_ROOT_AP_ID again and again
 *
 * The guest makes a UCALL_SYNC each time.
 */
void guest_restart_ap(void)
{
	guest_path_init(PATH_NULL_EXIT);
	x2apic_enable();

	for (;;) {
		guest_send_init_sipi_sipi(MMU_ROOT_AP_ID);
		GUEST_SYNC(0);
	}
}

/**
 * guest_exit() - Exit to userspace, and return if userspace runs the vCPU again
 *
 * For vCPUs that may take INIT next, and never return from here.  A ucall would leak its
 * buffer then, and now and then the guest would map another page of the library's pool.
 */
void guest_exit(void)
{
	asm volatile("inb %0, %%al" : : "i" (MMU_ROOT_EXIT_PORT) : "rax", "memory");
}

/**
 * guest_exit_for_good() - Exit to userspace, and fail if userspace just runs the vCPU again
 *
 * For vCPUs that take INIT before they run again.
 */
void guest_exit_for_good(void)
{
	guest_exit();
	__GUEST_ASSERT(0, "a vCPU went on instead of being reset by INIT");
}

/**
 * mmu_root_path_run_for_good() - Run a vCPU until guest_exit() or guest_exit_for_good()
 * @vcpu: the vCPU
 */
void mmu_root_path_run_for_good(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int ret = __vcpu_run(vcpu);
	struct ucall uc;

	if (!ret && run->exit_reason == KVM_EXIT_IO && run->io.port == MMU_ROOT_EXIT_PORT)
		return;

	if (ret)
		printf("#! KVM_RUN of vCPU %u: %s\n", vcpu->id, strerror(errno));
	else if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		printf("#! guest: %s\n", uc.buffer);
	else
		printf("#! vCPU %u left with %s, port %#x\n", vcpu->id,
		       exit_reason_str(run->exit_reason), run->io.port);
	exit(KSFT_FAIL);
}

/**
 * mmu_root_path_pte() - Change the guest's page table entries of a data page
 * @vm: a VM of mmu_root_path_vm_create(), which has not run yet
 * @page: number of the page
 * @set_all: bits to set in the entries of all levels
 * @set: bits to set in the entry that maps the page
 * @clear: bits to clear in the entry that maps the page
 */
void mmu_root_path_pte(struct kvm_vm *vm, uint64_t page, uint64_t set_all,
		       uint64_t set, uint64_t clear)
{
	uint64_t gva = MMU_ROOT_DATA_GVA + page * PAGE_SIZE;
	uint64_t table = mmu_roots_pgd(vm), *pte = NULL;
	int level;

	for (level = mmu_roots_pgtable_levels(vm); level > 0; level--) {
		/* Nine bits of the address for each level. */
		pte = (uint64_t *)addr_gpa2hva(vm, table) +
		      ((gva >> (PAGE_SHIFT + 9 * (level - 1))) & 0x1ff);
		*pte |= set_all;
		table = PTE_GET_PA(*pte);
	}
	*pte |= set;
	*pte &= ~clear;
}
