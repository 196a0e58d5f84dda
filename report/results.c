// SPDX-License-Identifier: GPL-2.0
/*
 * Reads results files, and reconciles the planned cases with the results.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fts.h>
#include <search.h>
#include <sys/stat.h>

#include "report.h"

/* The folder of a run has a folder for each bed, with a file for each configuration. */
#define MAX_DEPTH	2

/* A longer duration, a century, is ignored, so that sums do not overflow. */
#define MAX_DURATION_MS	(100ll * 366 * 24 * 3600 * 1000)

static int compare_cases(const void *a, const void *b)
{
	const struct testcase *x = a, *y = b;

	return strcmp(x->test, y->test) ?: strcmp(x->name, y->name);
}

/**
 * find_case() - Find a case of a file
 * @res: the file
 * @test: test of the case
 * @name: name of the case
 *
 * Return: the case, or NULL.
 */
const struct testcase *find_case(const struct results *res, const char *test,
				 const char *name)
{
	const struct testcase like = { .test = test, .name = name };
	struct testcase **found = tfind(&like, &res->index, compare_cases);

	return found ? *found : NULL;
}

static struct testcase *get_case(struct report *rep, struct results *res,
				 const char *test, const char *name)
{
	struct testcase *tc = zalloc(sizeof(*tc)), **found;

	tc->test = test;
	tc->name = name;
	found = tsearch(tc, &res->index, compare_cases);
	if (!found)
		err(EXIT_UNUSABLE, "out of memory");
	if (*found != tc) {
		obstack_free(&pool, tc);
		return *found;
	}
	tc->data = json_array();
	tc->klog = json_array();
	json_array_append_new(rep->docs, tc->data);
	json_array_append_new(rep->docs, tc->klog);
	STAILQ_INSERT_TAIL(&res->cases, tc, next);
	return tc;
}

/* A case may have several reasons to fail, so reasons add up. */
static void worsen_case(struct testcase *tc, enum outcome verdict,
			const char *reason)
{
	if (verdict > tc->verdict)
		tc->verdict = verdict;
	if (reason)
		tc->reason = tc->reason ? format("%s; %s", tc->reason, reason) : reason;
}

static void read_status(struct results *res, struct testcase *tc,
			const char *status, const char *reason)
{
	enum outcome verdict = FAIL;

	if (!strcmp(status, "pass"))
		verdict = PASS;
	else if (!strcmp(status, "skip"))
		verdict = SKIP;
	else if (!strcmp(status, "known"))
		verdict = KNOWN_BUG;
	else if (strcmp(status, "fail"))
		reason = format("invalid status \"%s\"", status);
	res->seen.cases[verdict]++;
	if (verdict == PASS)
		reason = NULL;
	else if (!*reason)
		reason = "no reason given";
	else if (verdict == SKIP && !strncmp(reason, INAPPLICABLE, strlen(INAPPLICABLE)))
		verdict = NOT_APPLICABLE;
	worsen_case(tc, verdict, reason);
}

static int read_case(struct report *rep, struct results *res, json_t *doc)
{
	const char *test, *name, *status = "", *reason = "", *text, *bad;
	json_t *data = NULL, *klog = NULL, *line;
	json_int_t duration_ms = 0;
	struct testcase *tc;
	size_t i;

	/* The format has each list twice: once to check its type, once to get it. */
	if (unpack(res, doc, "{s:s, s:s, s?s, s?s, s?[], s?o, s?[], s?o, s?I}",
		   "test", &test, "case", &name, "status", &status,
		   "reason", &reason, "data", "data", &data,
		   "klog", "klog", &klog, "duration_ms", &duration_ms))
		return -1;
	json_array_foreach(klog, i, line) {
		if (unpack(res, line, "s", &text))
			return -1;
	}

	tc = get_case(rep, res, test, name);
	read_status(res, tc, status, reason);
	json_array_extend(tc->data, data);
	json_array_extend(tc->klog, klog);
	if (duration_ms > 0 && duration_ms < MAX_DURATION_MS)
		tc->duration_ms += duration_ms;
	if (!tc->doc)
		tc->doc = doc;
	/* Bad data are a failure of the case that printed them, not a damaged file. */
	bad = read_data(rep, res, tc, data, !tc->results++);
	if (bad)
		worsen_case(tc, FAIL, format("bad data: %s", bad));
	return 0;
}

static int read_plan(struct report *rep, struct results *res, json_t *doc)
{
	const char *test, *name;
	json_t *cases, *item;
	size_t i;

	if (unpack(res, doc, "{s:s, s:[], s:o}", "test", &test, "cases",
		   "cases", &cases))
		return -1;
	json_array_foreach(cases, i, item) {
		if (unpack(res, item, "s", &name))
			return -1;
		get_case(rep, res, test, name)->planned++;
	}
	res->seen.planned += i;
	rep->total.planned += i;
	return 0;
}

static int read_end(struct results *res, json_t *doc)
{
	struct tally *said = &res->said;

	res->ended = true;
	return unpack(res, doc, "{s:I, s:I, s:I, s:I, s?I}",
		      "planned", &said->planned, "passed", &said->cases[PASS],
		      "failed", &said->cases[FAIL],
		      "skipped", &said->cases[SKIP], "known", &said->cases[KNOWN_BUG]);
}

/* The report shows only the parameters that decide how roots behave. */
static bool is_telling(const char *param)
{
	static const char * const telling[] = {
		"tdp_mmu", "npt", "ept", "nested", "nx_huge_pages",
		"force_emulation_prefix", "unrestricted_guest",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(telling); i++)
		if (!strcmp(param, telling[i]))
			return true;
	return false;
}

static int read_params(struct results *res, json_t *params)
{
	const char *key, *dot, *text;
	json_t *value;
	char *param;

	json_object_foreach(params, key, value) {
		if (unpack(res, value, "s", &text))
			return -1;
		dot = strrchr(key, '.');
		if (!is_telling(dot ? dot + 1 : key))
			continue;
		param = format("%s%s%s=%s", res->params, *res->params ? " " : "",
			       dot ? dot + 1 : key, text);
		/* clean_tree() does not clean keys. */
		clean_string(param);
		res->params = param;
	}
	return 0;
}

static int read_run(struct results *res, json_t *doc)
{
	const char *type = json_string_value(json_object_get(doc, "type"));
	json_t *params = NULL;
	int levels = 0;

	if (!type || strcmp(type, "run"))
		return unusable(res,
				"not a results file: the first line is no run line; give the files that a run of kvm-mmu-roots left");
	if (json_integer_value(json_object_get(doc, "schema")) != 1)
		return unusable(res,
				"the schema of this file is not 1, the only one known here; use the rootreport that came with the tests that wrote it");
	if (unpack(res, doc, "{s:s, s:s, s:s, s:s, s?s, s?s, s?s, s?s, s?i, s?{}, s?o}",
		   "bed", &res->bed, "lane", &res->lane,
		   "kernel", &res->kernel, "tsc_unit", &res->unit,
		   "cpu", &res->cpu, "emulator", &res->emulator, "start", &res->start,
		   "mmu", &res->mmu, "levels", &levels,
		   "params", "params", &params))
		return -1;
	/* With shadow paging, the number of levels depends on the guest, not on the host. */
	if (levels && (!strcmp(res->mmu, "TDP") || !strcmp(res->mmu, "tdp_mmu=0")))
		res->mmu = format("%s/%d", res->mmu, levels);
	if (strcmp(res->unit, "cycles") && strcmp(res->unit, "instructions"))
		return bad_line(res, "neither cycles nor instructions: tsc_unit");
	return read_params(res, params);
}

static int read_doc(struct report *rep, struct results *res, json_t *doc)
{
	const char *type;

	if (res->line == 1)
		return read_run(res, doc);
	if (res->ended)
		return unusable(res,
				"a line after the end line; give each run a file of its own");
	if (unpack(res, doc, "{s:s}", "type", &type))
		return -1;
	if (!strcmp(type, "run"))
		return unusable(res,
				"a second run line; give each run a file of its own");
	if (!strcmp(type, "plan"))
		return read_plan(rep, res, doc);
	if (!strcmp(type, "case"))
		return read_case(rep, res, doc);
	if (!strcmp(type, "end"))
		return read_end(res, doc);
	return 0;
}

static int read_line(struct report *rep, struct results *res, char *line,
		     size_t len)
{
	char *nul = memchr(line, '\0', len);
	const char *status;
	json_error_t error;
	json_t *doc;

	/* A crash may leave NULs.  libjansson would skip a NUL after a number: make it an error. */
	if (nul)
		*nul = '\1';
	doc = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			 &error);
	if (!doc) {
		if (res->line == 1)
			return read_run(res, NULL);
		if (line[len - 1] != '\n') {
			res->cut = true;
			return 0;
		}
		/* The error text quotes the line. */
		clean_string(error.text);
		return bad_line(res, error.text);
	}

	/* A log may have megabytes, and the report shows the logs of failed cases only. */
	status = json_string_value(json_object_get(doc, "status"));
	if (status && !strcmp(status, "pass"))
		json_object_del(doc, "log");
	clean_tree(doc);
	json_array_append_new(rep->docs, doc);
	return read_doc(rep, res, doc);
}

/**
 * read_stream() - Read results into the report
 * @rep: the report
 * @name: name of the results in messages, without control characters
 * @in: the results; NULL if they cannot be opened, with the reason in errno
 *
 * Return: 0, or -1 after a complaint.
 */
int read_stream(struct report *rep, const char *name, FILE *in)
{
	struct results *res = zalloc(sizeof(*res));
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int ret = 0;

	STAILQ_INIT(&res->cases);
	res->name = name;
	res->params = "";
	res->cpu = "";
	res->emulator = "";
	res->start = "";
	res->mmu = "-";
	STAILQ_INSERT_TAIL(&rep->files, res, next);
	rep->nr_files++;

	while (in && !ret && (len = getline(&line, &size, in)) > 0) {
		res->line++;
		ret = read_line(rep, res, line, len);
	}
	if (!in || ferror(in)) {
		warnx("%s: cannot read: %s; give the results files of a run",
		      res->name, strerror(errno));
		ret = -1;
	} else if (!res->line) {
		res->line = 1;
		ret = unusable(res,
			       "empty, not a results file: the run never started; see the console log");
	}
	free(line);
	return ret;
}

static int read_file(struct report *rep, const char *path)
{
	FILE *in = fopen(path, "r");
	int ret = read_stream(rep, clean_argument(path), in);

	if (in)
		fclose(in);
	return ret;
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_results_file(const FTSENT *entry)
{
	const char *suffix = strrchr(entry->fts_name, '.');

	return entry->fts_info == FTS_F && suffix && !strcmp(suffix, ".jsonl");
}

/* Reads the folder of a run, which has a folder for each bed, or the folder of one bed. */
static int read_folder(struct report *rep, char *path)
{
	char *paths[] = { path, NULL };
	FTS *fts = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, compare_entries);
	unsigned int nr = 0;
	FTSENT *entry;
	int ret = 0;

	if (!fts)
		err(EXIT_UNUSABLE, "%s", clean_argument(path));
	while ((entry = fts_read(fts))) {
		if (entry->fts_level == MAX_DEPTH)
			fts_set(fts, entry, FTS_SKIP);
		if (!is_results_file(entry))
			continue;
		ret |= read_file(rep, entry->fts_path);
		nr++;
	}
	fts_close(fts);
	if (nr)
		return ret;
	warnx("%s: no results in this folder: give one that has *.jsonl", clean_argument(path));
	return -1;
}

/**
 * read_path() - Read a results file, or all results files of a folder, into the report
 * @rep: the report
 * @path: the file or folder
 *
 * Return: 0, or -1 after a complaint.
 */
int read_path(struct report *rep, char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode) ? read_folder(rep, path) :
							 read_file(rep, path);
}

/**
 * check_plans() - Check that cases were planned
 * @rep: the report, all files read
 *
 * A run that completed without a planned case was set up wrong.  A run that died before its first
 * plan is a failure like any other early end, as long as another file has planned cases.
 *
 * Return: 0, or -1 after a complaint.
 */
int check_plans(const struct report *rep)
{
	const struct results *res;
	int ret = 0;

	STAILQ_FOREACH(res, &rep->files, next) {
		if (res->seen.planned)
			continue;
		if (res->ended)
			ret = unusable(res,
				       "zero cases planned; check which tests the lane selects and that they were built");
		else if (!rep->total.planned)
			ret = unusable(res,
				       "zero cases planned, the run ended before that; see the console log");
	}
	return ret;
}

/* Gives a case the same number in all files that have it. */
static void number_cases(struct report *rep, struct results *res)
{
	const struct testcase *same;
	const struct results *other;
	struct testcase *tc;

	STAILQ_FOREACH(tc, &res->cases, next) {
		same = NULL;
		STAILQ_FOREACH(other, &rep->files, next) {
			same = other == res ? NULL : find_case(other, tc->test, tc->name);
			if (same || other == res)
				break;
		}
		tc->first = !same;
		tc->id = same ? same->id : ++rep->nr_ids;
	}
}

static void reconcile_case(struct report *rep, const struct results *res,
			   struct testcase *tc)
{
	json_t *entry, *path;
	size_t i;

	if (!tc->results)
		worsen_case(tc, FAIL, "no result: the test, the runner or the bed died before it");
	if (tc->results > 1)
		worsen_case(tc, FAIL, "more than one result");
	if (!tc->planned)
		worsen_case(tc, FAIL, "not planned, yet it has a result");
	if (tc->planned > 1)
		worsen_case(tc, FAIL, "planned more than once");

	rep->nr_cases++;
	rep->total.cases[tc->verdict]++;
	json_array_foreach(tc->data, i, entry) {
		path = json_object_get(entry, "path");
		if (json_is_string(path))
			worsen_row(rep, res, tc, json_string_value(path));
	}
}

static const char *format_tally(const struct tally *tally)
{
	return format("%lld planned, %lld passed, %lld failed, %lld skipped, %lld known bugs",
		      tally->planned, tally->cases[PASS], tally->cases[FAIL],
		      tally->cases[SKIP], tally->cases[KNOWN_BUG]);
}

static void reconcile_end(struct results *res)
{
	const char *said, *seen;

	if (res->cut || !res->ended) {
		res->failure = format("ended early: %s line %u, %s",
				      res->cut ? "cut in the middle of" :
				      "no end line after", res->line,
				      "the bed died or was killed; see the console log");
		return;
	}
	said = format_tally(&res->said);
	seen = format_tally(&res->seen);
	if (strcmp(said, seen))
		res->failure =
			format("the end line says %s; the lines before it say %s",
			       said, seen);
}

/* Different beds have MMUs of the same name on different CPUs: put the bed into the name. */
static void tell_beds_apart(struct report *rep)
{
	const struct results *first = STAILQ_FIRST(&rep->files);
	struct results *res;
	bool differ = false;

	STAILQ_FOREACH(res, &rep->files, next) {
		res->plain_mmu = res->mmu;
		differ |= strcmp(res->bed, first->bed);
	}
	if (!differ)
		return;
	STAILQ_FOREACH(res, &rep->files, next)
		res->mmu = format("%s %s", res->bed, res->mmu);
}

/**
 * reconcile() - Find results that are missing or in excess
 * @rep: the report, all files read; receives verdicts and totals
 */
void reconcile(struct report *rep)
{
	struct results *res;
	struct testcase *tc;

	STAILQ_FOREACH(res, &rep->files, next) {
		number_cases(rep, res);
		STAILQ_FOREACH(tc, &res->cases, next)
			reconcile_case(rep, res, tc);
		reconcile_end(res);
		rep->failed_files += !!res->failure;
	}
	tell_beds_apart(rep);
}

/**
 * init_report() - Begin an empty report
 * @rep: the report
 */
void init_report(struct report *rep)
{
	*rep = (struct report){ .docs = json_array(), .rerun = "make run" };
	STAILQ_INIT(&rep->files);
	STAILQ_INIT(&rep->rows);
}

static void leave_it(void *tc)
{
	/* The pool owns the case. */
	(void)tc;
}

/**
 * free_report() - Free the parts of a report that are not in the pool
 * @rep: the report
 */
void free_report(struct report *rep)
{
	struct results *res;

	STAILQ_FOREACH(res, &rep->files, next)
		tdestroy(res->index, leave_it);
	json_decref(rep->docs);
}
