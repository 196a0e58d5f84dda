/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an application processor runs after SIPI: from real mode straight to
 * 64-bit mode.
 *
 * "Initializing IA-32e Mode" of the Intel SDM allows to set CR0.PE and CR0.PG at
 * once.  CR0.PG has to come last, i.e. CR4.PAE, EFER and CR0 are one change of
 * KVM's MMU role each.
 */
#include "mmu_roots_paths.h"

	.section .rodata
	.globl mmu_roots_sipi_start
	.globl mmu_roots_sipi_regs
	.globl mmu_roots_sipi_end
	.globl mmu_roots_sipi_prefix

mmu_roots_sipi_start:
	.code16
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	gdt_ptr - mmu_roots_sipi_start
	/* Filled in by mmu_root_sipi_emulate(). */
mmu_roots_sipi_prefix:
	.fill	5, 1, 0x90
	mov	cr4 - mmu_roots_sipi_start, %eax
	mov	%eax, %cr4
	mov	cr3 - mmu_roots_sipi_start, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* MSR_EFER */
	xor	%edx, %edx
	mov	efer - mmu_roots_sipi_start, %eax
	wrmsr
	mov	cr0 - mmu_roots_sipi_start, %eax
	mov	%eax, %cr0
	ljmpl	*(long_mode_ptr - mmu_roots_sipi_start)

	.code64
long_mode:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	stack(%rip), %rsp
	jmp	*entry(%rip)

	.balign 8
gdt:		.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_ptr:	.word . - gdt - 1
		.long MMU_ROOT_SIPI_GPA + gdt - mmu_roots_sipi_start
long_mode_ptr:	.long MMU_ROOT_SIPI_GPA + long_mode - mmu_roots_sipi_start
		.word 8

	/* Filled in by mmu_root_sipi_install(), in this order. */
	.balign 8
mmu_roots_sipi_regs:
cr0:		.quad 0
cr3:		.quad 0
cr4:		.quad 0
efer:		.quad 0
stack:		.quad 0
entry:		.quad 0
mmu_roots_sipi_end:

	.section .note.GNU-stack, "", @progbits
