// SPDX-License-Identifier: GPL-2.0
/*
 * Finds the section of docs/ that derives the numbers of a path.  The section follows from the
 * test that counts on the path, so a new path needs no new line here.
 */
#define _GNU_SOURCE
#include <fnmatch.h>

#include "report.h"

#define GUEST		"By the guest, in 64-bit mode"
#define GUEST_DOC	"counters.md#by-the-guest-in-64-bit-mode"
#define COSTS_DOC	"counters.md#what-one-operation-costs"
#define ENDS_DOC	"counters.md#nested-guests"
#define MAPPINGS	"Mappings"
#define MAPPINGS_DOC	"counters.md#mappings"
#define SAME_ROOT	"What needs no other root"
#define SAME_ROOT_DOC	"counters.md#what-needs-no-other-root"
#define TABLES		"Page tables that are not canonical"
#define TABLES_DOC	"tables.md#what-the-test-checks"

/* In the order of the page.  The first matching entry decides. */
static const struct section sections[] = {
	{ "mmu_root_reuse_test", "path.*", GUEST, GUEST_DOC, true },
	{ "mmu_root_reuse_test", "permission.*", GUEST, GUEST_DOC, true },
	{ "mmu_root_reuse_test", "init.*", GUEST, GUEST_DOC, true },
	{ "mmu_root_perf_test", "*", GUEST, GUEST_DOC, true },
	{ "mmu_root_reuse_test", "forced.*", "Forced resets", GUEST_DOC, false },
	{ "mmu_root_sync_test", "*", "The guest's page tables", GUEST_DOC, false },
	{ "mmu_root_mode_test", "*", "By the guest, outside 64-bit mode",
	  "counters.md#by-the-guest-outside-64-bit-mode", false },
	{ "mmu_root_host_test", "*", "By userspace", "counters.md#by-userspace", false },
	{ "mmu_root_smm*_test", "*", "SMM", "counters.md#by-userspace", false },
	{ "mmu_root_shutdown_test", "shutdown.in_smm*", "SMM", "counters.md#by-userspace", false },
	{ "mmu_root_nested_vmx_test", "*", "Nested guests, VMX", "nested.md#vmx", false },
	{ "mmu_root_nested*_test", "*", "Nested guests", "nested.md#nested-guests", false },
	{ "mmu_root_shutdown_test", "*", "Nested guests", "nested.md#nested-guests", false },
	{ "mmu_root_memslot_test", "*", "Memslots", ENDS_DOC, false },
	{ "mmu_root_notifier_test", "*", "Memory that the host takes away", ENDS_DOC, false },
	{ "mmu_root_apic_access_test", "*", "The APIC-access page", ENDS_DOC, false },
	{ "mmu_root_reuse_test", "*", "Recycling", ENDS_DOC, false },
	{ "mmu_root_leaf_test", "*", MAPPINGS, MAPPINGS_DOC, false },
	{ "mmu_root_gmem_test", "*", MAPPINGS, MAPPINGS_DOC, false },
	{ "mmu_root_dirty_*_test", "*", MAPPINGS, MAPPINGS_DOC, false },
	{ "mmu_root_prefault_test", "*", MAPPINGS, MAPPINGS_DOC, false },
	{ "mmu_root_mmio_*_test", "*", MAPPINGS, MAPPINGS_DOC, false },
	{ "mmu_root_pdptrs_test", "*", SAME_ROOT, SAME_ROOT_DOC, false },
	{ "mmu_root_hyperv_test", "*", SAME_ROOT, SAME_ROOT_DOC, false },
	{ "mmu_root_implicit_test", "*", SAME_ROOT, SAME_ROOT_DOC, false },
	{ "mmu_root_tables_test", "*", TABLES, TABLES_DOC, false },
	{ "mmu_root_rewritten_test", "*", TABLES, TABLES_DOC, false },
	{ "mmu_root_smp_test", "*", "Several vCPUs", COSTS_DOC, false },
	{ "mmu_root_soak_test", "*", "Several vCPUs", COSTS_DOC, false },
	{ "mmu_root_walk_test", "*", "Random walks", "model.md#the-walks", false },
	{ "*", "*", "Other paths", NULL, false },
};

/**
 * find_section() - Find the section that derives the paths of a case
 * @tc: the case
 *
 * Return: the section; a section with a lower address comes first in the report.
 */
const struct section *find_section(const struct testcase *tc)
{
	const struct section *section = sections;

	while (section->doc && (fnmatch(section->test, tc->test, 0) ||
				fnmatch(section->cases, tc->name, 0)))
		section++;
	/* Adjacent entries with the same title are one section: return the first of them. */
	while (section > sections && !strcmp(section[-1].title, section->title))
		section--;
	return section;
}
