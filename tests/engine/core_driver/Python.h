/* As much of Python as core.c asks for, so that the core runs without it: under sanitizers, and on other processors.
 *
 * An object is a buffer, a number or a tuple of them. What goes wrong is kept as text. */

#ifndef Py_PYTHON_H
#define Py_PYTHON_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ptrdiff_t Py_ssize_t;

typedef struct {
    void *buf;
    struct PyObject *obj;
    Py_ssize_t len, itemsize;
    int readonly, ndim;
    char *format;
    Py_ssize_t *shape, *strides, *suboffsets;
    void *internal;
} Py_buffer;

typedef struct PyObject {
    Py_buffer view;
    int held; /* how many have the buffer, which have to give it back */
    long long number;
    struct PyObject **items;
} PyObject;

typedef struct {
    const char *name;
    PyObject *(*call)(PyObject *, PyObject *);
    int flags;
    const char *doc;
} PyMethodDef;

typedef struct {
    int slot;
    void *value;
} PyModuleDef_Slot;

struct PyModuleDef {
    int base;
    const char *name, *doc;
    Py_ssize_t size;
    PyMethodDef *methods;
    PyModuleDef_Slot *slots;
    void *traverse, *clear, *free;
};

#define PyModuleDef_HEAD_INIT 0
#define PyMODINIT_FUNC PyObject *
#define METH_VARARGS 1
#define Py_mod_exec 1
#define PyBUF_RECORDS 1
#define PyBUF_RECORDS_RO 0
#define Py_BEGIN_ALLOW_THREADS {
#define Py_END_ALLOW_THREADS }
#define PyExc_ValueError "ValueError"

static char complaint[512]; /* what was raised: the kind of error and its text */

static PyObject *PyErr_Format(const char *kind, const char *format, ...)
{
    va_list rest;
    int written = snprintf(complaint, sizeof complaint, "%s: ", kind);
    va_start(rest, format);
    vsnprintf(complaint + written, sizeof complaint - (size_t)written, format, rest);
    va_end(rest);
    return NULL;
}

static void PyErr_SetString(const char *kind, const char *text)
{
    PyErr_Format(kind, "%s", text);
}

static PyObject *PyErr_NoMemory(void)
{
    return PyErr_Format("MemoryError", "");
}

static PyObject *PyLong_FromSsize_t(Py_ssize_t number)
{
    static PyObject result;
    result.number = number;
    return &result;
}

static int PyArg_ParseTuple(PyObject *tuple, const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    for (int at = 0; format[at]; at++)
        if (format[at] == 'i')
            *va_arg(rest, int *) = (int)tuple->items[at]->number;
        else
            *va_arg(rest, PyObject **) = tuple->items[at];
    va_end(rest);
    return 1;
}

static int PyObject_GetBuffer(PyObject *object, Py_buffer *view, int flags)
{
    if (flags == PyBUF_RECORDS && object->view.readonly) {
        PyErr_SetString(PyExc_ValueError, "buffer source array is read-only");
        return -1;
    }
    object->held++;
    *view = object->view;
    view->obj = object;
    return 0;
}

static void PyBuffer_Release(Py_buffer *view)
{
    view->obj->held--;
}

/* Of a module only the names of the widths are wanted, and the driver reads those itself. */
static PyObject *PyTuple_New(Py_ssize_t size)
{
    (void)size;
    return NULL;
}

static int PyTuple_SetItem(PyObject *tuple, Py_ssize_t at, PyObject *item)
{
    (void)tuple, (void)at, (void)item;
    return -1;
}

static PyObject *PyUnicode_FromString(const char *text)
{
    (void)text;
    return NULL;
}

static int PyModule_AddObject(PyObject *module, const char *name, PyObject *object)
{
    (void)module, (void)name, (void)object;
    return -1;
}

static PyObject *PyModuleDef_Init(struct PyModuleDef *module)
{
    (void)module;
    return NULL;
}

#endif
