// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses the CPUs that tests run on, and the NUMA node of their memory.
 */
#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootrun.h"

/* Overrides libnuma's function that prints warnings: rootrun prints its own messages. */
void numa_warn(int number, char *where, ...)
{
	(void)number;
	(void)where;
}

/*
 * Overrides libnuma's function that looks up files and network interfaces in lists of CPUs:
 * rootrun does not offer this, and the look-up cannot be linked into a static program.
 */
int resolve_affinity(const char *id, struct bitmask *mask)
{
	(void)id;
	(void)mask;
	return -1;
}

/**
 * place_nodes() - Count NUMA nodes
 *
 * Return: the number of nodes of this machine that have memory; 1 if the kernel has no NUMA.
 */
int place_nodes(void)
{
	int node, nodes = 0;

	if (numa_available() < 0)
		return 1;
	for (node = 0; node <= numa_max_node(); node++)
		nodes += numa_node_size64(node, NULL) > 0;
	return nodes;
}

/**
 * place_on_node() - Run on one NUMA node, with memory of this node only
 * @arg: number of the node
 *
 * This applies to the calling process, and to all processes that it starts afterwards.
 *
 * Return: NULL, or why this is not possible.
 */
const char *place_on_node(const char *arg)
{
	struct bitmask *nodes;
	char *end;
	long node;

	errno = 0;
	node = strtol(arg, &end, 10);
	if (*end || end == arg || errno || node < 0)
		return "a NUMA node is a number";
	if (numa_available() < 0)
		return "this kernel has no NUMA: do without --node";
	if (node > numa_max_node() || !numa_bitmask_isbitset(numa_all_nodes_ptr, node))
		return "no such NUMA node, or none with memory: see /sys/devices/system/node";
	if (numa_run_on_node(node))
		return "no CPU of this NUMA node may be used: see /sys/devices/system/node";
	nodes = numa_allocate_nodemask();
	numa_bitmask_setbit(nodes, node);
	numa_set_membind(nodes);
	numa_free_nodemask(nodes);
	return NULL;
}

/**
 * place_on_cpus() - Run on some CPUs
 * @arg: a list in the kernel's format, e.g. 2-3,6
 *
 * This applies to the calling process, and to all processes that it starts afterwards.
 *
 * Return: NULL, or why this is not possible.
 */
const char *place_on_cpus(const char *arg)
{
	struct bitmask *cpus = numa_available() < 0 ? NULL : numa_parse_cpustring_all(arg);
	int ret;

	if (!cpus)
		return "no list of CPUs that are online, e.g. 2-3,6";
	ret = numa_sched_setaffinity(0, cpus);
	numa_bitmask_free(cpus);
	return ret < 0 ? "none of these CPUs may be used" : NULL;
}
