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

/* What the reason of a skip begins with if nothing is missing. */
#define INAPPLICABLE	"not applicable: "

enum {
	EXIT_PASSED,
	EXIT_FAILED,
	EXIT_UNUSABLE,
};

/*
 * From best to worst, a row shows the worst one of its cases.  What does not
 * apply comes first: it takes nothing from a row that has something to show.
 * A known bug is one that this kernel was known to have.
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
 * @planned: how often it was planned
 * @results: how many results it has
 * @data: of all results
 * @klog: of all results
 * @doc: the first result, NULL if there is none; without a log if it passed
 * @duration_ms: of all results, in milliseconds
 * @verdict: of all results, and of whether it was planned
 * @reason: of a verdict other than PASS
 * @id: the same for the case in each file that has it, from 1 on
 * @first: in the first of these files
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
	/* What emulates the CPU; empty if nothing is known to do so. */
	const char *emulator;
	const char *start;
	const char *unit;
	const char *mmu;
	/* Without the bed, which @mmu begins with if there is more than one. */
	const char *plain_mmu;
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

/* What is counted on a path; all but the first has an expected value where it is asserted. */
enum count {
	OPS,
	RESETS,
	LOADS,
	BUILT,
	REUSED,
	/* The full table ends here, the page has all. */
	NR_TABLE_COUNTS,
	HITS = NR_TABLE_COUNTS,
	MISSES,
	FLUSHES,
	NR_COUNTS,
};

/* The verdict follows, which needs no padding, but may need colour. */
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
 * struct section - Paths that are derived in the same place
 * @test: pattern of the test that counts on them
 * @cases: pattern of its cases
 * @title: what they are
 * @doc: file of docs/ with the derivation, and its heading; NULL if there is none
 * @own: the guest does them in 64-bit mode: what the summary shows
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
 * struct row - What was counted and measured on a path with an MMU of a bed
 * @first: the first file that names the path, which has the bed and the MMU
 * @section: of the first case that counts on the path, or else that names it
 * @order: of the first counts on the path, among all rows; 0 if there are none
 * @counted: which counts there are
 * @expected: what they should be, of @nr_expected of the @nr_counted cases
 * @varies: the counts are those of a race or a timer
 * @unit: of the cost; NULL for as long as none was measured
 * @other_unit: a file that measured in another unit
 * @namers: all cases that name the path
 * @last_id: of the last of them
 * @cells: what a table shows, see fill_rows()
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
 * struct path - A path in all MMUs of a bed
 * @section: of its counts
 * @order: among the paths of a section
 * @rows: one an MMU, NULL for those that do not know it
 * @costs: the row with the cost to show, or NULL
 * @worst: of the verdicts
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
 * struct pivot - What was counted in a bed, a row a path and a column an MMU
 * @mmus: a file with each of the MMUs
 * @costs: the one of them whose costs are shown, NULL if there is none
 * @paths: those of a section are beside each other
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
	/* The run before, NULL if there is none. */
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
 * struct difference - What differs between two reports, or should be known of both
 * @kind: of what
 * @sense: NO_DIFFERENCE: within the bound, or a note
 * @res: the lane; of the base if it is about a case that is gone
 * @path: of a count or cost
 * @what: name of the count, unit of the cost
 * @base: what it was
 * @new: what it is
 * @text: of a case or note
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
 * struct comparison - What was found in two reports
 * @base: the report to compare with
 * @rep: the report
 * @bound: how many times the other a cost may be
 * @lanes: lanes that are in both
 * @costs: costs that are in both, in the same unit
 * @beyond: costs that differ by more than the bound
 * @counts: counts that changed
 * @verdicts: cases that have become worse, are gone, or fail anew
 * @added: cases that were not there
 * @differences: all of them, those of counts and costs first
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
