//! Items in Amazon Ion's text form, as exports write them: the version marker, then a struct, a line each. `read` reads them.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB table export output format", and Ion's specification of its text form.

pub mod read;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::item::{AttributeValue, Item, Number};

/// What every line begins with.
pub const VERSION: &str = "$ion_1_0 ";

/// What an unquoted symbol may not be, because it means something else.
const KEYWORDS: [&str; 4] = ["null", "true", "false", "nan"];

/// Appends a struct.
pub fn write_item(out: &mut String, item: &Item) {
    out.push('{');
    for (at, (name, value)) in item.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_symbol(out, name);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

fn write_value(out: &mut String, value: &AttributeValue) {
    match value {
        AttributeValue::S(text) => write_quoted(out, text, '"'),
        AttributeValue::N(number) => write_decimal(out, number),
        AttributeValue::B(bytes) => write_blob(out, bytes),
        AttributeValue::SS(texts) => {
            out.push_str("$dynamodb_SS::");
            write_list(out, texts, |out, text| write_quoted(out, text, '"'));
        }
        AttributeValue::NS(numbers) => {
            out.push_str("$dynamodb_NS::");
            write_list(out, numbers, write_decimal);
        }
        AttributeValue::BS(blobs) => {
            out.push_str("$dynamodb_BS::");
            write_list(out, blobs, |out, bytes| write_blob(out, bytes));
        }
        AttributeValue::M(map) => write_item(out, map),
        AttributeValue::L(values) => write_list(out, values, write_value),
        AttributeValue::Null => out.push_str("null"),
        AttributeValue::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

fn write_list<T>(out: &mut String, members: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(out, member);
    }
    out.push(']');
}

fn write_blob(out: &mut String, bytes: &[u8]) {
    out.push_str("{{");
    STANDARD.encode_string(bytes, out);
    out.push_str("}}");
}

/// Of a whole number the point or the exponent says that it is a decimal: an integer is another type.
fn write_decimal(out: &mut String, number: &Number) {
    let text = number.to_string();
    if text.contains('.') {
        out.push_str(&text);
        return;
    }
    let digits = text.trim_end_matches('0');
    match text.len() - digits.len() {
        0 => out.push_str(&text),
        // Zero itself.
        _ if digits.is_empty() || digits == "-" => {
            out.push_str("0.");
            return;
        }
        zeros => {
            // Writing to a text cannot fail.
            let _ = write!(out, "{digits}d{zeros}");
            return;
        }
    }
    out.push('.');
}

fn write_symbol(out: &mut String, name: &str) {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'$';
    let mut bytes = name.bytes();
    let is_plain = bytes.next().is_some_and(is_letter) && bytes.all(|byte| is_letter(byte) || byte.is_ascii_digit());
    // "$10" would be the tenth symbol of a table.
    let is_number = name.strip_prefix('$').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if is_plain && !is_number && !KEYWORDS.contains(&name) && name != "$ion_1_0" {
        out.push_str(name);
    } else {
        write_quoted(out, name, '\'');
    }
}

fn write_quoted(out: &mut String, text: &str, quote: char) {
    out.push(quote);
    for letter in text.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            letter if letter == quote => {
                out.push('\\');
                out.push(quote);
            }
            // Beyond ASCII as it is: Ion's text is UTF-8.
            letter if letter.is_control() && (letter as u32) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", letter as u32);
            }
            letter => out.push(letter),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::Attributes;

    #[test]
    fn items_are_written_as_aws_documents_it() -> Result<(), Box<dyn std::error::Error>> {
        let cases = [
            (r#"{"Id":{"N":"103"},"PageCount":{"N":"600"},"Price":{"N":"2000"}}"#, "{Id:103.,PageCount:6d2,Price:2d3}"),
            (
                r#"{"Authors":{"SS":["Author1","Author2"]},"InPublication":{"BOOL":false}}"#,
                r#"{Authors:$dynamodb_SS::["Author1","Author2"],InPublication:false}"#,
            ),
            (
                r#"{"a":{"N":"0"},"b":{"N":"-10"},"c":{"N":"1.50"},"d":{"NS":["0.5","3"]}}"#,
                "{a:0.,b:-1d1,c:1.5,d:$dynamodb_NS::[0.5,3.]}",
            ),
            (
                r#"{"a b":{"B":"AAE="},"null":{"NULL":true},"$7":{"BS":["AA=="]}}"#,
                "{'$7':$dynamodb_BS::[{{AA==}}],'a b':{{AAE=}},'null':null}",
            ),
            (
                r#"{"a'":{"S":"\"\\\n\u0001ü"},"l":{"L":[{"M":{}},{"S":""}]}}"#,
                "{'a\\'':\"\\\"\\\\\\n\\x01ü\",l:[{},\"\"]}",
            ),
        ];
        for (json, ion) in cases {
            let attributes: Attributes = crate::api::json::decode(json.as_bytes())?;
            let mut out = String::new();
            write_item(&mut out, attributes.item()?);
            assert_eq!(out, ion);
        }
        Ok(())
    }
}
