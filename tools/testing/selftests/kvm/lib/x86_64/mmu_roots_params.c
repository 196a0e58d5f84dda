// SPDX-License-Identifier: GPL-2.0
/*
 * Change KVM's module parameters for a test, and restore them afterwards.
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
#include "mmu_roots_params.h"

#define KVM_PARAMETERS		"/sys/module/kvm/parameters"

/* The parameters that this process has changed, in this order, with their old values. */
static struct {
	char name[64];
	char old[32];
} changed[8];

static unsigned int nr_changed;

/* A failed assertion could become a skip, and exit() would call mmu_root_params_restore() again. */
static void die(const char *what, const char *name)
{
	printf("#! %s module parameter kvm.%s: %s\n", what, name, strerror(errno));
	fflush(stdout);
	_exit(KSFT_FAIL);
}

static void param_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, KVM_PARAMETERS "/%s", name);
}

static void param_read(const char *name, char *val, size_t size)
{
	char path[128];
	ssize_t n;
	int fd;

	param_path(path, sizeof(path), name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, val, size - 1);
	if (n <= 0)
		die("read", name);
	close(fd);
	val[n] = '\0';
	val[strcspn(val, "\n")] = '\0';
}

static void param_write(const char *name, const char *val)
{
	char path[128];
	int fd;

	param_path(path, sizeof(path), name);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, val, strlen(val)) != (ssize_t)strlen(val))
		die("write", name);
	close(fd);
}

/**
 * mmu_root_param_writable() - Ask whether a parameter can be changed
 * @name: a module parameter of kvm
 *
 * Return: true if the parameter exists, and this process may write it.
 */
bool mmu_root_param_writable(const char *name)
{
	char path[128];

	param_path(path, sizeof(path), name);
	return !access(path, R_OK | W_OK);
}

/**
 * mmu_root_param_set() - Change a parameter
 * @name: a module parameter of kvm
 * @val: its value, as written to sysfs
 *
 * The value applies to all VMs of the host, until mmu_root_params_restore().
 */
void mmu_root_param_set(const char *name, const char *val)
{
	unsigned int i = 0;

	if (!nr_changed)
		atexit(mmu_root_params_restore);
	while (i < nr_changed && strcmp(changed[i].name, name))
		i++;
	if (i == nr_changed) {
		TEST_ASSERT(i < ARRAY_SIZE(changed), "too many parameters changed");
		snprintf(changed[i].name, sizeof(changed[i].name), "%s", name);
		param_read(name, changed[i].old, sizeof(changed[i].old));
		nr_changed++;
	}
	param_write(name, val);
}

/**
 * mmu_root_params_restore() - Undo what this process did to module parameters
 *
 * exit() does so, too, but the kselftest harness may end the process with _exit() instead.
 */
void mmu_root_params_restore(void)
{
	while (nr_changed) {
		nr_changed--;
		param_write(changed[nr_changed].name, changed[nr_changed].old);
	}
}

/**
 * mmu_reset_every_supported() - Ask whether KVM can force resets
 *
 * Return: true if the module parameter mmu_reset_every exists and is writable.
 */
bool mmu_reset_every_supported(void)
{
	return mmu_root_param_writable("mmu_reset_every");
}

/**
 * mmu_reset_every_set() - Force a reset on every Nth exit
 * @every: N; 0 turns forced resets off
 *
 * The value applies to all VMs of the host, until mmu_root_params_restore().
 *
 * Return: N as KVM reports it.
 */
uint64_t mmu_reset_every_set(uint64_t every)
{
	char val[32];

	snprintf(val, sizeof(val), "%lu", every);
	mmu_root_param_set("mmu_reset_every", val);
	param_read("mmu_reset_every", val, sizeof(val));
	return strtoull(val, NULL, 10);
}

/**
 * mmu_roots_force_emulation() - Have KVM emulate any instruction that follows KVM_FEP
 *
 * This applies to all VMs of the host, until mmu_root_params_restore().
 */
void mmu_roots_force_emulation(void)
{
	mmu_root_param_set("force_emulation_prefix", "1");
}
