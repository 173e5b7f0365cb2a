//! From QEMU's callbacks to the report.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::api::{self, Block, Info};
use crate::tally::{Access, Instruction, Tally};

/// The argument that names the report's file.
const OUT: &str = "out=";

struct Watch {
    out: PathBuf,
    /// Every instruction that was translated; an access brings its index.
    instructions: Mutex<Vec<Instruction>>,
    tally: Mutex<Tally>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// QEMU calls this when it has loaded the plugin.
///
/// # Safety
/// The arguments are as QEMU's plugin interface says.
// SAFETY: the name and the type are QEMU's for exactly this.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const Info,
    count: c_int,
    words: *const *const c_char,
) -> c_int {
    // SAFETY: these are QEMU's own arguments, and this call has not returned.
    let (arguments, aarch64) = unsafe { (api::arguments(count, words), api::is_aarch64(info)) };
    let [out] = arguments.as_slice() else { return refuse("it takes one argument, out=PATH") };
    let Some(out) = out.strip_prefix(OUT) else {
        return refuse("it takes no argument but out=PATH");
    };
    if !aarch64 {
        return refuse("it knows no instructions but aarch64's");
    }
    WATCH.get_or_init(|| Watch {
        out: out.into(),
        instructions: Mutex::default(),
        tally: Mutex::default(),
    });
    // SAFETY: as above.
    unsafe { api::register(id, info, translated, at_exit) };
    0
}

fn refuse(why: &str) -> c_int {
    eprintln!("baton-watch: {why}");
    1
}

extern "C" fn translated(_: u64, block: *mut Block) {
    let Some(watch) = WATCH.get() else { return };
    // SAFETY: QEMU has called this with the block.
    unsafe { api::watch(block, accessed, |instruction| watch.remember(instruction)) };
}

extern "C" fn accessed(_: c_uint, kind: u32, at: u64, word: *mut c_void) {
    // SAFETY: QEMU has called this with the access.
    let answered = unsafe { api::device_access(kind, at) };
    if let (Some(watch), Some(answered)) = (WATCH.get(), answered) {
        let by = lock(&watch.instructions)[word.addr()];
        let api::Answered { at, store, region } = answered;
        lock(&watch.tally).add(Access { by, at, store, region });
    }
}

extern "C" fn at_exit(_: u64, _: *mut c_void) {
    let Some(watch) = WATCH.get() else { return };
    let report = lock(&watch.tally).to_string();
    if let Err(error) = std::fs::write(&watch.out, report) {
        eprintln!("baton-watch: cannot write {}: {error}", watch.out.display());
    }
}

impl Watch {
    fn remember(&self, instruction: Instruction) -> usize {
        let mut all = lock(&self.instructions);
        all.push(instruction);
        all.len() - 1
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
