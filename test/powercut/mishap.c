// Runs a program to which something happens at a system call that makes state durable.
//
//   mishap kill N [--log FILE] COMMAND [ARG ...]   kills it when it is about to make the N-th such call; 0: never
//   mishap skip CALL[,CALL...] COMMAND [ARG ...]   makes these calls do nothing and tell of success
//
// The calls of all threads of the program are counted together, in the order in which they come; those of programs that
// it starts are not. Writes count when they go to a regular file. With `kill`, FILE gets one line a call: number, name.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct call {
  const char *name;
  long number;
  int is_write;
};

#define CALL(name) {#name, SYS_##name, 0}
#define WRITE(name) {#name, SYS_##name, 1}
static const struct call calls[] = {
    CALL(fsync),    CALL(fdatasync), CALL(syncfs),  CALL(renameat2), CALL(symlinkat),  CALL(linkat),
    CALL(unlinkat), CALL(mkdirat),   CALL(fchmod),  WRITE(pwrite64), WRITE(pwritev),   WRITE(write),
    WRITE(writev),  WRITE(ftruncate), WRITE(copy_file_range),
#ifdef SYS_rename
    CALL(rename),   CALL(symlink),   CALL(link),    CALL(unlink),    CALL(rmdir),      CALL(mkdir),
#endif
#ifdef SYS_renameat
    CALL(renameat),
#endif
};
#define CALLS (sizeof calls / sizeof *calls)

static pid_t program;

static void die(const char *what) {
  fprintf(stderr, "mishap: %s: %s\n", what, strerror(errno));
  exit(125);
}

static const struct call *find_number(long number) {
  for (size_t i = 0; i < CALLS; i++)
    if (calls[i].number == number) return &calls[i];
  return NULL;
}

// Has the kernel answer `action` for the calls of which `chosen` holds; all others pass.
static void filter(const char *chosen, unsigned action) {
  struct sock_filter code[2 * CALLS + 2];
  unsigned short length = 0;
  code[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < CALLS; i++) {
    if (!chosen[i]) continue;
    code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, 0, 1);
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
  }
  code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog rules = {length, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rules) != 0) die("seccomp");
}

static void skip(char *names, char **command) {
  char chosen[CALLS] = {0};
  for (char *name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
    size_t i = 0;
    while (i < CALLS && strcmp(calls[i].name, name) != 0) i++;
    if (i == CALLS) fprintf(stderr, "mishap: %s is not a call that makes state durable\n", name), exit(125);
    chosen[i] = 1;
  }
  filter(chosen, SECCOMP_RET_ERRNO);
  execvp(command[0], command);
  die(command[0]);
}

static void pass_on(int number) { kill(program, number); }

// Whether the call that a thread of the program has stopped at counts, and which it is.
static const struct call *counted(pid_t thread) {
  char path[64];
  struct stat about;
  snprintf(path, sizeof path, "/proc/%d/task/%d", program, thread);
  if (stat(path, &about) != 0) return NULL;
  struct __ptrace_syscall_info info;
  if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) return NULL;
  const struct call *call = find_number((long)info.seccomp.nr);
  if (call == NULL || !call->is_write) return call;
  int argument = call->number == SYS_copy_file_range ? 2 : 0;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", program, (int)info.seccomp.args[argument]);
  return stat(path, &about) == 0 && S_ISREG(about.st_mode) ? call : NULL;
}

// Lets all threads and programs run, each to its end. Returns the status of the program itself.
static int follow(long fatal, FILE *log) {
  long count = 0;
  int result = 0, status;
  pid_t thread;
  while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
    if (thread <= 0) continue;
    if (!WIFSTOPPED(status)) {
      if (thread == program) result = status;
      continue;
    }
    int event = status >> 16, signal_number = 0;
    if (event == PTRACE_EVENT_SECCOMP) {
      const struct call *call = counted(thread);
      if (call != NULL) {
        count++;
        if (log != NULL) fprintf(log, "%ld %s\n", count, call->name), fflush(log);
        if (count == fatal) kill(program, SIGKILL);
      }
    } else if (event == 0) {
      signal_number = WSTOPSIG(status);
    }
    ptrace(PTRACE_CONT, thread, 0, signal_number);
  }
  return result;
}

static int kill_at(long fatal, FILE *log, char **command) {
  int gate[2];
  if (pipe(gate) != 0) die("pipe");
  program = fork();
  if (program == 0) {
    char all[CALLS], go;
    close(gate[1]);
    if (read(gate[0], &go, 1) != 1) _exit(125);
    close(gate[0]);
    memset(all, 1, sizeof all);
    filter(all, SECCOMP_RET_TRACE);
    execvp(command[0], command);
    die(command[0]);
  }
  long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                 PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
  if (ptrace(PTRACE_SEIZE, program, 0, options) != 0) die("ptrace");
  struct sigaction action = {.sa_handler = pass_on};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  close(gate[0]);
  if (write(gate[1], "", 1) != 1) die("pipe");
  close(gate[1]);
  int status = follow(fatal, log);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int count, char **arguments) {
  if (count > 3 && strcmp(arguments[1], "skip") == 0) skip(arguments[2], arguments + 3);
  if (count > 3 && strcmp(arguments[1], "kill") == 0) {
    char **rest = arguments + 3;
    FILE *log = NULL;
    if (count > 5 && strcmp(rest[0], "--log") == 0) {
      log = fopen(rest[1], "we");
      if (log == NULL) die(rest[1]);
      rest += 2;
    }
    return kill_at(strtol(arguments[2], NULL, 10), log, rest);
  }
  fprintf(stderr, "usage: mishap kill N [--log FILE] COMMAND ... | mishap skip CALL[,CALL...] COMMAND ...\n");
  return 125;
}
