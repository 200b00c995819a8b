/* Makes calls of the core that tests/core_calls.py has written to a file, and writes what came of them to another.
 *
 *     driver CALLS ANSWERS
 *
 * Every number is 64 bits long, in the order of bytes of the machine. A file of calls: how many they are, then of each
 * call its buffers (core.c's BUFFERS), each of them
 *
 *     8 bytes of its format, item size, read-only, axes, shape (4), steps (4), the place of the first element in the
 *     memory that follows, its length, the memory
 *
 * The answers: how many widths of vectors there are, then for each of them the answers to all calls: how many samples
 * were clipped, the length of the output's memory, the memory; or REFUSED, the length of what was said, the text.
 *
 * Each buffer has memory of its own with not a byte to spare, so that a sanitizer sees who goes beyond it.
 */

#include <Python.h>
#include <math.h>

#ifdef WITHOUT_VECTORS /* for a compiler that has none; the headers of the system are read by now */
#undef __GNUC__
#endif

#include "core.c"

enum { REFUSED = -1, AXES = 4 };

static void stop(const char *why)
{
    fprintf(stderr, "%s\n", why);
    exit(2);
}

static void take(FILE *file, void *to, size_t bytes)
{
    if (bytes && fread(to, 1, bytes, file) != bytes)
        stop("the file of calls ends early");
}

static int64_t take_number(FILE *file)
{
    int64_t number;
    take(file, &number, sizeof number);
    return number;
}

static void put(FILE *file, const void *from, size_t bytes)
{
    if (bytes && fwrite(from, 1, bytes, file) != bytes)
        stop("the answers cannot be written");
}

static void put_number(FILE *file, int64_t number)
{
    put(file, &number, sizeof number);
}

/* A buffer as it is in the file. */
typedef struct {
    PyObject object;
    char format[9];
    Py_ssize_t shape[AXES], strides[AXES];
    char *memory;
    size_t length;
} Given;

static void take_buffer(FILE *file, Given *given)
{
    Py_buffer *view = &given->object.view;
    take(file, given->format, 8);
    view->format = given->format;
    view->itemsize = take_number(file);
    view->readonly = (int)take_number(file);
    view->ndim = (int)take_number(file);
    view->shape = given->shape, view->strides = given->strides;
    for (int axis = 0; axis < AXES; axis++)
        given->shape[axis] = take_number(file);
    for (int axis = 0; axis < AXES; axis++)
        given->strides[axis] = take_number(file);
    int64_t before = take_number(file);
    given->length = (size_t)take_number(file);
    if (!(given->memory = malloc(given->length + !given->length)))
        stop("no memory for a buffer");
    take(file, given->memory, given->length);
    view->buf = given->memory + before;
}

/* Make a call with every width. What the output's memory held before each of them is what was given. */
static void make_call(FILE *file, FILE **answers)
{
    Given given[BUFFERS];
    PyObject level = {0}, *items[BUFFERS + 1] = {&level}, arguments = {.items = items};
    memset(given, 0, sizeof given);
    for (int at = 0; at < BUFFERS; at++) {
        take_buffer(file, &given[at]);
        items[at + 1] = &given[at].object;
    }
    Given *out = &given[OUT];
    char *kept = malloc(out->length + 1);
    if (!kept)
        stop("no memory for an output");
    memcpy(kept, out->memory, out->length);
    for (level.number = 0; level.number < widths(); level.number++) {
        FILE *answer = answers[level.number];
        memcpy(out->memory, kept, out->length);
        PyObject *lost = filter(NULL, &arguments);
        put_number(answer, lost ? lost->number : REFUSED);
        size_t length = lost ? out->length : strlen(complaint);
        put_number(answer, (int64_t)length);
        put(answer, lost ? out->memory : complaint, length);
    }
    for (int at = 0; at < BUFFERS; at++) {
        if (given[at].object.held)
            stop("a buffer was not given back");
        free(given[at].memory);
    }
    free(kept);
}

/* One file after the other into the answers. */
static void join(FILE *part, FILE *answers)
{
    char some[1 << 16];
    rewind(part);
    for (size_t read; (read = fread(some, 1, sizeof some, part)) > 0;)
        put(answers, some, read);
    fclose(part);
}

int main(int count, char **words)
{
    FILE *calls = count == 3 ? fopen(words[1], "rb") : NULL, *answers = count == 3 ? fopen(words[2], "wb") : NULL;
    FILE *parts[sizeof WIDTHS / sizeof *WIDTHS];
    if (!calls || !answers)
        stop("driver CALLS ANSWERS");
    for (int level = 0; level < widths(); level++)
        if (!(parts[level] = tmpfile()))
            stop("no temporary file");
    for (int64_t left = take_number(calls); left > 0; left--)
        make_call(calls, parts);
    put_number(answers, widths());
    for (int level = 0; level < widths(); level++)
        join(parts[level], answers);
    fclose(calls);
    if (fclose(answers))
        stop("the answers cannot be written");
    return 0;
}
