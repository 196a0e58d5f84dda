/* SPDX-License-Identifier: GPL-2.0 */
#ifndef REPORT_H
#define REPORT_H

#include <err.h>
#include <obstack.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <jansson.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

enum {
	EXIT_PASSED,
	EXIT_FAILED,
	EXIT_UNUSABLE,
};

/*
 * From best to worst, a row shows the worst one of its cases.  What does not
 * apply comes first: it takes nothing from a row that has something to show.
 */
enum outcome {
	NOT_APPLICABLE,
	PASS,
	SKIP,
	FAIL,
	NR_VERDICTS,
};

struct testcase {
	STAILQ_ENTRY(testcase) next;
	const char *test;
	const char *name;
	unsigned int planned;
	unsigned int results;

	/* Of all results */
	json_t *data;
	json_t *klog;

	enum outcome verdict;
	const char *reason;
};

struct tally {
	json_int_t planned;
	json_int_t cases[NR_VERDICTS];
};

struct results {
	STAILQ_ENTRY(results) next;
	const char *name;
	unsigned int line;

	const char *bed;
	const char *lane;
	const char *kernel;
	const char *unit;
	const char *mmu;
	const char *params;

	STAILQ_HEAD(, testcase) cases;
	struct tally seen;
	struct tally said;
	bool ended;
	bool cut;
	const char *failure;
};

struct report {
	STAILQ_HEAD(, results) files;
	STAILQ_HEAD(, row) rows;
	json_t *docs;
	struct tally total;
	unsigned int nr_cases;
	unsigned int nr_files;
	unsigned int failed_files;
	const char *title;
	bool tap;
	double bound;
	bool colour;
};

/* Owns all structures and all text but that of the JSON documents. */
extern struct obstack pool;

/* A macro for the compiler to check the arguments against the format. */
#define format(fmt, ...)						\
({									\
	obstack_printf(&pool, fmt, ##__VA_ARGS__);			\
	obstack_1grow(&pool, '\0');					\
	(char *)obstack_finish(&pool);					\
})

/* Complain about a file that no report can be made of, at its current line. */
#define unusable(res, fmt, ...)						\
({									\
	const struct results *__res = res;				\
									\
	warnx("%s:%u: " fmt, __res->name, __res->line, ##__VA_ARGS__);	\
	-1;								\
})

#define bad_line(res, why)						\
	unusable(res, "malformed line: %s; the file was damaged, run the lane again", why)

/* fields.c */
void *zalloc(size_t size);
void clean_string(char *s);
void clean_tree(json_t *item);
int unpack(const struct results *res, json_t *item, const char *fmt, ...);

/* results.c */
int read_file(struct report *rep, char *path);
int check_plans(const struct report *rep);
void reconcile(struct report *rep);

/* table.c */
int read_data(struct report *rep, const struct results *res, json_t *data,
	      bool count);
void worsen_row(struct report *rep, const struct results *res,
		const char *path, enum outcome verdict);
void print_table(struct report *rep);
bool print_comparison(const struct report *base, const struct report *rep,
		      double bound);

/* text.c */
void print_verdict(const struct report *rep, enum outcome verdict);
void print_klog(const struct testcase *tc, const char *indent);
void print_text(struct report *rep);

/* tap.c */
void print_tap(const struct report *rep);

#endif /* REPORT_H */
