//! The results of a run, as a kernel finds them in the handover and the host tool finds them in a tree
//! or on a console.

use baton::report::crc32;
use baton::results::{Document, Line, Lines, MAX_BYTES, MAX_TEXT};

use super::check_message;

/// The bytes as they are, as a body under a right checksum, and as a line of the console.
pub fn results(data: &[u8]) -> bool {
    let _ = Line::read(&String::from_utf8_lossy(data));
    read(data);
    let body = &data[..data.len().min(MAX_BYTES - 16)];
    let (length, crc) = ((body.len() as u32).to_le_bytes(), crc32(body).to_le_bytes());
    read(&[b"batonres", &length[..], &crc, body].concat())
}

fn read(bytes: &[u8]) -> bool {
    let document = match Document::read(bytes) {
        Ok(document) => document,
        Err(why) => {
            check_message(why);
            return false;
        }
    };
    let again = document.to_bytes();
    assert!(bytes.starts_with(&again) && again.len() == document.bytes());
    let mut good = true;
    for entry in document.entries() {
        match entry.text() {
            Ok(text) => assert!(text.len() <= MAX_TEXT),
            Err(why) => {
                check_message(why);
                good = false;
            }
        }
    }
    on_the_console(&document);
    good
}

/// What goes out in lines comes in again.
fn on_the_console(document: &Document) {
    let lines = Lines::new(document);
    let texts = (1..=lines.count()).filter_map(|number| lines.line(number));
    let bytes: Vec<u8> =
        texts.flat_map(|text| Line::read(&text).expect("a line is whole").bytes).collect();
    assert_eq!(Document::read(&bytes).as_ref(), Ok(document));
}
