/* Tasks of your own for Center's workers: build a shared library against this header and give it to
 * a server with `centerctl server start --task-module /path/libmine.so`. Plain C, so any compiler
 * and most languages will do.
 *
 *     #include <center/task.h>
 *     #include <stdio.h>
 *
 *     static int Length(void* state, center_call* call) {
 *       char text[32];
 *       int bytes = snprintf(text, sizeof text, "%zu", call->input.size);
 *       (void)state;
 *       return call->append(call, text, (size_t)bytes);
 *     }
 *
 *     static const center_task kTasks[] = {
 *         {"length", "the number of bytes of each input", "Takes no arguments.\n",
 *          NULL, NULL, Length, NULL}};
 *     static const center_task_module kModule = {
 *         CENTER_TASK_ABI_VERSION, sizeof(center_task), 1, kTasks};
 *     CENTER_TASK_EXPORT const center_task_module* center_task_module_get(void) {
 *       return &kModule;
 *     }
 *
 *     cc -shared -fPIC -I/usr/local/include -o liblength.so length.c
 *     centerctl server start --task-module $PWD/liblength.so
 *     centerctl job submit length --inputs words.txt -o raw
 *
 * Versions. A worker loads a module whose abi_version is its own, and refuses every other. Within
 * one version, structures only grow at their end; struct_bytes and task_bytes say how much of one
 * is there.
 *
 * Threads. A module is used by all compute threads of its worker at once. A state (see create)
 * belongs to one thread, which alone creates, uses and destroys it; what a module keeps outside of
 * its states it guards itself. center_task_module_get runs once, when the worker starts, before
 * anything else of the module. A call is valid only on the thread, and until the return, of the
 * function that was given it; so is what it points to.
 *
 * Lifetimes. The module, its tasks and their strings live as long as the process: a library is
 * never unloaded. A state is kept while its thread has chunks of the same job, task and arguments,
 * and a while longer; at the worker's end it is destroyed unless a task does not come back.
 *
 * Errors. A task that returns something other than 0 fails the current input, and only that. What a
 * C++ function throws is caught, and fails the input as well. A crash, exit() or abort() ends the
 * worker: the job finds out which input it was, goes on without it, and reports it. Do not write to
 * stdout or read stdin; stderr goes to the log.
 *
 * Limits. A result has at most 16 MiB, an error message 4 KiB (the rest is cut off); a module has
 * at most 256 tasks; a name has 1 to 63 characters of [a-z0-9_.-], the first a letter, and is not
 * taken by another task.
 *
 * Stopping. A job that is cancelled, an input that exceeds its timeout and a worker that ends ask a
 * task to stop: `stopping` says so. Ask as often as once a millisecond, and return (anything but 0)
 * soon after. A task that does not is ended with its worker when the server's --cancel-grace is
 * over.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CENTER_TASK_ABI_VERSION 1u
/* The function that a module exports. */
#define CENTER_TASK_MODULE_SYMBOL "center_task_module_get"
/* Makes it visible whatever -fvisibility says. */
#ifdef __cplusplus
#define CENTER_TASK_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define CENTER_TASK_EXPORT __attribute__((visibility("default")))
#endif

/* Bytes that belong to somebody else. `data` may be NULL when `size` is 0. */
typedef struct center_bytes {
  const char* data;
  size_t size;
} center_bytes;

/* What `create` is given. */
typedef struct center_setup center_setup;
struct center_setup {
  uint32_t struct_bytes;
  uint32_t arg_count;
  /* The job's arguments. A zero byte follows each, which its size does not count. */
  const center_bytes* args;
  /* To be set: passed to run and destroy. May stay NULL. */
  void* state;
  /* Says what is wrong; then return what it returned, which is never 0. */
  int (*fail)(center_setup* setup, const char* message, size_t bytes);
};

/* What `run` is given: the current input, and what can be done about it. */
typedef struct center_call center_call;
struct center_call {
  uint32_t struct_bytes;
  /* 1: the job runs over a range; `number` is the input, and `input` its decimal text. */
  int32_t is_number;
  int64_t number;
  center_bytes input;
  /* The input's position in the job, from 0. */
  uint64_t index;
  /* run_many only. Ends the current input, which has its result now, and goes on to the next: 1. 0:
   * there is none, or nothing more is wanted: return 0. */
  int (*next)(center_call* call);
  /* Appends to the current input's result. 0, or not 0 when it is too large: the input fails, going
   * on is in vain. */
  int (*append)(center_call* call, const void* data, size_t bytes);
  /* The current input fails with this message, and has no result. Returns 1: `return call->fail(…)`
   * in run; in run_many, go on with `next`. */
  int (*fail)(center_call* call, const char* message, size_t bytes);
  /* Not 0: stop. Costs a nanosecond or two. */
  int (*stopping)(center_call* call);
};

typedef struct center_task {
  const char* name;
  /* One line. */
  const char* summary;
  /* Arguments, inputs and results, for people; lines end with a line feed. */
  const char* help;
  /* Makes a state from the job's arguments. 0, or not 0 when they are wrong: every input fails with
   * the message. NULL: the task has no state and takes no arguments. */
  int (*create)(center_setup* setup);
  /* May be NULL. */
  void (*destroy)(void* state);
  /* Exactly one of the two; the other is NULL.
   * Runs the task on one input. 0: what was appended is its result. */
  int (*run)(void* state, center_call* call);
  /* Runs it on many: `while (call->next(call)) …`. For tasks that take well below a microsecond.
   * When it returns something other than 0 (or throws), the current input has failed, and it is
   * called again for those that are left. */
  int (*run_many)(void* state, center_call* call);
} center_task;

typedef struct center_task_module {
  uint32_t abi_version; /* CENTER_TASK_ABI_VERSION */
  uint32_t task_bytes;  /* sizeof(center_task) */
  uint32_t task_count;
  const center_task* tasks;
} center_task_module;

/* What a module exports; NULL when it cannot be used (say why on stderr). */
typedef const center_task_module* (*center_task_module_get_function)(void);

#ifdef __cplusplus
}
#endif
