/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Addresses and offsets that mkdisk.c and the boot sector share.  Addresses are physical, below
 * 1 MiB, in memory that the firmware of a PC does not use after POST.
 */
#ifndef BOCHS_VMX_BOOT_H
#define BOCHS_VMX_BOOT_H

#define SECTOR_SIZE		512

/* The firmware loads the boot sector here. */
#define BOOT_ADDR		0x7c00
/* The kernel's setup code with its stack and heap, as in the boot protocol. */
#define SETUP_ADDR		0x90000
#define SETUP_HEAP_END		0xe000
#define CMDLINE_ADDR		(SETUP_ADDR + SETUP_HEAP_END)
#define CMDLINE_MAX		0x1000
/* Page tables that are in use until the kernel has its own. */
#define PML4_ADDR		0x10000
#define PDPT_ADDR		0x11000

/* Offsets in the boot sector.  The kernel's setup code jumps to this one. */
#define BOOT_ENTER		0xe0
/* The entry point of the kernel, an address. */
#define BOOT_ENTRY		0x160
/* The parts to read, of three words each.  A part without sectors ends the list. */
#define BOOT_PARTS		0x164
#define BOOT_PART_LBA		0
#define BOOT_PART_ADDR		4
#define BOOT_PART_SECTORS	8
#define BOOT_PART_SIZE		12
#define BOOT_MAX_PARTS		4
#define BOOT_SIGNATURE		0x1fe

#endif /* BOCHS_VMX_BOOT_H */
