//! PL011 output, polled. The line is used as it is found: QEMU needs no set-up.

use crate::mmio::{read, write};

/// Where QEMU virt has its PL011.
pub const UART: u64 = 0x0900_0000;
const FR: u64 = 0x18;
const FR_TXFF: u32 = 1 << 5;

fn put(byte: u8) {
    // QEMU takes a byte at once or when its reader does.
    while read(UART + FR) & FR_TXFF != 0 {}
    write(UART, byte.into());
}

fn text(text: &str) {
    text.bytes().for_each(put);
}

fn digits(value: u64, radix: u64) {
    if value >= radix {
        digits(value / radix, radix);
    }
    let digit = (value % radix) as u8;
    put(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
}

fn end(value: Option<u64>) {
    match value {
        Some(value) => {
            text(" 0x");
            digits(value, 16);
        }
        None => text(" absent"),
    }
    text("\r\n");
}

/// Prints a line.
pub fn line(what: &str) {
    text(what);
    text("\r\n");
}

/// Prints an item and its value.
pub fn item(name: &str, value: u64) {
    maybe(name, Some(value));
}

/// Prints an item, which may be absent.
pub fn maybe(name: &str, value: Option<u64>) {
    text("probe ");
    text(name);
    end(value);
}

/// Prints an item of one of many: `name[index].field`.
pub fn of(name: &str, index: u64, field: &str, value: u64) {
    text("probe ");
    text(name);
    put(b'[');
    digits(index, 10);
    put(b']');
    text(field);
    end(Some(value));
}

/// Prints `count` registers from `first` on, neighbours of one value together:
/// `name[first..last]`.
pub fn run(name: &str, first: u64, count: u64, value: impl Fn(u64) -> u64) {
    let mut begin = first;
    for i in first..first + count {
        if i + 1 == first + count || value(i + 1) != value(i) {
            text("probe ");
            text(name);
            put(b'[');
            digits(begin, 10);
            text("..");
            digits(i, 10);
            put(b']');
            end(Some(value(i)));
            begin = i + 1;
        }
    }
}
