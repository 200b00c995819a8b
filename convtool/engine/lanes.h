/* Sums of taps in vectors. core.c includes this once for each width of vectors that it builds, having defined
 *
 *   NAME(x)   the name of x for this width
 *   BYTES     bytes of a vector; 0 where the compiler has no vectors: then a vector is one number
 *   TARGET    the attribute before each function that names the instructions it may use
 *   MULTIPLY_ADD(x, w, sum)   x * w + sum of float vectors and a number w, rounded once where the processor can
 *
 * and it includes itself for each type of sample. Neighbouring outputs lie side by side in a vector and are summed each
 * by itself, in the order that core.c writes down, so the width changes no result.
 */

#ifndef T

/* Whole numbers are summed as unsigned ones, which may pass their end, and read as signed ones, which fit. */
#define T uint16_t
#define SIGNED int16_t
#define TYPED(x) NAME(x##_16)
#include "lanes.h"
#undef T
#undef SIGNED
#undef TYPED

#define T uint32_t
#define SIGNED int32_t
#define TYPED(x) NAME(x##_32)
#include "lanes.h"
#undef T
#undef SIGNED
#undef TYPED

#define T float
#define SIGNED float
#define TYPED(x) NAME(x##_f)
#define REAL
#include "lanes.h"
#undef T
#undef SIGNED
#undef TYPED
#undef REAL

#else

#if BYTES
typedef T TYPED(V) __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));
#define LANES ((ptrdiff_t)(BYTES / sizeof(T)))
#else
typedef T TYPED(V);
#define LANES ((ptrdiff_t)1)
#endif
#define V TYPED(V)
#define AT(p, k) (*(V *)((p) + (k) * LANES))
#define FROM(p, k) (*(const V *)((p) + (k) * LANES))
#if BYTES || defined(REAL)
#define TIMES(a, b) ((V)((a) * (b)))
#else /* as numbers without a sign: two of 16 bits would become int, which has no room for their product */
#define TIMES(a, b) ((V)(1u * (a) * (b)))
#endif
#if BYTES
#define NONE ((V){0})
#else
#define NONE ((V)0)
#endif

/* What is above the branch in the making, which lies in the output: a sum at each level, and how many went into it. */
typedef struct {
    ptrdiff_t branch; /* leaves in the branch in the making */
    ptrdiff_t held[LEVELS];
    V sum[LEVELS][BLOCK];
} TYPED(Tower);

/* A leaf has been added to the branch at `out`: if that makes it whole, and more is to come, it goes up. */
TARGET static inline void TYPED(grow)(TYPED(Tower) *tower, T *out, int width, ptrdiff_t radix)
{
    if (++tower->branch < radix)
        return;
    tower->branch = 0;
    for (int level = 0; level < LEVELS; level++) {
        V *here = tower->sum[level];
        for (int k = 0; k < width; k++) {
            if (tower->held[level])
                AT(out, k) = (V)(here[k] + AT(out, k));
            here[k] = AT(out, k);
        }
        if (++tower->held[level] < radix)
            return;
        tower->held[level] = 0;
    }
}

/* Add what is held at all levels to the branch that is left, the lowest first. */
TARGET static inline void TYPED(top)(const TYPED(Tower) *tower, T *out, int width)
{
    int any = tower->branch > 0;
    for (int level = 0; level < LEVELS; level++)
        if (tower->held[level]) {
            for (int k = 0; k < width; k++) {
                V sum = tower->sum[level][k];
                if (any)
                    sum = (V)(sum + AT(out, k));
                AT(out, k) = sum;
            }
            any = 1;
        }
}

/* Whether the branch is higher than one that the output alone can hold. */
#define TALL(leaves, radix) ((leaves) > (radix))
#define PLANT(tower)                                                                                                  \
    do {                                                                                                              \
        (tower)->branch = 0;                                                                                          \
        memset((tower)->held, 0, sizeof(tower)->held);                                                                \
    } while (0)

/* out[j] = sum over t of weight[t] * source[t][start + j], for j in 0..n.
 *
 * Works on whole blocks: every source can be read and `out` be written up to the next multiple of BLOCK vectors. */
TARGET static void TYPED(sum)(const void *const *source, const void *weights, ptrdiff_t count, ptrdiff_t radix,
                              void *sums, ptrdiff_t start, ptrdiff_t n)
{
    const T *weight = (const T *)weights;
    const int tall = TALL((count + radix - 1) / radix, radix);
    TYPED(Tower) tower;
    for (ptrdiff_t j = 0; j < n; j += BLOCK * LANES) {
        T *out = (T *)sums + j;
        if (tall)
            PLANT(&tower);
        int grown = 0;
        for (ptrdiff_t at = 0; at < count;) {
            ptrdiff_t stop = count - at > radix ? at + radix : count;
            V a0 = NONE, a1 = NONE, a2 = NONE, a3 = NONE, a4 = NONE, a5 = NONE, a6 = NONE, a7 = NONE;
            for (; at < stop; at++) {
                const T *p = (const T *)source[at] + start + j;
                T w = weight[at];
                a0 += TIMES(FROM(p, 0), w), a1 += TIMES(FROM(p, 1), w), a2 += TIMES(FROM(p, 2), w);
                a3 += TIMES(FROM(p, 3), w), a4 += TIMES(FROM(p, 4), w), a5 += TIMES(FROM(p, 5), w);
                a6 += TIMES(FROM(p, 6), w), a7 += TIMES(FROM(p, 7), w);
            }
            if (grown) {
                a0 = AT(out, 0) + a0, a1 = AT(out, 1) + a1, a2 = AT(out, 2) + a2, a3 = AT(out, 3) + a3;
                a4 = AT(out, 4) + a4, a5 = AT(out, 5) + a5, a6 = AT(out, 6) + a6, a7 = AT(out, 7) + a7;
            }
            AT(out, 0) = a0, AT(out, 1) = a1, AT(out, 2) = a2, AT(out, 3) = a3;
            AT(out, 4) = a4, AT(out, 5) = a5, AT(out, 6) = a6, AT(out, 7) = a7;
            grown = 1;
            if (tall)
                TYPED(grow)(&tower, out, BLOCK, radix), grown = tower.branch > 0;
        }
        if (tall)
            TYPED(top)(&tower, out, BLOCK);
    }
}

/* Two rows of outputs at a time, as a sample under both windows is loaded once for both.
 *
 * `weight` holds the two weights of a source side by side. A step is a run of sources that are taken by the first row,
 * by the second or by both; at its end a leaf of either may end. */
TARGET static void TYPED(pair)(const void *const *source, const void *weights, const Step *steps, ptrdiff_t count,
                               ptrdiff_t radix, void *first, void *second, ptrdiff_t start, ptrdiff_t n)
{
    ptrdiff_t leaves = 0;
    for (ptrdiff_t step = 0; step < count; step++)
        leaves += (steps[step].ends & FIRST) != 0;
    const int tall = TALL(leaves, radix);
    TYPED(Tower) tower[2];
    for (ptrdiff_t j = 0; j < n; j += 4 * LANES) {
        if (tall) {
            PLANT(&tower[0]);
            PLANT(&tower[1]);
        }
        int grown = 0;
        const T *w = (const T *)weights;
        const void *const *from = source;
        V a0 = NONE, a1 = NONE, a2 = NONE, a3 = NONE, b0 = NONE, b1 = NONE, b2 = NONE, b3 = NONE;
        for (ptrdiff_t step = 0; step < count; step++) {
            const void *const *stop = from + steps[step].sources;
            if (steps[step].rows == BOTH)
                for (; from < stop; from++, w += 2) {
                    const T *p = (const T *)*from + start + j;
                    V x0 = FROM(p, 0), x1 = FROM(p, 1), x2 = FROM(p, 2), x3 = FROM(p, 3);
                    a0 += TIMES(x0, w[0]), a1 += TIMES(x1, w[0]), a2 += TIMES(x2, w[0]), a3 += TIMES(x3, w[0]);
                    b0 += TIMES(x0, w[1]), b1 += TIMES(x1, w[1]), b2 += TIMES(x2, w[1]), b3 += TIMES(x3, w[1]);
                }
            else if (steps[step].rows == FIRST)
                for (; from < stop; from++, w += 2) {
                    const T *p = (const T *)*from + start + j;
                    a0 += TIMES(FROM(p, 0), w[0]), a1 += TIMES(FROM(p, 1), w[0]);
                    a2 += TIMES(FROM(p, 2), w[0]), a3 += TIMES(FROM(p, 3), w[0]);
                }
            else
                for (; from < stop; from++, w += 2) {
                    const T *p = (const T *)*from + start + j;
                    b0 += TIMES(FROM(p, 0), w[1]), b1 += TIMES(FROM(p, 1), w[1]);
                    b2 += TIMES(FROM(p, 2), w[1]), b3 += TIMES(FROM(p, 3), w[1]);
                }
            if (steps[step].ends & FIRST) {
                T *out = (T *)first + j;
                if (grown & FIRST) {
                    a0 = AT(out, 0) + a0, a1 = AT(out, 1) + a1;
                    a2 = AT(out, 2) + a2, a3 = AT(out, 3) + a3;
                }
                AT(out, 0) = a0, AT(out, 1) = a1, AT(out, 2) = a2, AT(out, 3) = a3;
                grown |= FIRST;
                if (tall) {
                    TYPED(grow)(&tower[0], out, 4, radix);
                    grown = tower[0].branch > 0 ? grown : grown & ~FIRST;
                }
                a0 = a1 = a2 = a3 = NONE;
            }
            if (steps[step].ends & SECOND) {
                T *out = (T *)second + j;
                if (grown & SECOND) {
                    b0 = AT(out, 0) + b0, b1 = AT(out, 1) + b1;
                    b2 = AT(out, 2) + b2, b3 = AT(out, 3) + b3;
                }
                AT(out, 0) = b0, AT(out, 1) = b1, AT(out, 2) = b2, AT(out, 3) = b3;
                grown |= SECOND;
                if (tall) {
                    TYPED(grow)(&tower[1], out, 4, radix);
                    grown = tower[1].branch > 0 ? grown : grown & ~SECOND;
                }
                b0 = b1 = b2 = b3 = NONE;
            }
        }
        if (tall) {
            TYPED(top)(&tower[0], (T *)first + j, 4);
            TYPED(top)(&tower[1], (T *)second + j, 4);
        }
    }
}

#ifdef REAL
/* Four filters at a time on two vectors: a sample that is loaded serves four sums, a weight two.
 *
 * Filter f of the four is out[f * pitch + j]; `weight` holds the four weights of a tap side by side. */
TARGET static void TYPED(bank)(const void *const *source, const T *weight, ptrdiff_t count, ptrdiff_t radix, T *sums,
                               ptrdiff_t pitch, ptrdiff_t start, ptrdiff_t n)
{
    const int tall = TALL((count + radix - 1) / radix, radix);
    TYPED(Tower) tower[4];
    for (ptrdiff_t j = 0; j < n; j += 2 * LANES) {
        T *out[4] = {sums + j, sums + pitch + j, sums + 2 * pitch + j, sums + 3 * pitch + j};
        for (int f = 0; tall && f < 4; f++)
            PLANT(&tower[f]);
        int grown = 0;
        for (ptrdiff_t at = 0; at < count;) {
            ptrdiff_t stop = count - at > radix ? at + radix : count;
            V a0 = NONE, a1 = NONE, b0 = NONE, b1 = NONE, c0 = NONE, c1 = NONE, d0 = NONE, d1 = NONE;
            for (; at < stop; at++) {
                const T *p = (const T *)source[at] + start + j, *w = weight + 4 * at;
                V x0 = FROM(p, 0), x1 = FROM(p, 1);
                a0 = MULTIPLY_ADD(x0, w[0], a0), a1 = MULTIPLY_ADD(x1, w[0], a1);
                b0 = MULTIPLY_ADD(x0, w[1], b0), b1 = MULTIPLY_ADD(x1, w[1], b1);
                c0 = MULTIPLY_ADD(x0, w[2], c0), c1 = MULTIPLY_ADD(x1, w[2], c1);
                d0 = MULTIPLY_ADD(x0, w[3], d0), d1 = MULTIPLY_ADD(x1, w[3], d1);
            }
            if (grown) {
                a0 = AT(out[0], 0) + a0, a1 = AT(out[0], 1) + a1, b0 = AT(out[1], 0) + b0, b1 = AT(out[1], 1) + b1;
                c0 = AT(out[2], 0) + c0, c1 = AT(out[2], 1) + c1, d0 = AT(out[3], 0) + d0, d1 = AT(out[3], 1) + d1;
            }
            AT(out[0], 0) = a0, AT(out[0], 1) = a1, AT(out[1], 0) = b0, AT(out[1], 1) = b1;
            AT(out[2], 0) = c0, AT(out[2], 1) = c1, AT(out[3], 0) = d0, AT(out[3], 1) = d1;
            grown = 1;
            for (int f = 0; tall && f < 4; f++)
                TYPED(grow)(&tower[f], out[f], 2, radix), grown = tower[f].branch > 0;
        }
        for (int f = 0; tall && f < 4; f++)
            TYPED(top)(&tower[f], out[f], 2);
    }
}
#endif

/* `count` samples side by side, as the type in which they are summed. */
#define CONVERT(NUMBER, FROM_TYPE)                                                                                    \
    case NUMBER:                                                                                                      \
        for (ptrdiff_t at = 0; at < count; at++)                                                                      \
            to[at] = (T)((const FROM_TYPE *)from)[at];                                                                \
        break;

TARGET static void TYPED(convert)(int sample, const void *from, void *restrict line, ptrdiff_t count)
{
    T *to = (T *)line;
    switch (sample) {
        CONVERT(UINT8, uint8_t)
        CONVERT(UINT16, uint16_t)
        CONVERT(INT16, int16_t)
        CONVERT(INT32, int32_t)
#ifdef REAL
        CONVERT(FLOAT32, float)
#endif
    }
}

/* The three channels of `count` pixels, as three planes. */
TARGET static void TYPED(part)(const void *restrict from, void *restrict to, ptrdiff_t count)
{
    const T *pixel = (const T *)from;
    T *red = (T *)to, *green = red + count, *blue = green + count;
    for (ptrdiff_t at = 0; at < count; at++) {
        red[at] = pixel[3 * at];
        green[at] = pixel[3 * at + 1];
        blue[at] = pixel[3 * at + 2];
    }
}

/* Round half to even by adding a number beside which a unit is the last digit, which the digits then hold; clip, and
 * count. What lies beyond `far`, and NaN, comes out as clipped. */
#define ROUND_AND_STORE(VALUE, REAL_TYPE, WORD, MAGIC, WHOLE, OUT_TYPE)                                               \
    for (ptrdiff_t at = 0; at < n; at++) {                                                                            \
        REAL_TYPE t = VALUE;                                                                                          \
        t = t > -far ? t : -far;                                                                                      \
        t = t < far ? t : far;                                                                                        \
        union {                                                                                                       \
            REAL_TYPE real;                                                                                           \
            WORD word;                                                                                                \
        } shifted = {t + (REAL_TYPE)MAGIC}, magic = {(REAL_TYPE)MAGIC};                                               \
        WHOLE whole = (WHOLE)(shifted.word - magic.word);                                                             \
        WHOLE kept = whole < 0 ? 0 : whole;                                                                           \
        kept = kept > (WHOLE)full ? (WHOLE)full : kept;                                                               \
        missed += kept != whole;                                                                                      \
        ((OUT_TYPE *)out)[at] = (OUT_TYPE)kept;                                                                       \
    }
#define STORE_BOTH(VALUE, REAL_TYPE, WORD, MAGIC)                                                                     \
    do {                                                                                                              \
        if (finish->out == UINT8) {                                                                                   \
            const REAL_TYPE far = 1 << 14; /* which 16 bits hold: they are twice as many in a vector */               \
            uint16_t missed = 0;           /* of at most CHUNK */                                                     \
            ROUND_AND_STORE(VALUE, REAL_TYPE, WORD, MAGIC, int16_t, uint8_t)                                          \
            return missed;                                                                                            \
        }                                                                                                             \
        const REAL_TYPE far = 1 << 20;                                                                                \
        uint32_t missed = 0;                                                                                          \
        ROUND_AND_STORE(VALUE, REAL_TYPE, WORD, MAGIC, int32_t, uint16_t)                                             \
        return missed;                                                                                                \
    } while (0)

#ifndef REAL
/* Whole numbers that stay whole: sum + add. */
#define ADD_AND_STORE(OUT_TYPE)                                                                                       \
    for (ptrdiff_t at = 0; at < n; at++) {                                                                            \
        SIGNED whole = (SIGNED)((T)(sum[at] + add));                                                                  \
        whole = finish->absolute && whole < 0 ? (SIGNED)-whole : whole;                                               \
        SIGNED kept = whole < 0 ? 0 : whole;                                                                          \
        kept = kept > (SIGNED)full ? (SIGNED)full : kept;                                                             \
        few += kept != whole;                                                                                         \
        ((OUT_TYPE *)out)[at] = (OUT_TYPE)kept;                                                                       \
    }
#endif

/* From n sums, at most CHUNK, to samples; how many were clipped. */
TARGET static ptrdiff_t TYPED(finish)(const void *restrict sums, ptrdiff_t n, const Finish *finish, void *restrict out)
{
    const T *sum = (const T *)sums;
    const float m = (float)finish->multiply, d = (float)finish->divide, a = (float)finish->add;
    const double wide_m = finish->multiply, wide_d = finish->divide, wide_a = finish->add;
    const int32_t full = finish->full;
    if (finish->arithmetic == AS_IT_IS) {
        memcpy(out, sum, (size_t)n * sizeof(T));
        return 0;
    }
    if (finish->arithmetic == INTEGER) {
#ifndef REAL
        const T add = (T)(SIGNED)finish->add;
        T few = 0;
        if (finish->out == UINT8)
            ADD_AND_STORE(uint8_t)
        else
            ADD_AND_STORE(uint16_t)
        return few;
#endif
    }
#define SINGLE(OVER) ((float)(SIGNED)sum[at] * m OVER + a)
#define DOUBLE ((((double)(SIGNED)sum[at]) * wide_m + wide_a) / wide_d)
    if (finish->out == FLOAT32) {
        float *to = (float *)out;
        if (finish->arithmetic == IN_DOUBLE)
            for (ptrdiff_t at = 0; at < n; at++)
                to[at] = (float)DOUBLE;
        else if (d == 1)
            for (ptrdiff_t at = 0; at < n; at++)
                to[at] = (float)(SIGNED)sum[at] * m;
        else
            for (ptrdiff_t at = 0; at < n; at++)
                to[at] = (float)(SIGNED)sum[at] * m / d;
        if (finish->arithmetic == IN_SINGLE && a != 0)
            for (ptrdiff_t at = 0; at < n; at++)
                to[at] += a;
        if (finish->absolute)
            for (ptrdiff_t at = 0; at < n; at++)
                to[at] = fabsf(to[at]);
        return 0;
    }
    if (finish->arithmetic == IN_DOUBLE) {
        if (finish->absolute)
            STORE_BOTH(fabs(DOUBLE), double, uint64_t, WIDE_MAGIC);
        STORE_BOTH(DOUBLE, double, uint64_t, WIDE_MAGIC);
    }
    if (d != 1) {
        if (finish->absolute)
            STORE_BOTH(fabsf(SINGLE(/ d)), float, uint32_t, SINGLE_MAGIC);
        STORE_BOTH(SINGLE(/ d), float, uint32_t, SINGLE_MAGIC);
    }
    if (finish->absolute)
        STORE_BOTH(fabsf(SINGLE()), float, uint32_t, SINGLE_MAGIC);
    if (m != 1 || a != 0)
        STORE_BOTH(SINGLE(), float, uint32_t, SINGLE_MAGIC);
    STORE_BOTH((float)(SIGNED)sum[at], float, uint32_t, SINGLE_MAGIC);
}

#undef CONVERT
#undef ROUND_AND_STORE
#undef STORE_BOTH
#undef ADD_AND_STORE
#undef SINGLE
#undef DOUBLE
#undef V
#undef LANES
#undef AT
#undef FROM
#undef TIMES
#undef TALL
#undef PLANT
#undef NONE

#endif
