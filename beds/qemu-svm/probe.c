// SPDX-License-Identifier: GPL-2.0
/*
 * Looks for known faults of QEMU's emulated CPU, see "Known faults" in beds/README.md.  It
 * contains the smallest code that shows each fault, and runs without KVM or any other kernel,
 * so that a bug of KVM cannot be mistaken for a fault of the CPU.
 *
 * The Multiboot protocol boots the probe in 32-bit protected mode with flat segments and without
 * paging.  The probe writes the names of the faults that it finds, one per line, and then "done"
 * to the debug console at port 0xe9, and ends QEMU by isa-debug-exit.
 */

#define BIT(n)			(1u << (n))

#define DEBUG_CONSOLE_PORT	0xe9
#define DEBUG_EXIT_PORT		0xf4

/* Multiboot Specification 0.6.96, "Header magic fields". */
#define MULTIBOOT_MAGIC		0x1badb002u
#define MULTIBOOT_FLAGS		0u

const struct {
	unsigned int magic, flags, checksum;
} header __attribute__((section(".multiboot"), used)) = {
	MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS),
};

/* AMD64 APM volume 2: "Extended Feature Enable Register", "VM_HSAVE_PA MSR". */
#define MSR_EFER		0xc0000080
#define EFER_SVME		BIT(12)
#define MSR_VM_HSAVE_PA		0xc0010117

#define CR0_PE			BIT(0)
#define CR0_PG			BIT(31)
#define CR4_PAE			BIT(5)
#define CR4_SMAP		BIT(21)

/* AMD64 APM volume 2, appendix B, "Layout of VMCB", and appendix C, "SVM Intercept Exit Codes". */
#define VMCB_INTERCEPT_CR_READS	0x000
#define VMCB_INTERCEPT_MISC2	0x010
#define INTERCEPT_VMRUN		BIT(0)
#define INTERCEPT_VMMCALL	BIT(1)
#define VMCB_ASID		0x058
#define VMCB_EXITCODE		0x070
#define VMCB_ES			0x400
#define VMCB_CS			0x410
#define VMCB_SS			0x420
#define VMCB_DS			0x430
#define VMCB_EFER		0x4d0
#define VMCB_CR0		0x558
#define VMCB_RFLAGS		0x570
#define VMCB_RIP		0x578
#define RFLAGS_FIXED		2
#define EXIT_READ_CR(n)		(n)
#define EXIT_VMMCALL		0x81

/* Segment attributes in the VMCB: present, 32 bits, limit in pages, and the type. */
#define FLAT_CODE		0xc9b
#define FLAT_DATA		0xc93

/* Intel SDM: "Segment Descriptors", "Segment Selectors", "IDT Descriptors". */
#define CODE_DESCRIPTOR		0x00cf9b000000ffffull
#define DATA_DESCRIPTOR		0x00cf93000000ffffull
#define LDT_DESCRIPTOR		0x0000820000000000ull
#define INTERRUPT_GATE		0x00008e0000000000ull
#define GDT_SELECTOR(n)		((n) * 8u)
#define LDT_SELECTOR(n)		((n) * 8u | BIT(2))

#define PF_VECTOR		14
#define PF_P			BIT(0)
#define PF_RSVD			BIT(3)
/* The probe's own value: not an error code, as there was no #PF. */
#define NO_FAULT		(~0u)

#define PAGE_SIZE		4096
#define PTE_PRESENT		BIT(0)
#define PTE_WRITABLE		BIT(1)
#define PTE_USER		BIT(2)
#define PTE_ACCESSED		BIT(5)
#define PTE_LARGE		BIT(7)
/* Bits 13 to 20 of an entry that maps 2 MiB are reserved. */
#define PTE_LARGE_RESERVED	BIT(13)
#define LARGE_PAGE(n)		((unsigned int)(n) << 21)

/*
 * Large pages of the probe: the first ones are mapped one to one.  The first one, which holds the
 * probe, is mapped as a user page, too.
 */
#define NR_LARGE_PAGES		8
#define USER_PAGE		8
#define RESERVED_PAGE		9

static unsigned char vmcb[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static unsigned char hsave[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static unsigned long long page_directory[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
static volatile unsigned long long pdpt[4] __attribute__((aligned(32)));
static unsigned long long gdt[4], ldt[1], idt[PF_VECTOR + 1];

static void out(unsigned short port, unsigned char val)
{
	asm volatile("outb %0, %1" : : "a" (val), "Nd" (port));
}

static void say(const char *text)
{
	while (*text)
		out(DEBUG_CONSOLE_PORT, *text++);
	out(DEBUG_CONSOLE_PORT, '\n');
}

static void wrmsr(unsigned int msr, unsigned int val)
{
	asm volatile("wrmsr" : : "c" (msr), "a" (val), "d" (0));
}

static void set(unsigned int offset, unsigned int val)
{
	*(volatile unsigned int *)(vmcb + offset) = val;
}

static void set_segment(unsigned int offset, unsigned short attributes)
{
	set(offset, (unsigned int)attributes << 16);
	set(offset + 4, 0xffffffff);
}

/* Runs code in a guest with our segments and CR0 until it exits.  Returns the exit code. */
static unsigned int run_guest(const char *code, unsigned int cr_reads)
{
	unsigned int i;

	for (i = 0; i < PAGE_SIZE; i += 4)
		set(i, 0);
	set(VMCB_INTERCEPT_CR_READS, cr_reads);
	set(VMCB_INTERCEPT_MISC2, INTERCEPT_VMRUN | INTERCEPT_VMMCALL);
	set(VMCB_ASID, 1);
	set_segment(VMCB_ES, FLAT_DATA);
	set_segment(VMCB_CS, FLAT_CODE);
	set_segment(VMCB_SS, FLAT_DATA);
	set_segment(VMCB_DS, FLAT_DATA);
	set(VMCB_EFER, EFER_SVME);
	set(VMCB_CR0, CR0_PE);
	set(VMCB_RFLAGS, RFLAGS_FIXED);
	set(VMCB_RIP, (unsigned int)code);

	wrmsr(MSR_EFER, EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, (unsigned int)hsave);
	asm volatile("vmrun %%eax" : : "a" (vmcb) : "memory", "cc");
	return *(volatile unsigned int *)(vmcb + VMCB_EXITCODE);
}

extern const char read_cr3[], read_cr4[];
asm(".text\n"
	"read_cr3: mov %cr3, %eax; vmmcall\n"
	"read_cr4: mov %cr4, %eax; vmmcall\n");

/*
 * The guest reads CR3 or CR4 with an intercept of that register, but not of CR0.  KVM sets up the
 * same intercepts for each guest whose CR0 equals the CPU's, see svm_set_cr0().
 */
static void probe_cr_reads(void)
{
	unsigned int exits[] = {
		run_guest(read_cr3, BIT(3)), run_guest(read_cr4, BIT(4)),
	};

	if (exits[0] == EXIT_READ_CR(3) && exits[1] == EXIT_READ_CR(4))
		return;
	if (exits[0] == EXIT_VMMCALL || exits[1] == EXIT_VMMCALL)
		say("svm-cr-reads");
	else
		say("!a guest of the probe exits for no reason of its own");
}

static void map_large_page(int page, unsigned int addr, unsigned int flags)
{
	page_directory[page] = addr | flags | PTE_LARGE | PTE_WRITABLE | PTE_PRESENT;
}

/* All later probes run with PAE paging. */
static void start_paging(void)
{
	unsigned int cr0;
	int i;

	for (i = 0; i < NR_LARGE_PAGES; i++)
		map_large_page(i, LARGE_PAGE(i), 0);
	map_large_page(USER_PAGE, 0, PTE_USER);
	map_large_page(RESERVED_PAGE, 0, PTE_LARGE_RESERVED);
	pdpt[0] = (unsigned int)page_directory | PTE_PRESENT;
	asm volatile("mov %0, %%cr4" : : "r" (CR4_PAE));
	asm volatile("mov %0, %%cr3" : : "r" (pdpt) : "memory");
	asm volatile("mov %%cr0, %0" : "=r" (cr0));
	asm volatile("mov %0, %%cr0" : : "r" (cr0 | CR0_PG) : "memory");
}

/* With PAE paging, the accessed bit of a PDPTE is reserved: AMD64 APM, "PAE Paging". */
static void probe_pdpte_accessed(void)
{
	if (pdpt[0] & PTE_ACCESSED)
		say("pae-pdpte-accessed");
}

/*
 * Each of these routines does one access with EDX, and returns NO_FAULT, or the error code of its
 * #PF, in EAX.  The CPU pushes EFLAGS, CS, EIP and the error code above the return address, so
 * page_fault drops them, and returns in the place of the routine.
 */
asm(".text\n"
	"access_memory: mov (%edx), %edx; mov $-1, %eax; ret\n"
	"access_ldt: mov %edx, %fs; mov $-1, %eax; ret\n"
	"page_fault: pop %eax; add $12, %esp; ret\n");

static unsigned int read_at(unsigned int addr)
{
	unsigned int error;

	asm volatile("call access_memory" : "=a" (error), "+d" (addr) : : "memory");
	return error;
}

static unsigned int load_segment(unsigned int selector)
{
	unsigned int error;

	asm volatile("call access_ldt" : "=a" (error) : "d" (selector) : "memory");
	return error;
}

static void start_page_faults(void)
{
	unsigned int handler, base = (unsigned int)ldt + LARGE_PAGE(USER_PAGE);
	struct {
		unsigned short limit;
		const void *base;
	} __attribute__((packed)) gdtr = { sizeof(gdt) - 1, gdt }, idtr = { sizeof(idt) - 1, idt };

	gdt[1] = CODE_DESCRIPTOR;
	gdt[2] = DATA_DESCRIPTOR;
	/* The LDT is in the user page. */
	gdt[3] = LDT_DESCRIPTOR | (unsigned long long)(base >> 24) << 56 |
		 (unsigned long long)(base & 0xffffff) << 16 | (sizeof(ldt) - 1);
	ldt[0] = DATA_DESCRIPTOR;
	asm("mov $page_fault, %0" : "=r" (handler));
	idt[PF_VECTOR] = INTERRUPT_GATE | (unsigned long long)(handler >> 16) << 48 |
			 GDT_SELECTOR(1) << 16 | (handler & 0xffff);
	asm volatile("lgdt %0" : : "m" (gdtr) : "memory");
	asm volatile("lidt %0" : : "m" (idtr) : "memory");
	asm volatile("lldt %w0" : : "r" (GDT_SELECTOR(3)) : "memory");
}

/* A #PF for a reserved bit has P, as the entry is present: Intel SDM, "Page-Fault Exceptions". */
static void probe_rsvd_without_p(void)
{
	unsigned int error = read_at(LARGE_PAGE(RESERVED_PAGE));

	if (error == PF_RSVD)
		say("pf-rsvd-without-p");
	else if (error != (PF_RSVD | PF_P))
		say("!a reserved bit does not raise the probe's page fault");
}

/*
 * EFLAGS.AC lifts SMAP for explicit accesses only, and an access to the LDT is implicit: Intel SDM,
 * "Determination of Access Rights".
 */
static void probe_smap_implicit(void)
{
	unsigned int error, error_ac;

	asm volatile("mov %0, %%cr4" : : "r" (CR4_PAE | CR4_SMAP) : "memory");
	error = load_segment(LDT_SELECTOR(0));
	asm volatile("stac" : : : "cc");
	error_ac = load_segment(LDT_SELECTOR(0));
	asm volatile("clac" : : : "cc");
	if (error == PF_P && error_ac == NO_FAULT)
		say("smap-implicit-ac");
	else if (error != PF_P || error_ac != PF_P)
		say("!SMAP does not protect the probe's LDT");
}

static void __attribute__((used)) probe(void)
{
	probe_cr_reads();
	start_paging();
	probe_pdpte_accessed();
	start_page_faults();
	probe_rsvd_without_p();
	probe_smap_implicit();
	say("done");
	out(DEBUG_EXIT_PORT, 0);
	for (;;)
		asm volatile("hlt");
}

/* The Multiboot protocol does not set up a stack. */
asm(".globl start\n"
	"start: mov $stack_top, %esp\n"
	"call probe\n"
	".lcomm stack, 4096\n"
	".set stack_top, stack + 4096\n");
