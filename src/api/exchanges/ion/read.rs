//! Reading Ion's text form: as much of it as DynamoDB has types for.
//!
//! Numbers may be decimals, integers or floats; what is a symbol, a timestamp, a clob or an s-expression is no attribute value.
//! Depth is bounded before anything recurses further. Source: Ion's specification of its text form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::item::{AttributeValue, Invalid, Item, MAX_DEPTH, Map, Number};

/// Members of a struct, as a record has them.
pub type Members = Vec<(String, Value)>;

/// A value, of which only what stands at the top of a record is not an attribute's.
pub enum Value {
    Struct(Members),
    Other(AttributeValue),
}

/// The struct that a line holds, behind the version marker if there is one.
pub fn record(line: &[u8]) -> Result<Members, Error> {
    let text = std::str::from_utf8(line).map_err(|_| malformed("it is not UTF-8"))?;
    let mut reader = Reader { text, at: 0 };
    reader.skip()?;
    if reader.rest().starts_with("$ion_1_0") {
        reader.at += "$ion_1_0".len();
        reader.skip()?;
    }
    let Value::Struct(members) = reader.value(0)? else { return Err(malformed("it is no struct")) };
    reader.skip()?;
    if reader.at < text.len() { Err(malformed("something follows the struct")) } else { Ok(members) }
}

impl Value {
    pub fn into_attribute(self) -> AttributeValue {
        match self {
            Self::Struct(members) => AttributeValue::M(map(members)),
            Self::Other(value) => value,
        }
    }

    pub fn into_item(self) -> Option<Item> {
        match self {
            Self::Struct(members) => Some(map(members)),
            Self::Other(_) => None,
        }
    }
}

fn map(members: Members) -> Map {
    Map::from_unsorted(members.into_iter().map(|(name, value)| (name.into(), value.into_attribute())).collect())
}

fn malformed(why: &str) -> Error {
    Error::Validation(format!("The record is not valid Ion: {why}"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn take(&mut self, token: &str) -> bool {
        let is_there = self.rest().starts_with(token);
        if is_there {
            self.at += token.len();
        }
        is_there
    }

    fn demand(&mut self, token: &str) -> Result<(), Error> {
        if self.take(token) { Ok(()) } else { Err(malformed(&format!("{token} is missing at byte {}", self.at))) }
    }

    /// Passes over white space and comments.
    fn skip(&mut self) -> Result<(), Error> {
        loop {
            let rest = self.rest();
            let blank =
                rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{0B}', '\u{0C}', '\u{FEFF}']).len();
            self.at += blank;
            if self.take("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.take("/*") {
                let end = self.rest().find("*/").ok_or_else(|| malformed("a comment has no end"))?;
                self.at += end + 2;
            } else if blank == 0 {
                return Ok(());
            }
        }
    }

    /// A value at a level, with its annotations.
    fn value(&mut self, level: usize) -> Result<Value, Error> {
        let mut annotations = Vec::new();
        loop {
            self.skip()?;
            let begin = self.at;
            let name = match self.peek() {
                Some('\'') if !self.rest().starts_with("'''") => Some(self.quoted('\'')?),
                Some(letter) if is_symbol_start(letter) => Some(self.identifier()),
                _ => None,
            };
            let Some(name) = name else { break };
            self.skip()?;
            if !self.take("::") {
                self.at = begin;
                break;
            }
            annotations.push(name);
        }
        let value = self.plain(level)?;
        match annotations.last().map(String::as_str) {
            None => Ok(value),
            Some(kind @ ("$dynamodb_SS" | "$dynamodb_NS" | "$dynamodb_BS")) => Ok(Value::Other(set(kind, value)?)),
            Some(other) => Err(malformed(&format!("the annotation {other} is unknown"))),
        }
    }

    fn plain(&mut self, level: usize) -> Result<Value, Error> {
        // The record and its Item are levels that an item does not count.
        if level > MAX_DEPTH + 2 {
            return Err(Invalid::too_deep().into());
        }
        let value = match self.peek() {
            Some('{') if self.rest().starts_with("{{") => AttributeValue::B(self.blob()?),
            Some('{') => return self.structure(level).map(Value::Struct),
            Some('[') => AttributeValue::L(self.list(level)?),
            Some('"') => AttributeValue::S(self.quoted('"')?),
            Some('\'') if self.rest().starts_with("'''") => AttributeValue::S(self.long_text()?),
            Some(letter) if letter.is_ascii_digit() || letter == '-' => self.number()?,
            Some(letter) if is_symbol_start(letter) => self.keyword()?,
            Some(letter) => return Err(malformed(&format!("{letter} begins no value of DynamoDB's"))),
            None => return Err(malformed("it ends too early")),
        };
        Ok(Value::Other(value))
    }

    fn structure(&mut self, level: usize) -> Result<Members, Error> {
        self.demand("{")?;
        let mut members: Members = Vec::new();
        loop {
            self.skip()?;
            if self.take("}") {
                return Ok(members);
            }
            let name = match self.peek() {
                Some('"') => self.quoted('"')?,
                Some('\'') if self.rest().starts_with("'''") => self.long_text()?,
                Some('\'') => self.quoted('\'')?,
                Some(letter) if is_symbol_start(letter) => self.identifier(),
                _ => return Err(malformed(&format!("a name is missing at byte {}", self.at))),
            };
            self.skip()?;
            self.demand(":")?;
            let value = self.value(level + 1)?;
            members.push((name, value));
            self.skip()?;
            if !self.take(",") {
                self.skip()?;
                self.demand("}")?;
                return Ok(members);
            }
        }
    }

    fn list(&mut self, level: usize) -> Result<Vec<AttributeValue>, Error> {
        self.demand("[")?;
        let mut members = Vec::new();
        loop {
            self.skip()?;
            if self.take("]") {
                return Ok(members);
            }
            members.push(self.value(level + 1)?.into_attribute());
            self.skip()?;
            if !self.take(",") {
                self.skip()?;
                self.demand("]")?;
                return Ok(members);
            }
        }
    }

    fn blob(&mut self) -> Result<Vec<u8>, Error> {
        self.demand("{{")?;
        let end = self.rest().find("}}").ok_or_else(|| malformed("a blob has no end"))?;
        let text: String = self.rest()[..end].chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        self.at += end + 2;
        STANDARD.decode(text).map_err(|error| malformed(&format!("a blob is no base64: {error}")))
    }

    fn identifier(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|letter| !is_symbol_start(letter) && !letter.is_ascii_digit()).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn keyword(&mut self) -> Result<AttributeValue, Error> {
        let name = self.identifier();
        match name.as_str() {
            "true" => Ok(AttributeValue::Bool(true)),
            "false" => Ok(AttributeValue::Bool(false)),
            "null" => {
                if self.take(".") {
                    self.identifier();
                }
                Ok(AttributeValue::Null)
            }
            _ => Err(malformed(&format!("the symbol {name} is no value of DynamoDB's"))),
        }
    }

    fn number(&mut self) -> Result<AttributeValue, Error> {
        let rest = self.rest();
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+-._:".contains(letter);
        let text = &rest[..rest.find(|letter| !is_part(letter)).unwrap_or(rest.len())];
        self.at += text.len();
        let digits = text.strip_prefix('-').unwrap_or(text);
        // What is left is a timestamp, or an integer that is not decimal.
        if !digits.bytes().all(|byte| byte.is_ascii_digit() || b"+-._eEdD".contains(&byte))
            || digits.contains('-') && !digits.contains(['d', 'D', 'e', 'E'])
        {
            return Err(malformed(&format!("{text} is no decimal")));
        }
        let plain: String = text
            .chars()
            .filter(|letter| *letter != '_')
            .map(|letter| if matches!(letter, 'd' | 'D') { 'e' } else { letter })
            .collect();
        // "103." and "1.e2" are written so only here.
        let plain = match plain.split_once('.') {
            Some((whole, "")) => whole.to_owned(),
            Some((whole, rest)) if rest.starts_with(['e', 'E']) => format!("{whole}{rest}"),
            _ => plain,
        };
        Ok(AttributeValue::N(Number::parse(&plain)?))
    }

    fn long_text(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        while self.take("'''") {
            while !self.take("'''") {
                self.letter(&mut text)?;
            }
            self.skip()?;
        }
        Ok(text)
    }

    fn quoted(&mut self, quote: char) -> Result<String, Error> {
        self.next();
        let mut text = String::new();
        while self.peek() != Some(quote) {
            if self.peek() == Some('\n') {
                return Err(malformed("a text has no end"));
            }
            self.letter(&mut text)?;
        }
        self.next();
        Ok(text)
    }

    /// One letter of a text, or an escape for one, or for none.
    fn letter(&mut self, text: &mut String) -> Result<(), Error> {
        let letter = self.next().ok_or_else(|| malformed("a text has no end"))?;
        if letter != '\\' {
            text.push(letter);
            return Ok(());
        }
        let escape = self.next().ok_or_else(|| malformed("a text has no end"))?;
        text.push(match escape {
            'a' => '\u{07}',
            'b' => '\u{08}',
            't' => '\t',
            'n' => '\n',
            'f' => '\u{0C}',
            'r' => '\r',
            'v' => '\u{0B}',
            '0' => '\0',
            '?' | '\'' | '"' | '/' | '\\' => escape,
            '\n' => return Ok(()),
            'x' => self.code(2)?,
            'u' => self.code(4)?,
            'U' => self.code(8)?,
            other => return Err(malformed(&format!("\\{other} is no escape"))),
        });
        Ok(())
    }

    fn code(&mut self, digits: usize) -> Result<char, Error> {
        let number = self.digits(digits)?;
        // Of a letter beyond the first plane there may be two halves.
        if (0xD800..0xDC00).contains(&number) && self.take("\\u") {
            let second = self.digits(4)?;
            let both = char::decode_utf16([number, second].map(|half| u16::try_from(half).unwrap_or_default())).next();
            return both.and_then(Result::ok).ok_or_else(|| malformed("an escape names no letter"));
        }
        char::from_u32(number).ok_or_else(|| malformed("an escape names no letter"))
    }

    fn digits(&mut self, count: usize) -> Result<u32, Error> {
        let digits = self.rest().get(..count).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += count;
        number.ok_or_else(|| malformed("an escape has too few digits"))
    }
}

const fn is_symbol_start(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '_' | '$')
}

fn set(kind: &str, value: Value) -> Result<AttributeValue, Error> {
    let AttributeValue::L(members) = value.into_attribute() else {
        return Err(malformed(&format!("{kind} annotates something else than a list")));
    };
    let wrong = || malformed(&format!("{kind} has members of another type"));
    Ok(match kind {
        "$dynamodb_SS" => {
            let texts = members.into_iter().map(|member| match member {
                AttributeValue::S(text) => Ok(text),
                _ => Err(wrong()),
            });
            AttributeValue::string_set(texts.collect::<Result<_, _>>()?)?
        }
        "$dynamodb_NS" => {
            let numbers = members.into_iter().map(|member| match member {
                AttributeValue::N(number) => Ok(number),
                _ => Err(wrong()),
            });
            AttributeValue::number_set(numbers.collect::<Result<_, _>>()?)?
        }
        _ => {
            let blobs = members.into_iter().map(|member| match member {
                AttributeValue::B(bytes) => Ok(bytes),
                _ => Err(wrong()),
            });
            AttributeValue::binary_set(blobs.collect::<Result<_, _>>()?)?
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::exchanges::ion::write_item;
    use crate::api::wire::Attributes;

    fn item_of(text: &str) -> Result<Item, Error> {
        let mut members = record(text.as_bytes())?;
        let (_, value) = members.pop().ok_or_else(|| malformed("empty"))?;
        value.into_item().ok_or_else(|| malformed("no item"))
    }

    #[test]
    fn what_is_written_is_read_again() -> Result<(), Box<dyn std::error::Error>> {
        let json = r#"{"s":{"S":"\"'\\\n\u0001ü😀"},"n":{"N":"-1.5E+20"},"z":{"N":"0"},"f":{"N":"0.001"},"b":{"B":"AAE="},
            "null":{"NULL":true},"t":{"BOOL":true},"ss":{"SS":["a","b"]},"ns":{"NS":["1","600"]},"bs":{"BS":["AA==","AQ=="]},
            "l":{"L":[{"M":{"a b":{"S":""},"$7":{"N":"7"}}},{"L":[]}]},"m":{"M":{}}}"#;
        let attributes: Attributes = crate::api::json::decode(json.as_bytes())?;
        let mut text = "$ion_1_0 {Item:".to_owned();
        write_item(&mut text, attributes.item()?);
        text.push('}');
        assert_eq!(&item_of(&text)?, attributes.item()?);
        Ok(())
    }

    #[test]
    fn other_ways_of_writing_are_read_as_well() -> Result<(), Box<dyn std::error::Error>> {
        let text = "{ // a comment\n 'Item' : /* another */ { \"a\": 1_000, b: 1.5e1, c: null.string, d: '''one ''' '''two''',\
                    e: \"\\u00fc\\x41\\U0001F600\", f: {{ A A E = }}, g: [1d-1, 2.,], 'h': -3d0, } }";
        let attributes: Attributes = crate::api::json::decode(
            "{\"a\":{\"N\":\"1000\"},\"b\":{\"N\":\"15\"},\"c\":{\"NULL\":true},\"d\":{\"S\":\"one two\"},\"e\":{\"S\":\"üA😀\"},\
             \"f\":{\"B\":\"AAE=\"},\"g\":{\"L\":[{\"N\":\"0.1\"},{\"N\":\"2\"}]},\"h\":{\"N\":\"-3\"}}"
                .as_bytes(),
        )?;
        assert_eq!(&item_of(text)?, attributes.item()?);
        Ok(())
    }

    #[test]
    fn what_is_no_attribute_value_is_refused() {
        let deep = format!("{{Item:{{a:{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
        for text in [
            "",
            "{",
            "{Item:{a:1}",
            "{Item:{a:1}} 2",
            "{Item:{a:symbol}}",
            "{Item:{a:2020-01-01T}}",
            "{Item:{a:0xFF}}",
            "{Item:{a:(1 2)}}",
            "{Item:{a:{{\"clob\"}}}}",
            "{Item:{a:\"open}}",
            "{Item:{a:$dynamodb_SS::[1]}}",
            "{Item:{a:$dynamodb_SS::[]}}",
            "{Item:{a:other::1}}",
            "{Item:{a:nan}}",
            "{Item:{a:1d200}}",
            "{Item:{a:\"\\q\"}}",
            "{Item:{a:\"\\uD800\"}}",
            "{Item:{a 1}}",
            &deep,
        ] {
            assert!(item_of(text).is_err(), "{}", text.chars().take(60).collect::<String>());
        }
        assert!(record(b"{Item:{a:\xFF}}").is_err());
    }

    proptest! {
        #[test]
        fn noise_never_panics(noise in "[\\[\\]{}:,'\"\\\\a-züA0-9$_. /*\n-]{0,60}") {
            let _ = record(noise.as_bytes());
            let _ = record(format!("$ion_1_0 {{Item:{{a:{noise}}}}}").as_bytes());
        }
    }
}
