// SPDX-License-Identifier: GPL-2.0
/*
 * How L1 runs L2s with VMX.
 */
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "vmx.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"
#include "mmu_roots_paths.h"

/* Entries of EPT: Intel SDM, "Extended-Page-Table Mechanism". */
#define EPT_READ		BIT_ULL(0)
#define EPT_WRITE		BIT_ULL(1)
#define EPT_EXEC		BIT_ULL(2)
#define EPT_WRITE_BACK		((uint64_t)X86_MEMTYPE_WB << 3)
#define EPT_TABLE		(EPT_READ | EPT_WRITE | EPT_EXEC)

/* EPTP: memory type, and the number of levels minus one. */
#define EPTP_FLAGS		((uint64_t)X86_MEMTYPE_WB | 3 << 3)
#define EPTP_AD			BIT_ULL(6)

/* Intel SDM, "Field Encoding in VMCS": fields that vmx.h lacks. */
#define VM_FUNCTION_CONTROLS	0x2018
#define EPTP_LIST_ADDRESS	0x2024

/* Intel SDM, "VM Functions". */
#define VMFUNC_EPTP_SWITCHING	0

/* VPID for INVVPID, not 0, which is L1's own.  KVM does not care whether an L2 has this VPID. */
#define SOME_VPID		1

/* Value of current_l2 while no VMCS is current. */
#define NO_L2			(-1)

/* Bits of the basic exit reason. */
#define EXIT_REASON_MASK	0xffff

/* The host writes this, and copies it to the guest. */
static struct {
	bool nested_paging;
	struct vmx_pages *l2[MMU_ROOT_MAX_L2S];
	uint64_t *eptp_list;
	uint64_t eptp_list_gpa;
} vmx;

/* L1 writes these variables. */
static uint64_t eptp_flags = EPTP_FLAGS;
static int current_l2;
static bool is_launched[MMU_ROOT_MAX_L2S];

static void vmx_require(void)
{
	__TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_VMX),
		       "no nested VMX: module parameter nested=1 of kvm_intel, on a CPU with VMX");
}

static void vmx_create(struct kvm_vm *vm, bool nested_paging)
{
	gva_t gva;
	int i;

	vmx.nested_paging = nested_paging;
	for (i = 0; i < MMU_ROOT_MAX_L2S; i++) {
		vcpu_alloc_vmx(vm, &gva);
		vmx.l2[i] = (void *)gva;
	}
	gva = vm_alloc_page(vm);
	vmx.eptp_list = (void *)gva;
	vmx.eptp_list_gpa = addr_gva2gpa(vm, gva);
	sync_global_to_guest(vm, vmx);
}

static void vmx_state_set_pgd(struct kvm_nested_state *state, uint64_t pgd)
{
	*(uint64_t *)(state->data.vmx->vmcs12 + VMCS12_EPT_POINTER) = pgd | EPTP_FLAGS;
}

/* L2 exits only where L1 cannot prevent that, e.g. for INIT and triple faults. */
static void vmx_init(int l2, void *l2_guest_code, void *stack, int intercepts)
{
	struct vmx_pages *pages = vmx.l2[l2];
	uint64_t controls;

	if (!l2)
		GUEST_ASSERT(prepare_for_vmx_operation(pages));
	GUEST_ASSERT(load_vmcs(pages));
	prepare_vmcs(pages, l2_guest_code);
	GUEST_ASSERT(!vmwrite(GUEST_RSP, (uint64_t)stack));

	controls = vmreadz(CPU_BASED_VM_EXEC_CONTROL) | CPU_BASED_USE_MSR_BITMAPS;
	GUEST_ASSERT(!vmwrite(CPU_BASED_VM_EXEC_CONTROL, controls));
	if (vmx.nested_paging)
		GUEST_ASSERT(!vmwrite(SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_EPT));
	GUEST_ASSERT(!vmwrite(GUEST_RFLAGS, MMU_ROOT_RFLAGS));
	/*
	 * The library's value never matches, and thereby inverts the meaning of the exception
	 * bitmap for page faults: Intel SDM, "Exceptions" that cause VM exits.
	 */
	GUEST_ASSERT(!vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0));
	current_l2 = l2;
	is_launched[l2] = false;
}

static void select_l2(int l2)
{
	if (l2 == current_l2)
		return;

	GUEST_ASSERT(!vmptrld(vmx.l2[l2]->vmcs_gpa));
	current_l2 = l2;
}

static enum mmu_root_l2_exit vmx_run(int l2, uint64_t pgd)
{
	bool failed;

	select_l2(l2);
	GUEST_ASSERT(!vmwrite(HOST_CR0, get_cr0()));
	GUEST_ASSERT(!vmwrite(HOST_CR4, get_cr4()));
	if (vmx.nested_paging)
		GUEST_ASSERT(!vmwrite(EPT_POINTER, pgd | eptp_flags));
	else
		GUEST_ASSERT(!vmwrite(GUEST_CR3, pgd));

	failed = is_launched[l2] ? vmresume() : vmlaunch();
	if (failed)
		return L2_ENTRY_FAILED;

	/* VM-Exits clear RFLAGS, but interrupts must be on, see MMU_ROOT_RFLAGS. */
	asm volatile("sti");
	if (vmreadz(VM_EXIT_REASON) & VMX_EXIT_REASONS_FAILED_VMENTRY)
		return L2_ENTRY_EXITED;

	is_launched[l2] = true;
	switch (vmreadz(VM_EXIT_REASON) & EXIT_REASON_MASK) {
	case EXIT_REASON_VMCALL:
		vmwrite(GUEST_RIP, vmreadz(GUEST_RIP) + vmreadz(VM_EXIT_INSTRUCTION_LEN));
		return L2_EXIT_CALL;
	case EXIT_REASON_INIT_SIGNAL:
		return L2_EXIT_INIT;
	case EXIT_REASON_TRIPLE_FAULT:
		return L2_EXIT_SHUTDOWN;
	default:
		return L2_EXIT_OTHER;
	}
}

const struct mmu_root_nested_ops mmu_root_nested_vmx = {
	.table_flags = EPT_TABLE,
	.page_flags = EPT_TABLE | EPT_WRITE_BACK,
	.require = vmx_require,
	.has_nested_paging = kvm_cpu_has_ept,
	.create = vmx_create,
	.state_set_pgd = vmx_state_set_pgd,
	.init = vmx_init,
	.run = vmx_run,
	.call = vmcall,
};

/**
 * guest_l2_vmcs_write() - Change a field of an L2's VMCS
 * @l2: number of the L2, on VMX
 * @field: its encoding: enum vmcs_field of vmx.h
 * @set: bits to set
 * @clear: bits to clear
 *
 * Return: the old value of the field.
 */
uint64_t guest_l2_vmcs_write(int l2, uint64_t field, uint64_t set, uint64_t clear)
{
	uint64_t old;

	select_l2(l2);
	GUEST_ASSERT(!vmread(field, &old));
	GUEST_ASSERT(!vmwrite(field, (old & ~clear) | set));
	return old;
}

/**
 * mmu_root_nested_require_ept_ad() - Skip the test if L1's EPT has no accessed and dirty flags
 */
void mmu_root_nested_require_ept_ad(void)
{
	__TEST_REQUIRE(kvm_get_feature_msr(MSR_IA32_VMX_EPT_VPID_CAP) & VMX_EPT_VPID_CAP_AD_BITS,
		       "no accessed and dirty flags of EPT: module parameter eptad=1 of kvm_intel");
}

/**
 * mmu_root_nested_require_vmfunc() - Skip the test if L2 cannot switch its EPTP
 */
void mmu_root_nested_require_vmfunc(void)
{
	uint64_t controls = kvm_get_feature_msr(MSR_IA32_VMX_PROCBASED_CTLS2) >> 32;

	__TEST_REQUIRE((controls & SECONDARY_EXEC_ENABLE_VMFUNC) &&
		       (kvm_get_feature_msr(MSR_IA32_VMX_VMFUNC) & BIT_ULL(VMFUNC_EPTP_SWITCHING)),
		       "KVM offers no VM functions, as the CPU has none");
}

/**
 * guest_l2_use_ept_ad() - Choose the flags of L1's EPTPs from now on
 * @ad: have the CPU set accessed and dirty flags
 */
void guest_l2_use_ept_ad(bool ad)
{
	eptp_flags = EPTP_FLAGS | (ad ? EPTP_AD : 0);
}

/**
 * guest_l2_allow_vmfunc() - Have L1 let an L2 switch between PGDs by itself
 * @l2: number of the L2
 * @nr_pgds: number of PGDs, from the first one on
 */
void guest_l2_allow_vmfunc(int l2, int nr_pgds)
{
	int i;

	for (i = 0; i < nr_pgds; i++)
		vmx.eptp_list[i] = guest_l2_pgd(i) | eptp_flags;
	guest_l2_vmcs_write(l2, SECONDARY_VM_EXEC_CONTROL, SECONDARY_EXEC_ENABLE_VMFUNC, 0);
	guest_l2_vmcs_write(l2, VM_FUNCTION_CONTROLS, BIT_ULL(VMFUNC_EPTP_SWITCHING), 0);
	guest_l2_vmcs_write(l2, EPTP_LIST_ADDRESS, vmx.eptp_list_gpa, ~0ul);
}

/**
 * guest_l2_vmfunc() - Have L2 switch its PGD
 * @pgd: number of the PGD
 */
void guest_l2_vmfunc(int pgd)
{
	asm volatile("vmfunc" : : "a" (VMFUNC_EPTP_SWITCHING), "c" (pgd) : "memory");
}

/**
 * guest_l2_vmclear() - Have L1 clear the VMCS of an L2
 * @l2: number of the L2
 *
 * When L1 runs the L2 again, the L2 continues where it was.
 */
void guest_l2_vmclear(int l2)
{
	GUEST_ASSERT(!vmclear(vmx.l2[l2]->vmcs_gpa));
	is_launched[l2] = false;
	if (l2 == current_l2)
		current_l2 = NO_L2;
}

/**
 * guest_l2_invvpid() - Have L1 execute INVVPID
 * @type: the type, Intel SDM, "INVVPID"; types that take an address get 0
 *
 * Return: true if the instruction failed.
 */
bool guest_l2_invvpid(uint64_t type)
{
	struct {
		uint64_t vpid;
		uint64_t address;
	} operand = { .vpid = SOME_VPID };
	bool failed;

	asm volatile("invvpid %[operand], %[type]; setna %[failed]"
		     : [failed] "=rm" (failed)
		     : [operand] "m" (operand), [type] "r" (type)
		     : "cc", "memory");
	return failed;
}

/**
 * guest_l2_invept() - Have L1 execute INVEPT
 * @type: the type, Intel SDM, "INVEPT"
 * @pgd: the PGD, for types that take one, see guest_l2_pgd()
 *
 * Return: true if the instruction failed.
 */
bool guest_l2_invept(uint64_t type, uint64_t pgd)
{
	struct {
		uint64_t eptp;
		uint64_t reserved;
	} operand = { .eptp = pgd | eptp_flags };
	bool failed;

	asm volatile("invept %[operand], %[type]; setna %[failed]"
		     : [failed] "=rm" (failed)
		     : [operand] "m" (operand), [type] "r" (type)
		     : "cc", "memory");
	return failed;
}
