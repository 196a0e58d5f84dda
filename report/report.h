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

/* The reason of a skip begins with this if the case cannot exist here and nothing is missing. */
#define INAPPLICABLE	"not applicable: "

enum {
	EXIT_PASSED,
	EXIT_FAILED,
	EXIT_UNUSABLE,
};

/*
 * Verdicts, from best to worst: a row shows the worst verdict of its cases.  NOT_APPLICABLE comes
 * first, so that a row shows it only if none of its cases applies.  KNOWN_BUG is a failure that
 * is due to a bug that this kernel is known to have.
 */
enum outcome {
	NOT_APPLICABLE,
	PASS,
	KNOWN_BUG,
	SKIP,
	FAIL,
	NR_VERDICTS,
};

/**
 * struct testcase - A case of a test, in one file
 * @planned: how often the case was planned
 * @results: number of results of the case
 * @data: objects that the case printed, of all results
 * @klog: faults in the kernel log, of all results
 * @doc: the first result, NULL if there is none; without a log if the case passed
 * @duration_ms: duration of all results, in milliseconds
 * @verdict: worst verdict of all results; FAIL if plan and results do not match
 * @reason: reason of a verdict other than PASS
 * @id: number of the case, from 1 on; the same in each file that has the case
 * @first: no earlier file has the case
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

	unsigned int id;
	bool first;
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
	/* The program that emulates the CPU; empty if none is known. */
	const char *emulator;
	const char *start;
	const char *unit;
	const char *mmu;
	/* Name of the MMU without the bed; @mmu begins with the bed if the report has several. */
	const char *plain_mmu;
	const char *params;

	STAILQ_HEAD(, testcase) cases;
	/* The same cases as a tree of tsearch() */
	void *index;
	struct tally seen;
	struct tally said;
	bool ended;
	bool cut;
	const char *failure;
};

/* Counts of a path; all but the first one have an expected value if the test asserts them. */
enum count {
	OPS,
	RESETS,
	LOADS,
	BUILT,
	REUSED,
	/* The full table has the counts before this, the page has all counts. */
	NR_TABLE_COUNTS,
	HITS = NR_TABLE_COUNTS,
	MISSES,
	FLUSHES,
	NR_COUNTS,
};

/* Columns of the table.  The last column, the verdict, is not a cell, as it may need colour. */
enum column {
	COL_MMU,
	COL_PATH,
	COL_COUNTS,
	COL_COST = COL_COUNTS + NR_TABLE_COUNTS,
	COL_CONTROL,
	COL_RATIO,
	NR_COLUMNS,
};

/**
 * struct section - Paths whose numbers are derived in the same place
 * @test: pattern for the test that counts on the paths
 * @cases: pattern for the cases of the test
 * @title: headline of the paths
 * @doc: file of docs/ with the derivation, and its heading; NULL if there is none
 * @own: the guest operates the paths in 64-bit mode; the summary always shows such paths
 */
struct section {
	const char *test;
	const char *cases;
	const char *title;
	const char *doc;
	bool own;
};

/* A case that names a path. */
struct namer {
	STAILQ_ENTRY(namer) next;
	const struct testcase *tc;
};

/**
 * struct row - Counts and costs of a path with an MMU of a bed
 * @first: the first file that names the path; it has the bed and the MMU of the row
 * @section: section of the first case that counts on the path, or else that names the path
 * @order: place of the path's first counts among those of all rows; 0 if there are no counts
 * @counted: which of @counts are known
 * @counts: sums over the entries with counts
 * @expected: sums of the expected values
 * @nr_counted: number of entries with counts
 * @nr_expected: number of entries with an expected value, for each count
 * @varies: the counts depend on a race or a timer
 * @unit: unit of the cost; NULL if no cost was measured
 * @other_unit: a file that measured the cost in another unit
 * @namers: all cases that name the path
 * @last_id: number of the last of these cases
 * @cells: cells of the table, see fill_rows()
 */
struct row {
	STAILQ_ENTRY(row) next;
	const struct results *first;
	const char *path;
	const struct section *section;
	unsigned int order;
	bool counted[NR_COUNTS];
	unsigned long long counts[NR_COUNTS];
	unsigned long long expected[NR_COUNTS];
	unsigned int nr_counted;
	unsigned int nr_expected[NR_COUNTS];
	bool varies;

	const char *unit;
	const struct results *other_unit;
	json_int_t min;
	const char *control;
	json_int_t control_min;

	enum outcome verdict;

	STAILQ_HEAD(, namer) namers;
	unsigned int last_id;
	const char *cells[NR_COLUMNS];
};

/**
 * struct path - A path with all MMUs of a bed
 * @section: section of the path's counts
 * @order: place of the path in its section
 * @rows: one row per MMU; NULL if no case with the MMU names the path
 * @costs: the row with the cost to show, or NULL
 * @worst: worst verdict of the rows
 */
struct path {
	const char *name;
	const struct section *section;
	unsigned int order;
	struct row **rows;
	const struct row *costs;
	enum outcome worst;
};

/**
 * struct pivot - Counts of a bed, with one row per path and one column per MMU
 * @mmus: for each MMU, one file with this MMU
 * @costs: the one of @mmus whose costs are shown; NULL if there are no costs
 * @paths: the paths; those of a section are adjacent
 */
struct pivot {
	const char *bed;
	const struct results **mmus;
	const struct results *costs;
	unsigned int nr_mmus;
	struct path *paths;
	unsigned int nr_paths;
};

struct report {
	STAILQ_HEAD(, results) files;
	STAILQ_HEAD(, row) rows;
	json_t *docs;
	struct tally total;
	unsigned int nr_cases;
	unsigned int nr_files;
	unsigned int failed_files;
	unsigned int nr_orders;
	unsigned int nr_ids;
	/* The report of the run before, NULL if there is none. */
	const struct report *before;

	/* The command line */
	const char *title;
	const char *rerun;
	const char *junit;
	const char *html;
	const char *docs_dir;
	char *before_path;
	bool full;
	bool ktap;
	bool profile;
	double bound;

	bool colour;
};

/**
 * struct difference - A difference between two reports, or a note on both
 * @kind: what differs
 * @sense: how it differs; NO_DIFFERENCE: a cost within the bound, or a note
 * @res: the lane; for a case that is gone, the lane of the base
 * @path: path of a count or cost
 * @what: name of the count, or unit of the cost
 * @base: old value of the count or cost
 * @new: new value of the count or cost
 * @text: text about a case, or text of a note
 */
struct difference {
	STAILQ_ENTRY(difference) next;
	enum {
		DIFF_COUNT,
		DIFF_COST,
		DIFF_CASE,
		DIFF_NOTE,
	} kind;
	enum {
		NO_DIFFERENCE,
		CHANGED,
		MORE,
		LESS,
		WORSE,
		BETTER,
	} sense;
	const struct results *res;
	const char *path;
	const char *what;
	json_int_t base;
	json_int_t new;
	const char *text;
};

/**
 * struct comparison - The comparison of two reports
 * @base: the report to compare with
 * @rep: the report
 * @bound: largest ratio of two costs, in either direction, that is no difference
 * @lanes: number of lanes that are in both reports
 * @costs: number of costs that are in both reports, in the same unit
 * @beyond: number of costs that differ by more than the bound
 * @counts: number of counts that changed
 * @verdicts: number of cases that have become worse, are gone, or are new and fail
 * @added: number of cases that are not in the base
 * @differences: all differences, those of counts and costs first
 */
struct comparison {
	const struct report *base;
	const struct report *rep;
	double bound;
	unsigned int lanes;
	unsigned int costs;
	unsigned int beyond;
	unsigned int counts;
	unsigned int verdicts;
	unsigned int added;

	STAILQ_HEAD(, difference) differences;
};

/* The pool owns all structures, and all text but that of the JSON documents. */
extern struct obstack pool;

/* format() is a macro, so that the compiler checks the arguments against the format. */
#define format(fmt, ...)						\
({									\
	obstack_printf(&pool, fmt, ##__VA_ARGS__);			\
	obstack_1grow(&pool, '\0');					\
	(char *)obstack_finish(&pool);					\
})

/* Complains about a file that no report can be made of, at its current line.  Evaluates to -1. */
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
		      const struct testcase *tc, json_t *data, bool count);
void worsen_row(struct report *rep, const struct results *res,
		const struct testcase *tc, const char *path);
const char *common_unit(const struct report *rep);
void fill_rows(struct report *rep, const char **header);

/* paths.c */
const struct section *find_section(const struct testcase *tc);

/* pivot.c */
const struct pivot *make_pivot(const struct report *rep, const struct results *like);
const struct results *next_bed(const struct report *rep, const struct results *res);
const char *per_operation(unsigned long long value, unsigned long long ops);
void print_pivots(const struct report *rep);

/* table.c */
void print_grid(const char * const *cells, unsigned int nr_cols, unsigned int nr_rows,
		const char *sides);
void print_table(struct report *rep);

/* compare.c */
void compare_reports(struct comparison *c, const struct report *base,
		     const struct report *rep, double bound);
int print_comparison(const struct report *base, const struct report *rep);

/* text.c */
extern const char * const verdict_words[NR_VERDICTS];

void print_verdict(const struct report *rep, enum outcome verdict);
void print_klog(const struct testcase *tc, const char *indent, unsigned int max);
const char *format_totals(const struct report *rep);
const char *reason_parts(const char *reason, unsigned int max);
void print_text(struct report *rep);

/* rerun.c */
const char *rerun_command(const struct report *rep);

/* ktap.c */
void print_ktap(const struct report *rep);

/* profile.c */
void print_profile(const struct report *rep);

/* xml.c, junit.c, html.c */
int write_junit(const struct report *rep);
int write_html(struct report *rep);

#endif /* REPORT_H */
