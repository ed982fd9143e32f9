//! The dozen functions of CPython's stable interface that the loop calls
//! (<https://docs.python.org/3.11/c-api/stable.html>), declared by hand so that no
//! header of Python is needed to build.

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::ptr;

/// An opaque `PyObject`.
#[repr(C)]
pub struct Object {
    _opaque: [u8; 0],
}

#[repr(C)]
pub(crate) struct MethodDef {
    pub(crate) name: *const c_char,
    pub(crate) call: Option<unsafe extern "C" fn(*mut Object, *mut Object) -> *mut Object>,
    pub(crate) flags: c_int,
    pub(crate) doc: *const c_char,
}

/// `PyModuleDef`, whose head is a `PyObject` with a count of one.
#[repr(C)]
pub(crate) struct ModuleDef {
    count: isize,
    kind: *mut c_void,
    init: *mut c_void,
    index: isize,
    copy: *mut c_void,
    name: *const c_char,
    doc: *const c_char,
    size: isize,
    methods: *const MethodDef,
    slots: *mut c_void,
    traverse: *mut c_void,
    clear: *mut c_void,
    free: *mut c_void,
}

impl ModuleDef {
    pub(crate) const fn new(name: *const c_char, methods: *const MethodDef) -> Self {
        Self {
            count: 1,
            kind: ptr::null_mut(),
            init: ptr::null_mut(),
            index: 0,
            copy: ptr::null_mut(),
            name,
            doc: ptr::null(),
            size: -1,
            methods,
            slots: ptr::null_mut(),
            traverse: ptr::null_mut(),
            clear: ptr::null_mut(),
            free: ptr::null_mut(),
        }
    }
}

unsafe extern "C" {
    pub(crate) fn PyModule_Create2(definition: *mut ModuleDef, abi: c_int) -> *mut Object;
    pub(crate) fn PyArg_ParseTuple(args: *mut Object, format: *const c_char, ...) -> c_int;
    fn PyObject_CallFunctionObjArgs(callable: *mut Object, ...) -> *mut Object;
    fn PyBytes_FromStringAndSize(bytes: *const c_char, length: isize) -> *mut Object;
    fn PyBytes_AsStringAndSize(
        object: *mut Object,
        bytes: *mut *mut c_char,
        length: *mut isize,
    ) -> c_int;
    fn PyTuple_GetItem(tuple: *mut Object, at: isize) -> *mut Object;
    fn PyLong_AsLong(object: *mut Object) -> c_long;
    fn PyUnicode_FromStringAndSize(text: *const c_char, length: isize) -> *mut Object;
    fn PyLong_FromLong(number: c_long) -> *mut Object;
    fn PyObject_CallMethodObjArgs(object: *mut Object, name: *mut Object, ...) -> *mut Object;
    fn PyUnicode_InternFromString(text: *const c_char) -> *mut Object;
    fn PySys_GetObject(name: *const c_char) -> *mut Object;
    fn PyErr_Clear();
    /// Null is let through.
    fn Py_IncRef(object: *mut Object);
    fn Py_DecRef(object: *mut Object);
    pub(crate) fn PyOS_BeforeFork();
    pub(crate) fn PyOS_AfterFork_Parent();
    pub(crate) fn PyOS_AfterFork_Child();
    #[link_name = "_Py_NoneStruct"]
    static mut NONE: Object;
}

/// Whether it is `None`.
pub(crate) fn is_none(object: *mut Object) -> bool {
    ptr::eq(object, &raw const NONE)
}

/// A new number for Python.
pub(crate) fn number(number: c_long) -> *mut Object {
    // SAFETY: the interpreter's lock is held.
    unsafe { PyLong_FromLong(number) }
}

/// The two numbers of a call's arguments; `None` where Python has raised.
pub(crate) fn two_numbers(args: *mut Object) -> Option<[c_long; 2]> {
    let (mut a, mut b) = (0, 0);
    // SAFETY: `args` is the tuple Python gave; the places match the format.
    let read = unsafe { PyArg_ParseTuple(args, c"ll".as_ptr(), &raw mut a, &raw mut b) };
    (read != 0).then_some([a, b])
}

/// A reference of one's own to what is borrowed; `None` for null.
pub(crate) fn held(object: *mut Object) -> Option<Ref> {
    // SAFETY: a live object or null, and the interpreter's lock is held.
    unsafe { Py_IncRef(object) };
    (!object.is_null()).then_some(Ref(object))
}

/// What `sys` holds under a name.
pub(crate) fn system_object(name: &CStr) -> Option<Ref> {
    // SAFETY: the interpreter's lock is held.
    held(unsafe { PySys_GetObject(name.as_ptr()) })
}

/// Calls a method without arguments; what it raises is forgotten.
pub(crate) fn call_method(object: &Ref, name: &Ref) {
    let end = ptr::null_mut::<Object>();
    // SAFETY: both are live; the list ends with null.
    owned(unsafe { PyObject_CallMethodObjArgs(object.0, name.0, end) });
}

/// A name, made once.
pub(crate) fn name(text: &CStr) -> Option<Ref> {
    // SAFETY: the interpreter's lock is held.
    owned(unsafe { PyUnicode_InternFromString(text.as_ptr()) })
}

/// A Python text of these bytes; `None` where they are no UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Option<Ref> {
    let length = isize::try_from(bytes.len()).ok()?;
    // SAFETY: pointer and length are of one live slice.
    owned(unsafe { PyUnicode_FromStringAndSize(bytes.as_ptr().cast(), length) })
}

/// A counted reference.
pub(crate) struct Ref(*mut Object);

impl Drop for Ref {
    fn drop(&mut self) {
        // SAFETY: owned, and the interpreter's lock is held throughout.
        unsafe { Py_DecRef(self.0) }
    }
}

/// `None` where Python raised, which is forgotten: the caller knows what that means.
fn owned(object: *mut Object) -> Option<Ref> {
    if object.is_null() {
        // SAFETY: the interpreter's lock is held.
        unsafe { PyErr_Clear() };
        return None;
    }
    Some(Ref(object))
}

/// A Python `bytes` of these bytes.
pub(crate) fn bytes(text: &[u8]) -> Option<Ref> {
    let length = isize::try_from(text.len()).ok()?;
    // SAFETY: pointer and length are of one live slice.
    owned(unsafe { PyBytes_FromStringAndSize(text.as_ptr().cast(), length) })
}

/// Calls without arguments.
pub(crate) fn call(callable: *mut Object) -> Option<Ref> {
    // SAFETY: `callable` is borrowed from Python's caller; the list ends with null.
    owned(unsafe { PyObject_CallFunctionObjArgs(callable, ptr::null_mut::<Object>()) })
}

/// Calls with one argument.
pub(crate) fn call1(callable: *mut Object, given: &Ref) -> Option<Ref> {
    let end = ptr::null_mut::<Object>();
    // SAFETY: both are live references; the list ends with null.
    owned(unsafe { PyObject_CallFunctionObjArgs(callable, given.0, end) })
}

/// Calls with four arguments.
pub(crate) fn call4(callable: *mut Object, first: *mut Object, rest: [&Ref; 3]) -> Option<Ref> {
    let [a, b, c] = rest.map(|given| given.0);
    let end = ptr::null_mut::<Object>();
    // SAFETY: all are live references; the list ends with null.
    owned(unsafe { PyObject_CallFunctionObjArgs(callable, first, a, b, c, end) })
}

/// A Python number.
pub(crate) fn counted(value: u32) -> Option<Ref> {
    owned(number(value.into()))
}

impl Ref {
    /// Whether both are one object.
    pub(crate) fn is(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }

    /// The whole number at a place of a tuple.
    pub(crate) fn number_at(&self, at: isize) -> Option<i64> {
        // SAFETY: checked by the interpreter; the item is borrowed from the live tuple.
        let item = unsafe { PyTuple_GetItem(self.0, at) };
        if item.is_null() {
            // SAFETY: the interpreter's lock is held.
            unsafe { PyErr_Clear() };
            return None;
        }
        // SAFETY: a live object; a wrong type is -1 with an error, refused by the range below.
        let number = unsafe { PyLong_AsLong(item) };
        (number >= 0).then_some(number)
    }

    /// The `bytes` at a place of a tuple, borrowed from it.
    pub(crate) fn bytes_at(&self, at: isize) -> Option<&[u8]> {
        // SAFETY: checked by the interpreter; the item is borrowed from the live tuple.
        let item = unsafe { PyTuple_GetItem(self.0, at) };
        let (mut text, mut length) = (ptr::null_mut::<c_char>(), 0_isize);
        let failed = item.is_null() || {
            // SAFETY: the interpreter checks that the item is a `bytes`.
            let read = unsafe { PyBytes_AsStringAndSize(item, &raw mut text, &raw mut length) };
            read != 0
        };
        if failed {
            // SAFETY: the interpreter's lock is held.
            unsafe { PyErr_Clear() };
            return None;
        }
        let length = usize::try_from(length).ok()?;
        // SAFETY: a `bytes` is immutable and lives as long as the tuple that holds it.
        Some(unsafe { std::slice::from_raw_parts(text.cast(), length) })
    }
}
