/* A disk that fails. Preloaded into a process (LD_PRELOAD), it lets the N-th operation on the
 * journal's files go wrong as told, where the operating system would report it:
 *
 *   DISK_FAULT_PATH   part of the path of the files concerned
 *   DISK_FAULT        KIND,N,HOW
 *     KIND  write, sync, cut, or any of them
 *     N     counted from 1
 *     HOW   eio    that one operation fails; a write has written half
 *           full   from then on every write fails for want of space; the first has written half
 *           kill   the process is killed there; a write has written half
 *
 * It says so on standard error when it strikes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { WRITE, SYNC, CUT };
enum verdict { FINE, FAIL, HALF };

static atomic_long seen;
static atomic_int struck;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int concerned(int fd)
{
    const char *part = getenv("DISK_FAULT_PATH");
    char link[64], path[4096];
    ssize_t length;
    if (!part) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, part) && !strstr(path, ".lock");
}

static void say(const char *text)
{
    REAL(write)(2, text, strlen(text));
}

static enum verdict judge(enum kind kind, int fd)
{
    static const char *names[] = { "write", "sync", "cut" };
    const char *told = getenv("DISK_FAULT");
    char wanted[16], how[16];
    long at;
    if (!told || sscanf(told, "%15[^,],%ld,%15s", wanted, &at, how) != 3) return FINE;
    if (strcmp(wanted, "any") && strcmp(wanted, names[kind])) return FINE;
    if (!concerned(fd)) return FINE;
    if (!strcmp(how, "full") && struck) {
        errno = ENOSPC;
        return kind == WRITE ? FAIL : FINE;
    }
    if (++seen != at) return FINE;
    struck = 1;
    say("disk fault\n");
    errno = strcmp(how, "full") ? EIO : ENOSPC;
    if (!strcmp(how, "full") && kind != WRITE) return FINE;
    return kind == WRITE ? HALF : FAIL;
}

static void perhaps_die(void)
{
    const char *told = getenv("DISK_FAULT");
    if (told && strstr(told, "kill")) raise(SIGKILL);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    enum verdict verdict = judge(WRITE, fd);
    if (verdict == FINE) return REAL(write)(fd, bytes, count);
    if (verdict == HALF) {
        int error = errno;
        REAL(write)(fd, bytes, count / 2);
        perhaps_die();
        errno = error;
    }
    return -1;
}

static ssize_t write_at(int fd, const void *bytes, size_t count, off64_t at)
{
    enum verdict verdict = judge(WRITE, fd);
    if (verdict == FINE) return REAL(pwrite64)(fd, bytes, count, at);
    if (verdict == HALF) {
        int error = errno;
        REAL(pwrite64)(fd, bytes, count / 2, at);
        perhaps_die();
        errno = error;
    }
    return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at)
{
    return write_at(fd, bytes, count, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    return write_at(fd, bytes, count, at);
}

#define OPERATION(name, kind, parameters, arguments)        \
    int name parameters                                     \
    {                                                       \
        if (judge(kind, fd) == FINE)                        \
            return REAL(name) arguments;                    \
        perhaps_die();                                      \
        return -1;                                          \
    }

OPERATION(fsync, SYNC, (int fd), (fd))
OPERATION(fdatasync, SYNC, (int fd), (fd))
OPERATION(ftruncate, CUT, (int fd, off_t length), (fd, length))
OPERATION(ftruncate64, CUT, (int fd, off64_t length), (fd, length))
