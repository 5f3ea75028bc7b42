//! Cuts the text of a statement into tokens.
//!
//! All of the text is cut before any of it is parsed: what no token can begin with, a quotation or a comment that does not end, and
//! a number whose exponent no 32-bit integer holds are found first, and DynamoDB says nothing of where.

use std::borrow::Cow;

use super::keywords::is_keyword;
use super::malformed;
use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A name without quotation marks that is no keyword.
    Word,
    Keyword,
    /// A name in double quotation marks.
    Quoted,
    /// A text in single quotation marks.
    Text,
    /// A number without its sign.
    Number,
    Symbol,
    End,
}

#[derive(Clone, Debug)]
pub struct Token<'t> {
    pub kind: TokenKind,
    /// Without quotation marks; what was doubled within them is single.
    pub text: Cow<'t, str>,
    /// Where the token begins and ends in the statement, in bytes.
    pub start: usize,
    pub end: usize,
}

impl Token<'_> {
    pub fn is(&self, keyword: &str) -> bool {
        matches!(self.kind, TokenKind::Keyword | TokenKind::Word) && self.text.eq_ignore_ascii_case(keyword)
    }

    pub fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == TokenKind::Symbol && self.text == symbol
    }
}

/// Longest first where one begins with another.
const SYMBOLS: [&str; 26] = [
    "<<", ">>", "<=", ">=", "<>", "!=", "||", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{", "}",
    ",", ".", ":", ";", "?",
];

/// All tokens of `text`; the last one is `End`.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, Error> {
    let mut found = Vec::with_capacity(text.len() / 4 + 2);
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = blank(rest)? {
            start += length;
            continue;
        }
        let (kind, shown, length) = one(rest)?;
        found.push(Token { kind, text: shown, start, end: start + length });
        start += length;
    }
    found.push(Token { kind: TokenKind::End, text: Cow::Borrowed(""), start: text.len(), end: text.len() });
    Ok(found)
}

/// The length of white space or of a comment that `rest` begins with.
fn blank(rest: &str) -> Result<Option<usize>, Error> {
    if let Some(comment) = rest.strip_prefix("--") {
        return Ok(Some(2 + comment.find(['\n', '\r']).unwrap_or(comment.len())));
    }
    if let Some(comment) = rest.strip_prefix("/*") {
        return comment.find("*/").map(|end| Some(end + 4)).ok_or_else(unreadable);
    }
    let length: usize = rest.chars().take_while(|letter| letter.is_whitespace()).map(char::len_utf8).sum();
    Ok((length > 0).then_some(length))
}

fn one(rest: &str) -> Result<(TokenKind, Cow<'_, str>, usize), Error> {
    let mut letters = rest.chars();
    let (first, second) = (letters.next().unwrap_or_default(), letters.next().unwrap_or_default());
    match first {
        '\'' => quoted(rest, '\'').map(|(text, length)| (TokenKind::Text, text, length)),
        '"' => quoted(rest, '"').map(|(text, length)| (TokenKind::Quoted, text, length)),
        '0'..='9' => number(rest),
        '.' if second.is_ascii_digit() => number(rest),
        _ if is_name_letter(first) => {
            let length = rest.find(|letter| !is_name_letter(letter)).unwrap_or(rest.len());
            let word = rest.get(..length).unwrap_or(rest);
            let kind = if is_keyword(word) { TokenKind::Keyword } else { TokenKind::Word };
            Ok((kind, Cow::Borrowed(word), length))
        }
        _ => {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)).ok_or_else(unreadable)?;
            Ok((TokenKind::Symbol, Cow::Borrowed(*symbol), symbol.len()))
        }
    }
}

const fn is_name_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '$'
}

/// What stands between two quotation marks, and the length with them. Two of them in a row stand for one within.
fn quoted(rest: &str, mark: char) -> Result<(Cow<'_, str>, usize), Error> {
    let mut marks = rest.char_indices().skip(1).filter(|(_, letter)| *letter == mark).map(|(at, _)| at).peekable();
    while let Some(at) = marks.next() {
        if marks.peek() == Some(&(at + 1)) {
            marks.next();
            continue;
        }
        let inside = rest.get(1..at).unwrap_or_default();
        let doubled = [mark, mark].iter().collect::<String>();
        let text = if inside.contains(&doubled) {
            Cow::Owned(inside.replace(&doubled, mark.encode_utf8(&mut [0; 4])))
        } else {
            Cow::Borrowed(inside)
        };
        return Ok((text, at + 1));
    }
    Err(unreadable())
}

/// Digits with at most one point among or before them, then an exponent that directly follows them.
fn number(rest: &str) -> Result<(TokenKind, Cow<'_, str>, usize), Error> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut length = digits(0);
    let mut places = 0;
    if bytes.get(length) == Some(&b'.') {
        places = digits(length + 1);
        length += 1 + places;
    }
    let mut exponent = 0_i64;
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let many = digits(length + 1 + signed);
        if many > 0 {
            let end = length + 1 + signed + many;
            let text = rest.get(length + 1..end).unwrap_or_default();
            exponent = text.parse::<i32>().map_err(|_| unreadable())?.into();
            length = end;
        }
    }
    // DynamoDB keeps numbers with a scale, which is a 32-bit integer as well.
    let scale = i64::try_from(places).unwrap_or(i64::MAX).saturating_sub(exponent);
    if i32::try_from(scale).is_err() {
        return Err(unreadable());
    }
    Ok((TokenKind::Number, Cow::Borrowed(rest.get(..length).unwrap_or(rest)), length))
}

fn unreadable() -> Error {
    malformed("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Option<Vec<String>> {
        Some(tokens(text).ok()?.into_iter().map(|token| token.text.into_owned()).collect())
    }

    #[test]
    fn statements_fall_into_tokens() {
        let found = texts("SELECT a.\"b\"\"c\"[0] -- note\nFROM t/* x */WHERE a<>'it''s'AND b>=-.5e-3 <<?>>");
        let expected =
            "SELECT a . b\"c [ 0 ] FROM t WHERE a <> it's AND b >= - .5e-3 << ? >>".split(' ').map(str::to_owned);
        assert_eq!(found, Some(expected.chain([String::new()]).collect()));
    }

    #[test]
    fn what_cannot_be_cut_is_refused_without_saying_where() {
        for text in ["'a", "\"a", "/* a", "a # b", "a ! b", "`a`", "1e2147483648", "1.5e-2147483647", "a\u{0}", "é"] {
            assert_eq!(tokens(text).err(), Some(malformed("")), "{text}");
        }
        assert!(tokens("1e2147483647").is_ok());
        assert!(tokens("'é' \"𝄞\"").is_ok());
    }
}
