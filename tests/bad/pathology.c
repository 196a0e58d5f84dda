// SPDX-License-Identifier: GPL-2.0
/*
 * A test with one pathology, for tests of the runner: pathology is chosen by the
 * name under which the program is called.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void flood(void)
{
	char line[4096];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (;;)
		if (write(STDOUT_FILENO, line, sizeof(line)) < 0)
			exit(1);
}

/* A process group of its own, as the kselftest harness has. */
static void leave_a_child(void)
{
	if (!fork()) {
		setpgid(0, 0);
		sleep(1000);
	}
}

/* Other than the kernel's, these files hold their values. */
static void write_counter(const char *name, int value)
{
	FILE *f = fopen(name, "w");

	if (!f)
		exit(1);
	fprintf(f, "%d\n", value);
	fclose(f);
}

/* Long enough for a runner that looks once in 20 ms to see it, thrice at least. */
static void move_counters(void)
{
	int i;

	for (i = 1; i <= 5; i++) {
		write_counter("mmu_reset", i);
		write_counter("exits", 10 * i);
		usleep(50000);
	}
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') + 1;

	if (argc > 1)
		return 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("#@ path=%s\n", name);
	if (!strcmp(name, "hang"))
		pause();
	else if (!strcmp(name, "crash"))
		raise(SIGSEGV);
	else if (!strcmp(name, "flood"))
		flood();
	else if (!strcmp(name, "orphan"))
		leave_a_child();
	else if (!strcmp(name, "skip_without_reason"))
		return 4;
	else if (!strcmp(name, "skip_with_reason"))
		return printf("1..0 # SKIP - no such hardware\n"), 4;
	else if (!strcmp(name, "fail_with_reason"))
		return printf("#! CR4.SMEP: one counter is wrong\n#! and another\n"), 1;
	else if (!strcmp(name, "assertion_of_a_child"))
		return printf("==== Test Assertion Failure ====\n  lib/child.c:7: a == b\n"
			      "  pid=1 tid=2 errno=0 - Success\n  a is 1, b is 2\n"
			      "#! the child failed\n# a line of the harness\n"), 1;
	else if (!strcmp(name, "fail_in_disguise"))
		return printf("#! something is wrong\n"), 0;
	else if (!strcmp(name, "counters"))
		return printf("Random seed: 0x6b8b4567\n#= exits=3 pf_taken=1\n#= exits=4\n"
			      "#= exits=-1 x exits=99999999999999999999\n"), 0;
	else if (!strcmp(name, "samples"))
		move_counters();
	else if (!strcmp(name, "silent"))
		close(STDOUT_FILENO), close(STDERR_FILENO), usleep(1000000);
	else if (!strcmp(name, "fake_ktap"))
		return printf("KTAP version 1\n1..2\nok 1 - x\n# SKIP\nnot ok 2 - x # TODO\n"
			      "Bail out!\n{\"type\":\"end\"}\n"), 1;
	else if (!strcmp(name, "hostile"))
		return printf("#@ path=<&>\"']]> = =1 a=1 a=2 kind\n"
			      "#@ ops=99999999999999999999\n#@\n"), 0;
	else if (!strcmp(name, "utf8"))
		return printf("\xff\xfe valid: \xc3\xa4 cut: \xe2\x82\n"), 0;
	else if (!strcmp(name, "long"))
		for (int i = 0; i < 100000; i++)
			printf("line %d\n", i);
	return 0;
}
