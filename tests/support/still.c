/* SPDX-License-Identifier: BSD-3-Clause */
/* still: a library that the switch is run with in tests (LD_PRELOAD), and that notices what a worker must not do
 * once it runs: ask for memory or give it back, take a lock, write a log line, or make any system call but
 * those of its sockets, rings and clock.
 *
 * A worker is a thread that has called epoll_wait and is not EAL's own for interrupts; what it does from that call
 * on counts. System calls are held up by a seccomp filter of that thread, so that nothing that libc does by
 * itself passes unseen. Each offence is a line with " error " on stderr, where switch_rig finds it, with
 * where it came from; at the end a line of figures goes to the file that PLENUM_STILL_REPORT names, which also
 * shows that the library was there.
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define TOLD_MAX 20 /* offences that are told; all are counted */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *at, size_t size);
extern void *__libc_memalign(size_t to, size_t size);
extern void __libc_free(void *at);

static _Thread_local __attribute__((tls_model("initial-exec"))) bool is_worker, is_telling,
	was_seen;
static _Atomic unsigned workers, memory, locks, calls;
static int out = 2; /* a copy of stderr: a worker may not write to that one */
static typeof(epoll_wait) *real_epoll_wait;
static typeof(pthread_mutex_lock) *real_lock;
static typeof(pthread_rwlock_rdlock) *real_rdlock;
static typeof(pthread_rwlock_wrlock) *real_wrlock;

static void tell(const char *what, long number)
{
	static _Atomic unsigned told;
	void *from[16];
	char line[160];
	int n;

	if (is_telling || atomic_fetch_add(&told, 1) >= TOLD_MAX)
		return;
	is_telling = true; /* what backtrace itself does is not meant */
	n = snprintf(line, sizeof(line), "still: error a worker did what it must not: %s %ld\n",
		what, number);
	n = (int)write(out, line, (size_t)n);
	n = backtrace(from, 16);
	backtrace_symbols_fd(from, n, out);
	is_telling = false;
}

static void offence(_Atomic unsigned *count, const char *what, long number)
{
	if (!is_worker || is_telling)
		return;
	atomic_fetch_add(count, 1);
	tell(what, number);
}

/* ---- memory ---- */

void *malloc(size_t size)
{
	offence(&memory, "malloc", (long)size);
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	offence(&memory, "calloc", (long)(count * size));
	return __libc_calloc(count, size);
}

void *realloc(void *at, size_t size)
{
	offence(&memory, "realloc", (long)size);
	return __libc_realloc(at, size);
}

void *memalign(size_t to, size_t size)
{
	offence(&memory, "memalign", (long)size);
	return __libc_memalign(to, size);
}

void *aligned_alloc(size_t to, size_t size)
{
	offence(&memory, "aligned_alloc", (long)size);
	return __libc_memalign(to, size);
}

int posix_memalign(void **at, size_t to, size_t size)
{
	offence(&memory, "posix_memalign", (long)size);
	*at = __libc_memalign(to, size);
	return *at != NULL ? 0 : ENOMEM;
}

void free(void *at)
{
	if (at != NULL)
		offence(&memory, "free", 0);
	__libc_free(at);
}

/* ---- locks ---- */

int pthread_mutex_lock(pthread_mutex_t *lock)
{
	offence(&locks, "pthread_mutex_lock", 0);
	if (real_lock == NULL)
		real_lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	return real_lock(lock);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	offence(&locks, "pthread_rwlock_rdlock", 0);
	if (real_rdlock == NULL)
		real_rdlock = dlsym(RTLD_NEXT, "pthread_rwlock_rdlock");
	return real_rdlock(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	offence(&locks, "pthread_rwlock_wrlock", 0);
	if (real_wrlock == NULL)
		real_wrlock = dlsym(RTLD_NEXT, "pthread_rwlock_wrlock");
	return real_wrlock(lock);
}

/* ---- system calls ---- */

#if defined(__x86_64__)
static void on_call(int signal, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	int before = errno;

	if (!is_telling)
		atomic_fetch_add(&calls, 1);
	tell("system call", info->si_syscall);
	at->uc_mcontext.gregs[REG_RAX] = -ENOSYS; /* it was not made */
	errno = before;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ALLOW       BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define TRAP        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)
#define MAY(call)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), ALLOW

static void filter_install(void)
{
	struct sock_filter filter[] = {
		LOAD(nr),
		/* Sockets, and the descriptors that wake others. */
		MAY(epoll_wait),
		MAY(epoll_pwait),
		MAY(epoll_ctl),
		MAY(recvfrom),
		MAY(sendto),
		MAY(sendmsg),
		MAY(accept4),
		MAY(close),
		MAY(shutdown),
		MAY(socket),
		MAY(connect),
		MAY(setsockopt),
		MAY(getsockopt),
		MAY(getsockname),
		MAY(read),
		MAY(preadv2),
		/* Session-ids want the system's randomness; the clock, where the kernel does not map it. */
		MAY(getrandom),
		MAY(clock_gettime),
		/* The end of the loop, and ours. */
		MAY(exit),
		MAY(exit_group),
		MAY(rt_sigreturn),
		/* Not to stdout or stderr: that would be a log line. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_writev, 1, 0),
		TRAP,
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 2, 0, 1),
		ALLOW,
		TRAP,
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		tell("no filter for system calls can be had: errno", errno);
}
#else
static void filter_install(void)
{
}
#endif

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout_ms)
{
	Dl_info caller;

	if (real_epoll_wait == NULL)
		real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
	if (!was_seen) {
		was_seen = true;
		if (dladdr(__builtin_return_address(0), &caller) == 0 ||
			strstr(caller.dli_fname, "librte") == NULL) {
			atomic_fetch_add(&workers, 1);
			filter_install();
			is_worker = true;
		}
	}
	return real_epoll_wait(fd, events, max, timeout_ms);
}

/* ---- life ---- */

__attribute__((constructor)) static void begin(void)
{
	void *from[1];

	out = fcntl(2, F_DUPFD_CLOEXEC, 3);
	backtrace(from, 1); /* loads what it needs, now */
#if defined(__x86_64__)
	sigaction(SIGSYS,
		&(struct sigaction){ .sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER },
		NULL);
#endif
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("PLENUM_STILL_REPORT");
	char line[120];
	int fd, n;

	if (path == NULL || (fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0)
		return;
	n = snprintf(line, sizeof(line), "workers=%u memory=%u locks=%u calls=%u\n",
		atomic_load(&workers), atomic_load(&memory), atomic_load(&locks),
		atomic_load(&calls));
	if (write(fd, line, (size_t)n) != n)
		tell("the report cannot be written: errno", errno);
	close(fd);
}
