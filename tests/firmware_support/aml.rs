//! AML code, put together by hand.

/// A package behind its opcode.
pub fn package(opcode: &[u8], body: &[u8]) -> Vec<u8> {
    let length = match body.len() {
        0..=62 => vec![body.len() as u8 + 1],
        63..=4093 => long(body.len() + 2, 1),
        4094..=1048572 => long(body.len() + 3, 2),
        _ => long(body.len() + 4, 3),
    };
    [opcode, &length, body].concat()
}

fn long(length: usize, more: usize) -> Vec<u8> {
    let mut bytes = vec![(more << 6) as u8 | (length & 0xf) as u8];
    bytes.extend((0..more).map(|i| (length >> (4 + 8 * i)) as u8));
    bytes
}

pub fn scope(name: &str, body: &[u8]) -> Vec<u8> {
    package(&[0x10], &[path(name), body.to_vec()].concat())
}

pub fn device(name: &str, body: &[u8]) -> Vec<u8> {
    package(&[0x5b, 0x82], &[path(name), body.to_vec()].concat())
}

/// A method whose body is given.
pub fn method(name: &str, body: &[u8]) -> Vec<u8> {
    package(&[0x14], &[path(name), vec![0], body.to_vec()].concat())
}

/// A name and its constant.
pub fn name(name: &str, value: &[u8]) -> Vec<u8> {
    [&[0x08], &path(name)[..], value].concat()
}

/// One name, or a root or steps up and one name.
fn path(name: &str) -> Vec<u8> {
    name.as_bytes().to_vec()
}

pub fn text(text: &str) -> Vec<u8> {
    [&[0x0d], text.as_bytes(), &[0]].concat()
}

pub fn number(number: u32) -> Vec<u8> {
    [&[0x0c][..], &number.to_le_bytes()].concat()
}

pub fn buffer(bytes: &[u8]) -> Vec<u8> {
    package(&[0x11], &[&[0x0b], &(bytes.len() as u16).to_le_bytes()[..], bytes].concat())
}

/// Resources: interrupts, level, shared or not.
pub fn interrupt(flags: u8, number: u32) -> Vec<u8> {
    [&[0x89, 6, 0, flags, 1][..], &number.to_le_bytes()].concat()
}

/// Resources: a fixed range of registers.
pub fn registers(base: u32, size: u32) -> Vec<u8> {
    [&[0x86, 9, 0, 1][..], &base.to_le_bytes(), &size.to_le_bytes()].concat()
}

/// Resources: a range of 64 bits.
pub fn registers64(base: u64, size: u64) -> Vec<u8> {
    let words = [0, base, base + size - 1, 0, size].map(u64::to_le_bytes).concat();
    [&[0x8a, 43, 0, 0, 0, 0][..], &words].concat()
}

/// A list of resources with its end.
pub fn resources(list: &[Vec<u8>]) -> Vec<u8> {
    buffer(&[list.concat(), vec![0x79, 0]].concat())
}

pub fn named_resources(list: &[Vec<u8>]) -> Vec<u8> {
    name("_CRS", &resources(list))
}

pub fn returns(value: &[u8]) -> Vec<u8> {
    [&[0xa4], value].concat()
}
