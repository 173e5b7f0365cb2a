//! The jumps as a picture, in a page that needs nothing from elsewhere.

use super::Jump;
use crate::timeline::escape;
use crate::timeline::jumps::{Row, picture};

/// Width, pixels.
const WIDTH: f64 = 1000.0;
/// What a jump consists of.
const PARTS: [&str; 3] = [
    "order to leave, to the next kernel's first instruction",
    "to its first word",
    "to all its CPUs online",
];

/// The page.
pub(super) fn page(headline: &str, jumps: &[Jump]) -> String {
    let svg = picture("Each jump, on one scale", PARTS, &rows(jumps), WIDTH);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>baton and Linux</title>\
         <style>body{{font:15px/1.5 ui-sans-serif,system-ui,sans-serif;max-width:1040px;\
         margin:2rem auto;padding:0 1rem}}svg{{max-width:100%;height:auto}}</style></head><body>\n\
         <h1>baton and Linux</h1>\n<p>{}</p>\n{svg}</body></html>\n",
        escape(headline)
    )
}

fn rows(jumps: &[Jump]) -> Vec<Row> {
    let row = |jump: &Jump| {
        let Jump { from, to, instruction_ns, first_word_ns, online_ns } = jump;
        let first = instruction_ns.unwrap_or(0).min(*first_word_ns);
        let name = format!("{} to {}", from.name(), to.name());
        Row { name, ends: [first, *first_word_ns, first_word_ns + online_ns] }
    };
    jumps.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::System;

    #[test]
    fn every_jump_has_its_row_and_every_part_its_time() {
        let jump = |instruction_ns| Jump {
            from: System::Baton,
            to: System::Linux,
            instruction_ns,
            first_word_ns: 30_000_000,
            online_ns: 70_000_000,
        };
        let html = page("4 CPUs", &[jump(Some(10_000_000)), jump(None)]);
        assert_eq!(html.matches("baton to Linux").count(), (1 + 3) + (1 + 2));
        let parts = ["first instruction 10.0 ms", "first word 20.0 ms", "online 70.0 ms", "100 ms"];
        assert!(parts.iter().all(|part| html.contains(part)), "{html}");
        assert!(!html.contains("first instruction 0 ns") && html.contains("first word 30.0 ms"));
    }
}
