// SPDX-License-Identifier: GPL-2.0
/*
 * KVM's counters while a test runs: a few of them, over time.
 *
 * Read from the files that add up all VMs.  Those of one VM would keep it alive for
 * as long as they are open, and tests look at how VMs end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rootrun.h"

/* Beside our own, what tells whether page tables are built anew. */
static const char * const names[] = {
	"mmu_reset", "mmu_root_load", "mmu_root_alloc", "mmu_root_reuse",
	"mmu_root_invalidate", "mmu_root_free", "pf_taken", "exits",
};

#define NR_NAMES	ARRAY_SIZE(names)
/* When there are more, each second one goes, and the next come half as often. */
#define MAX_SAMPLES	100
/* Less than a storm takes. */
#define INTERVAL_MS	50
/* How many times as long as to read them; an emulator may need some milliseconds. */
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
 * @path: normally /sys/kernel/debug/kvm; without it, there are no samples
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

/* Of the CPU: to have none for a while is no cost of ours. */
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
 * A counter that KVM does not have is 0.  Opened each time, as such a file can be read once
 * only, see simple_attr_open().
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

/* The first sample stays, as curves begin there. */
static void thin_out(void)
{
	unsigned int i;

	for (i = 1; 2 * i < nr_samples; i++)
		samples[i] = samples[2 * i];
	nr_samples = i;
	interval_ms *= 2;
}

/* As it is when the last VM has gone, with its counters. */
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
 * @ms: since the test was started, in milliseconds
 *
 * What is as it was in the last sample needs no other, and what has gone is no change.
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
 * samples_json() - The samples, as docs/results.md has them
 *
 * Return: an object, to be freed by the caller; NULL if no counter has moved.
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
