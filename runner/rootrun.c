// SPDX-License-Identifier: GPL-2.0
/*
 * rootrun - run kernel selftests, case by case, and write down the results
 *
 * rootrun is linked statically and needs no other files, as it runs in an initramfs as well as on
 * bare metal.  It is the only part of a bed that knows about tests.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rootrun.h"

#define SCHEMA_VERSION		1
#define DEFAULT_TIMEOUT_S	120
#define LIST_TIMEOUT_S		20
#define EXIT_USAGE		2

/* The reason of a skip begins with this if the case cannot exist here and nothing is missing. */
#define NOT_APPLICABLE		"not applicable: "

/**
 * struct options - The command line
 * @bed: name of the bed, for the results
 * @lane: configuration of the bed, for the results
 * @unit: what the TSC counts here, for the results
 * @emulator: program that emulates the CPU, for the results; NULL if the CPU is not emulated
 * @faults: known faults of the emulated CPU, separated by commas
 * @levels: required number of levels of the host's page tables; 0: any
 * @filter: fnmatch() pattern for "test case"; NULL: all cases
 * @timeout_s: deadline of each case, in seconds
 * @no_skip: the bed lacks nothing, so a skip is a failure, unless the case does not apply
 * @list: only print the names of the cases
 * @whole: treat each test as one case, even if it could list its cases
 * @results: file descriptor for the results
 */
static struct options {
	const char *bed;
	const char *lane;
	const char *unit;
	const char *emulator;
	const char *faults;
	int levels;
	const char *filter;
	unsigned int timeout_s;
	bool no_skip;
	bool whole;
	bool list;
	int results;
} opt = {
	.bed = "host",
	.lane = "suite",
	.unit = "cycles",
	.faults = "",
	.timeout_s = DEFAULT_TIMEOUT_S,
	.results = STDOUT_FILENO,
};

/**
 * struct test - A test program and its cases
 * @path: path of the program
 * @name: name of the program, without its folder
 * @harness: the program uses the kselftest harness, i.e. it can run cases one by one
 * @cases: array of strings
 */
struct test {
	char *path;
	char *name;
	bool harness;
	json_t *cases;
};

static struct {
	unsigned int planned, passed, failed, skipped, known;
} total;

/* The parameters of KVM's modules at the start; each case has to leave them unchanged. */
static json_t *params;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "rootrun: %s: %s\n", what, why);
	exit(EXIT_USAGE);
}

/* Each line is one write(), so that a program that reads along sees whole lines only. */
static void emit(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t len = strlen(text), done = 0;
	ssize_t n;

	text[len++] = '\n';
	while (done < len) {
		n = write(opt.results, text + done, len - done);
		if (n < 0 && errno != EINTR)
			die("cannot write results", strerror(errno));
		done += n > 0 ? n : 0;
	}
	free(text);
	json_decref(object);
}

static json_t *record(const char *type)
{
	json_t *object = json_object();

	json_object_set_new(object, "type", text_json(type));
	return object;
}

/* Copies the value of the first line of /proc/cpuinfo that begins with @key. */
static void cpu_line(const char *key, char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char *line = NULL, *value;
	size_t len = 0;

	snprintf(buf, size, "unknown");
	while (f && getline(&line, &len, f) > 0) {
		value = strchr(line, ':');
		if (strncmp(line, key, strlen(key)) || !value)
			continue;
		value += strspn(value, ": ");
		snprintf(buf, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	free(line);
	if (f)
		fclose(f);
}

/* A kernel that was booted with no5lvl hides the flag la57. */
static int paging_levels(void)
{
	char flags[8192];
	char *flag, *save = NULL;

	cpu_line("flags", flags, sizeof(flags));
	for (flag = strtok_r(flags, " ", &save); flag; flag = strtok_r(NULL, " ", &save))
		if (!strcmp(flag, "la57"))
			return 5;
	return 4;
}

static json_t *faults_json(void)
{
	json_t *faults = json_array();
	char *copy = strdup(opt.faults);
	char *name, *save = NULL;

	for (name = strtok_r(copy, ",", &save); name; name = strtok_r(NULL, ",", &save))
		json_array_append_new(faults, text_json(name));
	free(copy);
	return faults;
}

static void emit_run(void)
{
	json_t *run = record("run");
	const char *mmu = kernel_mmu(params);
	struct utsname uts;
	char cpu[128], start[32];
	time_t now;

	now = time(NULL);
	strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	uname(&uts);
	cpu_line("model name", cpu, sizeof(cpu));
	json_object_set_new(run, "schema", json_integer(SCHEMA_VERSION));
	json_object_set_new(run, "bed", text_json(opt.bed));
	json_object_set_new(run, "lane", text_json(opt.lane));
	json_object_set_new(run, "kernel", text_json(uts.release));
	json_object_set_new(run, "cpu", text_json(cpu));
	if (opt.emulator)
		json_object_set_new(run, "emulator", text_json(opt.emulator));
	json_object_set_new(run, "faults", faults_json());
	json_object_set_new(run, "start", text_json(start));
	json_object_set_new(run, "tsc_unit", text_json(opt.unit));
	if (mmu)
		json_object_set_new(run, "mmu", text_json(mmu));
	json_object_set_new(run, "levels", json_integer(paging_levels()));
	json_object_set_new(run, "nodes", json_integer(place_nodes()));
	json_object_set(run, "params", params);
	emit(run);
}

/* A test that uses the harness answers "-l" with a list whose first line says "# FIXTURE". */
static void list_cases(struct test *t)
{
	char *argv[] = { t->path, "-l", NULL };
	struct output out;
	struct ending end;
	char *text, *list;

	t->cases = json_array();
	if (opt.whole) {
		json_array_append_new(t->cases, json_string("main"));
		return;
	}
	/* Keep the whole list: nobody would notice that a case cut from it never ran. */
	output_init(&out, OUTPUT_MAX);
	if (child_run(argv, LIST_TIMEOUT_S, &out, &end))
		die(t->path, "cannot create a process");
	text = output_text(&out);
	output_free(&out);
	list = strstr(text, "# FIXTURE");
	t->harness = list && WIFEXITED(end.status) && WEXITSTATUS(end.status) == KSFT_SKIP;
	if (t->harness)
		list_parse(list, t->cases);
	else
		json_array_append_new(t->cases, json_string("main"));
	free(text);
}

static void filter_cases(struct test *t)
{
	json_t *kept = json_array(), *name;
	char full[768];
	size_t i;

	json_array_foreach(t->cases, i, name) {
		snprintf(full, sizeof(full), "%s %s", t->name, json_string_value(name));
		if (!opt.filter || !fnmatch(opt.filter, full, FNM_EXTMATCH))
			json_array_append(kept, name);
	}
	json_decref(t->cases);
	t->cases = kept;
}

static void choose(struct test *t, char *path)
{
	t->path = path;
	t->name = strdup(basename(path));
	if (access(path, X_OK))
		die(path, strerror(errno));

	list_cases(t);
	filter_cases(t);
	total.planned += json_array_size(t->cases);
}

static void print_cases(const struct test *t)
{
	json_t *name;
	size_t i;

	json_array_foreach(t->cases, i, name)
		printf("%s %s\n", t->name, json_string_value(name));
}

static void plan(const struct test *t)
{
	json_t *planned;

	if (!json_array_size(t->cases))
		return;

	planned = record("plan");
	json_object_set_new(planned, "test", text_json(t->name));
	json_object_set_new(planned, "cases", json_incref(t->cases));
	emit(planned);
}

static void check_kernel(struct verdict *v, unsigned long taint, const json_t *klog)
{
	unsigned long new_taint = kernel_taint() & ~taint;
	char changed[320];

	if (json_array_size(klog))
		verdict_fail(v, "kernel log: %s", json_string_value(json_array_get(klog, 0)));
	if (new_taint)
		verdict_fail(v, "tainted the kernel: %#lx", new_taint);
	if (kernel_lockdep_died())
		verdict_fail(v, "lockdep is off, for a report in this case or before it");
	if (kernel_params_restore(params, changed, sizeof(changed)))
		verdict_fail(v, "left module parameter %s changed behind", changed);
}

/* With --no-skip, a skip means that something is missing, unless the case does not apply. */
static void judge_missing(struct verdict *v)
{
	char reason[sizeof(v->reason)];

	if (strcmp(v->status, "skip") ||
	    !strncmp(v->reason, NOT_APPLICABLE, strlen(NOT_APPLICABLE)))
		return;
	memcpy(reason, v->reason, sizeof(reason));
	verdict_fail(v, "skipped in a bed that lacks nothing: %s", reason);
}

static void count(const char *status)
{
	if (!strcmp(status, "pass"))
		total.passed++;
	else if (!strcmp(status, "skip"))
		total.skipped++;
	else if (!strcmp(status, "known"))
		total.known++;
	else
		total.failed++;
}

/* What the kernel logged during a case. */
struct kernel_says {
	json_t *faults;
	json_t *lines;
};

static void emit_case(const struct test *t, const char *name, const struct verdict *v,
		      const struct ending *end, const struct kernel_says *kernel,
		      const char *text)
{
	json_t *object = record("case"), *samples = samples_json();
	char taint[32];

	snprintf(taint, sizeof(taint), "%#lx", kernel_taint());
	json_object_set_new(object, "test", text_json(t->name));
	json_object_set_new(object, "case", text_json(name));
	json_object_set_new(object, "status", text_json(v->status));
	json_object_set_new(object, "reason", text_json(v->reason));
	json_object_set_new(object, "duration_ms", json_integer(end->duration_ms));
	if (v->seed[0])
		json_object_set_new(object, "seed", text_json(v->seed));
	json_object_set_new(object, "data", v->data);
	json_object_set_new(object, "counters", v->counters);
	if (samples)
		json_object_set_new(object, "samples", samples);
	json_object_set_new(object, "klog", kernel->faults);
	json_object_set_new(object, "kmsg", kernel->lines);
	json_object_set_new(object, "taint", text_json(taint));
	json_object_set_new(object, "log", text_json(text));
	emit(object);
}

static void run_case(struct test *t, const char *name)
{
	char *argv[] = { t->path, t->harness ? "-r" : NULL, (char *)name, NULL };
	unsigned long taint = kernel_taint();
	struct kernel_says kernel = { .faults = json_array() };
	struct output out;
	struct verdict v;
	struct ending end;
	char *text, full[768];

	kernel_log_skip();
	output_init(&out, OUTPUT_KEPT);
	if (child_run(argv, opt.timeout_s, &out, &end))
		die(t->path, "cannot create a process");

	text = output_text(&out);
	output_free(&out);
	verdict_of(text, &end, t->harness, opt.timeout_s, &v);
	kernel.lines = kernel_log_read(kernel.faults);
	check_kernel(&v, taint, kernel.faults);
	if (opt.no_skip)
		judge_missing(&v);
	snprintf(full, sizeof(full), "%s %s", t->name, name);
	known_judge(kernel_mmu(params), full, &v);
	count(v.status);
	fprintf(stderr, "[%u/%u] %s: %s%s%s\n",
		total.passed + total.failed + total.skipped + total.known, total.planned,
		full, v.status, v.reason[0] ? ": " : "", v.reason);
	emit_case(t, name, &v, &end, &kernel, text);
	free(text);
}

static void emit_end(void)
{
	json_t *end = record("end");

	json_object_set_new(end, "planned", json_integer(total.planned));
	json_object_set_new(end, "passed", json_integer(total.passed));
	json_object_set_new(end, "failed", json_integer(total.failed));
	json_object_set_new(end, "skipped", json_integer(total.skipped));
	json_object_set_new(end, "known", json_integer(total.known));
	emit(end);
}

static void print_help(FILE *f)
{
	fprintf(f,
		"usage: rootrun [options] TEST...\n"
		"Runs each case of each TEST in a process of its own, and writes one line of\n"
		"JSON a case, see docs/results.md.\n"
		"  -o, --output FILE   write results to FILE (default: standard output)\n"
		"  -t, --timeout SEC   deadline of a case in seconds (default: %d)\n"
		"  -f, --filter GLOB   only cases whose 'TEST CASE' matches GLOB\n"
		"  -n, --no-skip       a skipped case is a failed case, unless it is skipped as\n"
		"                      \"" NOT_APPLICABLE "...\"\n"
		"  -K, --known FILE    bugs that this kernel has: lines of FIX, MMU, TEST CASE\n"
		"                      and REASON, with tabs in between; to fail so is no failure\n"
		"  -L, --list          only print 'TEST CASE' of each case that would be run\n"
		"  -w, --whole         do not ask tests for their cases: each is one\n"
		"  -b, --bed NAME      where this runs, for the record (default: %s)\n"
		"  -l, --lane NAME     part of the run this is, for the record (default: %s)\n"
		"  -u, --unit UNIT     what the TSC counts here: cycles or instructions\n"
		"  -e, --emulator TEXT what emulates the CPU, and its version\n"
		"  -F, --faults NAMES  known faults of that CPU, with commas in between: tests see\n"
		"                      them in MMU_ROOTS_FAULTS\n"
		"  -P, --levels N      refuse to run if the host's page tables have not N levels\n"
		"  -k, --kmsg FILE     kernel log (default: /dev/kmsg)\n"
		"  -c, --cpus LIST     run on these CPUs only, e.g. 2-3,6\n"
		"  -m, --node N        run on this NUMA node, with memory of it\n"
		"  -H, --hold GLOB     keep the tracepoints SYSTEM/EVENT in use, which spares each\n"
		"                      case the time to begin and end it, but costs what it traces\n"
		"  -s, --stats DIR     KVM's counters (default: /sys/kernel/debug/kvm)\n"
		"  -h, --help          this text\n"
		"Exit status: 0 nothing failed, 1 something failed, 2 nothing could be run.\n",
		DEFAULT_TIMEOUT_S, "host", "suite");
}

static unsigned int parse_timeout(const char *arg)
{
	char *end;
	unsigned long val = strtoul(arg, &end, 10);

	if (*end || !val || val > 86400)
		die(arg, "a timeout is a number of seconds from 1 to 86400");
	return val;
}

static int parse_levels(const char *arg)
{
	if (strcmp(arg, "4") && strcmp(arg, "5"))
		die(arg, "page tables have 4 or 5 levels");
	return atoi(arg);
}

static void open_results(const char *path)
{
	opt.results = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (opt.results < 0)
		die(path, strerror(errno));
}

static void demand(const char *why_not, const char *arg)
{
	if (why_not)
		die(arg, why_not);
}

static void parse_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "timeout", required_argument, NULL, 't' },
		{ "filter", required_argument, NULL, 'f' },
		{ "no-skip", no_argument, NULL, 'n' },
		{ "known", required_argument, NULL, 'K' },
		{ "list", no_argument, NULL, 'L' },
		{ "whole", no_argument, NULL, 'w' },
		{ "bed", required_argument, NULL, 'b' },
		{ "lane", required_argument, NULL, 'l' },
		{ "unit", required_argument, NULL, 'u' },
		{ "emulator", required_argument, NULL, 'e' },
		{ "faults", required_argument, NULL, 'F' },
		{ "levels", required_argument, NULL, 'P' },
		{ "kmsg", required_argument, NULL, 'k' },
		{ "cpus", required_argument, NULL, 'c' },
		{ "node", required_argument, NULL, 'm' },
		{ "hold", required_argument, NULL, 'H' },
		{ "stats", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	static const char shorts[] = "o:t:f:nK:Lwb:l:u:e:F:P:k:H:s:c:m:h";
	const char *kmsg = "/dev/kmsg", *stats = "/sys/kernel/debug/kvm";
	int c;

	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (c) {
		case 'o':
			open_results(optarg);
			break;
		case 't':
			opt.timeout_s = parse_timeout(optarg);
			break;
		case 'f':
			opt.filter = optarg;
			break;
		case 'n':
			opt.no_skip = true;
			break;
		case 'K':
			demand(known_read(optarg), optarg);
			break;
		case 'L':
			opt.list = true;
			break;
		case 'w':
			opt.whole = true;
			break;
		case 'b':
			opt.bed = optarg;
			break;
		case 'l':
			opt.lane = optarg;
			break;
		case 'u':
			opt.unit = optarg;
			break;
		case 'e':
			opt.emulator = optarg;
			break;
		case 'F':
			opt.faults = optarg;
			break;
		case 'P':
			opt.levels = parse_levels(optarg);
			break;
		case 'k':
			kmsg = optarg;
			break;
		case 'c':
			demand(place_on_cpus(optarg), optarg);
			break;
		case 'm':
			demand(place_on_node(optarg), optarg);
			break;
		case 'H':
			hold_tracepoints(optarg);
			break;
		case 's':
			stats = optarg;
			break;
		case 'h':
			print_help(stdout);
			exit(0);
		default:
			print_help(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (strcmp(opt.unit, "cycles") && strcmp(opt.unit, "instructions"))
		die(opt.unit, "the unit is cycles or instructions");
	if (optind == argc)
		die("no test given", "see rootrun --help");
	if (opt.levels && opt.levels != paging_levels())
		die("wrong kernel", opt.levels == 5 ? "its page tables have 4 levels, not 5" :
		    "its page tables have 5 levels, not 4");
	setenv("MMU_ROOTS_FAULTS", opt.faults, 1);
	kernel_log_open(kmsg);
	samples_open(stats);
}

int main(int argc, char **argv)
{
	struct test *tests;
	int i, nr_tests;
	json_t *name;
	size_t j;

	parse_options(argc, argv);
	nr_tests = argc - optind;
	tests = calloc(nr_tests, sizeof(*tests));
	if (!tests)
		die("no memory", strerror(errno));
	child_init();
	kernel_params_open();
	params = kernel_params();
	if (!opt.list)
		emit_run();
	for (i = 0; i < nr_tests; i++) {
		choose(&tests[i], argv[optind + i]);
		if (opt.list)
			print_cases(&tests[i]);
		else
			plan(&tests[i]);
	}
	if (!total.planned)
		die(opt.filter ? opt.filter : "no cases", "nothing to run");
	if (opt.list)
		return 0;

	for (i = 0; i < nr_tests; i++) {
		json_array_foreach(tests[i].cases, j, name)
			run_case(&tests[i], json_string_value(name));
		json_decref(tests[i].cases);
		free(tests[i].name);
	}
	free(tests);
	emit_end();
	return total.failed ? 1 : 0;
}
