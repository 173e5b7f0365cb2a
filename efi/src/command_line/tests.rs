use std::string::String;
use std::vec;
use std::vec::Vec;

use super::*;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn converted(options: &[u8]) -> Result<String, CommandLineError> {
    let mut out = vec![0; MAX];
    let len = from_utf16(options, &mut out)?;
    Ok(String::from_utf8(out[..len].to_vec()).unwrap())
}

#[test]
fn text_becomes_text_with_or_without_a_nul_and_what_is_behind_the_nul_is_nothing() {
    let text = "run=\"cycle 2\" größe=𝄞";
    assert_eq!(converted(&utf16(text)).unwrap(), text);
    let mut options = utf16("quiet\0");
    options.extend([0x00, 0xd8, 7]);
    assert_eq!(converted(&options).unwrap(), "quiet");
    assert_eq!(converted(&[]).unwrap(), "");
}

#[test]
fn what_is_no_text_is_refused_by_its_place() {
    let mut odd = utf16("quiet");
    odd.push(0);
    assert_eq!(converted(&odd).unwrap(), "quiet", "a NUL cut in half");
    odd[10] = 7;
    assert_eq!(converted(&odd), Err(CommandLineError::Odd(11)));
    let mut half = utf16("𝄞ab");
    half.extend([0x00, 0xdc]);
    assert_eq!(converted(&half), Err(CommandLineError::Surrogate(4)));
}

#[test]
fn a_line_fits_to_the_last_byte() {
    let line = |bytes| utf16(&"x".repeat(bytes));
    assert_eq!(converted(&line(MAX)).unwrap().len(), MAX);
    assert_eq!(converted(&line(MAX + 1)), Err(CommandLineError::TooLong));
    let wide = "ä".repeat(MAX / 2) + "x";
    assert_eq!(converted(&utf16(&wide)), Err(CommandLineError::TooLong));
}

#[test]
fn the_kernel_reads_as_much_as_is_converted() {
    assert_eq!(MAX, baton::config::MAX_BOOTARGS_READ);
}

fn path(line: &str) -> Result<Option<String>, CommandLineError> {
    let mut out = [0; 16];
    let path = initrd(line, &mut out)?;
    Ok(path.map(|units| String::from_utf16(units).unwrap()))
}

#[test]
fn the_initrd_is_the_path_of_its_option_with_backslashes() {
    assert_eq!(path("quiet initrd=/a/b.cpio x").unwrap().as_deref(), Some("\\a\\b.cpio\0"));
    assert_eq!(path("initrd=\"a b\"").unwrap().as_deref(), Some("a b\0"));
    for none in ["", "noinitrd=x", "run=\"kexec initrd=x\"", "quiet -- initrd=x"] {
        assert_eq!(path(none), Ok(None), "{none}");
    }
}

#[test]
fn two_initrds_and_a_path_that_does_not_fit_are_refused() {
    assert_eq!(path("initrd=a initrd=b"), Err(CommandLineError::TwoInitrds));
    assert_eq!(path("initrd=123456789012345").unwrap().map(|path| path.len()), Some(16));
    assert_eq!(path("initrd=1234567890123456"), Err(CommandLineError::LongInitrd));
}
