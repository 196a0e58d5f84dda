/* SPDX-License-Identifier: GPL-2.0 */
/*
 * 32-bit code that flips bits of control registers, in any paging mode: it is
 * mapped where it is in physical memory, and so is the data.
 *
 * EBP: number of operations; EBX: bits to flip; ESI: where to read the data; ESP:
 * checksum of what was read, as there is no stack.  Leaves the guest after EBP
 * operations, and goes on with as many as EBP says then.
 */
#include "mmu_roots_modes.h"

#define MSR_EFER	0xc0000080
#define PTE_ACCESSED	0x20

	.section .rodata
	.globl mmu_roots_mode_start, mmu_roots_mode_end
	.globl mmu_roots_mode_read, mmu_roots_mode_cr0, mmu_roots_mode_cr4
	.globl mmu_roots_mode_efer, mmu_roots_mode_pdpte

	/* Read from the next page of the data, and loop. */
	.macro next_op loop
	roll	$1, %esp
	addl	(%esi), %esp
	addl	$4096, %esi
	cmpl	$MMU_ROOT_DATA_GVA + MMU_ROOT_DATA_PAGES * 4096, %esi
	jb	1f
	movl	$MMU_ROOT_DATA_GVA, %esi
1:	decl	%ebp
	jnz	\loop
	inb	$MMU_ROOT_EXIT_PORT, %al
	jmp	\loop
	.endm

	.macro clear_accessed
	andl	$~PTE_ACCESSED, MMU_ROOT_MODE_PDPT
	andl	$~PTE_ACCESSED, MMU_ROOT_MODE_PDPTE
	.endm

	.code32
mmu_roots_mode_start:
mmu_roots_mode_read:
	clear_accessed
	next_op	mmu_roots_mode_read

mmu_roots_mode_cr0:
	clear_accessed
	movl	%cr0, %eax
	xorl	%ebx, %eax
	movl	%eax, %cr0
	next_op	mmu_roots_mode_cr0

mmu_roots_mode_cr4:
	movl	%cr4, %eax
	xorl	%ebx, %eax
	movl	%eax, %cr4
	next_op	mmu_roots_mode_cr4

mmu_roots_mode_efer:
	movl	$MSR_EFER, %ecx
	rdmsr
	xorl	%ebx, %eax
	wrmsr
	next_op	mmu_roots_mode_efer

mmu_roots_mode_pdpte:
	xorl	%ebx, MMU_ROOT_MODE_PDPTE
	movl	%cr3, %eax
	movl	%eax, %cr3
	next_op	mmu_roots_mode_pdpte
mmu_roots_mode_end:

	.section .note.GNU-stack, "", @progbits
