//! Paths in Rust syntax, those in macro calls too.

use std::iter::Peekable;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream::IntoIter};
use quote::ToTokens;
use syn::{Item, UseTree};

/// A path as it is written, and the line that it is on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

type Tokens = Peekable<IntoIter>;

/// Returns what a `use` declaration brings in, by the name that it has here; a glob has none.
pub(super) fn declared(tree: &UseTree) -> Vec<(Option<String>, Named)> {
    let mut found = Vec::new();
    expand(tree, &mut Vec::new(), &mut found);
    found
}

fn expand(tree: &UseTree, before: &mut Vec<String>, found: &mut Vec<(Option<String>, Named)>) {
    let mut add = |name: Option<String>, last: &syn::Ident| {
        let mut path = before.clone();
        if last != "self" || path.is_empty() {
            path.push(last.to_string());
        }
        let name = name.or_else(|| path.last().cloned());
        let line = last.span().start().line;
        found.push((name, Named { path, line }));
    };
    match tree {
        UseTree::Name(item) => add(None, &item.ident),
        UseTree::Rename(item) => add(Some(item.rename.to_string()), &item.ident),
        UseTree::Glob(item) => {
            let line = item.star_token.spans[0].start().line;
            let path = before.clone();
            found.push((None, Named { path, line }));
        }
        UseTree::Path(item) => {
            before.push(item.ident.to_string());
            expand(&item.tree, before, found);
            before.pop();
        }
        UseTree::Group(item) => {
            for tree in &item.items {
                expand(tree, before, found);
            }
        }
    }
}

/// Returns all paths in an item, in code that is compiled for more than tests.
pub(super) fn mentioned(item: &Item) -> Vec<Named> {
    let mut found = Vec::new();
    search(item.to_token_stream(), &mut found);
    found
}

fn search(stream: TokenStream, found: &mut Vec<Named>) {
    let mut tokens = stream.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // The name that is defined is not a path.
            TokenTree::Ident(ident) if ident == "fn" || ident == "type" => drop(tokens.next()),
            TokenTree::Ident(ident) => {
                let line = ident.span().start().line;
                rest(vec![ident.to_string()], line, &mut tokens, found);
            }
            TokenTree::Group(group) => search(group.stream(), found),
            // The name of a field or a method is not a path; what follows a range may be one.
            TokenTree::Punct(punct) if punct.as_char() == '.' => {
                if tokens.next_if(|token| is_punct(token, '.')).is_none() {
                    tokens.next_if(|token| matches!(token, TokenTree::Ident(_)));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let attribute = tokens.next_if(|token| matches!(token, TokenTree::Group(_)));
                if attribute.is_some_and(|token| is_for_tests(&token)) {
                    skip(&mut tokens);
                }
            }
            // A path that begins with `::` leads to another crate.
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                if colons(&mut tokens, true) {
                    rest(vec![String::new()], 0, &mut tokens, &mut Vec::new());
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Reads the segments after the first of a path, and adds the path, or each of a group.
fn rest(mut path: Vec<String>, line: usize, tokens: &mut Tokens, found: &mut Vec<Named>) {
    let mut is_whole = true;
    while colons(tokens, false) {
        match tokens.peek() {
            Some(TokenTree::Ident(ident)) => {
                path.push(ident.to_string());
                tokens.next();
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let mut inner = Vec::new();
                search(group.stream(), &mut inner);
                for named in inner {
                    let path = path.iter().cloned().chain(named.path).collect();
                    found.push(Named { path, ..named });
                }
                tokens.next();
                is_whole = false;
                break;
            }
            // Generic arguments, which are searched like what follows.
            _ => break,
        }
    }
    if is_whole && (path.len() > 1 || is_item(&path, tokens)) {
        found.push(Named { path, line });
    }
}

/// Returns whether a single name can be that of an item: a type, a constant, or what is called. Other names are
/// those of variables and fields.
fn is_item(path: &[String], tokens: &mut Tokens) -> bool {
    let is_called = match tokens.peek() {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
        Some(token) => is_punct(token, '!'),
        None => false,
    };
    is_called || path.iter().any(|name| name.starts_with(char::is_uppercase))
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// Takes `::`, or its second half, and returns whether it was there.
fn colons(tokens: &mut Tokens, is_half_taken: bool) -> bool {
    let is_colon = |token: &TokenTree| is_punct(token, ':');
    if is_half_taken {
        return tokens.next_if(is_colon).is_some();
    }
    let mut ahead = tokens.clone();
    let is_there = ahead.next().is_some_and(|token| is_colon(&token))
        && ahead.next().is_some_and(|token| is_colon(&token));
    if is_there {
        *tokens = ahead;
    }
    is_there
}

fn is_for_tests(attribute: &TokenTree) -> bool {
    attribute.to_string().replace(' ', "") == "[cfg(test)]"
}

/// Skips what an attribute is for: up to a semicolon, a comma or the end of a block.
fn skip(tokens: &mut Tokens) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => break,
            _ => {}
        }
    }
}
