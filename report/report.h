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

/**
 * struct testcase - A case of a test, in one file
 * @planned: how often it was planned
 * @results: how many results it has
 * @data: of all results
 * @klog: of all results
 * @doc: the first result, NULL if there is none; without a log if it passed
 * @duration_ms: of all results, in milliseconds
 * @verdict: of all results, and of whether it was planned
 * @reason: of a verdict other than PASS
 */
struct testcase {
	STAILQ_ENTRY(testcase) next;
	const char *test;
	const char *name;
	unsigned int planned;
	unsigned int results;

	json_t *data;
	json_t *klog;
	json_t *doc;
	json_int_t duration_ms;

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
	const char *cpu;
	const char *start;
	const char *unit;
	const char *mmu;
	const char *params;

	STAILQ_HEAD(, testcase) cases;
	/* The same, to be found: a tree of tsearch() */
	void *index;
	struct tally seen;
	struct tally said;
	bool ended;
	bool cut;
	const char *failure;
};

#define NR_COUNTS	5

/* The verdict follows, which needs no padding, but may need colour. */
enum column {
	COL_MMU,
	COL_PATH,
	COL_COUNTS,
	COL_COST = COL_COUNTS + NR_COUNTS,
	COL_CONTROL,
	COL_RATIO,
	NR_COLUMNS,
};

/**
 * struct row - What was counted and measured on a path with an MMU of a bed
 * @first: the first file that names the path, which has the bed and the MMU
 * @counted: which counts there are
 * @unit: of the cost; NULL for as long as none was measured
 * @other_unit: a file that measured in another unit
 * @cells: what a table shows, see fill_rows()
 */
struct row {
	STAILQ_ENTRY(row) next;
	const struct results *first;
	const char *path;
	bool counted[NR_COUNTS];
	unsigned long long counts[NR_COUNTS];

	const char *unit;
	const struct results *other_unit;
	json_int_t min;
	const char *control;
	json_int_t control_min;

	enum outcome verdict;
	const char *cells[NR_COLUMNS];
};

struct report {
	STAILQ_HEAD(, results) files;
	STAILQ_HEAD(, row) rows;
	json_t *docs;
	struct tally total;
	unsigned int nr_cases;
	unsigned int nr_files;
	unsigned int failed_files;

	/* The command line */
	const char *title;
	const char *rerun;
	const char *junit;
	const char *html;
	bool ktap;
	bool profile;
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
void pool_init(void);
void *zalloc(size_t size);
void clean_string(char *s);
void clean_tree(json_t *item);
char *clean_argument(const char *s);
int unpack(const struct results *res, json_t *item, const char *fmt, ...);

/* results.c */
int read_stream(struct report *rep, const char *name, FILE *in);
int read_path(struct report *rep, char *path);
int check_plans(const struct report *rep);
void reconcile(struct report *rep);
const struct testcase *find_case(const struct results *res, const char *test,
				 const char *name);
void init_report(struct report *rep);
void free_report(struct report *rep);

/* rows.c */
extern const char * const count_keys[NR_COUNTS];

const char *read_data(struct report *rep, const struct results *res,
		      json_t *data, bool count);
void worsen_row(struct report *rep, const struct results *res,
		const char *path, enum outcome verdict);
void fill_rows(struct report *rep, const char **header);

/* table.c */
void print_table(struct report *rep);

/* compare.c */
int print_comparison(const struct report *base, const struct report *rep);

/* text.c */
extern const char * const verdict_words[NR_VERDICTS];

void print_verdict(const struct report *rep, enum outcome verdict);
void print_klog(const struct testcase *tc, const char *indent);
const char *format_totals(const struct report *rep);
void print_text(struct report *rep);

/* rerun.c */
const char *rerun_commands(const struct report *rep);

/* ktap.c */
void print_ktap(const struct report *rep);

/* profile.c */
void print_profile(const struct report *rep);

/* xml.c, junit.c, html.c */
int write_junit(const struct report *rep);
int write_html(struct report *rep);

#endif /* REPORT_H */
