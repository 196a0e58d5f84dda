// SPDX-License-Identifier: GPL-2.0
/*
 * How L1 runs L2s with SVM.
 */
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "svm_util.h"
#include "mmu_roots.h"
#include "mmu_roots_nested.h"

/* Length of VMMCALL, in bytes. */
#define CALL_INSN_SIZE		3

#define TABLE_FLAGS		(PT_PRESENT_MASK | PT_WRITABLE_MASK | PT_USER_MASK | \
				 PT_ACCESSED_MASK | PT_DIRTY_MASK)

/* The host writes this, and copies it to the guest. */
static struct {
	bool nested_paging;
	struct svm_test_data *l2[MMU_ROOT_MAX_L2S];
} svm;

static void svm_require(void)
{
	__TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SVM),
		       "no nested SVM: module parameter nested=1 of kvm_amd, on a CPU with SVM");
}

static bool svm_has_nested_paging(void)
{
	return kvm_cpu_has(X86_FEATURE_NPT);
}

static void svm_create(struct kvm_vm *vm, bool nested_paging)
{
	gva_t gva;
	int i;

	svm.nested_paging = nested_paging;
	for (i = 0; i < MMU_ROOT_MAX_L2S; i++) {
		vcpu_alloc_svm(vm, &gva);
		svm.l2[i] = (void *)gva;
	}
	sync_global_to_guest(vm, svm);
}

static void svm_state_set_pgd(struct kvm_nested_state *state, uint64_t pgd)
{
	struct vmcb *vmcb12 = (void *)state->data.svm;

	vmcb12->control.nested_cr3 = pgd;
}

static void svm_init(int l2, void *l2_guest_code, void *stack, int intercepts)
{
	struct svm_test_data *data = svm.l2[l2];

	generic_svm_setup(data, l2_guest_code);
	data->vmcb->save.rsp = (uint64_t)stack;
	if (svm.nested_paging)
		data->vmcb->control.misc_ctl |= SVM_MISC_ENABLE_NP;
	if (intercepts & L1_INTERCEPTS_INIT)
		data->vmcb->control.intercept |= BIT_ULL(INTERCEPT_INIT);
	if (intercepts & L1_INTERCEPTS_SHUTDOWN)
		data->vmcb->control.intercept |= BIT_ULL(INTERCEPT_SHUTDOWN);
}

static enum mmu_root_l2_exit svm_run(int l2, uint64_t pgd)
{
	struct svm_test_data *data = svm.l2[l2];

	if (svm.nested_paging)
		data->vmcb->control.nested_cr3 = pgd;
	else
		data->vmcb->save.cr3 = pgd;
	run_guest(data->vmcb, data->vmcb_gpa);

	switch (data->vmcb->control.exit_code) {
	case SVM_EXIT_VMMCALL:
		data->vmcb->save.rip += CALL_INSN_SIZE;
		return L2_EXIT_CALL;
	case SVM_EXIT_INIT:
		return L2_EXIT_INIT;
	case SVM_EXIT_SHUTDOWN:
		return L2_EXIT_SHUTDOWN;
	case SVM_EXIT_ERR:
		return L2_ENTRY_EXITED;
	default:
		return L2_EXIT_OTHER;
	}
}

const struct mmu_root_nested_ops mmu_root_nested_svm = {
	.table_flags = TABLE_FLAGS,
	.page_flags = TABLE_FLAGS,
	.require = svm_require,
	.has_nested_paging = svm_has_nested_paging,
	.create = svm_create,
	.state_set_pgd = svm_state_set_pgd,
	.init = svm_init,
	.run = svm_run,
	.call = vmmcall,
};

/**
 * guest_l2_svm() - The data with which L1 runs an L2
 * @l2: number of the L2, on SVM
 *
 * Return: addresses of the L2's VMCB, and of L1's permission maps; for L1.
 */
struct svm_test_data *guest_l2_svm(int l2)
{
	return svm.l2[l2];
}

/**
 * mmu_root_nested_svm_data() - The data with which L1 runs an L2, as the host sees it
 * @vm: a VM of mmu_root_nested_create(), on a host with SVM
 * @l2: number of the L2
 *
 * Return: the same as guest_l2_svm(), for the host.
 */
struct svm_test_data *mmu_root_nested_svm_data(struct kvm_vm *vm, int l2)
{
	return addr_gva2hva(vm, (uintptr_t)svm.l2[l2]);
}

/**
 * mmu_root_nested_state_set_asid() - Change the ASID of a saved L2
 * @state: the state of a vCPU in L2, on a host with SVM
 * @asid: the ASID
 */
void mmu_root_nested_state_set_asid(struct kvm_nested_state *state, uint32_t asid)
{
	struct vmcb *vmcb12 = (void *)state->data.svm;

	vmcb12->control.asid = asid;
}

/**
 * guest_l2_set_asid() - Change the ASID in an L2's VMCB
 * @l2: number of the L2, on SVM
 * @asid: the ASID; 0 is the host's, and illegal for a guest: AMD APM, "Canonicalization
 *	and Consistency Checks" of VMRUN
 */
void guest_l2_set_asid(int l2, uint32_t asid)
{
	svm.l2[l2]->vmcb->control.asid = asid;
}
