// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the disk from which Bochs boots a kernel, see boot.S:
 * mkdisk BOOT_SECTOR KERNEL VMLINUX INITRD MEMORY_MIB COMMAND_LINE OUT
 *
 * KERNEL is a bzImage, and VMLINUX is the ELF file that is compressed in it.
 */
#include <elf.h>
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <asm/bootparam.h>

#include "boot.h"

/* Values of the boot protocol. */
#define SETUP_HEADER		0x1f1
#define SETUP_MAGIC		0x53726448	/* "HdrS" */
#define LOADER_UNKNOWN		0xff
/* Space above the heap for the stack of the setup code. */
#define SETUP_STACK_SIZE	0x200

#define PAGE_SIZE		4096ul
#define MIB			(1024 * 1024ul)
/* The firmware keeps data at the end of memory. */
#define FIRMWARE_SIZE		MIB

/* Bochs chooses the geometry, and ignores sectors beyond the last full cylinder. */
#define CYLINDER_SIZE		(16 * 63 * SECTOR_SIZE)

struct file {
	const char *name;
	char *data;
	size_t size;
};

/* A part of the disk, and its address in memory. */
struct part {
	const char *data;
	size_t size;
	size_t addr;
};

static void *zalloc(size_t size)
{
	void *data = calloc(1, size);

	if (!data)
		err(EXIT_FAILURE, NULL);
	return data;
}

static struct file read_file(const char *name)
{
	struct file file = { .name = name };
	FILE *in = fopen(name, "r");
	struct stat st;

	if (!in || fstat(fileno(in), &st))
		err(EXIT_FAILURE, "%s", name);
	file.size = st.st_size;
	file.data = zalloc(file.size + 1);
	if (fread(file.data, 1, file.size, in) != file.size)
		err(EXIT_FAILURE, "%s", name);
	fclose(in);
	return file;
}

static struct setup_header *setup_header(const struct file *kernel)
{
	struct setup_header *header = (void *)(kernel->data + SETUP_HEADER);

	if (kernel->size < SETUP_HEADER + sizeof(*header) || header->header != SETUP_MAGIC)
		errx(EXIT_FAILURE, "%s is no bzImage", kernel->name);
	return header;
}

/*
 * The setup code, with the command line behind its stack.  A boot loader passes its values to
 * the setup code in the header of that code.
 */
static struct part make_setup(const struct file *kernel, const struct part *initrd,
			      const char *cmdline)
{
	struct part setup = { .addr = SETUP_ADDR, .size = SETUP_HEAP_END + CMDLINE_MAX };
	struct setup_header *header = setup_header(kernel);
	size_t size = (header->setup_sects + 1) * SECTOR_SIZE;
	char *data;

	if (size > kernel->size || size > SETUP_HEAP_END)
		errx(EXIT_FAILURE, "%s is cut short", kernel->name);
	if (strlen(cmdline) >= CMDLINE_MAX || strlen(cmdline) > header->cmdline_size)
		errx(EXIT_FAILURE, "the command line is too long: %zu characters",
		     strlen(cmdline));

	header->type_of_loader = LOADER_UNKNOWN;
	header->loadflags |= CAN_USE_HEAP;
	header->heap_end_ptr = SETUP_HEAP_END - SETUP_STACK_SIZE;
	header->code32_start = BOOT_ADDR + BOOT_ENTER;
	header->cmd_line_ptr = CMDLINE_ADDR;
	header->ramdisk_image = initrd->addr;
	header->ramdisk_size = initrd->size;

	data = zalloc(setup.size);
	memcpy(data, kernel->data, size);
	memcpy(data + CMDLINE_ADDR - SETUP_ADDR, cmdline, strlen(cmdline));
	setup.data = data;
	return setup;
}

/* The kernel's segments, laid out as in memory. */
static struct part make_kernel(const struct file *vmlinux)
{
	const Elf64_Ehdr *elf = (void *)vmlinux->data;
	const Elf64_Phdr *segment = (void *)(vmlinux->data + elf->e_phoff);
	size_t begin = SIZE_MAX, end = 0;
	char *data;
	int i;

	if (vmlinux->size < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_ident[EI_CLASS] != ELFCLASS64 || elf->e_machine != EM_X86_64 ||
	    elf->e_phoff + elf->e_phnum * sizeof(*segment) > vmlinux->size)
		errx(EXIT_FAILURE, "%s is no 64-bit kernel", vmlinux->name);
	for (i = 0; i < elf->e_phnum; i++) {
		if (segment[i].p_type != PT_LOAD)
			continue;
		if (segment[i].p_offset + segment[i].p_filesz > vmlinux->size)
			errx(EXIT_FAILURE, "%s is cut short", vmlinux->name);
		if (segment[i].p_paddr < begin)
			begin = segment[i].p_paddr;
		if (segment[i].p_paddr + segment[i].p_filesz > end)
			end = segment[i].p_paddr + segment[i].p_filesz;
	}
	if (begin < MIB || begin >= end || end > UINT32_MAX)
		errx(EXIT_FAILURE, "%s has no place in memory", vmlinux->name);

	data = zalloc(end - begin);
	for (i = 0; i < elf->e_phnum; i++)
		if (segment[i].p_type == PT_LOAD)
			memcpy(data + segment[i].p_paddr - begin,
			       vmlinux->data + segment[i].p_offset, segment[i].p_filesz);
	return (struct part) { .data = data, .size = end - begin, .addr = begin };
}

/* The initramfs goes to the end of memory, away from the memory that the kernel starts with. */
static struct part make_initrd(const struct file *initrd, const struct file *kernel,
			       size_t memory)
{
	struct setup_header *header = setup_header(kernel);
	struct part part = { .data = initrd->data, .size = initrd->size };

	if (initrd->size + FIRMWARE_SIZE < memory)
		part.addr = (memory - FIRMWARE_SIZE - initrd->size) & ~(PAGE_SIZE - 1);
	if (part.addr < header->pref_address + header->init_size)
		errx(EXIT_FAILURE, "%lu MiB of memory are too little for kernel and initramfs",
		     memory / MIB);
	return part;
}

static void put_word(char *sector, size_t offset, uint32_t value)
{
	memcpy(sector + offset, &value, sizeof(value));
}

static void pad(FILE *out, size_t written, size_t unit)
{
	for (; written % unit; written++)
		fputc(0, out);
}

static size_t sectors(size_t size)
{
	return (size + SECTOR_SIZE - 1) / SECTOR_SIZE;
}

static void write_disk(const char *name, char *sector, const struct part *parts, int nr_parts)
{
	FILE *out = fopen(name, "w");
	size_t lba = 1;
	int i;

	if (!out)
		err(EXIT_FAILURE, "%s", name);
	for (i = 0; i < nr_parts; i++) {
		size_t offset = BOOT_PARTS + i * BOOT_PART_SIZE;

		put_word(sector, offset + BOOT_PART_LBA, lba);
		put_word(sector, offset + BOOT_PART_ADDR, parts[i].addr);
		put_word(sector, offset + BOOT_PART_SECTORS, sectors(parts[i].size));
		lba += sectors(parts[i].size);
	}
	fwrite(sector, 1, SECTOR_SIZE, out);
	for (i = 0; i < nr_parts; i++) {
		fwrite(parts[i].data, 1, parts[i].size, out);
		pad(out, parts[i].size, SECTOR_SIZE);
	}
	pad(out, lba * SECTOR_SIZE, CYLINDER_SIZE);
	if (ferror(out) | fclose(out))
		err(EXIT_FAILURE, "%s", name);
}

int main(int argc, char **argv)
{
	struct file boot, kernel, vmlinux, initrd;
	struct part parts[BOOT_MAX_PARTS - 1];
	const Elf64_Ehdr *elf;

	if (argc != 8)
		errx(EXIT_FAILURE, "wrong number of arguments: see beds/bochs-vmx/mkdisk.c");
	boot = read_file(argv[1]);
	kernel = read_file(argv[2]);
	vmlinux = read_file(argv[3]);
	initrd = read_file(argv[4]);
	if (boot.size != SECTOR_SIZE)
		errx(EXIT_FAILURE, "%s is no boot sector", boot.name);

	parts[1] = make_kernel(&vmlinux);
	parts[2] = make_initrd(&initrd, &kernel, strtoul(argv[5], NULL, 10) * MIB);
	parts[0] = make_setup(&kernel, &parts[2], argv[6]);

	elf = (void *)vmlinux.data;
	put_word(boot.data, BOOT_ENTRY, elf->e_entry);
	write_disk(argv[7], boot.data, parts, BOOT_MAX_PARTS - 1);
	return 0;
}
