/* An example of a task module, in C: each input backwards. The argument "upper" makes it capitals,
 * too.
 *
 *   cc -shared -fPIC -I/usr/local/include -o libreverse.so reverse.c
 *   centerctl server start --task-module $PWD/libreverse.so
 *   echo hello | centerctl job submit reverse --inputs - -o raw
 */
#include <center/task.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int upper;
  char* text; /* grows as needed; one state belongs to one thread */
  size_t capacity;
} State;

static int Create(center_setup* setup) {
  static const char kWhat[] = "reverse takes one argument at most: upper";
  const int upper = setup->arg_count == 1 && strcmp(setup->args[0].data, "upper") == 0;
  State* state;
  if (setup->arg_count > 1 || (setup->arg_count == 1 && !upper)) {
    return setup->fail(setup, kWhat, sizeof kWhat - 1);
  }
  state = (State*)calloc(1, sizeof *state);
  if (state == NULL) return setup->fail(setup, "no memory", 9);
  state->upper = upper;
  setup->state = state;
  return 0;
}

static void Destroy(void* argument) {
  State* state = (State*)argument;
  free(state->text);
  free(state);
}

static int Run(void* argument, center_call* call) {
  State* state = (State*)argument;
  const size_t size = call->input.size;
  size_t i;
  if (size > state->capacity) {
    char* grown = (char*)realloc(state->text, size);
    if (grown == NULL) return call->fail(call, "no memory", 9);
    state->text = grown;
    state->capacity = size;
  }
  for (i = 0; i < size; ++i) {
    const char c = call->input.data[size - 1 - i];
    state->text[i] = state->upper ? (char)toupper((unsigned char)c) : c;
  }
  return call->append(call, state->text, size);
}

static const center_task kTasks[] = {
    {"reverse", "each input backwards",
     "Argument: upper, for capitals.\nInput:    any bytes.\nResult:   the same, last first.\n",
     Create, Destroy, Run, NULL}};
static const center_task_module kModule = {CENTER_TASK_ABI_VERSION, sizeof(center_task), 1, kTasks};

CENTER_TASK_EXPORT const center_task_module* center_task_module_get(void) { return &kModule; }
