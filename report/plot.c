// SPDX-License-Identifier: GPL-2.0
/*
 * Draws plots with gnuplot, as SVG for the page.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plot.h"

extern char **environ;

/* All costs are compared with this path, which does nothing but exit. */
#define NULL_EXIT	"null-exit"

/* The curves of a plot over time.  Other counters, e.g. exits, have another magnitude. */
static const char * const curves[] = {
	"mmu_reset", "mmu_root_load", "mmu_root_reuse", "mmu_root_alloc",
	"mmu_root_invalidate",
};

/* Okabe and Ito's colours: visible on white and on black, also with colour blindness. */
#define COLOURS								\
	"set linetype 1 lc rgb '#0072b2' lw 2\n"			\
	"set linetype 2 lc rgb '#e69f00' lw 2\n"			\
	"set linetype 3 lc rgb '#009e73' lw 2\n"			\
	"set linetype 4 lc rgb '#d55e00' lw 2\n"			\
	"set linetype 5 lc rgb '#cc79a7' lw 2\n"

#define SETTINGS							\
	COLOURS								\
	"set border 3\n"						\
	"set tics nomirror noenhanced\n"				\
	"set key noenhanced\n"						\
	"set grid ytics\n"

static int script_fd(const char *script)
{
	int fd = memfd_create("script", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, script, strlen(script)) < 0 || lseek(fd, 0, SEEK_SET))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static char *read_all(int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		obstack_grow(&pool, buf, n);
	obstack_1grow(&pool, '\0');
	return obstack_finish(&pool);
}

/* Returns the output of gnuplot unchecked; "" if gnuplot cannot be run. */
static char *run_gnuplot(int script)
{
	/* "-d" makes gnuplot ignore the user's settings. */
	char *argv[] = { "gnuplot", "-d", NULL }, *text = "";
	posix_spawn_file_actions_t actions;
	int fds[2], ret;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return text;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, script, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	ret = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	if (!ret) {
		text = read_all(fds[0]);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	return text;
}

/* Returns only the element svg, without the head of an SVG file; NULL if it is not complete. */
static const char *draw(const char *script)
{
	int fd = script_fd(script);
	char *text, *begin, *end;

	if (fd < 0)
		return NULL;
	text = run_gnuplot(fd);
	close(fd);
	begin = strstr(text, "<svg");
	end = begin ? strstr(begin, "</svg>") : NULL;
	if (!end)
		return NULL;
	end[strlen("</svg>")] = '\0';
	return begin;
}

/* Replaces characters that are unsafe in gnuplot's quotes; names of paths and cases have none. */
static const char *label_of(const char *name)
{
	char *copy = format("%s", name), *p;

	for (p = copy; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-+/=:[] ", *p))
			*p = '?';
	return copy;
}

static bool has_cost(const struct row *row, const struct row *like)
{
	return row->unit && !strcmp(row->first->mmu, like->first->mmu) &&
	       !strcmp(row->unit, like->unit);
}

static json_int_t null_exit(const struct report *rep, const struct row *like)
{
	const struct row *row;

	STAILQ_FOREACH(row, &rep->rows, next)
		if (has_cost(row, like) && !strcmp(row->path, NULL_EXIT))
			return row->min;
	return 0;
}

/**
 * plot_costs() - Draw the costs of paths, and of their controls
 * @rep: the report, reconciled
 * @like: a row with a cost; rows with its MMU and unit are drawn
 *
 * Return: SVG, or NULL if there is no gnuplot.
 */
const char *plot_costs(const struct report *rep, const struct row *like)
{
	json_int_t null = null_exit(rep, like);
	const struct row *row;
	const char *data = "";

	STAILQ_FOREACH(row, &rep->rows, next) {
		if (has_cost(row, like))
			data = format("%s\"%s\" %lld %lld\n", data, label_of(row->path),
				      row->min, row->control_min);
	}
	return draw(format("set terminal svg size 960,420 dynamic font 'sans-serif,13'\n"
			   SETTINGS
			   "set style data histogram\n"
			   "set style histogram cluster gap 1\n"
			   "set style fill solid noborder\n"
			   "set xtics rotate by -35\n"
			   "set yrange [0:*]\n"
			   "set key outside top center horizontal\n"
			   "set ylabel '%s per operation' noenhanced\n"
			   "$data << END_OF_DATA\n%sEND_OF_DATA\n"
			   "set linetype 6 lc rgb '#d55e00' lw 2 dashtype 2\n"
			   "plot $data using 2:xtic(1) title 'operation', '' using 3 title 'its control', %lld with lines lt 6 title 'null exit'\n",
			   label_of(like->unit), data, null));
}

/* Returns the column of a counter in the rows of samples, whose column 0 is the time. */
static int column_of(const json_t *samples, const char *counter)
{
	const json_t *names = json_object_get(samples, "counters"), *name;
	size_t i;

	json_array_foreach(names, i, name)
		if (json_is_string(name) && !strcmp(json_string_value(name), counter))
			return i + 1;
	return 0;
}

static json_int_t value_of(const json_t *samples, const json_t *row, const char *counter)
{
	int column = column_of(samples, counter);

	return column ? json_integer_value(json_array_get(row, column)) : 0;
}

/**
 * samples_max() - Find the highest value of a counter in samples
 * @samples: samples as in docs/results.md; any other JSON value has no samples
 * @counter: name of the counter
 *
 * Return: the value; 0 if there is none.
 */
json_int_t samples_max(const json_t *samples, const char *counter)
{
	json_int_t value, max = 0;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(samples, "rows"), i, row) {
		value = value_of(samples, row, counter);
		if (value > max)
			max = value;
	}
	return max;
}

static const char *data_of(const json_t *samples)
{
	const char *data = "";
	const json_t *row;
	size_t i, j;

	json_array_foreach(json_object_get(samples, "rows"), i, row) {
		data = format("%s%lld", data, json_integer_value(json_array_get(row, 0)));
		for (j = 0; j < ARRAY_SIZE(curves); j++)
			data = format("%s %lld", data, value_of(samples, row, curves[j]));
		data = format("%s\n", data);
	}
	return data;
}

/**
 * plot_samples() - Draw counters over time
 * @samples: samples as in docs/results.md; any other JSON value has no samples
 *
 * Return: SVG, or NULL if there is no gnuplot.
 */
const char *plot_samples(const json_t *samples)
{
	const char *plots = "";
	size_t j, nr = ARRAY_SIZE(curves);

	/* Earlier curves are broader, to stay visible below later curves of the same values. */
	for (j = 0; j < nr; j++)
		plots = format("%s%s $data using 1:%zu with steps lw %zu title '%s'", plots,
			       j ? "," : "", j + 2, nr + 1 - j, curves[j]);
	return draw(format("set terminal svg size 480,300 dynamic font 'sans-serif,12'\n"
			   SETTINGS
			   "set yrange [0:*]\n"
			   "set key outside top center horizontal\n"
			   "set xlabel 'ms'\n"
			   "$data << END_OF_DATA\n%sEND_OF_DATA\n"
			   "plot %s\n", data_of(samples), plots));
}
