//! Paths in Rust source, by its tokens: what stands in macros is seen, comments and strings are not.

use std::iter::Peekable;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree, token_stream::IntoIter};

type Tokens = Peekable<IntoIter>;

/// A top module that is used, and the line of its name.
pub type Used = (String, usize);

/// Every top module that a file of the library names by a path from the root, without what is for
/// tests only. `depth` is how many modules deep the file itself is: `cpu.rs` is 1.
///
/// # Panics
/// If the text is not Rust.
pub fn top_modules(text: &str, depth: usize) -> Vec<Used> {
    let tokens: TokenStream = text.parse().expect("a file of the library is Rust");
    let mut used = Vec::new();
    walk(tokens, depth, &mut used);
    used
}

fn walk(tokens: TokenStream, depth: usize, used: &mut Vec<Used>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut inner = 0;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(p) if p.as_char() == '#' => skip_test(&mut tokens),
            TokenTree::Ident(word) if word == "mod" => inner = 1,
            TokenTree::Ident(word) if word == "extern" => drop(tokens.next()),
            TokenTree::Ident(word) if word == "crate" => from_root(&word, &mut tokens, used),
            TokenTree::Ident(word) if word == "super" => up(depth, &mut tokens, used),
            TokenTree::Group(group) => {
                let own = group.delimiter() == Delimiter::Brace;
                walk(group.stream(), depth + if own { inner } else { 0 }, used);
                inner = if own { 0 } else { inner };
            }
            TokenTree::Punct(p) if p.as_char() == ';' => inner = 0,
            _ => {}
        }
    }
}

/// After `#`: an attribute, and if it is `cfg(test)` of any form, the item that it is on.
fn skip_test(tokens: &mut Tokens) {
    let Some(TokenTree::Group(attribute)) = tokens.peek() else { return };
    let for_tests = is_test(attribute);
    tokens.next();
    if for_tests {
        let _ = tokens.find(ends_item);
    }
}

/// True for the body or the `;` that an item ends with.
fn ends_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(p) => p.as_char() == ';',
        _ => false,
    }
}

/// `cfg(test)` or `cfg(all(test, ..))`; `cfg(not(test))` and `cfg(any(test, ..))` are not for tests
/// alone.
fn is_test(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// After `crate`: a module, a group of them, or the root itself, which could be anything.
fn from_root(word: &Ident, tokens: &mut Tokens, used: &mut Vec<Used>) {
    if !colons(tokens) {
        // `pub(crate)` ends its group here.
        if tokens.peek().is_some() {
            used.push(("the root itself".into(), word.span().start().line));
        }
        return;
    }
    names(tokens, used);
}

/// After the first `super`: as many more as there are; it is a path from the root if they lead there.
fn up(depth: usize, tokens: &mut Tokens, used: &mut Vec<Used>) {
    let mut levels = 1;
    while colons(tokens) {
        match tokens.peek() {
            Some(TokenTree::Ident(word)) if word == "super" => levels += 1,
            _ if levels == depth => return names(tokens, used),
            _ => return,
        }
        tokens.next();
    }
}

/// The name that follows, or the first one of each path of a group.
fn names(tokens: &mut Tokens, used: &mut Vec<Used>) {
    match tokens.next() {
        Some(TokenTree::Ident(name)) => used.push((name.to_string(), name.span().start().line)),
        Some(TokenTree::Group(group)) => {
            let mut first = true;
            for token in group.stream() {
                match token {
                    TokenTree::Ident(name) if first => {
                        used.push((name.to_string(), name.span().start().line));
                        first = false;
                    }
                    TokenTree::Punct(p) if p.as_char() == ',' => first = true,
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Takes `::` if it is there.
fn colons(tokens: &mut Tokens) -> bool {
    let colon =
        |t: Option<&TokenTree>| matches!(t, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    if !colon(tokens.peek()) {
        return false;
    }
    tokens.next();
    tokens.next();
    true
}
