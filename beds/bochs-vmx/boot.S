/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The boot sector of bed bochs-vmx.  It boots a kernel that is not compressed, as Bochs would
 * spend most of a boot on decompression.  The boot sector reads the parts that mkdisk.c has put
 * on the disk to their places in memory, and calls the kernel's setup code, which queries the
 * firmware.  The setup code jumps back, and the boot sector enters the kernel with all memory
 * mapped one to one.  These are the 16-bit and the 64-bit boot protocol of
 * Documentation/arch/x86/boot.rst.
 *
 * The code only has to work with this bed's disk and CPU, and does not check for errors: the bed
 * has deadlines.
 */
#include <asm/processor-flags.h>
#include "boot.h"

/* The first ATA channel, with a disk that uses LBA. */
#define ATA_DATA		0x1f0
#define ATA_SECTORS		0x1f2
#define ATA_STATUS		0x1f7
#define ATA_COMMAND		0x1f7
#define ATA_CONTROL		0x3f6
#define ATA_NO_IRQ		0x02
#define ATA_LBA			0xe0
#define ATA_READ		0x20
#define ATA_BUSY		0x80
#define ATA_HAS_DATA		0x08
/* The maximum number of sectors of one command, which encodes it as 0. */
#define ATA_MAX_SECTORS		256

#define MSR_EFER		0xc0000080
#define EFER_LME		(1 << 8)

#define PTE_TABLE		0x03
#define PTE_PAGE_1G		0x83
#define SHIFT_1G		30
/* 4 GiB, as mkdisk.c only uses 32-bit addresses. */
#define NR_1G			4

#define CODE64			0x08
#define CODE32			0x10
#define DATA32			0x18
#define CODE16			0x20
#define DATA16			0x28

	.code16
	.globl	_start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	gdtr
	movl	%cr0, %eax
	orb	$X86_CR0_PE, %al
	movl	%eax, %cr0
	ljmpl	$CODE32, $read_parts

	.code32
read_parts:
	movw	$DATA32, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$BOOT_ADDR, %esp
	cld
	movw	$ATA_CONTROL, %dx
	movb	$ATA_NO_IRQ, %al
	outb	%al, %dx
	movl	$BOOT_ADDR + BOOT_PARTS, %ebx

	/* ESI: next sector of the disk, EDI: its address in memory, EBP: sectors left. */
read_part:
	movl	BOOT_PART_LBA(%ebx), %esi
	movl	BOOT_PART_ADDR(%ebx), %edi
	movl	BOOT_PART_SECTORS(%ebx), %ebp
	addl	$BOOT_PART_SIZE, %ebx
	testl	%ebp, %ebp
	jz	leave_protected_mode
1:	movl	$ATA_MAX_SECTORS, %ecx
	cmpl	%ecx, %ebp
	jae	2f
	movl	%ebp, %ecx
2:	subl	%ecx, %ebp
	call	read_sectors
	testl	%ebp, %ebp
	jnz	1b
	jmp	read_part

	/* ECX: number of sectors.  The I/O ports for this number and the LBA are consecutive. */
read_sectors:
	movw	$ATA_SECTORS, %dx
	movb	%cl, %al
	outb	%al, %dx
	movl	%esi, %eax
	addl	%ecx, %esi
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	orb	$ATA_LBA, %al
	incw	%dx
	outb	%al, %dx
	incw	%dx
	movb	$ATA_READ, %al
	outb	%al, %dx
3:	movw	$ATA_STATUS, %dx
4:	inb	%dx, %al
	andb	$(ATA_BUSY | ATA_HAS_DATA), %al
	cmpb	$ATA_HAS_DATA, %al
	jne	4b
	pushl	%ecx
	movw	$ATA_DATA, %dx
	movl	$(SECTOR_SIZE / 4), %ecx
	rep insl
	popl	%ecx
	loop	3b
	ret

leave_protected_mode:
	ljmpl	$CODE16, $5f

	.code16
5:	movw	$DATA16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andb	$~X86_CR0_PE, %al
	movl	%eax, %cr0
	ljmpw	$0, $run_setup
run_setup:
	movw	$(SETUP_ADDR >> 4), %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movl	$SETUP_HEAP_END, %esp
	ljmpw	$((SETUP_ADDR + SECTOR_SIZE) >> 4), $0

	/* The kernel's setup code jumps here, in protected mode.  ESI: struct boot_params. */
	.org	BOOT_ENTER
	.code32
	lgdtl	gdtr
	movl	$(PDPT_ADDR | PTE_TABLE), PML4_ADDR
	movl	$0, PML4_ADDR + 4
	movl	$PDPT_ADDR, %edi
	movl	$PTE_PAGE_1G, %eax
	movl	$NR_1G, %ecx
6:	movl	%eax, (%edi)
	movl	$0, 4(%edi)
	addl	$8, %edi
	addl	$(1 << SHIFT_1G), %eax
	loop	6b
	movl	%cr4, %eax
	orl	$X86_CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PML4_ADDR, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$X86_CR0_PG, %eax
	movl	%eax, %cr0
	ljmpl	$CODE64, $7f

	.code64
7:	movl	BOOT_ADDR + BOOT_ENTRY, %eax
	jmp	*%rax

	.org	BOOT_ENTRY
	.long	0

	/* mkdisk.c fills in the parts. */
	.org	BOOT_PARTS
	.fill	BOOT_MAX_PARTS * BOOT_PART_SIZE, 1, 0

	.balign	8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* CODE64 */
	.quad	0x00cf9b000000ffff	/* CODE32 */
	.quad	0x00cf93000000ffff	/* DATA32 */
	.quad	0x00009b000000ffff	/* CODE16 */
	.quad	0x000093000000ffff	/* DATA16 */
gdtr:
	.word	. - gdt - 1
	.long	gdt

	.org	BOOT_SIGNATURE
	.word	0xaa55
