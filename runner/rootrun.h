/* SPDX-License-Identifier: GPL-2.0 */
#ifndef ROOTRUN_H
#define ROOTRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1ul << (n))
#define __noreturn	__attribute__((__noreturn__))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))

/* Exit codes of tests, see tools/testing/selftests/kselftest.h. */
enum ksft_exit {
	KSFT_PASS = 0,
	KSFT_FAIL = 1,
	KSFT_SKIP = 4,
};

/* A test that prints more than this, in bytes, is killed and has failed. */
#define OUTPUT_MAX	(16ul << 20)

/* Bytes kept of the beginning and of the end of a long output, see &struct output. */
#define OUTPUT_KEPT	(32ul << 10)

/**
 * struct output - What a program has printed
 * @kept: how much is kept of the beginning, and how much of the end, in bytes
 * @head: the first @kept bytes
 * @tail: ring buffer of the last @kept bytes after @head
 * @total: number of bytes printed
 */
struct output {
	size_t kept;
	char *head;
	char *tail;
	size_t total;
};

/**
 * struct ending - How a test has ended
 * @status: exit status as waitpid() returns it
 * @timed_out: rootrun killed the test after its deadline
 * @flooded: rootrun killed the test, as it printed more than OUTPUT_MAX bytes
 * @duration_ms: wall-clock time, in milliseconds
 */
struct ending {
	int status;
	bool timed_out;
	bool flooded;
	unsigned long duration_ms;
};

/* child.c */
void child_init(void);
int child_run(char *const argv[], unsigned int timeout_s, struct output *out,
	      struct ending *end);

/* output.c */
void output_init(struct output *out, size_t kept);
void output_free(struct output *out);
void output_add(struct output *out, const char *buf, size_t len);
char *output_text(const struct output *out);
json_t *text_json(const char *text);

/* list.c */
void list_parse(char *text, json_t *cases);

/* verdict.c */
/**
 * struct verdict - What is known about a case that has ended
 * @status: "pass", "fail", "skip", or "known" for a failure that is due to a known bug
 * @reason: why the case did not pass
 * @seed: seed of the random numbers that the test printed; empty if it printed none
 * @data: array of the objects that the test printed
 * @counters: object with the counters that the test printed
 */
struct verdict {
	const char *status;
	char reason[1024];
	char seed[32];
	json_t *data;
	json_t *counters;
};

void verdict_of(const char *text, const struct ending *end, bool harness,
		unsigned int timeout_s, struct verdict *v);
void __printf(2, 3) verdict_fail(struct verdict *v, const char *fmt, ...);

/* kernel.c */
void kernel_log_open(const char *path);
void kernel_log_skip(void);
json_t *kernel_log_read(json_t *faults);
unsigned long kernel_taint(void);
bool kernel_lockdep_died(void);
void kernel_params_open(void);
json_t *kernel_params(void);
const char *kernel_mmu(const json_t *params);
bool kernel_params_restore(const json_t *before, char *what, size_t size);

/* place.c */
int place_nodes(void);
const char *place_on_node(const char *arg);
const char *place_on_cpus(const char *arg);

/* known.c */
const char *known_read(const char *path);
void known_judge(const char *mmu, const char *full, struct verdict *v);

/* hold.c */
void hold_tracepoints(const char *pattern);

/* samples.c */
void samples_open(const char *path);
void samples_begin(void);
void samples_take(unsigned long ms);
json_t *samples_json(void);

#endif /* ROOTRUN_H */
