extern crate std;

use std::format;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const ROOM: usize = MAX_BYTES;

fn records(generation: u32) -> Entry {
    let line = format!("@baton {{\"v\":1,\"record\":\"cycle\",\"done\":{generation}}}\n");
    Entry::new(Kind::Records, 0, generation, &line.repeat(5))
}

fn document(entries: u32) -> Document {
    let mut document = Document::default();
    (0..entries).for_each(|generation| document.push(records(generation), ROOM));
    document.push(Entry::new(Kind::Trace, 1, entries, &"mark ".repeat(900)), ROOM);
    document
}

fn generations(document: &Document) -> Vec<u32> {
    document.entries().map(|entry| entry.generation).collect()
}

#[test]
fn a_document_survives_its_bytes() {
    let document = document(3);
    let mut bytes = document.to_bytes();
    assert_eq!(bytes.len(), document.bytes());
    assert_eq!(Document::read(&bytes), Ok(document.clone()));
    let texts: Vec<String> = document.entries().map(|entry| entry.text().unwrap()).collect();
    assert!(texts[0].ends_with("\"done\":0}\n") && texts[3].len() == 4500);
    bytes.extend([0; 100]); // as in the handover: the room is larger than the document
    assert_eq!(Document::read(&bytes), Ok(document));
    assert_eq!(Document::read(&Document::default().to_bytes()), Ok(Document::default()));
}

#[test]
fn the_oldest_go_first_and_are_counted() {
    let mut document = document(10);
    let room = document.bytes();
    document.push(records(11), room);
    assert!(document.bytes() <= room && document.dropped() == 1);
    assert_eq!(generations(&document)[0], 1);
    document.shrink(0);
    assert_eq!((document.dropped(), document.entries().count()), (12, 0));
    assert!(!document.is_empty() && Document::default().is_empty());
    assert_eq!(Document::read(&document.to_bytes()).unwrap().dropped(), 12);
}

#[test]
fn a_newer_trace_takes_the_place_of_the_one_of_its_kind() {
    let mut document = document(1);
    document.push(Entry::new(Kind::Trace, 2, 5, "other"), ROOM);
    document.push(Entry::new(Kind::Trace, 1, 6, "newer"), ROOM);
    assert_eq!(generations(&document), [0, 5, 6]);
    assert_eq!(document.dropped(), 0);
}

#[test]
fn what_is_no_document_is_named() {
    let bytes = document(3).to_bytes();
    assert_eq!(Document::read(b"batonho1........"), Err(ResultsError::Foreign));
    assert_eq!(Document::read(&[]), Err(ResultsError::Foreign));
    let short = ResultsError::Short { has: bytes.len() - 1, wants: bytes.len() };
    assert_eq!(Document::read(&bytes[..bytes.len() - 1]), Err(short));
    let mut long = bytes.clone();
    long[8..12].fill(0xff);
    assert_eq!(Document::read(&long), Err(ResultsError::Long(u32::MAX as usize)));
    for at in HEADER_BYTES..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_eq!(Document::read(&other), Err(ResultsError::Crc), "byte {at}");
    }
}

/// A body of one's own choice under a checksum that matches.
fn sealed(body: &[u8]) -> Vec<u8> {
    let head = [&b"batonres"[..], &(body.len() as u32).to_le_bytes()];
    [&head.concat()[..], &crate::report::crc32(body).to_le_bytes(), body].concat()
}

#[test]
fn a_body_that_does_not_fit_is_refused_though_its_checksum_matches() {
    let head = |kind: u8, packed: u32| {
        [&[0, 0, 0, 0, kind, 0, 0, 0], &[0; 8][..], &packed.to_le_bytes()].concat()
    };
    for (body, at) in
        [(head(3, 0), 20), (head(1, 1), 20), (head(2, u32::MAX), 20), ([0; 3].into(), 16)]
    {
        assert_eq!(Document::read(&sealed(&body)), Err(ResultsError::Malformed { at }), "{body:?}");
    }
    // It says that it unpacks to one byte; the packed bytes are of none.
    let mut entry = head(1, 2);
    entry[12] = 1;
    entry.extend([3, 0]);
    let document = Document::read(&sealed(&entry)).unwrap();
    let texts: Vec<_> = document.entries().map(Entry::text).collect();
    assert_eq!(texts, [Err(ResultsError::Entry { generation: 0 })]);
}

#[test]
fn lines_make_the_document_again() {
    let document = document(30);
    let lines = Lines::new(&document);
    let read: Vec<Line> =
        (1..=lines.count()).map(|n| Line::read(&lines.line(n).unwrap()).unwrap()).collect();
    assert!(read.iter().enumerate().all(|(i, line)| (line.number, line.of) == (i + 1, read.len())));
    let bytes: Vec<u8> = read.iter().flat_map(|line| line.bytes.clone()).collect();
    assert_eq!(Document::read(&bytes), Ok(document));
    assert_eq!((lines.line(0), lines.line(lines.count() + 1)), (None, None));
    assert!(lines.line(1).unwrap().len() < 160);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read = Document::read(&sealed(&bytes));
        if let Ok(document) = read {
            document.entries().for_each(|entry| drop(entry.text()));
            prop_assert_eq!(document.to_bytes(), sealed(&bytes));
        }
        let _ = Document::read(&bytes);
    }

    #[test]
    fn a_line_that_lost_or_changed_a_letter_is_no_line(at in 0usize..150, with in 0u8..128) {
        let whole = Lines::new(&document(9)).line(2).unwrap();
        let mut letters: Vec<u8> = whole.bytes().collect();
        let at = LINE_PREFIX.len() + at % (letters.len() - LINE_PREFIX.len());
        if with < 32 { letters.remove(at); } else { letters[at] = with; }
        let damaged = String::from_utf8(letters).unwrap();
        let hex_case = damaged.eq_ignore_ascii_case(&whole) && at > whole.len() - 9;
        if damaged.trim_end() != whole && !hex_case {
            prop_assert_eq!(Line::read(&damaged), None, "{}", damaged);
        }
        let shown = format!("\x1b[Kbaton> {whole}\r");
        prop_assert!(Line::read(&shown).is_some());
    }
}
