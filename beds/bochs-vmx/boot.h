/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mkdisk.c and the boot sector agree on.  Addresses are physical; all below 1 MiB are
 * memory of a PC that its firmware leaves alone after POST.
 */
#ifndef BOCHS_VMX_BOOT_H
#define BOCHS_VMX_BOOT_H

#define SECTOR_SIZE		512

/* Where the firmware puts the boot sector. */
#define BOOT_ADDR		0x7c00
/* The kernel's setup code, as the boot protocol has it, with its stack and heap. */
#define SETUP_ADDR		0x90000
#define SETUP_HEAP_END		0xe000
#define CMDLINE_ADDR		(SETUP_ADDR + SETUP_HEAP_END)
#define CMDLINE_MAX		0x1000
/* Page tables until the kernel has its own. */
#define PML4_ADDR		0x10000
#define PDPT_ADDR		0x11000

/* Within the boot sector: what the kernel's setup code jumps to, ... */
#define BOOT_ENTER		0xe0
/* ... where that enters the kernel, ... */
#define BOOT_ENTRY		0x160
/* ... and what is to be read: parts of three words each, ended by one without sectors. */
#define BOOT_PARTS		0x164
#define BOOT_PART_LBA		0
#define BOOT_PART_ADDR		4
#define BOOT_PART_SECTORS	8
#define BOOT_PART_SIZE		12
#define BOOT_MAX_PARTS		4
#define BOOT_SIGNATURE		0x1fe

#endif /* BOCHS_VMX_BOOT_H */
