//! The C callbacks through which SQLite reaches the safe code of this VFS.
#![allow(unsafe_code)] // SQLite's VFS interface is a table of C functions over raw pointers.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::{Mutex, PoisonError};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::handle::{self, OpenFile, OpenMode};
use super::inode::LockLevel;
use super::{MemoryVfs, VfsError};

/// Longest path, with the zero byte at its end.
const MAX_PATH_BYTES: c_int = 512;
/// The Unix epoch in milliseconds of the Julian day, the unit of SQLite's clock.
const UNIX_EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;
const MS_PER_DAY: f64 = 86_400_000.0;

/// What SQLite allocates for an open file; `base` first, as SQLite knows only that.
#[repr(C)]
struct RawFile {
    base: sqlite3_file,
    /// From `Box::into_raw`; owned by this file until `close`.
    open: *mut OpenFile,
}

static IO_METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// Registers `vfs` with SQLite, for as long as the process runs.
pub(super) fn register(vfs: &MemoryVfs) -> Result<(), VfsError> {
    /// Keeps two threads from both finding a name free.
    static REGISTERING: Mutex<()> = Mutex::new(());

    let name = vfs.name();
    let c_name = CString::new(name).map_err(|_| VfsError::InvalidName)?;
    if name.is_empty() {
        return Err(VfsError::InvalidName);
    }
    let _guard = REGISTERING.lock().unwrap_or_else(PoisonError::into_inner);
    // Nobody asks how much memory SQLite uses, and to count it takes a lock at each allocation.
    // Once SQLite is in use it refuses, and all is as before.
    // SAFETY: the option takes one number, and SQLite keeps no pointer.
    unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0 as c_int) };
    // SAFETY: the name is a C string that lives through the call.
    if !unsafe { ffi::sqlite3_vfs_find(c_name.as_ptr()) }.is_null() {
        return Err(VfsError::NameTaken { name: name.to_owned() });
    }
    let raw = Box::into_raw(Box::new(sqlite3_vfs {
        iVersion: 2,
        szOsFile: size_of::<RawFile>() as c_int,
        mxPathname: MAX_PATH_BYTES,
        pNext: ptr::null_mut(),
        zName: c_name.into_raw(),
        pAppData: Box::into_raw(Box::new(vfs.clone())).cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: Some(dl_open),
        xDlError: Some(dl_error),
        xDlSym: Some(dl_sym),
        xDlClose: Some(dl_close),
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_ms),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }));
    // SAFETY: the structure, its name and its data are never freed, as SQLite asks of a VFS that
    // is never unregistered; all its functions fulfil their contracts for it.
    match unsafe { ffi::sqlite3_vfs_register(raw, 0) } {
        ffi::SQLITE_OK => Ok(()),
        code => Err(VfsError::Refused { code }),
    }
}

/// The handle behind a VFS pointer.
///
/// # Safety
/// `vfs` must be the pointer that SQLite passes to a callback of a VFS registered here.
unsafe fn vfs_of<'a>(vfs: *mut sqlite3_vfs) -> &'a MemoryVfs {
    // SAFETY: `register` put a `MemoryVfs` there, which is never freed nor borrowed mutably.
    unsafe { &*(*vfs).pAppData.cast::<MemoryVfs>() }
}

/// The open file behind a file pointer.
///
/// # Safety
/// `file` must be what SQLite passes to a callback of a file that `open` opened and `close` has
/// not closed. SQLite makes one call at a time on a file, so the borrow is the only one.
unsafe fn file_of<'a>(file: *mut sqlite3_file) -> &'a mut OpenFile {
    // SAFETY: `open` put a boxed `OpenFile` there, which lives until `close`.
    unsafe { &mut *(*file.cast::<RawFile>()).open }
}

/// What a path made by [`super::Disk::path`] names: disk, start of the machine, file.
struct Target<'a> {
    disk: u64,
    generation: u64,
    name: &'a str,
}

/// Reads a path; none if it is no path of a disk.
///
/// # Safety
/// `path` must be null or a C string that lives as long as the result.
unsafe fn target_of<'a>(path: *const c_char) -> Option<Target<'a>> {
    if path.is_null() {
        return None;
    }
    // SAFETY: the caller says that this is a C string of that lifetime.
    let path = unsafe { CStr::from_ptr(path) }.to_str().ok()?;
    let mut parts = path.strip_prefix('/')?.splitn(3, '/');
    let disk = parts.next()?.parse().ok()?;
    let generation = parts.next()?.parse().ok()?;
    Some(Target { disk, generation, name: parts.next()? })
}

fn code_of(result: Result<(), c_int>) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(code) => code,
    }
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes a file of `szOsFile` bytes; null methods say that it is not open.
    unsafe { (*file).pMethods = ptr::null() };
    // SAFETY: SQLite passes the registered VFS.
    let vfs = unsafe { vfs_of(vfs) };
    // SAFETY: SQLite passes null or a C string that lives through the call and longer.
    let target = unsafe { target_of(path) };
    let mode = OpenMode { flags };
    let opened = match target {
        Some(target) => match vfs.disk(target.disk) {
            Some(disk) => handle::open(disk, Some(target.generation), Some(target.name), mode),
            None => Err(ffi::SQLITE_CANTOPEN),
        },
        // A temporary file belongs to no disk that SQLite could name; it gets one of its own.
        None if path.is_null() => {
            handle::open(super::Disk::new(vfs, 0).into_shared(), None, None, mode)
        }
        None => Err(ffi::SQLITE_CANTOPEN),
    };
    let opened = match opened {
        Ok(opened) => Box::new(opened),
        Err(code) => return code,
    };
    // SAFETY: the file has room for a `RawFile`, see `szOsFile`; `out_flags` is null or writable.
    unsafe {
        (*file.cast::<RawFile>()).open = Box::into_raw(opened);
        (*file).pMethods = &raw const IO_METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes an open file once; `open` made the box. Null methods then say that
    // the file is closed.
    unsafe {
        drop(Box::from_raw((*file.cast::<RawFile>()).open));
        (*file).pMethods = ptr::null();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(offset)) = (usize::try_from(amount), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: SQLite passes a buffer of that many bytes, which nothing else uses meanwhile. They
    // may be uninitialised as far as C is concerned; they are bytes, written before any is read.
    let buffer = unsafe {
        ptr::write_bytes(buffer.cast::<u8>(), 0, amount);
        std::slice::from_raw_parts_mut(buffer.cast::<u8>(), amount)
    };
    // SAFETY: SQLite passes an open file.
    code_of(unsafe { file_of(file) }.read(offset, buffer))
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    data: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(offset)) = (usize::try_from(amount), usize::try_from(offset)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite passes that many bytes, which nothing changes meanwhile.
    let data = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), amount) };
    // SAFETY: SQLite passes an open file.
    code_of(unsafe { file_of(file) }.write(offset, data))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, length: sqlite3_int64) -> c_int {
    let Ok(length) = usize::try_from(length) else { return ffi::SQLITE_IOERR_TRUNCATE };
    // SAFETY: SQLite passes an open file.
    code_of(unsafe { file_of(file) }.truncate(length))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    code_of(unsafe { file_of(file) }.sync())
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes an open file.
    match unsafe { file_of(file) }.length() {
        Ok(length) => {
            // SAFETY: SQLite passes a place for the size.
            unsafe { *size = length as sqlite3_int64 };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    code_of(unsafe { file_of(file) }.lock(LockLevel::from_code(level)))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    unsafe { file_of(file) }.unlock(LockLevel::from_code(level));
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, result: *mut c_int) -> c_int {
    // SAFETY: SQLite passes an open file.
    match unsafe { file_of(file) }.is_reserved() {
        Ok(is_reserved) => {
            // SAFETY: SQLite passes a place for the answer.
            unsafe { *result = c_int::from(is_reserved) };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn file_control(
    _file: *mut sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut sqlite3_file) -> c_int {
    super::SECTOR_BYTES as c_int
}

unsafe extern "C" fn device_characteristics(_file: *mut sqlite3_file) -> c_int {
    // What SQLite's Unix VFS answers, so that SQLite makes the same calls here as there.
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn delete(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite passes the registered VFS.
    let vfs = unsafe { vfs_of(vfs) };
    // SAFETY: SQLite passes a C string that lives through the call.
    let target = unsafe { target_of(path) };
    let disk = target.as_ref().and_then(|target| vfs.disk(target.disk));
    match (target, disk) {
        (Some(target), Some(disk)) => {
            code_of(handle::delete(&disk, target.generation, target.name, sync_directory != 0))
        }
        _ => ffi::SQLITE_IOERR_DELETE_NOENT,
    }
}

unsafe extern "C" fn access(
    vfs: *mut sqlite3_vfs,
    path: *const c_char,
    _flags: c_int,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite passes the registered VFS.
    let vfs = unsafe { vfs_of(vfs) };
    // SAFETY: SQLite passes a C string that lives through the call.
    let target = unsafe { target_of(path) };
    let disk = target.as_ref().and_then(|target| vfs.disk(target.disk));
    let answer = match (target, disk) {
        (Some(target), Some(disk)) => handle::exists(&disk, target.generation, target.name),
        _ => Ok(false),
    };
    match answer {
        Ok(answer) => {
            // SAFETY: SQLite passes a place for the answer.
            unsafe { *result = c_int::from(answer) };
            ffi::SQLITE_OK
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut sqlite3_vfs,
    path: *const c_char,
    capacity: c_int,
    full: *mut c_char,
) -> c_int {
    // SAFETY: SQLite passes a C string that lives through the call.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if usize::try_from(capacity).is_ok_and(|capacity| bytes.len() <= capacity) {
        // SAFETY: `full` has room for `capacity` bytes and is apart from `path`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), full, bytes.len()) };
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_CANTOPEN
    }
}

unsafe extern "C" fn dl_open(_vfs: *mut sqlite3_vfs, _path: *const c_char) -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn dl_error(_vfs: *mut sqlite3_vfs, capacity: c_int, message: *mut c_char) {
    if capacity > 0 {
        // SAFETY: SQLite passes room for `capacity` bytes; this is the empty string.
        unsafe { *message = 0 };
    }
}

unsafe extern "C" fn dl_sym(
    _vfs: *mut sqlite3_vfs,
    _library: *mut c_void,
    _symbol: *const c_char,
) -> Option<unsafe extern "C" fn(*mut sqlite3_vfs, *mut c_void, *const c_char)> {
    None
}

unsafe extern "C" fn dl_close(_vfs: *mut sqlite3_vfs, _library: *mut c_void) {}

unsafe extern "C" fn randomness(vfs: *mut sqlite3_vfs, amount: c_int, bytes: *mut c_char) -> c_int {
    let length = usize::try_from(amount).unwrap_or(0);
    // SAFETY: SQLite passes room for that many bytes, used by nothing else; they are set before
    // they are read.
    let bytes = unsafe {
        ptr::write_bytes(bytes, 0, length);
        std::slice::from_raw_parts_mut(bytes.cast::<u8>(), length)
    };
    // SAFETY: SQLite passes the registered VFS.
    unsafe { vfs_of(vfs) }.fill_random(bytes);
    amount
}

unsafe extern "C" fn sleep(vfs: *mut sqlite3_vfs, duration_us: c_int) -> c_int {
    // SAFETY: SQLite passes the registered VFS.
    unsafe { vfs_of(vfs) }.sleep(i64::from(duration_us));
    duration_us
}

unsafe extern "C" fn current_time(vfs: *mut sqlite3_vfs, day: *mut f64) -> c_int {
    let mut time_ms = 0;
    // SAFETY: SQLite passes the registered VFS; the other pointer is to a local.
    unsafe { current_time_ms(vfs, &raw mut time_ms) };
    // SAFETY: SQLite passes a place for the time.
    unsafe { *day = time_ms as f64 / MS_PER_DAY };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time_ms(vfs: *mut sqlite3_vfs, time_ms: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite passes the registered VFS.
    let unix_ms = unsafe { vfs_of(vfs) }.time_unix_ms();
    // SAFETY: SQLite passes a place for the time.
    unsafe { *time_ms = unix_ms.saturating_add(UNIX_EPOCH_JULIAN_MS) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn last_error(
    _vfs: *mut sqlite3_vfs,
    _capacity: c_int,
    _message: *mut c_char,
) -> c_int {
    0
}
