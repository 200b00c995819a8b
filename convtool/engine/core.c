/* The compiled core: sums of taps over the rows of an image, and what becomes of them, while they are in the cache.
 *
 * Python plans (plan.py, window.py) and checks what people give. `check` at the end of this file looks once more at
 * every number that a pointer is made of; nothing before it checks anything.
 *
 * The order of a sum
 *
 *     Taps are multiplied and added in the order in which they are given, each product rounded and then each sum: no
 *     fused multiply-add. `radix` taps make a leaf, which starts from 0. `radix` leaves, one added to the next, make a
 *     branch, `radix` branches a larger one, and so on; at the end what is left of each size is added, the smallest
 *     first. sliding.py does the same in NumPy. So the result is the same on every machine, for any width of vectors.
 *
 *     Only in banks (BANK below) a product and the sum it goes into are rounded once, together, on every machine that
 *     has an instruction for it: avx2, avx512 and neon, not baseline. That is 1.5 times as fast with avx512, and 1.25
 *     times with avx2 (64 filters of 7x7x3 on an Intel Xeon, model 207).
 *
 *     A separable kernel is a sum of terms. Each is a column of taps over the rows, then a row of taps over these sums.
 *
 * A row of samples in the making
 *
 *     A padded row is held as planes: one for each channel that is added up, each dealt out into one for each phase of
 *     the columns' stride. A kernel that is used on every channel alike has one plane with the channels interleaved.
 *     The samples under one tap of all windows of a row then lie side by side, from the tap's offset on.
 */

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if FLT_EVAL_METHOD != 0
#error "sums in more digits than float has would not be the same on every machine; NumPy takes over"
#endif

enum { UINT8, UINT16, INT16, INT32, FLOAT32 };             /* samples of images and outputs */
enum { RING_INT16, RING_INT32, RING_FLOAT32 };             /* in which type they are summed */
enum { AS_IT_IS, INTEGER, IN_SINGLE, IN_DOUBLE };          /* how sums become values, see Finish */
enum { BLOCK = 8, LEVELS = 30, CHUNK = 1024, BANK_CHUNK = 384 };  /* 2**30 leaves are more than there are taps */

#define SINGLE_MAGIC 12582912.0f          /* 1.5 * 2**23 */
#define WIDE_MAGIC 6755399441055744.0     /* 1.5 * 2**52 */

/* From a sum to a value: INTEGER sum + add; IN_SINGLE sum * multiply / divide + add, in float32; IN_DOUBLE
 * (sum * multiply + add) / divide, in float64. Then, if asked for, its magnitude. UINT8 and UINT16 are rounded half to
 * even and clipped to 0..full. */
typedef struct {
    int arithmetic, out, absolute;
    int32_t full;
    ptrdiff_t bytes; /* of an output */
    double multiply, divide, add;
} Finish;

typedef struct {
    const char *samples;
    ptrdiff_t height, width, channels, down, across, deep; /* sizes, and steps in bytes */
    int sample;
} Image;

/* Rows of outputs are summed two at a time, one under the other, as most samples lie under the windows of both. A source
 * is a sample under one of them or both; a step is a run of sources that are taken alike, at whose end leaves may end. */
enum { FIRST = 1, SECOND = 2, BOTH = 3 };
typedef struct {
    int32_t sources, rows, ends; /* of FIRST and SECOND: who takes the sources, and whose leaf ends after them */
} Step;

/* What a job is made of: WINDOW gives the sums of one filter, BANK those of some fours, and TERMs add up to those of one. */
enum { WINDOW, TERM, BANK };
typedef struct {
    int32_t kind, sources, steps;
    int32_t along; /* the taps of a term's row, which stand after its sources; how many times four filters a bank has */
} Part;

/* Everything about a run; `weight` is in the type of the ring. */
typedef struct {
    Image image;
    int ring, each; /* each: the kernel is used on every channel alike */
    ptrdiff_t stride, span;                     /* rows from one window to the next, and under one window */
    ptrdiff_t rows, columns, width;             /* outputs; padded columns; output columns */
    ptrdiff_t phases, lead, inner, start;       /* padded columns lead.. are image columns start.., inner of them */
    ptrdiff_t filters;
    const int32_t *row_of, *column_of;          /* where padded rows and columns come from; -1: the constant */
    ptrdiff_t row_count;
    double constant;
    const Part *part;
    const Step *step;
    const int32_t *tap;                         /* (row, offset) of each source or tap */
    const void *weight;                         /* two for each source, one for each tap, four in a bank */
    ptrdiff_t parts, steps, taps, weights, radix; /* lengths of these; and see above */
    Finish finish;
    char *out;
    ptrdiff_t out_down, out_across, out_deep; /* steps in bytes */
} Job;

static const ptrdiff_t SAMPLE_BYTES[] = {1, 2, 2, 4, 4}, RING_BYTES[] = {2, 4, 4};

/* Widths of vectors ------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    void (*sum[3])(const void *const *, const void *, ptrdiff_t, ptrdiff_t, void *, ptrdiff_t, ptrdiff_t);
    void (*pair[3])(const void *const *, const void *, const Step *, ptrdiff_t, ptrdiff_t, void *, void *, ptrdiff_t,
                    ptrdiff_t);
    void (*bank)(const void *const *, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t, ptrdiff_t);
    void (*convert[3])(int, const void *, void *, ptrdiff_t);
    void (*part[3])(const void *, void *, ptrdiff_t);
    ptrdiff_t (*finish[3])(const void *, ptrdiff_t, const Finish *, void *);
} Width;

#define FUNCTIONS(NAME)                                                                                               \
    {                                                                                                                 \
        .sum = {NAME(sum_16), NAME(sum_32), NAME(sum_f)}, .bank = NAME(bank_f),               \
        .pair = {NAME(pair_16), NAME(pair_32), NAME(pair_f)},                                                         \
        .convert = {NAME(convert_16), NAME(convert_32), NAME(convert_f)},                     \
        .part = {NAME(part_16), NAME(part_32), NAME(part_f)},                                                         \
        .finish = {NAME(finish_16), NAME(finish_32), NAME(finish_f)},                         \
    }

#if defined(__GNUC__) /* and Clang: vectors of any width, which become as many instructions as the machine takes */
#define BASELINE_BYTES 16
#else
#define BASELINE_BYTES 0
#endif

#if defined(__aarch64__) && BASELINE_BYTES
#include <arm_neon.h>
#define MULTIPLY_ADD(x, w, sum) ((V)vfmaq_n_f32((float32x4_t)(sum), (float32x4_t)(x), w))
#else
#define MULTIPLY_ADD(x, w, sum) ((sum) + (x) * (w))
#endif
#define NAME(x) x##_baseline
#define BYTES BASELINE_BYTES
#define TARGET
#include "lanes.h"
#undef NAME
#undef BYTES
#undef TARGET
#undef MULTIPLY_ADD

#if defined(__GNUC__) && defined(__x86_64__)
#define X86 1
#include <immintrin.h>
#define MULTIPLY_ADD(x, w, sum) ((V)_mm256_fmadd_ps((__m256)(x), _mm256_set1_ps(w), (__m256)(sum)))
#define NAME(x) x##_avx2
#define BYTES 32
#define TARGET __attribute__((target("avx2,fma")))
#include "lanes.h"
#undef NAME
#undef BYTES
#undef TARGET
#undef MULTIPLY_ADD

#define MULTIPLY_ADD(x, w, sum) ((V)_mm512_fmadd_ps((__m512)(x), _mm512_set1_ps(w), (__m512)(sum)))
#define NAME(x) x##_avx512
#define BYTES 64
#ifdef __clang__
#define TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#include "lanes.h"
#undef NAME
#undef BYTES
#undef TARGET
#endif

#define BASELINE(x) x##_baseline
#define AVX2(x) x##_avx2
#define AVX512(x) x##_avx512
static const Width WIDTHS[] = {
    FUNCTIONS(BASELINE),
#ifdef X86
    FUNCTIONS(AVX2),
    FUNCTIONS(AVX512),
#endif
};
#if defined(__aarch64__)
static const char *const WIDTH_NAMES[] = {"neon"};
#else
static const char *const WIDTH_NAMES[] = {"baseline", "avx2", "avx512"};
#endif

/* How many of the widths this machine has. */
static int widths(void)
{
#ifdef X86
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 1;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return 3;
    return 2;
#else
    return 1;
#endif
}

/* Padded rows ------------------------------------------------------------------------------------------------------ */

#define SLACK 512 /* bytes beyond the end of each row that whole blocks may touch */
#define WIDEST 4  /* bytes of a sample */

/* Elements from one row of the ring to the next: whole cache lines, an odd number of them, as rows a power of two apart
 * would evict each other. */
static ptrdiff_t pitch_of(ptrdiff_t elements, ptrdiff_t size)
{
    return ((elements * size + SLACK + 63) / 64 | 1) * 64 / size;
}

static ptrdiff_t unit_of(const Job *job)
{
    return job->each ? job->image.channels : 1;
}

/* Elements of one phase of one plane. */
static ptrdiff_t plane_of(const Job *job)
{
    return (job->columns + job->phases - 1) / job->phases * unit_of(job);
}

static ptrdiff_t elements_of(const Job *job)
{
    return plane_of(job) * job->phases * (job->each ? 1 : job->image.channels);
}

static int dealt(const Job *job)
{
    return job->phases > 1 || (!job->each && job->image.channels > 1);
}

#define GATHER(NUMBER, TYPE)                                                                                          \
    case NUMBER:                                                                                                      \
        for (ptrdiff_t x = 0; x < count; x++)                                                                         \
            for (ptrdiff_t c = 0; c < image->channels; c++)                                                           \
                ((TYPE *)to)[x * image->channels + c] = *(const TYPE *)(from + x * image->across + c * image->deep);   \
        break;

/* Samples of `count` pixels that do not lie side by side, side by side. */
static void gather(const Image *image, const char *from, void *to, ptrdiff_t count)
{
    switch (image->sample) {
        GATHER(UINT8, uint8_t)
        GATHER(UINT16, uint16_t)
        GATHER(INT16, uint16_t)
        GATHER(INT32, uint32_t)
        GATHER(FLOAT32, uint32_t)
    }
}

/* Pixels from `column` on of an image row, converted. */
static void read_pixels(const Job *job, const Width *width, const Image *image, ptrdiff_t row, ptrdiff_t column,
                        ptrdiff_t count, char *spare, void *to)
{
    const char *from = image->samples + row * image->down + column * image->across;
    ptrdiff_t size = SAMPLE_BYTES[image->sample];
    if ((image->channels > 1 && image->deep != size) || image->across != size * image->channels) {
        gather(image, from, spare, count);
        from = spare;
    }
    width->convert[job->ring](image->sample, from, to, count * image->channels);
}

static void fill(int ring, void *to, ptrdiff_t count, double value)
{
    for (ptrdiff_t at = 0; at < count; at++)
        if (ring == RING_INT16)
            ((int16_t *)to)[at] = (int16_t)value;
        else if (ring == RING_INT32)
            ((int32_t *)to)[at] = (int32_t)value;
        else
            ((float *)to)[at] = (float)value;
}

#define DEAL(TYPE)                                                                                                    \
    for (ptrdiff_t u = 0; u < unit; u++)                                                                              \
        for (ptrdiff_t x = 0; x < count; x++)                                                                         \
            ((TYPE *)to)[x * unit + u] = ((const TYPE *)from)[x * step + u];

/* Every `step`th run of `unit` elements, `count` of them. */
static void deal(void *restrict to, const void *restrict from, ptrdiff_t count, ptrdiff_t unit, ptrdiff_t step,
                 ptrdiff_t size)
{
    if (size == 2)
        DEAL(uint16_t)
    else
        DEAL(uint32_t)
}

/* Padded row `row` of an image with all its channels side by side; `spare` has room for its samples. */
static void read_line(const Job *job, const Width *width, const Image *image, ptrdiff_t row, char *spare, char *line)
{
    ptrdiff_t pixel = image->channels * RING_BYTES[job->ring], after = job->lead + job->inner;
    int32_t source = job->row_of[row];
    if (source < 0) {
        fill(job->ring, line, job->columns * image->channels, job->constant);
        return;
    }
    if (job->inner)
        read_pixels(job, width, image, source, job->start, job->inner, spare, line + job->lead * pixel);
    for (ptrdiff_t x = job->lead ? 0 : after; x < job->columns; x = x + 1 == job->lead ? after : x + 1)
        if (job->column_of[x] < 0)
            fill(job->ring, line + x * pixel, image->channels, job->constant);
        else
            read_pixels(job, width, image, source, job->column_of[x], 1, spare, line + x * pixel);
}

/* Write padded row `row` into the ring; `spare` has room for one such row and its samples. */
static void read_row(const Job *job, const Width *width, ptrdiff_t row, char *spare, char *to)
{
    ptrdiff_t channels = job->image.channels, size = RING_BYTES[job->ring], plane = plane_of(job);
    char *samples = spare + pitch_of(job->columns * channels, size) * size;
    if (!dealt(job)) {
        read_line(job, width, &job->image, row, samples, to);
        return;
    }
    if (job->phases == 1 && job->image.across == SAMPLE_BYTES[job->image.sample]) { /* planes already */
        Image one = job->image;
        one.channels = 1;
        for (ptrdiff_t c = 0; c < channels; c++, one.samples += one.deep)
            read_line(job, width, &one, row, samples, to + c * plane * size);
        return;
    }
    read_line(job, width, &job->image, row, samples, spare);
    if (channels == 3 && job->phases == 1) { /* colour pictures: in one go, with as many samples as a vector holds */
        width->part[job->ring](spare, to, plane);
        return;
    }
    for (ptrdiff_t c = 0; c < (job->each ? 1 : channels); c++)
        for (ptrdiff_t phase = 0; phase < job->phases; phase++, to += plane * size)
            deal(to, spare + (phase * channels + c) * size, (job->columns - phase + job->phases - 1) / job->phases,
                 unit_of(job), job->phases * channels, size);
}

/* The run ---------------------------------------------------------------------------------------------------------- */

/* Memory that one run needs beyond its input and output. */
typedef struct {
    char *ring, *spare, *column[2], *sums[4], *samples;
    const void **source;
    ptrdiff_t slots, pitch, chunk, chunk_pitch; /* rows of the ring; elements of one, and of a chunk of outputs */
    void *all;
} Memory;

static int reserve(const Job *job, Memory *memory)
{
    ptrdiff_t size = RING_BYTES[job->ring], channels = job->image.channels, count = job->width * unit_of(job), all = 64;
    /* What a row's pass reads lies side by side only where rows are not dealt out: else a chunk is the whole row. */
    ptrdiff_t most = job->part->kind == BANK ? BANK_CHUNK : CHUNK;
    memory->chunk = job->part->kind == TERM && dealt(job) ? count : count < most ? count : most;
    memory->chunk_pitch = pitch_of(memory->chunk, size);
    memory->pitch = pitch_of(elements_of(job), size);
    memory->slots = job->span + job->stride;
    struct {
        ptrdiff_t bytes;
        char **at;
    } wanted[] = {
        {memory->slots * memory->pitch * size, &memory->ring},
        {pitch_of(job->columns * channels, size) * size + job->columns * channels * WIDEST, &memory->spare},
        {memory->pitch * size, &memory->column[0]},
        {memory->pitch * size, &memory->column[1]},
        {memory->chunk_pitch * size * 4, &memory->sums[0]},
        {CHUNK * WIDEST, &memory->samples},
        {job->taps * (ptrdiff_t)sizeof(void *), (char **)&memory->source},
    };
    for (size_t at = 0; at < sizeof wanted / sizeof *wanted; at++)
        all += wanted[at].bytes = (wanted[at].bytes + 63) / 64 * 64;
    if (!(memory->all = calloc(1, (size_t)all)))
        return 0;
    char *here = (char *)(((uintptr_t)memory->all + 63) / 64 * 64);
    for (size_t at = 0; at < sizeof wanted / sizeof *wanted; here += wanted[at++].bytes)
        *wanted[at].at = here;
    for (int f = 1; f < 4; f++)
        memory->sums[f] = memory->sums[0] + f * memory->chunk_pitch * size;
    return 1;
}

/* Taps and weights of a part. */
static ptrdiff_t taps_of(const Part *part)
{
    return (ptrdiff_t)part->sources + (part->kind == TERM ? part->along : 0);
}

static ptrdiff_t weights_of(const Part *part)
{
    ptrdiff_t sources = part->sources;
    return part->kind == BANK ? 4 * sources * part->along : 2 * sources + part->along;
}

/* Where taps read, in the window that begins with padded row `first`. */
static const void *const *sources(const Job *job, Memory *memory, const int32_t *tap, ptrdiff_t count, ptrdiff_t first)
{
    ptrdiff_t size = RING_BYTES[job->ring], slot = first % memory->slots;
    for (ptrdiff_t t = 0; t < count; t++, tap += 2) {
        ptrdiff_t row = slot + tap[0] < memory->slots ? slot + tap[0] : slot + tap[0] - memory->slots;
        memory->source[t] = memory->ring + (row * memory->pitch + tap[1]) * size;
    }
    return memory->source;
}

/* From sums to outputs `at`.. of a row of a filter, n of them; how many were clipped. */
static ptrdiff_t write_out(const Job *job, const Width *width, Memory *memory, const char *sums, ptrdiff_t row,
                       ptrdiff_t filter, ptrdiff_t at, ptrdiff_t n)
{
    ptrdiff_t size = RING_BYTES[job->ring], unit = unit_of(job), wide = job->finish.bytes, lost = 0;
    char *out = job->out + row * job->out_down + filter * job->out_deep;
    int direct = job->out_across == unit * wide && (unit == 1 || job->out_deep == wide);
    for (ptrdiff_t stop = at + n; at < stop; at += CHUNK, sums += CHUNK * size) {
        ptrdiff_t some = stop - at < CHUNK ? stop - at : CHUNK;
        char *to = direct ? out + at * wide : memory->samples;
        lost += width->finish[job->ring](sums, some, &job->finish, to);
        for (ptrdiff_t j = 0; !direct && j < some; j++)
            memcpy(out + (at + j) / unit * job->out_across + (at + j) % unit * job->out_deep, to + j * wide,
                   (size_t)wide);
    }
    return lost;
}

/* One term: a column of taps over the rows, then a row of taps over these sums, added to those of the terms before. */
static void add_term(const Job *job, const Width *width, Memory *memory, const Part *part, const Step *step,
                     const int32_t *tap, const char *weight, ptrdiff_t first, ptrdiff_t at, ptrdiff_t n, int again)
{
    ptrdiff_t size = RING_BYTES[job->ring], start = 0, length = elements_of(job);
    const int32_t *along = tap + 2 * part->sources;
    if (!dealt(job)) {
        ptrdiff_t reach = 0;
        for (ptrdiff_t t = 0; t < part->along; t++)
            reach = along[2 * t + 1] > reach ? along[2 * t + 1] : reach;
        start = at, length = n + reach;
    }
    width->pair[job->ring](sources(job, memory, tap, part->sources, first), weight, step, part->steps, job->radix,
                           memory->column[0], memory->column[1], start, length);
    for (int r = 0; r < 2; r++) {
        char *to = memory->sums[r + 2 * again];
        for (ptrdiff_t t = 0; t < part->along; t++)
            memory->source[t] = memory->column[r] + (along[2 * t + 1] + at - start) * size;
        width->sum[job->ring](memory->source, weight + 2 * part->sources * size, part->along, job->radix, to, 0, n);
        for (ptrdiff_t j = 0; again && j < n; j++) /* of float32 only: whole numbers are one term */
            ((float *)memory->sums[r])[j] += ((float *)to)[j];
    }
}

/* Outputs `at`.. of one row or two, n of each; how many were clipped. */
static ptrdiff_t run_chunk(const Job *job, const Width *width, Memory *memory, ptrdiff_t row, int rows, ptrdiff_t at,
                           ptrdiff_t n)
{
    ptrdiff_t size = RING_BYTES[job->ring], first = row * job->stride, filter = 0, lost = 0;
    const Step *step = job->step;
    const int32_t *tap = job->tap;
    const char *weight = job->weight;
    for (ptrdiff_t p = 0; p < job->parts; p++) {
        const Part *part = &job->part[p];
        if (part->kind == BANK) {
            ptrdiff_t four = 4 * part->sources;
            for (int r = 0; r < rows; r++) {
                sources(job, memory, tap, part->sources, first + r * job->stride);
                for (ptrdiff_t f = 0; f < 4 * part->along; f++) {
                    if (f % 4 == 0)
                        width->bank(memory->source, (const float *)weight + f / 4 * four, part->sources, job->radix,
                                    (float *)memory->sums[0], memory->chunk_pitch, at, n);
                    lost += write_out(job, width, memory, memory->sums[f % 4], row + r, filter + f, at, n);
                }
            }
            filter += 4 * part->along;
        } else if (part->kind == TERM) {
            add_term(job, width, memory, part, step, tap, weight, first, at, n, p > 0);
        } else {
            width->pair[job->ring](sources(job, memory, tap, part->sources, first), weight, step, part->steps,
                                   job->radix, memory->sums[0], memory->sums[1], at, n);
        }
        if (part->kind == WINDOW || (part->kind == TERM && p == job->parts - 1)) {
            for (int r = 0; r < rows; r++)
                lost += write_out(job, width, memory, memory->sums[r], row + r, filter, at, n);
            filter++;
        }
        step += part->steps;
        tap += 2 * taps_of(part);
        weight += weights_of(part) * size;
    }
    return lost;
}

/* Do the whole job; how many samples were clipped. Of an odd last row the second of the two is summed for nothing. */
static ptrdiff_t run(const Job *job, const Width *width, Memory *memory)
{
    ptrdiff_t count = job->width * unit_of(job), read = 0, lost = 0;
    for (ptrdiff_t row = 0; row < job->rows; row += 2) {
        int rows = row + 1 < job->rows ? 2 : 1;
        ptrdiff_t first = row * job->stride, stop = first + (rows - 1) * job->stride + job->span;
        for (read = read > first ? read : first; read < stop; read++)
            read_row(job, width, read, memory->spare,
                     memory->ring + read % memory->slots * memory->pitch * RING_BYTES[job->ring]);
        for (ptrdiff_t at = 0; at < count; at += memory->chunk)
            lost += run_chunk(job, width, memory, row, rows, at,
                              count - at < memory->chunk ? count - at : memory->chunk);
    }
    return lost;
}

/* Checks ----------------------------------------------------------------------------------------------------------- */

/* What is wrong with the parts of a job: together they have to take all steps, taps and weights, and fill all filters. */
static const char *wrong_parts(const Job *job)
{
    ptrdiff_t steps = 0, taps = 0, weights = 0, filters = 0;
    for (ptrdiff_t at = 0; at < job->parts; at++) {
        const Part *part = &job->part[at];
        int term = part->kind == TERM, bank = part->kind == BANK;
        if (part->kind < WINDOW || part->kind > BANK || part->sources < 1 || part->steps < 0 || part->along < 0)
            return "there is no such part";
        if (term != (job->part->kind == TERM) || (part->along > 0) != (term || bank) || (part->steps > 0) == bank)
            return "a part does not go with the others or with its taps";
        if (job->ring != RING_FLOAT32 && (bank || (term && job->parts > 1)))
            return "banks and several terms are summed as float32";
        ptrdiff_t sources = 0;
        for (ptrdiff_t step = steps; step < steps + part->steps && step < job->steps; step++) {
            const Step *here = &job->step[step];
            if (here->sources < 1 || (here->rows | here->ends | BOTH) != BOTH)
                return "there is no such step";
            sources += here->sources;
        }
        if (!bank && sources != part->sources)
            return "the steps of a part do not take its sources";
        steps += part->steps;
        taps += taps_of(part);
        if ((double)part->sources * part->along > 1e15)
            return "a bank is too large";
        weights += weights_of(part);
        filters += bank ? 4 * (ptrdiff_t)part->along : term ? at == 0 : 1;
    }
    if (steps != job->steps || taps != job->taps || weights != job->weights)
        return "the parts do not share out the steps, taps and weights";
    return filters != job->filters ? "the parts give another number of filters" : NULL;
}

/* What is wrong with a job, in words; NULL if a run may trust it. */
static const char *wrong(const Job *job)
{
    const Image *image = &job->image;
    const char *why;
    const double most = 1e15;
    if (image->height < 1 || image->width < 1 || image->channels < 1)
        return "the image has no samples";
    if (job->ring < RING_INT16 || job->ring > RING_FLOAT32 || (job->each != 0 && job->each != 1))
        return "there is no such type of sums";
    if (image->sample == FLOAT32 && job->ring != RING_FLOAT32)
        return "float samples are summed as float32";
    if (job->stride < 1 || job->span < 1 || job->phases < 1 || job->rows < 1 || job->width < 1 || job->radix < 1)
        return "a length is below 1";
    if (job->stride > INT32_MAX || job->span > INT32_MAX || job->rows > INT32_MAX || job->phases > INT32_MAX)
        return "a length is too large";
    if (job->row_count != (job->rows - 1) * job->stride + job->span)
        return "the padded rows are too few or too many for the windows";
    if (job->phases > job->columns)
        return "there are more phases than columns";
    if (job->columns < 1 || job->taps < 1 || job->taps > INT32_MAX || job->parts < 1 || job->filters < 1)
        return "there are no columns, taps, parts or filters";
    if ((double)job->columns * (double)image->channels * (double)job->span * (double)job->phases > most)
        return "the rows under a window are too large";
    if (job->lead < 0 || job->inner < 0 || job->start < 0 || job->lead > job->columns - job->inner ||
        job->start > image->width - job->inner)
        return "the columns inside lie outside";
    for (ptrdiff_t at = 0; at < job->row_count; at++)
        if (job->row_of[at] < -1 || job->row_of[at] >= image->height)
            return "a padded row comes from outside the image";
    for (ptrdiff_t at = 0; at < job->columns; at++)
        if (job->column_of[at] < -1 || job->column_of[at] >= image->width)
            return "a padded column comes from outside the image";
    if ((double)job->width * (double)unit_of(job) > (double)elements_of(job))
        return "the windows are wider than the padded rows";
    ptrdiff_t last = elements_of(job) - job->width * unit_of(job);
    for (ptrdiff_t at = 0; at < job->taps; at++)
        if (job->tap[2 * at] < 0 || job->tap[2 * at] >= job->span + job->stride || job->tap[2 * at + 1] < 0 ||
            job->tap[2 * at + 1] > last)
            return "a tap lies outside the window";
    if ((why = wrong_parts(job)))
        return why;
    const Finish *finish = &job->finish;
    double widest = job->ring == RING_INT16 ? INT16_MAX : INT32_MAX;
    if (job->ring != RING_FLOAT32 && !(fabs(job->constant) <= widest))
        return "the border does not fit the type of the sums";
    if (finish->arithmetic < AS_IT_IS || finish->arithmetic > IN_DOUBLE)
        return "there is no such arithmetic";
    if (finish->arithmetic == AS_IT_IS)
        return finish->out != (job->ring == RING_INT16 ? INT16 : job->ring == RING_INT32 ? INT32 : FLOAT32)
                   ? "sums as they are keep their type"
                   : NULL;
    if (finish->arithmetic == INTEGER) {
        if (job->ring == RING_FLOAT32 || finish->out == FLOAT32 || finish->full > widest)
            return "whole numbers are finished as whole numbers that hold the full scale";
        if (!(fabs(finish->add) <= widest))
            return "what is added does not fit the type of the sums";
    }
    if (finish->out != UINT8 && finish->out != UINT16 && finish->out != FLOAT32)
        return "there is no such type of outputs";
    if (finish->full < 0 || finish->full > (finish->out == UINT8 ? UINT8_MAX : UINT16_MAX))
        return "the full scale does not fit the outputs";
    if (finish->divide == 0)
        return "a division by 0";
    return NULL;
}

/* Python ----------------------------------------------------------------------------------------------------------- */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum { IMAGE, ROWS, COLUMNS, PARTS, STEPS, TAPS, WEIGHTS, NUMBERS, REALS, OUT, BUFFERS };
static const char *const BUFFER_NAMES[] = {"image", "rows", "columns", "parts", "steps",
                                           "taps", "weights", "numbers", "reals", "out"};
static const int DIMENSIONS[] = {3, 1, 1, 1, 1, 1, 1, 1, 1, 3};

/* The letter of a buffer's type (struct's), 0 for a foreign order of bytes or several numbers in one. */
static char letter_of(const Py_buffer *view)
{
    static const uint16_t one = 1;
    const char *format = view->format ? view->format : "B", native = *(const char *)&one ? '<' : '>';
    if (*format == '@' || *format == '=' || *format == native)
        format++;
    return format[0] && !format[1] ? format[0] : 0;
}

/* The sample type of a buffer, -1 for one that is not ours. */
static int sample_of(const Py_buffer *view)
{
    static const char LETTERS[] = "BHhif";
    char letter = letter_of(view);
    const char *found = letter ? strchr(LETTERS, letter) : NULL;
    int sample = found ? (int)(found - LETTERS) : -1;
    return sample >= 0 && view->itemsize == SAMPLE_BYTES[sample] ? sample : -1;
}

static int aligned(const Py_buffer *view)
{
    uintptr_t ends = (uintptr_t)view->buf;
    for (int axis = 0; axis < view->ndim; axis++)
        ends |= (uintptr_t)view->strides[axis];
    return view->itemsize > 0 && ends % (uintptr_t)view->itemsize == 0;
}

/* What is wrong with a buffer by itself. */
static const char *wrong_buffer(int which, const Py_buffer *view)
{
    static const char *const TYPES[] = {NULL, "i", "i", "i", "i", "i", NULL, "lq", "d", NULL};
    if (view->ndim != DIMENSIONS[which])
        return "has another number of axes";
    if (!aligned(view))
        return "is not aligned";
    if (which != IMAGE && which != OUT && view->shape[0] > 1 && view->strides[0] != view->itemsize)
        return "is not contiguous";
    if (which == NUMBERS && view->itemsize != 8)
        return "is not of 64 bits";
    if (!TYPES[which])
        return sample_of(view) < 0 ? "has another type of samples" : NULL;
    return letter_of(view) && strchr(TYPES[which], letter_of(view)) ? NULL : "has another type of numbers";
}

enum { NUMBER_COUNT = 12, REAL_COUNT = 4 };

/* The job that buffers describe; the numbers are in the order in which core.py packs them. */
static Job job_of(const Py_buffer *views)
{
    const int64_t *n = views[NUMBERS].buf;
    const double *real = views[REALS].buf;
    const Py_buffer *image = &views[IMAGE], *out = &views[OUT];
    int sample = sample_of(out);
    return (Job){
        .image = {image->buf, image->shape[0], image->shape[1], image->shape[2], image->strides[0], image->strides[1],
                  image->strides[2], sample_of(image)},
        .ring = (int)n[0], .each = (int)n[1], .stride = n[2], .span = n[3], .phases = n[4], .lead = n[5],
        .inner = n[6], .start = n[7], .radix = n[8], .rows = out->shape[0], .width = out->shape[1],
        .filters = n[1] ? 1 : out->shape[2], .columns = views[COLUMNS].shape[0], .row_of = views[ROWS].buf,
        .column_of = views[COLUMNS].buf, .row_count = views[ROWS].shape[0], .constant = real[0],
        .part = views[PARTS].buf, .parts = views[PARTS].shape[0] / 4, .step = views[STEPS].buf,
        .steps = views[STEPS].shape[0] / 3, .tap = views[TAPS].buf, .taps = views[TAPS].shape[0] / 2,
        .weight = views[WEIGHTS].buf, .weights = views[WEIGHTS].shape[0],
        .finish = {.arithmetic = (int)n[9], .out = sample, .absolute = n[10] != 0, .full = (int32_t)n[11],
                   .bytes = SAMPLE_BYTES[sample], .multiply = real[1], .divide = real[2], .add = real[3]},
        .out = out->buf, .out_down = out->strides[0], .out_across = out->strides[1], .out_deep = out->strides[2],
    };
}

static const char *wrong_call(const Py_buffer *views, Job *job)
{
    const int64_t *n = views[NUMBERS].buf;
    if (views[NUMBERS].shape[0] != NUMBER_COUNT || views[REALS].shape[0] != REAL_COUNT)
        return "numbers or reals are too few or too many";
    for (int at = 0; at < NUMBER_COUNT; at++)
        if (n[at] < 0 || n[at] > INT32_MAX)
            return "a number is out of range";
    if (views[PARTS].shape[0] % 4 || views[STEPS].shape[0] % 3 || views[TAPS].shape[0] % 2)
        return "parts are four numbers each, steps three and taps two";
    *job = job_of(views);
    const char *why = wrong(job);
    if (why)
        return why;
    if (sample_of(&views[WEIGHTS]) != (job->ring == RING_INT16 ? INT16 : job->ring == RING_INT32 ? INT32 : FLOAT32))
        return "weights have the type of the sums";
    return job->each && views[OUT].shape[2] != job->image.channels ? "out has another number of channels" : NULL;
}

static PyObject *filter(PyObject *module, PyObject *arguments)
{
    PyObject *given[BUFFERS];
    int level;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iOOOOOOOOOO", &level, &given[0], &given[1], &given[2], &given[3], &given[4],
                          &given[5], &given[6], &given[7], &given[8], &given[9]))
        return NULL;
    Py_buffer views[BUFFERS];
    int held = 0;
    PyObject *result = NULL;
    const char *why = level < 0 || level >= widths() ? "this machine has no such width of vectors" : NULL;
    for (; !why && held < BUFFERS; held++) {
        if (PyObject_GetBuffer(given[held], &views[held], held == OUT ? PyBUF_RECORDS : PyBUF_RECORDS_RO) < 0)
            goto done;
        if ((why = wrong_buffer(held, &views[held]))) {
            PyErr_Format(PyExc_ValueError, "%s %s", BUFFER_NAMES[held], why);
            held++;
            goto done;
        }
    }
    Job job;
    if (!why)
        why = wrong_call(views, &job);
    if (why) {
        PyErr_SetString(PyExc_ValueError, why);
        goto done;
    }
    Memory memory;
    int reserved;
    ptrdiff_t lost = 0;
    Py_BEGIN_ALLOW_THREADS
    reserved = reserve(&job, &memory);
    if (reserved) {
        lost = run(&job, &WIDTHS[level], &memory);
        free(memory.all);
    }
    Py_END_ALLOW_THREADS
    result = reserved ? PyLong_FromSsize_t(lost) : PyErr_NoMemory();
done:
    while (held > 0)
        PyBuffer_Release(&views[--held]);
    return result;
}

static PyMethodDef METHODS[] = {
    {"filter", filter, METH_VARARGS, "Filter rows of an image; core.py says how. Returns how many samples were clipped."},
    {NULL, NULL, 0, NULL},
};

static int start(PyObject *module)
{
    PyObject *names = PyTuple_New(widths());
    for (int at = 0; names && at < widths(); at++)
        PyTuple_SetItem(names, at, PyUnicode_FromString(WIDTH_NAMES[at]));
    if (!names || PyModule_AddObject(module, "WIDTHS", names) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, (void *)start},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_GIL_DISABLED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "convtool.engine._core", "The compiled core.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&MODULE);
}
