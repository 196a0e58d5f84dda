// SPDX-License-Identifier: GPL-2.0
/*
 * Runs one test in a session of its own, with a deadline, and kills all processes that the test
 * leaves behind.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "rootrun.h"

/*
 * How often the runner reads what the test has printed, in milliseconds.  A wakeup for each
 * line would take two switches of processes, which cost more than the line on an emulated CPU.
 */
#define LOOK_MS		50
/* Size of the pipe in bytes: a test can print this much between two reads without blocking. */
#define PIPE_SIZE	BIT(20)

/* The session of the running test, for the signal handler; 0 if no test runs. */
static volatile sig_atomic_t current_session;

static pid_t session_of(pid_t pid)
{
	char path[64], buf[512], *p;
	int fd, session;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	buf[n] = '\0';

	/* The name of the process, in parentheses, may contain any character, also ')'. */
	p = strrchr(buf, ')');
	if (!p || sscanf(p, ") %*c %*d %*d %d", &session) != 1)
		return -1;
	return session;
}

/*
 * Killing the process group of the test is not enough: the kselftest harness gives each case a
 * process group of its own.
 */
static bool kill_session_once(pid_t session)
{
	bool found = false;
	struct dirent *d;
	DIR *proc = opendir("/proc");
	pid_t pid;

	if (!proc)
		return false;

	while ((d = readdir(proc))) {
		pid = atoi(d->d_name);
		if (pid <= 0 || pid == getpid() || session_of(pid) != session)
			continue;
		found |= !kill(pid, SIGKILL);
	}
	closedir(proc);
	return found;
}

/* A process whose parent has exited becomes a child of the runner, see child_init(). */
static bool have_children(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return !pid;
}

static void kill_session(pid_t session)
{
	/* The number of tries is bounded, as SIGKILL does not end uninterruptible sleep. */
	int tries = 100;

	/* The scan of /proc costs more than many tests do, so do it only if children are left. */
	while (tries-- && have_children() && kill_session_once(session))
		usleep(10000);
}

static void on_signal(int sig)
{
	if (current_session)
		kill_session(current_session);
	signal(sig, SIG_DFL);
	raise(sig);
}

/**
 * child_init() - Adopt orphans of tests, and handle signals that end the runner
 *
 * When SIGINT, SIGTERM or SIGHUP ends the runner, the handler first kills the running test with
 * all of its processes.
 */
void child_init(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	unsigned int i;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], on_signal);
}

static unsigned long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ul + ts.tv_nsec / 1000000;
}

static void __noreturn exec_child(char *const argv[], int out)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	/* SIGKILL may end the runner: the kernel then kills at least the test's first process. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(argv[0], argv);
	dprintf(STDERR_FILENO, "#! cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static void drain(int fd, struct output *out)
{
	char buf[65536];
	ssize_t n;

	while (out->total <= OUTPUT_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		output_add(out, buf, n);
}

static void supervise(pid_t pid, int fd, unsigned long start, unsigned int timeout_s,
		      struct output *out, struct ending *end)
{
	/* Before Linux 5.3, there is no pidfd: the loop sees the test's end at its next look. */
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end_of_test = { .fd = pidfd, .events = POLLIN };

	samples_take(0);
	for (;;) {
		poll(&end_of_test, 1, LOOK_MS);
		drain(fd, out);
		samples_take(now_ms() - start);
		end->flooded = out->total > OUTPUT_MAX;
		/*
		 * Wait for the end of the process, not of its output: a daemon that the test
		 * started may keep the pipe open.
		 */
		if (waitpid(pid, &end->status, WNOHANG) == pid)
			break;

		end->timed_out = now_ms() - start > timeout_s * 1000ul;
		if (end->timed_out || end->flooded) {
			kill(pid, SIGKILL);
			waitpid(pid, &end->status, 0);
			break;
		}
	}
	close(pidfd);
}

/**
 * child_run() - Run a test to its end
 * @argv: the program, and its arguments
 * @timeout_s: deadline, in seconds
 * @out: initialized; receives standard output and standard error, in the order of printing
 * @end: receives how the test ended
 *
 * When this returns, no process of the test is left.
 *
 * Return: 0, or a negative errno if the test could not be started.
 */
int child_run(char *const argv[], unsigned int timeout_s, struct output *out,
	      struct ending *end)
{
	unsigned long start = now_ms();
	int fds[2];
	pid_t pid;

	memset(end, 0, sizeof(*end));
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	/* Only the runner's end stays non-blocking: tests do not expect EAGAIN when they print. */
	fcntl(fds[1], F_SETFL, 0);
	/* The pipe stays smaller if the system's limit is lower. */
	fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE);

	/* A fork() would copy the runner's page tables, for each case. */
	pid = vfork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	if (!pid)
		exec_child(argv, fds[1]);

	samples_begin();
	current_session = pid;
	close(fds[1]);
	supervise(pid, fds[0], start, timeout_s, out, end);
	kill_session(pid);
	current_session = 0;
	drain(fds[0], out);
	close(fds[0]);
	end->duration_ms = now_ms() - start;
	return 0;
}
