/* SPDX-License-Identifier: GPL-2.0 */
/*
 * 32-bit code that flips bits of control registers, in any paging mode: it is
 * mapped where it is in physical memory.
 *
 * EBP: number of operations; EBX: bits to flip; ESI: where to read the data; EDI:
 * the operation; ESP: checksum of what was read, as there is no stack; EDX: the entry,
 * or the page table, whose bits are flipped; CL: how far to shift an offset into the
 * data for one into that table.  Leaves the guest after EBP operations, and goes on
 * with as many as EBP says then.
 */
#include "mmu_roots_modes.h"

#define MSR_EFER	0xc0000080
#define CR4_PGE		0x80
#define PTE_ACCESSED	0x20
#define DATA_SIZE	(MMU_ROOT_DATA_PAGES * 4096)

	.section .rodata
	.globl mmu_roots_mode_start, mmu_roots_mode_end, mmu_roots_mode_prefix
	.globl mmu_roots_mode_read, mmu_roots_mode_cr0, mmu_roots_mode_cr4
	.globl mmu_roots_mode_efer, mmu_roots_mode_pdpte, mmu_roots_mode_pge
	.globl mmu_roots_mode_pte, mmu_roots_mode_vmrun

	.macro clear_accessed
	andl	$~PTE_ACCESSED, MMU_ROOT_MODE_PDPTE(0)
	andl	$~PTE_ACCESSED, MMU_ROOT_MODE_PDPTE(1)
	andl	$~PTE_ACCESSED, MMU_ROOT_MODE_PDPTE(3)
	.endm

	.code32
mmu_roots_mode_start:
	/* Read from the next page of the data, and go on with the next operation. */
mmu_roots_mode_read:
	roll	$1, %esp
	clear_accessed
	/* Filled in by mmu_root_mode_emulate(). */
mmu_roots_mode_prefix:
	.fill	5, 1, 0x90
	addl	MMU_ROOT_MODE_WORD(%esi), %esp
	addl	$4096, %esi
	testl	$DATA_SIZE - 1, %esi
	jnz	1f
	subl	$DATA_SIZE, %esi
1:	decl	%ebp
	jnz	2f
	inb	$MMU_ROOT_EXIT_PORT, %al
2:	jmp	*%edi

	/* The read may be an exit, after which the CPU walks the page tables again. */
mmu_roots_mode_cr0:
	movl	%cr0, %eax
	xorl	%ebx, %eax
	clear_accessed
	movl	%eax, %cr0
	jmp	mmu_roots_mode_read

mmu_roots_mode_cr4:
	clear_accessed
	xorl	%ebx, MMU_ROOT_MODE_CR4
	movl	MMU_ROOT_MODE_CR4, %eax
	movl	%eax, %cr4
	jmp	mmu_roots_mode_read

mmu_roots_mode_efer:
	movl	$MSR_EFER, %ecx
	rdmsr
	xorl	%ebx, %eax
	wrmsr
	jmp	mmu_roots_mode_read

mmu_roots_mode_pdpte:
	xorl	%ebx, (%edx)
	movl	MMU_ROOT_MODE_CR3, %eax
	movl	%eax, %cr3
	jmp	mmu_roots_mode_read

mmu_roots_mode_pge:
	clear_accessed
	xorl	%ebx, (%edx)
	xorl	$CR4_PGE, MMU_ROOT_MODE_CR4
	movl	MMU_ROOT_MODE_CR4, %eax
	movl	%eax, %cr4
	jmp	mmu_roots_mode_read

	/* The entry that maps what is read next. */
mmu_roots_mode_pte:
	movl	%esi, %eax
	andl	$DATA_SIZE - 1, %eax
	shrl	%cl, %eax
	xorl	%ebx, (%eax, %edx)
	movl	MMU_ROOT_MODE_CR3, %eax
	movl	%eax, %cr3
	jmp	mmu_roots_mode_read

	/* EAX is the VMCB.  KVM takes accessed bits for illegal when it loads PDPTRs. */
mmu_roots_mode_vmrun:
	clear_accessed
	vmrun	%eax
	jmp	mmu_roots_mode_read
mmu_roots_mode_end:

	.section .note.GNU-stack, "", @progbits
