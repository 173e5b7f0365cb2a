//! QEMU's plugin interface (include/qemu/qemu-plugin.h), as far as it is used here. QEMU exports
//! these functions to the plugins that it loads.
//!
//! Left out in unit tests, which no QEMU loads.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::tally::Instruction;

/// The interface that every QEMU from 4.2 to 8.2 takes.
const OLD: c_int = 1;
/// The oldest one that a QEMU from 9.0 on takes.
const NEW: c_int = 2;
/// From this version on `qemu_plugin_insn_data` copies.
const COPIES: c_int = 3;
/// `QEMU_PLUGIN_CB_NO_REGS`
const NO_REGISTERS: c_int = 0;
/// `QEMU_PLUGIN_MEM_RW`
const LOADS_AND_STORES: c_int = 3;
/// Bytes of an A64 instruction.
const OPCODE: usize = 4;

/// `qemu_info_t`, of which only the beginning is read.
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    target: *const c_char,
    oldest_version: c_int,
    version: c_int,
}

/// A block of code that QEMU has translated.
#[repr(C)]
#[derive(Debug)]
pub struct Block {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Insn {
    _opaque: [u8; 0],
}

#[repr(C)]
struct HardwareAddress {
    _opaque: [u8; 0],
}

/// Called for each block that is translated.
pub type Translated = extern "C" fn(id: u64, block: *mut Block);
/// Called for each access: CPU, what kind of access, its virtual address, and the user's word.
pub type Accessed = extern "C" fn(cpu: c_uint, kind: u32, at: u64, user: *mut c_void);
/// Called once, when QEMU ends.
pub type AtExit = extern "C" fn(id: u64, user: *mut c_void);

unsafe extern "C" {
    fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: Translated);
    fn qemu_plugin_register_atexit_cb(id: u64, callback: AtExit, user: *mut c_void);
    fn qemu_plugin_tb_n_insns(block: *const Block) -> usize;
    fn qemu_plugin_tb_get_insn(block: *const Block, index: usize) -> *mut Insn;
    // The form depends on the version, see `opcode`.
    fn qemu_plugin_insn_data();
    fn qemu_plugin_insn_vaddr(insn: *const Insn) -> u64;
    fn qemu_plugin_register_vcpu_mem_cb(
        insn: *mut Insn,
        callback: Accessed,
        flags: c_int,
        kinds: c_int,
        user: *mut c_void,
    );
    fn qemu_plugin_mem_is_store(kind: u32) -> bool;
    fn qemu_plugin_get_hwaddr(kind: u32, at: u64) -> *mut HardwareAddress;
    fn qemu_plugin_hwaddr_is_io(address: *const HardwareAddress) -> bool;
    fn qemu_plugin_hwaddr_phys_addr(address: *const HardwareAddress) -> u64;
    fn qemu_plugin_hwaddr_device_name(address: *const HardwareAddress) -> *const c_char;

    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The version that this plugin says it was built for. QEMU reads it once the plugin is loaded,
/// which is after [`CHOOSE`] has run.
// SAFETY: the name is QEMU's for exactly this, an int in the plugin.
#[unsafe(no_mangle)]
pub static qemu_plugin_version: AtomicI32 = AtomicI32::new(OLD);

/// The loader runs this before anything else of the plugin.
// SAFETY: the section holds pointers to functions of this type.
#[used]
#[unsafe(link_section = ".init_array")]
static CHOOSE: extern "C" fn() = choose;

/// The interface's version, once QEMU has said it.
static VERSION: AtomicI32 = AtomicI32::new(0);

/// Version 2 began by taking a function away.
extern "C" fn choose() {
    const GONE: &CStr = c"qemu_plugin_n_vcpus";
    // SAFETY: a null handle is RTLD_DEFAULT, and the name ends with a zero.
    let found = unsafe { dlsym(ptr::null_mut(), GONE.as_ptr()) };
    if found.is_null() {
        qemu_plugin_version.store(NEW, Ordering::Relaxed);
    }
}

/// Registers for every block that will be translated, and for QEMU's end.
///
/// # Safety
/// `id` and `info` are those that QEMU gave to `qemu_plugin_install`, which has not returned yet.
pub unsafe fn register(id: u64, info: *const Info, translated: Translated, at_exit: AtExit) {
    // SAFETY: QEMU's structure begins with these fields in every version, and lives until
    // qemu_plugin_install returns.
    VERSION.store(unsafe { (*info).version }, Ordering::Relaxed);
    // SAFETY: the functions have the types that QEMU calls them by, and stay for as long as QEMU
    // runs, because nothing unloads the plugin.
    unsafe {
        qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        qemu_plugin_register_atexit_cb(id, at_exit, ptr::null_mut());
    }
}

/// Has `accessed` called for each access by each instruction of a block, with the word that
/// `word` has for the instruction.
///
/// # Safety
/// QEMU has called a [`Translated`] with this block, and that call has not returned yet.
pub unsafe fn watch(block: *mut Block, accessed: Accessed, word: impl Fn(Instruction) -> usize) {
    // SAFETY: the block is valid during the call, as the caller promises.
    let count = unsafe { qemu_plugin_tb_n_insns(block) };
    for index in 0..count {
        // SAFETY: the index is below the number of instructions, so each is a valid handle; the
        // user's word is a number that nothing takes for an address.
        unsafe {
            let insn = qemu_plugin_tb_get_insn(block, index);
            let instruction =
                Instruction { pc: qemu_plugin_insn_vaddr(insn), opcode: opcode(insn) };
            let word = ptr::without_provenance_mut(word(instruction));
            let (flags, kinds) = (NO_REGISTERS, LOADS_AND_STORES);
            qemu_plugin_register_vcpu_mem_cb(insn, accessed, flags, kinds, word);
        }
    }
}

/// The opcode, as QEMU has just translated it.
///
/// # Safety
/// `insn` is valid, and is A64: this plugin refuses other targets, and baton never leaves A64.
unsafe fn opcode(insn: *const Insn) -> u32 {
    type Points = unsafe extern "C" fn(*const Insn) -> *const u8;
    type Copies = unsafe extern "C" fn(*const Insn, *mut c_void, usize) -> usize;
    let function = qemu_plugin_insn_data as unsafe extern "C" fn();
    let mut bytes = [0; OPCODE];
    let copies = VERSION.load(Ordering::Relaxed) >= COPIES;
    // SAFETY: each version of QEMU has one of the two forms, which QEMU's own version tells apart;
    // an A64 instruction has four bytes.
    unsafe {
        if copies {
            let copy = std::mem::transmute::<unsafe extern "C" fn(), Copies>(function);
            copy(insn, bytes.as_mut_ptr().cast(), OPCODE);
        } else {
            let point = std::mem::transmute::<unsafe extern "C" fn(), Points>(function);
            bytes = point(insn).cast::<[u8; OPCODE]>().read_unaligned();
        }
    }
    u32::from_le_bytes(bytes)
}

/// An access that a device has answered.
#[derive(Debug)]
pub struct Answered {
    /// The physical address.
    pub at: u64,
    /// True for a store, and for what loads and stores at once.
    pub store: bool,
    /// QEMU's name of the memory region.
    pub region: String,
}

/// What an access was, if it was to a device address.
///
/// # Safety
/// QEMU has called an [`Accessed`] with these, and that call has not returned yet.
pub unsafe fn device_access(kind: u32, at: u64) -> Option<Answered> {
    // SAFETY: this is the callback of the access, as the caller promises, so QEMU has its address,
    // and what it returns is valid until the callback returns. Region names end with a zero.
    unsafe {
        let address = qemu_plugin_get_hwaddr(kind, at);
        assert!(!address.is_null(), "QEMU has no physical address of an access to {at:#x}");
        if !qemu_plugin_hwaddr_is_io(address) {
            return None;
        }
        let region = CStr::from_ptr(qemu_plugin_hwaddr_device_name(address));
        Some(Answered {
            at: qemu_plugin_hwaddr_phys_addr(address),
            store: qemu_plugin_mem_is_store(kind),
            region: region.to_string_lossy().into_owned(),
        })
    }
}

/// Whether the machine's CPUs are those that this plugin knows.
///
/// # Safety
/// As for [`register`].
pub unsafe fn is_aarch64(info: *const Info) -> bool {
    // SAFETY: the structure begins with the target's name, which ends with a zero.
    unsafe { CStr::from_ptr((*info).target) == c"aarch64" }
}

/// The arguments that the plugin was given, without what is not UTF-8.
///
/// # Safety
/// `words` are `count` strings that QEMU gave to `qemu_plugin_install`.
pub unsafe fn arguments(count: c_int, words: *const *const c_char) -> Vec<String> {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: as the caller promises.
    let word = |index| unsafe { CStr::from_ptr(*words.add(index)) };
    (0..count).filter_map(|index| word(index).to_str().ok().map(String::from)).collect()
}
