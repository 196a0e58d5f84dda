// SPDX-License-Identifier: GPL-2.0
/*
 * The paths that reset the MMU, and the guest that drives them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "test_util.h"
#include "kvm_util.h"
#include "processor.h"
#include "apic.h"
#include "mmu_roots_paths.h"

/*
 * SMRAM is one page of code and one of saved state, 32 KiB apart, relative to
 * SMBASE (Intel SDM and AMD APM, "SMRAM").  KVM sees it in address space 1
 * only, i.e. SMM gets memory of its own; the same range of address space 0
 * holds a handler that a CPU in SMM must never see.
 */
#define SMRAM_GPA		0x1000000
#define SMRAM_PAGES		16
#define SMRAM_SIZE		(SMRAM_PAGES * 4096)
#define SMRAM_SLOT		1
#define NORMAL_AS_ID		0
#define SMM_AS_ID		1
#define NR_AS_IDS		2
#define SMRAM_SLOT_OF_AS(as_id)	((as_id) << 16 | SMRAM_SLOT)
#define SMI_HANDLER_OFFSET	0x8000
#define SMI_COUNT_OFFSET	0x8100

/* Clear of the library's slot 0, which ends below 4 GiB - 1 GiB at most. */
#define DATA_SLOT		2
#define DATA_GPA		0x40000000ul

/* Not emulated by KVM's irqchip, and not the port of ucalls. */
#define EXIT_PORT		0xe0

/* An odd multiplier makes all words of the data distinct. */
#define DATA_WORD(i)		(((i) + 1) * 0x9e3779b97f4a7c15ul)

#define MODULE_PARAM_MMU_RESET_EVERY	"/sys/module/kvm/parameters/mmu_reset_every"

#define STR(x)			#x
#define XSTR(x)			STR(x)

/* MMU_ROOT_SIPI_GPA for the assembler, which knows no suffix. */
#define SIPI_BASE		0xf0000
kvm_static_assert(SIPI_BASE == MMU_ROOT_SIPI_GPA);

/* Real mode, with CS.base == SMBASE: count the SMI and return. */
static const uint8_t smi_handler[] = {
	0x2e, 0x66, 0xff, 0x06, 0x00, 0x81,	/* incl %cs:SMI_COUNT_OFFSET */
	0x0f, 0xaa,				/* rsm */
};

/* Written before the first vCPU is created, i.e. constant for the guest. */
static void *smram[NR_AS_IDS];

static void set_cr0(uint64_t val)
{
	asm volatile("mov %0, %%cr0" : : "r" (val) : "memory");
}

static void op_null_exit(void)
{
	uint32_t eax, ebx, ecx, edx;

	cpuid(0, &eax, &ebx, &ecx, &edx);
}

static void op_cr0_rewrite(void)
{
	set_cr0(get_cr0());
}

static void op_cr0_wp(void)
{
	set_cr0(get_cr0() ^ X86_CR0_WP);
}

static void op_cr4_rewrite(void)
{
	set_cr4(get_cr4());
}

static void op_cr4_pge(void)
{
	set_cr4(get_cr4() ^ X86_CR4_PGE);
}

static void op_cr4_smep(void)
{
	set_cr4(get_cr4() ^ X86_CR4_SMEP);
}

static void op_cr4_smap(void)
{
	set_cr4(get_cr4() ^ X86_CR4_SMAP);
}

static void op_cr4_pke(void)
{
	set_cr4(get_cr4() ^ X86_CR4_PKE);
}

static void op_efer_rewrite(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER));
}

static void op_efer_nx(void)
{
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) ^ EFER_NX);
}

static void op_smi(void)
{
	x2apic_write_reg(APIC_ICR, APIC_DEST_SELF | APIC_INT_ASSERT | APIC_DM_SMI);
}

static bool has_smep(void)
{
	return kvm_cpu_has(X86_FEATURE_SMEP);
}

static bool has_smap(void)
{
	return kvm_cpu_has(X86_FEATURE_SMAP);
}

static bool has_pku(void)
{
	return kvm_cpu_has(X86_FEATURE_PKU);
}

static bool has_smm(void)
{
	return kvm_has_cap(KVM_CAP_X86_SMM);
}

const struct mmu_root_path mmu_root_paths[NR_GUEST_PATHS] = {
	/* id			   name		  resets loads roots control	     guest_op	      supported */
	[PATH_NULL_EXIT]	= { "null-exit",	0, 0, 1, PATH_NULL_EXIT,    op_null_exit,    NULL },
	[PATH_CR0_REWRITE]	= { "CR0-rewrite",	0, 0, 1, PATH_NULL_EXIT,    op_cr0_rewrite,  NULL },
	[PATH_CR0_WP]		= { "CR0.WP",		0, 0, 1, PATH_NULL_EXIT,    op_cr0_wp,	     NULL },
	[PATH_CR4_REWRITE]	= { "CR4-rewrite",	0, 0, 1, PATH_NULL_EXIT,    op_cr4_rewrite,  NULL },
	[PATH_CR4_PGE]		= { "CR4.PGE",		0, 0, 1, PATH_CR4_REWRITE,  op_cr4_pge,	     NULL },
	[PATH_CR4_SMEP]		= { "CR4.SMEP",		1, 1, 1, PATH_CR4_PGE,	    op_cr4_smep,     has_smep },
	[PATH_CR4_SMAP]		= { "CR4.SMAP",		1, 1, 1, PATH_CR4_PGE,	    op_cr4_smap,     has_smap },
	[PATH_CR4_PKE]		= { "CR4.PKE",		1, 1, 1, PATH_CR4_PGE,	    op_cr4_pke,	     has_pku },
	[PATH_EFER_REWRITE]	= { "EFER-rewrite",	0, 0, 1, PATH_NULL_EXIT,    op_efer_rewrite, NULL },
	[PATH_EFER_NX]		= { "EFER.NX",		1, 1, 1, PATH_EFER_REWRITE, op_efer_nx,	     NULL },
	[PATH_SMM]		= { "SMI+RSM",		6, 2, 2, PATH_NULL_EXIT,    op_smi,	     has_smm },
};

static void add_smram(struct kvm_vm *vm)
{
	uint32_t as_id;

	/* The two handlers are told apart by the counters next to them. */
	for (as_id = NORMAL_AS_ID; as_id <= SMM_AS_ID; as_id++) {
		struct kvm_userspace_memory_region region = {
			.slot = SMRAM_SLOT_OF_AS(as_id),
			.guest_phys_addr = SMRAM_GPA,
			.memory_size = SMRAM_SIZE,
		};

		smram[as_id] = mmap(NULL, SMRAM_SIZE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		TEST_ASSERT(smram[as_id] != MAP_FAILED, "mmap() SMRAM");
		memcpy(smram[as_id] + SMI_HANDLER_OFFSET, smi_handler,
		       sizeof(smi_handler));
		region.userspace_addr = (uintptr_t)smram[as_id];
		vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	}
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
	struct kvm_vm *vm = vm_create_with_one_vcpu(vcpu, guest_code);

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, DATA_GPA, DATA_SLOT,
				    MMU_ROOT_DATA_PAGES, 0);
	virt_map(vm, MMU_ROOT_DATA_GVA, DATA_GPA, MMU_ROOT_DATA_PAGES);

	if (has_smm()) {
		add_smram(vm);
		vcpu_set_msr(*vcpu, MSR_IA32_SMBASE, SMRAM_GPA);
	}
	return vm;
}

/**
 * mmu_root_path_nr_smis() - How often the SMI handler ran, and in which memory
 * @vm: a VM of mmu_root_path_vm_create()
 *
 * Fails the test if a CPU in SMM saw the memory of address space 0.
 *
 * Return: number of SMIs handled in SMRAM.
 */
uint64_t mmu_root_path_nr_smis(struct kvm_vm *vm)
{
	uint32_t *stray = smram[NORMAL_AS_ID] + SMI_COUNT_OFFSET;
	uint32_t *count = smram[SMM_AS_ID] + SMI_COUNT_OFFSET;

	if (*stray) {
		printf("#! SMM used the memory of address space 0 for %u SMIs\n", *stray);
		exit(KSFT_FAIL);
	}
	return *count;
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
 * Fails the test if the data isn't what guest_path_init() wrote.
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
 * Fails the test with the guest's message if an assertion of the guest failed.
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
		printf("#! guest left with %s instead of ucall %lu\n",
		       exit_reason_str(vcpu->run->exit_reason), cmd);
	exit(KSFT_FAIL);
}

/**
 * guest_path_init() - Prepare the guest for a path
 * @path: the path
 *
 * Fills the data, and operates the path twice to have all roots of the path
 * built and everything mapped that it touches.
 */
void guest_path_init(enum mmu_root_path_id path)
{
	uint64_t *data = (uint64_t *)MMU_ROOT_DATA_GVA;
	uint64_t i;

	for (i = 0; i < MMU_ROOT_DATA_WORDS; i++)
		data[i] = DATA_WORD(i);

	if (path == PATH_SMM)
		x2apic_enable();

	mmu_root_paths[path].guest_op();
	mmu_root_paths[path].guest_op();
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
 * guest_checksum_data() - Checksum the data as the guest sees it
 *
 * Return: the checksum, to be compared with mmu_root_path_checksum().
 */
uint64_t guest_checksum_data(void)
{
	return checksum((uint64_t *)MMU_ROOT_DATA_GVA);
}

/*
 * From real mode, where SIPI starts a CPU, straight to 64-bit mode: "Initializing
 * IA-32e Mode" of the Intel SDM allows to set CR0.PE and CR0.PG at once.  CR0.PG
 * has to come last, i.e. CR4.PAE, EFER and CR0 are one role change each.
 */
asm(".pushsection .rodata\n"
    "sipi_start:\n"
    ".code16\n"
    "	cli\n"
    "	mov	%cs, %ax\n"
    "	mov	%ax, %ds\n"
    "	lgdtl	sipi_gdt_ptr - sipi_start\n"
    "	mov	sipi_cr4 - sipi_start, %eax\n"
    "	mov	%eax, %cr4\n"
    "	mov	sipi_cr3 - sipi_start, %eax\n"
    "	mov	%eax, %cr3\n"
    "	mov	$0xc0000080, %ecx\n"
    "	xor	%edx, %edx\n"
    "	mov	sipi_efer - sipi_start, %eax\n"
    "	wrmsr\n"
    "	mov	sipi_cr0 - sipi_start, %eax\n"
    "	mov	%eax, %cr0\n"
    "	ljmpl	*(sipi_far_ptr - sipi_start)\n"
    ".code64\n"
    "sipi_long:\n"
    "	mov	$0x10, %eax\n"
    "	mov	%eax, %ds\n"
    "	mov	%eax, %es\n"
    "	mov	%eax, %ss\n"
    "	mov	sipi_rsp(%rip), %rsp\n"
    "	jmp	*sipi_rip(%rip)\n"
    ".balign 8\n"
    "sipi_gdt:	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff\n"
    "sipi_gdt_ptr:	.word . - sipi_gdt - 1\n"
    "		.long " XSTR(SIPI_BASE) " + sipi_gdt - sipi_start\n"
    "sipi_far_ptr:	.long " XSTR(SIPI_BASE) " + sipi_long - sipi_start\n"
    "		.word 8\n"
    ".balign 8\n"
    "sipi_cr0:	.quad 0\n"
    "sipi_cr3:	.quad 0\n"
    "sipi_cr4:	.quad 0\n"
    "sipi_efer:	.quad 0\n"
    "sipi_rsp:	.quad 0\n"
    "sipi_rip:	.quad 0\n"
    "sipi_end:\n"
    ".popsection\n");

extern const uint8_t sipi_start[], sipi_cr0[], sipi_end[];

/**
 * mmu_root_sipi_install() - Install what an AP runs after INIT-SIPI-SIPI
 * @ap: the application processor, in 64-bit mode
 * @entry: where it ends up, in 64-bit mode with the paging of now
 * @stack: its stack pointer then
 *
 * The SIPI vector is MMU_ROOT_SIPI_GPA >> 12.
 */
void mmu_root_sipi_install(struct kvm_vcpu *ap, void *entry, uint64_t stack)
{
	struct kvm_sregs sregs;
	uint8_t *page;

	vm_phy_pages_alloc(ap->vm, 1, MMU_ROOT_SIPI_GPA, ap->vm->memslots[MEM_REGION_DATA]);
	virt_map(ap->vm, MMU_ROOT_SIPI_GPA, MMU_ROOT_SIPI_GPA, 1);
	page = addr_gpa2hva(ap->vm, MMU_ROOT_SIPI_GPA);

	vcpu_sregs_get(ap, &sregs);
	memcpy(page, sipi_start, sipi_end - sipi_start);
	memcpy(page + (sipi_cr0 - sipi_start),
	       (uint64_t []){ sregs.cr0, sregs.cr3, sregs.cr4,
			      sregs.efer & ~EFER_LMA, stack, (uintptr_t)entry },
	       6 * sizeof(uint64_t));
}

/**
 * guest_send_init_sipi_sipi() - Restart another vCPU
 * @apic_id: x2APIC ID of the other vCPU
 *
 * The second SIPI is for software that follows the Intel SDM, "MP Initialization
 * Protocol", to the letter; KVM ignores it if the first one got through.
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
 * guest_exit_for_good() - Leave the guest, with no intention to return
 *
 * For vCPUs that INIT takes elsewhere.  A ucall would leak its buffer, and with
 * it map another page of the library's pool every now and then.
 */
void guest_exit_for_good(void)
{
	asm volatile("inb %0, %%al" : : "i" (EXIT_PORT) : "rax", "memory");
	__GUEST_ASSERT(0, "a vCPU went on instead of being reset by INIT");
}

/**
 * mmu_root_path_run_for_good() - Run a vCPU until guest_exit_for_good()
 * @vcpu: the vCPU
 */
void mmu_root_path_run_for_good(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct ucall uc;

	if (!__vcpu_run(vcpu) && run->exit_reason == KVM_EXIT_IO && run->io.port == EXIT_PORT)
		return;

	if (get_ucall(vcpu, &uc) == UCALL_ABORT)
		printf("#! guest: %s\n", uc.buffer);
	else
		printf("#! vCPU %u left with %s\n", vcpu->id, exit_reason_str(run->exit_reason));
	exit(KSFT_FAIL);
}

/**
 * mmu_reset_every_supported() - Ask whether KVM can force resets
 *
 * Return: true if the module parameter mmu_reset_every exists and is writable.
 */
bool mmu_reset_every_supported(void)
{
	return !access(MODULE_PARAM_MMU_RESET_EVERY, R_OK | W_OK);
}

static void mmu_reset_every_off(void)
{
	mmu_reset_every_set(0);
}

/**
 * mmu_reset_every_set() - Force a reset on every Nth exit
 * @every: N; 0 turns it off
 *
 * Applies to all VMs of the host.  Turned off when the test exits.
 *
 * Return: N as KVM reports it.
 */
uint64_t mmu_reset_every_set(uint64_t every)
{
	static bool armed;
	char buf[32] = "";
	int fd, len;

	if (!armed)
		atexit(mmu_reset_every_off);
	armed = true;

	fd = open(MODULE_PARAM_MMU_RESET_EVERY, O_RDWR);
	len = snprintf(buf, sizeof(buf), "%lu", every);
	if (fd < 0 || write(fd, buf, len) != len || pread(fd, buf, sizeof(buf) - 1, 0) <= 0) {
		printf("#! write %s to " MODULE_PARAM_MMU_RESET_EVERY ": %s\n",
		       buf, strerror(errno));
		_exit(KSFT_FAIL);
	}
	close(fd);
	return strtoull(buf, NULL, 10);
}
