//! Stands between a process and the system calls by which it changes files, to fail, shorten and record them. Linux only.
//!
//! It is loaded by `LD_PRELOAD` and concerns itself with paths below the directory that `FDYNO_FAULTS_BELOW` names; all other
//! calls pass. What it does to them the process itself says, by making directories that are none, below `/fdyno-faults`:
//!
//! ```text
//! fail/<errno>/<n>/<once|on>/<kinds>   the nth call of these kinds fails, alone or with all that follow
//! room/<bytes>                         writes have so much room, and then fail with ENOSPC
//! short/<seed>                         every write is shortened
//! off                                  no more of this
//! fired/<kinds>                        succeeds if a call of these kinds has failed since the last `fail` or `room`
//! mark/<text>                          into the journal
//! ```
//!
//! Kinds are letters: O open, N open that may create, W write, S sync, T truncate, R rename, U unlink, D make a directory.
//! A write that fails for lack of space writes its first half, as a full disk does. If `FDYNO_FAULTS_JOURNAL` names a file,
//! calls that succeeded, and syncs that were made to fail (X), are appended to it, in order: kind u8, descriptor i32, offset u64, length u32, bytes; little-endian.

#![expect(clippy::missing_safety_doc, reason = "each is as safe as the call it stands for")]

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

const CONTROL: &str = "/fdyno-faults/";
const AT_FDCWD: c_int = -100;
const O_WRONLY: c_int = 0o1;
const O_CREAT: c_int = 0o100;
const O_TRUNC: c_int = 0o1000;
const O_APPEND: c_int = 0o2000;
const SEEK_CUR: c_int = 1;
const ENOENT: c_int = 2;
const EINVAL: c_int = 22;
const ENOSPC: c_int = 28;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn lseek64(descriptor: c_int, offset: i64, whence: c_int) -> i64;
    fn __errno_location() -> *mut c_int;
}

/// The function of that name behind this library.
macro_rules! real {
    ($name:literal: fn($($argument:ty),* $(; $rest:tt)?) -> $result:ty) => {{
        static ADDRESS: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());
        let mut address = ADDRESS.load(Ordering::Relaxed);
        if address.is_null() {
            // RTLD_NEXT
            address = unsafe { dlsym(-1_isize as *mut c_void, concat!($name, "\0").as_ptr().cast()) };
            assert!(!address.is_null());
            ADDRESS.store(address, Ordering::Relaxed);
        }
        unsafe {
            std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($argument),* $(, $rest)?) -> $result>(address)
        }
    }};
}

struct Failing {
    errno: c_int,
    /// Calls of these kinds that pass before.
    left: u64,
    goes_on: bool,
    kinds: String,
}

#[derive(Default)]
enum Plan {
    #[default]
    Off,
    Fail(Failing),
    Room(usize),
    Short(u64),
}

struct Watch {
    below: Vec<u8>,
    journal: Option<c_int>,
    plan: Plan,
    /// A write was shortened for lack of space: the next one fails.
    full: bool,
    /// Kinds of calls that failed.
    fired: String,
    descriptors: BTreeSet<c_int>,
}

enum Verdict {
    Pass,
    Fail(c_int),
    Shorten(usize),
}

static WATCH: OnceLock<Option<Mutex<Watch>>> = OnceLock::new();

fn watch() -> Option<MutexGuard<'static, Watch>> {
    let watch = WATCH.get_or_init(|| {
        let below = std::env::var_os("FDYNO_FAULTS_BELOW")?.as_bytes().to_vec();
        let journal = std::env::var_os("FDYNO_FAULTS_JOURNAL").and_then(|path| {
            let path = [path.as_bytes(), b"\0"].concat();
            let open = real!("open64": fn(*const c_char, c_int; ...) -> c_int);
            let descriptor = unsafe { open(path.as_ptr().cast(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600) };
            (descriptor >= 0).then_some(descriptor)
        });
        let (plan, fired, descriptors) = Default::default();
        Some(Mutex::new(Watch { below, journal, plan, full: false, fired, descriptors }))
    });
    watch.as_ref().map(|watch| watch.lock().unwrap_or_else(PoisonError::into_inner))
}

fn set_errno(errno: c_int) {
    unsafe { *__errno_location() = errno };
}

fn errno() -> c_int {
    unsafe { *__errno_location() }
}

fn bytes_of<'a>(path: *const c_char) -> &'a [u8] {
    if path.is_null() { &[] } else { unsafe { CStr::from_ptr(path) }.to_bytes() }
}

impl Watch {
    /// What of an absolute path lies below the directory; nothing if it is the directory.
    fn relative<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        match path.strip_prefix(self.below.as_slice())? {
            [] => Some(&[]),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    fn record(&self, kind: u8, descriptor: c_int, offset: u64, bytes: &[u8]) {
        let Some(journal) = self.journal else { return };
        let mut entry = vec![kind];
        entry.extend_from_slice(&descriptor.to_le_bytes());
        entry.extend_from_slice(&offset.to_le_bytes());
        entry.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        entry.extend_from_slice(bytes);
        let write = real!("write": fn(c_int, *const c_void, usize) -> isize);
        let mut rest = entry.as_slice();
        while !rest.is_empty() {
            let written = unsafe { write(journal, rest.as_ptr().cast(), rest.len()) };
            let Ok(written) = usize::try_from(written) else { std::process::abort() };
            rest = &rest[written..];
        }
    }

    fn judge(&mut self, kind: char, length: usize) -> Verdict {
        let verdict = match &mut self.plan {
            Plan::Off => Verdict::Pass,
            Plan::Short(_) | Plan::Room(_) if kind != 'W' => Verdict::Pass,
            Plan::Short(state) => {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if length < 2 { Verdict::Pass } else { Verdict::Shorten(1 + (*state >> 33) as usize % (length - 1)) }
            }
            Plan::Room(left) => {
                let fits = length.min(*left);
                *left -= fits;
                if fits == length {
                    Verdict::Pass
                } else if fits > 0 {
                    Verdict::Shorten(fits)
                } else {
                    Verdict::Fail(ENOSPC)
                }
            }
            Plan::Fail(failing) if !failing.kinds.contains(kind) => Verdict::Pass,
            Plan::Fail(Failing { errno, .. }) if kind == 'W' && self.full => {
                self.full = false;
                Verdict::Fail(*errno)
            }
            Plan::Fail(failing) if failing.left > 0 => {
                failing.left -= 1;
                Verdict::Pass
            }
            Plan::Fail(Failing { errno: ENOSPC, .. }) if kind == 'W' && length > 1 => {
                self.full = true;
                Verdict::Shorten(length / 2)
            }
            Plan::Fail(failing) => Verdict::Fail(failing.errno),
        };
        if let Verdict::Fail(_) = verdict {
            self.fired.push(kind);
            if matches!(&self.plan, Plan::Fail(failing) if !failing.goes_on) {
                self.plan = Plan::Off;
            }
        }
        verdict
    }

    /// Makes a call unless it is to fail, and records it if it succeeds.
    fn call(
        &mut self,
        kind: char,
        descriptor: c_int,
        offset: u64,
        bytes: &[u8],
        call: impl FnOnce() -> c_int,
    ) -> c_int {
        if let Verdict::Fail(errno) = self.judge(kind, 0) {
            if kind == 'S' {
                self.record(b'X', descriptor, 0, &[]);
            }
            set_errno(errno);
            return -1;
        }
        let result = call();
        if result >= 0 {
            let saved = errno();
            let descriptor = if descriptor == OPENED { result } else { descriptor };
            self.record(kind as u8, descriptor, offset, bytes);
            set_errno(saved);
        }
        result
    }

    fn control(&mut self, order: &str) -> c_int {
        let words: Vec<&str> = order.split('/').collect();
        let number = |word: &str| word.parse::<u64>().unwrap_or(u64::MAX);
        match words.as_slice() {
            ["off"] => (self.plan, self.full) = (Plan::Off, false),
            ["short", seed] => self.plan = Plan::Short(number(seed)),
            ["room", bytes] => {
                (self.plan, self.fired) = (Plan::Room(number(bytes) as usize), String::new());
            }
            ["fail", errno, nth, how, kinds] => {
                let (errno, left) = (number(errno) as c_int, number(nth) - 1);
                self.plan = Plan::Fail(Failing { errno, left, goes_on: *how == "on", kinds: (*kinds).to_owned() });
                (self.full, self.fired) = (false, String::new());
            }
            ["fired", kinds] => {
                if !self.fired.contains(|kind| kinds.contains(kind)) {
                    set_errno(ENOENT);
                    return -1;
                }
            }
            ["mark", text] => self.record(b'M', 0, 0, text.as_bytes()),
            _ => {
                set_errno(EINVAL);
                return -1;
            }
        }
        0
    }
}

/// In place of a descriptor: the one that the call returns.
const OPENED: c_int = -1;

fn opened(directory: c_int, path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    let Some(mut watch) = watch() else { return open() };
    let Some(relative) = watch.relative(bytes_of(path)).filter(|_| directory == AT_FDCWD) else {
        drop(watch);
        return open();
    };
    let kind = if flags & O_CREAT == 0 { 'O' } else { 'N' };
    let result = watch.call(kind, OPENED, flags as u64, relative, open);
    if result >= 0 {
        watch.descriptors.insert(result);
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = real!("open": fn(*const c_char, c_int; ...) -> c_int);
    opened(AT_FDCWD, path, flags, || unsafe { real(path, flags, mode) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = real!("open64": fn(*const c_char, c_int; ...) -> c_int);
    opened(AT_FDCWD, path, flags, || unsafe { real(path, flags, mode) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = real!("openat": fn(c_int, *const c_char, c_int; ...) -> c_int);
    opened(directory, path, flags, || unsafe { real(directory, path, flags, mode) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn openat64(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let real = real!("openat64": fn(c_int, *const c_char, c_int; ...) -> c_int);
    opened(directory, path, flags, || unsafe { real(directory, path, flags, mode) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat(path: *const c_char, mode: c_uint) -> c_int {
    unsafe { open(path, O_CREAT | O_WRONLY | O_TRUNC, mode) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn creat64(path: *const c_char, mode: c_uint) -> c_int {
    unsafe { open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode) }
}

/// A write at `offset`, or where the descriptor stands; `write` writes so many of the bytes.
fn written(descriptor: c_int, bytes: &[u8], offset: Option<i64>, write: impl FnOnce(usize) -> isize) -> isize {
    let Some(mut watch) = watch() else { return write(bytes.len()) };
    if !watch.descriptors.contains(&descriptor) {
        // Others may take long: a pipe is written to.
        drop(watch);
        return write(bytes.len());
    }
    let length = match watch.judge('W', bytes.len()) {
        Verdict::Pass => bytes.len(),
        Verdict::Shorten(length) => length,
        Verdict::Fail(errno) => {
            set_errno(errno);
            return -1;
        }
    };
    let place = offset.unwrap_or_else(|| unsafe { lseek64(descriptor, 0, SEEK_CUR) });
    let written = write(length);
    if let Some(bytes) = usize::try_from(written).ok().and_then(|written| bytes.get(..written)) {
        let saved = errno();
        watch.record(b'W', descriptor, u64::try_from(place).unwrap_or_default(), bytes);
        set_errno(saved);
    }
    written
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(descriptor: c_int, buffer: *const c_void, count: usize) -> isize {
    let real = real!("write": fn(c_int, *const c_void, usize) -> isize);
    let bytes = unsafe { slice(buffer, count) };
    written(descriptor, bytes, None, |count| unsafe { real(descriptor, buffer, count) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite(descriptor: c_int, buffer: *const c_void, count: usize, offset: i64) -> isize {
    let real = real!("pwrite": fn(c_int, *const c_void, usize, i64) -> isize);
    let bytes = unsafe { slice(buffer, count) };
    written(descriptor, bytes, Some(offset), |count| unsafe { real(descriptor, buffer, count, offset) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn pwrite64(descriptor: c_int, buffer: *const c_void, count: usize, offset: i64) -> isize {
    unsafe { pwrite(descriptor, buffer, count, offset) }
}

#[repr(C)]
pub struct Piece {
    base: *const c_void,
    length: usize,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn writev(descriptor: c_int, pieces: *const Piece, count: c_int) -> isize {
    let watched = watch().is_some_and(|watch| watch.descriptors.contains(&descriptor));
    if !watched {
        let real = real!("writev": fn(c_int, *const Piece, c_int) -> isize);
        return unsafe { real(descriptor, pieces, count) };
    }
    let pieces = unsafe { std::slice::from_raw_parts(pieces, usize::try_from(count).unwrap_or_default()) };
    let whole: Vec<u8> = pieces.iter().flat_map(|piece| unsafe { slice(piece.base, piece.length) }).copied().collect();
    unsafe { write(descriptor, whole.as_ptr().cast(), whole.len()) }
}

unsafe fn slice<'a>(buffer: *const c_void, count: usize) -> &'a [u8] {
    if buffer.is_null() || count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(buffer.cast(), count) } }
}

/// A call on a descriptor.
fn on_descriptor(kind: char, descriptor: c_int, offset: u64, call: impl FnOnce() -> c_int) -> c_int {
    match watch() {
        Some(mut watch) if watch.descriptors.contains(&descriptor) => watch.call(kind, descriptor, offset, &[], call),
        watch => {
            drop(watch);
            call()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(descriptor: c_int) -> c_int {
    let real = real!("fsync": fn(c_int) -> c_int);
    on_descriptor('S', descriptor, 0, || unsafe { real(descriptor) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    let real = real!("fdatasync": fn(c_int) -> c_int);
    on_descriptor('S', descriptor, 0, || unsafe { real(descriptor) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate(descriptor: c_int, length: i64) -> c_int {
    let real = real!("ftruncate": fn(c_int, i64) -> c_int);
    on_descriptor('T', descriptor, u64::try_from(length).unwrap_or_default(), || unsafe { real(descriptor, length) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(descriptor: c_int, length: i64) -> c_int {
    unsafe { ftruncate(descriptor, length) }
}

/// A call on a path.
fn on_path(kind: char, path: *const c_char, call: impl FnOnce() -> c_int) -> c_int {
    let Some(mut watch) = watch() else { return call() };
    match watch.relative(bytes_of(path)) {
        Some(relative) => watch.call(kind, 0, 0, relative, call),
        None => {
            drop(watch);
            call()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    let real = real!("unlink": fn(*const c_char) -> c_int);
    on_path('U', path, || unsafe { real(path) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int {
    let real = real!("unlinkat": fn(c_int, *const c_char, c_int) -> c_int);
    if directory == AT_FDCWD && flags == 0 {
        return on_path('U', path, || unsafe { real(directory, path, flags) });
    }
    unsafe { real(directory, path, flags) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: c_uint) -> c_int {
    let real = real!("mkdir": fn(*const c_char, c_uint) -> c_int);
    if let Some(order) = bytes_of(path).strip_prefix(CONTROL.as_bytes()) {
        let order = OsStr::from_bytes(order).to_string_lossy().into_owned();
        return watch().map_or(-1, |mut watch| watch.control(&order));
    }
    on_path('D', path, || unsafe { real(path, mode) })
}

fn renamed(from: *const c_char, to: *const c_char, call: impl FnOnce() -> c_int) -> c_int {
    let Some(mut watch) = watch() else { return call() };
    match (watch.relative(bytes_of(from)), watch.relative(bytes_of(to))) {
        (Some(from), Some(to)) => {
            let both = [from, b"\0", to].concat();
            watch.call('R', 0, 0, &both, call)
        }
        _ => {
            drop(watch);
            call()
        }
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let real = real!("rename": fn(*const c_char, *const c_char) -> c_int);
    renamed(from, to, || unsafe { real(from, to) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(from_in: c_int, from: *const c_char, to_in: c_int, to: *const c_char) -> c_int {
    let real = real!("renameat": fn(c_int, *const c_char, c_int, *const c_char) -> c_int);
    renamed(from, to, || unsafe { real(from_in, from, to_in, to) })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn close(descriptor: c_int) -> c_int {
    let real = real!("close": fn(c_int) -> c_int);
    if let Some(mut watch) = watch()
        && watch.descriptors.remove(&descriptor)
    {
        watch.record(b'C', descriptor, 0, &[]);
        // Under the lock, so that nobody records the number's next use before.
        return unsafe { real(descriptor) };
    }
    unsafe { real(descriptor) }
}
