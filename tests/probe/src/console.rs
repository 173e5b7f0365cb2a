//! Lines of text, without the formatter: its tables have addresses in them, which are of the place
//! where the image was linked.

use crate::uart::put;

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
