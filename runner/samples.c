// SPDX-License-Identifier: GPL-2.0
/*
 * Samples some of KVM's counters over time while a test runs.
 *
 * The samples come from the debugfs files that add up all VMs.  An open file of a single VM would
 * keep this VM alive, and tests check how VMs end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rootrun.h"

/* The counters of the project's patches, and those that show whether KVM rebuilds page tables. */
static const char * const names[] = {
	"mmu_reset", "mmu_root_load", "mmu_root_alloc", "mmu_root_reuse",
	"mmu_root_invalidate", "mmu_root_free", "pf_taken", "exits",
};

#define NR_NAMES	ARRAY_SIZE(names)
/* At this number, every second sample is dropped, and the interval is doubled. */
#define MAX_SAMPLES	100
/* The interval is shorter than a storm of resets takes. */
#define INTERVAL_MS	50
/*
 * The interval is at least this many times the CPU time of one sample, which may take some
 * milliseconds on an emulator.
 */
#define INTERVAL_READS	50

struct sample {
	unsigned long ms;
	long long values[NR_NAMES];
};

static struct sample samples[MAX_SAMPLES];
static unsigned int nr_samples;
static unsigned long interval_ms, next_ms;
static int dir = -1;

/**
 * samples_open() - Say where the counters are
 * @path: normally /sys/kernel/debug/kvm; if it does not exist, there are no samples
 */
void samples_open(const char *path)
{
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/**
 * samples_begin() - Forget the samples of the last test
 */
void samples_begin(void)
{
	nr_samples = 0;
	interval_ms = INTERVAL_MS;
	next_ms = 0;
}

/* CPU time, not wall-clock time: time without a CPU is no cost of sampling. */
static unsigned long cpu_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000ul + now.tv_nsec / 1000;
}

static unsigned long max(unsigned long a, unsigned long b)
{
	return a > b ? a : b;
}

/*
 * A counter that KVM does not have reads as 0.  The file is opened for each read, as it can be
 * read only once per open, see simple_attr_open().
 */
static long long read_counter(const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char buf[32];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strtoll(buf, NULL, 10);
}

/* Drops every second sample, but not the first one, as curves begin there. */
static void thin_out(void)
{
	unsigned int i;

	for (i = 1; 2 * i < nr_samples; i++)
		samples[i] = samples[2 * i];
	nr_samples = i;
	interval_ms *= 2;
}

/* All counters are zero when the last VM is gone, with its counters. */
static bool is_zero(const struct sample *s)
{
	unsigned int i;

	for (i = 0; i < NR_NAMES; i++)
		if (s->values[i])
			return false;
	return true;
}

/**
 * samples_take() - Take a sample if it is time to
 * @ms: time since the start of the test, in milliseconds
 *
 * Only a sample that differs from the last one is kept.  A sample of zeros is not kept either:
 * the VMs are gone, and their counters did not really go back to zero.
 */
void samples_take(unsigned long ms)
{
	unsigned long begin;
	struct sample *s;
	unsigned int i;

	if (dir < 0 || ms < next_ms)
		return;
	if (nr_samples == MAX_SAMPLES)
		thin_out();
	s = &samples[nr_samples];
	s->ms = ms;
	begin = cpu_us();
	for (i = 0; i < NR_NAMES; i++)
		s->values[i] = read_counter(names[i]);
	next_ms = ms + max(interval_ms, INTERVAL_READS * (cpu_us() - begin) / 1000);
	if (!nr_samples || (memcmp(s->values, s[-1].values, sizeof(s->values)) && !is_zero(s)))
		nr_samples++;
}

/**
 * samples_json() - Convert the samples to the format of docs/results.md
 *
 * Return: an object, to be freed by the caller; NULL if no counter has changed.
 */
json_t *samples_json(void)
{
	json_t *keys, *rows, *row;
	unsigned int i, j;

	if (nr_samples < 2)
		return NULL;

	keys = json_array();
	rows = json_array();
	for (j = 0; j < NR_NAMES; j++)
		json_array_append_new(keys, json_string(names[j]));
	for (i = 0; i < nr_samples; i++) {
		row = json_array();
		json_array_append_new(row, json_integer(samples[i].ms));
		for (j = 0; j < NR_NAMES; j++)
			json_array_append_new(row, json_integer(samples[i].values[j]));
		json_array_append_new(rows, row);
	}
	return json_pack("{s:o, s:o}", "counters", keys, "rows", rows);
}
