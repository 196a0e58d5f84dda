// SPDX-License-Identifier: GPL-2.0
/*
 * Keeps tracepoints in use between cases, which saves each case their setup.
 */
#include <glob.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rootrun.h"

#define EVENTS	"/sys/kernel/tracing/events"

/* The event is disabled, so it counts nothing, but the kernel registers its probe. */
static void hold_event(const char *id_file)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.disabled = 1,
	};
	FILE *f = fopen(id_file, "r");

	if (f && fscanf(f, "%llu", &attr.config) == 1)
		syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (f)
		fclose(f);
}

/**
 * hold_tracepoints() - Keep tracepoints in use until this process ends
 * @pattern: glob pattern of SYSTEM/EVENT, see tracefs' events
 *
 * The first perf event of a tracepoint and the end of the last one patch KVM's code, and both
 * wait for grace periods of RCU.  A test that counts four tracepoints spends a tenth of its time
 * on this.  A held tracepoint makes the traced code a little slower, for all processes.
 *
 * A tracepoint that cannot be opened is no error here: a test that needs it says so itself.
 */
void hold_tracepoints(const char *pattern)
{
	char path[512];
	glob_t found;
	size_t i;

	snprintf(path, sizeof(path), EVENTS "/%s/id", pattern);
	if (glob(path, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		hold_event(found.gl_pathv[i]);
	globfree(&found);
}
