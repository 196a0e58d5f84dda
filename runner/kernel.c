// SPDX-License-Identifier: GPL-2.0
/*
 * Finds out what a test did to the kernel: new lines of the kernel log, new taint flags, and
 * changed module parameters.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootrun.h"

/* Lines that are kept for each case. */
#define MAX_FAULTS	20
#define MAX_LINES	200

/* Taint flags that only a fault sets, see Documentation/admin-guide/tainted-kernels.rst. */
#define TAINT_BAD_PAGE	BIT(5)
#define TAINT_DIE	BIT(7)
#define TAINT_WARN	BIT(9)
#define TAINT_SOFTLOCK	BIT(14)
#define TAINT_FAULT	(TAINT_BAD_PAGE | TAINT_DIE | TAINT_WARN | TAINT_SOFTLOCK)

static const char * const reports[] = {
	"WARNING: ", "BUG: ", "kernel BUG at", "Oops: ", "KASAN", "KCSAN", "UBSAN",
	"general protection fault", "INFO: task ", "rcu: INFO:", "INFO: rcu",
	"INFO: trying to register non-static key", "possible recursive locking",
	"possible circular locking", "inconsistent lock state",
	"turning off the locking correctness validator", "Kernel panic",
	"refcount_t:", "list_add corruption", "list_del corruption", "soft lockup",
	"hard LOCKUP", "watchdog:", "stack-protector", "Call Trace:",
};

static int kmsg = -1;

/**
 * kernel_log_open() - Start to read the kernel log from here on
 * @path: normally /dev/kmsg
 *
 * If the kernel log cannot be opened, kernel_log_read() says so in each result.
 */
void kernel_log_open(const char *path)
{
	kmsg = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

static bool is_report(const char *message)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(reports); i++)
		if (strstr(message, reports[i]))
			return true;
	return false;
}

/* Adds a line, or, if there are @max lines already, counts it in a last line. */
static void add_line(json_t *lines, size_t max, unsigned int *nr, const char *message)
{
	char more[64];

	if ((*nr)++ < max) {
		json_array_append_new(lines, text_json(message));
		return;
	}
	snprintf(more, sizeof(more), "[... %zu lines left out ...]", *nr - max);
	if (*nr == max + 1)
		json_array_append_new(lines, json_string(more));
	else
		json_array_set_new(lines, max, json_string(more));
}

/*
 * read() returns one record, or EPIPE if records were lost: Documentation/ABI/testing/dev-kmsg.
 */
static bool read_record(char *record, size_t size, ssize_t *n)
{
	*n = kmsg < 0 ? 0 : read(kmsg, record, size - 1);
	record[*n > 0 ? *n : 0] = '\0';
	record[strcspn(record, "\n")] = '\0';
	return *n > 0 || (*n < 0 && errno == EPIPE);
}

/**
 * kernel_log_skip() - Skip all that the kernel has logged until now
 */
void kernel_log_skip(void)
{
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

/**
 * kernel_log_read() - Read what the kernel has logged since kernel_log_skip()
 * @faults: array; receives the lines that report a fault
 *
 * Return: an array of all lines, to be freed by the caller.
 */
json_t *kernel_log_read(json_t *faults)
{
	unsigned int nr_lines = 0, nr_faults = 0;
	json_t *lines = json_array();
	char record[8192], *message;
	ssize_t n;

	if (kmsg < 0)
		add_line(faults, MAX_FAULTS, &nr_faults,
			 "the kernel log cannot be read: run as root");
	while (read_record(record, sizeof(record), &n)) {
		message = n < 0 ? ";the kernel log was overrun: messages are lost" :
				  strchr(record, ';');
		if (!message)
			continue;
		add_line(lines, MAX_LINES, &nr_lines, message + 1);
		if (n < 0 || is_report(message + 1))
			add_line(faults, MAX_FAULTS, &nr_faults, message + 1);
	}
	return lines;
}

/**
 * kernel_taint() - Read the taint flags that only a fault sets
 *
 * Return: a bit mask, a subset of /proc/sys/kernel/tainted.
 */
unsigned long kernel_taint(void)
{
	static int fd = -1;
	char buf[32];
	ssize_t n;

	/* The file stays open, as it is read three times a case. */
	if (fd < 0)
		fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	if (n < 0)
		return 0;
	buf[n] = '\0';
	return strtoul(buf, NULL, 10) & TAINT_FAULT;
}

/**
 * kernel_lockdep_died() - Check whether lockdep is off
 *
 * Lockdep turns itself off for good with its first report, which may be older than the test.
 */
bool kernel_lockdep_died(void)
{
	FILE *f = fopen("/proc/lockdep_stats", "r");
	int debug_locks = 1;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " debug_locks: %d", &debug_locks) == 1)
			break;
	if (f)
		fclose(f);
	return !debug_locks;
}

/*
 * The files of module parameters stay open: to search and open them for each case took a twelfth
 * of the instructions of a case.
 */
#define MAX_PARAMS	128

static struct param {
	char name[320];
	int fd;
	bool writable;
} open_params[MAX_PARAMS];

static unsigned int nr_open_params;

static bool is_writable(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_mode & 0200);
}

static void open_params_of(const char *module)
{
	char dir[64], path[512];
	struct dirent **entries;
	struct param *param;
	int i, n;

	snprintf(dir, sizeof(dir), "/sys/module/%s/parameters", module);
	n = scandir(dir, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		param = &open_params[nr_open_params];
		snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
		snprintf(param->name, sizeof(param->name), "%s.%s", module, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && nr_open_params < MAX_PARAMS) {
			param->fd = open(path, O_RDONLY | O_CLOEXEC);
			param->writable = param->fd >= 0 && is_writable(param->fd);
			nr_open_params += param->fd >= 0;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static bool read_param(const struct param *param, char *buf, size_t size)
{
	ssize_t n = pread(param->fd, buf, size - 1, 0);

	if (n < 0)
		return false;
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

/**
 * kernel_params_open() - Open the parameters of those of KVM's modules that are loaded now
 */
void kernel_params_open(void)
{
	open_params_of("kvm");
	open_params_of("kvm_amd");
	open_params_of("kvm_intel");
}

/**
 * kernel_params() - Read the parameters of KVM's modules, after kernel_params_open()
 *
 * Return: an object "module.parameter": "value", to be freed by the caller.
 */
json_t *kernel_params(void)
{
	json_t *params = json_object();
	char value[256];
	unsigned int i;

	for (i = 0; i < nr_open_params; i++)
		if (read_param(&open_params[i], value, sizeof(value)))
			json_object_set_new(params, open_params[i].name, text_json(value));
	return params;
}

static bool param_is_off(const json_t *params, const char *name)
{
	const char *value = json_string_value(json_object_get(params, name));

	return value && (!strcmp(value, "N") || !strcmp(value, "0"));
}

/**
 * kernel_mmu() - Find out which MMU KVM uses
 * @params: the return value of kernel_params()
 *
 * Return: "TDP" for the TDP MMU, else the parameter that keeps KVM from using the TDP MMU, or
 * from running all code of guests on it; NULL without KVM.
 */
const char *kernel_mmu(const json_t *params)
{
	/* Without two-dimensional paging, KVM ignores tdp_mmu. */
	if (param_is_off(params, "kvm_amd.npt"))
		return "npt=0";
	if (param_is_off(params, "kvm_intel.ept"))
		return "ept=0";
	if (param_is_off(params, "kvm.tdp_mmu"))
		return "tdp_mmu=0";
	if (param_is_off(params, "kvm_intel.unrestricted_guest"))
		return "unrestricted_guest=0";
	return json_object_get(params, "kvm.tdp_mmu") ? "TDP" : NULL;
}

static void write_param(const char *name, const char *value)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "/sys/module/%.*s/parameters/%s",
		 (int)strcspn(name, "."), name, strchr(name, '.') + 1);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		fprintf(stderr, "rootrun: cannot restore %s: %s\n", path, strerror(errno));
	close(fd);
}

/**
 * kernel_params_restore() - Undo changes of module parameters
 * @before: what kernel_params() returned earlier
 * @what: receives the name of the last parameter that had changed
 * @size: size of @what, in bytes
 *
 * Only parameters that can be written are read, as that takes time for each case.
 *
 * Return: true if anything had changed.
 */
bool kernel_params_restore(const json_t *before, char *what, size_t size)
{
	const struct param *param;
	bool changed = false;
	const char *old;
	char now[256];
	unsigned int i;

	for (i = 0; i < nr_open_params; i++) {
		param = &open_params[i];
		if (!param->writable || !read_param(param, now, sizeof(now)))
			continue;
		old = json_string_value(json_object_get(before, param->name));
		if (!old || !strcmp(old, now))
			continue;
		changed = true;
		snprintf(what, size, "%s", param->name);
		write_param(param->name, old);
	}
	return changed;
}
