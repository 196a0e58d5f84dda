/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Accesses of a guest that may fault, by its kernel or by its user.
 *
 * After an exception, by which a user also ends, route_exception() calls a handler of
 * mmu_roots_tables.c: that goes on at mmu_tables_recover, whoever was interrupted.
 */
#include "mmu_roots_tables.h"

	.text
	.globl mmu_tables_probe
	.globl mmu_tables_recover

/*
 * mmu_tables_probe(gva, value, code, flags, end): what %rax is in the end; code jumps to the
 * end by %r9
 */
mmu_tables_probe:
	mov	%rsp, mmu_tables_rsp(%rip)
	mov	%rdi, %rax
	mov	%r8, %r9
	test	$MMU_TABLES_USER, %ecx
	jnz	user
	pushf
	test	$MMU_TABLES_AC, %ecx
	jz	kernel
	orl	$0x40000, (%rsp)		/* RFLAGS.AC */
kernel:
	popf
	jmp	*%rdx
user:
	pushf
	pop	%r8
	push	$MMU_TABLES_USER_DS
	push	$0				/* no stack */
	push	%r8
	push	$MMU_TABLES_USER_CS
	push	%rdx
	iretq
mmu_tables_recover:
	pushf
	andl	$~0x40000, (%rsp)
	popf
	ret

/* What it does to the address in %rax; a user has a copy of it. */
	.globl mmu_tables_code_start
	.globl mmu_tables_code_end
	.globl mmu_tables_end
	.globl mmu_tables_read
	.globl mmu_tables_write
	.globl mmu_tables_exec
	.globl mmu_tables_emulated_read
	.globl mmu_tables_emulated_write

	/* KVM_FEP of the library */
	.macro emulate
	ud2
	.ascii	"kvm"
	.endm

mmu_tables_code_start:
mmu_tables_read:
	mov	(%rax), %rax
	jmp	*%r9
mmu_tables_write:
	mov	%rsi, (%rax)
	jmp	*%r9
mmu_tables_emulated_read:
	emulate
	mov	(%rax), %rax
	jmp	*%r9
mmu_tables_emulated_write:
	emulate
	mov	%rsi, (%rax)
	jmp	*%r9
	/* What is executed is a tag, see mmu_tables_tag(): it comes back by %rdx. */
mmu_tables_exec:
	lea	1f(%rip), %rdx
	jmp	*%rax
1:	jmp	*%r9
	/* A user may not. */
mmu_tables_end:
	hlt
mmu_tables_code_end:

	.section .note.GNU-stack, "", @progbits
