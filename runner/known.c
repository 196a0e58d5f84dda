// SPDX-License-Identifier: GPL-2.0
/*
 * Tells failures that are due to bugs that the running kernel is known to have from new ones.
 *
 * The file of known bugs has one line per bug, with four fields separated by tabs: what fixed the
 * bug, a pattern for the MMUs that show it, a pattern for "TEST CASE", and an extended regular
 * expression for the reason of the failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootrun.h"

#define MAX_KNOWN	64

static struct known {
	const char *fix;
	const char *mmu;
	const char *name;
	regex_t reason;
} known[MAX_KNOWN];

static unsigned int nr_known;

static const char *add_line(char *line)
{
	struct known *bug = &known[nr_known];
	char *reason, *save = NULL;

	line[strcspn(line, "\n")] = '\0';
	if (!*line || *line == '#')
		return NULL;
	if (nr_known == MAX_KNOWN)
		return "too many lines";
	bug->fix = strtok_r(strdup(line), "\t", &save);
	bug->mmu = strtok_r(NULL, "\t", &save);
	bug->name = strtok_r(NULL, "\t", &save);
	reason = strtok_r(NULL, "\t", &save);
	if (!reason)
		return "a line is not FIX, MMU, TEST CASE and REASON, with a tab in between";
	if (regcomp(&bug->reason, reason, REG_EXTENDED | REG_NOSUB))
		return "a reason is no extended regular expression";
	nr_known++;
	return NULL;
}

/**
 * known_read() - Read which bugs the running kernel has
 * @path: the file, see the format above
 *
 * Return: NULL, or what is wrong with the file.
 */
const char *known_read(const char *path)
{
	const char *wrong = NULL;
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		return strerror(errno);
	while (!wrong && getline(&line, &size, f) > 0)
		wrong = add_line(line);
	free(line);
	fclose(f);
	return wrong;
}

/**
 * known_judge() - Turn a failure that is due to a known bug into the verdict "known"
 * @mmu: the MMU that KVM uses, see kernel_mmu(); NULL without KVM
 * @full: the case, as "TEST CASE"
 * @v: the verdict of the case
 *
 * A case that should see a known bug and yet passes is a failure: either the kernel has the fix,
 * or the case does not detect the bug.
 */
void known_judge(const char *mmu, const char *full, struct verdict *v)
{
	char reason[sizeof(v->reason)];
	const struct known *bug;

	for (bug = known; bug < known + nr_known; bug++)
		if (!fnmatch(bug->mmu, mmu ?: "", FNM_EXTMATCH) &&
		    !fnmatch(bug->name, full, FNM_EXTMATCH))
			break;
	if (bug == known + nr_known)
		return;
	if (!strcmp(v->status, "pass")) {
		verdict_fail(v, "passes, but this kernel is known to have what %s fixed", bug->fix);
	} else if (!strcmp(v->status, "fail") && !regexec(&bug->reason, v->reason, 0, NULL, 0)) {
		memcpy(reason, v->reason, sizeof(reason));
		v->status = "known";
		snprintf(v->reason, sizeof(v->reason), "until %s: %.900s", bug->fix, reason);
	}
}
