/* The compiled core: sums of taps over the rows of an image, and what becomes of them, while they are in the cache.
 *
 * Python plans (plan.py, window.py) and checks what people give. `check` at the end of this file looks once more at
 * every number that a pointer is made of; nothing before it checks anything.
 *
 * The order of a sum
 *
 *     Taps are multiplied and added in the order in which they are given, each product rounded and then each sum: no
 *     fused multiply-add. Every `leaf` taps make a leaf. RADIX leaves, one added to the next, make a branch, RADIX
 *     branches a larger one, and so on; at the end what is left of each size is added, the smallest first. sliding.py
 *     does the same in NumPy. So the result is the same on every machine, for any width of vectors.
 *
 *     A separable kernel is a sum of terms. Each is a column of taps over the rows, then a row of taps over these sums.
 *
 * A row of samples in the making
 *
 *     A padded row is held as planes: one for each channel that is added up, each dealt out into one for each phase of
 *     the columns' stride. A kernel that is used on every channel alike has one plane with the channels interleaved.
 *     The samples under one tap of all windows of a row then lie side by side, from the tap's offset on.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { UINT8, UINT16, INT16, INT32, FLOAT32 };             /* samples of images and outputs */
enum { RING_INT16, RING_INT32, RING_FLOAT32 };             /* in which type they are summed */
enum { AS_IT_IS, INTEGER, IN_SINGLE, IN_DOUBLE };          /* how sums become values, see Finish */
enum { BLOCK = 8, RADIX = 4, LEVELS = 12, CHUNK = 2048 };  /* 4**12 leaves are more than there are weights */

#define SINGLE_MAGIC 12582912.0f          /* 1.5 * 2**23 */
#define WIDE_MAGIC 6755399441055744.0     /* 1.5 * 2**52 */

/* From a sum to a value: INTEGER sum + add; IN_SINGLE sum * multiply / divide + add, in float32; IN_DOUBLE
 * (sum * multiply + add) / divide, in float64. Then, if asked for, its magnitude. UINT8 and UINT16 are rounded half to
 * even and clipped to 0..full. */
typedef struct {
    int arithmetic, out, absolute;
    int32_t full;
    double multiply, divide, add;
} Finish;

typedef struct {
    const char *samples;
    ptrdiff_t height, width, channels, down, across, deep; /* sizes, and steps in bytes */
    int sample;
} Image;

typedef struct {
    Image image;
    int ring, each; /* each: the kernel is used on every channel alike */
    ptrdiff_t stride, span;                     /* rows from one window to the next, and under one window */
    ptrdiff_t rows, columns, width;             /* outputs; padded columns; output columns */
    ptrdiff_t phases, lead, inner, start;       /* padded columns lead.. are image columns start.., inner of them */
    const int32_t *row_of, *column_of;          /* where padded rows and columns come from; -1: the constant */
    ptrdiff_t row_count;
    double constant;
    ptrdiff_t filters, terms;                   /* terms: 0 for taps over the whole window */
    ptrdiff_t taps, leaf;
    const int32_t *tap;                         /* (row, offset) of each */
    const int32_t *split;                       /* (column taps, row taps) of each term, in the order of the taps */
    const void *weight;                         /* of each filter's taps, in the type of the ring */
    Finish finish;
    char *out;
    ptrdiff_t out_down, out_across, out_deep; /* steps in bytes */
} Job;

/* A run of sources that two rows of outputs take, see `pair`. */
enum { FIRST = 1, SECOND = 2, BOTH = 3 };
typedef struct {
    int32_t sources;
    int8_t rows, ends; /* of FIRST and SECOND: who takes the sources, and whose leaf ends behind them */
} Step;

static const ptrdiff_t SAMPLE_BYTES[] = {1, 2, 2, 4, 4}, RING_BYTES[] = {2, 4, 4};

/* Widths of vectors ------------------------------------------------------------------------------------------------ */

typedef struct {
    const char *name;
    void (*sum[3])(const void *const *, const void *, ptrdiff_t, ptrdiff_t, void *, ptrdiff_t);
    void (*pair[3])(const void *const *, const void *, const Step *, ptrdiff_t, int, void *, void *, ptrdiff_t);
    void (*bank)(const void *const *, const float *, ptrdiff_t, ptrdiff_t, float *, ptrdiff_t, ptrdiff_t);
    void (*convert[3])(int, const void *, void *, ptrdiff_t);
    ptrdiff_t (*finish[3])(const void *, ptrdiff_t, const Finish *, void *);
} Width;

#define FUNCTIONS(NAME)                                                                                               \
    {                                                                                                                 \
        .sum = {NAME(sum_16), NAME(sum_32), NAME(sum_f)}, .bank = NAME(bank_f),               \
        .pair = {NAME(pair_16), NAME(pair_32), NAME(pair_f)},                                                         \
        .convert = {NAME(convert_16), NAME(convert_32), NAME(convert_f)},                     \
        .finish = {NAME(finish_16), NAME(finish_32), NAME(finish_f)},                         \
    }

#if defined(__GNUC__) /* and Clang: vectors of any width, which become as many instructions as the machine takes */
#define BASELINE_BYTES 16
#else
#define BASELINE_BYTES 0
#define restrict
#endif

#define NAME(x) x##_baseline
#define BYTES BASELINE_BYTES
#define TARGET
#include "lanes.h"
#undef NAME
#undef BYTES
#undef TARGET

#if defined(__GNUC__) && defined(__x86_64__)
#define X86 1
#define NAME(x) x##_avx2
#define BYTES 32
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"
#undef NAME
#undef BYTES
#undef TARGET

#define NAME(x) x##_avx512
#define BYTES 64
#ifdef __clang__
#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define TARGET __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
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
    if (!__builtin_cpu_supports("avx2"))
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
static void read_pixels(const Job *job, const Width *width, ptrdiff_t row, ptrdiff_t column, ptrdiff_t count,
                        char *spare, void *to)
{
    const Image *image = &job->image;
    const char *from = image->samples + row * image->down + column * image->across;
    ptrdiff_t size = SAMPLE_BYTES[image->sample];
    if (image->deep != size || image->across != size * image->channels) {
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

/* Write padded row `row` into the ring; `spare` holds one interleaved padded row and its samples. */
static void read_row(const Job *job, const Width *width, ptrdiff_t row, char *spare, char *to)
{
    ptrdiff_t channels = job->image.channels, size = RING_BYTES[job->ring], pixel = channels * size;
    char *line = dealt(job) ? spare : to, *gathered = spare + pitch_of(job->columns * channels, size) * size;
    int32_t source = job->row_of[row];
    if (source < 0) {
        fill(job->ring, line, job->columns * channels, job->constant);
    } else {
        if (job->inner)
            read_pixels(job, width, source, job->start, job->inner, gathered, line + job->lead * pixel);
        for (ptrdiff_t x = 0; x < job->columns; x++) {
            if (x == job->lead && job->inner) {
                x += job->inner - 1;
                continue;
            }
            int32_t column = job->column_of[x];
            if (column < 0)
                fill(job->ring, line + x * pixel, channels, job->constant);
            else
                read_pixels(job, width, source, column, 1, gathered, line + x * pixel);
        }
    }
    if (!dealt(job))
        return;
    ptrdiff_t unit = unit_of(job), plane = plane_of(job);
    for (ptrdiff_t c = 0; c < (job->each ? 1 : channels); c++)
        for (ptrdiff_t phase = 0; phase < job->phases; phase++, to += plane * size) {
            ptrdiff_t count = (job->columns - phase + job->phases - 1) / job->phases;
            ptrdiff_t first = phase * channels + c, step = job->phases * channels;
            for (ptrdiff_t x = 0; x < count; x++)
                for (ptrdiff_t u = 0; u < unit; u++)
                    if (size == 2)
                        ((uint16_t *)to)[x * unit + u] = ((const uint16_t *)line)[first + x * step + u];
                    else
                        ((uint32_t *)to)[x * unit + u] = ((const uint32_t *)line)[first + x * step + u];
        }
}

/* The run ---------------------------------------------------------------------------------------------------------- */

/* What two rows of outputs, one under the other, take together. */
typedef struct {
    int32_t *tap; /* (row, offset) of each source */
    char *weight; /* two for each */
    Step *step;
    ptrdiff_t sources, steps;
} Pairs;

/* Memory that one run needs beyond its input and output. */
typedef struct {
    char *ring, *spare, *sums, *column, *total;
    const void **source;         /* where each tap reads */
    Pairs pairs;
    ptrdiff_t slots;             /* rows of the ring */
    ptrdiff_t pitch, sums_pitch; /* elements */
    void *all;
} Memory;

static int reserve(const Job *job, Memory *memory)
{
    ptrdiff_t size = RING_BYTES[job->ring], channels = job->image.channels;
    memory->pitch = pitch_of(elements_of(job), size);
    memory->sums_pitch = pitch_of(job->width * unit_of(job), size);
    ptrdiff_t bytes[] = {
        (memory->slots = job->span + job->stride) * memory->pitch * size,
        pitch_of(job->columns * channels, size) * size + job->columns * channels * WIDEST,
        memory->sums_pitch * size * 4,
        memory->pitch * WIDEST,
        memory->sums_pitch * size,
        2 * job->taps * (ptrdiff_t)sizeof(void *),
        4 * job->taps * (ptrdiff_t)sizeof(int32_t),
        4 * job->taps * WIDEST,
        (2 * job->taps + 1) * (ptrdiff_t)sizeof(Step),
    };
    ptrdiff_t all = 64;
    for (size_t at = 0; at < sizeof bytes / sizeof *bytes; at++)
        all += bytes[at] = (bytes[at] + 63) / 64 * 64;
    if (!(memory->all = calloc(1, (size_t)all)))
        return 0;
    char *at = (char *)(((uintptr_t)memory->all + 63) / 64 * 64);
    memory->ring = at;
    memory->spare = at += bytes[0];
    memory->sums = at += bytes[1];
    memory->column = at += bytes[2];
    memory->total = at += bytes[3];
    memory->source = (const void **)(at += bytes[4]);
    memory->pairs.tap = (int32_t *)(at += bytes[5]);
    memory->pairs.weight = at += bytes[6];
    memory->pairs.step = (Step *)(at += bytes[7]);
    return 1;
}

static char *slot(const Job *job, const Memory *memory, ptrdiff_t row)
{
    return memory->ring + row % memory->slots * memory->pitch * RING_BYTES[job->ring];
}

/* Sums of one output row of filter n, at `sums`, in elements 0..count. */
static void sum_terms(const Job *job, const Width *width, Memory *memory, ptrdiff_t first, char *sums, ptrdiff_t count)
{
    ptrdiff_t size = RING_BYTES[job->ring], tap = 0, elements = elements_of(job);
    const char *weight = job->weight;
    for (ptrdiff_t term = 0; term < job->terms; term++) {
        ptrdiff_t down = job->split[2 * term], along = job->split[2 * term + 1];
        char *to = term ? memory->total : sums;
        for (ptrdiff_t t = 0; t < down; t++)
            memory->source[t] = slot(job, memory, first + job->tap[2 * (tap + t)]);
        width->sum[job->ring](memory->source, weight + tap * size, down, job->leaf, memory->column, elements);
        tap += down;
        for (ptrdiff_t t = 0; t < along; t++)
            memory->source[t] = memory->column + job->tap[2 * (tap + t) + 1] * size;
        width->sum[job->ring](memory->source, weight + tap * size, along, job->leaf, to, count);
        tap += along;
        if (term)
            for (ptrdiff_t at = 0; at < count; at++)
                ((float *)sums)[at] += ((float *)to)[at]; /* whole numbers are one term */
    }
}

/* From the sums of one filter and row to its outputs; how many were clipped. */
static ptrdiff_t write_row(const Job *job, const Width *width, Memory *memory, const char *sums, ptrdiff_t row,
                           ptrdiff_t filter)
{
    static const ptrdiff_t SAME[] = {2, 4, 4};
    ptrdiff_t size = RING_BYTES[job->ring], unit = unit_of(job), count = job->width * unit, lost = 0;
    ptrdiff_t wide = job->finish.arithmetic == AS_IT_IS ? SAME[job->ring] : SAMPLE_BYTES[job->finish.out];
    char *out = job->out + row * job->out_down + filter * job->out_deep;
    int direct = job->out_across == unit * wide && (unit == 1 || job->out_deep == wide);
    for (ptrdiff_t at = 0; at < count; at += CHUNK) {
        ptrdiff_t n = count - at < CHUNK ? count - at : CHUNK;
        char *to = direct ? out + at * wide : memory->column;
        lost += width->finish[job->ring](sums + at * size, n, &job->finish, to);
        for (ptrdiff_t j = 0; !direct && j < n; j++) {
            char *here = out + (at + j) / unit * job->out_across + (at + j) % unit * job->out_deep;
            memcpy(here, to + j * wide, (size_t)wide);
        }
    }
    return lost;
}

/* Where a tap stands in the order of sums: its plane, its row, its column. */
static int64_t rank_of(const Job *job, ptrdiff_t row, ptrdiff_t offset)
{
    ptrdiff_t plane = plane_of(job), deep = plane * job->phases;
    int64_t column = offset % plane / unit_of(job) * job->phases + offset % deep / plane;
    return (offset / deep * (2 * (int64_t)INT32_MAX) + row) * (2 * (int64_t)job->columns) + column;
}

/* The taps of one filter for two rows of outputs: merged where both read the same sample, in the order of both.
 *
 * Of samples that are whole numbers both take all sources, those of the other with a weight of 0, which changes no sum:
 * a loop that always ends at the same place is faster than one that multiplies less. */
static void pair_up(const Job *job, Pairs *pairs)
{
    ptrdiff_t taps = job->taps, size = RING_BYTES[job->ring], at[2] = {0, 0};
    Step *step = pairs->step;
    pairs->sources = pairs->steps = 0;
    while (at[0] < taps || at[1] < taps) {
        int64_t rank[2] = {INT64_MAX, INT64_MAX};
        for (int row = 0; row < 2; row++)
            if (at[row] < taps)
                rank[row] = rank_of(job, job->tap[2 * at[row]] + row * job->stride, job->tap[2 * at[row] + 1]);
        int8_t rows = (int8_t)(rank[0] == rank[1] ? BOTH : rank[0] < rank[1] ? FIRST : SECOND), ends = 0;
        memset(pairs->weight + 2 * pairs->sources * size, 0, (size_t)(2 * size));
        for (int row = 0; row < 2; row++) {
            if (!(rows & (FIRST << row)))
                continue;
            ptrdiff_t tap = at[row]++;
            pairs->tap[2 * pairs->sources] = (int32_t)(job->tap[2 * tap] + row * job->stride);
            pairs->tap[2 * pairs->sources + 1] = job->tap[2 * tap + 1];
            memcpy(pairs->weight + (2 * pairs->sources + row) * size, (const char *)job->weight + tap * size, (size_t)size);
            if (at[row] % job->leaf == 0 || at[row] == taps)
                ends |= (int8_t)(FIRST << row);
        }
        rows = job->image.sample == FLOAT32 ? rows : BOTH;
        if (pairs->steps && step[-1].rows == rows && !step[-1].ends)
            step[-1].sources++;
        else
            *step++ = (Step){1, rows, 0}, pairs->steps++;
        step[-1].ends = ends;
        pairs->sources++;
    }
}

/* Rows of the ring up to `stop`, those before `first` left out. */
static void read_rows(const Job *job, const Width *width, Memory *memory, ptrdiff_t *read, ptrdiff_t first,
                      ptrdiff_t stop)
{
    for (*read = *read > first ? *read : first; *read < stop; ++*read)
        read_row(job, width, *read, memory->spare, slot(job, memory, *read));
}

/* One row of outputs of every filter. */
static ptrdiff_t run_row(const Job *job, const Width *width, Memory *memory, ptrdiff_t row)
{
    ptrdiff_t size = RING_BYTES[job->ring], count = job->width * unit_of(job), first = row * job->stride, lost = 0;
    if (job->terms) {
        sum_terms(job, width, memory, first, memory->sums, count);
        return write_row(job, width, memory, memory->sums, row, 0);
    }
    for (ptrdiff_t t = 0; t < job->taps; t++)
        memory->source[t] = slot(job, memory, first + job->tap[2 * t]) + job->tap[2 * t + 1] * size;
    const char *weight = job->weight; /* of whole fours side by side, then of those that are left */
    ptrdiff_t filter = 0;
    for (; job->ring == RING_FLOAT32 && filter + 4 <= job->filters; filter += 4, weight += 4 * job->taps * size) {
        width->bank(memory->source, (const float *)weight, job->taps, job->leaf, (float *)memory->sums,
                    memory->sums_pitch, count);
        for (ptrdiff_t f = 0; f < 4; f++)
            lost += write_row(job, width, memory, memory->sums + f * memory->sums_pitch * size, row, filter + f);
    }
    for (; filter < job->filters; filter++, weight += job->taps * size) {
        width->sum[job->ring](memory->source, weight, job->taps, job->leaf, memory->sums, count);
        lost += write_row(job, width, memory, memory->sums, row, filter);
    }
    return lost;
}

/* Two rows of outputs of the only filter. */
static ptrdiff_t run_pair(const Job *job, const Width *width, Memory *memory, ptrdiff_t row)
{
    ptrdiff_t size = RING_BYTES[job->ring], count = job->width * unit_of(job), first = row * job->stride;
    const Pairs *pairs = &memory->pairs;
    for (ptrdiff_t t = 0; t < pairs->sources; t++)
        memory->source[t] = slot(job, memory, first + pairs->tap[2 * t]) + pairs->tap[2 * t + 1] * size;
    char *second = memory->sums + memory->sums_pitch * size;
    width->pair[job->ring](memory->source, pairs->weight, pairs->step, pairs->steps, job->taps > job->leaf,
                           memory->sums, second, count);
    return write_row(job, width, memory, memory->sums, row, 0) + write_row(job, width, memory, second, row + 1, 0);
}

/* Do the whole job; how many samples were clipped. */
static ptrdiff_t run(const Job *job, const Width *width, Memory *memory)
{
    ptrdiff_t row = 0, read = 0, lost = 0;
    int pairs = job->filters == 1 && !job->terms && job->stride < job->span;
    if (pairs)
        pair_up(job, &memory->pairs);
    for (; pairs && row + 2 <= job->rows; row += 2) {
        read_rows(job, width, memory, &read, row * job->stride, (row + 1) * job->stride + job->span);
        lost += run_pair(job, width, memory, row);
    }
    for (; row < job->rows; row++) {
        read_rows(job, width, memory, &read, row * job->stride, row * job->stride + job->span);
        lost += run_row(job, width, memory, row);
    }
    return lost;
}

/* Checks ----------------------------------------------------------------------------------------------------------- */

/* What is wrong with a job, in words; NULL if a run may trust it. The lengths are those of the arrays it points to. */
static const char *wrong(const Job *job, ptrdiff_t columns_given, ptrdiff_t taps_given, ptrdiff_t splits_given,
                         ptrdiff_t weights_given)
{
    const Image *image = &job->image;
    const double most = 1e15;
    if (image->height < 1 || image->width < 1 || image->channels < 1)
        return "the image has no samples";
    if (job->ring < RING_INT16 || job->ring > RING_FLOAT32 || (job->each != 0 && job->each != 1))
        return "there is no such type of sums";
    if (image->sample == FLOAT32 && job->ring != RING_FLOAT32)
        return "float samples are summed as float32";
    if (job->stride < 1 || job->span < 1 || job->phases < 1 || job->rows < 1 || job->width < 1 || job->leaf < 1)
        return "a length is below 1";
    if (job->stride > INT32_MAX || job->span > INT32_MAX || job->rows > INT32_MAX || job->phases > INT32_MAX)
        return "a length is too large";
    if (job->row_count != (job->rows - 1) * job->stride + job->span)
        return "the padded rows are too few or too many for the windows";
    if (job->columns != columns_given || job->columns < 1)
        return "the padded columns are not as many as was said";
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
    if (job->filters < 1 || job->terms < 0 || job->taps < 1 || job->taps > INT32_MAX || job->filters > INT32_MAX)
        return "there are no filters or taps, or too many";
    if (job->filters > 1 && (job->each || job->terms))
        return "several filters take taps that span the depth";
    if (job->terms > 1 && job->ring != RING_FLOAT32)
        return "several terms are summed as float32";
    if (taps_given != 2 * job->taps || splits_given != 2 * job->terms ||
        (double)weights_given != (double)job->taps * (double)job->filters)
        return "the taps and their weights are not as many as was said";
    ptrdiff_t last = elements_of(job) - job->width * unit_of(job), split = 0;
    if ((double)job->width * (double)unit_of(job) > most || last < 0)
        return "the windows are wider than the padded rows";
    for (ptrdiff_t at = 0; at < job->taps; at++)
        if (job->tap[2 * at] < 0 || job->tap[2 * at] >= job->span || job->tap[2 * at + 1] < 0 ||
            job->tap[2 * at + 1] > last)
            return "a tap lies outside the window";
    for (ptrdiff_t at = 0; at < 2 * job->terms; at++) {
        if (job->split[at] < 1)
            return "a term has no taps";
        split += job->split[at];
    }
    if (job->terms && split != job->taps)
        return "the terms do not share out the taps";
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

#ifndef CONVTOOL_WITHOUT_PYTHON

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum { IMAGE, ROWS, COLUMNS, TAPS, SPLITS, WEIGHTS, NUMBERS, REALS, OUT, BUFFERS };
static const char *const BUFFER_NAMES[] = {"image", "rows", "columns", "taps", "splits",
                                           "weights", "numbers", "reals", "out"};
static const int DIMENSIONS[] = {3, 1, 1, 1, 1, 1, 1, 1, 3};

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
    return ends % (uintptr_t)view->itemsize == 0;
}

/* What is wrong with a buffer by itself. */
static const char *wrong_buffer(int which, const Py_buffer *view)
{
    static const char *const TYPES[] = {NULL, "i", "i", "i", "i", NULL, "lq", "d", NULL};
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

/* The job that buffers describe; the numbers are in the order in which core.py packs them. */
static Job job_of(const Py_buffer *views)
{
    const int64_t *n = views[NUMBERS].buf;
    const double *real = views[REALS].buf;
    const Py_buffer *image = &views[IMAGE], *out = &views[OUT];
    Job job = {
        .image = {image->buf, image->shape[0], image->shape[1], image->shape[2], image->strides[0], image->strides[1],
                  image->strides[2], sample_of(image)},
        .ring = (int)n[0], .each = (int)n[1], .stride = n[2], .span = n[3], .rows = out->shape[0],
        .columns = n[4], .width = out->shape[1], .phases = n[5], .lead = n[6], .inner = n[7], .start = n[8],
        .row_of = views[ROWS].buf, .column_of = views[COLUMNS].buf, .row_count = views[ROWS].shape[0],
        .constant = real[0], .filters = n[9], .terms = n[10], .taps = n[11], .leaf = n[12], .tap = views[TAPS].buf,
        .split = views[SPLITS].buf, .weight = views[WEIGHTS].buf,
        .finish = {.arithmetic = (int)n[13], .out = sample_of(out), .absolute = n[14] != 0, .full = (int32_t)n[15],
                   .multiply = real[1], .divide = real[2], .add = real[3]},
        .out = out->buf, .out_down = out->strides[0], .out_across = out->strides[1], .out_deep = out->strides[2],
    };
    return job;
}

static const char *wrong_call(const Py_buffer *views, Job *job)
{
    if (views[NUMBERS].shape[0] != 16 || views[REALS].shape[0] != 4)
        return "numbers or reals are too few or too many";
    const int64_t *n = views[NUMBERS].buf;
    for (int at = 0; at < 16; at++)
        if (n[at] < 0 || n[at] > INT32_MAX)
            return "a number is out of range";
    *job = job_of(views);
    const char *why = wrong(job, views[COLUMNS].shape[0], views[TAPS].shape[0], views[SPLITS].shape[0],
                            views[WEIGHTS].shape[0]);
    if (why)
        return why;
    if (sample_of(&views[WEIGHTS]) != (job->ring == RING_INT16 ? INT16 : job->ring == RING_INT32 ? INT32 : FLOAT32))
        return "weights have the type of the sums";
    if (views[OUT].shape[2] != (job->each ? job->image.channels : job->filters))
        return "out has another number of channels";
    return NULL;
}

static PyObject *filter(PyObject *module, PyObject *arguments)
{
    PyObject *given[BUFFERS];
    int level;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iOOOOOOOOO", &level, &given[0], &given[1], &given[2], &given[3], &given[4],
                          &given[5], &given[6], &given[7], &given[8]))
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

#endif
