//! Cuts the text of an expression into tokens that borrow from it.
//!
//! Never fails: a character that belongs to no token becomes a token of its own, which no grammar accepts, so that the
//! parser that meets it reports it in context, as DynamoDB does.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A bare attribute name, a function name or a keyword.
    Word,
    /// `#name`
    Name,
    /// `:value`
    Value,
    /// A list index; `0` and digits after it are tokens of their own, as DynamoDB reads them.
    Digits,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Dot,
    Comma,
    Open,
    Close,
    OpenBracket,
    CloseBracket,
    Unknown,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub kind: TokenKind,
    pub text: &'t str,
    /// Where `text` begins in the expression, in bytes.
    pub start: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub fn is_word(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text.eq_ignore_ascii_case(keyword)
    }
}

/// All tokens of `text`; the last one is `End`.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::with_capacity(text.len() / 3 + 2);
    let mut start = 0;
    while let Some(rest) = text.get(start..) {
        let mut characters = rest.chars();
        let Some(first) = characters.next() else { break };
        if first.is_ascii_whitespace() {
            start += 1;
            continue;
        }
        let (kind, length) = one(rest, first, characters.next());
        found.push(Token { kind, text: rest.get(..length).unwrap_or(rest), start });
        start += length;
    }
    found.push(Token { kind: TokenKind::End, text: "", start: text.len() });
    found
}

fn one(rest: &str, first: char, second: Option<char>) -> (TokenKind, usize) {
    use TokenKind as T;
    let run = |from: usize| from + rest.bytes().skip(from).take_while(|byte| is_word_byte(*byte)).count();
    match first {
        '(' => (T::Open, 1),
        ')' => (T::Close, 1),
        '[' => (T::OpenBracket, 1),
        ']' => (T::CloseBracket, 1),
        '.' => (T::Dot, 1),
        ',' => (T::Comma, 1),
        '=' => (T::Equal, 1),
        '+' => (T::Plus, 1),
        '-' => (T::Minus, 1),
        '<' if second == Some('>') => (T::NotEqual, 2),
        '<' if second == Some('=') => (T::LessOrEqual, 2),
        '<' => (T::Less, 1),
        '>' if second == Some('=') => (T::GreaterOrEqual, 2),
        '>' => (T::Greater, 1),
        '#' | ':' if run(1) > 1 => (if first == '#' { T::Name } else { T::Value }, run(1)),
        '0' => (T::Digits, 1),
        '1'..='9' => (T::Digits, rest.bytes().take_while(u8::is_ascii_digit).count()),
        _ if first.is_ascii_alphabetic() => (T::Word, run(0)),
        _ => (T::Unknown, first.len_utf8()),
    }
}

/// What placeholders and names consist of after their first character.
pub(super) const fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn expressions_fall_into_tokens() {
        assert_eq!(
            texts("a.b[10]<=:v AND#n<>size (x)"),
            ["a", ".", "b", "[", "10", "]", "<=", ":v", "AND", "#n", "<>", "size", "(", "x", ")", ""]
        );
        assert_eq!(texts(" \t\n"), [""]);
    }

    #[test]
    fn what_fits_nowhere_is_a_token_of_its_own() {
        assert_eq!(texts("__a"), ["_", "_", "a", ""]);
        assert_eq!(texts("#n-03"), ["#n", "-", "0", "3", ""]);
        assert_eq!(texts("é:𝄞# :"), ["é", ":", "𝄞", "#", ":", ""]);
        assert_eq!(texts("a!=b"), ["a", "!", "=", "b", ""]);
    }
}
